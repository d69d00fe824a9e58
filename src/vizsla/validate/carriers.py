"""The own events that carry an imitation: real hosts, accounts, processes and times, and real events to copy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from vizsla.engine import Engine
from vizsla.lake import Lake, Scan
from vizsla.nouns.event import HOST, ID, TIME
from vizsla.triage.native import base, is_machine

SAMPLE = 300  # own events of a kind that are looked at
STARTS = (("windows_sysmon", "1"), ("windows_security", "4688"))
Row = dict[str, object]
Kind = tuple[str, str]  # table and event id; '' where the table has none


@dataclass(slots=True)
class Own:
    """Own events of a period, by kind: a sample in the order of their ids, which are hashes."""

    engine: Engine
    lake: Lake
    since: datetime | None
    until: datetime | None
    _samples: dict[Kind, list[Row]] = field(default_factory=dict)
    _within: dict[Kind, list[Row]] = field(default_factory=dict)
    _images: dict[tuple[Kind, str], list[Row]] = field(default_factory=dict)

    def kind(self, table: str, event: str) -> list[Row]:
        """A sample of a kind of event, of the period if it has some; none where the logs have none at all."""
        key = (table, event)
        if key not in self._samples:
            self._samples[key] = self.within(table, event) or self._rows(table, event)
        return self._samples[key]

    def within(self, table: str, event: str) -> list[Row]:
        """The same of the period alone: who is to carry an imitation was there then."""
        key = (table, event)
        if key not in self._within:
            self._within[key] = self._rows(table, event, self.since, self.until)
        return self._within[key]

    def of_image(self, kind: Kind, image: str) -> list[Row]:
        """Starts of a program, wherever it lies."""
        key = (kind, base(image).lower())
        if key not in self._images:
            self._images[key] = self._rows(*kind, image=key[1])
        return self._images[key]

    def _rows(
        self, table: str, event: str, since: datetime | None = None, until: datetime | None = None, image: str = ""
    ) -> list[Row]:
        if table not in self.lake.tables():
            return []
        scan = self.lake.scan(table, since, until)
        if not scan.files or (event and "EventID" not in scan.schema.names):
            return []
        rows = self.engine.table(scan)
        conditions = [rows[TIME].notnull(), rows[HOST].notnull()]
        if event:
            conditions.append(rows["EventID"] == event)
        if image:
            name = image_field(scan)
            if name is None:
                return []
            conditions.append(rows[name].lower().endswith("\\" + image))
        found = self.engine.collect(rows.filter(*conditions).order_by(ID).limit(SAMPLE)).to_pylist()
        return [{name: value for name, value in row.items() if value is not None} for row in found]


def image_field(scan: Scan) -> str | None:
    """The column that names the program of a process start."""
    return next((name for name in ("Image", "NewProcessName") if name in scan.schema.names), None)


@dataclass(frozen=True, slots=True)
class Carrier:
    """Where, when and as whom an imitation takes place: an own event, and what it says of host and account."""

    row: Mapping[str, object]
    kind: Kind
    host: str
    time: datetime
    user: str
    domain: str

    @property
    def computer(self) -> str:
        """The host as its log writes it."""
        return str(self.row.get("Computer") or self.host)

    def get(self, *names: str) -> str:
        """The first of these fields that the own event has; '' where it has none."""
        return next((str(self.row[name]) for name in names if self.row.get(name) not in (None, "", "-")), "")


def carrier(own: Own, kinds: Iterable[Kind], below: Sequence[str], seed: str) -> Carrier | None:
    """An own event to hang an imitation on: of a process that a person runs, if there are any; chosen by `seed`."""
    for kind in kinds:
        rows = own.within(*kind)
        if not rows:
            continue
        best = min(rows, key=lambda row: (*_wanted(row, below), _drawn(row, seed)))
        account = _account(best)
        time = best[TIME]
        if isinstance(time, datetime):
            return Carrier(best, kind, str(best[HOST]), time, *account)
    return None


def _wanted(row: Row, below: Sequence[str]) -> tuple[bool, bool]:
    """False first: a program that the technique starts below, run by a person."""
    image = base(str(row.get("Image") or row.get("NewProcessName") or "")).lower()
    user, _ = _account(row)
    return bool(below) and image not in below, not user or is_machine(user)


def _account(row: Mapping[str, object]) -> tuple[str, str]:
    """User and domain of an event."""
    whole = str(row.get("User") or "")
    if "\\" in whole:
        domain, _, user = whole.partition("\\")
        return user, domain
    for name in ("SubjectUserName", "TargetUserName"):
        if row.get(name) not in (None, "", "-"):
            return str(row[name]), str(row.get(name.replace("UserName", "DomainName")) or "")
    return whole, ""


def _drawn(row: Row, seed: str) -> bytes:
    return hashlib.blake2b(f"{seed}\0{row[ID]}".encode(), digest_size=8).digest()

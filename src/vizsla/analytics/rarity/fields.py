"""Which columns rarity compares, table by table: read from `fields.yaml`, with defaults for tables it does not name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import Any

from vizsla.declared import from_yaml
from vizsla.nouns.event import HOST, TIME
from vizsla.sources._declared import rarity_tables


@dataclass(frozen=True, slots=True)
class Derived:
    """A field cut out of a longer one: the first group of `pattern` in column `source`."""

    field: str
    source: str
    pattern: str


@dataclass(frozen=True, slots=True)
class About:
    """What events of one type (`*`: all) are about: columns, read as a file, a program, … (see things.py)."""

    event: str
    how: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """How rarity reads one table."""

    table: str
    kind: str | None
    actor: tuple[str, ...]
    also: tuple[str, ...]  # actor columns that are compared as fields too
    host_acts: bool  # the actor is the host itself: only what it does can be a surprise
    ignore: tuple[str, ...]
    derived: tuple[Derived, ...]
    guid: tuple[str, ...]
    pid: tuple[str, ...]
    logon: tuple[str, ...]
    pair: tuple[str, ...]
    about: tuple[About, ...]
    state: bool  # its records say what is there: their time is of what they list, not of an act
    families: Mapping[str, str]

    def compared(self, columns: Iterable[str]) -> tuple[str, ...]:
        """The columns that are fields to compare, in order of name, so that order never changes a score."""
        patterns = [re.compile(p) for p in self.ignore]
        acting = set(self.actor) - set(self.also)
        fields = {c for c in columns if not c.startswith("_") and not any(p.search(c) for p in patterns)}
        return tuple(sorted(fields - acting))

    def needed(self, columns: Iterable[str]) -> tuple[str, ...]:
        """Every column that must be read: compared, deriving, anchoring, and the host and time."""
        have = set(columns)
        wanted = set(self.compared(have)) | {d.source for d in self.derived}
        wanted |= {*self.actor, *self.anchoring, *EDGE_COLUMNS}
        return (HOST, TIME, *sorted(c for c in wanted & have if not c.startswith("_")))

    @property
    def anchoring(self) -> tuple[str, ...]:
        """The columns that tell an event's kind and what it belongs to."""
        about = (column for one in self.about for column in one.columns)
        kind = (self.kind,) if self.kind else ()
        return tuple(dict.fromkeys((*kind, *self.guid, *self.pid, *self.logon, *self.pair, *about)))

    def family(self, kind: str) -> str:
        """The family of a kind ('windows_sysmon:1'): its evidence shares inputs."""
        event = kind.partition(":")[2]
        return self.families.get(event, self.families.get("*", self.table))

    def kind_of(self, event: str) -> str:
        """The name of a type of event: 'windows_sysmon:1', or the table alone."""
        return f"{self.table}:{event}" if self.kind else self.table


# Process starts, from which lineage is built.
EDGE_COLUMNS = ("ParentProcessGuid", "ParentImage", "Image", "NewProcessName", "ParentProcessName")


@cache
def _declared() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("fields.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = from_yaml(text)
    return {**loaded, "tables": {**loaded["tables"], **rarity_tables()}}


def _squeezed(pattern: str) -> str:
    """A folded YAML pattern: line breaks became blanks, which no column name in it holds."""
    return pattern.replace(" ", "")


@cache
def profile(table: str) -> Profile:
    """The profile of a table: the defaults, then every entry whose name matches, the exact name last."""
    declared = _declared()
    ignore = [_squeezed(declared["defaults"]["ignore"])]
    merged: dict[str, Any] = {
        "kind": None,
        "actor": [],
        "also": [],
        "host_acts": False,
        "derive": [],
        "anchor": {},
        "family": {},
    }
    entries = sorted(declared["tables"].items(), key=lambda item: (item[0] == table, item[0]))
    for name, entry in entries:
        if not fnmatchcase(table, name):
            continue
        if "ignore" in entry:
            ignore.append(_squeezed(entry["ignore"]))
        merged["anchor"] = {**merged["anchor"], **entry.get("anchor", {})}
        merged["derive"] = [*merged["derive"], *entry.get("derive", [])]
        merged["family"] = {**merged["family"], **entry.get("family", {})}
        for key in ("kind", "actor", "also", "host_acts"):
            merged[key] = entry.get(key, merged[key])
    anchor = merged["anchor"]
    return Profile(
        table=table,
        kind=merged["kind"],
        actor=tuple(merged["actor"]),
        also=tuple(merged["also"]),
        host_acts=bool(merged["host_acts"]),
        ignore=tuple(ignore),
        derived=tuple(Derived(d["field"], d["from"], d["pattern"]) for d in merged["derive"]),
        guid=tuple(anchor.get("guid", ())),
        pid=tuple(anchor.get("pid", ())),
        logon=tuple(anchor.get("logon", ())),
        pair=tuple(anchor.get("pair", ())),
        about=tuple(
            About(str(event), how, tuple(columns))
            for event, ways in anchor.get("about", {}).items()
            for how, columns in ways.items()
        ),
        state=bool(anchor.get("state", False)),
        families=merged["family"],
    )


@cache
def launchers() -> frozenset[str]:
    """Base names, in lower case, of the processes below which a lineage begins."""
    return frozenset(_declared()["launchers"])

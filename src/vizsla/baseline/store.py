"""Baselines by name and version, kept beside the lake's tables; or one anywhere on disk."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from vizsla import __version__
from vizsla.analytics.rarity.model import Model, Tallied
from vizsla.baseline import files, fired, growth, rule_hits, states
from vizsla.baseline.drift import drifts
from vizsla.baseline.fired import Fired
from vizsla.baseline.growth import Growth, Part
from vizsla.baseline.rule_hits import RuleHits
from vizsla.baseline.states import Calibrated
from vizsla.errors import BaselineError, UsageError
from vizsla.lake import Lake
from vizsla.triage.replay import Replay

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
ROOM = "baselines"
TAGS = "tags.json"
_VERSION = re.compile("[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Baseline:
    """What was learnt: the model of what is usual, the replay of quiet days, and where it came from."""

    name: str
    version: int
    model: Model
    replay: Replay
    made: str
    analytics: Mapping[str, Calibrated] = field(default_factory=dict)  # by name, what others than rarity learnt
    fired: Fired = field(default_factory=Fired)  # where rules and indicators were met
    grows: Growth | None = None  # how far it went in its lake; None: it was written by a Vizsla that did not say

    @property
    def span(self) -> tuple[datetime, datetime]:
        """First and last event learnt from."""
        first, last = (datetime.fromtimestamp(t / 1e6, UTC) for t in (self.model.first, self.model.last))
        return first, last


class BaselineStore:
    """The baselines of a lake."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    def _home(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} cannot be a baseline's name", fix="letters, digits, '.', '_' and '-', 64 at most"
            )
        return self.lake.room(ROOM) / name

    def names(self) -> list[str]:
        """All baselines, in order of name."""
        room = self.lake.room(ROOM)
        return sorted(p.name for p in room.iterdir() if (p / "current").exists()) if room.is_dir() else []

    def versions(self, name: str) -> list[int]:
        """A baseline's versions on disk, whole ones only."""
        home = self._home(name)
        found = [int(p.name) for p in home.iterdir() if _VERSION.fullmatch(p.name)] if home.is_dir() else []
        return sorted(v for v in found if (home / str(v) / "meta.json").exists())

    def current(self, name: str) -> int:
        """The version in use. Raises BaselineError where there is no such baseline."""
        pointer = self._home(name) / "current"
        if not pointer.exists():
            known = self.names()
            raise BaselineError(
                f"there is no baseline {name!r}",
                where=str(self.lake.root),
                fix=f"choose one of: {', '.join(known)}" if known else "vizsla learn PATH makes one",
            )
        said = _in_use(pointer)
        if not said:
            raise BaselineError(
                f"which version of {name!r} is in use cannot be told",
                where=str(pointer),
                fix=f"write one of its versions into this file: {', '.join(map(str, self.versions(name)))}",
            )
        return int(said)

    def save(
        self,
        name: str,
        model: Model,
        replay: Replay,
        analytics: Mapping[str, Calibrated] | None = None,
        grown: tuple[Growth, Part] | None = None,
        met: Fired | None = None,
        hits: RuleHits | None = None,
    ) -> Baseline:
        """The next version of a baseline, in use from now on; in whole or not at all.

        `grown`: how far it went, the parts of it that earlier versions keep, and what it adds to them. `hits`: what
        rules met, for the next update.
        """
        with self.lake.writing():  # two that learn at once get two versions
            return self._save(name, model, replay, analytics or {}, grown, met or Fired(), hits or RuleHits())

    def _save(
        self,
        name: str,
        model: Model,
        replay: Replay,
        analytics: Mapping[str, Calibrated],
        grown: tuple[Growth, Part] | None,
        met: Fired,
        hits: RuleHits,
    ) -> Baseline:
        home = self._home(name)
        home.mkdir(parents=True, exist_ok=True)
        version = max(self.versions(name), default=0) + 1
        made = datetime.now(UTC).isoformat(timespec="seconds")
        draft = home / f".{version}.{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        states.write(draft, analytics)
        fired.write(draft, met)
        rule_hits.write(draft, hits)
        said: dict[str, Any] = {"name": name, "version": version, "made": made, "vizsla": __version__}
        grows = None
        if grown is not None:
            grows = replace(grown[0], parts=(*grown[0].parts, version))
            grown[1].place(draft)
            said["grows"] = grows.said()
        files.write(draft, model, replay, said)
        shutil.rmtree(home / str(version), ignore_errors=True)
        draft.rename(home / str(version))
        self._point(name, version)
        return Baseline(name, version, model, replay, made, analytics, met, grows)

    def tallies(self, name: str, grows: Growth) -> list[Tallied]:
        """What the versions that a baseline rests on counted. Raises BaselineError where one is gone."""
        return [growth.read(self._home(name) / str(part)) for part in grows.parts]

    def rule_hits(self, baseline: Baseline) -> RuleHits:
        """What rules met in the events of a version. Raises BaselineError where that is damaged."""
        return rule_hits.read(self._home(baseline.name) / str(baseline.version))

    def _point(self, name: str, version: int) -> None:
        pointer = self._home(name) / f".current.{os.getpid()}"
        pointer.write_text(str(version), encoding="ascii")
        pointer.replace(self._home(name) / "current")

    def tags(self, name: str) -> dict[str, int]:
        """The names that versions of a baseline were given. Raises BaselineError where they are damaged."""
        path = self._home(name) / TAGS
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return {str(tag): int(version) for tag, version in found.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise BaselineError(f"its names are damaged: {error}", where=str(path), fix="delete that file") from error

    def tag(self, name: str, tag: str, version: int | None = None) -> int:
        """Give a version (None: the one in use) a name; of an earlier version of that name it is taken away."""
        if not NAME.fullmatch(tag) or tag.isdigit():
            raise UsageError(f"{tag!r} cannot be a version's name", fix="letters, digits, '.', '_' and '-'; no number")
        with self.lake.writing():
            chosen = self.current(name) if version is None else self._there(name, version)
            path = self._home(name) / TAGS
            draft = path.with_name(f".{TAGS}.{os.getpid()}")
            draft.write_text(json.dumps({**self.tags(name), tag: chosen}, indent=1), encoding="utf-8")
            draft.replace(path)
        return chosen

    def version_of(self, name: str, said: str) -> int:
        """The version that is meant by its number or its name. Raises BaselineError where there is none."""
        if said.isdigit():
            return self._there(name, int(said))
        tags = self.tags(name)
        if said not in tags:
            known = ", ".join([*tags, *map(str, self.versions(name))])
            raise BaselineError(f"{name!r} has no version {said!r}", fix=f"it has: {known}")
        return self._there(name, tags[said])

    def _there(self, name: str, version: int) -> int:
        if version not in self.versions(name):
            have = ", ".join(map(str, self.versions(name)))
            raise BaselineError(f"{name!r} has no version {version}", fix=f"it has: {have}")
        return version

    def load(self, name: str, version: int | None = None) -> Baseline:
        """A baseline by name, NAME@VERSION or NAME@TAG, or by the folder it lies in, or its versions."""
        folder = placed(name)
        if folder is not None or os.sep in name:
            return read_folder(folder or Path(name))
        name, version = self._parted(name, version)
        number = self.current(name) if version is None else version
        folder = self._home(name) / str(number)
        return read_folder(folder)

    def folder(self, name: str) -> Path:
        """Where a baseline's version in use lies, or NAME@VERSION. Raises BaselineError where there is none."""
        name, version = self._parted(name, None)
        return self._home(name) / str(self.current(name) if version is None else version)

    def _parted(self, name: str, version: int | None) -> tuple[str, int | None]:
        plain, at, said = name.partition("@")
        return (plain, self.version_of(plain, said)) if at else (name, version)

    def rollback(self, name: str, to: int | None = None) -> int:
        """Go back to an earlier version (None: the one before); later ones stay on disk."""
        now = self.current(name)
        earlier = [v for v in self.versions(name) if v < now]
        wanted = to if to is not None else (earlier[-1] if earlier else None)
        if wanted is None or wanted not in self.versions(name):
            have = ", ".join(map(str, self.versions(name)))
            raise BaselineError(f"no earlier version of {name!r} to go back to", fix=f"it has: {have}")
        self._point(name, wanted)
        return wanted

    def table(self) -> pa.Table:
        """Every version of every baseline: name, version, named, current, events, hosts, host_days, from, to, made."""
        rows: list[dict[str, Any]] = []
        for name in self.names():
            tags: dict[int, list[str]] = {}
            for tag, number in sorted(self.tags(name).items()):
                tags.setdefault(number, []).append(tag)
            for version in self.versions(name):
                said = files.meta(self._home(name) / str(version))
                rows.append({
                    "baseline": name, "version": version, "named": ", ".join(tags.get(version, ())),
                    "in use": version == self.current(name),
                    "events": said["events"], "hosts": said["hosts"], "host-days": said["host_days"],
                    "from": _date(said["first"]), "to": _date(said["last"]), "made": said["made"],
                })  # fmt: skip
        return pa.Table.from_pylist(rows) if rows else pa.table({"baseline": pa.array([], pa.string())})


def describe(baseline: Baseline) -> pa.Table:
    """What a baseline holds: per type of event its events, hosts and the fields compared."""
    kinds = sorted(baseline.model.kinds.values(), key=lambda k: (-k.events, k.kind))
    return pa.table({
        "type of event": [k.kind for k in kinds],
        "events": [k.events for k in kinds],
        "patterns": [k.units for k in kinds],
        "hosts": [len(k.hosts) for k in kinds],
        "fields": [", ".join(sorted(f for f in k.fields if f)) for k in kinds],
    })  # fmt: skip


def about(store: BaselineStore, baseline: Baseline) -> list[str]:
    """What a version does not hold: what was withheld and what is forgotten; and what drifted while it grew."""
    grows = baseline.grows
    if grows is None:
        return []
    told = [
        f"not learnt: {one.title or 'a finding'} ({one.finding[:12]}, {one.bits:.1f} bits, {one.why}) on "
        f"{', '.join(one.slices)}"
        for one in grows.withheld
    ]
    if grows.fading.window is not None:
        told.append(f"window: {grows.fading.window:g} days")
    if grows.fading.half_life is not None:
        told.append(f"half-life: {grows.fading.half_life:g} days")
    parts = grows.fading.left(store.tallies(baseline.name, grows))
    return told + [one.says() for one in drifts(parts, baseline.model.words)]


def diff(older: Baseline, newer: Baseline) -> pa.Table:
    """What changed between two baselines: types of event, and values of fields, that came or went."""
    rows: list[dict[str, Any]] = []
    for kind in sorted({*older.model.kinds, *newer.model.kinds}):
        old, new = older.model.kinds.get(kind), newer.model.kinds.get(kind)
        fields = sorted({*(old.fields if old else ()), *(new.fields if new else ())})
        came = went = 0
        for name in fields:
            before = set(old.fields[name].by_value.codes.tolist()) if old and name in old.fields else set()
            after = set(new.fields[name].by_value.codes.tolist()) if new and name in new.fields else set()
            came, went = came + len(after - before), went + len(before - after)
        events = (new.events if new else 0) - (old.events if old else 0)
        if came or went or events:
            rows.append({"type of event": kind, "events": events, "values new": came, "values gone": went})
    rows.sort(key=lambda r: (-(r["values new"] + r["values gone"]), r["type of event"]))
    return pa.Table.from_pylist(rows) if rows else pa.table({"type of event": pa.array([], pa.string())})


def placed(path: str) -> Path | None:
    """The folder of the version that a path names: its own, or, of a baseline's folder, that in use; None: neither.

    What could be a name is no baseline's folder: a name is asked of lakes.
    """
    folder = Path(path)
    if (folder / "meta.json").exists():
        return folder
    if os.sep not in path or not (folder / "current").is_file():
        return None
    said = _in_use(folder / "current")
    return folder / said if said and (folder / said / "meta.json").exists() else None


def _in_use(pointer: Path) -> str:
    """The version that a baseline's file `current` names; '' where it names none."""
    said = pointer.read_text(encoding="utf-8", errors="replace").strip()
    return said if _VERSION.fullmatch(said) else ""


def read_folder(folder: Path) -> Baseline:
    """The baseline in a folder."""
    model, replay, said = files.read(folder)
    try:
        grows = Growth.of(said["grows"]) if "grows" in said else None
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise BaselineError(
            f"damaged: {type(error).__name__}, {error}", where=str(folder / "meta.json"), fix="learn it anew"
        ) from None
    return Baseline(
        said["name"], said["version"], model, replay, said["made"], states.read(folder), fired.read(folder), grows
    )


def _date(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1e6, UTC).date().isoformat()

"""The library of imitations: one YAML file a technique, in `techniques/`; nothing in it can run.

    technique: T1003.001
    tactic: credential-access
    title: A program in a temporary folder reads the memory of LSASS
    below: [explorer.exe]            # own processes that it starts below, if there are any; else any own process
    processes:                       # by name; `parent` another name, left out: the own process
      tool: {image: 'C:\\Users\\{user}\\x.exe', command: 'x.exe'}
    events:                          # in the order of time; `after`: seconds; `repeat`: {count, every}; `always`: is
                                 # recorded by default, so that it need not have been seen before
      - {start: tool}                # as every log at hand records the start of a process
      - {table: windows_sysmon, event: 10, of: tool, after: 3, set: {TargetImage: 'C:\\Windows\\system32\\lsass.exe'}}

Values may hold {user}, {domain}, {host}, {computer}, {peer} (another own host), {ip}, {session} (a logon session of
the imitation's own), {n} (which repetition) and {hex8} (eight digits, of each event its own).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from vizsla.declared import from_yaml
from vizsla.errors import UsageError

_KEYS = {"technique", "tactic", "title", "below", "processes", "events"}
_EVENT = {"start", "table", "event", "of", "after", "set", "repeat", "always"}


@dataclass(frozen=True, slots=True)
class Process:
    """A process that an imitation starts: `parent` another one of it, '' the own process that carries it."""

    image: str
    command: str
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One event, or `count` of them `every` so many seconds. `start`: of this process; else of `table` and `event`."""

    after: float
    start: str = ""
    table: str = ""
    event: str = ""
    of: str = ""
    set: Mapping[str, str] = field(default_factory=dict)
    count: int = 1
    every: float = 0.0
    always: bool = False  # Windows records it whatever it is told to: that it was never seen says nothing


@dataclass(frozen=True, slots=True)
class Technique:
    """An imitation of a technique, as its file has it."""

    name: str  # of its file
    technique: str
    tactic: str
    title: str
    steps: tuple[Step, ...]
    processes: Mapping[str, Process] = field(default_factory=dict)
    below: tuple[str, ...] = ()


@cache
def library() -> tuple[Technique, ...]:
    """All that ship with Vizsla, in order of tactic and name."""
    folder = resources.files("vizsla.validate").joinpath("techniques")
    found = [load(entry.read_text(encoding="utf-8"), Path(entry.name).stem)
             for entry in sorted(folder.iterdir(), key=lambda e: e.name) if entry.name.endswith(".yaml")]  # fmt: skip
    return tuple(found)


def chosen(names: tuple[str, ...]) -> tuple[Technique, ...]:
    """Those meant: by technique (T1003 means T1003.001, too), by tactic or by file name; all where none is named."""
    if not names:
        return library()
    found: dict[str, Technique] = {}
    for name in names:
        own = [t for t in library() if _meant(t, name.strip().lower())]
        if not own:
            known = ", ".join(t.technique for t in library())
            raise UsageError(f"there is no imitation of {name!r}", where="--technique", fix=f"choose from: {known}")
        found |= {t.name: t for t in own}
    return tuple(t for t in library() if t.name in found)


def _meant(technique: Technique, wanted: str) -> bool:
    own = technique.technique.lower()
    return wanted in (own, own.partition(".")[0], technique.tactic, technique.name)


def load(text: str, name: str) -> Technique:
    """A technique from YAML text. Raises ValueError with the file's name and what is wrong."""
    found = from_yaml(text)
    if (
        not isinstance(found, dict)
        or set(found) - _KEYS
        or not {"technique", "tactic", "title", "events"} <= set(found)
    ):
        raise ValueError(f"{name}: needs technique, tactic, title and events; knows {', '.join(sorted(_KEYS))}")
    processes = {key: Process(p["image"], p["command"], p.get("parent", ""))
                 for key, p in (found.get("processes") or {}).items()}  # fmt: skip
    steps = tuple(_step(row, name, processes) for row in found["events"])
    return Technique(
        name, str(found["technique"]), found["tactic"], found["title"], steps, processes,
        tuple(str(image).lower() for image in found.get("below") or ()),
    )  # fmt: skip


def _step(row: Mapping[str, Any], name: str, processes: Mapping[str, Process]) -> Step:
    unknown = set(row) - _EVENT
    if unknown or ("start" in row) == ("table" in row):
        raise ValueError(f"{name}: an event has either `start` or `table`; it knows {', '.join(sorted(_EVENT))}")
    for key in ("start", "of"):
        if row.get(key, "") not in {"", *processes}:
            raise ValueError(f"{name}: there is no process {row[key]!r}")
    repeat = row.get("repeat") or {}
    return Step(
        after=float(row.get("after", 0)),
        start=row.get("start", ""),
        table=row.get("table", ""),
        event=str(row.get("event", "")),
        of=row.get("of", ""),
        set={str(k): str(v) for k, v in (row.get("set") or {}).items()},
        count=int(repeat.get("count", 1)),
        every=float(repeat.get("every", 0)),
        always=bool(row.get("always", False)),
    )

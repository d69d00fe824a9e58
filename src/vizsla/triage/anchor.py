"""Which episode an event belongs to: the root of its process's lineage, its logon session, its connection pair; or that
of what it is about (see meeting.py).

Sysmon names processes by GUID; where an event has only a process id, the process is the one that had this id then.
A lineage begins below a launcher (services, explorer, svchost, …: `launchers` in rarity's fields.yaml), or else all
that a computer does would be one episode. Arrays in, arrays out; nothing here knows scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytics.rarity.encode import I64, NOTHING, U64, code_of, mixed
from vizsla.analytics.rarity.keys import LOGON_KINDS, NO_PID
from vizsla.analytics.rarity.tally import DAY, SLICE, START_KEY, located
from vizsla.analytics.rarity.things import is_thing
from vizsla.triage.meeting import PAIR, PLACE, PROCESS, SESSION, Anchors, met
from vizsla.triage.runs import last_not_after

SAME_START = 5_000_000  # microseconds within which two logs tell of one process start
CLOCK = 2_000_000  # microseconds by which an event may precede the start it belongs to
DEEPEST = 64  # ancestors followed at most
SAME_INSTALLATION = 60_000_000  # microseconds within which two logs tell of one service installed
# Both tell of a service's installation and of its program (their pair); only the second names who did it.
INSTALLED, INSTALLED_BY = (np.uint64(code_of(kind)) for kind in ("windows_system:7045", "windows_security:4697"))
AT_ONCE = 1_000_000  # ties looked at together
NO_KINDS = np.zeros(0, dtype=np.uint64)


@dataclass(frozen=True, slots=True)
class Processes:
    """Known processes: by (host, pid) and time those that anybody may ask for, and each one's root."""

    starts: Mapping[str, np.ndarray]
    process: U64  # of every row of `starts`
    begun: npt.NDArray[np.bool_]  # which rows of `starts` are starts, each told once
    known: U64  # codes of processes that are known to have begun, ascending
    root: U64

    def lineages(self, until: int) -> Lineages:
        """Those of the processes that began before `until`, microseconds since 1970, and of those before them."""
        later = np.unique(self.process[self.begun & (self.starts["time"] >= until)]) if self.starts else self.known[:0]
        kept = (self.known != self.root) & (located(later, self.known) < 0)
        return Lineages(self.known[kept], self.root[kept])

    def at(self, slot: U64, time: I64) -> U64:
        """The process that had this host's pid at that time; NOTHING where none is known within a day."""
        if not len(self.process):
            return np.zeros_like(slot)
        return slots(self.starts, self.process, self.begun, slot).at(slot, time)

    def roots(self, process: U64) -> U64:
        """The root of each process's lineage: itself where no parent is known."""
        place = located(self.known, process)
        return np.where(place >= 0, self.root[place], process) if len(self.known) else process


@dataclass(frozen=True, slots=True)
class Lineages:
    """The roots of processes that began before those that are looked at; all others are roots themselves."""

    process: U64 = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))  # ascending
    root: U64 = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))

    def beside(self, known: U64, root: U64) -> tuple[U64, U64]:
        """These processes (ascending) with their roots, and those of old; what was told of them then stands."""
        if not len(self.process):
            return known, root
        above = located(self.process, root)
        root = np.where(above >= 0, self.root[above], root)
        new = located(self.process, known) < 0
        both = np.concatenate([self.process, known[new]])
        order = np.argsort(both)
        return both[order], np.concatenate([self.root, root[new]])[order]


NO_LINEAGES = Lineages()


@dataclass(frozen=True, slots=True)
class Slots:
    """Who had which pid of which host since when."""

    slot: U64  # host and pid as one code; with `time`, ascending
    time: I64
    process: U64
    since: npt.NDArray[np.bool_]  # whether its start was seen: then it had not the pid before

    def at(self, slot: U64, time: I64) -> U64:
        """The process that had this host's pid at that time; NOTHING where none is known within a day."""
        if not len(self.slot):
            return np.zeros(len(slot), dtype=np.uint64)
        begins = np.searchsorted(self.slot, slot, side="left")
        ends = np.searchsorted(self.slot, slot, side="right")
        # Within the slot's run of starts, the last one not after the event; else the first.
        place = np.minimum(last_not_after(self.time, begins, ends, time + CLOCK), len(self.process) - 1)
        near = (begins < ends) & (np.abs(self.time[place] - time) < DAY)
        near &= ~self.since[place] | (self.time[place] <= time + SAME_START)
        return np.where(near, self.process[place], NOTHING)


def processes(starts: Mapping[str, np.ndarray], earlier: Lineages = NO_LINEAGES) -> Processes:
    """The processes that starts and pairings of GUID and pid tell of; `earlier` ones are known by their roots."""
    if not starts:
        nothing = np.zeros(0, dtype=np.uint64)
        return Processes({}, nothing, nothing.astype(bool), earlier.process, earlier.root)
    host, guid = starts["host"], starts["guid"]
    named = guid != NOTHING
    process = mixed(host, guid)
    begun = starts["known"] == 0
    if not named.all():
        others = np.flatnonzero(~named)
        slot = mixed(host[others], starts["pid"][others].astype(np.uint64))
        process[others] = mixed(slot, starts["time"][others].astype(np.uint64))
        begun[others[_doubled(starts, named, slot, others)]] = False
    unknown = Processes(starts, process, begun, process[:0], process[:0])
    whole = bool(begun.all())
    asked = starts if whole else {name: values[begun] for name, values in starts.items()}
    known, root = earlier.beside(*_roots(process if whole else process[begun], _parents(asked, unknown), asked))
    return Processes(starts, process, begun, known, root)


def _doubled(starts: Mapping[str, np.ndarray], named: npt.NDArray[np.bool_], slot: U64, others: I64) -> np.ndarray:
    """Which of the starts without a GUID are told of by one that has a GUID, too."""
    at = _of_slots(starts, slot, np.flatnonzero(named))
    told = mixed(starts["host"][at], starts["pid"][at].astype(np.uint64))
    return _near(slot, starts["time"][others], told, starts["time"][at])


def _of_slots(starts: Mapping[str, np.ndarray], asked: U64, among: I64) -> I64:
    """Which of these starts have one of the slots asked for (host and pid as one code)."""
    if not len(asked):
        return among[:0]
    wanted = pa.array(np.unique(asked))
    kept = [
        part[np.asarray(pc.is_in(pa.array(mixed(starts["host"][part], starts["pid"][part].astype(np.uint64))), wanted))]
        for part in np.array_split(among, max(1, len(among) // 1_000_000))
    ]
    return np.concatenate(kept)


def slots(starts: Mapping[str, np.ndarray], process: U64, begun: npt.NDArray[np.bool_], asked: U64) -> Slots:
    """The processes that had one of the slots asked for; what nobody asks for need not be put in order."""
    at = _of_slots(starts, asked, np.flatnonzero(starts["pid"] != NO_PID))
    slot = mixed(starts["host"][at], starts["pid"][at].astype(np.uint64))
    time, own = starts["time"][at], process[at]
    named = starts["guid"][at] != NOTHING
    doubled = ~named
    doubled[doubled] = _near(slot[~named], time[~named], slot[named], time[named])
    seen = process[begun]
    seen = seen[np.asarray(pc.is_in(pa.array(seen), pa.array(np.unique(own))))]
    since = np.isin(own, seen)
    order = np.lexsort((own, time, slot))
    order = order[~doubled[order]]
    return Slots(slot[order], time[order], own[order], since[order])


def _near(slot: U64, time: I64, other_slot: U64, other_time: I64) -> npt.NDArray[np.bool_]:
    """Whether the others hold the same slot within SAME_START."""
    if not len(other_slot):
        return np.zeros(len(slot), dtype=bool)
    order = np.lexsort((other_time, other_slot))
    others, times = other_slot[order], other_time[order]
    begins = np.searchsorted(others, slot, side="left")
    ends = np.searchsorted(others, slot, side="right")
    before = last_not_after(times, begins, ends, time)
    near = np.zeros(len(slot), dtype=bool)
    for place in (before, before + 1):
        inside = (place >= begins) & (place < ends)
        near |= inside & (np.abs(times[np.minimum(place, len(times) - 1)] - time) <= SAME_START)
    return near


def _parents(starts: Mapping[str, np.ndarray], table: Processes) -> U64:
    """Each start's parent process; NOTHING below a launcher or where none is known."""
    host, guid = starts["host"], starts["parent_guid"]
    parent = np.where(guid != NOTHING, mixed(host, guid), NOTHING)
    at = np.flatnonzero((guid == NOTHING) & (starts["parent_pid"] != NO_PID))
    if len(at):
        slot = mixed(host[at], starts["parent_pid"][at].astype(np.uint64))
        parent[at] = table.at(slot, starts["time"][at])
    return np.where(starts["launched"] == 1, NOTHING, parent)


def _roots(process: U64, parent: U64, starts: Mapping[str, np.ndarray]) -> tuple[U64, U64]:
    """Each process's topmost known ancestor, by following parents; a loop (pids used again) is cut at DEEPEST.

    Few processes are parents: only those are followed upwards.
    """
    known, above = _first_of_each(process, parent, starts)
    if not len(known):
        return known, known
    encoded = pc.dictionary_encode(pa.array(above))
    parents = encoded.dictionary.to_numpy()
    root = parents.copy()
    for _ in range(DEEPEST - 1):
        place = located(known, root)
        climbs = (place >= 0) & (above[place] != NOTHING) & (root != NOTHING)
        if not climbs.any():
            break
        root = np.where(climbs, above[place], root)
    found = root[encoded.indices.to_numpy()]
    return known, np.where(above == NOTHING, known, found)


def _first_of_each(process: U64, parent: U64, starts: Mapping[str, np.ndarray]) -> tuple[U64, U64]:
    """The processes, ascending, and the parent of each: of several, that of the least start by its key's hash."""
    order = np.argsort(process)
    ordered = process[order]
    again = ordered[1:] == ordered[:-1]
    if again.any():
        unsure = np.flatnonzero(np.r_[again, False] | np.r_[False, again])
        rows = order[unsure]
        keys = mixed(*(starts[name][rows].astype(np.uint64, copy=False) for name in START_KEY))
        order[unsure] = rows[np.lexsort((keys, ordered[unsure]))]
        first = np.r_[True, ~again]
        return ordered[first], parent[order[first]]
    return ordered, parent[order]


def anchors(ties: Mapping[str, np.ndarray], table: Processes, listing: U64 = NO_KINDS) -> Anchors:
    """The episode of every tie: its lineage, else its logon session, else its pair, else its place and ten minutes; or
    the episode that what it is about belongs to. `listing`: codes of the types of event that list what is there.

    Logons come the other way round: a logon is its session's first event before it is its logon process's doing.
    """
    size = len(ties["host"])
    code, process, kind = np.empty(size, np.uint64), np.empty(size, np.uint64), np.empty(size, np.int8)
    # Slots are put in order for those who ask: all ask at once.
    asking = np.flatnonzero((ties["guid"] == NOTHING) & (ties["pid"] != NO_PID))
    asked = {name: ties[name][asking] for name in ("host", "pid", "time")}
    slot = mixed(asked["host"], asked["pid"].astype(np.uint64))
    by_pid = table.at(slot, asked["time"])
    # A pid that nobody told of is still one process to us, for a day.
    by_pid = np.where(by_pid == NOTHING, mixed(slot, (asked["time"] // DAY).astype(np.uint64)), by_pid)
    for first in range(0, size, AT_ONCE):  # in parts: what is made on the way is many times as large
        part = slice(first, first + AT_ONCE)
        own = {name: ties[name][part] for name in ("host", "time", "guid", "logon", "pair")}
        own["kind"] = _events(ties, part)
        acting = np.where(own["guid"] != NOTHING, mixed(own["host"], own["guid"]), NOTHING)
        begin, end = np.searchsorted(asking, (first, first + len(acting)))
        acting[asking[begin:end] - first] = by_pid[begin:end]
        code[part], kind[part], process[part] = _anchored(own, acting, table)
    told, by = _installations(ties)
    code[told], kind[told] = code[by], kind[by]
    found = Anchors(code, kind, process, ties["host"], ties["slice"], ties["time"])
    if not ties["pair"].any():
        return found
    event = _events(ties, slice(None))
    return met(found, ties["pair"], event, np.isin(event, listing), told)


def _anchored(ties: Mapping[str, np.ndarray], process: U64, table: Processes) -> tuple[U64, np.ndarray, U64]:
    """Codes and kinds of episodes, and the processes, of ties with their processes (NOTHING: none)."""
    host = ties["host"]
    if ties["logon"].any():
        session = np.where(ties["logon"] != NOTHING, mixed(host, ties["logon"]), NOTHING)
        process = np.where((session != NOTHING) & np.isin(ties["kind"], _logon_codes()), NOTHING, process)
    else:
        session = ties["logon"]
    if process.all():
        return table.roots(process), np.full(len(host), PROCESS, np.int8), process
    paired = (ties["pair"] != NOTHING) & ~is_thing(ties["pair"])
    kind = np.select([process != NOTHING, session != NOTHING, paired], [PROCESS, SESSION, PAIR], PLACE)
    place = mixed(host, ties["kind"], (ties["time"] // SLICE).astype(np.uint64))
    chosen = [kind == PROCESS, kind == SESSION, kind == PAIR]
    code = np.select(chosen, [table.roots(process), session, mixed(host, ties["pair"])], place)
    return code, kind, process


def _events(ties: Mapping[str, np.ndarray], part: slice | I64) -> U64:
    """The kinds of event behind these ties. Those of hits say it apart (`event`): their kind is of what met them."""
    kind: U64 = ties["kind"][part]
    if "event" not in ties:
        return kind
    event = ties["event"][part]
    return np.where(event == NOTHING, kind, event)


def _logon_codes() -> U64:
    return np.array([code_of(kind) for kind in LOGON_KINDS], dtype=np.uint64)


def _installations(ties: Mapping[str, np.ndarray]) -> tuple[I64, I64]:
    """Places of services told as installed, and of the same host's nearest record of who installed that program."""
    named = np.flatnonzero(ties["pair"]) if ties["pair"].any() else np.zeros(0, np.int64)
    told, by = (named[_events(ties, named) == kind] for kind in (INSTALLED, INSTALLED_BY))
    if not len(told) or not len(by):
        return told[:0], by[:0]
    both = np.r_[told, by]
    slot, time = np.zeros(len(ties["host"]), np.uint64), ties["time"]
    slot[both] = mixed(ties["host"][both], ties["pair"][both])
    by = by[np.lexsort((by, time[by], slot[by]))]
    begins, ends = (np.searchsorted(slot[by], slot[told], side=side) for side in ("left", "right"))
    before = last_not_after(time[by], begins, ends, time[told])
    # Of the last one not after it and the next, the nearer; of no run at all, none.
    places = np.minimum(np.stack([before, np.minimum(before + 1, ends - 1)]), len(by) - 1)
    lag = np.abs(time[by][places] - time[told])
    nearest = np.where(lag[1] < lag[0], places[1], places[0])
    one = (begins < ends) & (lag.min(axis=0) <= SAME_INSTALLATION)
    return told[one], by[nearest[one]]

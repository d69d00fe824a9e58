"""Which episode an event belongs to: the root of its process's lineage, its logon session, its connection pair.

Sysmon names processes by GUID; where an event has only a process id, the process is the one that had this id then.
A lineage begins below a launcher (services, explorer, svchost, …: `launchers` in rarity's fields.yaml), or else all
that a computer does would be one episode. Arrays in, arrays out; nothing here knows scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vizsla.analytics.rarity.encode import I64, NOTHING, U64, code_of, mixed
from vizsla.analytics.rarity.keys import LOGON_KINDS, NO_PID
from vizsla.analytics.rarity.tally import DAY, SLICE

SAME_START = 5_000_000  # microseconds within which two logs tell of one process start
CLOCK = 2_000_000  # microseconds by which an event may precede the start it belongs to
DEEPEST = 64  # ancestors followed at most
SAME_INSTALLATION = 60_000_000  # microseconds within which two logs tell of one service installed
# Both tell of a service's installation and of its program (their pair); only the second names who did it.
INSTALLED, INSTALLED_BY = (np.uint64(code_of(kind)) for kind in ("windows_system:7045", "windows_security:4697"))
PROCESS, SESSION, PAIR, PLACE = 0, 1, 2, 3  # what an anchor is


@dataclass(frozen=True, slots=True)
class Anchors:
    """Per tie: the code of its episode, what kind of anchor that is, and the code of its own process (0: none)."""

    code: U64
    kind: npt.NDArray[np.int8]
    process: U64


@dataclass(frozen=True, slots=True)
class Processes:
    """Known processes by (host, pid) and time, and each one's root."""

    slot: U64  # host and pid as one code; with `time`, ascending
    time: I64
    process: U64
    since: npt.NDArray[np.bool_]  # whether its start was seen: then it had not the pid before
    known: U64  # codes of processes with a known parent, ascending
    root: U64

    def at(self, slot: U64, time: I64) -> U64:
        """The process that had this host's pid at that time; NOTHING where none is known within a day."""
        if not len(self.slot):
            return np.zeros(len(slot), dtype=np.uint64)
        begins = np.searchsorted(self.slot, slot, side="left")
        ends = np.searchsorted(self.slot, slot, side="right")
        # Within the slot's run of starts, the last one not after the event; else the first.
        place = np.minimum(_last_not_after(self.time, begins, ends, time + CLOCK), len(self.process) - 1)
        near = (begins < ends) & (np.abs(self.time[place] - time) < DAY)
        near &= ~self.since[place] | (self.time[place] <= time + SAME_START)
        return np.where(near, self.process[place], NOTHING)

    def roots(self, process: U64) -> U64:
        """The root of each process's lineage: itself where no parent is known."""
        if not len(self.known):
            return process
        place = np.minimum(np.searchsorted(self.known, process), len(self.known) - 1)
        return np.where(self.known[place] == process, self.root[place], process)


def _last_not_after(times: I64, begins: I64, ends: I64, limit: I64) -> I64:
    """Per run [begin, end) of ascending `times`, the place of the last at most `limit`; the first where none is."""
    low, high = begins.copy(), ends.copy()  # binary search in all runs at once
    while (low < high).any():
        middle = (low + high) // 2
        below = times[np.minimum(middle, len(times) - 1)] <= limit
        active = low < high
        low = np.where(active & below, middle + 1, low)
        high = np.where(active & ~below, middle, high)
    return np.maximum(low - 1, begins)


def processes(starts: Mapping[str, np.ndarray]) -> Processes:
    """The processes that starts and pairings of GUID and pid tell of."""
    if not starts:
        nothing, never = np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
        return Processes(nothing, never, nothing, never.astype(bool), nothing, nothing)
    host, guid, pid, time = starts["host"], starts["guid"], starts["pid"], starts["time"]
    slot = mixed(host, pid.astype(np.uint64))
    named = guid != NOTHING
    process = np.where(named, mixed(host, guid), mixed(slot, time.astype(np.uint64)))
    doubled = ~named & _near(slot, time, slot[named], time[named])
    keep = ~doubled & (pid != NO_PID)
    order = np.lexsort((process[keep], time[keep], slot[keep]))
    begun = ~doubled & (starts["known"] == 0)
    since = np.isin(process, process[begun])[keep][order]
    table = Processes(slot[keep][order], time[keep][order], process[keep][order], since, process[:0], process[:0])
    parent = _parents({name: values[begun] for name, values in starts.items()}, table)
    known, root = _roots(process[begun], parent)
    return Processes(table.slot, table.time, table.process, table.since, known, root)


def _near(slot: U64, time: I64, other_slot: U64, other_time: I64) -> npt.NDArray[np.bool_]:
    """Whether the others hold the same slot within SAME_START."""
    if not len(other_slot):
        return np.zeros(len(slot), dtype=bool)
    order = np.lexsort((other_time, other_slot))
    others, times = other_slot[order], other_time[order]
    begins = np.searchsorted(others, slot, side="left")
    ends = np.searchsorted(others, slot, side="right")
    before = _last_not_after(times, begins, ends, time)
    near = np.zeros(len(slot), dtype=bool)
    for place in (before, before + 1):
        inside = (place >= begins) & (place < ends)
        near |= inside & (np.abs(times[np.minimum(place, len(times) - 1)] - time) <= SAME_START)
    return near


def _parents(starts: Mapping[str, np.ndarray], table: Processes) -> U64:
    """Each start's parent process; NOTHING below a launcher or where none is known."""
    named = starts["parent_guid"] != NOTHING
    by_guid = np.where(named, mixed(starts["host"], starts["parent_guid"]), NOTHING)
    slot = mixed(starts["host"], starts["parent_pid"].astype(np.uint64))
    by_pid = np.where(starts["parent_pid"] == NO_PID, NOTHING, table.at(slot, starts["time"]))
    parent = np.where(by_guid != NOTHING, by_guid, by_pid)
    return np.where(starts["launched"] == 1, NOTHING, parent)


def _roots(process: U64, parent: U64) -> tuple[U64, U64]:
    """Each process's topmost known ancestor, by following parents; a loop (pids used again) is cut at DEEPEST."""
    known, first = np.unique(process, return_index=True)
    above = parent[first]
    root = known.copy()
    for _ in range(DEEPEST if len(known) else 0):
        place = np.minimum(np.searchsorted(known, root), len(known) - 1)
        climbs = (known[place] == root) & (above[place] != NOTHING)
        if not climbs.any():
            break
        root = np.where(climbs, above[place], root)
    return known, root


def anchors(ties: Mapping[str, np.ndarray], table: Processes) -> Anchors:
    """The episode of every tie: its lineage, else its logon session, else its pair, else its place and ten minutes.

    Logons come the other way round: a logon is its session's first event before it is its logon process's doing.
    """
    host, pid, time = ties["host"], ties["pid"], ties["time"]
    by_guid = np.where(ties["guid"] != NOTHING, mixed(host, ties["guid"]), NOTHING)
    slot = mixed(host, pid.astype(np.uint64))
    by_pid = table.at(slot, time)
    # A pid that nobody told of is still one process to us, for a day.
    unheard = mixed(slot, (time // DAY).astype(np.uint64))
    by_pid = np.where(pid == NO_PID, NOTHING, np.where(by_pid == NOTHING, unheard, by_pid))
    process = np.where(by_guid != NOTHING, by_guid, by_pid)
    session = np.where(ties["logon"] != NOTHING, mixed(host, ties["logon"]), NOTHING)
    logons = np.isin(ties["kind"], np.array([code_of(k) for k in LOGON_KINDS], dtype=np.uint64)) & (session != NOTHING)
    process = np.where(logons, NOTHING, process)
    paired = (ties["pair"] != NOTHING) & ~np.isin(ties["kind"], np.array([INSTALLED, INSTALLED_BY]))
    kind = np.select([process != NOTHING, session != NOTHING, paired], [PROCESS, SESSION, PAIR], PLACE)
    place = mixed(host, ties["kind"], (time // SLICE).astype(np.uint64))
    chosen = [kind == PROCESS, kind == SESSION, kind == PAIR]
    code = np.select(chosen, [table.roots(process), session, mixed(host, ties["pair"])], place)
    told, by = _installations(ties)
    code[told], kind[told] = code[by], kind[by]
    return Anchors(code.astype(np.uint64), kind.astype(np.int8), process.astype(np.uint64))


def _installations(ties: Mapping[str, np.ndarray]) -> tuple[I64, I64]:
    """Places of services told as installed, and of the same host's nearest record of who installed that program."""
    named = ties["pair"] != NOTHING
    told, by = (np.flatnonzero(named & (ties["kind"] == kind)) for kind in (INSTALLED, INSTALLED_BY))
    if not len(told) or not len(by):
        return told[:0], by[:0]
    slot, time = mixed(ties["host"], ties["pair"]), ties["time"]
    by = by[np.lexsort((by, time[by], slot[by]))]
    begins, ends = (np.searchsorted(slot[by], slot[told], side=side) for side in ("left", "right"))
    before = _last_not_after(time[by], begins, ends, time[told])
    # Of the last one not after it and the next, the nearer; of no run at all, none.
    places = np.minimum(np.stack([before, np.minimum(before + 1, ends - 1)]), len(by) - 1)
    lag = np.abs(time[by][places] - time[told])
    nearest = np.where(lag[1] < lag[0], places[1], places[0])
    one = (begins < ends) & (lag.min(axis=0) <= SAME_INSTALLATION)
    return told[one], by[nearest[one]]

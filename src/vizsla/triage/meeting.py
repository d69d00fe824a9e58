"""Evidence of one thing meets in one episode, though its records share no process: of a file, a task, two addresses.

What names no process and no logon session (a record of a $MFT or of Amcache, a sensor's connection) may be about a
thing that an event of a process or session names, too. It joins that episode where there is but one to belong to:

- events of one episode alone name the thing within a few seconds of it;
- else, events of one episode alone name it that day. What many processes run, write or reach (cmd.exe, a proxy) says
  nothing of whose it is, and ties nothing.

Records of several kinds that no process names (a host whose event log is gone) join the one that was there last.
Nothing joins two episodes: what meets them goes to one or stays by itself. Arrays in, arrays out; nothing here knows
scores, so that an episode and its id are the same whatever the baseline.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytics.rarity.encode import I64, NOTHING, U64
from vizsla.analytics.rarity.tally import DAY
from vizsla.analytics.rarity.things import is_thing
from vizsla.triage.runs import Runs

AT_ONCE = 5_000_000  # microseconds within which two logs tell of one act
PROCESS, SESSION, PAIR, PLACE = 0, 1, 2, 3  # what an anchor is


@dataclass(frozen=True, slots=True)
class Anchors:
    """Per tie: the code of its episode, what kind of anchor that is, the code of its own process (0: none); and the
    host, ten minutes and time at which it counts there."""

    code: U64
    kind: npt.NDArray[np.int8]
    process: U64
    host: U64
    slice: I64
    time: I64

    def moved(self, places: I64, to: I64, when: I64) -> Anchors:
        """With the ties at `places` in the episodes of those at `to`; those of `when` (numbers among them) at their
        time, too."""
        made = {name: getattr(self, name).copy() for name in ("code", "kind", "host", "slice", "time")}
        for name in ("code", "kind", "host"):
            made[name][places] = getattr(self, name)[to]
        for name in ("slice", "time"):
            made[name][places[when]] = getattr(self, name)[to[when]]
        return replace(self, **made)


def met(found: Anchors, thing: U64, event: U64, state: npt.NDArray[np.bool_], settled: I64) -> Anchors:
    """Episodes after evidence of one thing has met. Per tie `thing` is what it is about (0: nothing), `event` its type
    of event, `state` whether it lists what is there. Those at `settled` belong where they are."""
    about = np.flatnonzero(thing != NOTHING)
    free = found.kind[about] >= PAIR
    named, alone = about[~free], about[free]
    asking = alone[~np.isin(alone, settled)]
    joins, to, close = _named(found, thing, state, asking, _of_things(named, thing, thing[asking]))
    left = alone[is_thing(thing[alone]) & ~np.isin(alone, joins)]
    joined = found.moved(joins, to, np.flatnonzero(close | state[joins])) if len(joins) else found
    follows, last = _last(found, thing, event, state, left)
    return joined.moved(follows, last, np.arange(len(follows))) if len(follows) else joined


def _of_things(places: I64, thing: U64, asked: U64) -> I64:
    """Those of the places that are about one of the things asked for."""
    return places[np.asarray(pc.is_in(pa.array(thing[places]), pa.array(np.unique(asked))))] if len(places) else places


def _named(
    found: Anchors, thing: U64, state: npt.NDArray[np.bool_], asking: I64, named: I64
) -> tuple[I64, I64, npt.NDArray[np.bool_]]:
    """Of those that ask: which are of an episode that names their thing, by which tie, and whether at the same time."""
    asking = _of_things(asking, thing, thing[named])
    if not len(asking):
        return asking, asking, np.zeros(0, dtype=bool)
    named = named[np.lexsort((found.code[named], found.time[named], thing[named]))]
    runs = Runs.of(thing[named], found.time[named], found.code[named])
    own, time = thing[asking], found.time[asking]
    near = runs.nearest(own, time)
    by = runs.episodes(own, time - AT_ONCE, time + AT_ONCE)
    day = np.where(state[asking], found.time[named[near]], time) // DAY * DAY
    sole = np.where(by == 0, runs.episodes(own, day, day + DAY - 1), by) == 1
    return asking[sole], named[near[sole]], by[sole] == 1


def _last(found: Anchors, thing: U64, event: U64, state: npt.NDArray[np.bool_], left: I64) -> tuple[I64, I64]:
    """Of records that no process names: those that list a thing of which another kind tells, and which record they
    join: one of an act, else what was there last."""
    order = left[np.lexsort((event[left], -found.time[left], state[left], thing[left]))]
    if not len(order):
        return order, order
    begins = np.r_[True, thing[order][1:] != thing[order][:-1]]
    lead = order[np.flatnonzero(begins)[np.cumsum(begins) - 1]]
    follows = state[order] & (event[order] != event[lead])
    return order[follows], lead[follows]

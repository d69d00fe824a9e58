"""Observations of one host put together: AND, OR, FOLLOWEDBY, WITHIN, REPEATS, START and STOP of STIX patterns."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vizsla.intel.pattern import Between, Joined, Observation, Qualified, Repeats, Seen, Within

STEPS = 200_000  # events that are tried for a pattern on a host
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """An event for which an observation holds; without a time it is in a match of its own only."""

    time: datetime | None
    table: str
    id: str


@dataclass(frozen=True, slots=True)
class _Match:
    events: frozenset[Event]  # all that are used so far, those of other parts too
    first: datetime
    last: datetime


class Moments:
    """What one host saw: for each observation of a pattern its events."""

    def __init__(self, found: Mapping[Seen, Sequence[Event]], steps: int = STEPS) -> None:
        self._all = {seen: list(dict.fromkeys(events)) for seen, events in found.items()}
        self._timed = {
            seen: sorted((e for e in events if e.time is not None), key=lambda e: (e.time, e.table, e.id))
            for seen, events in self._all.items()
        }
        self._times = {seen: [_time(event) for event in events] for seen, events in self._timed.items()}
        self._left = steps
        self.stopped = False

    def matches(self, root: Observation) -> Iterator[list[Event]]:
        """Matches that share no event, the earliest first; an observation alone is met by each of its events."""
        if isinstance(root, Seen):
            untimed = [event for event in self._all.get(root, ()) if event.time is None]
            for event in [*self._timed.get(root, ()), *sorted(untimed, key=lambda e: (e.table, e.id))]:
                yield [event]
            return
        used: frozenset[Event] = frozenset()
        while True:
            found = next(self._of(root, _EARLIEST, _LATEST, used), None)
            if found is None:
                return
            yield sorted(found.events - used, key=lambda e: (_time(e), e.table, e.id))
            used = found.events

    def _of(self, node: Observation, low: datetime, high: datetime, used: frozenset[Event]) -> Iterator[_Match]:
        """Matches within [low, high] of events that are not used yet."""
        match node:
            case Seen():
                yield from self._seen(node, low, high, used)
            case Joined("OR", parts):
                for part in parts:
                    yield from self._of(part, low, high, used)
            case Joined(operator, parts):
                yield from self._each(parts, low, high, used, ordered=operator == "FOLLOWEDBY")
            case Qualified(inner, Within(seconds)):
                yield from self._within(inner, seconds, low, high, used)
            case Qualified(inner, Repeats(times)):
                yield from self._repeated(inner, times, low, high, used)
            case Qualified(inner, Between(start, stop)):
                yield from self._of(inner, max(low, start), min(high, stop - timedelta(microseconds=1)), used)

    def _seen(self, node: Seen, low: datetime, high: datetime, used: frozenset[Event]) -> Iterator[_Match]:
        times = self._times.get(node, [])
        events = self._timed.get(node, [])
        for place in range(bisect_left(times, low), bisect_right(times, high)):
            if self._left <= 0:
                self.stopped = True
                return
            self._left -= 1
            if events[place] not in used:
                yield _Match(used | {events[place]}, times[place], times[place])

    def _each(
        self, parts: Sequence[Observation], low: datetime, high: datetime, used: frozenset[Event], *, ordered: bool
    ) -> Iterator[_Match]:
        for head in self._of(parts[0], low, high, used):
            if len(parts) == 1:
                yield head
                continue
            begin = max(low, head.last) if ordered else low
            for rest in self._each(parts[1:], begin, high, head.events, ordered=ordered):
                yield _Match(rest.events, min(head.first, rest.first), max(head.last, rest.last))

    def _within(
        self, inner: Observation, seconds: float, low: datetime, high: datetime, used: frozenset[Event]
    ) -> Iterator[_Match]:
        """Each time at which something was seen may be the first of a match."""
        span = timedelta(seconds=min(seconds, 1e9))
        held = {time for seen in _inner(inner) for time in self._times.get(seen, ()) if low <= time <= high}
        for first in sorted(held):
            end = min(high, first + span) if first <= _LATEST - span else high
            for found in self._of(inner, first, end, used):
                if found.first == first:
                    yield found

    def _repeated(
        self, inner: Observation, times: int, low: datetime, high: datetime, used: frozenset[Event]
    ) -> Iterator[_Match]:
        for one in self._of(inner, low, high, used):
            if times == 1:
                yield one
                continue
            # The others begin no earlier: in whichever order they were seen, one of them was the first.
            for rest in self._repeated(inner, times - 1, one.first, high, one.events):
                yield _Match(rest.events, min(one.first, rest.first), max(one.last, rest.last))


def _inner(node: Observation) -> Iterator[Seen]:
    match node:
        case Seen():
            yield node
        case Qualified():
            yield from _inner(node.observation)
        case Joined():
            for part in node.parts:
                yield from _inner(part)


def _time(event: Event) -> datetime:
    return event.time or _EARLIEST

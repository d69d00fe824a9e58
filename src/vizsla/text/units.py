"""Values looked at once each, and the events of the odd ones alone: however many events there are, few rows are moved.

Distinct values are judged as they stream by. What is odd is looked for again, with its host, day and process; all that
is usual is counted by host and day, since how much of it there is says how unusual the rest is.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytic import observed
from vizsla.nouns.event import HOST, ID, TIME

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from vizsla.engine import Engine

MOST = 1_000  # values that are looked for again, the oddest first
ROOM = 2_000_000  # characters of them
Said = tuple[float, str, str]  # bits, sentence, pattern
Value = tuple[Any, ...]
Judge = Callable[[Sequence[Value]], Sequence[Said]]
TIES = {"guid": "process_guid", "pid": "pid", "source": "source", "destination": "destination"}
BY = (HOST, "day", "_table", "code")


def observations(
    engine: Engine, events: ir.Table, keys: Sequence[str], judge: Judge, told: float, quiet: tuple[str, str]
) -> Iterator[pa.RecordBatch]:
    """Batches of OBSERVED: every odd value on every host-day, and the usual rest of every host-day.

    `events` have BY, `_id`, `_time`, the columns `keys` (the first tells values apart best, and is never null) and
    those of TIES that there are. `judge` says of distinct values how odd they are; below `told` bits they are not.
    `quiet`: the sentence and the pattern of the rest.
    """
    odd = dict(_oddest(engine, events, keys, judge, told))
    if odd:
        for batch in engine.batches(_again(events, keys, sorted({value[0] for value in odd}))):
            values = list(zip(*(batch[key].to_pylist() for key in keys), strict=True))
            kept = [place for place, value in enumerate(values) if value in odd]
            if kept:
                yield _batch(batch.take(pa.array(kept)), [odd[values[place]] for place in kept])
    rest = events.group_by(list(BY)).agg(n=events.count(), **{TIME: events[TIME].min(), ID: events[ID].min()})
    for batch in engine.batches(rest):
        if batch.num_rows:
            yield _batch(batch, [(0.0, *quiet)] * batch.num_rows)


def _oddest(
    engine: Engine, events: ir.Table, keys: Sequence[str], judge: Judge, told: float
) -> Iterator[tuple[Value, Said]]:
    """The oddest distinct values and what is said of them, as many as there is room for."""
    found: list[tuple[float, str, Value, Said]] = []
    for batch in engine.batches(events.select(*keys).distinct()):
        values = list(zip(*(batch[key].to_pylist() for key in keys), strict=True))
        odd = (
            (said[0], repr(value), value, said)
            for value, said in zip(values, judge(values), strict=True)
            if said[0] >= told
        )
        found = heapq.nlargest(MOST, [*found, *odd], key=lambda one: one[:2])
    room = ROOM
    for _, _, value, said in found:
        room -= len(str(value[0]))
        if room < 0:
            return
        yield value, said


def _again(events: ir.Table, keys: Sequence[str], values: list[Any]) -> ir.Table:
    """The first event of each host and day with each of these values, and how many there were."""
    import ibis

    some = events.filter(events[keys[0]].isin(values))
    by = [*BY, *keys]
    first = ibis.row_number().over(ibis.window(group_by=by, order_by=[TIME, ID]))
    counted = some.mutate(place=first, n=some.count().over(ibis.window(group_by=by)))
    return counted.filter(counted["place"] == 0)


def _batch(batch: pa.RecordBatch, said: Sequence[Said]) -> pa.RecordBatch:
    code = pc.fill_null(batch["code"], "")
    kind = pc.if_else(pc.not_equal(code, ""), pc.binary_join_element_wise(batch["_table"], code, ":"), batch["_table"])
    ties = {column: batch[name] for name, column in TIES.items() if name in batch.schema.names}
    return observed({
        "_host": batch[HOST], "_time": batch[TIME], "kind": kind, "pattern": [one[2] for one in said], **ties,
        "score": [one[0] for one in said], "n": batch["n"], "why": [one[1] for one in said],
        "event_ids": [[id] for id in batch[ID].to_pylist()],
    })  # fmt: skip

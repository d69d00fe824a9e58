"""Clocks that look wrong: ahead, behind, set back, or hours off as by a wrong time zone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla import arrow
from vizsla.declared import from_yaml
from vizsla.explore.coverage.grid import Cells, HostHours, at_micros
from vizsla.nouns.coverage import Clock
from vizsla.nouns.event import DAY, HOST, ID, TIME, UNKNOWN_DAY
from vizsla.view import epoch

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan

TOLERATED = 120  # seconds that two clocks may differ
FUTURE = 600  # seconds after the present
AGREE = 900  # seconds within which the others end, where one that ends later is to be told
STEPS = 3  # backward steps of a host, or a thousandth of its records: more are not its clock's, but mixed-up logs
DAY_SECONDS = 86_400
MINUTE = 60_000_000
LEAST_RECORDS = 50
RECORD = "EventRecordID"


def ahead(cells: Sequence[Cells], held: HostHours, now: datetime) -> list[Clock]:
    """Hosts with events later than the present, and hosts whose last events lie after everybody's."""
    present = int(now.astimezone(UTC).timestamp()) * 1_000_000
    found = []
    for host, last in sorted(held.last.items()):
        over = (last - present) // 1_000_000
        if over > FUTURE:
            found.append(Clock("future", host, "", over, f"its last event bears {at_micros(last):%Y-%m-%d %H:%M}"))
    if found or len(held.last) < 4:
        return found
    order = sorted(held.last, key=lambda host: held.last[host], reverse=True)
    rest = np.asarray([held.last[host] for host in order[1:]], np.int64) // 1_000_000
    over = held.last[order[0]] // 1_000_000 - int(rest[0])
    together = int((rest >= rest[0] - AGREE).sum())
    # Where most logs end together somebody collected them then: who goes on after that did not live in that time.
    if over > 2 * AGREE and together >= max(3, len(rest) // 2):
        rests = f"its log ends that long after those of {together} others, which end together"
        found.append(Clock("ahead", order[0], "", over, rests))
    return found


@cache
def _seconds() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = from_yaml(
        (files("vizsla.explore.coverage") / "clocks.yaml").read_text(encoding="utf-8")
    )
    return found


def _second_of(scan: Scan) -> dict[str, Any] | None:
    """The second clock of a table, where it has one: by its name, else by the first pattern."""
    for name, clock in _seconds().items():
        meant = scan.table == name or (name.endswith("*") and scan.table.startswith(name[:-1]))
        if meant and clock["column"] in scan.schema.names:
            return clock
    return None


DIFFERENCES = pa.schema([("host", pa.string()), ("minutes", pa.int64()), ("events", pa.int64())])


@dataclass(frozen=True, slots=True)
class Differences:
    """A mapper: by host, how many minutes `_time` lies after another column's time, and for how many events."""

    kind: str
    schema: pa.Schema = DIFFERENCES

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            host, time, other = (arrow.plain(batch.column(i)) for i in range(3))
            mine = pc.cast(time, pa.int64())
            minutes = pc.round(pc.divide(pc.cast(pc.subtract(mine, _micros(other, self.kind)), pa.float64()), MINUTE))
            told = pa.table({"host": host, "minutes": pc.cast(minutes, pa.int64())}).drop_null()
            counted = told.group_by(["host", "minutes"]).aggregate([([], "count_all")])
            yield from counted.rename_columns(DIFFERENCES.names).cast(DIFFERENCES).to_batches()


def _micros(text: pa.Array, kind: str) -> pa.Array:
    """A column's times as microseconds since 1970; null where it holds none that can be read."""
    if kind != "text":
        number = pc.cast(_only(text, r"^[0-9]{9,17}$"), pa.int64())
        return number if kind == "micros" else pc.multiply(number, 1_000_000)
    found = pc.extract_regex(
        text,
        r"^(?P<day>[12][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8]))[T ]"
        r"(?P<clock>(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])(?:[.,][0-9]*)?(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?$",
    )
    day, clock, zone = (pc.struct_field(found, name) for name in ("day", "clock", "zone"))
    local = pc.cast(pc.cast(pc.binary_join_element_wise(day, clock, " "), pa.timestamp("us")), pa.int64())
    return pc.subtract(local, _offset(zone))


def _offset(zone: pa.Array) -> pa.Array:
    """Of +02:00 and its like, in microseconds; 0 for Z and for none."""
    digits = pc.replace_substring(pc.utf8_slice_codeunits(zone, 1), ":", "")
    sound = pc.if_else(pc.match_substring_regex(digits, "^[0-9]{4}$"), digits, "0000")
    hours, minutes = pc.utf8_slice_codeunits(sound, 0, 2), pc.utf8_slice_codeunits(sound, 2, 4)
    away = pc.add(pc.multiply(pc.cast(hours, pa.int64()), 60), pc.cast(minutes, pa.int64()))
    sign = pc.if_else(pc.starts_with(zone, "-"), -MINUTE, MINUTE)
    return pc.fill_null(pc.multiply(away, sign), 0)


def _only(text: pa.Array, pattern: str) -> pa.Array:
    return pc.if_else(pc.match_substring_regex(text, pattern), text, pa.scalar(None, pa.string()))


def second(engine: Engine, scan: Scan) -> list[Clock]:
    """Hosts whose events bear two times that disagree, in most of them, by more than two minutes."""
    clock = _second_of(scan)
    if clock is None or not scan.files:
        return []
    batches = list(engine.map(scan, (HOST, TIME, clock["column"]), Differences(clock["kind"])))
    if not batches:
        return []
    counted = pa.Table.from_batches(batches, DIFFERENCES).group_by(["host", "minutes"]).aggregate([("events", "sum")])
    by_host: dict[str, list[tuple[int, int]]] = {}
    for row in counted.to_pylist():
        by_host.setdefault(row["host"], []).append((row["minutes"], row["events_sum"]))
    found = []
    for host, told in sorted(by_host.items()):
        total = sum(n for _, n in told)
        middle = _median(told)
        far = sum(n for minutes, n in told if abs(minutes) * 60 > TOLERATED and minutes * middle > 0)
        if not _tellable(middle, later=clock.get("later", False)):
            continue
        if 2 * far > total:
            rests = f"_time against {clock['says']}, in {far:,} of {total:,} events"
            found.append(Clock("second", host, scan.table, middle * 60, rests))
    return found


def _tellable(minutes: int, *, later: bool) -> bool:
    """Whether such a difference is a clock's: beyond a day logs were replayed, below an hour they were on their way."""
    if not TOLERATED < abs(minutes) * 60 <= DAY_SECONDS:
        return False
    whole_hours = abs(minutes) >= 58 and (abs(minutes) + 2) % 60 <= 4
    return not later or minutes > 0 or whole_hours


def _median(told: Sequence[tuple[int, int]]) -> int:
    """The weighted median of (value, weight)."""
    half, seen = sum(n for _, n in told) / 2, 0
    for value, n in sorted(told):
        seen += n
        if seen >= half:
            return value
    return 0


def set_back(engine: Engine, scan: Scan) -> list[Clock]:
    """Hosts whose records, in the order of their numbers, once or twice go back in time by more than two minutes."""
    import ibis

    if RECORD not in scan.schema.names or not scan.files:
        return []
    table = engine.table(scan)
    text = table[RECORD]
    sound = (text.translate("0123456789", "") == "") & text.length().between(1, 18)
    number = ibis.cases((sound, text), else_=ibis.null("string")).cast("int64")
    rows = table.filter(table[DAY] != UNKNOWN_DAY).select(
        host=table[HOST], number=number, seconds=epoch(table[TIME]), id=table[ID]
    )
    rows = rows.filter(rows["number"].notnull() & rows["host"].notnull())
    window = ibis.window(group_by="host", order_by=["number", "id"])
    stepped = rows.mutate(back=rows["seconds"].lag(1).over(window) - rows["seconds"])
    wrong = stepped["back"] > TOLERATED
    grouped = stepped.group_by("host").aggregate(
        n=stepped.count(), steps=stepped.count(where=wrong), most=stepped["back"].max()
    )
    found = []
    for row in engine.collect(grouped.filter(grouped["steps"] > 0).order_by("host")).to_pylist():
        few = row["steps"] <= max(STEPS, row["n"] // 1000) and row["n"] >= LEAST_RECORDS
        if few and row["most"] <= DAY_SECONDS:  # by more: numbers that began again, or logs of several lives
            times = "once" if row["steps"] == 1 else f"{row['steps']:,} times"
            rests = f"{times} in {row['n']:,} records the next one bears an earlier time"
            found.append(Clock("back", row["host"], scan.table, -int(row["most"]), rests))
    return found

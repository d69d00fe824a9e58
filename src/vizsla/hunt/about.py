"""What a hunt says of itself beside its findings: tables, empty views, analytics that could not run, traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vizsla.analytics.rarity.reference import Columns
from vizsla.baseline import Baseline
from vizsla.engine import Engine
from vizsla.lake import Lake, Scan
from vizsla.nouns import RunReport, Unable
from vizsla.nouns.event import TIME

if TYPE_CHECKING:
    import pyarrow as pa

PEERS = 12  # shown in the chart of traffic
LITTLE = 15  # host-days below which a baseline is called small


def account(
    report: RunReport,
    lake: Lake,
    engine: Engine,
    scans: Sequence[Scan],
    heard: Mapping[str, Columns],
    baseline: Baseline | None,
) -> None:
    """Fills the report: events per table, views that nothing fills, what could not run, and what rests on little.

    `heard`: by kind, how many events (`n`) in which `hour`.
    """
    from vizsla.view import views

    counts: dict[str, int] = {scan.table: 0 for scan in scans}
    for kind, units in heard.items():
        counts[kind.partition(":")[0]] += int(units["n"].sum())
    report.tables = counts
    report.empty_views = [name for name, view in sorted(views().items()) if not view.among(counts)]
    if not any(counts.values()):
        report.unable.append(Unable("rarity", "any event in the tables, hosts and times asked for"))
    timeless = sum(int(units["n"][units["hour"] < 0].sum()) for units in heard.values())
    if timeless:
        report.notes.append(f"{timeless:,} events have no time that can be believed: counted, but in no finding")
    if baseline is not None and baseline.model.host_days < LITTLE:
        report.notes.append(
            f"the baseline holds {baseline.model.host_days} host-days only: what is new may be new by chance"
        )
    strange = sorted(kind.partition(":")[0] for kind in heard)
    if baseline is not None:
        known = {kind.partition(":")[0] for kind in baseline.model.kinds}
        missing = sorted(set(strange) - known)
        if missing:
            report.notes.append(f"the baseline knows nothing of {', '.join(missing)}: everything there looks new")


def traffic(engine: Engine, lake: Lake, scans: Sequence[Scan]) -> pa.Table | None:
    """Connections and bytes by peer and hour: `time`, `peer`, `connections`, `bytes` (null where no log tells them).

    The PEERS busiest peers; None where no table tells of any connection.
    """
    import ibis

    from vizsla.view import named, view_table

    if not named("network").among(scan.table for scan in scans):
        return None
    since, until, hosts = scans[0].since, scans[0].until, scans[0].hosts
    rows = view_table(engine, lake, "network", since, until, hosts)
    there = rows.filter(
        (rows["event.action"] == "connection") & rows["destination.ip"].notnull() & rows[TIME].notnull()
    )
    absent = ibis.null("int64")
    sent, received = (there[c] if c in there.columns else absent for c in ("source.bytes", "destination.bytes"))
    known = ibis.ifelse(sent.isnull() & received.isnull(), absent, sent.fill_null(0) + received.fill_null(0))
    hourly = there.select(time=there[TIME].truncate("h"), peer=there["destination.ip"], both=known)
    counted = hourly.group_by(["time", "peer"]).agg(connections=hourly.count(), bytes=hourly["both"].sum())
    busiest = counted.group_by("peer").agg(total=counted["connections"].sum())
    busiest = busiest.order_by([busiest["total"].desc(), busiest["peer"]]).limit(PEERS)
    kept = counted.filter(counted["peer"].isin(busiest["peer"]))
    found = engine.collect(kept.order_by(["time", "peer"]))
    return found if len(found) else None

"""Network traffic by peer over time."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

import pyarrow as pa

from vizsla.charts.drawing import WIDTH, bin_of, data, finish, floored, iso, label, time_axis, utc

MOST_PEERS = 8
OTHERS = "all others"
_PALETTE = ["#c2410c", "#2563eb", "#059669", "#9333ea", "#d9a406", "#0891b2", "#db2777", "#65a30d", "#94a3b8"]


def traffic_by_peer(traffic: pa.Table) -> Any:
    """Stacked hours (or longer, over longer spans): bytes with each of the busiest peers, or connections.

    Connections are counted where no bytes are known.

    `traffic` has the columns time, peer, connections, bytes (see `HuntResult.traffic`).
    """
    import altair as alt

    known = traffic.column("bytes").null_count < traffic.num_rows
    measure = "bytes" if known else "connections"
    totals: Counter[str] = Counter()
    hours: Counter[tuple[datetime, str]] = Counter()
    records = [r for r in traffic.select(["time", "peer", measure]).to_pylist() if r["time"] is not None]
    step = bin_of([utc(r["time"]) for r in records], most=120)
    for record in records:
        totals[record["peer"] or ""] += record[measure] or 0
    top = [peer for peer, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:MOST_PEERS]]
    for record in records:
        peer = record["peer"] or ""
        hours[floored(record["time"], step), label(peer) if peer in top else OTHERS] += record[measure] or 0
    names = list(dict.fromkeys([label(p) for p in top])) + ([OTHERS] if len(totals) > len(top) else [])
    rows = [
        {"from": iso(at), "to": iso(at + step), "peer": peer, "amount": amount}
        for (at, peer), amount in sorted(hours.items())
    ]
    chart = (
        alt.Chart(data(rows))
        .mark_bar()
        .encode(
            x=time_axis("from:T", [at for at, _ in hours]),
            x2="to:T",
            y=alt.Y("sum(amount):Q", stack="zero", title=measure, axis=alt.Axis(format="~s")),
            color=alt.Color(
                "peer:N",
                title=None,
                sort=names,
                scale=alt.Scale(domain=names, range=_PALETTE[: max(1, len(names))]),
                # Above, as long names beside it would leave the bars no room.
                legend=alt.Legend(orient="top", columns=_columns(names), columnPadding=24),
            ),
            tooltip=["from:T", "peer:N", "amount:Q"],
        )
    )
    return finish(chart)


def _columns(names: list[str]) -> int:
    """As many columns of a legend as the chart is wide: a letter takes seven pixels, a symbol and its space thirty."""
    return max(1, WIDTH // (7 * max(map(len, names), default=1) + 30))

"""Findings over time, by tier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from vizsla.charts.drawing import COLOURS, bin_of, count_axis, data, finish, floored, iso, time_axis, utc
from vizsla.nouns import TIERS, Finding


def findings_over_time(findings: Sequence[Finding]) -> Any:
    """Stacked bars: how many findings began in each hour (or longer, over longer spans), by tier, in UTC."""
    import altair as alt

    times = [utc(f.start) for f in findings if f.start is not None]
    step = bin_of(times)
    counts = Counter((floored(f.start, step), f.tier) for f in findings if f.start is not None)
    rows = [
        {"from": iso(at), "to": iso(at + step), "tier": tier, "order": TIERS.index(tier), "findings": count}
        for (at, tier), count in sorted(counts.items())
    ]
    most = max(Counter(at for at, _ in counts.elements()).values(), default=0)
    present = [t for t in TIERS if any(row["tier"] == t for row in rows)]
    chart = (
        alt.Chart(data(rows))
        .mark_bar()
        .encode(
            x=time_axis("from:T", times),
            x2="to:T",
            y=alt.Y("sum(findings):Q", title="findings", axis=count_axis(most)),
            color=alt.Color(
                "tier:N",
                title=None,
                scale=alt.Scale(domain=present, range=[COLOURS[t] for t in present]),
                legend=alt.Legend(orient="top"),
            ),
            order=alt.Order("order:Q"),
            tooltip=["from:T", "tier:N", "findings:Q"],
        )
    )
    return finish(chart)

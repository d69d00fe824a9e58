"""When a source came back, and after how long: the intervals between arrivals, over time, with the period.

{"chart": "intervals", "period": seconds, "at": [[milliseconds since 1970], …]}; arrivals ascending, some may be left
out: intervals much longer than the period lie at the upper edge.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from vizsla.charts.drawing import ACCENT, INK, data, finish, iso, time_axis
from vizsla.charts.pictures import number_of, rows_of

SAYS = (
    "Each dot is an arrival, its height the time since the one before, missed ones divided out; the line is the period."
)
HEIGHT = 140
LATEST = 4_102_444_800_000.0  # 2100


def draw(picture: Mapping[str, Any]) -> Any:
    """Arrivals by time and by phase within the period."""
    import altair as alt

    period = number_of(picture["period"])
    if period <= 0:
        raise ValueError("a period is no time above 0")
    rows: list[tuple[datetime, float]] = []
    before: float | None = None
    for (value,) in rows_of(picture, "at", 1):
        at = number_of(value)
        if not 0 <= at <= LATEST:
            raise ValueError("an arrival lies outside all calendars")
        if before is not None:
            since = (at - before) / 1000.0
            cycles = max(1.0, float(round(since / period)))
            rows.append((datetime.fromtimestamp(at / 1000.0, UTC), since / cycles))
        before = at
    if not rows:
        raise ValueError("one arrival has no interval")
    top = 2.0 * period
    shown = [{"at": iso(time), "seconds": min(seconds, top)} for time, seconds in rows]
    scale = alt.Scale(domain=[0, top])
    y = alt.Y("seconds:Q", title="seconds since the last", scale=scale)
    dots = alt.Chart(data(shown)).mark_point(color=INK, filled=True, size=14, opacity=0.7).encode(
        x=time_axis("at:T", [time for time, _ in rows]), y=y
    )  # fmt: skip
    line = alt.Chart(data([{"seconds": period}])).mark_rule(color=ACCENT, strokeWidth=1.4).encode(y=y)
    return finish(alt.layer(dots, line), height=HEIGHT)

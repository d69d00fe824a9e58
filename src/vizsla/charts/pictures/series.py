"""A value over time, the band in which it was expected, and where it left the band.

{"chart": "series", "measure": "logons an hour", "points": [[time, value, low, high], …]}; times in ISO 8601, `low` and
`high` null where nothing was expected.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vizsla.charts.drawing import ACCENT, INK, data, finish, iso, label, time_axis, utc
from vizsla.charts.pictures import number_of, rows_of, time_of

SAYS = "The measured value over time; the band is what was expected, dots lie outside it."
HEIGHT = 140


def draw(picture: Mapping[str, Any]) -> Any:
    """A line over a band, with a dot on each value outside it."""
    import altair as alt

    rows, times = [], []
    for time, value, low, high in rows_of(picture, "points", 4):
        times.append(utc(time_of(time)))
        row: dict[str, Any] = {"at": iso(times[-1]), "value": number_of(value)}
        if low is not None and high is not None:
            row |= {"low": number_of(low), "high": number_of(high)}
            row["outside"] = not row["low"] <= row["value"] <= row["high"]
        rows.append(row)
    rows.sort(key=lambda row: row["at"])
    title = label(str(picture.get("measure", "value")))  # on each layer: one that has none takes it from all
    axis = alt.Y("value:Q", title=title, axis=alt.Axis(format="~s"))
    when = time_axis("at:T", times)
    base = alt.Chart(data(rows))
    band = base.transform_filter("isValid(datum.low)").mark_area(color=INK, opacity=0.25)
    band = band.encode(x=when, y=alt.Y("low:Q", title=title), y2="high:Q")
    line = base.mark_line(color=INK, strokeWidth=1.2).encode(x=when, y=axis)
    dots = base.transform_filter("datum.outside == true").mark_point(color=ACCENT, filled=True, size=45)
    return finish(alt.layer(band, line, dots.encode(x=when, y=axis)), height=HEIGHT)

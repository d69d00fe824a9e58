"""Steps in their order, how surprising each was where it stood, and the one that stands out.

{"chart": "steps", "steps": [[name, bits], …], "marked": place}; the first step comes first, `marked` counts from 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vizsla.charts.drawing import ACCENT, INK, data, finish, label
from vizsla.charts.pictures import number_of, rows_of

SAYS = "The steps in their order; the longer a bar, the less the step was expected where it stands."
ROW = 20


def draw(picture: Mapping[str, Any]) -> Any:
    """One bar per step, from the first down to the last; the marked one stands out."""
    import altair as alt

    steps = rows_of(picture, "steps", 2)
    marked = picture.get("marked")
    if isinstance(marked, bool) or not isinstance(marked, int) or not 0 <= marked < len(steps):
        raise ValueError("'marked' is no place among the steps")
    # Two steps may have one name: the place keeps them apart, and in order.
    rows: list[dict[str, Any]] = [
        {"step": f"{place + 1}  {label(str(name))}", "bits": number_of(bits), "marked": place == marked, "place": place}
        for place, (name, bits) in enumerate(steps)
    ]
    step = alt.Y("step:N", title=None, sort=[row["step"] for row in rows], axis=alt.Axis(labelLimit=260))
    colour = alt.condition("datum.marked", alt.value(ACCENT), alt.value(INK))
    base = alt.Chart(data(rows)).encode(y=step)
    bars = base.mark_bar(height=10).encode(x=alt.X("bits:Q", title="surprise in bits"), color=colour)
    dots = base.mark_point(filled=True, size=40).encode(x=alt.X("bits:Q"), color=colour)
    return finish(alt.layer(bars, dots), height=max(60, ROW * len(rows)))

"""Score distribution: how strong the findings are, and where the cut lies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from vizsla.charts.drawing import ACCENT, INK, count_axis, data, finish
from vizsla.nouns import Cut

_BINS = 40
_STEEP = 20


def score_distribution(scores: Sequence[float], cut: Cut | None = None) -> Any:
    """A histogram of all findings' bits; the weakest finding shown is marked by a line."""
    import altair as alt

    rows = _bins(scores)
    most = max((row["findings"] for row in rows), default=0)
    steep = most > _STEEP  # a thousand weak findings must not hide the three strong ones
    values = [0.0] + [10.0**n for n in range(len(str(int(most))))] if steep else None
    axis = count_axis(most, values)
    scale = alt.Scale(type="symlog" if steep else "linear")
    bars = (
        alt.Chart(data(rows))
        .mark_bar(color=INK, opacity=0.75)
        .encode(
            x=alt.X("low:Q", title="bits", scale=alt.Scale(nice=False)),
            x2="high:Q",
            y=alt.Y("findings:Q", title="findings", axis=axis, scale=scale),
            y2=alt.datum(0),
            tooltip=["low:Q", "high:Q", "findings:Q"],
        )
    )
    if cut is None or cut.lowest_bits is None or cut.shown >= cut.total:
        return finish(bars)
    right = cut.lowest_bits > (min(scores) + max(scores)) / 2 if scores else False
    at = [{"bits": cut.lowest_bits, "says": f"shown from {cut.lowest_bits:.1f} bits up"}]
    line = alt.Chart(data(at)).mark_rule(color=ACCENT, strokeWidth=2, strokeDash=[5, 3]).encode(x="bits:Q")
    words = (
        alt.Chart(data(at))
        .mark_text(align="right" if right else "left", dx=-5 if right else 5, color=ACCENT)
        .encode(x="bits:Q", text="says:N", y=alt.value(8))
    )
    return finish(alt.layer(bars, line, words))


def _bins(scores: Sequence[float]) -> list[dict[str, float]]:
    """Counted here, so that ten thousand scores draw as forty bars."""
    if not scores:
        return []
    lowest, highest = min(scores), max(scores)
    step = (highest - lowest) / _BINS or 1.0
    counts = Counter(min(_BINS - 1, int((score - lowest) / step)) for score in scores)
    return [
        {"low": round(lowest + n * step, 4), "high": round(lowest + (n + 1) * step, 4), "findings": count}
        for n, count in sorted(counts.items())
    ]

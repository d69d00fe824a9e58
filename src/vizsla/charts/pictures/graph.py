"""A small graph of who reaches what, its unusual edges marked.

{"chart": "graph", "edges": [[from, to, times, unusual], …], "about": "days"}; `unusual` is true or false. Those that
are reached stand to the right of those that reach them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vizsla.charts.drawing import ACCENT, INK, data, finish, label
from vizsla.charts.pictures import number_of, rows_of

SAYS = "Who reaches what, from left to right; the unusual edges stand out, the others are thicker the more usual."
ROW = 26  # pixels
UNUSUAL = 2.5  # pixels: an edge that was there once must not be the thinnest
DEEPEST = 12  # columns


def draw(picture: Mapping[str, Any]) -> Any:
    """Nodes in columns, edges between them."""
    import altair as alt

    edges = []
    for source, target, times, unusual in rows_of(picture, "edges", 4):
        if not isinstance(source, str) or not isinstance(target, str) or not isinstance(unusual, bool):
            raise ValueError("an edge is no two names, a number and whether it is unusual")
        edges.append((label(source), label(target), number_of(times), unusual))
    edges.sort(key=lambda edge: edge[3])  # those that matter are drawn over the others
    place = places([(source, target) for source, target, _, _ in edges])
    rows = [{"x": place[a][0], "y": place[a][1], "x2": place[b][0], "y2": place[b][1], "times": n, "unusual": new,
             "from": a, "to": b} for a, b, n, new in edges]  # fmt: skip
    names = [{"name": name, "x": x, "y": y} for name, (x, y) in place.items()]
    # Names stand centred over their dots: half the longest must fit beside the outermost.
    beside = max(30, 3.5 * max(map(len, place)))
    x_axis: dict[str, Any] = {"axis": None, "scale": alt.Scale(zero=False, padding=beside)}
    y_axis: dict[str, Any] = {"axis": None, "scale": alt.Scale(zero=False, padding=30)}
    lines = alt.Chart(data(rows)).mark_rule().encode(
        x=alt.X("x:Q", **x_axis), y=alt.Y("y:Q", **y_axis), x2="x2:Q", y2="y2:Q",
        color=alt.Color("unusual:N", scale=alt.Scale(domain=[False, True], range=[INK, ACCENT]), legend=None),
        strokeWidth=alt.condition(
            "datum.unusual", alt.value(UNUSUAL),
            alt.StrokeWidth("times:Q", scale=alt.Scale(range=[0.8, 3.5]), legend=None),
        ),
        tooltip=["from:N", "to:N", alt.Tooltip("times:Q", title=label(str(picture.get("about", "times"))))],
    )  # fmt: skip
    dots = alt.Chart(data(names)).mark_point(filled=True, size=60, color=INK).encode(x="x:Q", y="y:Q")
    words = alt.Chart(data(names)).mark_text(dy=-9, fontSize=10, color=INK).encode(x="x:Q", y="y:Q", text="name:N")
    tallest = max(1, max([x for x, _ in place.values()].count(x) for x, _ in place.values()))
    return finish(alt.layer(lines, dots, words), height=max(80, ROW * (tallest + 1)))


def places(edges: list[tuple[str, str]]) -> dict[str, tuple[float, float]]:
    """Where each node stands: its column is one beyond those that reach it, as far as that goes without a circle."""
    column = {name: 0 for edge in edges for name in edge}
    for _ in range(min(DEEPEST, len(column))):
        moved = {b: max(column[b], column[a] + 1) for a, b in edges if column[a] + 1 > column[b]}
        if not moved:
            break
        for name, to in moved.items():
            column[name] = max(column[name], to)
    rows: dict[int, int] = {}
    found = {}
    for name, x in column.items():
        found[name] = (float(x), -float(rows.get(x, 0)) - 0.3 * (x % 2))
        rows[x] = rows.get(x, 0) + 1
    return found

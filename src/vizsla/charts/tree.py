"""The process tree of a finding."""

from __future__ import annotations

import ntpath
from typing import Any

from vizsla.charts.drawing import ACCENT, INK, data, finish, label
from vizsla.faces.lineage import tree_rows
from vizsla.nouns import Finding

_ROW, _STEP = 24, 26


def process_tree(finding: Finding) -> Any:
    """The lineage as an indented tree, processes that bear evidence marked; hover for command lines."""
    import altair as alt

    rows = tree_rows(finding.context.tree)
    place = {row.node.key: n for n, row in enumerate(rows)}
    depth = {row.node.key: row.depth for row in rows}
    nodes = [
        {
            "x": row.depth,
            "y": n,
            "name": label(ntpath.basename(row.node.image) or row.node.image or "unknown image"),
            "command": label(row.node.command_line),
            "marked": row.node.marked,
        }
        for n, row in enumerate(rows)
    ]
    edges = []
    for row in rows:
        parent = row.node.parent
        if row.depth and parent is not None and parent in place:
            x, y = depth[parent], place[row.node.key]
            edges.append({"x": x, "y": place[parent], "x2": x, "y2": y})
            edges.append({"x": x, "y": y, "x2": row.depth, "y2": y})
    deepest = max((row.depth for row in rows), default=0)
    horizontal = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-0.3, deepest + 12], nice=False))
    vertical = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[-0.6, len(rows) - 0.4], reverse=True, nice=False))
    lines = (
        alt.Chart(data(edges)).mark_rule(color=INK, opacity=0.6).encode(x=horizontal, x2="x2:Q", y=vertical, y2="y2:Q")
    )
    colour = alt.condition("datum.marked", alt.value(ACCENT), alt.value(INK))
    points = (
        alt.Chart(data(nodes))
        .mark_circle(size=70, opacity=1)
        .encode(x=horizontal, y=vertical, color=colour, tooltip=["name:N", "command:N"])
    )
    names = (
        alt.Chart(data(nodes))
        .mark_text(align="left", dx=9, fontSize=12)
        .encode(x=horizontal, y=vertical, text="name:N", color=colour)
    )
    return finish(alt.layer(lines, points, names), width=(deepest + 12) * _STEP, height=max(1, len(rows)) * _ROW)

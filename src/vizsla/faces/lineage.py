"""A finding's process tree as rows to draw, top down; loops and lost parents still draw every node once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vizsla.nouns import ProcessNode

_DEEPEST = 60


@dataclass(frozen=True, slots=True)
class Row:
    """One process. `prefix` draws the branches before it, `below` those before a line under it; `depth` from 0."""

    node: ProcessNode
    depth: int
    prefix: str
    below: str


def tree_rows(tree: Sequence[ProcessNode]) -> list[Row]:
    """The nodes in the order to draw them: parents before children, siblings by start."""
    known = {node.key: node for node in tree}
    children: dict[str | None, list[ProcessNode]] = {}
    for node in known.values():
        parent = node.parent if node.parent in known and node.parent != node.key else None
        children.setdefault(parent, []).append(node)
    rows: list[Row] = []
    drawn: set[str] = set()

    roots = _by_start(children.get(None, []))
    _draw(roots, children, rows, drawn)
    for node in _by_start(list(known.values())):  # what only a loop of parents reaches
        if node.key not in drawn:
            _draw([node], children, rows, drawn)
    return rows


def _draw(
    roots: list[ProcessNode],
    children: dict[str | None, list[ProcessNode]],
    rows: list[Row],
    drawn: set[str],
) -> None:
    """Depth first without recursion: lineages in hostile logs can be as deep as they like."""
    pending = [(node, 0, "", "") for node in reversed(roots)]
    while pending:
        node, depth, prefix, below = pending.pop()
        if node.key in drawn:
            continue
        drawn.add(node.key)
        rows.append(Row(node, depth, prefix, below))
        below_children = below if depth < _DEEPEST else ""
        under = _by_start([c for c in children.get(node.key, []) if c.key not in drawn])
        for place, child in reversed(list(enumerate(under))):
            last = place == len(under) - 1
            branch = "└─ " if last else "├─ "
            stem = "   " if last else "│  "
            pending.append((child, depth + 1, below_children + branch, below_children + stem))


def _by_start(nodes: list[ProcessNode]) -> list[ProcessNode]:
    return sorted(nodes, key=lambda n: (n.start is None, n.start.timestamp() if n.start else 0.0, n.key))

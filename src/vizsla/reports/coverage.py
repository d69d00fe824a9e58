"""Coverage as a section of the report, and as a page of its own: the same rules as for findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vizsla import __version__
from vizsla.faces import coverage as face
from vizsla.nouns.coverage import Coverage

LINES = 40  # of a section


@dataclass(frozen=True, slots=True)
class ViewShares:
    """A view with the share of its events, in hundredths, that fill each field: the fullest first."""

    name: str
    events: int
    tables: tuple[str, ...]
    shares: tuple[tuple[str, float], ...]
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """What the template shows. `open`: whether the long tables are unfolded."""

    head: str
    sections: list[tuple[str, list[str]]]
    tables: list[dict[str, Any]]
    views: list[ViewShares]
    empty: str
    open: bool


def section(found: Coverage, *, unfolded: bool = False) -> Section:
    """The section's content; event text in it is made visible by the template's environment once more."""
    views = [
        ViewShares(
            view.name,
            view.events,
            view.tables,
            tuple(sorted(((f, round(100 * n / view.events, 1)) for f, n in view.filled), key=lambda pair: -pair[1])),
            view.lacks,
        )
        for view in found.views
        if view.events
    ]
    return Section(
        face.head(found),
        face.sections(found, LINES),
        face.tables_of(found).to_pylist(),
        views,
        face.empty_of(found),
        unfolded,
    )


def page(found: Coverage, *, title: str = "Vizsla: coverage") -> str:
    """A page of its own, as HTML text: opens offline, asks nothing of any network."""
    from vizsla.reports.html import assets, environment, policy

    style, script = assets()
    return environment().get_template("coverage_page.html.j2").render(
        title=title,
        seen=section(found, unfolded=True),
        style=style,
        script=script,
        policy=policy(style, script),
        version=__version__,
    )  # fmt: skip

"""Coverage for people: sections that fit a terminal, the most important first, and a few lines after an ingest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from vizsla.explore.coverage import words
from vizsla.faces.words import counted, number, when
from vizsla.nouns.coverage import Coverage, Silence, TableSeen
from vizsla.safe import shortened, visible

if TYPE_CHECKING:
    from rich.console import RenderableType

MOST = 8  # lines of a section: the rest is counted
_LINE = 260


def sections(found: Coverage, most: int | None = MOST) -> list[tuple[str, list[str]]]:
    """Headings and lines, safe to show, the most important first; sections without lines are left out."""
    unable = [seen for seen in found.demands if seen.lacks]
    able = [seen.name for seen in found.demands if not seen.lacks]
    runs = [f"{visible(seen.name)} cannot run: it lacks {'; '.join(seen.lacks)}" for seen in unable]
    runs += [f"can run: {', '.join(able)}"] if able else []
    told = [
        ("Fell silent", silences(found.silences)),
        ("Clocks and time zones that look wrong", [words.clock(clock) for clock in found.clocks]),
        ("Silent for a while", [words.gap(gap) for gap in found.host_gaps]),
        ("Gaps", [line for table in found.tables for line in gaps(table)]),
        ("What can run", runs),
        ("What would add most", [words.missing(lack) for lack in found.missing[:5]]),
    ]
    return [(heading, _some(lines, most)) for heading, lines in told if lines]


def silences(found: Sequence[Silence]) -> list[str]:
    """A line each; one for all together where most of the hosts went."""
    groups: dict[tuple[str, int], list[Silence]] = {}
    alone = []
    for silence in found:
        if silence.host and silence.among and 2 * silence.alike >= silence.among:
            groups.setdefault((silence.table, silence.hours), []).append(silence)
        else:
            alone.append(words.silence(silence))
    for (table, hours), group in groups.items():
        where = f" in {table}" if table else ""
        since = min(silence.since for silence in group)
        alone.append(
            f"{counted(len(group), 'host')}{where}, most of all, since about {since:%Y-%m-%d %H:%M} UTC, "
            f"{words.span(hours)} to the logs' end: a pause of all, or of whoever collects them"
        )
    return alone


def gaps(table: TableSeen) -> list[str]:
    """A table's gaps in days, and in hours, as a line each."""
    told = []
    for what, missing in (("days", table.gaps), ("hours", table.hour_gaps)):
        if missing:
            more = f" and {len(missing) - 4:,} more" if len(missing) > 4 else ""
            told.append(f"{table.name}: no event in the {what} {', '.join(missing[:4])}{more}")
    return told


def _some(lines: Sequence[str], most: int | None) -> list[str]:
    shown = [shortened(visible(line), _LINE) for line in (lines if most is None else lines[:most])]
    if most is not None and len(lines) > most:
        shown.append(f"and {number(len(lines) - most)} more: --format json tells all")
    return shown


def head(found: Coverage) -> str:
    """The whole in one line."""
    events = sum(table.events for table in found.tables)
    firsts = [table.first for table in found.tables if table.first]
    lasts = [table.last for table in found.tables if table.last]
    span = f", {when(min(firsts))} to {when(max(lasts))}" if firsts else ""
    return (
        f"{counted(events, 'event')} in {counted(len(found.tables), 'table')} of {counted(found.hosts, 'host')}{span}."
    )


def tables_of(found: Coverage) -> pa.Table:
    """The tables, the largest first: what the terminal and the page show."""
    rows = [
        {"table": t.name, "events": t.events, "hosts": t.hosts, "first": t.first, "last": t.last, "days": t.days,
         "gaps": len(t.gaps) + len(t.hour_gaps)}
        for t in sorted(found.tables, key=lambda t: (-t.events, t.name))
    ]  # fmt: skip
    stamp = pa.timestamp("us", tz="UTC")
    kinds = {"table": pa.string(), "events": pa.int64(), "hosts": pa.int64(), "first": stamp, "last": stamp,
             "days": pa.int64(), "gaps": pa.int64()}  # fmt: skip
    return pa.Table.from_pylist(rows, pa.schema(list(kinds.items())))


def views_of(found: Coverage) -> pa.Table:
    """The views that have events, with how many of their fields are filled in at least half of them, and at all."""
    rows = [
        {
            "view": v.name,
            "events": v.events,
            "filled": f"{sum(2 * n >= v.events for _, n in v.filled)} often, {len(v.filled)} at all, "
            f"of {len(v.filled) + len(v.lacks)}",
            "from": ", ".join(v.tables),
        }
        for v in found.views
        if v.events
    ]
    names = ("view", "events", "filled", "from")
    return pa.Table.from_pylist(rows, pa.schema([(n, pa.int64() if n == "events" else pa.string()) for n in names]))


def empty_of(found: Coverage) -> str:
    """The views that nothing fills, as a sentence; '' where there is none."""
    empty = [view.name for view in found.views if not view.events]
    return f"Empty views: {', '.join(empty)}." if empty else ""


def parts(found: Coverage, width: int) -> list[RenderableType]:
    """What a terminal shows."""
    from rich.text import Text

    from vizsla.faces.arrow import renderable

    shown: list[RenderableType] = [Text(head(found), style="bold")]
    for heading, lines in sections(found):
        shown += [Text(f"\n{heading}", style="bold"), *(Text(f"  {line}") for line in lines)]
    shown += [Text("\nTables", style="bold"), renderable(tables_of(found), width)]
    if any(view.events for view in found.views):
        shown += [Text("\nViews, and the fields that their events fill", style="bold")]
        shown += [renderable(views_of(found), width)]
    if empty := empty_of(found):
        shown.append(Text(empty))
    return shown


def after_ingest(found: Coverage, before: Collection[str]) -> list[str]:
    """A few lines, safe to show: tables that are new, and what looks wrong of when hosts have events."""
    new = [table.name for table in found.tables if table.name not in before]
    told = [f"New tables: {_listed(new)}."] if new else []
    holes = [table.name for table in found.tables if table.gaps or table.hour_gaps]
    told += [f"Gaps in: {_listed(holes)}."] if holes else []
    quiet = silences(found.silences)
    told += [f"Silent: {line}." for line in _few(quiet)]
    told += [f"Clock: {line}." for line in _few([words.clock(clock) for clock in found.clocks])]
    if len(quiet) > 2 or len(found.clocks) > 2 or holes:
        told.append("vizsla coverage tells more.")
    return told


def _few(lines: Sequence[str]) -> list[str]:
    return [shortened(visible(line), _LINE) for line in lines[:2]]


def _listed(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return visible(", ".join(names[:most])) + more

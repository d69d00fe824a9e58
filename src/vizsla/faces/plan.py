"""An intelligence-driven hunt for people: hypotheses, what became of them, and the findings that touch the report."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote
from typing import TYPE_CHECKING

from vizsla.faces import hits as hit_face
from vizsla.faces.footer import lines
from vizsla.faces.table import COLOURS, where
from vizsla.faces.words import bits, counted, number, period, when
from vizsla.nouns import Finding
from vizsla.nouns.hypothesis import Hypothesis, IntelHunt
from vizsla.safe import shortened, visible

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

STYLES = {
    "traces found": "bold red",
    "not found": "green",
    "nothing looks for it": "yellow",
    "cannot be told": "yellow",
}
_SAID = {"named": "report names it", "described": "report describes it", "known of its actors": "known"}
DETAILED = 6  # hypotheses told at length on a terminal
LISTED = 20  # findings there
CONTEXT, NAMES = 240, 3
_NARROW = 110


def about(plan: IntelHunt) -> list[str]:
    """What was read, whom it is about, and in what was hunted: lines, safe to show."""
    told = []
    for report in plan.reports:
        name = visible(report.name)
        if report.why:
            told.append(f"{name}: not read to its end: {visible(report.why)}")
        elif not report.format:
            told.append(f"{name}: of no known format")
        if report.format:
            said = f"{name} ({report.format}): {counted(report.indicators, 'indicator')}"
            said += f", {number(report.context)} told of and not meant" if report.context else ""
            told.append(said + (f", {number(report.refused)} refused" if report.refused else ""))
    if plan.silenced:
        first = ", ".join(f"{value} ({by})" for value, by in plan.silenced[:NAMES])
        told.append(f"No indicators here, says a list: {visible(first)}{_more(len(plan.silenced))}.")
    if plan.subjects:
        named = (f"{one.kind} {one.name}" + (f" ({one.id})" if one.id else "") for one in plan.subjects)
        told.append(f"It names: {visible(', '.join(named))}.")
    if plan.left_out:
        told.append(f"ATT&CK ties {counted(plan.left_out, 'more technique')} to them: --actors looks for those, too.")
    told.append(
        f"Hunted in {counted(plan.events, 'event')} of {counted(plan.hosts, 'host')}, {period(plan.first, plan.last)}."
    )
    return told


def _more(count: int) -> str:
    return f" and {number(count - NAMES)} more" if count > NAMES else ""


def name(one: Hypothesis) -> str:
    """'T1003.001 OS Credential Dumping: LSASS Memory'."""
    return f"{one.technique} {one.name}".strip()


def found(one: Hypothesis, plan: IntelHunt) -> str:
    """What was found, in words: the rules or indicators that met something, and findings by rank."""
    by_id = {hit.id: hit for hit in (*plan.rules_met, *plan.met)}
    ranks = {finding.id: finding.rank for finding in plan.result.findings}
    met = [by_id[id] for id in one.hits if id in by_id]
    told = []
    if met:
        names = ", ".join(shortened(visible(hit.name), 80) for hit in met[:NAMES])
        what = "indicator" if not one.technique else "rule"
        told.append(
            f"{counted(len(met), what)} met {counted(sum(h.events for h in met), 'event')}: {names}{_more(len(met))}"
        )
    if one.findings:
        told.append(f"finding{'s' if len(one.findings) > 1 else ''} {ranked([ranks[id] for id in one.findings])}")
    return "; ".join(told)


def ranked(places: Sequence[int], most: int = 8) -> str:
    """'1, 4, 7 and 3 more'."""
    ordered = sorted(places)
    return ", ".join(map(str, ordered[:most])) + (f" and {len(ordered) - most} more" if len(ordered) > most else "")


def details(one: Hypothesis, plan: IntelHunt) -> list[tuple[str, str]]:
    """(what, text) of a hypothesis, safe to show."""
    told = [("hypothesis", one.sentence)]
    if one.context:
        source = f"{one.source}: " if one.source else ""
        told.append((_SAID[one.said], f"{source}{one.context}"))
    told += [("confirms", text) for text in one.confirm]
    told += [("refutes", text) for text in one.refute]
    told += [("lacks", text) for text in one.missing]
    if one.waiting:
        told.append(("rules without data", "; ".join(one.waiting[:NAMES]) + _more(len(one.waiting))))
    if one.views and one.outcome != "traces found":
        told.append(("look yourself", ", ".join(f"vizsla events {view}" for view in one.views)))
    outcome = found(one, plan)
    told.append(("outcome", one.outcome + (f": {outcome}" if outcome else "")))
    return [(what, shortened(visible(text), 600)) for what, text in told]


def parts(plan: IntelHunt, width: int, *, lake: str = "") -> list[RenderableType]:
    """What a terminal shows."""
    from rich.text import Text

    shown: list[RenderableType] = [Text(f"Hunt for the actors of {visible(plan.title)}", style="bold")]
    shown += [Text(line) for line in about(plan)]
    if plan.hypotheses:
        shown += [Text("\nHypotheses", style="bold"), hypotheses(plan, width)]
        for one in plan.hypotheses[:DETAILED]:
            shown += [Text(f"\n{visible(name(one))}", style="bold"), _detail(one, plan, width)]
        if len(plan.hypotheses) > DETAILED:
            shown.append(Text(f"\nTold at length: {DETAILED} of {len(plan.hypotheses)}; --output plan.md tells all."))
    else:
        shown.append(Text("It names neither indicators nor techniques: there is nothing to hunt for."))
    if plan.met:
        shown += [Text("\nIndicators of the report that were met", style="bold")]
        shown.append(hit_face.table(plan.met, width, LISTED))
    touched = [finding for finding in plan.result.findings if finding.id in plan.touches]
    if touched:
        shown += [Text("\nFindings that touch the report", style="bold"), findings(touched[:LISTED], plan, width)]
    shown.append(Text(""))
    shown += [Text(line) for line in ending(plan, touched)]
    if touched:
        there = f" --lake {quote(visible(lake))}" if lake else ""
        shown.append(Text(f"Look closer: vizsla show {visible(touched[0].id)[:12]}{there}", style="bold"))
    return shown


def ending(plan: IntelHunt, touched: Sequence[Finding]) -> list[str]:
    """How many findings touch the report, and what the hunt rests on."""
    rest = len(plan.result.findings) - len(touched)
    more = f", the first {LISTED} listed" if len(touched) > LISTED else ""
    told = [f"{counted(len(touched), 'finding')} of {number(len(plan.result.findings))} touch the report{more}; "
            f"{number(rest)} do not: vizsla hunt lists them."]  # fmt: skip
    return told + lines(plan.result) + [visible(line) for line in plan.result.advice]


def hypotheses(plan: IntelHunt, width: int) -> Table:
    """All hypotheses, a row each."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    narrow = width < _NARROW
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), width=width)
    table.header_style = "bold"
    table.add_column("outcome", no_wrap=True)
    table.add_column("what", ratio=1, overflow="fold")
    table.add_column("can tell", no_wrap=True)
    for column in ("rules", "analytics", "data") if not narrow else ():
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("findings", overflow="fold", max_width=20)
    ranks = {finding.id: finding.rank for finding in plan.result.findings}
    for one in plan.hypotheses:
        here = f"{sum(1 for c in one.seen.components if c.events)} of {len(one.seen.components)}" if one.seen else ""
        counts = (str(len(one.rules)), str(len(one.analytics)), here) if one.seen else ("", "", "")
        row = [Text(one.outcome, style=STYLES[one.outcome]), Text(visible(name(one))), Text(one.able)]
        row += [Text(count) for count in counts] if not narrow else []
        table.add_row(*row, Text(ranked([ranks[id] for id in one.findings], 4)))
    return table


def _detail(one: Hypothesis, plan: IntelHunt, width: int) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0), width=width)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(ratio=1, overflow="fold")
    before = ""
    for what, text in details(one, plan):
        table.add_row(Text(what if what != before else ""), Text(text))
        before = what
    return table


def findings(found: Sequence[Finding], plan: IntelHunt, width: int) -> Table:
    """Findings with what of the report each touches."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), width=width)
    table.header_style = "bold"
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("tier", no_wrap=True)
    table.add_column("bits", justify="right", no_wrap=True)
    table.add_column("touches", overflow="fold", max_width=28)
    table.add_column("finding", ratio=1, overflow="fold")
    for finding in found:
        tier = "info" if finding.tier == "informational" else finding.tier
        place = f"{when(finding.start)[:16]}  {where(finding)}".strip()
        title = Text("\n").join([Text(shortened(visible(finding.title), 200)), Text(place, style="dim")])
        table.add_row(
            Text(str(finding.rank)), Text(tier, style=COLOURS[finding.tier]), Text(bits(finding.bits)),
            Text(shortened(visible(", ".join(plan.touches[finding.id])), 160)), title,
        )  # fmt: skip
    return table

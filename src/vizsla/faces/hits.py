"""What rules and indicators met, whatever it is worth: a section of its own, by level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vizsla.faces.words import bits, counted, number, when
from vizsla.nouns import Hit
from vizsla.safe import shortened, visible

if TYPE_CHECKING:
    from rich.table import Table

WORDS = {"sigma": ("rule", "Rules that met something"), "intel": ("indicator", "Indicators that were met")}
STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "informational": "dim"}
NOTHING = frozenset(("", "unknown", "none", "unlikely", "n/a", "-"))  # what authors write who know of none
MOST = 3  # hosts named
_NARROW = 120
_NAME = 160


def kinds(hits: Sequence[Hit]) -> list[tuple[str, str, list[Hit]]]:
    """(singular, heading, hits) of each analytic that met something."""
    found = []
    for analytic, (one, heading) in WORDS.items():
        own = [hit for hit in hits if hit.analytic == analytic]
        if own:
            found.append((one, heading, own))
    return found


def where(hit: Hit) -> str:
    """The hosts of a hit, the first few by name."""
    named = ", ".join(shortened(visible(host.partition(".")[0] if not host[:1].isdigit() else host), 40)
                      for host in hit.hosts[:MOST])  # fmt: skip
    return named + (f" and {number(len(hit.hosts) - MOST)} more" if len(hit.hosts) > MOST else "")


def usual(hit: Hit) -> str:
    """How usual it is, in words; '' where no quiet days tell."""
    if hit.of_host_days is None:
        return ""
    return f"{number(hit.host_days)} of {number(hit.of_host_days)} quiet host-days"


def harmless(hit: Hit) -> str:
    """Where its author says that a rule meets what is harmless; '' where that is not known."""
    notes = hit.said.get("falsepositives")
    told = [str(note) for note in notes] if isinstance(notes, list | tuple) else []
    return "; ".join(note for note in told if note.strip(" .").lower() not in NOTHING)


def table(hits: Sequence[Hit], width: int, most: int | None = None) -> Table:
    """Hits by level; `most`: how many are listed."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    narrow, learnt = width < _NARROW, any(hit.of_host_days is not None for hit in hits)
    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), width=width)
    shown.header_style = "bold"
    shown.add_column("level", no_wrap=True)
    shown.add_column("events", justify="right", no_wrap=True)
    shown.add_column("bits", justify="right", no_wrap=True)
    shown.add_column(WORDS[hits[0].analytic][0] if hits else "", ratio=1, overflow="fold")
    if learnt and not narrow:
        shown.add_column("met while learning", no_wrap=True)
    if not narrow:
        shown.add_column("first (UTC)", no_wrap=True)
        shown.add_column("where", overflow="fold", max_width=30)
    for hit in hits[:most]:
        level = "info" if hit.level == "informational" else hit.level
        name = Text(shortened(visible(hit.name), _NAME))
        row = [Text(level, style=STYLES.get(hit.level, "")), Text(number(hit.events)), Text(bits(hit.bits))]
        if narrow:
            beside = "; ".join(part for part in (where(hit), usual(hit)) if part)
            shown.add_row(*row, Text("\n").join([name, Text(beside, style="dim")]))
            continue
        row.append(name)
        if learnt:
            row.append(Text(usual(hit)))
        shown.add_row(*row, Text(when(hit.first)[:16]), Text(where(hit)))
    return shown


def lines(hits: Sequence[Hit]) -> list[str]:
    """How much was met, in a line for each kind of knowledge, and how much of it while learning too."""
    told = []
    for one, _, own in kinds(hits):
        events = sum(hit.events for hit in own)
        said = f"Met: {counted(len(own), one)}, {counted(events, 'event')}"
        learnt = sum(1 for hit in own if hit.host_days)
        told.append(said + (f"; {number(learnt)} of them met something while learning, too." if learnt else "."))
    return told

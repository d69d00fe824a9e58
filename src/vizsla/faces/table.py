"""The ranked list as a table that fits the terminal, and the honest end of the run below it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from shlex import quote
from typing import TYPE_CHECKING

from vizsla.faces import hits
from vizsla.faces.footer import lines
from vizsla.faces.words import bits, counted, earlier, hosts, number, often
from vizsla.nouns import Finding, HuntResult, Judgement, Tier
from vizsla.safe import shortened, visible

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

COLOURS: dict[Tier, str] = {
    "critical": "bold red",
    "high": "red",
    "medium": "yellow",
    "low": "cyan",
    "informational": "dim",
}
LEGEND = (
    "bits: how strong the evidence is, one more is twice as strong. expected: how often quiet days like those learnt "
    "bring a finding at least as strong."
)
JUDGED: dict[Judgement, str] = {"malicious": "red", "benign": "green", "unsure": "yellow"}
_SHORT: dict[Tier, str] = {"informational": "info"}
_NARROW = 120  # below this many columns, hosts stand under the title
_TITLE_LINES = 4  # of text: a title that would take more is shortened in its middle


def parts(
    result: HuntResult,
    width: int,
    *,
    kept: bool = True,
    ask: bool = True,
    most: int | None = None,
    lake: str = "",
    more: str = "--top N lists more",
) -> list[RenderableType]:
    """What to print, in order. `kept`: whether `vizsla show` can find them afterwards; `ask`: whether to say so.

    `most`: findings listed; the strongest must not scroll out of sight. `more`: what shows the others. `lake`: where
    they are kept, if not in the default lake.
    """
    from rich.text import Text

    shown: list[RenderableType] = []
    if result.ranking:
        shown += [ranking(result), Text("")]
    if result.findings:
        shown += [findings(result.findings[:most], width), Text("")]
        if most is not None and len(result.findings) > most:
            shown.append(Text(f"Listed: the first {most} of {len(result.findings):,}; {more}.", style="bold"))
        if any(finding.expected_per_day is not None for finding in result.findings):
            shown.append(Text(LEGEND, style="dim"))
    for _, heading, own in hits.kinds(result.hits):
        shown += [Text(heading, style="bold"), hits.table(own, width, most), Text("")]
        if most is not None and len(own) > most:
            shown.append(Text(f"Listed: the first {most} of {len(own):,}; --format html or --output lists all."))
    shown += [Text(line) for line in lines(result)]
    if result.findings and ask:
        first = visible(result.findings[0].id)[:12]
        there = f" --lake {quote(visible(lake))}" if lake else ""
        how = (
            f"vizsla show {first}{there}"
            if kept
            else "add --lake DIR to keep events and findings, then `vizsla show ID`"
        )
        shown.append(Text(f"Look closer: {how}", style="bold"))
    shown += [Text(visible(line)) for line in result.advice]
    return shown


def findings(found: Sequence[Finding], width: int) -> Table:
    """The findings, best first. Every text of an event is a Text: never parsed as markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    claims = any(f.expected_per_day is not None for f in found)
    narrow = width < _NARROW
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), width=width)
    table.header_style = "bold"
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("tier", no_wrap=True)
    table.add_column("bits", justify="right", no_wrap=True)
    if claims:
        table.add_column("expected", no_wrap=True)
    table.add_column("finding", ratio=1, overflow="fold")
    if not narrow:
        table.add_column("when (UTC)", no_wrap=True)
        table.add_column("where", overflow="fold", max_width=30)
    room = _title_room(width, claims, narrow)
    for finding in found:
        row = [
            Text(str(finding.rank)),
            Text(_SHORT.get(finding.tier, finding.tier), style=COLOURS[finding.tier]),
            Text(bits(finding.bits)),
        ]
        if claims:
            row.append(Text(often(finding.expected_per_day)))
        row += _title(finding, room, narrow)
        table.add_row(*row)
    return table


def _title(finding: Finding, room: int, narrow: bool) -> list[Text]:
    from rich.text import Text

    from vizsla.faces.words import when

    title = Text(shortened(visible(finding.title), room * _TITLE_LINES))
    if finding.judged:
        style = JUDGED[finding.judged[0].judgement]
        title = Text("\n").join([title, Text(shortened(visible(earlier(finding.judged[0])), room), style=style)])
    place = Text(where(finding), style="dim" if narrow else "")
    start = when(finding.start)
    if not narrow:
        return [title, Text(start[:16]), place]
    return [Text("\n").join([title, Text(start[:16] + "  " if start else "", style="dim").append_text(place)])]


def where(finding: Finding, most: int = 3) -> str:
    """The finding's hosts, the first few by name, and its instances where there are more than one."""
    named = hosts(finding)
    text = ", ".join(shortened(visible(short(h)), 40) for h in named[:most])
    if len(named) > most:
        text += f" and {number(len(named) - most)} more"
    return text + (f" ({counted(finding.instances, 'instance')})" if finding.instances > 1 else "")


def short(host: str) -> str:
    """A host's name without its domain; addresses stay whole."""
    first = host.partition(".")[0]
    return host if not first or first.isdigit() or ":" in host else first


def ranking(result: HuntResult) -> Table:
    """Hosts or users by their bits, where `--by` asked for it."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("#", justify="right")
    table.add_column("bits", justify="right")
    table.add_column("findings", justify="right")
    table.add_column("who", overflow="fold")
    for place, (name, strength, count) in enumerate(result.ranking, start=1):
        table.add_row(Text(str(place)), Text(bits(strength)), Text(number(count)), Text(visible(name)))
    return table


def text(result: HuntResult, width: int = 140, *, kept: bool = True, lake: str = "") -> str:
    """The same as plain text, for a file."""
    return render(parts(result, width, kept=kept, lake=lake), width)


def render(renderables: list[RenderableType], width: int) -> str:
    """Renderables as plain text of `width` columns, without colours."""
    from rich.console import Console

    stream = io.StringIO()
    console = Console(
        file=stream, width=width, markup=False, emoji=False, highlight=False, color_system=None, legacy_windows=False
    )
    for part in renderables:
        console.print(part)
    return "".join(line.rstrip() + "\n" for line in stream.getvalue().split("\n")[:-1])


def _title_room(width: int, claims: bool, narrow: bool) -> int:
    taken = 4 + 10 + 7 + (14 if claims else 0) + (0 if narrow else 18 + 28)
    return max(20, width - taken)

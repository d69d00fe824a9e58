"""The report: one HTML file that opens anywhere, offline, and asks nothing of any network.

Its policy allows its own style and script by their hashes, and nothing else: no image, font, frame, form or
request. Every text is made visible and escaped on its way out by the environment itself, so that no template can
forget; so are credentials masked. A page of 200 findings stays under 2 MB: what is left out is said.
"""

from __future__ import annotations

import base64
import hashlib
import ntpath
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from vizsla import charts
from vizsla.charts.ledger import ledger_rows
from vizsla.faces import footer, hits, words
from vizsla.faces.detail import said, timeline
from vizsla.faces.lineage import tree_rows
from vizsla.faces.redact import redacted, tells_a_secret
from vizsla.faces.table import short, where
from vizsla.nouns import TIERS, EventRef, Finding, HuntResult
from vizsla.reports.coverage import section
from vizsla.safe import MASK, mask_credentials, shortened, visible

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

MOST_BYTES = 1_950_000
PICTURES = 3  # of one finding's evidence
DRAWN_BYTES = 500_000  # of all findings' pictures: some sixty, of 30 ms each. They say in one look what lines of fields
# do not, so a page is made to fit by less text.
_NO_ROOM = ": its chart is left out, as the page would grow too large"
_TITLE = 600
_CONTEXT = 1000  # characters around what is shown in which a secret is recognised


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of each finding a page tells. `told`: findings with their details; `listed`: findings at all."""

    told: int = 200
    listed: int = 1000
    evidence: int = 20
    reasons: int = 8
    usual: int = 5
    events: int = 20
    fields: int = 40
    value: int = 600
    nodes: int = 60


# From generous to bare: the first under MOST_BYTES is taken.
LEVELS = (
    Limits(),
    Limits(evidence=12, reasons=6, usual=3, events=10, fields=30, value=400, nodes=40),
    Limits(evidence=8, reasons=5, usual=3, events=5, fields=20, value=240, nodes=25),
    Limits(evidence=5, reasons=4, usual=2, events=2, fields=12, value=160, nodes=15),
    Limits(evidence=3, reasons=3, usual=1, events=1, fields=6, value=120, nodes=10),
    Limits(told=100, listed=500, evidence=3, reasons=3, usual=1, events=1, fields=4, value=80, nodes=8),
    Limits(told=20, listed=200, evidence=2, reasons=2, usual=1, events=1, fields=4, value=80, nodes=8),
)


def page(result: HuntResult, *, title: str = "Vizsla: findings") -> str:
    """The report as HTML text, credentials masked."""
    template = environment().get_template("report.html.j2")
    style, script = _asset("report.css"), _asset("report.js")
    told = {
        "title": title,
        "result": result,
        "pictures": pictures(result),
        "drawn": drawn(result.findings),
        "tiers": [(t, n) for t in TIERS if (n := sum(f.tier == t for f in result.findings))],
        "techniques": Counter(a.technique for f in result.findings for a in {*f.attack}).most_common(12),
        "end": footer.lines(result),
        "met": hits.kinds(result.hits),
        "seen": None if result.coverage is None else section(result.coverage),
        "style": _trusted(style),
        "script": _trusted(script),
        "policy": policy(style, script),
    }
    html = ""
    for limits in LEVELS:
        if limits is not LEVELS[-1] and estimate(result, limits) > MOST_BYTES:
            continue
        html = template.render(told, limits=limits)
        if len(html.encode("utf-8", "backslashreplace")) <= MOST_BYTES:
            break
    return html


def estimate(result: HuntResult, limits: Limits) -> int:
    """About how many bytes the events and reasons of a page take: what is surely too large is not even drawn."""
    total = 0
    for finding in result.findings[: limits.told]:
        for evidence in finding.evidence[: limits.evidence]:
            total += sum(min(len(r.raw), limits.value) + 200 for r in evidence.reasons[: limits.reasons])
            total += sum(min(len(text), limits.value) + 60 for _, text in said(evidence))
        for event in timeline(finding)[: limits.events]:
            values = list(event.native.values())[: limits.fields]
            total += sum(min(len(str(v)), limits.value) + 30 for v in values)
    return total


def policy(style: str, script: str) -> str:
    """The content security policy: this style and this script, and nothing else from anywhere."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def pictures(result: HuntResult) -> list[tuple[str, str, Markup]]:
    """Charts that have something to show: heading, description, and the drawing."""
    drawn: list[tuple[str, str, Any]] = []
    if result.scores:
        drawn.append(
            (
                "Score distribution",
                "How many findings have how many bits, and where the cut lies.",
                charts.score_distribution(result.scores, result.cut),
            )
        )
    if any(f.start for f in result.findings):
        drawn.append(
            (
                "Findings over time",
                "When the findings shown began, by tier.",
                charts.findings_over_time(result.findings),
            )
        )
        drawn.append(("Host × hour", "Where and when the bits lie.", charts.host_hours(result.findings)))
    if result.traffic is not None and result.traffic.num_rows:
        drawn.append(
            (
                "Network traffic by peer",
                "The busiest peers over time; bytes where they are known, else connections.",
                charts.traffic_by_peer(result.traffic),
            )
        )
    return [(heading, says, _trusted(charts.svg(chart))) for heading, says, chart in drawn]


def drawn(findings: Sequence[Finding]) -> dict[str, list[tuple[str, Markup]]]:
    """By finding, the charts that the evidence of the first of them brings: what each shows, and the drawing.

    What cannot be drawn, or is too much for a page, is said in its place.
    """
    shown: dict[str, list[tuple[str, Markup]]] = {}
    room = DRAWN_BYTES
    for finding in findings[: LEVELS[0].told]:
        for evidence in [e for e in finding.evidence if e.picture is not None][:PICTURES]:
            says, drawing = _drawing(evidence.picture or {}) if room > 0 else (_NO_ROOM, "")
            room -= len(drawing)
            shown.setdefault(finding.id, []).append((f"{evidence.analytic}{says}", _trusted(drawing)))
    return shown


def _drawing(picture: Mapping[str, Any]) -> tuple[str, str]:
    try:
        says, chart = charts.draw(picture)
        return f": {says}", charts.svg(chart)
    except ValueError as error:
        return f" brought a chart that cannot be drawn: {error}", ""


def environment() -> Environment:
    """Jinja with autoescape, whose every output is first made visible: no template can forget it."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    known = Environment(
        loader=FunctionLoader(_asset),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    known.filters.update(
        brief=brief, bits=words.bits, signed=words.signed, when=words.when, clock=words.clock, number=words.number,
        often=words.how_often, prevalence=words.prevalence, program=program, short=short, hush=redacted,
        earlier=words.earlier,
    )  # fmt: skip
    known.globals.update(
        where=where, span=words.period, tree_rows=tree_rows, bars=bars, timeline=timeline, said=said, native=native,
        counted=words.counted, compares=words.compares, usual=hits.usual, hosts_of=hits.where,
        harmless=hits.harmless, TITLE=_TITLE,
    )  # fmt: skip
    return known


def shown(value: object) -> object:
    """What a template puts out: text masked and made visible; what this module marked as markup, as it is."""
    from markupsafe import Markup

    if value is None:
        return ""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(mask_credentials(value))
    return value


def brief(text: str, width: int) -> str:
    """Event text, its credentials masked, in at most `width` characters, both ends kept."""
    if len(text) > 4 * (width + _CONTEXT):  # a megabyte is not searched for what will not be shown
        text = text[: 2 * width + _CONTEXT] + "…" + text[-width - _CONTEXT :]
    return shortened(visible(mask_credentials(text)), width)


def program(path: str) -> str:
    """The last part of a program's path."""
    return ntpath.basename(path) or path or "unknown image"


def bars(finding: Finding) -> list[dict[str, Any]]:
    """Ledger lines with `x` and `width` of their bars, in hundredths of the longest extent."""
    rows = ledger_rows(finding)
    lowest = min(min(row["from"], row["to"]) for row in rows)
    extent = max(row["right"] for row in rows) - lowest or 1.0
    return [
        {
            **row,
            "x": round((min(row["from"], row["to"]) - lowest) / extent * 100, 2),
            "width": round(max(0.6, abs(row["to"] - row["from"]) / extent * 100), 2),
        }
        for row in rows
    ]


def native(event: EventRef) -> Mapping[str, str]:
    """The native fields of an event that hold something; our own columns left out, fields of secrets masked."""
    held = {k: str(v) for k, v in event.native.items() if not k.startswith("_") and v not in (None, "", "-")}
    return {k: MASK if tells_a_secret(k) else v for k, v in held.items()}


def assets() -> tuple[Markup, Markup]:
    """The style and the script of every page."""
    return _trusted(_asset("report.css")), _trusted(_asset("report.js"))


def _asset(name: str) -> str:
    return files("vizsla.reports").joinpath("page", name).read_text(encoding="utf-8")


def _trusted(text: str) -> Markup:
    """Text of this package's own making, which is markup already."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704  (style, script and cleaned drawings; never event text)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

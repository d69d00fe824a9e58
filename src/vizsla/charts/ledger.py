"""The evidence ledger of a finding: which line adds, which takes, and what stands in the end."""

from __future__ import annotations

from typing import Any

from vizsla.charts.drawing import ACCENT, INK, data, finish, label
from vizsla.nouns import Finding

_ROW = 24


def evidence_ledger(finding: Finding) -> Any:
    """A waterfall of bits: one bar a ledger line (of evidence, where there is no ledger), then the sum."""
    import altair as alt

    rows = ledger_rows(finding)
    shown = [{**row, "line": f"{n}. {label(str(row['line']))}"} for n, row in enumerate(rows, start=1)]
    order = [str(row["line"]) for row in shown]
    base = alt.Chart(data(shown)).encode(y=alt.Y("line:N", sort=order, title=None))
    bars = base.mark_bar(height=14).encode(
        x=alt.X("from:Q", title="bits"),
        x2="to:Q",
        color=alt.Color(
            "kind:N",
            legend=None,
            scale=alt.Scale(domain=["adds", "takes", "together"], range=[ACCENT, "#059669", INK]),
        ),
        tooltip=["line:N", "bits:Q"],
    )
    words = base.mark_text(align="left", dx=4, color=INK, fontSize=11).encode(x="right:Q", text="says:N")
    return finish(alt.layer(bars, words), height=_ROW * len(shown))


def ledger_rows(finding: Finding) -> list[dict[str, Any]]:
    """Lines with where their bars begin and end, in bits; the last is the sum."""
    lines = finding.ledger or tuple((e.why, e.bits) for e in finding.evidence)
    rows: list[dict[str, Any]] = []
    level = 0.0
    for line, bits in lines:
        rows.append(_row(line, level, level + bits, bits, "adds" if bits >= 0 else "takes"))
        level += bits
    rows.append(_row("together", 0.0, finding.bits, finding.bits, "together"))
    return rows


def _row(line: str, start: float, end: float, bits: float, kind: str) -> dict[str, Any]:
    says = f"{bits:.1f}" if kind == "together" else f"{bits:+.1f}"
    return {"line": line, "from": start, "to": end, "right": max(start, end), "bits": bits, "kind": kind, "says": says}

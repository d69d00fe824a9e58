"""Host × hour: where and when the findings lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from vizsla.charts.drawing import ACCENT, bin_of, data, finish, floored, iso, label, time_axis, utc
from vizsla.faces.table import short
from vizsla.faces.words import hosts
from vizsla.nouns import Finding

MOST_HOSTS = 25
_ROW = 20


def host_hours(findings: Sequence[Finding]) -> Any:
    """A heat map: the bits of the findings of each host in each hour (or longer, over longer spans), in UTC.

    A finding counts in the hour in which its own events lie; its instances on other hosts in the hour it began.
    The hosts with the most bits are shown, 25 at most.
    """
    import altair as alt

    cells, step = _cells(findings)
    strength: Counter[str] = Counter()
    for (host, _), bits in cells.items():
        strength[host] += bits  # type: ignore[assignment]
    shown = [host for host, _ in sorted(strength.items(), key=lambda item: (-item[1], item[0]))[:MOST_HOSTS]]
    names = _names(shown)
    rows = [
        {"host": names[host], "from": iso(at), "to": iso(at + step), "bits": round(bits, 2)}
        for (host, at), bits in sorted(cells.items())
        if host in names
    ]
    chart = (
        alt.Chart(data(rows))
        .mark_rect(color=ACCENT)
        .encode(
            x=time_axis("from:T", [at for _, at in cells]),
            x2="to:T",
            y=alt.Y("host:N", title=None, sort=[names[h] for h in shown]),
            opacity=alt.Opacity("bits:Q", title="bits", scale=alt.Scale(range=[0.15, 1.0], zero=True), legend=None),
            tooltip=["host:N", "from:T", "bits:Q"],
        )
    )
    return finish(chart, height=max(_ROW * 2, _ROW * len(shown)))


def _cells(findings: Sequence[Finding]) -> tuple[dict[tuple[str, datetime], float], timedelta]:
    placed = [(host, utc(at), bits) for f in findings for host, at, bits in _marks(f)]
    step = bin_of([at for _, at, _ in placed])
    cells: dict[tuple[str, datetime], float] = {}
    for host, at, bits in placed:
        key = (host, floored(at, step))
        cells[key] = cells.get(key, 0.0) + bits
    return cells, step


def _marks(finding: Finding) -> list[tuple[str, datetime, float]]:
    own = {(e.host, e.time) for evidence in finding.evidence for e in evidence.events if e.host and e.time}
    latest = {host: at for host, at in sorted(own, reverse=True)}  # noqa: C416  (of each host, its first event's time)
    marks = [(host, at, finding.bits) for host, at in latest.items()]
    if finding.start is not None:
        marks += [(host, finding.start, finding.bits) for host in hosts(finding) if host not in latest]
    return marks


def _names(shown: Sequence[str]) -> dict[str, str]:
    """Labels without domains, unless two hosts are then one; they stay different where shortening makes them alike."""
    alone = Counter(short(host) for host in shown)
    names: dict[str, str] = {}
    for host in shown:
        plain = label(short(host) if alone[short(host)] == 1 else host)
        name, number = plain, 2
        while name in names.values():
            name, number = f"{plain} ({number})", number + 1
        names[host] = name
    return names

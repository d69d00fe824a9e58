"""Findings as CSV: one row each, for spreadsheets. No cell is ever a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from vizsla.faces.record import stamp
from vizsla.faces.words import earlier, hosts
from vizsla.nouns import Finding
from vizsla.safe import csv_cell

COLUMNS = (
    "rank",
    "tier",
    "bits",
    "expected_per_day",
    "title",
    "start",
    "end",
    "hosts",
    "users",
    "instances",
    "techniques",
    "reasons",
    "speaks_against",
    "id",
    "pattern_id",
    "verdict",
)
_REASONS = 5


def rows(findings: Iterable[Finding]) -> Iterator[bytes]:
    """The header and one row a finding, as UTF-8. Numbers are plain; every text went through `csv_cell`."""
    yield row(COLUMNS)
    for finding in findings:
        yield row(_cells(finding))


def row(cells: Iterable[object]) -> bytes:
    """One line of CSV as RFC 4180 has it."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\r\n").writerow([_cell(c) for c in cells])
    return stream.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float):
        return str(value)  # a number of ours: -1.5 is no formula
    return csv_cell(str(value))


def _cells(finding: Finding) -> list[object]:
    reasons = [r.text or f"{r.field}={r.raw}" for e in finding.evidence for r in e.reasons]
    return [
        finding.rank,
        finding.tier,
        round(finding.bits, 3),
        finding.expected_per_day,
        finding.title,
        stamp(finding.start),
        stamp(finding.end),
        "; ".join(hosts(finding)),
        "; ".join(dict.fromkeys(e.value for e in finding.entities if e.type == "user")),
        finding.instances,
        "; ".join(dict.fromkeys(a.technique for a in finding.attack)),
        "; ".join(reasons[:_REASONS]),
        "; ".join(finding.speaks_against),
        finding.id,
        finding.pattern_id,
        earlier(finding.judged[0]) if finding.judged else None,
    ]

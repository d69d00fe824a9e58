"""The honest end of a run: what was read, stored, refused and could not be done. Plain lines, safe to show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from vizsla.faces import hits
from vizsla.faces.words import bits, counted, number, rests_on
from vizsla.nouns import Cut, HuntResult, RunReport
from vizsla.safe import shortened, visible

_MOST = 8  # of a kind: the rest is counted
_REASON = 160


def lines(result: HuntResult) -> list[str]:
    """Everything that belongs below the findings."""
    told = [visible(line) for line in rests_on(result.run)]
    told += cut_lines(result.cut)
    told += hits.lines(result.hits)
    known = {visible(n) for n in result.report.notes if result.run.learnt and n.startswith(result.run.learnt)}
    return told + [line for line in report_lines(result.report, hunted=True) if line not in known]


def cut_lines(cut: Cut) -> list[str]:
    """How many findings are shown of how many, and why."""
    if cut.total == 0:
        told = ["No finding."]
    elif cut.shown < cut.total:
        least = f", from {bits(cut.lowest_bits)} bits up" if cut.lowest_bits is not None else ""
        told = [f"Shown: {number(cut.shown)} of {counted(cut.total, 'finding')}{least}."]
    else:
        told = [f"Shown: all {counted(cut.total, 'finding')}." if cut.total > 1 else "Shown: the one finding."]
    same = f"{number(cut.shown)} of {number(cut.total)} findings"
    return told + [visible(sentence) for sentence in cut.says if not sentence.startswith(same)]


def report_lines(report: RunReport, *, hunted: bool = False) -> list[str]:
    """What was read, stored, known, rejected and why; unknown files; empty views; analytics unable to run."""
    told: list[str] = []
    if report.readings:
        told.append(_read_line(report))
        told += _by_source(report)
    told += _listed(
        "Damaged",
        [(r.path, r.damaged) for r in report.readings if r.damaged],
    )
    told += _rejections(report)
    told += _listed("Not read, of unknown kind", report.unknown_files, what="file")
    if any(why.startswith("no source") for _, why in report.unknown_files):
        told.append("A log that no source recognises: vizsla guess FILE writes a mapping to read it with.")
    if report.tables:
        events = sum(report.tables.values())
        told.append(f"Hunted: {counted(events, 'event')} in {counted(len(report.tables), 'table')}.")
    elif hunted:  # every view is empty, and each analytic lacks another of them, for this one reason
        return [*told, "Hunted: no event.", *(visible(note) for note in report.notes)]
    if report.empty_views:
        told.append("Empty views: " + ", ".join(visible(v) for v in report.empty_views) + ".")
    told += _unable(report)
    return told + [visible(note) for note in report.notes]


def _unable(report: RunReport) -> list[str]:
    """What could not run, a line for each reason: on one day of logs sixteen analytics lack the same."""
    lacking: dict[str, list[str]] = {}
    for one in report.unable:
        lacking.setdefault(visible(one.missing), []).append(visible(one.analytic))
    return [
        f"Could not run: {', '.join(names)}, which {'lacks' if len(names) == 1 else 'lack'} {missing}."
        for missing, names in lacking.items()
    ]


def _read_line(report: RunReport) -> str:
    read = sum(r.records for r in report.readings)
    stored = sum(r.stored for r in report.readings)
    known = sum(r.known for r in report.readings)
    rejected = sum(r.rejected for r in report.readings)
    return (
        f"Read: {counted(read, 'record')} in {counted(len(report.readings), 'file')}: {number(stored)} stored, "
        f"{number(known)} known already, {number(rejected)} rejected."
    )


def _by_source(report: RunReport) -> list[str]:
    kinds = Counter(r.source for r in report.readings)
    if len(kinds) < 2:
        return []
    records: Counter[str] = Counter()
    for reading in report.readings:
        records[reading.source] += reading.records
    parts = [
        f"{visible(s) or 'not opened:'} {number(records[s])} in {counted(n, 'file')}" for s, n in sorted(kinds.items())
    ]
    return ["  " + "; ".join(parts)]


def _rejections(report: RunReport) -> list[str]:
    ranked = sorted(report.rejections.items(), key=lambda item: (-item[1], item[0]))
    told = [
        f"Rejected: {number(count)} × {shortened(visible(reason), _REASON)} ({shortened(visible(place), _REASON)})"
        for (place, reason), count in ranked[:_MOST]
    ]
    rest = ranked[_MOST:]
    if rest:
        told.append(f"Rejected: {number(sum(n for _, n in rest))} more, for {counted(len(rest), 'other reason')}.")
    return told


def _listed(title: str, pairs: Iterable[tuple[str, str]], what: str = "") -> list[str]:
    every = list(pairs)
    told = [f"{title}: {shortened(visible(path), _REASON)}: {shortened(visible(why), _REASON)}" for path, why in every]
    if len(every) > _MOST:
        told = [*told[:_MOST], f"{title}: {counted(len(every) - _MOST, 'more ' + (what or 'file'))}."]
    return told

"""Scans cut by their days: what looks at days one by one reads each file once, and holds no more than some days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from vizsla.lake.lake import Scan
from vizsla.lake.shape import day_of
from vizsla.nouns.event import UNKNOWN_DAY


def of_days(scans: Sequence[Scan], days: Collection[str]) -> list[Scan]:
    """The scans, without files that hold no event of these days. Files of UNKNOWN_DAY may, and stay."""
    return _of(scans, {*days, UNKNOWN_DAY})


def undated(scans: Sequence[Scan]) -> list[Scan]:
    """The scans, with files of UNKNOWN_DAY alone: without a time, or with one that was odd when they were stored."""
    return _of(scans, {UNKNOWN_DAY})


def dated(scans: Sequence[Scan]) -> list[Scan]:
    """The scans, without files of UNKNOWN_DAY."""
    return _of(scans, {day_of(file) for scan in scans for file in scan.files} - {UNKNOWN_DAY})


def by_days(scans: Sequence[Scan], rows: int) -> Iterator[list[Scan]]:
    """The scans in shares of whole days, of about so many rows or of one day; every file is in one share.

    What was stored without a believable time is in the last share.
    """
    total = sum(scan.rows for scan in scans)
    if total <= rows:
        yield list(scans)
        return
    size = Counter[str]()
    for file in (file for scan in scans for file in scan.files):
        size[day_of(file)] += Path(file).stat().st_size
    room = rows / total * sum(size.values())  # in bytes, as rows are known of whole scans alone
    share, held = set[str](), 0
    for day in sorted(size):  # UNKNOWN_DAY is behind all days
        if share and held + size[day] > room:
            yield _of(scans, share)
            share, held = set(), 0
        share.add(day)
        held += size[day]
    yield _of(scans, share)


def _of(scans: Sequence[Scan], days: Collection[str]) -> list[Scan]:
    return [_cut(scan, tuple(file for file in scan.files if day_of(file) in days)) for scan in scans]


def _cut(scan: Scan, files: tuple[str, ...]) -> Scan:
    if len(files) == len(scan.files):
        return scan
    rows = scan.rows * len(files) // max(1, len(scan.files))
    return replace(scan, files=files, rows=rows, days=tuple(dict.fromkeys(map(day_of, files))))

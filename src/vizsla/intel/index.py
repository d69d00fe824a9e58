"""Which rows a keyed table holds, by 128-bit key: sorted runs on disk that are looked into without being loaded.

An index is a convenience and no truth: it can be made again from its table at any time. One run is written by each
commit; runs are merged as they grow, so that adding to a large table costs by what is added.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.void]
"""Of shape (n,) and type ENTRY."""
Run = npt.NDArray[np.uint64]
"""The same field by field, of shape (6, n): looking for a key reads a few pages of the first two fields."""

ENTRY = np.dtype([
    ("high", "<u8"), ("low", "<u8"),  # the key
    ("order", "<i8"),  # what a row's own source says of its age, in microseconds; 0 where it says nothing
    ("added", "<i8"),  # when it was added, in microseconds
    ("digest", "<u8"),  # of its content; the highest bit: revoked
    ("version", "<i8"),  # the commit that it stands in
])  # fmt: skip
_NAMES = ENTRY.names or ()
_GROWTH = 4  # a run is merged into the one before unless that is this many times as long


def lasts(rows: Rows) -> npt.NDArray[np.bool_]:
    """Of rows sorted by key, which are the last of theirs."""
    last = np.ones(len(rows), np.bool_)
    if len(rows) > 1:
        last[:-1] = (rows["high"][1:] != rows["high"][:-1]) | (rows["low"][1:] != rows["low"][:-1])
    return last


class Index:
    """The runs in a folder, named by the versions that they cover and how many rows they superseded: '1-8-20.npy'."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs: list[tuple[Path, Run]] = []

    def load(self, upto: int) -> int:
        """Take the runs that cover versions 1, 2, … without a gap up to `upto` at most; say how far that is."""
        found: dict[int, tuple[int, Path]] = {}
        for path in self._folder.glob("*.npy") if self._folder.is_dir() else ():
            first, last, _ = _named(path)
            if 0 < first <= last <= upto:
                found[first] = max(found.get(first, (0, path)), (last, path))
        self._runs = []
        reached = 0
        while reached + 1 in found:
            last, path = found[reached + 1]
            try:
                run = np.load(path, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError, EOFError):
                break  # torn: made again from the table
            if run.dtype != np.uint64 or run.ndim != 2 or len(run) != len(_NAMES):
                break
            self._runs.append((path, run))
            reached = last
        return reached

    @property
    def superseded(self) -> int:
        """How many of the table's rows another row of their key took the place of."""
        return sum(_named(path)[2] for path, _ in self._runs)

    def find(self, wanted: Rows) -> tuple[npt.NDArray[np.bool_], Rows]:
        """For each wanted key whether it is known, and its newest row (zeros where it is not)."""
        known = np.zeros(len(wanted), np.bool_)
        held = np.zeros(len(wanted), ENTRY)
        for _, run in reversed(self._runs):  # the newest run that has a key says how it stands
            left = np.flatnonzero(~known)
            if not len(left):
                break
            for at, found in _places(run, wanted[left]):
                rows = left[at]
                known[rows] = True
                for place, name in enumerate(_NAMES):
                    held[name][rows] = run[place][found].view(ENTRY[name])
        return known, held

    def hold(self, rows: Rows, first: int, last: int, superseded: int) -> None:
        """A run of sorted rows that covers versions `first` to `last`, held in memory and not kept on disk."""
        self._runs.append((self._folder / f"{first}-{last}-{superseded}.npy", _run(rows)))

    def add(self, rows: Rows, first: int, last: int, superseded: int) -> None:
        """The same, kept on disk; short runs are merged with it."""
        self._folder.mkdir(exist_ok=True)
        gone: list[Path] = []
        while self._runs and self._runs[-1][1].shape[1] < _GROWTH * len(rows):
            path, before = self._runs.pop()
            gone.append(path)
            both = np.concatenate([_rows(before), rows])
            both = both[np.lexsort((both["version"], both["low"], both["high"]))]
            rows = both[lasts(both)]  # the newest version of a key holds
            first, superseded = _named(path)[0], superseded + _named(path)[2]
        path = self._folder / f"{first}-{last}-{superseded}.npy"
        part = path.with_name(f".{path.name}.{os.getpid()}")
        with part.open("wb") as stream:
            np.save(stream, _run(rows), allow_pickle=False)
        part.replace(path)
        for old in gone:
            if old != path:
                old.unlink(missing_ok=True)
        self._runs.append((path, np.load(path, mmap_mode="r", allow_pickle=False)))

    def clear(self) -> None:
        """Forget everything: the table was written anew."""
        self._runs = []
        if self._folder.is_dir():
            for path in self._folder.glob("*.npy"):
                path.unlink(missing_ok=True)


def _named(path: Path) -> tuple[int, int, int]:
    """The versions that a run covers, and how many rows it superseded; zeros for any other file."""
    numbers = path.stem.split("-")
    if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
        return 0, 0, 0
    return int(numbers[0]), int(numbers[1]), int(numbers[2])


def _run(rows: Rows) -> Run:
    return np.stack([rows[name].view(np.uint64) for name in _NAMES])


def _rows(run: Run) -> Rows:
    rows = np.empty(run.shape[1], ENTRY)
    for place, name in enumerate(_NAMES):
        rows[name] = run[place].view(ENTRY[name])
    return rows


def _places(run: Run, wanted: Rows) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Places among the wanted keys, and where in the run each stands."""
    highs, lows = run[0], run[1]
    at = np.searchsorted(highs, wanted["high"], side="left")
    left = np.arange(len(wanted))
    while len(left):  # one round, but for keys that share their high word
        inside = at < len(highs)
        left, at = left[inside], at[inside]
        same = highs[at] == wanted["high"][left]
        left, at = left[same], at[same]
        found = lows[at] == wanted["low"][left]
        yield left[found], at[found]
        left, at = left[~found], at[~found] + 1

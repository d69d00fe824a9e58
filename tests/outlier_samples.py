"""Detectors to test; a made-up series with a daily beat, and what may go wrong in it; windows written down naively."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vizsla.outlier.detectors import detectors

DEEP = ("deep_autoencoder", "lstm_autoencoder")  # need an extra; tested by themselves
PLAIN = [name for name in detectors() if name not in DEEP]
Floats = npt.NDArray[np.float64]
DAY, QUIET, STILL = 24, 20, 12  # rows


def series(seed: int = 0, days: int = 60) -> Floats:
    """`load` follows the hour of day; `asked` has three bursts a day, now small, now large, and `answered` echoes each
    three hours later, as much as it was."""
    chance = np.random.default_rng(seed)
    n = days * DAY
    load = 10 + 5 * np.sin(2 * np.pi * np.arange(n) / DAY) + chance.normal(0, 0.3, n)
    bursts = (np.arange(days)[:, None] * DAY + np.array([2, 10, 18])).ravel()
    size = chance.uniform(2, 8, len(bursts))
    asked, answered = chance.normal(2, 0.2, n), chance.normal(1, 0.2, n)
    asked[bursts] += size
    answered[bursts + 3] += size / 2
    return np.column_stack([load, asked, answered])


def planted(kind: str, seed: int = 0) -> tuple[pa.Table, int]:
    """The series with one thing wrong, and the first row at which it shows. Every value is usual by itself."""
    rows = series(seed)
    at = len(rows) * 2 // 3 // DAY * DAY
    if kind == "phase":  # as low as at its lowest, when it is at its highest
        at += 6
        rows[at, 0] = 5.0
    elif kind == "flat":  # bursts and echoes stand still at their rest, for most of a day
        at += 6
        rows[at : at + QUIET, 1:] = rows[at, 1:]
    elif kind == "still":  # the load does not move for half a day
        at += 6
        rows[at : at + STILL, 0] = rows[at, 0]
    else:  # a large burst with the echo of a small one
        at += 13
        rows[at - 3, 1], rows[at, 2] = 9.8, 2.1
    return pa.table({name: rows[:, j] for j, name in enumerate(("load", "asked", "answered"))}), at


def naive(rows: Floats, entities: list[object], steps: int, reach: int) -> Floats:
    """Windows row by row: the row, and those of its entity before it; the first again where there are too few."""
    found = []
    for place in range(len(rows)):
        mine = [i for i in range(max(0, place - reach), place + 1) if entities[i] == entities[place]][-steps:]
        mine = [mine[0]] * (steps - len(mine)) + mine
        found.append(np.concatenate([rows[i] for i in mine]))
    return np.array(found).reshape(len(rows), -1)

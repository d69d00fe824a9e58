"""Freed memory goes back to the system."""

from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from vizsla.memory import give_back

PIECES, PIECE, KEPT = 6_000, 60_000, 50  # so many arrays of so many bytes, of which each 50th stays


def resident() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * 4096


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries give it back by themselves, or never")
def test_what_threads_freed_goes_back() -> None:
    def work(number: int) -> list[np.ndarray]:
        return [np.full(PIECE, number, np.uint8) for _ in range(PIECES)]

    with ThreadPoolExecutor(2) as threads:
        held = list(threads.map(work, range(2)))
        kept = [part[::KEPT] for part in held]
        held.clear()
        before = resident()
        give_back()
        assert before - resident() > PIECES * PIECE
    assert all((piece == number).all() for number, part in enumerate(kept) for piece in part)


def test_it_may_be_asked_for_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(_: None) -> object:
        return object()  # a C library that knows nothing of it

    monkeypatch.setattr("ctypes.CDLL", nowhere)
    give_back()

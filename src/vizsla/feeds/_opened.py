"""Files of feeds as they are opened: whoever waits is told how far the reading is."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO

from vizsla.errors import FeedError

BUFFER = 1 << 20
Told = Callable[[int], None]
_TOLD: ContextVar[Told | None] = ContextVar("told", default=None)


@contextmanager
def telling(told: Told) -> Iterator[None]:
    """Within it `told` is given how many bytes were read of the file that is being read, with each BUFFER."""
    before = _TOLD.set(told)
    try:
        yield
    finally:
        _TOLD.reset(before)


def opened(path: Path) -> BinaryIO:
    """A file to read. Raises FeedError where it cannot be opened."""
    try:
        return io.BufferedReader(_Counted(path), BUFFER)  # type: ignore[type-var]
    except OSError as error:
        raise FeedError(f"the file cannot be opened: {error.strerror}", where=str(path), fix="check its path") from None


class _Counted(io.FileIO):
    """A file that tells how much of it was read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._told, self._read = _TOLD.get(), 0

    def readinto(self, into: bytearray, /) -> int:  # type: ignore[override]
        size = super().readinto(into)
        self._read += size or 0
        if self._told is not None:
            self._told(self._read)
        return size

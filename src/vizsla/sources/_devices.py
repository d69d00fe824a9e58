"""What logs of network devices share: records of one line each, known by a pattern in them, read by whole columns."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vizsla.source import LogFile, Rejected
from vizsla.sources._encoding import utf8_stream
from vizsla.sources._lines import TooLong, line_blocks
from vizsla.sources._rows import printable

BLOCK = 1 << 20
LOOKED_AT = 512  # bytes of a line in which the pattern stands
SHARE = 0.8


def shows(head: bytes, pattern: re.Pattern[bytes], confidence: float) -> float:
    """The confidence where nearly all of a head's first lines hold the pattern."""
    lines = [line for line in head.split(b"\n")[:50] if line.strip()]
    whole = lines[:-1] if len(lines) > 1 and len(head) >= 4096 else lines
    held = sum(pattern.search(line[:LOOKED_AT]) is not None for line in whole)
    return confidence if whole and held >= SHARE * len(whole) else 0.0


def text_blocks(file: LogFile) -> Iterator[tuple[pa.Array, npt.NDArray[np.int64]] | Rejected]:
    """A log's lines as texts without line ends, a block at a time, with their offsets; lines too long are told."""
    with file.open() as stream:
        for block in line_blocks(utf8_stream(stream), block=BLOCK):
            if isinstance(block, TooLong):
                yield block.rejected(file.name)
            else:
                texts = [printable(line.decode("utf-8", "surrogateescape")).rstrip("\r") for line in block.lines]
                yield pa.array(texts, pa.string()), np.array(block.offsets(), dtype=np.int64)

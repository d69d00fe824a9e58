"""What logs of network devices share: records of one line each, known by a pattern in them, read by whole columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.source import Batch, LogFile, Rejected
from vizsla.sources._encoding import utf8_stream
from vizsla.sources._lines import TooLong, line_blocks
from vizsla.sources._rows import printable
from vizsla.sources._syslog import modified

BLOCK = 1 << 20
LOOKED_AT = 512  # bytes of a line in which the pattern stands
SHARE = 0.8

# Records as the parts that their pattern names, their offsets, the file's name, and when it was last written.
Read = Callable[[pa.StructArray, npt.NDArray[np.int64], str, int], Iterator[Batch | Rejected]]


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


def read_matched(file: LogFile, pattern: str, without: str, read: Read) -> Iterator[Batch | Rejected]:
    """What `read` makes of the lines that meet the pattern, block by block; the others are told as `without`."""
    written = modified(file)
    for block in text_blocks(file):
        if isinstance(block, Rejected):
            yield block
            continue
        lines, places = block
        found = pc.extract_regex(lines, pattern)
        sound = found.is_valid().to_numpy(zero_copy_only=False)
        blank = pc.equal(pc.utf8_trim_whitespace(lines), "").to_numpy(zero_copy_only=False)
        for place in places[~sound & ~blank].tolist():
            yield Rejected(f"{file.name}#{place}", without)
        if sound.any():
            yield from read(found.filter(pa.array(sound)), places[sound], file.name, written)

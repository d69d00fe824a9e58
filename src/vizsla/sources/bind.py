"""BIND's own log files: lines that begin with named's time, written with or without category and level."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.source import Batch, Growth, LogFile, Rejected
from vizsla.sources._lines import TooLong, line_blocks
from vizsla.sources._linux import SPECS
from vizsla.sources._linux_net import BIND
from vizsla.sources._rows import batch_of, placed, printable
from vizsla.sources._times import NONE, micros, timestamps

TABLE = "dns_bind"
Ints = npt.NDArray[np.int64]
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TIME = r"\d\d-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-\d{4} \d\d:\d\d:\d\d\.\d{3}"
_LINE = rf"(?s)\A(?P<timestamp>{_TIME}|\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z?) (?P<message>.*)\z"
_HEAD = re.compile(rf"{_TIME} (?:[a-z-]+: )?(?:[a-z]+: )?(?:client |zone |\S+ )".encode())
_ISO_QUERY = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z? (?:[a-z-]+: )?(?:[a-z]+: )?client (?:@0x|\S+#)")


class Bind:
    """Query and other logs that named writes to files of its own."""

    name = "bind"
    doc = "BIND's log files: queries, transfers, updates; times without a zone are taken as UTC"
    tables = tuple(spec for spec in SPECS if spec.name == TABLE)

    def sniff(self, head: bytes, name: str) -> float:
        lines = [line for line in head.split(b"\n")[:20] if line.strip()]
        if not lines:
            return 0.0
        known = [bool(_HEAD.match(line) or _ISO_QUERY.match(line)) for line in lines]
        return 0.9 if known[0] and 2 * sum(known) > len(known) else 0.0

    def growth(self, head: bytes) -> Growth | None:
        return Growth()

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        with file.open() as stream:
            for block in line_blocks(stream, 1 << 20):
                if isinstance(block, TooLong):
                    yield block.rejected(file.name)
                    continue
                texts = [printable(line.rstrip(b"\r").decode("utf-8", "surrogateescape")) for line in block.lines]
                places = np.array(block.offsets(), dtype=np.int64)
                lines = pa.array(texts, pa.string())
                found = pc.extract_regex(lines, _LINE)
                fits = found.is_valid()
                for n in np.flatnonzero(~fits.to_numpy(zero_copy_only=False)).tolist():
                    if texts[n].strip():
                        yield Rejected(f"{file.name}#{places[n]}", "no time of named at the beginning of the line")
                kept = found.filter(fits)
                if len(kept):
                    held = places[fits.to_numpy(zero_copy_only=False)]
                    yield _batch(pc.struct_field(kept, "timestamp"), pc.struct_field(kept, "message"), held, file.name)


def _batch(stamps: pa.Array, messages: pa.Array, places: Ints, file: str) -> Batch:
    times = np.array([named_micros(text) for text in stamps.to_pylist()], dtype=np.int64)
    columns = {**BIND.extract(messages), "timestamp": stamps, "message": messages}
    hosts = pa.nulls(len(places), pa.string())
    return Batch(TABLE, batch_of(columns, timestamps(times), hosts, placed(file, pa.array(places))))


@lru_cache(maxsize=65536)
def named_micros(text: str) -> int:
    """A time as named writes it, in microseconds since 1970, or `NONE`."""
    if text[2:3] != "-":
        return micros(text)
    month = _MONTHS.index(text[3:6]) + 1 if text[3:6] in _MONTHS else 0
    return micros(f"{text[7:11]}-{month:02d}-{text[:2]}T{text[12:]}") if month else NONE


SOURCE = Bind()

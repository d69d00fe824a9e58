"""Sysinternals Autoruns' CSV (`autorunsc -c`), in UTF-16 or UTF-8, below a banner or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from vizsla.source import Batch, LogFile, Rejected
from vizsla.sources._encoding import as_utf8, utf8_stream
from vizsla.sources._lines import full_read
from vizsla.sources._mapped import Mapped

BEGINS = (b"Time,Entry Location,Entry,", b'"Time","Entry Location","Entry",', b"Time\tEntry Location\tEntry\t")
BANNER = 4096  # bytes at most above the header: the program's name, its makers, an address
MAPPING = {
    "doc": "Sysinternals autorunsc's CSV, what starts by itself on a host",
    "reader": "csv",
    "sniff": {"all": ["Time", "Entry Location", "Entry", "Enabled", "Category", "Image Path"], "confidence": 0.97},
    "table": "autoruns",
    "tables": {"autoruns": "What starts by itself on a host: run keys, services, drivers, tasks, add-ins"},
    "time": [
        {"column": "Time", "format": "%Y%m%d-%H%M%S"},
        {"column": "Time", "format": "%m/%d/%Y %I:%M %p"},
        "Time",
    ],
    "host": ["PSComputerName", "(path)"],
    "columns": ["Time", "Entry Location", "Entry", "Enabled", "Category", "Profile", "Description", "Signer", "Company",
                "Image Path", "Version", "Launch String", "MD5", "SHA-1", "SHA-256", "IMP"],
}  # fmt: skip


@dataclass(slots=True)
class _Below:
    """A log without what stands above its header."""

    name: str
    above: int
    log: LogFile
    path: str | None = None

    def open(self) -> BinaryIO:
        stream = utf8_stream(self.log.open())
        stream.read(self.above)
        return stream


class Autoruns(Mapped):
    """The mapping above, below whatever banner there is."""

    def sniff(self, head: bytes, name: str) -> float:
        above = _above(head)
        return 0.0 if above is None else super().sniff(as_utf8(head).removeprefix(b"\xef\xbb\xbf")[above:], name)

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        with file.open() as stream:
            head = full_read(utf8_stream(stream), BANNER)
        above = _above(head)
        yield from super().read(_Below(file.name, above or 0, file))


def _above(head: bytes) -> int | None:
    """How many bytes of UTF-8 stand above the header; None where there is no header."""
    text = as_utf8(head).removeprefix(b"\xef\xbb\xbf")[:BANNER]
    places = [at for at in map(text.find, BEGINS) if at >= 0]
    if not places:
        return None
    above = text[: min(places)]
    return len(above) if not above.strip() or b"Autoruns" in above else None


SOURCE = Autoruns("autoruns", MAPPING)

"""The Linux audit system's log, `audit.log`, raw or enriched, with or without the node's name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vizsla.source import Batch, Growth, LogFile, Rejected
from vizsla.sources._audit import AUDIT_SPEC, AuditEvents
from vizsla.sources._lines import TooLong, line_blocks
from vizsla.sources._rows import printable

_LINE = re.compile(rb"(?:node=\S+ )?type=[A-Z][A-Z0-9_\[\]]* msg=audit\((\d{1,12}\.\d{1,9}:\d{1,20})\):")


class Auditd:
    """Audit records, several lines an event."""

    name = "auditd"
    doc = "Linux audit.log, raw or enriched: records of one event joined, hexadecimal text decoded"
    tables = (AUDIT_SPEC,)

    def sniff(self, head: bytes, name: str) -> float:
        lines = [line for line in head.split(b"\n")[:50] if line.strip()]
        return (
            0.95
            if lines and _LINE.match(lines[0]) and sum(map(bool, map(_LINE.match, lines))) * 2 > len(lines)
            else 0.0
        )

    def growth(self, head: bytes) -> Growth | None:
        return Growth(cut=whole)

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        events = AuditEvents(file.name)
        with file.open() as stream:
            for block in line_blocks(stream):
                if isinstance(block, TooLong):
                    yield block.rejected(file.name)
                    continue
                for place, line in zip(block.offsets(), block.lines, strict=True):
                    text = printable(line.decode("utf-8", "surrogateescape")).strip()
                    if text and not events.add(text, place):
                        yield Rejected(f"{file.name}#{place}", "no audit record: no type= and msg=audit(time:serial)")
                yield from events.full()
        yield from events.rest()


def whole(tail: bytes) -> int:
    """How many of a log's last bytes are whole events: up to where the first of the last second's begins.

    What the last records belong to may go on, and records of events close in time stand among each other.
    """
    cut = tail.rfind(b"\n") + 1
    begins, at = [], 0
    for line in tail[:cut].split(b"\n")[:-1]:
        found = _LINE.match(line)
        if found is not None:
            begins.append((at, float(found[1].partition(b":")[0])))
        at += len(line) + 1
    if not begins:
        return 0
    newest = max(time for _, time in begins)
    return next(place for place, time in begins if time > newest - 2.0)


SOURCE = Auditd()

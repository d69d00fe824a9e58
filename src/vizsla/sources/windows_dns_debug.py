"""The Windows DNS server's debug log, `dns.log`: a legend, then a line for each packet, with details below it or not.

Times are the server's local ones and are taken as UTC. Dates are written as the server's country does: a year first,
dots for day first, a.m. and p.m. for month first; 03/04/2024 with a clock of 24 hours is 3 April.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.source import Batch, LogFile, Rejected, TableSpec
from vizsla.sources._encoding import utf8_stream
from vizsla.sources._lines import TooLong, line_blocks
from vizsla.sources._rows import batch_of, placed, printable
from vizsla.sources._times import NONE, micros, timestamps

TABLE = "dns_windows"
_CLOCK = r"\d{1,2}[:.]\d\d[:.]\d\d(?: ?[AaPp]\.?[Mm]\.?)?"
_RECORD = (
    rf"(?s)\A(?P<Date>\d{{1,4}}[./-]?\d\d?[./-]?\d{{2,4}}\.?) (?P<Time>{_CLOCK}) (?P<ThreadId>[0-9A-Fa-f]{{3,8}}) "
    r"(?P<Context>[A-Z][A-Za-z-]*)\s+(?P<Information>.*)\z"
)
_PACKET = (
    r"(?s)\A(?P<PacketId>[0-9A-Fa-f]{6,16}) (?P<Protocol>UDP|TCP) (?P<Direction>Rcv|Snd) (?P<RemoteIP>\S+)\s+"
    r"(?P<Xid>[0-9A-Fa-f]{4}) (?P<QR>R| ) (?P<Opcode>\S) \[(?P<Flags>[0-9A-Fa-f]{4}) (?P<FlagCodes>[A-Z ]*?)\s+"
    r"(?P<ResponseCode>[A-Z0-9]+)\] (?P<QuestionType>\S+)\s+(?P<QuestionName>\S+)\s*\z"
)
_LINE = re.compile(
    rb"\d{1,4}[./-]?\d\d?[./-]?\d{2,4}\.? \d{1,2}[:.]\d\d[:.]\d\d(?: ?[AaPp]\.?[Mm]\.?)?"
    rb" [0-9A-F]{3,8} ([A-Z][A-Za-z-]*) "
)
_LEGEND = b"Message logging key"
OPERATIONS = {"Rcv": "query-received", "RcvR": "answer-received", "Snd": "query-sent", "SndR": "answer-sent"}
MAX_HELD = 1 << 20  # bytes of a record whose details may go on in the next block


class WindowsDnsDebug:
    """Packets of a Windows DNS server."""

    name = "windows_dns_debug"
    doc = "The Windows DNS server's debug log (dns.log); its times are the server's local ones, taken as UTC"
    tables = (
        TableSpec(
            TABLE,
            "Packets that a Windows DNS server received and sent",
            ("Date", "Time", "ThreadId", "Context", "PacketId", "Protocol", "Direction", "RemoteIP", "Xid", "QR",
             "Opcode", "Flags", "FlagCodes", "ResponseCode", "QuestionType", "QuestionName", "operation", "name"),
        ),
    )  # fmt: skip

    def sniff(self, head: bytes, name: str) -> float:
        lines = [line for line in head.split(b"\n")[:200] if line.strip()]
        found = [one for line in lines if (one := _LINE.match(line))]
        if _LEGEND in head[:4096] and (found or b"DNS Server log" in head[:4096]):
            return 0.95
        packets = sum(b" PACKET " in one.group() for one in found)
        return 0.9 if packets and packets * 2 >= len(found) and _LINE.match(lines[0]) else 0.0

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        held: list[tuple[int, str]] = []  # the last record: its details may go on
        begun = False
        with file.open() as stream:
            for block in line_blocks(utf8_stream(stream), block=1 << 20):
                if isinstance(block, TooLong):
                    yield block.rejected(file.name)
                    continue
                texts = (printable(line.decode("utf-8", "surrogateescape")).rstrip("\r") for line in block.lines)
                lines = [*held, *((at, text) for at, text in zip(block.offsets(), texts, strict=True) if text.strip())]
                cut = next((n for n in range(len(lines) - 1, -1, -1) if lines[n][1][:1].isdigit()), len(lines))
                if sum(len(text) for _, text in lines[cut:]) > MAX_HELD:
                    cut = len(lines)
                held = lines[cut:]
                for item in _read(lines[:cut], begun, file.name):
                    begun = begun or isinstance(item, Batch)
                    yield item
        yield from _read(held, begun, file.name)


def _read(lines: list[tuple[int, str]], begun: bool, file: str) -> Iterator[Batch | Rejected]:
    """Whole records. Lines before the log's first are its legend; later ones are details of the record above them."""
    if not lines:
        return
    found = pc.extract_regex(pa.array([text for _, text in lines], pa.string()), _RECORD)
    sound = found.is_valid().to_numpy(zero_copy_only=False)
    heads = np.flatnonzero(sound)
    first = int(heads[0]) if len(heads) else len(lines)
    for at, text in lines[:first]:
        if begun or (text[:1].isdigit() and _LINE.match(text.encode("utf-8", "replace"))):
            yield Rejected(f"{file}#{at}", "no line of the DNS server's debug log")
    if not len(heads):
        return
    held = found.filter(pa.array(sound))
    columns = {field.name: held.field(n) for n, field in enumerate(held.type)}
    details: dict[int, list[str]] = {}
    for n in np.flatnonzero(~sound).tolist():
        if n > first:
            details.setdefault(int(np.searchsorted(heads, n) - 1), []).append(lines[n][1])
    if details:
        columns["details"] = pa.array(
            ["\n".join(details[n]) if n in details else None for n in range(len(heads))], pa.string()
        )
    yield _batch(columns, [lines[n][0] for n in heads.tolist()], file)


def _batch(columns: dict[str, pa.Array], places: list[int], file: str) -> Batch:
    rows = len(places)
    packet = pc.extract_regex(columns["Information"], _PACKET)
    sound = packet.is_valid()
    none = pa.scalar(None, pa.string())
    for n, field in enumerate(packet.type):
        columns[field.name] = pc.if_else(sound, pc.utf8_trim_whitespace(packet.field(n)), none)
    way = pc.binary_join_element_wise(columns["Direction"], columns["QR"], "")
    columns["operation"] = pa.array([OPERATIONS[v] if v else None for v in way.to_pylist()], pa.string())
    asked = pc.replace_substring_regex(columns["QuestionName"], r"\(\d+\)", ".")
    columns["name"] = pc.utf8_trim(asked, ".")
    columns["Information"] = pc.if_else(sound, none, columns["Information"])
    when = pc.binary_join_element_wise(columns["Date"], columns["Time"], " ").to_pylist()
    times = np.array([local_micros(text) for text in when], dtype=np.int64)
    columns = {name: pc.if_else(pc.equal(column, ""), none, column) for name, column in columns.items()}
    columns = {name: column for name, column in columns.items() if column.null_count < rows}
    origins = placed(file, pa.array(places, pa.int64()))
    return Batch(TABLE, batch_of(columns, timestamps(times), pa.nulls(rows, pa.string()), origins))


_MOMENT = re.compile(r"(\d{1,4})([./-])(\d{1,2})[./-](\d{2,4})\.? (\d{1,2})[:.](\d\d)[:.](\d\d) ?([AaPp])?.*")
_PLAIN = re.compile(r"(\d{4})(\d\d)(\d\d) (\d{1,2})[:.](\d\d)[:.](\d\d) ?([AaPp])?.*")


@lru_cache(maxsize=65536)
def local_micros(text: str) -> int:
    """A date and a time as the server's country writes them, in microseconds since 1970; NONE where it is none."""
    if plain := _PLAIN.fullmatch(text):
        year, month, day, hour, minute, second, half = plain.groups()
    elif found := _MOMENT.fullmatch(text):
        one, sign, two, three, hour, minute, second, half = found.groups()
        if len(one) == 4:
            year, month, day = one, two, three
        else:
            year = three if len(three) == 4 else f"20{three}"
            month_first = sign != "." and (int(two) > 12 or (half is not None and int(one) <= 12))
            month, day = (one, two) if month_first else (two, one)
    else:
        return NONE
    hours = int(hour) % 12 + 12 * (half in ("P", "p")) if half else int(hour)
    return micros(f"{year}-{int(month):02d}-{int(day):02d}T{hours:02d}:{minute}:{second}")


SOURCE = WindowsDnsDebug()

"""Windows event logs (EVTX), read by pyevtx-rs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from io import SEEK_END
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from vizsla.containers import seekable
from vizsla.source import Batch, LogFile, Rejected
from vizsla.sources._windows import SPECS, WindowsTables, flatten_event, quick_names, quick_row, table_of, text_of

MAGIC = b"ElfFile\x00"
CHECK_EVERY = 1024
HEADER, CHUNK, CHUNK_MAGIC = 4096, 65536, b"ElfChnk\x00"
MOST = CHUNK // 28  # records in a chunk: each has a header of 24 bytes and its size in 4


class Evtx:
    """Windows event logs as Windows itself writes them."""

    name = "evtx"
    doc = "Windows event logs (.evtx), one table per channel"
    tables = SPECS

    def sniff(self, head: bytes, name: str) -> float:
        return 1.0 if head.startswith(MAGIC) else 0.0

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        with seekable(file) as content:
            tables = WindowsTables(file.name)
            yield from _read(content, file.name, tables)
            yield from tables.rest()

    def read_many(self, files: Sequence[LogFile]) -> Iterator[Batch | Rejected]:
        tables = WindowsTables("")
        for file in files:
            tables.begin(file.name)
            with seekable(file) as content:
                yield from _read(content, file.name, tables)
        yield from tables.rest()


def _read(content: str | BinaryIO, name: str, tables: WindowsTables) -> Iterator[Batch | Rejected]:
    import evtx

    try:
        parser = evtx.PyEvtxParser(content, number_of_threads=1, separate_json_attributes=True)
        records = parser.records_json()
    except (RuntimeError, OSError, ValueError) as error:
        yield Rejected(f"{name}#header", f"not a readable EVTX file: {_reason(error)}")
        return
    damaged = count = 0
    while True:
        try:
            record = next(records)
        except StopIteration:
            break
        except (RuntimeError, OSError, ValueError) as error:
            damaged += 1
            yield Rejected(f"{name}#damage{damaged}", _reason(error))
            continue
        if record is None:
            break
        if (why := _add(tables, record)) is not None:
            yield Rejected(f"{name}#{record.get('event_record_id')}", why)
        count += 1
        if not count % CHECK_EVERY:
            yield from tables.full()
    yield from _missing(content, name, count)


def _missing(content: str | BinaryIO, name: str, count: int) -> Iterator[Rejected]:
    """What the file's own headers count and the parser did not give: chunks cut off, records whose mark was wiped.

    The parser ends a chunk without a word where a record's mark is zero, and the file where a chunk is not whole.
    """
    with Path(content).open("rb") if isinstance(content, str) else nullcontext(content) as file:
        size = file.seek(0, SEEK_END)
        file.seek(0)
        named = int.from_bytes(file.read(HEADER)[42:44], "little")
        whole = max(size - HEADER, 0) // CHUNK
        if whole < named:
            yield Rejected(f"{name}#{size}", f"the file is cut off: its header counts {named} chunks, it holds {whole}")
        counted = 0
        for chunk in range(whole):
            file.seek(HEADER + chunk * CHUNK)
            head = file.read(24)
            if head.startswith(CHUNK_MAGIC):
                first, last = (int.from_bytes(head[at : at + 8], "little") for at in (8, 16))
                counted += last - first + 1 if 0 <= last - first < MOST else 0
    if count < counted:
        yield Rejected(
            f"{name}#missing",
            f"{counted - count} of the {counted} records that the chunks' headers count could not be read",
        )


def _add(tables: WindowsTables, record: dict[str, Any]) -> str | None:
    """Puts one parsed record into its table, or says why not."""
    data = record["data"]
    try:
        event = orjson.loads(data)["Event"]
    except (ValueError, KeyError, TypeError) as error:
        return f"no event in the record: {error}"
    if not isinstance(event, dict):
        return "no event in the record"
    if (quick := quick_row(event)) is None or not _add_quick(tables, event, *quick, record["event_record_id"]):
        flat = flatten_event(event)
        rows = tables.rows(_table(flat.get("Channel"), flat.get("Provider_Name")))
        rows.add(tuple(flat), tuple(flat.values()), record["event_record_id"])
        rows.bytes += len(data)
    return None


def _add_quick(tables: WindowsTables, event: dict[str, Any], shape: Any, values: tuple[Any, ...], place: int) -> bool:
    """Adds an event whose shape was seen before without looking at each of its fields."""
    system = event["System"]
    channel = system.get("Channel")
    if not isinstance(channel, str):
        return False
    table = table_of(channel, "")
    plan = tables.plans.get((table, shape, False))
    if plan is None:
        names = quick_names(event)
        if names is None:
            return False
        rows = tables.rows(table)
        plan = tables.plans[table, shape, False] = (rows, rows.group(names))
    rows, group = plan
    group.index.append(len(rows.places))
    group.rows.append(values)
    rows.places.append(place)
    rows.bytes += 1500  # about what a record takes
    return True


def _table(channel: Any, provider: Any) -> str:
    return table_of(text_of(channel), text_of(provider))


def _reason(error: Exception) -> str:
    """The parser's own words, on one line and not too long."""
    return " ".join(str(error).split())[:300]


SOURCE = Evtx()

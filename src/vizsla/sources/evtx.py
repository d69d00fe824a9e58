"""Windows event logs (EVTX), read by pyevtx-rs.

Where a file is damaged, its records are searched for (see `_evtx_carve`), and those that only the search found have
`Recovered`: damage, or deleted (by `evtx_carved` alone).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from vizsla.containers import seekable
from vizsla.source import Batch, LogFile, Rejected
from vizsla.sources._evtx_carve import CHUNK, CHUNK_MAGIC, HEADER, Found, frames
from vizsla.sources._evtx_carve import records as records_of
from vizsla.sources._windows import SPECS, WindowsTables, flatten_event, put, quick_names, quick_row, table_of, text_of

MAGIC = b"ElfFile\x00"
CHECK_EVERY = 1024
LARGEST = (1 << 63) - 1  # a damaged record's number may be beyond what places can be
MOST = CHUNK // 28  # records in a chunk: each has a header of 24 bytes and its size in 4


class Evtx:
    """Windows event logs as Windows itself writes them."""

    name = "evtx"
    doc = "Windows event logs (.evtx), one table per channel"
    tables = SPECS
    magic = MAGIC

    def sniff(self, head: bytes, name: str) -> float:
        return 1.0 if head.startswith(MAGIC) else 0.0

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        with seekable(file) as content:
            tables = WindowsTables(file.name)
            yield from read_log(content, file.name, tables)
            yield from tables.rest()

    def slices(self, path: str, size: int) -> Iterator[tuple[int, int]] | None:
        with Path(path).open("rb") as file:
            end = file.seek(0, SEEK_END)
            whole = (end - HEADER) // CHUNK
            file.seek(0)
            head = file.read(HEADER)
            named = int.from_bytes(head[42:44], "little")
            if not head.startswith(MAGIC) or (end - HEADER) % CHUNK or named > whole:
                return None
            used = 0  # chunks; those behind them must be blank, else the log is damaged and needs a search
            for chunk in range(whole):
                file.seek(HEADER + chunk * CHUNK)
                if used == chunk and file.read(len(CHUNK_MAGIC)) == CHUNK_MAGIC:
                    used += 1
                elif file.seek(HEADER + chunk * CHUNK) and any(file.read(CHUNK)):
                    return None
        step, end = max(size // CHUNK, 1) * CHUNK, HEADER + used * CHUNK
        return ((start, min(start + step, end)) for start in range(HEADER, end, step))

    def slice(self, file: LogFile, start: int, stop: int) -> LogFile:
        return _Slice(file, start, stop)

    def read_many(self, files: Sequence[LogFile]) -> Iterator[Batch | Rejected]:
        tables = WindowsTables("")
        for file in files:
            tables.begin(file.name)
            with seekable(file) as content:
                yield from read_log(content, file.name, tables)
        yield from tables.rest()


class _Slice:
    """Chunks of a log below its header, as a log of its own. Places are record numbers, the same in both."""

    def __init__(self, file: LogFile, start: int, stop: int) -> None:
        self.name = file.name
        self.path: str | None = None
        self._file, self._start, self._stop = file, start, stop

    def open(self) -> BinaryIO:
        with self._file.open() as stream:
            head = bytearray(stream.read(HEADER))
            stream.seek(self._start)
            chunks = stream.read(self._stop - self._start)
        head[42:44] = (len(chunks) // CHUNK).to_bytes(2, "little")
        return BytesIO(bytes(head) + chunks)


def read_log(content: str | BinaryIO, name: str, tables: WindowsTables, *, deleted: bool = False,
             headed: bool = True) -> Iterator[Batch | Rejected]:  # fmt: skip
    """All records; then, where the file is damaged or `deleted` ones are asked for, those that a search finds.

    `headed`: the file has its header; without one, all is searched for.
    """
    import evtx

    held = Account()
    records: Iterator[dict[str, Any] | None] = iter(())
    try:
        if headed:
            parser = evtx.PyEvtxParser(content, number_of_threads=1, separate_json_attributes=True)
            records = parser.records_json()
    except (RuntimeError, OSError, ValueError) as error:
        held.refused.append((f"{name}#header", f"not a readable EVTX file: {_reason(error)}"))
    while True:
        try:
            record = next(records)
        except StopIteration:
            break
        except (RuntimeError, OSError, ValueError) as error:
            held.refused.append((f"{name}#damage{len(held.refused) + 1}", _reason(error)))
            continue
        if record is None:
            break
        if (why := _add(tables, record)) is not None:
            yield Rejected(f"{name}#{record.get('event_record_id')}", why)
        held.given.append(hash((record["event_record_id"], record["timestamp"])))
        if not len(held.given) % CHECK_EVERY:
            yield from tables.full()
    with Path(content).open("rb") if isinstance(content, str) else nullcontext(content) as file:
        cut, counted = _counted(file, name)
        if cut is not None:
            yield cut
        if held.refused or cut or len(held.given) < counted or deleted:
            yield from _recovered(file, name, tables, held, counted, deleted=deleted)


class Account:
    """What the parser gave: its records by a hash of number and time, and what it could not read."""

    def __init__(self) -> None:
        self.given = array("q")
        self.refused: list[tuple[str, str]] = []


def _counted(file: BinaryIO, name: str) -> tuple[Rejected | None, int]:
    """Whether the file is cut off, and how many records its chunks' headers count.

    The parser ends a chunk without a word where a record's mark is zero, and the file where a chunk is not whole.
    """
    size = file.seek(0, SEEK_END)
    file.seek(0)
    head = file.read(HEADER)
    if len(head) < HEADER or not head.startswith(MAGIC):
        return None, 0
    named = int.from_bytes(head[42:44], "little")
    whole = max(size - HEADER, 0) // CHUNK
    counted = 0
    for chunk in range(whole):
        file.seek(HEADER + chunk * CHUNK)
        head = file.read(24)
        if head.startswith(CHUNK_MAGIC):
            first, last = (int.from_bytes(head[at : at + 8], "little") for at in (8, 16))
            counted += last - first + 1 if 0 <= last - first < MOST else 0
    if whole >= named:
        return None, counted
    why = f"the file is cut off: its header counts {named} chunks, it holds {whole}"
    return Rejected(f"{name}#{size}", why), counted


def _recovered(file: BinaryIO, name: str, tables: WindowsTables, held: Account, counted: int, *, deleted: bool,
               ) -> Iterator[Batch | Rejected]:  # fmt: skip
    """Records that the parser did not reach, each marked as recovered; and what could not be recovered."""
    live = bool(held.refused) or len(held.given) < counted or not counted or _ends_within(file)
    known = set(held.given)
    told = found = 0
    for frame in frames(file):
        if live and not frame.sound:
            told += 1
            yield Rejected(f"{name}#{frame.start}", "a chunk without its header: its records were searched for")
        gone = 0
        for item in records_of(frame, live=live, deleted=deleted):
            if item.record is None:
                if item.deleted:
                    gone += 1
                else:
                    told += 1
                    found += not item.gap
                    yield Rejected(f"{name}#{item.place}", _refusal(item))
                continue
            key = hash((item.record["event_record_id"], item.record["timestamp"]))
            if key in known:
                continue
            known.add(key)
            found += not item.deleted
            if (why := _add(tables, item.record, "deleted" if item.deleted else "damage")) is not None:
                yield Rejected(f"{name}#{item.place}", why)
        if gone:
            yield Rejected(
                f"{name}#{frame.start}", f"{gone} deleted records of a chunk: what they refer to is overwritten"
            )
        yield from tables.full()
    if not told:
        yield from (Rejected(place, reason) for place, reason in held.refused)
    if (missing := counted - len(held.given) - found) > 0:
        reason = f"{missing} of the {counted} records that the chunks' headers count could not be read"
        yield Rejected(f"{name}#missing", reason)


def _ends_within(file: BinaryIO) -> bool:
    """Whether the file ends within a chunk."""
    return (file.seek(0, SEEK_END) - HEADER) % CHUNK != 0


def _refusal(item: Found) -> str:
    return f"{item.size} bytes that hold no record: {item.reason}" if item.gap else item.reason


def _add(tables: WindowsTables, record: dict[str, Any], recovered: str = "") -> str | None:
    """Puts one parsed record into its table, or says why not. `recovered`: from what."""
    data = record["data"]
    try:
        event = orjson.loads(data)["Event"]
    except (ValueError, KeyError, TypeError) as error:
        return f"no event in the record: {error}"
    if not isinstance(event, dict):
        return "no event in the record"
    place = min(record["event_record_id"], LARGEST)
    quick = None if recovered else quick_row(event)
    if quick is None or not _add_quick(tables, event, *quick, place):
        flat = flatten_event(event)
        if recovered:
            put(flat, "Recovered", recovered)
        rows = tables.rows(_table(flat.get("Channel"), flat.get("Provider_Name")))
        rows.add(tuple(flat), tuple(flat.values()), place)
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

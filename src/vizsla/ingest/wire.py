"""Tasks and what they tell, as bytes: between processes, and between Spark's executors and its driver."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import IO, Any

import pyarrow as pa

from vizsla.growing import Mark
from vizsla.ingest.readings import mark_of, plain_mark
from vizsla.ingest.task import (
    Broken,
    Done,
    Pieced,
    Reached,
    Refused,
    Resumed,
    Same,
    Stamped,
    Task,
    Told,
    Unknown,
    Whole,
)
from vizsla.pieces import Piece
from vizsla.source import Rejected

_FRAME = struct.Struct("<Q")
_HEAD = struct.Struct("<I")
_PLAIN: dict[str, type[Any]] = {
    "unknown": Unknown,
    "same": Same,
    "broken": Broken,
    "whole": Whole,
    "pieced": Pieced,
    "resumed": Resumed,
}


def pack_tasks(tasks: Sequence[Task], *, far: bool = False) -> str:
    """Tasks as text. `far`: for another machine, which cannot reach the lake: all that marks need goes with them."""
    return json.dumps(
        [
            [
                *(t.path, t.now.isoformat(), t.source, t.known, t.size, t.grows),
                *([_sent(m, far=far) for m in t.marks], _plain_piece(t.piece), t.cut),
            ]
            for t in tasks
        ]
    )


def unpack_tasks(text: str) -> tuple[Task, ...]:
    """Tasks from their text."""
    return tuple(
        Task(
            path,
            datetime.fromisoformat(now),
            source,
            None if known is None else tuple(known),
            size,
            grows,
            tuple(mark for said in marks if (mark := _received(*said)) is not None),
            _piece_of(*piece) if piece else None,
            tuple(cut) if cut else None,
        )
        for path, now, source, known, size, grows, marks, piece, cut in json.loads(text)
    )


def _plain_piece(piece: Piece | None) -> list[Any] | None:
    if piece is None:
        return None
    marked = [line.decode("latin-1") for line in piece.marked]
    return [piece.source, piece.number, piece.start, piece.stop, marked]


def _piece_of(source: str, number: int, start: int, stop: int, marked: Sequence[str]) -> Piece:
    return Piece(source, number, start, stop, tuple(line.encode("latin-1") for line in marked))


def _sent(mark: Mark, *, far: bool) -> list[Any]:
    """A mark as JSON: itself, the folder of its ordinals, and they themselves where they must go along."""
    if isinstance(mark.ordinals, bytes):
        return [plain_mark(mark), "", base64.b64encode(mark.ordinals).decode()]
    if not far:
        return [plain_mark(mark), mark.ordinals.folder, None]
    try:
        ordinals = mark.state()
    except (OSError, ValueError):
        return [None, "", None]  # the log is read from its start
    return [plain_mark(replace(mark, ordinals=b"")), "", base64.b64encode(ordinals).decode()]


def _received(said: dict[str, Any] | None, folder: str, ordinals: str | None) -> Mark | None:
    if said is None:
        return None
    mark = mark_of(said, folder)
    return mark if ordinals is None else replace(mark, ordinals=base64.b64decode(ordinals))


def pack(told: Told) -> bytes | memoryview:
    """What a task tells: the length of a JSON head, the head, and for events an Arrow stream."""
    body = b""
    if isinstance(told, Stamped):
        head: list[Any] = ["events", told.log, told.source, told.table, told.logs]
    elif isinstance(told, Refused):
        head = ["refused", told.log, told.source, told.rejected.place, told.rejected.reason]
    elif isinstance(told, Done):
        head = ["done", told.log, told.source, told.events, told.rejected, told.notes]
    elif isinstance(told, Unknown):
        head = ["unknown", told.log, told.why]
    elif isinstance(told, Resumed):
        head = ["resumed", told.log, told.source, told.key, told.unchanged]
    elif isinstance(told, Reached):
        kept = None if isinstance(told.mark.ordinals, bytes) else told.mark.ordinals.folder
        head = ["reached", told.log, plain_mark(told.mark), kept]
        body = told.mark.ordinals if isinstance(told.mark.ordinals, bytes) else b""
    elif isinstance(told, Pieced):
        head = ["pieced", told.path]
    elif isinstance(told, Broken):
        head = ["broken", told.path, told.why]
    else:
        head = ["same" if isinstance(told, Same) else "whole", told.path, told.digest]
    text = json.dumps(head).encode()  # lone surrogates of strange file names are escaped
    start = _HEAD.pack(len(text)) + text
    return _with_events(start, told.events) if isinstance(told, Stamped) else start + body


def _with_events(start: bytes, events: pa.RecordBatch) -> memoryview:
    """What stands before them and events, written once into as much memory as they take."""
    counted = pa.MockOutputStream()
    _write(counted, events)
    frame = pa.allocate_buffer(len(start) + counted.size())
    with pa.FixedSizeBufferWriter(frame) as sink:
        sink.write(start)
        _write(sink, events)
    return memoryview(frame)


def _write(sink: pa.NativeFile, events: pa.RecordBatch) -> None:
    with pa.ipc.new_stream(sink, events.schema) as writer:
        writer.write_batch(events)


def unpack(frame: bytes | memoryview) -> Told:
    """The reverse of `pack`; events stand on the frame's own memory."""
    (length,) = _HEAD.unpack_from(frame)
    end = _HEAD.size + length
    kind, *head = json.loads(bytes(frame[_HEAD.size : end]))
    if kind == "events":
        log, source, table, logs = head
        with pa.ipc.open_stream(pa.py_buffer(frame).slice(end)) as stream:
            events = stream.read_next_batch()
        return Stamped(log, source, table, events, tuple((name, rows) for name, rows in logs))
    if kind == "refused":
        return Refused(head[0], head[1], Rejected(head[2], head[3]))
    if kind == "reached":
        log, said, kept = head
        mark = mark_of(said, kept or "")
        return Reached(log, mark if kept is not None else replace(mark, ordinals=bytes(frame[end:])))
    if kind == "done":
        return Done(head[0], head[1], head[2], head[3], tuple((note, count) for note, count in head[4]))
    told: Told = _PLAIN[kind](*head)
    return told


def send(stream: IO[bytes], body: bytes | memoryview) -> None:
    """One frame: its length, itself."""
    stream.write(_FRAME.pack(len(body)))
    stream.write(body)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes:
    """One frame. Raises EOFError where the other side is gone."""
    head = stream.read(_FRAME.size)
    if len(head) < _FRAME.size:
        raise EOFError
    (length,) = _FRAME.unpack(head)
    body = stream.read(length)
    if len(body) < length:
        raise EOFError
    return body

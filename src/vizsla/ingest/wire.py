"""Tasks and what they tell, as bytes: between processes, and between Spark's executors and its driver."""

from __future__ import annotations

import json
import struct
from dataclasses import asdict
from datetime import datetime
from typing import IO, Any

import pyarrow as pa

from vizsla.ingest.task import Broken, Done, Refused, Same, Stamped, Task, Told, Unknown, Whole
from vizsla.source import Rejected

_FRAME = struct.Struct("<Q")
_HEAD = struct.Struct("<I")
_PLAIN: dict[str, type[Any]] = {"unknown": Unknown, "same": Same, "broken": Broken, "whole": Whole}


def pack_task(task: Task) -> str:
    """A task as text."""
    return json.dumps({"path": task.path, "now": task.now.isoformat(), "source": task.source, "known": task.known})


def unpack_task(text: str) -> Task:
    """A task from its text."""
    said = json.loads(text)
    known = None if said["known"] is None else tuple(said["known"])
    return Task(said["path"], datetime.fromisoformat(said["now"]), said["source"], known)


def pack(told: Told) -> bytes:
    """What a task tells: the length of a JSON head, the head, and for events an Arrow stream."""
    body: pa.Buffer | bytes = b""
    if isinstance(told, Stamped):
        head: dict[str, Any] = {"kind": "events", "log": told.log, "source": told.source, "table": told.table}
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, told.events.schema) as writer:
            writer.write_batch(told.events)
        body = sink.getvalue()
    elif isinstance(told, Refused):
        head = {"kind": "refused", "log": told.log, "source": told.source, **asdict(told.rejected)}
    elif isinstance(told, Done):
        head = {"kind": "done", **asdict(told)}
    else:
        kind = next(name for name, plain in _PLAIN.items() if isinstance(told, plain))
        head = {"kind": kind, **asdict(told)}
    text = json.dumps(head).encode()  # lone surrogates of strange file names are escaped
    return b"".join((_HEAD.pack(len(text)), text, memoryview(body)))


def unpack(frame: bytes) -> Told:
    """The reverse of `pack`; events stand on the frame's own memory."""
    (length,) = _HEAD.unpack_from(frame)
    end = _HEAD.size + length
    head = json.loads(frame[_HEAD.size : end])
    kind = head.pop("kind")
    if kind == "events":
        with pa.ipc.open_stream(pa.py_buffer(frame).slice(end)) as stream:
            return Stamped(**head, events=stream.read_next_batch())
    if kind == "refused":
        return Refused(head["log"], head["source"], Rejected(head["place"], head["reason"]))
    if kind == "done":
        return Done(**{**head, "notes": tuple((note, count) for note, count in head["notes"])})
    told: Told = _PLAIN[kind](**head)
    return told


def send(stream: IO[bytes], body: bytes) -> None:
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

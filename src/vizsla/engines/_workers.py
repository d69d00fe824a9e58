"""Items dealt over processes of this machine.

A worker is `python -m vizsla.engines._worker`, a fresh interpreter that talks over its standard input and
output: unlike multiprocessing's spawn it needs no `if __name__ == "__main__"` in the caller's script, works from
a notebook, and ends at once when this process dies, so that no orphan goes on writing into a lake.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import queue
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import IO

import pyarrow as pa

from vizsla.engine import Mapper
from vizsla.engines._threads import together
from vizsla.errors import EngineError

HEAD = struct.Struct("<cQ")
BATCH, DONE, ERROR = b"b", b"d", b"e"
ITEM = pa.schema([pa.field("item", pa.string(), nullable=False)])


def one(item: str) -> pa.RecordBatch:
    """The batch in which a mapper sees an item."""
    return pa.RecordBatch.from_arrays([pa.array([item])], schema=ITEM)


def spread(items: Sequence[str], mapper: Mapper, processes: int) -> Iterator[pa.RecordBatch]:
    """`mapper` over each item, at most `processes` at a time, results as they come.

    A mapper of the calling script itself (`__main__`) cannot be found by another process: it runs here.
    """
    processes = min(processes, len(items))
    if processes <= 1 or type(mapper).__module__ == "__main__":
        for item in items:
            yield from mapper(iter([one(item)]))
        return
    try:
        hello = pickle.dumps(mapper)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise EngineError(
            f"{type(mapper).__qualname__} cannot be sent to another process: {error}",
            fix="make it a frozen dataclass at the top of a module",
        ) from error
    work: queue.SimpleQueue[str] = queue.SimpleQueue()
    for item in items:
        work.put(item)
    running: list[subprocess.Popen[bytes]] = []

    def end() -> None:
        for process in running:
            process.kill()

    yield from together([_worker(work, hello, running) for _ in range(processes)], cancel=end)


def _worker(
    work: queue.SimpleQueue[str], hello: bytes, running: list[subprocess.Popen[bytes]]
) -> Iterator[pa.RecordBatch]:
    process = subprocess.Popen(
        [sys.executable, "-m", "vizsla.engines._worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    running.append(process)
    assert process.stdin is not None
    assert process.stdout is not None
    item = ""
    try:
        send(process.stdin, BATCH, hello)
        while True:
            try:
                item = work.get_nowait()
            except queue.Empty:
                return
            send(process.stdin, BATCH, item.encode("utf-8", "surrogateescape"))
            yield from _results(process.stdout)
    except (EOFError, BrokenPipeError) as error:
        code = process.wait()
        raise EngineError(
            f"a worker process ended with code {code}",
            where=item,
            fix="-9 means that the machine ran out of memory: read fewer files at a time" if code == -9 else "",
        ) from error
    finally:
        process.kill()
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        process.wait()


def _results(stream: IO[bytes]) -> Iterator[pa.RecordBatch]:
    while True:
        kind, body = receive(stream)
        if kind == DONE:
            return
        if kind == ERROR:
            raise pickle.loads(body)  # noqa: S301  from our own process
        yield from pa.ipc.open_stream(body)


def send(stream: IO[bytes], kind: bytes, body: bytes | memoryview | pa.Buffer = b"") -> None:
    """One message: its kind, its length, itself."""
    view = memoryview(body)
    stream.write(HEAD.pack(kind, view.nbytes))
    stream.write(view)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[bytes, bytes]:
    """One message; EOFError where the other side is gone."""
    kind, length = HEAD.unpack(_exactly(stream, HEAD.size))
    return kind, _exactly(stream, length)


def _exactly(stream: IO[bytes], length: int) -> bytes:
    body = stream.read(length)
    if len(body) < length:
        raise EOFError
    return body


def pack(batch: pa.RecordBatch) -> pa.Buffer:
    """A batch with its schema, as Arrow's stream format."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def portable(error: BaseException) -> bytes:
    """An error as another process can raise it: itself where it can be pickled, else its words."""
    try:
        body = pickle.dumps(error)
        pickle.load(io.BytesIO(body))  # noqa: S301  some errors pickle and then cannot be made again
    except Exception:  # noqa: BLE001  whatever a foreign error's pickling raises, its words still travel
        return pickle.dumps(EngineError(f"{type(error).__name__}: {error}"))
    return body

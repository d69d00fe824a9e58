"""What runs on a Spark executor before Vizsla is there. Pickled by value: nothing of Vizsla may be imported at the top.

The executors' Python holds only what PySpark itself needs. This function puts the archive that the driver has
sent on the path, checks that it fits this interpreter, and only then lets Vizsla unpickle and run the mapper.
Failures travel as rows, not as exceptions: Spark would repeat the task and bury the message in Java's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

RESULT = "kind string, body binary"  # kind: 'batch', 'error' (pickled) or 'unfit' (words)


def task(
    folder: str, made_for: dict[str, str], job: bytes, shares: list[bytes]
) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """The function for `mapInArrow`: its rows hold the numbers of the shares that this task takes."""

    def run(batches: Iterator[Any]) -> Iterator[Any]:
        unfit = prepare(folder, made_for)
        for batch in batches:
            for number in batch.column(0).to_pylist():
                if unfit:
                    yield row("unfit", unfit.encode())
                    continue
                from vizsla.engines._remote import answer

                for kind, body in answer(job, shares[number]):
                    yield row(kind, body)

    return run


def packed(batches: Iterator[Any]) -> Iterator[Any]:
    """Whole batches as single rows, so that a result can be streamed to the driver in large pieces."""
    import pyarrow as pa

    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        yield row("batch", sink.getvalue())


def row(kind: str, body: Any) -> Any:
    """A result row, alone in its batch, since bodies are large; the body is not copied."""
    import struct

    import pyarrow as pa

    data = pa.py_buffer(body)
    offsets = pa.py_buffer(struct.pack("=ii", 0, data.size))
    whole = pa.Array.from_buffers(pa.binary(), 1, [None, offsets, data])
    return pa.RecordBatch.from_arrays([pa.array([kind], pa.string()), whole], names=["kind", "body"])


def prepare(folder: str, made_for: dict[str, str]) -> str:
    """Put the shipped folder on the path; what is wrong with this executor, or ''."""
    import importlib
    import platform
    import sys
    from pathlib import Path

    here = {
        "python": "{}.{}".format(*sys.version_info),
        "platform": f"{sys.platform}/{platform.machine()}/{platform.libc_ver()[0]}",
    }
    for what, value in here.items():
        if value != made_for[what]:
            return f"the executors' {what} is {value}, the driver's {made_for[what]}"
    from pyspark import SparkFiles

    roots = [Path.cwd()]  # where Spark Connect unpacks
    if getattr(SparkFiles, "_root_directory", None):
        roots.insert(0, Path(SparkFiles.getRootDirectory()))
    places = [str((root / folder).resolve()) for root in roots]
    found = next((place for place in places if Path(place, "vizsla").is_dir()), None)
    if found is None:
        return f"the archive that Vizsla ships itself in was not unpacked at {' or '.join(places)}"
    if found not in sys.path:
        sys.path.insert(0, found)
        importlib.invalidate_caches()
    loaded = sys.modules.get("vizsla")
    if loaded is not None and not str(Path(str(loaded.__file__)).resolve()).startswith(found):
        for name in [n for n in sys.modules if n == "vizsla" or n.startswith("vizsla.")]:
            del sys.modules[name]
    import vizsla

    if vizsla.__version__ != made_for["vizsla"] or not str(Path(vizsla.__file__).resolve()).startswith(found):
        return f"the executors see Vizsla {vizsla.__version__} at {vizsla.__file__}, the driver {made_for['vizsla']}"
    return ""

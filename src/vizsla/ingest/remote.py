"""Ingest spread over an engine's executors: they read files, the driver appends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from vizsla.ingest.task import Broken, Same, Task, Told, Whole, perform
from vizsla.ingest.wire import pack, pack_tasks, unpack, unpack_tasks

if TYPE_CHECKING:
    from vizsla.engine import Engine

SCHEMA = pa.schema([pa.field("task", pa.string()), pa.field("number", pa.int64()), pa.field("frame", pa.binary())])


@dataclass(frozen=True)
class FileReader:
    """Maps groups of tasks (`pack_tasks` texts, column `item`) to what they tell, as frames in order."""

    schema: pa.Schema = SCHEMA

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for item in batch.column("item").to_pylist():
                for number, told in enumerate(perform(unpack_tasks(item))):
                    row = [pa.array([item]), pa.array([number], pa.int64()), pa.array([pack(told)], pa.binary())]
                    yield pa.RecordBatch.from_arrays(row, schema=self.schema)


def run(engine: Engine, groups: Sequence[Sequence[Task]]) -> Iterator[Told]:
    """What the tasks tell. Raises EngineError where the engine gives up."""
    ended: set[str] = set()
    for batch in engine.spread([pack_tasks(group, far=True) for group in groups], FileReader()):
        for frame in batch.column("frame"):
            told = unpack(frame.as_buffer().to_pybytes())
            if isinstance(told, Whole | Broken | Same):
                ended.add(told.path)
            yield told
    for task in (task for group in groups for task in group):
        if task.path not in ended:
            yield Broken(task.path, "the engine lost it")

"""Where a load's rows wait until all are there: on disk, so that a feed of any size takes bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vizsla.intel.index import ENTRY, Rows
from vizsla.intel.rows import Draft

_NUMBERS = count()


class Spool:
    """Rows of one schema, in the order in which they came. A context manager: at its end the file is gone.

    In memory stays what the index must know of each row: 48 bytes.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f".{name}.{os.getpid()}.{next(_NUMBERS)}.arrow"
        self._writer: pa.RecordBatchFileWriter | None = None
        self._entries: list[Rows] = []
        self._loose: list[npt.NDArray[np.bool_]] = []
        self.rows = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def add(self, draft: Draft) -> None:
        """Append rows."""
        if not draft.rows.num_rows:
            return
        if self._writer is None:
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writer = pa.ipc.new_file(str(self._path), draft.rows.schema, options=options)
        self._writer.write_batch(draft.rows)
        self._entries.append(draft.entries)
        self._loose.append(draft.loose)
        self.rows += draft.rows.num_rows

    @property
    def entries(self) -> Rows:
        """What the index must know of each row, in their order."""
        return np.concatenate(self._entries) if self._entries else np.zeros(0, ENTRY)

    @property
    def loose(self) -> npt.NDArray[np.bool_]:
        """Of claims: which have no object's id."""
        return np.concatenate(self._loose) if self._loose else np.zeros(0, np.bool_)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows. Nothing can be added any more."""
        if self._writer is None:
            return
        self._writer.close()
        with pa.OSFile(str(self._path)) as file, pa.ipc.open_file(file) as reader:
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)

    def clear(self) -> None:
        """Forget all rows, and begin anew."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._path.unlink(missing_ok=True)
        self._entries, self._loose, self.rows = [], [], 0


def sweep(folder: Path) -> None:
    """Delete what killed loads left."""
    for path in folder.glob(".*.*.*.arrow"):
        owner = path.name.split(".")[-3]
        if owner.isdecimal() and int(owner) != os.getpid() and not _lives(int(owner)):
            path.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True

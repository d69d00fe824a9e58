"""NumPy's npy and npz. Arrays are read in slices of rows, out of an archive too; nothing is unpickled, ever."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy

from vizsla.errors import UsageError
from vizsla.outlier.tables import at_once

USUAL = "X"  # what an archive's table is called where there are several arrays
MOST_BY_COLUMN = 2**31  # bytes of an array stored column by column within an archive, which is read whole


@dataclass(frozen=True, slots=True)
class Array:
    """An array of rows. `member`: its name in an archive; None: the file is the array."""

    path: Path
    member: str | None
    shape: tuple[int, ...]
    by_column: bool
    dtype: np.dtype[Any]
    said: str = ""

    @property
    def names(self) -> list[str]:
        """What its columns are called: `x0`, `x1` …, or as its records' fields."""
        if self.dtype.names:
            return list(self.dtype.names)
        return [f"x{j}" for j in range(self.shape[1] if len(self.shape) > 1 else 1)]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Its rows."""
        step = at_once(len(self.names))
        try:
            if self.member is None:
                whole = np.load(self.path, mmap_mode="r", allow_pickle=False)
                for start in range(0, self.shape[0], step):
                    yield self._batch(np.asarray(whole[start : start + step]))
                return
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{self.member}.npy") as stream:
                _header(stream)
                if self.by_column:
                    whole = np.frombuffer(_read(stream, self._bytes(self.shape)), self.dtype)
                    whole = whole.reshape(self.shape[::-1]).T
                    for start in range(0, self.shape[0], step):
                        yield self._batch(np.ascontiguousarray(whole[start : start + step]))
                    return
                for start in range(0, self.shape[0], step):
                    some = (min(step, self.shape[0] - start), *self.shape[1:])
                    yield self._batch(np.frombuffer(_read(stream, self._bytes(some)), self.dtype).reshape(some))
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise UsageError(f"the array is damaged: {error}", where=str(self.path), fix="write it again") from error

    def _bytes(self, shape: tuple[int, ...]) -> int:
        return int(np.prod(shape, dtype=np.int64)) * self.dtype.itemsize

    def _batch(self, rows: np.ndarray[Any, Any]) -> pa.RecordBatch:
        if self.dtype.names:
            columns = [rows[name] for name in self.dtype.names]
        else:
            table = rows.reshape(len(rows), -1)
            columns = [table[:, j] for j in range(table.shape[1])]
        return pa.RecordBatch.from_arrays([_column(c) for c in columns], names=self.names)


def opened(path: Path, array: str | None, *, archive: bool) -> Array:
    """The array of a file, or the one of an archive. Raises UsageError, naming what there is."""
    try:
        if not archive:
            with path.open("rb") as stream:
                return _checked(path, None, *_header(stream))
        with zipfile.ZipFile(path) as held:
            heads = {}
            for name in held.namelist():
                if name.endswith(".npy"):
                    with held.open(name) as stream:
                        heads[name.removesuffix(".npy")] = _header(stream)
    except zipfile.BadZipFile as error:
        raise UsageError(f"the archive is damaged: {error}", where=str(path), fix="write it again") from error
    except (OSError, ValueError, EOFError, RuntimeError, NotImplementedError) as error:
        raise UsageError(f"no array can be read: {error}", where=str(path), fix="write it with numpy.savez") from error
    if not heads:
        raise UsageError("the archive holds no array", where=str(path), fix="write it with numpy.savez")
    name = _chosen(path, array, {key: head[0] for key, head in heads.items()})
    others = [key for key in heads if key != name]
    said = f"array {name!r} is the table; left aside: {', '.join(others)}" if others else ""
    return _checked(path, name, *heads[name], said)


def _chosen(path: Path, asked: str | None, shapes: dict[str, tuple[int, ...]]) -> str:
    listed = ", ".join(f"{name} {'x'.join(map(str, shape)) or 'scalar'}" for name, shape in shapes.items())
    if asked is not None:
        if asked not in shapes:
            raise UsageError(f"there is no array {asked!r}", where=str(path), fix=f"choose among: {listed}")
        return asked
    tables = [name for name, shape in shapes.items() if len(shape) == 2]
    if USUAL in shapes:
        return USUAL
    if len(shapes) == 1 or len(tables) == 1:
        return next(iter(shapes)) if len(shapes) == 1 else tables[0]
    raise UsageError("the archive holds several arrays", where=str(path), fix=f"choose by --array among: {listed}")


def _checked(
    path: Path, member: str | None, shape: tuple[int, ...], by_column: bool, dtype: np.dtype[Any], said: str = ""
) -> Array:
    where = f"{path}, array {member}" if member else str(path)
    fields = [dtype[name] for name in dtype.names] if dtype.names else [dtype]
    for kind in fields:
        if kind.hasobject:
            raise UsageError(
                "the array holds Python objects, which could run code when read: refused", where=where,
                fix="write it as numbers or texts, such as array.astype(float) or array.astype(str)",
            )  # fmt: skip
        if kind.kind not in "biufmMUS" or kind.shape:
            raise UsageError(f"the array holds {kind}, which is no number, time or text", where=where)
    if len(shape) not in (1, 2) or (dtype.names and len(shape) != 1):
        raise UsageError(
            f"the array has {len(shape)} dimensions", where=where, fix="a table has two: rows and columns; reshape it"
        )
    if member is not None and by_column and len(shape) > 1:
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if size > MOST_BY_COLUMN:
            raise UsageError(
                "the array is stored column by column in an archive, and is too large to be turned", where=where,
                fix="write it with numpy.ascontiguousarray, or as npy",
            )  # fmt: skip
    return Array(path, member, shape, by_column and len(shape) > 1, dtype, said)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether it is stored column by column, and type: of nothing but the header."""
    version = npy.read_magic(stream)
    if version == (1, 0):
        return npy.read_array_header_1_0(stream)
    if version == (2, 0):
        return npy.read_array_header_2_0(stream)
    if version == (3, 0):
        return npy._read_array_header(stream, version)  # type: ignore[attr-defined,no-any-return]
    raise ValueError(f"format version {version[0]}.{version[1]} is unknown")


def _read(stream: IO[bytes], size: int) -> bytes:
    parts, left = [], size
    while left:
        part = stream.read(min(left, 2**24))
        if not part:
            raise ValueError("it ends before its last row")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _column(values: np.ndarray[Any, Any]) -> pa.Array:
    kind = values.dtype.kind
    if kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
        kind = "U"
    if kind == "U":
        return pa.array(values.tolist(), pa.string())
    if kind == "M":
        return pa.array(values.astype("datetime64[us]"), pa.timestamp("us"))
    if kind == "m":
        return pa.array(values.astype("timedelta64[us]").astype(np.int64))
    if kind == "b":
        return pa.array(np.ascontiguousarray(values).astype(np.int8))
    return pa.array(np.ascontiguousarray(values, dtype=np.float64))

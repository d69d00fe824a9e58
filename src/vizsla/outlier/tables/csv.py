"""CSV files: comma, semicolon, tab or bar between fields; every field is read as text, and told what it is later."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc

from vizsla.errors import UsageError

BLOCK = 8 * 2**20  # bytes read at once, and so the longest line
SEPARATORS = (",", ";", "\t", "|")


@dataclass(frozen=True, slots=True)
class Csv:
    """A CSV file; plain, or compressed as its name's ending says (gz, bz2, zst)."""

    path: Path
    names: tuple[str, ...]
    separator: str
    skipped: int  # 1: the first line holds the names
    said: str = ""

    @classmethod
    def opened(cls, path: Path, head: bytes) -> Csv:
        """The file, by its first line. Raises UsageError where it is no text."""
        if _compression(path):
            try:
                with pa.input_stream(str(path), compression=_compression(path)) as stream:
                    head = stream.read(65_536)
            except (OSError, pa.ArrowException) as error:
                raise UsageError(f"it cannot be decompressed: {error}", where=str(path)) from error
        text = _text(path, head)
        first = text.split("\n", 1)[0].rstrip("\r")
        if not first.strip():
            raise UsageError("the first line is empty", where=f"{path}, line 1", fix="begin with the fields' names")
        separator = max(SEPARATORS, key=first.count)
        cells = next(csv.reader([first], delimiter=separator))
        if all(_numeric(cell) for cell in cells):
            said = "the first line holds numbers, not names: fields are called column1, column2 and so on"
            return cls(path, tuple(f"column{i + 1}" for i in range(len(cells))), separator, 0, said)
        names = tuple(cell.strip() or f"column{i + 1}" for i, cell in enumerate(cells))
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise UsageError(f"two fields are named {doubled[0]!r}", where=f"{path}, line 1", fix="rename one of them")
        return cls(path, names, separator, 1)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Its rows, every field as text. Raises UsageError at the first line of another number of fields."""
        ragged: list[Any] = []

        def refuse(row: Any) -> str:
            ragged.append(row)
            return "error"

        read = pc.ReadOptions(
            use_threads=False, block_size=BLOCK, column_names=list(self.names), skip_rows=self.skipped
        )
        parse = pc.ParseOptions(
            delimiter=self.separator, invalid_row_handler=refuse, newlines_in_values=False, ignore_empty_lines=True
        )
        kinds = {name: pa.string() for name in self.names}
        convert = pc.ConvertOptions(column_types=kinds, strings_can_be_null=False)
        try:
            with (
                pa.input_stream(str(self.path), compression=_compression(self.path)) as stream,
                pc.open_csv(stream, read, parse, convert) as rows,
            ):
                yield from rows
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(error, ragged) from error

    def _damaged(self, error: Exception, ragged: list[Any]) -> UsageError:
        if ragged:
            row = ragged[0]
            line = f", line {row.number}" if row.number is not None else ""  # empty lines are not counted
            return UsageError(
                f"a line has {row.actual_columns} fields, the first one has {row.expected_columns}",
                where=f"{self.path}{line}: {row.text[:120]}",
                fix="mend the line, or put quotes around a field that holds the separator",
            )
        text = str(error)
        if "UTF8" in text or "UTF-8" in text:
            return UsageError("the file is not in UTF-8", where=str(self.path), fix="convert it, as by: iconv -t UTF-8")
        if "straddling" in text:
            return UsageError(f"a line is longer than {BLOCK // 2**20} MiB", where=str(self.path))
        if "Empty CSV" in text:
            return UsageError("the table has no rows", where=str(self.path))
        return UsageError(f"it cannot be read as CSV: {text[:200]}", where=str(self.path))


def _compression(path: Path) -> str | None:
    return {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}.get(path.suffix.lower())


def _text(path: Path, head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UsageError("the file is in UTF-16", where=str(path), fix="convert it, as by: iconv -t UTF-8")
    if b"\x00" in head:
        raise UsageError(
            "this is neither text nor Parquet nor NumPy", where=str(path), fix="name a CSV, Parquet, npy or npz file"
        )
    return head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")


def _numeric(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True

"""Reader of mapped delimited text with a header: commas, tabs, semicolons or bars; quoted values may hold line feeds.

Options:
  delimiter: ";"          found by itself where it is not said
  columns: [a, b]         the names, where the file has no header
  skip: 2                 lines above the header
  rename: {Old Name: new} columns of other names
  trim: true              blanks round values are padding
  empty: ["-"]            what is written for nothing, besides nothing
  unfold: [AuditData]     columns of JSON objects, whose fields become columns; with the JSON reader's options for them:
                          keep, lift, depth, first, pairs
  structs: [userIdentity] columns of structs as Hive, Presto and Athena write them: {a=1, b={c=2}}
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from vizsla.errors import SourceError
from vizsla.source import Batch, Growth, LogFile, Rejected
from vizsla.sources._encoding import utf8_stream
from vizsla.sources._heads import DELIMITERS, csv_heads
from vizsla.sources._lines import MAX_LINE, TooLong, chunks, line_growth
from vizsla.sources._placing import Placing
from vizsla.sources._rows import placed, printable, unique
from vizsla.sources._unfold import unfolded

if TYPE_CHECKING:
    from vizsla.sources._mapped import Signs

OPTIONS = frozenset(("delimiter", "columns", "skip", "rename", "empty", "unfold", "structs", "keep", "lift", "depth",
                     "first", "pairs", "trim"))  # fmt: skip
BLOCK = 2 << 20
MOST = 0.8
FEED, QUOTE = 10, 34


def check(options: Mapping[str, Any], where: str) -> None:
    """Raises SourceError for options that this reader does not have."""
    if unknown := set(options) - OPTIONS:
        raise SourceError(f"the CSV reader has no option {', '.join(sorted(unknown))}", where=where,
                          fix=f"its options are {', '.join(sorted(OPTIONS))}")  # fmt: skip
    delimiter = options.get("delimiter")
    if delimiter is not None and (not isinstance(delimiter, str) or len(delimiter) != 1 or not delimiter.isascii()):
        raise SourceError(f"{delimiter!r} is no delimiter", where=where, fix="one ASCII character, such as ';'")


def sniff(head: bytes, signs: Signs, options: Mapping[str, Any]) -> float:
    """The signs' confidence where the header has the names and nearly all rows the values."""
    if options.get("columns") or options.get("skip"):
        head = _with_header(head, options)
    delimiter = options.get("delimiter")
    for header in csv_heads(head, (delimiter,) if delimiter else DELIMITERS):
        names = set(header.columns)
        held = sum(signs.hold(names, dict(zip(header.columns, row, strict=True)).get) for row in header.rows)
        if header.rows and held >= MOST * len(header.rows):
            return signs.confidence
        if not header.rows and not signs.match and signs.hold(names, lambda name: None):
            return signs.confidence
    return 0.0


def _with_header(head: bytes, options: Mapping[str, Any]) -> bytes:
    """The head with its header as first line."""
    for _ in range(int(options.get("skip") or 0)):
        head = head.partition(b"\n")[2]
    if columns := options.get("columns"):
        delimiter = options.get("delimiter") or ","
        head = delimiter.join(columns).encode() + b"\n" + head
    return head


@dataclass(frozen=True, slots=True)
class Form:
    """How rows are written: the delimiter, and the columns' names."""

    delimiter: str
    columns: tuple[str, ...]
    empty: tuple[str, ...]


def growth(head: bytes, options: Mapping[str, Any]) -> Growth | None:
    """See `source.Resumable`; None where the header takes several lines."""
    above = int(options.get("skip") or 0) + (not options.get("columns"))
    found = line_growth(head, above)
    return None if found is None or found.prefix.count(b'"') % 2 else Growth(prefix=found.prefix, quoted=True)


def read(file: LogFile, placing: Placing, options: Mapping[str, Any], declared: tuple[str, ...],
         ) -> Iterator[Batch | Rejected]:  # fmt: skip
    """All rows below the header."""
    form: Form | None = None
    skip = int(options.get("skip") or 0)
    if options.get("columns"):
        form = _form(tuple(options["columns"]), options.get("delimiter") or ",", options)
    with file.open() as stream:
        for start, data in _whole_rows(utf8_stream(stream)):
            if data is None:
                yield Rejected(f"{file.name}#{start}", f"a row of more than {MAX_LINE} bytes is not read")
                continue
            while skip and data:
                line, _, rest = data.partition(b"\n")
                start, data, skip = start + len(line) + 1, rest, skip - 1
            if form is None and data.strip():
                line, _, rest = _first_row(data)
                form = _header(line, options)
                start, data = start + len(data) - len(rest), rest
            if form is not None and data:
                yield from _read(data, start, form, placing, file.name, options)


def _form(columns: Sequence[str], delimiter: str, options: Mapping[str, Any]) -> Form:
    rename = options.get("rename") or {}
    names = unique(rename.get(name.strip(), name.strip()) for name in columns)
    return Form(delimiter, tuple(str(name) for name in names), tuple(options.get("empty") or ()))


def _header(line: bytes, options: Mapping[str, Any]) -> Form:
    text = printable(line.decode("utf-8", "surrogateescape")).rstrip("\r")
    delimiter = options.get("delimiter") or max(DELIMITERS, key=text.count)
    try:
        columns = next(csv.reader(io.StringIO(text), delimiter=delimiter), [])
    except csv.Error:  # a carriage return within a name
        columns = text.split(delimiter)
    return _form(columns, delimiter, options)


def _first_row(data: bytes) -> tuple[bytes, bytes, bytes]:
    """The first row, which may hold line feeds within quotes, and what follows it."""
    ends = _ends(np.frombuffer(data, np.uint8))
    end = int(ends[0]) if len(ends) else len(data)
    return data[:end], b"\n", data[end + 1 :]


def _ends(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Where rows end: line feeds outside quotes."""
    feeds = np.flatnonzero(data == FEED)
    quotes = np.flatnonzero(data == QUOTE)
    if not len(quotes):
        return feeds
    outside: npt.NDArray[np.bool_] = np.searchsorted(quotes, feeds) % 2 == 0
    return feeds[outside]


def _whole_rows(stream: Any) -> Iterator[tuple[int, bytes | None]]:
    """Blocks of whole rows with their offsets; None for a row that is too long."""
    held, begin = b"", 0
    for chunk in chunks(stream, BLOCK):
        if isinstance(chunk, TooLong):
            if held:
                yield begin, held
                held = b""
            yield chunk.start, None
            continue
        if held:
            data = held + b"\n" + chunk.data
        else:
            data, begin = chunk.data, chunk.start
        if data.count(b'"') % 2 and chunk.ended and len(data) <= MAX_LINE:
            held = data  # a quoted value goes on in the next block
            continue
        held = b""
        yield begin, data
    if held:
        yield begin, held


def _read(data: bytes, start: int, form: Form, placing: Placing, file: str, options: Mapping[str, Any],
          ) -> Iterator[Batch | Rejected]:  # fmt: skip
    raw = np.frombuffer(data, np.uint8)
    ends = _ends(raw)
    begins = np.concatenate([[0], ends + 1])
    stops = np.append(ends, len(data))
    lengths = stops - begins
    blank = (lengths == 0) | ((lengths == 1) & (raw[np.minimum(begins, len(data) - 1)] == 13))
    begins = begins[~blank]
    if not len(begins):
        return
    refused: list[tuple[int, str]] = []
    table = _by_arrow(data, form, refused)
    if table is None or table.num_rows + len(refused) != len(begins):
        refused = []
        table, kept = _by_row(data, form, begins, stops[~blank], refused)
    else:
        kept = np.ones(len(begins), dtype=bool)
        kept[[at for at, _ in refused]] = False
    for at, why in refused:
        yield Rejected(f"{file}#{start + int(begins[at])}", why)
    if not table.num_rows:
        return
    columns = {}
    for name, chunked in zip(table.column_names, table.columns, strict=True):
        column = chunked.combine_chunks()
        column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
        if options.get("trim"):
            column = pc.utf8_trim_whitespace(column)
            column = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
        if column.null_count < len(column):
            columns[name] = column
    yield from placed_in(unfolded(columns, options), begins[kept] + start, placing, file)


def placed_in(columns: dict[str, pa.Array], places: npt.NDArray[np.int64], placing: Placing, file: str,
              ) -> Iterator[Batch]:  # fmt: skip
    """Columns as batches of the tables that their rows belong to."""
    origins = placed(file, pa.array(places))
    if not placing.split:
        yield Batch(placing.table, placing.batch(columns, len(places), origins))
        return
    missing = pa.nulls(len(places), pa.string())
    parts = [columns.get(name, missing).to_pylist() for name in placing.split]
    tables = np.array([placing.table_of(values) for values in zip(*parts, strict=True)], dtype=object)
    for table in dict.fromkeys(tables.tolist()):
        own = pa.array(tables == table)
        part = {name: column.filter(own) for name, column in columns.items()}
        part = {name: column for name, column in part.items() if column.null_count < len(column)}
        yield Batch(table, placing.batch(part, int((tables == table).sum()), origins.filter(own)))


def _by_arrow(data: bytes, form: Form, refused: list[tuple[int, str]]) -> pa.Table | None:
    """By Arrow's reader; None where only reading row by row is exact. `refused`: places among the rows, and why."""
    if b"\0" in data or len(form.columns) < 2 or not _sound(data):
        return None

    def wrong(row: arrow_csv.InvalidRow) -> str:
        refused.append((row.number - 1 if row.number is not None else -1, _width(row.actual_columns, form)))
        return "skip"

    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(data),
            arrow_csv.ReadOptions(column_names=list(form.columns), block_size=len(data) + 16, use_threads=False),
            arrow_csv.ParseOptions(delimiter=form.delimiter, newlines_in_values=b'"' in data,
                                   invalid_row_handler=wrong),
            arrow_csv.ConvertOptions(column_types=dict.fromkeys(form.columns, pa.string()),
                                     null_values=["", *form.empty], strings_can_be_null=True,
                                     quoted_strings_can_be_null=True, check_utf8=False),  # `_sound` looked at it
        )  # fmt: skip
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return None
    return None if any(at < 0 for at, _ in refused) else table


def _sound(data: bytes) -> bool:
    """Whether it is UTF-8: Arrow cannot tell of a row that is not."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _by_row(data: bytes, form: Form, begins: npt.NDArray[np.int64], stops: npt.NDArray[np.int64],
            refused: list[tuple[int, str]]) -> tuple[pa.Table, npt.NDArray[np.bool_]]:  # fmt: skip
    """The same row by row, whatever bytes the rows hold."""
    rows: list[list[str | None]] = []
    kept = np.zeros(len(begins), dtype=bool)
    nothing = {"", *form.empty}
    for at, (begin, stop) in enumerate(zip(begins.tolist(), stops.tolist(), strict=True)):
        text = printable(data[begin:stop].decode("utf-8", "surrogateescape")).removesuffix("\r")
        try:
            values = next(csv.reader(io.StringIO(text, newline=""), delimiter=form.delimiter), [])
        except csv.Error as error:
            refused.append((at, f"no row of CSV: {error}"))
            continue
        if len(values) != len(form.columns):
            refused.append((at, _width(len(values), form)))
            continue
        kept[at] = True
        rows.append([None if value in nothing else value for value in values])
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(form.columns)
    arrays = [pa.array(list(values), pa.string()) for values in columns]
    return pa.Table.from_arrays(arrays, names=list(form.columns)), kept


def _width(found: int, form: Form) -> str:
    return f"{found} values where the header names {len(form.columns)}"

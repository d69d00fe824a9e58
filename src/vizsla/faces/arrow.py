"""An Arrow table for people and for pipes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from vizsla.faces.csv import row
from vizsla.faces.jsonl import dumps
from vizsla.faces.record import stamp
from vizsla.faces.table import render
from vizsla.faces.words import when
from vizsla.safe import shortened, visible

if TYPE_CHECKING:
    from rich.console import RenderableType

_CELL = 240
_NARROWEST = 12
_SHORT = 21  # characters: a time, a host; columns of such cells are not broken over lines
# Columns that count something; other whole numbers are ids, ports or codes, and stay as they are.
_COUNTS = frozenset(
    (
        "events",
        "hosts",
        "findings",
        "total",
        "patterns",
        "count",
        "n",
        "days",
        "host_days",
        "host-days",
        "rows",
        "values",
    )
)


def renderable(table: pa.Table, width: int, keep: Collection[str] = ()) -> RenderableType:
    """The table as a terminal shows it: numbers to the right, long text shortened, nothing parsed as markup.

    Columns that hold nothing at all are left out, but for those to `keep`; a row that has too many to fit is shown as a
    list of its fields.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if table.num_rows == 0:
        return Text("no rows")
    names = [n for i, n in enumerate(table.column_names) if n in keep or table.column(i).null_count < table.num_rows]
    if not names:
        return Text(f"{table.num_rows} rows, all empty")
    if len(names) * 9 > width:
        return _cards(table, names)
    view = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    cells = [[_cell(name, record[name]) for name in names] for record in table.select(names).to_pylist()]
    widths = [max(len(visible(name)), *(len(line[place]) for line in cells)) for place, name in enumerate(names)]
    # Short columns stay whole only where the others can give way: rich would crop them without a word.
    least = sum(w if w <= _SHORT else _NARROWEST for w in widths) + 2 * (len(names) - 1)
    for place, name in enumerate(names):
        numeric = _numeric(table.schema.field(name).type)
        whole = least <= width and widths[place] <= _SHORT
        justify: Literal["left", "right"] = "right" if numeric else "left"
        view.add_column(Text(visible(name)), justify=justify, no_wrap=whole, overflow="fold")
    for shown in cells:
        view.add_row(*(Text(cell) for cell in shown))
    return view


def _cards(table: pa.Table, names: list[str]) -> RenderableType:
    from rich.text import Text

    shown = Text()
    for place, record in enumerate(table.select(names).to_pylist(), start=1):
        shown.append(f"── {place} ", style="bold").append("─" * 20 + "\n", style="dim")
        for name in names:
            if record[name] is not None and record[name] != "":
                shown.append(f"{visible(name)}: ", style="dim").append(_cell(name, record[name]) + "\n")
    shown.rstrip()
    return shown


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return when(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if name in _COUNTS else str(value)
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    if isinstance(value, list | tuple):
        return _listed([_cell(name, v) for v in value])
    return shortened(visible(str(value)), _CELL)


def _listed(items: list[str]) -> str:
    """As many whole items as fit in a cell, and how many more there are."""
    shown = len(items)
    while shown > 1 and len(", ".join(items[:shown])) > _CELL:
        shown -= 1
    more = f" and {len(items) - shown:,} more" if shown < len(items) else ""
    return shortened(", ".join(items[:shown]), _CELL) + more


def text(table: pa.Table, width: int = 200, keep: Collection[str] = ()) -> str:
    """The same as plain text, for a file."""
    return render([renderable(table, width, keep)], width)


def chunks(table: pa.Table, format: str) -> Iterator[bytes]:
    """The table as bytes: `jsonl`, `json` or `csv`."""
    if format == "csv":
        yield row(table.column_names)
        for record in records(table):
            yield row(_plain(v) for v in record.values())
        return
    if format == "jsonl":
        for record in records(table):
            yield dumps(record) + b"\n"
        return
    opening = b"["
    for record in records(table):
        yield opening + b"\n" + dumps(record)
        opening = b","
    yield b"[]\n" if opening == b"[" else b"\n]\n"


def records(table: pa.Table) -> Iterator[dict[str, object]]:
    """Rows as JSON-ready dicts; times in RFC 3339."""
    for batch in table.to_batches(max_chunksize=4096):
        for record in batch.to_pylist():
            yield {name: _jsonable(value) for name, value in record.items()}


def _jsonable(value: object) -> object:
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(v) for v in value]
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


def _plain(value: object) -> object:
    if isinstance(value, dict | list):
        return dumps(value).decode()
    return value


def _numeric(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))

"""Volatility 3's CSV, JSON and JSON lines: what a memory image held, one table per plugin, known by its columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vizsla.source import Batch, LogFile, Rejected, TableSpec
from vizsla.sources import _read_csv
from vizsla.sources._encoding import utf8_stream
from vizsla.sources._heads import csv_heads, json_head
from vizsla.sources._json import Bad, records
from vizsla.sources._placing import Placing
from vizsla.sources._rows import Rows

CHILDREN, DEPTH = "__children", "TreeDepth"
# plugin: the columns that all its versions have; the more telling ones first
PLUGINS: dict[str, tuple[str, ...]] = {
    "pstree": ("PID", "PPID", "ImageFileName", "CreateTime", "ExitTime", "Cmd", "Path"),
    "pslist": ("PID", "PPID", "ImageFileName", "Threads", "SessionId", "CreateTime", "ExitTime"),
    "netscan": ("Offset", "Proto", "LocalAddr", "LocalPort", "ForeignAddr", "ForeignPort", "State", "PID", "Owner"),
    "svcscan": ("Offset", "Order", "PID", "Start", "State", "Type", "Name", "Display", "Binary"),
    "cmdline": ("PID", "Process", "Args"),
    "dlllist": ("PID", "Process", "Base", "Size", "Name", "Path", "LoadTime"),
    "malfind": ("PID", "Process", "Start VPN", "End VPN", "Tag", "Protection", "PrivateMemory", "Hexdump", "Disasm"),
}
DOCS = {
    "pstree": "Processes of a memory image as a tree", "pslist": "Processes of a memory image",
    "netscan": "Connections and listening ports of a memory image", "svcscan": "Services of a memory image",
    "cmdline": "Command lines of a memory image's processes", "dlllist": "Modules of a memory image's processes",
    "malfind": "Memory of processes that may hold injected code",
}  # fmt: skip
ONLY = frozenset({"PID", "Process", "Args", DEPTH, CHILDREN})  # a command line's columns are too few to be sure by
EMPTY = frozenset({"-", "N/A"})


class Volatility:
    """What Volatility 3's plugins found in memory."""

    name = "volatility"
    doc = "Volatility 3's CSV and JSON: pslist, pstree, netscan, svcscan, cmdline, dlllist, malfind"
    tables = tuple(TableSpec(f"volatility_{plugin}", DOCS[plugin], columns) for plugin, columns in PLUGINS.items())

    def sniff(self, head: bytes, name: str) -> float:
        for header in csv_heads(head, (",",)):
            if plugin_of(header.columns):
                return 0.9 if header.columns[0] == DEPTH else 0.8
        found = json_head(head)
        return 0.9 if found and all(plugin_of(tuple(record)) for record in found) else 0.0

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        tables: dict[str, Rows] = {}
        with file.open() as stream:
            begin = utf8_stream(stream).read(64).lstrip()[:1]
        for item in _json(file) if begin in (b"{", b"[") else _csv(file):
            if isinstance(item, Rejected):
                yield item
                continue
            row, place = item
            plugin = plugin_of(tuple(row))
            if plugin is None:
                yield Rejected(f"{file.name}#{place}", "no row of a plugin that is known")
                continue
            rows = tables.setdefault(f"volatility_{plugin}", Rows(PLUGINS[plugin]))
            rows.add(tuple(row), [None if isinstance(v, str) and v in EMPTY else v for v in row.values()], place)
            rows.bytes += 500  # about what a row takes
            yield from (_batch(table, rows, file.name) for table, rows in tables.items() if rows.full())
        yield from (_batch(table, rows, file.name) for table, rows in tables.items() if rows.places)


def plugin_of(columns: tuple[str, ...]) -> str | None:
    """The plugin whose columns these are."""
    held = set(columns)
    for plugin, needed in PLUGINS.items():
        if held >= set(needed) and (plugin != "cmdline" or held <= ONLY):
            return plugin
    return None


def _csv(file: LogFile) -> Iterator[tuple[dict[str, Any], int] | Rejected]:
    """Rows with all the header's columns, empty or not: they tell the plugin."""
    with file.open() as stream:
        head = utf8_stream(stream).read(65536)
    columns = next((header.columns for header in csv_heads(head, (",",))), ())
    placing = Placing.of({"table": "volatility"}, "volatility")
    for item in _read_csv.read(file, placing, {"delimiter": ","}, ()):
        if isinstance(item, Rejected):
            yield item
            continue
        places = [int(origin.rpartition("#")[2]) for origin in item.events.column("_origin").to_pylist()]
        for row, place in zip(item.events.to_pylist(), places, strict=True):
            yield {name: row.get(name) for name in columns}, place


def _json(file: LogFile) -> Iterator[tuple[dict[str, Any], int] | Rejected]:
    """Rows, and below them their children, each with how deep it stands."""
    with file.open() as stream:
        for portion in records(utf8_stream(stream)):
            if isinstance(portion, Bad):
                yield Rejected(f"{file.name}#{portion.place}", portion.reason)
                continue
            for top, place in zip(portion.records, portion.places, strict=True):
                left: list[tuple[Mapping[str, Any], int]] = [(top, 0)]
                while left:
                    row, depth = left.pop()
                    children = row.get(CHILDREN)
                    plain = {name: value for name, value in row.items() if name != CHILDREN}
                    yield {DEPTH: depth, **plain}, place
                    if isinstance(children, list):
                        left.extend((child, depth + 1) for child in reversed(children) if isinstance(child, dict))


def _batch(table: str, rows: Rows, file: str) -> Batch:
    count, columns = len(rows.places), rows.columns()
    placing = Placing.of({"table": table, "time": ["CreateTime", "Created", "LoadTime"], "host": ["(path)"]}, table)
    batch = placing.batch(columns, count, rows.origins(file))
    rows.clear()
    return Batch(table, batch)


SOURCE = Volatility()

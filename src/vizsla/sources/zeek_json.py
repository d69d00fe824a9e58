"""Zeek logs as JSON lines, of any type: by `_path`, else by the file's name, else by the fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from vizsla.source import Batch, Growth, LogFile, Rejected
from vizsla.sources import _zeek
from vizsla.sources._json import Bad, Portion, head_records, json_growth, records
from vizsla.sources._rows import Rows

HINT = re.compile(rb'"(?:ts|_path)"\s*:')


class ZeekJson:
    """Zeek logs written as JSON."""

    name = "zeek_json"
    doc = "Zeek logs as JSON lines, every log type by _path, file name or fields"
    tables = _zeek.SPECS

    def sniff(self, head: bytes, name: str) -> float:
        text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if text[:1] not in (b"{", b"[") or not HINT.search(text):
            return 0.0
        found = head_records(text)
        if not found:
            return 0.0
        return sum(_confidence(record, name) for record in found) / len(found)

    def growth(self, head: bytes) -> Growth | None:
        return json_growth(head)

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        tables: dict[str, Rows] = {}
        guesses: dict[tuple[str, ...], str] = {}
        with file.open() as stream:
            for portion in records(stream):
                if isinstance(portion, Bad):
                    yield Rejected(f"{file.name}#{portion.place}", portion.reason)
                    continue
                _add(tables, guesses, portion, file.name)
                for table, rows in tables.items():
                    if rows.full():
                        yield _batch(table, rows, file.name)
        for table, rows in tables.items():
            if rows.places:
                yield _batch(table, rows, file.name)


def _confidence(record: dict[str, Any], name: str) -> float:
    if "ts" not in record:
        return 0.0
    if isinstance(record.get("_path"), str):
        return 0.95
    if "uid" in record and ("id.orig_h" in record or isinstance(record.get("id"), dict)):
        return 0.9
    return 0.6 if _zeek.stem(name).lower().removeprefix("open_") in _zeek.KNOWN else 0.0


def _add(tables: dict[str, Rows], guesses: dict[tuple[str, ...], str], portion: Portion, file: str) -> None:
    each = portion.size // len(portion.records)
    for place, found in zip(portion.places, portion.records, strict=True):
        record = found
        if isinstance(record.get("id"), dict):
            record = {
                **{k: v for k, v in record.items() if k != "id"},
                **{f"id.{k}": v for k, v in record["id"].items()},
            }
        names = tuple(record)
        path = record.get("_path")
        if isinstance(path, str) and path:
            table = _zeek.table_of(path, file)
        else:
            known = guesses.get(names)
            if known is None:
                known = guesses[names] = _zeek.table_of(_zeek.guessed_path(file, names), file)
                if len(guesses) > 10_000:
                    guesses.clear()
            table = known
        rows = tables.get(table)
        if rows is None:
            rows = tables[table] = Rows(_zeek.DECLARED.get(table, _zeek.CONNECTION))
        rows.add(names, tuple(record.values()), place)
        rows.bytes += each


def _batch(table: str, rows: Rows, file: str) -> Batch:
    count, columns = len(rows.places), rows.columns()
    batch = _zeek.batch(columns, count, rows.origins(file))
    rows.clear()
    return Batch(table, batch)


SOURCE = ZeekJson()

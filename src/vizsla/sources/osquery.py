"""osquery's results: changes one by one (event), in batches, and snapshots; a row a row of the query's answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vizsla.source import Batch, LogFile, Rejected, TableSpec
from vizsla.sources._encoding import utf8_stream
from vizsla.sources._flatten import Flattener
from vizsla.sources._heads import json_head
from vizsla.sources._json import Bad, records
from vizsla.sources._placing import Clock, Placing, slug
from vizsla.sources._rows import Rows

COLUMNS = ("name", "action", "hostIdentifier", "calendarTime", "unixTime", "epoch", "counter")
PLACING = Placing(
    "osquery_{name}", ("name",), (Clock(("unixTime",), "epoch"),), ("hostIdentifier", "decorations.hostname")
)


def answers(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of a document: its own fields, `action`, and the answer's under `columns`; none where it has none."""
    beside = {key: value for key, value in document.items() if key not in ("diffResults", "snapshot")}
    if isinstance(document.get("columns"), dict):
        yield dict(document)
    found = document.get("diffResults")
    if isinstance(found, dict):
        for action in ("removed", "added"):
            for row in found.get(action) or () if isinstance(found.get(action), list) else ():
                yield {**beside, "action": action, "columns": row}
    if isinstance(document.get("snapshot"), list):
        for row in document["snapshot"]:
            yield {**beside, "action": "snapshot", "columns": row}


class Osquery:
    """The results log and the snapshots log of the filesystem logger."""

    name = "osquery"
    doc = "osquery results and snapshots (JSON lines): event, batch and snapshot formats"
    tables = (TableSpec("osquery_*", "Answers of one scheduled query", COLUMNS),)

    def sniff(self, head: bytes, name: str) -> float:
        if b'"hostIdentifier"' not in head:
            return 0.0
        found = json_head(head)
        held = sum(
            {"name", "hostIdentifier"} <= record.keys() and bool({"columns", "diffResults", "snapshot"} & record.keys())
            for record in found
        )
        return 0.95 if found and held >= 0.8 * len(found) else 0.0

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        tables: dict[str, Rows] = {}
        flat = Flattener({})
        with file.open() as stream:
            for portion in records(utf8_stream(stream)):
                if isinstance(portion, Bad):
                    yield Rejected(f"{file.name}#{portion.place}", portion.reason)
                    continue
                each = portion.size // len(portion.records)
                for place, document in zip(portion.places, portion.records, strict=True):
                    query = document.get("name")
                    if not isinstance(query, str) or not {"columns", "diffResults", "snapshot"} & document.keys():
                        yield Rejected(f"{file.name}#{place}", "no answer of a query: name, and columns or snapshot")
                        continue
                    rows = tables.setdefault(f"osquery_{slug(query)}", Rows(COLUMNS))
                    rows.bytes += each
                    for answer in answers(document):
                        rows.add(*flat(answer), place)
                for table, rows in tables.items():
                    if rows.full():
                        yield _batch(table, rows, file.name)
        for table, rows in tables.items():
            if rows.places:
                yield _batch(table, rows, file.name)


def _batch(table: str, rows: Rows, file: str) -> Batch:
    batch = PLACING.batch(rows.columns(), len(rows.places), rows.origins(file))
    rows.clear()
    return Batch(table, batch)


SOURCE = Osquery()

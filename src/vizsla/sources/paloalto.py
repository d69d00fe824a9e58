"""Palo Alto Networks' firewalls: comma-separated records of many types, with or without a syslog header before them.

The firewall writes its local time; only `high_res_timestamp` has a zone, so it counts where it is there, and others
are taken as UTC.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.source import Batch, Growth, LogFile, Rejected, TableSpec
from vizsla.sources._devices import read_matched, shows
from vizsla.sources._lines import line_growth
from vizsla.sources._marked import moments
from vizsla.sources._paloalto import TYPES, names
from vizsla.sources._placing import slug
from vizsla.sources._read_csv import Form, _by_arrow
from vizsla.sources._rows import batch_of, placed, unique
from vizsla.sources._times import NONE, timestamps

_TIME = r"\d{4}[/-]\d\d[/-]\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?"
_SEEN = re.compile(rb"(?:^|[\s>:-])\w*,%s,\w*,[A-Z]{4,20},[\w-]*," % _TIME.encode())
_RECORD = (
    rf"(?s)\A(?P<before>|.*?[\s>:-])(?P<record>\w*,{_TIME},\w*,"
    r"(?P<type>[A-Z]{4,20}),[\w-]*,.*)\z"
)
_HOST = (
    r"(?s)\A(?:<\d{1,3}>)?(?:1 )?\s*(?:[A-Z][a-z]{2} +\d{1,2} (?:\d{4} )?[0-9:.]+|\d{4}-\d\d-\d\dT\S+)?"
    r"\s*(?P<hostname>[A-Za-z0-9][\w.-]*)?.*\z"
)
TIMES = ("high_res_timestamp", "time_generated", "receive_time")
ROUNDS = 4  # widths of records of one type in a block, before they are read one by one
COLUMNS = {
    "TRAFFIC": ("src", "dst", "natsrc", "natdst", "rule", "srcuser", "app", "from", "to", "sport", "dport", "proto",
                "action", "bytes", "bytes_sent", "bytes_received", "session_end_reason"),
    "THREAT": ("src", "dst", "rule", "srcuser", "app", "sport", "dport", "proto", "action", "misc", "threatid",
               "category", "severity", "direction"),
}  # fmt: skip
DOCS = {
    "TRAFFIC": "Sessions that the firewall let through or stopped",
    "THREAT": "Threats, viruses, files and URLs seen in sessions",
    "SYSTEM": "The firewall's own events",
    "CONFIG": "Changes of the firewall's configuration",
    "GLOBALPROTECT": "GlobalProtect VPN: log-ins and connections",
    "USERID": "Which user was seen at which address",
}


class PaloAlto:
    """PAN-OS."""

    name = "paloalto"
    doc = "Palo Alto Networks PAN-OS logs as sent by syslog: traffic, threat, system, config and more"
    tables = (
        *(
            TableSpec(f"paloalto_{kind.lower()}", doc, COLUMNS.get(kind, TYPES[kind][7:18]))
            for kind, doc in DOCS.items()
        ),
        TableSpec("paloalto_*", "Records of any other type: their first fields are named", ("type", "subtype")),
    )  # fmt: skip

    def sniff(self, head: bytes, name: str) -> float:
        return shows(head, _SEEN, 0.95)

    def growth(self, head: bytes) -> Growth | None:
        return line_growth(head)

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        yield from read_matched(file, _RECORD, "no record like 1,2024/05/01 10:00:00,serial,TRAFFIC,end,…", _read)


def _read(held: pa.StructArray, places: npt.NDArray[np.int64], file: str, written: int) -> Iterator[Batch | Rejected]:
    """The batches of one block of records, by type."""
    kinds = held.field(2)
    hosts = pc.extract_regex(held.field(0), _HOST).field(0)
    records = held.field(1)
    for kind in pc.unique(kinds).to_pylist():
        of_kind = np.flatnonzero(pc.equal(kinds, kind).to_numpy(zero_copy_only=False))
        for rows, columns in _parsed(kind, records.take(pa.array(of_kind))):
            at = of_kind[rows]
            columns["hostname"] = hosts.take(pa.array(at))
            yield _batch(kind, columns, placed(file, pa.array(places[at])), written)


def _parsed(kind: str, records: pa.Array) -> Iterator[tuple[npt.NDArray[np.int64], dict[str, pa.Array]]]:
    """Which records, and their columns; those of one width together, as the first that is left has it."""
    left = np.arange(len(records), dtype=np.int64)
    for _ in range(ROUNDS):
        if not len(left):
            return
        texts = records.take(pa.array(left))
        named = names(kind, _values(texts[0].as_py()))
        refused: list[tuple[int, str]] = []
        data = "\n".join(texts.to_pylist()).encode()
        table = _by_arrow(data, Form(",", named, ()), refused) if "config" not in kind.lower() else None
        if table is None or table.num_rows + len(refused) != len(left):
            break
        kept = np.ones(len(left), dtype=bool)
        kept[[at for at, _ in refused]] = False
        if table.num_rows:
            columns = {
                name: column.combine_chunks() for name, column in zip(table.column_names, table.columns, strict=True)
            }
            yield left[kept], {n: c for n, c in columns.items() if c.null_count < len(c)}
        left = left[~kept]
    groups: dict[tuple[str, ...], tuple[list[int], list[list[str | None]]]] = {}
    for row in left.tolist():
        values = _values(records[row].as_py())
        at, held = groups.setdefault(unique(names(kind, values)), ([], []))  # type: ignore[arg-type]
        at.append(row)
        held.append([value or None for value in values])
    for named, (at, held) in groups.items():
        columns = {n: pa.array(list(c), pa.string()) for n, c in zip(named, zip(*held, strict=True), strict=True)}
        yield np.array(at, dtype=np.int64), {n: c for n, c in columns.items() if c.null_count < len(c)}


def _values(record: str) -> Sequence[str]:
    try:
        return next(csv.reader([record]), [])
    except csv.Error:  # a carriage return, or a field of more than 128 KiB
        return record.split(",")


def _url(misc: pa.Array, subtype: pa.Array) -> dict[str, pa.Array]:
    """The host and the target of URLs, which PAN-OS writes without their scheme."""
    parts = pc.extract_regex(misc, r"(?s)\A(?:[a-z]+://)?(?P<host>[^/?#:]+)(?::\d+)?(?P<target>[/?].*)?\z")
    sound = pc.and_(pc.equal(subtype, "url"), parts.is_valid())
    none = pa.scalar(None, pa.string())
    return {f"url_{name}": pc.if_else(sound, parts.field(n), none) for n, name in enumerate(("host", "target"))}


def _batch(kind: str, columns: dict[str, pa.Array], origins: pa.Array, written: int) -> Batch:
    rows = len(origins)
    times = np.full(rows, NONE, dtype=np.int64)
    for name in TIMES:
        if name in columns and (times == NONE).any():
            texts = pc.replace_substring(pc.fill_null(columns[name], ""), "/", "-")
            times = np.where(times == NONE, moments(texts, written), times)
    if kind == "THREAT" and {"misc", "subtype"} <= columns.keys():
        columns.update(_url(columns["misc"], columns["subtype"]))
    blank = pa.scalar(None, pa.string())
    columns = {name: pc.if_else(pc.equal(column, ""), blank, column) for name, column in columns.items()}
    named = [columns[name] for name in ("device_name", "hostname", "serial") if name in columns]
    host = pc.utf8_lower(pc.coalesce(*named)) if named else pa.nulls(rows, pa.string())
    columns = {name: column for name, column in columns.items() if column.null_count < rows}
    return Batch(f"paloalto_{slug(kind)}", batch_of(columns, timestamps(times), host, origins))


SOURCE = PaloAlto()

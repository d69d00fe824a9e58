"""Cisco ASA, FTD, PIX and FWSM: `%ASA-6-302013: …`, with or without a syslog header before it.

A time without a year gets the newest year in which it is not later than a day after the file was last written; one
without a zone is taken as UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.source import Batch, Growth, LogFile, Rejected, TableSpec
from vizsla.sources._cisco import MESSAGES, pairs, who_began
from vizsla.sources._devices import read_matched, shows
from vizsla.sources._lines import line_growth
from vizsla.sources._marked import moments
from vizsla.sources._rows import Rows, batch_of, placed
from vizsla.sources._syslog import ranks
from vizsla.sources._times import timestamps

_MARK = re.compile(rb"%(?:ASA|FTD|PIX|FWSM)-(?:[A-Za-z]+-)?[0-7]-\d{6}: ?\S")
_RECORD = (
    r"(?s)\A(?P<before>.*?)%(?P<product>ASA|FTD|PIX|FWSM)-(?:(?P<logging_class>[A-Za-z]+)-)?(?P<level>[0-7])-"
    r"(?P<message_id>\d{6}): ?(?P<message>.*)\z"
)
_BEFORE = (
    r"(?s)\A(?:\x{feff})?(?:<(?P<priority>\d{1,3})>)?(?:1 )?(?:\d+: )?\*?\s*"
    r"(?P<timestamp>[A-Z][a-z]{2} +\d{1,2} (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d+)?(?: [A-Z]{3,4})?"
    r"|\d{4}-\d\d-\d\d[T ][0-9:.,]+(?:Z|[+-]\d\d:?\d\d)?)?"
    r":?\s*(?P<hostname>[^\s:<>%]+(?::[0-9A-Fa-f:]*[0-9A-Fa-f])?)?.*\z"
)
EVENTS = ("430001", "430002", "430003", "430004", "430005")
ZONE = r" [A-Z]{3,4}$"
COLUMNS = ("timestamp", "hostname", "product", "message_id", "level", "message", "action", "outcome", "protocol",
           "direction", "source_ip", "source_port", "destination_ip", "destination_port", "user", "bytes", "duration",
           "reason", "access_group")  # fmt: skip
SPECS = (
    TableSpec("cisco_asa", "Messages of an ASA, PIX or FWSM, and FTD's like them", COLUMNS),
    TableSpec("cisco_ftd", "FTD's connection, intrusion, file and malware events",
              ("timestamp", "hostname", "message_id", "AccessControlRuleAction", "AccessControlRuleName", "SrcIP",
               "SrcPort", "DstIP", "DstPort", "Protocol", "InitiatorBytes", "ResponderBytes")),
)  # fmt: skip


class CiscoAsa:
    """Cisco's firewalls."""

    name = "cisco_asa"
    doc = "Cisco ASA, FTD, PIX and FWSM: messages by number, alone or within syslog"
    tables = SPECS

    def sniff(self, head: bytes, name: str) -> float:
        return shows(head, _MARK, 0.95)

    def growth(self, head: bytes) -> Growth | None:
        return line_growth(head)

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        yield from read_matched(file, _RECORD, "no message that begins like %ASA-6-302013:", _read)


def _read(held: pa.StructArray, places: npt.NDArray[np.int64], file: str, written: int) -> Iterator[Batch | Rejected]:
    """The batches of one block of messages."""
    parts = {field.name: held.field(n) for n, field in enumerate(held.type)}
    columns = {**_header(parts.pop("before")), **{name: _filled(column) for name, column in parts.items()}}
    if columns["priority"].null_count < len(places):
        columns.update(ranks(columns["priority"]))
    times = timestamps(moments(pc.replace_substring_regex(pc.fill_null(columns["timestamp"], ""), ZONE, ""), written))
    events = pc.is_in(columns["message_id"], pa.array(EVENTS)).to_numpy(zero_copy_only=False)
    for table, which in (("cisco_asa", ~events), ("cisco_ftd", events)):
        if which.any():
            yield _batch(table, pa.array(which), columns, times, places, file)


def _header(before: pa.Array) -> dict[str, pa.Array]:
    found = pc.extract_regex(before, _BEFORE)
    return {field.name: _filled(found.field(n)) for n, field in enumerate(found.type)}


def _filled(column: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def _batch(table: str, which: pa.Array, columns: dict[str, pa.Array], times: pa.Array,
           places: npt.NDArray[np.int64], file: str) -> Batch:  # fmt: skip
    own = {name: column.filter(which) for name, column in columns.items()}
    at = places[which.to_numpy(zero_copy_only=False)]
    messages = pc.fill_null(own["message"], "")
    if table == "cisco_asa":
        own.update(who_began(MESSAGES.extract(messages), len(at)))
    else:
        rows = Rows()
        for n, text in enumerate(messages.to_pylist()):
            rows.add(*_told(text), n)
        own.update({(name if name not in own else f"{name}_2"): column for name, column in rows.columns().items()})
    hosts = pc.utf8_lower(own["hostname"])
    own = {name: column for name, column in own.items() if column.null_count < len(at)}
    return Batch(table, batch_of(own, times.filter(which), hosts, placed(file, pa.array(at))))


def _told(text: str) -> tuple[tuple[str, ...], list[str]]:
    names, values = pairs(text)
    return tuple(names), values


SOURCE = CiscoAsa()

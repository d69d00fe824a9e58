"""Records of Linux logs dealt into tables by the program that wrote them, whichever format they came in."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.source import Batch, Rejected, TableSpec
from vizsla.sources import _linux_net as net
from vizsla.sources._audit import AUDIT_SPEC, AuditEvents
from vizsla.sources._linux_auth import AUTH, CRON, CRONS, PROGRAMS, SYSTEMD
from vizsla.sources._patterns import Patterns, merged
from vizsla.sources._rows import batch_of, placed
from vizsla.sources._sysmon_linux import SYSMON_SPEC, sysmon_columns
from vizsla.sources._times import NONE, Micros, parse_iso, timestamps

Ints = npt.NDArray[np.int64]
HEADER = ("timestamp", "hostname", "program", "pid", "facility", "severity", "message")
CARRIED = frozenset((*HEADER, "priority", "msgid"))  # of the line that an audit record came in: its own names differ
_SOURCE = ("source_ip", "source_host", "source_port")
SPECS = (
    TableSpec("linux_syslog", "Lines of any other program", (*HEADER, "action", "unit", *_SOURCE)),
    TableSpec("linux_auth", "sshd, sudo, su, PAM, logins, sessions, accounts and groups",
              (*HEADER, "action", "outcome", "user", "method", *_SOURCE, "target_user", "tty", "command", "pwd",
               "session", "service", "group", "reason", "uid", "ruser", "logname")),
    TableSpec("linux_cron", "Commands that cron ran, and changes of crontabs", (*HEADER, "action", "user", "command")),
    TableSpec("linux_firewall", "Packets that iptables, ufw or nftables logged",
              (*HEADER, "action", "prefix", "IN", "OUT", "MAC", "SRC", "DST", "PROTO", "SPT", "DPT", "LEN", "TTL",
               "flags")),
    TableSpec("dns_dnsmasq", "Queries and answers of dnsmasq and Pi-hole",
              (*HEADER, "action", "query", "qtype", "requester", "answer", "server")),
    TableSpec("dns_bind", "Queries of BIND",
              (*HEADER, "action", "query", "qtype", "qclass", "client", "client_port", "flags")),
    TableSpec("dhcp_dnsmasq", "Leases of dnsmasq",
              (*HEADER, "action", "operation", "interface", "address", "mac", "client_name")),
    TableSpec("dhcp_dhcpd", "Leases of ISC dhcpd",
              (*HEADER, "action", "operation", "interface", "address", "mac", "client_name")),
    AUDIT_SPEC,
    SYSMON_SPEC,
)  # fmt: skip
_ADDRESS = r"^(?:\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]+(?:%\w+)?)$"
_REPEATED = r"(?s)\Amessage repeated (?P<repeated>\d+) times: \[ ?(?P<inner>.*)\]\z"
_LAST = r"\Alast message (?:buffered|repeated) (?P<repeated>\d+) times\z"
_BASE = re.compile(r"[^(]*")
_ELEMENT = re.compile(r'\[([^ \]"=]+)((?: [^ \]"=]+="(?:[^"\\]|\\.)*")*) ?\]')
_PARAM = re.compile(r' ([^ \]"=]+)="((?:[^"\\]|\\.)*)"')
MAX_PARAMS = 100  # of one record's structured data that become columns


@lru_cache(maxsize=65536)
def route(program: str) -> tuple[str, str]:
    """The table of a program's lines, and the name of the patterns that take them apart ('': none)."""
    base = _BASE.match(program.rpartition("/")[2].lower())
    name = base.group().rstrip("]") if base else ""
    if name in PROGRAMS:
        return "linux_auth", PROGRAMS[name]
    if "(pam_" in program:
        return "linux_auth", "pam"
    if name in CRONS:
        return "linux_cron", "cron"
    return _TABLES.get(name, ("linux_syslog", ""))


_TABLES = {
    "kernel": ("linux_syslog", "kernel"),
    "ulogd": ("linux_syslog", "kernel"),
    "systemd": ("linux_syslog", "systemd"),
    "ftpd": ("linux_syslog", "ftpd"),
    "dnsmasq": ("dns_dnsmasq", "dnsmasq"),
    "dnsmasq-dhcp": ("dhcp_dnsmasq", "dnsmasq-dhcp"),
    "named": ("dns_bind", "named"),
    "dhcpd": ("dhcp_dhcpd", "dhcpd"),
    **dict.fromkeys(("sysmon", "linux-sysmon", "sysmonlogview"), ("linux_sysmon", "sysmon")),
    **dict.fromkeys(("auoms", "audispd", "audisp-syslog", "audit", "auditd"), ("linux_audit", "audit")),
}
_PATTERNS: Mapping[str, Patterns] = {
    **AUTH,
    "cron": CRON,
    "systemd": SYSTEMD,
    "kernel": net.KERNEL,
    "ftpd": net.FTPD,
    "dnsmasq": net.DNSMASQ,
    "dnsmasq-dhcp": net.DNSMASQ_DHCP,
    "named": net.BIND,
    "dhcpd": net.DHCPD,
}


class LinuxTables:
    """Deals records into tables. Keeps what must be joined over blocks: audit records."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.audit = AuditEvents(file)

    def deal(self, columns: dict[str, pa.Array], times: Micros, places: Ints) -> Iterator[Batch | Rejected]:
        """The batches of one block of records.

        Args:
            columns: native columns of strings; `program` and `message` (never null) say where a record goes.
        """
        programs = pc.dictionary_encode(pc.fill_null(columns["program"], ""))
        routes = [route(name) for name in programs.dictionary.to_pylist()]
        kinds = list(dict.fromkeys([*routes, ("linux_auth", "pam"), ("linux_firewall", "packet")]))
        codes = np.array([kinds.index(r) for r in routes], dtype=np.int64)[programs.indices.to_numpy(False)]
        messages, repeated = _unwrapped(columns["message"])
        codes = self._by_message(codes, kinds, messages)
        if repeated is not None:
            columns = {**columns, "repeated": repeated}
        tables: dict[str, list[tuple[str, Ints]]] = {}
        for number, (table, patterns) in enumerate(kinds):
            at = np.flatnonzero(codes == number)
            if len(at):
                tables.setdefault(table, []).append((patterns, at))
        for table, parts in tables.items():
            rows = np.sort(np.concatenate([at for _, at in parts])) if len(parts) > 1 else parts[0][1]
            if table == "linux_audit":
                rows = yield from self._audit(columns, times, places, rows)
                if not len(rows):
                    continue
                table, parts = "linux_syslog", []
            yield self._batch(table, parts, rows, columns, messages, times, places)

    def _by_message(self, codes: Ints, kinds: list[tuple[str, str]], messages: pa.Array) -> Ints:
        """Packets of the kernel to the firewall's table, and what PAM wrote to authentication."""
        known = [n for n, (table, _) in enumerate(kinds) if table == "linux_auth"]
        pam = pc.starts_with(messages, "pam_").to_numpy(zero_copy_only=False)
        codes = np.where(pam & ~np.isin(codes, known), kinds.index(("linux_auth", "pam")), codes)
        kernel = [n for n, (_, patterns) in enumerate(kinds) if patterns == "kernel"]
        at = np.flatnonzero(np.isin(codes, kernel))
        if len(at):
            packets = net.is_packet(messages.take(pa.array(at))).to_numpy(zero_copy_only=False)
            codes[at[packets]] = kinds.index(("linux_firewall", "packet"))
        return codes

    def _audit(self, columns: dict[str, pa.Array], times: Micros, places: Ints, rows: Ints,
               ) -> Generator[Batch | Rejected, None, Ints]:  # fmt: skip
        """Audit records among syslog lines go to the joiner; gives back the rows that are none."""
        other = []
        at = pa.array(rows)
        held = {name: column for name, column in columns.items() if name != "message"}
        about = [(f"syslog_{name}" if name in CARRIED else name, c.take(at).to_pylist()) for name, c in held.items()]
        hosts = columns["hostname"].take(at).to_pylist() if "hostname" in columns else [None] * len(rows)
        for n, (row, text) in enumerate(zip(rows.tolist(), columns["message"].take(at).to_pylist(), strict=True)):
            more = {name: value for name, values in about if (value := values[n]) is not None}
            if not self.audit.add(text, int(places[row]), hosts[n], more):
                other.append(row)
        yield from self.audit.full()
        return np.array(other, dtype=np.int64)

    def rest(self) -> Iterator[Batch | Rejected]:
        """What was held back to be joined."""
        yield from self.audit.rest()

    def _batch(self, table: str, parts: list[tuple[str, Ints]], rows: Ints, columns: dict[str, pa.Array],
               messages: pa.Array, times: Micros, places: Ints) -> Batch:  # fmt: skip
        whole = len(rows) == len(places)
        at = pa.array(rows)
        held = columns if whole else {name: column.take(at) for name, column in columns.items()}
        found: dict[str, pa.Array] = {}
        for patterns, among in parts:
            texts = messages if len(among) == len(places) else messages.take(pa.array(among))
            merged(found, _apart(patterns, texts), np.searchsorted(rows, among), len(rows))
        told = _addresses(found)
        held = {**told, **held, "message": told.get("message", held["message"])}
        moments = times[rows]
        if table == "linux_sysmon" and "SystemTime" in held:
            created = parse_iso(held["SystemTime"])
            moments = np.where(created == NONE, moments, created)
        hosts = held.get("hostname", pa.nulls(len(rows), pa.string()))
        kept = {name: column for name, column in held.items() if column.null_count < len(column)}
        return Batch(table, batch_of(kept, timestamps(moments), pc.utf8_lower(hosts),
                                     placed(self.file, pa.array(places[rows]))))  # fmt: skip


def _apart(patterns: str, messages: pa.Array) -> dict[str, pa.Array]:
    if patterns == "packet":
        return net.packets(messages.to_pylist())
    if patterns == "sysmon":
        return sysmon_columns(messages.to_pylist())
    known = _PATTERNS.get(patterns)
    return known.extract(messages) if known is not None else {}


def _unwrapped(messages: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """Messages without what rsyslog wraps around one that came several times, and how often it did (null: once).

    A repeated message stays one record. A blank before a message is what the old header leaves in the new one.
    """
    if pc.any(pc.starts_with(messages, " ")).as_py():
        messages = pc.ascii_ltrim(messages, " ")
    marked = pc.or_(pc.starts_with(messages, "message repeated "), pc.starts_with(messages, "last message "))
    if not pc.any(marked).as_py():
        return messages, None
    wrapped, last = pc.extract_regex(messages, _REPEATED), pc.extract_regex(messages, _LAST)
    times = pc.coalesce(_field(wrapped, "repeated"), _field(last, "repeated"))
    return pc.coalesce(_field(wrapped, "inner"), messages), times


def _field(found: pa.Array, name: str) -> pa.Array:
    return pc.if_else(found.is_valid(), pc.struct_field(found, name), pa.scalar(None, pa.string()))


def _addresses(found: dict[str, pa.Array]) -> dict[str, pa.Array]:
    """`source` as `source_ip` where it is an address, as `source_host` where it is a name."""
    source = found.pop("source", None)
    if source is None:
        return found
    address = pc.match_substring_regex(source, _ADDRESS)
    blank = pa.scalar(None, pa.string())
    found["source_ip"] = pc.if_else(address, source, blank)
    host = pc.if_else(address, blank, source)
    found["source_host"] = pc.coalesce(host, found.pop("source_name", pa.nulls(len(source), pa.string())))
    return {name: column for name, column in found.items() if column.null_count < len(column)}


def structured(texts: pa.Array) -> dict[str, pa.Array]:
    """The parameters of RFC 5424's structured data as columns `sd.element.name`; a second of a name is `…_2`."""
    rows = len(texts)
    cells: dict[str, list[str | None]] = {}
    for row, text in enumerate(texts.to_pylist()):
        count = 0
        for element, params in _ELEMENT.findall(text) if text else ():
            for name, value in _PARAM.findall(params):
                count += 1
                if count > MAX_PARAMS:
                    break
                column = cells.setdefault(f"sd.{element}.{name}", [None] * rows)
                value = re.sub(r'\\(["\\\]])', r"\1", value)
                column[row] = value if column[row] is None else f"{column[row]}\n{value}"
    return {name[:200]: pa.array(column, pa.string()) for name, column in cells.items()}

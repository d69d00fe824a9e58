"""What Zeek's logs have in common, whether as TSV or as JSON: tables, times, hosts."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import PurePath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.source import TableSpec
from vizsla.sources._rows import batch_of
from vizsla.sources._times import NONE, Micros, parse_epoch, parse_iso, timestamps

CONNECTION = ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p")
HOSTS = ("id.orig_h", "host", "client_addr", "assigned_addr", "src", "tx_hosts", "_system_name", "_node_name", "peer")
ISO = re.compile(r"^\d{4}-\d\d-\d\d[T ]")
KNOWN = frozenset((
    "analyzer", "broker", "capture_loss", "cluster", "conn", "dce_rpc", "dhcp", "dnp3", "dns", "dpd", "files",
    "ftp", "http", "intel", "irc", "kerberos", "known_certs", "known_hosts", "known_modbus", "known_services",
    "ldap", "ldap_search", "loaded_scripts", "modbus", "mqtt_connect", "mqtt_publish", "mqtt_subscribe",
    "mysql", "netcontrol", "notice", "notice_alarm", "ntlm", "ntp", "ocsp", "openflow", "packet_filter", "pe",
    "postgresql", "quic", "radius", "rdp", "reporter", "rfb", "signatures", "sip", "smb_cmd", "smb_files",
    "smb_mapping", "smtp", "snmp", "socks", "software", "ssh", "ssl", "stats", "stderr", "stdout", "syslog",
    "telemetry", "traceroute", "tunnel", "unknown_protocols", "weird", "websocket", "wireguard", "x509",
))  # fmt: skip
# Fields that only one log has, for JSON that does not say which it is: the first that matches.
SIGNATURES = (
    ("conn", {"conn_state"}),
    ("dns", {"qtype_name"}),
    ("dns", {"query", "trans_id"}),
    ("http", {"method", "uri"}),
    ("http", {"trans_depth", "user_agent"}),
    ("ssl", {"cipher", "server_name"}),
    ("ssl", {"cipher", "established"}),
    ("x509", {"certificate.serial"}),
    ("files", {"fuid", "source"}),
    ("smb_files", {"action", "path", "name"}),
    ("dce_rpc", {"endpoint", "operation"}),
    ("kerberos", {"request_type", "client", "service"}),
    ("ntlm", {"username", "domainname"}),
    ("rdp", {"cookie", "security_protocol"}),
    ("ssh", {"auth_attempts"}),
    ("weird", {"name", "notice"}),
    ("notice", {"note", "msg"}),
)


def specs() -> tuple[TableSpec, ...]:
    """The declared tables; every other log has one too, `zeek_*`."""
    conn = (*CONNECTION, "proto", "service", "duration", "orig_bytes", "resp_bytes", "conn_state", "local_orig",
            "local_resp", "missed_bytes", "history", "orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes",
            "tunnel_parents")  # fmt: skip
    dns = (*CONNECTION, "proto", "trans_id", "rtt", "query", "qclass_name", "qtype_name", "rcode_name", "AA", "TC",
           "RD", "RA", "answers", "TTLs", "rejected")  # fmt: skip
    http = (*CONNECTION, "trans_depth", "method", "host", "uri", "referrer", "version", "user_agent",
            "request_body_len", "response_body_len", "status_code", "status_msg", "username", "proxied",
            "orig_fuids", "orig_mime_types", "resp_fuids", "resp_mime_types")  # fmt: skip
    ssl = (*CONNECTION, "version", "cipher", "curve", "server_name", "resumed", "next_protocol", "established",
           "subject", "issuer", "validation_status", "ja3", "ja3s")  # fmt: skip
    return (
        TableSpec("zeek_conn", "Connections", conn),
        TableSpec("zeek_dns", "DNS queries and answers", dns),
        TableSpec("zeek_http", "HTTP requests", http),
        TableSpec("zeek_ssl", "TLS handshakes", ssl),
        TableSpec("zeek_files", "Files seen on the wire", ("ts", "fuid", "source", "mime_type", "filename", "sha1")),
        TableSpec("zeek_*", "Any other Zeek log", CONNECTION),
    )


SPECS = specs()
DECLARED = {spec.name: spec.columns for spec in SPECS}


def stem(file: str) -> str:
    """A log file's name without folder, archive, rotation and endings: 'conn' of 'a.zip!x/conn.00:00-01:00.log.gz'."""
    return PurePath(file.rpartition("!")[2].replace("\\", "/")).name.split(".")[0]


def table_of(path: str, file: str) -> str:
    """The table of a log that says which it is. Open connections, which `conn` will hold again, stay apart."""
    name = re.sub(r"[^a-z0-9]+", "_", path.lower()).strip("_")[:80] or "unknown"
    if not name.startswith("open_") and stem(file).lower() == f"open_{name}":
        name = f"open_{name}"
    return f"zeek_{name}"


def guessed_path(file: str, fields: Collection[str]) -> str:
    """Which log it is where it does not say: by its file's name, else by its fields, else by its name all the same."""
    name = stem(file).lower()
    if name.removeprefix("open_") in KNOWN:
        return name
    held = set(fields)
    for path, needed in SIGNATURES:
        if needed <= held:
            return path
    words = re.split(r"[^a-z0-9_]+|_(?=\d)", name)
    return next((word for word in words if word in KNOWN), name)


def event_times(columns: Mapping[str, pa.Array], rows: int) -> Micros:
    """`ts` as seconds since 1970, or as ISO 8601."""
    texts = columns.get("ts")
    if texts is None:
        return np.full(rows, NONE, dtype=np.int64)
    first = texts.drop_null()[:1].to_pylist()
    if not first or not ISO.match(first[0]):
        times = parse_epoch(texts)
        if not (times == NONE).any():
            return times
        return np.where(times == NONE, _iso_only(texts), times)
    return parse_iso(texts)


def _iso_only(texts: pa.Array) -> Micros:
    """ISO times; what is a bare number or a year is none."""
    return parse_iso(pc.if_else(pc.match_substring_regex(texts, ISO.pattern), texts, pa.scalar(None, pa.string())))


def hosts(columns: Mapping[str, pa.Array], rows: int) -> pa.Array:
    """Whom an event tells of: the originator of its connection, else the host it names, else the sensor."""
    http = "uri" in columns or "trans_depth" in columns  # where `host` is what was asked for
    found = [columns[name] for name in HOSTS if name in columns and not (name == "host" and http)]
    return pc.utf8_lower(pc.coalesce(*found)) if found else pa.nulls(rows, pa.string())


def batch(columns: dict[str, pa.Array], rows: int, origins: pa.Array) -> pa.RecordBatch:
    """Native columns with time, host and origin."""
    return batch_of(columns, timestamps(event_times(columns, rows)), hosts(columns, rows), origins)

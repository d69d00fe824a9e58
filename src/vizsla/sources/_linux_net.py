"""What packet filters, name servers and address servers write to syslog."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.sources._patterns import Pattern as P
from vizsla.sources._patterns import Patterns
from vizsla.sources._rows import Rows

DNSMASQ = Patterns(
    *(
        P(rf"{extra}{shape}", sets)
        for extra in (r"", r"(?P<serial>\d+) (?P<client>[0-9A-Fa-f.:]+)/(?P<client_port>\d+) ")
        for shape, sets in (
            (r"query\[(?P<qtype>[^\]]+)\] (?P<query>\S*) from (?P<requester>\S+)", {"action": "dns-query"}),
            (r"forwarded (?P<query>\S*) to (?P<server>\S+)", {"action": "dns-forwarded"}),
            (r"reply (?P<query>\S*) is (?P<answer>.*)", {"action": "dns-answer"}),
            (r"cached(?:-stale)? (?P<query>\S*) is (?P<answer>.*)", {"action": "dns-answer"}),
            (r"config (?P<query>\S*) is (?P<answer>.*)", {"action": "dns-answer"}),
            (r"/(?P<file>\S+) (?P<query>\S+) is (?P<answer>.*)", {"action": "dns-answer"}),
            (r"gravity blocked (?P<query>\S*) is (?P<answer>.*)", {"action": "dns-blocked"}),
            (r"exactly (?:blacklisted|denied) (?P<query>\S*) is (?P<answer>.*)", {"action": "dns-blocked"}),
            (r"regex (?:blacklisted|denied) (?P<query>\S*) is (?P<answer>.*)", {"action": "dns-blocked"}),
            (r"possible DNS-rebind attack detected: (?P<query>\S+)", {"action": "dns-rebind"}),
        )
    )
)

_AUDIT = (
    r"(?:\[ *(?P<uptime>[\d.]+)\] )?audit: type=(?P<audit_type>\d+) "
    r"audit\((?P<audit_time>[\d.]+):(?P<audit_serial>\d+)\):"
)
_DENIED = (
    r"(?: info=\"(?P<info>[^\"]*)\")?(?: error=(?P<error>\S+))?(?: class=\"(?P<class>[^\"]*)\")?"
    r"(?: profile=\"(?P<profile>[^\"]*)\")?(?: name=\"?(?P<object>[^\"\s]*)\"?)?(?: pid=(?P<process>\d+))?"
    r"(?: comm=\"?(?P<comm>[^\"]*?)\"?)?(?: requested_mask=\"(?P<requested_mask>[^\"]*)\")?"
    r"(?: denied_mask=\"(?P<denied_mask>[^\"]*)\")?(?: (?P<rest>.*))?"
)
KERNEL = Patterns(
    *(
        P(rf"{_AUDIT} +apparmor=\"(?P<apparmor>{word})\" operation=\"(?P<operation>[^\"]*)\"{_DENIED}", sets)
        for word, sets in (
            ("DENIED", {"action": "apparmor-denied", "outcome": "failure"}),
            ("ALLOWED", {"action": "apparmor-allowed", "outcome": "success"}),
            ("STATUS", {"action": "apparmor-profile"}),
        )
    )
)

_MAC = r"(?P<mac>[0-9A-Fa-f:-]{11,})"
DNSMASQ_DHCP = Patterns(
    *(
        P(rf"{extra}DHCP(?P<operation>[A-Z]+)\((?P<interface>[^)]+)\)(?: (?P<address>\d+\.\d+\.\d+\.\d+))?(?: {_MAC})?"
          r"(?: (?P<client_name>.*?))?\s*", {"action": "dhcp"})
        for extra in (r"", r"(?P<transaction>\d+) ")
    )
)  # fmt: skip

_VIA = r"(?: via (?P<interface>\S+?))?(?:: (?P<reason>.*))?(?: uid (?P<client_uid>.*))?\s*"
_NAMED = rf"{_MAC}(?: \((?P<client_name>[^)]*)\))?"
DHCPD = Patterns(
    P(rf"DHCPDISCOVER from {_NAMED}{_VIA}", {"action": "dhcp", "operation": "DISCOVER"}),
    P(rf"DHCPOFFER on (?P<address>\S+) to {_NAMED}{_VIA}", {"action": "dhcp", "operation": "OFFER"}),
    P(rf"DHCPREQUEST for (?P<address>\S+)(?: \((?P<server>[^)]*)\))? from {_NAMED}{_VIA}",
      {"action": "dhcp", "operation": "REQUEST"}),
    P(rf"DHCPACK on (?P<address>\S+) to {_NAMED}{_VIA}", {"action": "dhcp", "operation": "ACK"}),
    P(rf"DHCPACK to (?P<address>\S+) \({_MAC}\){_VIA}", {"action": "dhcp", "operation": "ACK"}),
    P(rf"DHCPNAK on (?P<address>\S+) to {_NAMED}{_VIA}", {"action": "dhcp", "operation": "NAK"}),
    P(rf"DHCPINFORM from (?P<address>\S+){_VIA}", {"action": "dhcp", "operation": "INFORM"}),
    P(rf"DHCPRELEASE of (?P<address>\S+) from {_NAMED}{_VIA}", {"action": "dhcp", "operation": "RELEASE"}),
    P(rf"DHCPDECLINE of (?P<address>\S+) from {_NAMED}{_VIA}", {"action": "dhcp", "operation": "DECLINE"}),
)  # fmt: skip

_CLIENT = (
    r"client (?:@(?P<client_object>0x[0-9a-f]+) )?(?P<client>[^#\s]+)#(?P<client_port>\d+)"
    r"(?:/key (?P<key>\S+))?(?: \((?P<asked>[^)]*)\))?: (?:view (?P<view>[^:]+): )?"
)
BIND = Patterns(
    *(
        P(rf"{category}{_CLIENT}{shape}", sets)
        for category in ("", "(?P<category>[a-z][a-z-]+): (?:(?P<level>[a-z]+): )?")
        for shape, sets in (
            (r"query: (?P<query>\S+) (?P<qclass>\S+) (?P<qtype>\S+) (?P<flags>[+-]\S*)(?: \((?P<server>[^)]*)\))?.*",
             {"action": "dns-query"}),
            (r"query \((?P<reason>[^)]*)\) '(?P<query>[^/']+)/(?P<qtype>[^/']+)/(?P<qclass>[^']+)' denied.*",
             {"action": "dns-query", "outcome": "failure"}),
            (r"query failed \((?P<reason>[^)]*)\) for (?P<query>[^/]+)/(?P<qclass>[^/]+)/(?P<qtype>\S+) at .*",
             {"action": "dns-query", "outcome": "failure"}),
            (r"transfer of '(?P<query>[^/']+)/(?P<qclass>[^']+)': (?P<reason>.*)", {"action": "zone-transfer"}),
            (r"updating zone '(?P<query>[^/']+)/(?P<qclass>[^']+)': (?P<reason>.*)", {"action": "zone-update"}),
        )
    ),
)  # fmt: skip

FTPD = Patterns(
    P(r"connection from (?P<source>[^\s()]+) \((?P<source_name>[^)\s]*)\) at .*", {"action": "connection"}),
    P(r"ANONYMOUS FTP LOGIN FROM (?P<source>[^\s,]+), +\((?P<user>[^)]*)\)", {"action": "logon", "user": "anonymous"}),
)


def is_packet(messages: pa.Array) -> pa.Array:
    """Which kernel messages are a packet filter's."""
    return pc.and_(pc.match_substring(messages, "IN="), pc.match_substring(messages, " OUT="))


def packet(message: str) -> tuple[tuple[str, ...], list[str]]:
    """A packet filter's line as names and values: its prefix, what that says was done, the packet's fields.

    Flags without a value become `flags`, and the packet within an ICMP error keeps its fields behind `inner_`.
    """
    at = message.find("IN=")
    before = message[:at].strip()
    uptime, close, prefix = before.partition("]")
    if not (before.startswith("[") and close and uptime[1:].strip().replace(".", "").isdigit()):
        uptime, prefix = "", before
    names, values, flags = [], [], []
    start = ""
    for word in message[at:].split():
        name, equals, value = word.partition("=")
        if word.startswith("["):
            start, word = "inner_", word[1:]
            name, equals, value = word.partition("=")
        if word == "]":
            start = ""
            continue
        if not equals:
            flags.append(start + name.rstrip("]"))
            continue
        names.append(start + name)
        values.append(value.rstrip("]") if start else value)
        if word.endswith("]"):
            start = ""
    for name, value in (("uptime", uptime[1:].strip()), ("prefix", prefix.strip()), ("flags", " ".join(flags)),
                        ("action", verdict(prefix))):  # fmt: skip
        if value:
            names.append(name)
            values.append(value)
    return tuple(names), values


ALLOWED = ("ALLOW", "ACCEPT", "PASS", "PERMIT")
DENIED = ("BLOCK", "DROP", "DENY", "DENIED", "REJECT", "LIMIT", "INVALID")


def verdict(prefix: str) -> str:
    """What a rule's prefix says was done with the packet: 'allowed', 'denied' or '' where it says neither."""
    text = prefix.upper()
    if any(word in text for word in DENIED):
        return "denied"
    return "allowed" if any(word in text for word in ALLOWED) else ""


def packets(messages: Sequence[str]) -> dict[str, pa.Array]:
    """Columns of packet filters' lines."""
    rows = Rows()
    for place, message in enumerate(messages):
        names, values = packet(message)
        rows.add(names, values, place)
    return rows.columns()

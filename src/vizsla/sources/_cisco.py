"""What Cisco's ASA and FTD write: the shapes of the messages that say who spoke to whom, who logged on, what was denied.

Every other message keeps its number, its severity and its text.
"""

# ruff: noqa: E501  (a message's shape is easier to compare with the reference on one line)
from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.sources._patterns import Pattern as P
from vizsla.sources._patterns import Patterns

_NAME = r"(?: ?\((?P<{0}_user>[^()/]*)\))?"
_END = (
    r"(?P<{0}_interface>[^:\s]+):(?P<{0}_ip>[^\s/()]+)/(?P<{0}_port>[^\s()]+)"
    r"(?: ?\((?P<{0}_nat_ip>[^\s/()]+)/(?P<{0}_nat_port>[^\s()]+)\))?" + _NAME
)
_FIRST, _SECOND = _END.format("first"), _END.format("second")
_PAIR = r"(?P<source_ip>[^\s/()]+)/(?P<source_port>[^\s()]+) to (?P<destination_ip>[^\s/()]+)/(?P<destination_port>[^\s()]+)"
_LOCAL = (
    r"(?P<source_ip>[^\s/()]+)/(?P<source_port>[^\s()]+) to "
    r"(?P<destination_interface>[^:\s]+):(?P<destination_ip>[^\s/()]+)/(?P<destination_port>[^\s()]+)"
)
_ICMP = (
    r"faddr (?P<first_ip>[^\s/()]+)/(?P<first_port>\d+)"
    + _NAME.format("first")
    + r" gaddr (?P<global_ip>[^\s/()]+)/\d+"
    r" laddr (?P<second_ip>[^\s/()]+)/(?P<second_port>\d+)" + _NAME.format("second") + r"(?: .*)?"
)
_SIDE = r"(?P<{0}_interface>[^:\s]+):(?P<{0}_ip>[^\s/()]+)(?:/(?P<{0}_port>[^\s()]+))?" + _NAME
_HIT = r"(?P<{0}_interface>[^/\s]+)/(?P<{0}_ip>[^\s()]+)\((?P<{0}_port>[^()]*)\)" + _NAME
_WHO = r"Group <(?P<group>[^>]*)> User <(?P<user>[^>]*)> IP <(?P<source_ip>[^>]*)> "
_AAA = r"(?: : local database)?(?: : server = +(?P<server>\S+))? : user = (?P<user>[^:]*?)(?: : user IP = (?P<source_ip>\S+))?\s*"
_OPEN = {"action": "connection", "outcome": "success"}
_OVER = {"action": "connection-ended"}
_DENIED = {"action": "connection", "outcome": "failure"}
_IN, _OUT = {"action": "logon", "outcome": "success"}, {"action": "logon", "outcome": "failure"}

MESSAGES = Patterns(
    P(rf"Built (?P<direction>inbound|outbound) (?P<protocol>TCP|UDP|SCTP) connection (?P<connection>\d+) for {_FIRST} to {_SECOND}.*", _OPEN),
    P(rf"Built (?P<direction>inbound|outbound) (?P<protocol>ICMP) connection for {_ICMP}", _OPEN),
    P(rf"Built (?P<protocol>ICMP) connection for {_ICMP}", _OPEN),
    P(r"Built (?P<kind>dynamic|static) (?P<protocol>\S+) translation from (?P<source_interface>[^:\s]+):(?P<source_ip>[^\s/()]+)/(?P<source_port>[^\s()]+)"
      r"(?:\((?P<user>[^()]*)\))? to (?P<nat_interface>[^:\s]+):(?P<source_nat_ip>[^\s/()]+)/(?P<source_nat_port>\d+).*", {"action": "translation"}),
    P(r"Built local-host (?P<source_interface>[^:\s]+):(?P<source_ip>\S+)", {"action": "host-seen"}),
    P(rf"Teardown (?P<protocol>TCP|UDP|SCTP) connection (?P<connection>\d+) for {_FIRST} to {_SECOND}"
      r" duration (?P<duration>[\d:]+) bytes (?P<bytes>\d+) ?(?P<reason>[^()]*?)(?: ?\((?P<user>[^()]*)\))?", _OVER),
    P(rf"Teardown (?P<protocol>ICMP) connection for {_ICMP}", _OVER),
    P(r"Teardown (?P<kind>dynamic|static) (?P<protocol>\S+) translation from (?P<source_interface>[^:\s]+):(?P<source_ip>[^\s/()]+)/(?P<source_port>[^\s()]+)"
      r"(?:\((?P<user>[^()]*)\))? to (?P<nat_interface>[^:\s]+):(?P<source_nat_ip>[^\s/()]+)/(?P<source_nat_port>\d+) duration (?P<duration>[\d:]+).*",
      {"action": "translation-ended"}),
    P(r"Teardown local-host (?P<source_interface>[^:\s]+):(?P<source_ip>\S+) duration (?P<duration>[\d:]+)", {"action": "host-gone"}),
    P(rf"Inbound (?P<protocol>TCP) connection denied from {_PAIR} flags (?P<flags>.*?) on interface (?P<source_interface>\S+)", _DENIED),
    P(rf"Deny inbound (?P<protocol>UDP|TCP) from {_PAIR}(?: (?P<reason>due to .*?))?(?: on interface (?P<source_interface>\S+))?", _DENIED),
    P(rf"Deny (?P<protocol>TCP|UDP) \((?P<reason>[^()]+)\) from {_PAIR} flags (?P<flags>.*?) +on interface (?P<source_interface>\S+)", _DENIED),
    P(rf"Deny (?:inbound )?(?P<protocol>\S+) src {_SIDE.format('source')} dst {_SIDE.format('destination')}"
      r"(?: \(type (?P<icmp_type>\d+), code (?P<icmp_code>\d+)\))?(?: by access-group \"(?P<access_group>[^\"]*)\".*)?", _DENIED),
    P(r"Deny (?P<protocol>\S+) (?P<reason>reverse path check) from (?P<source_ip>\S+) to (?P<destination_ip>\S+) on interface (?P<source_interface>\S+)", _DENIED),
    *(P(rf"access-list (?P<access_group>\S+) {word} (?P<protocol>\S+) {_HIT.format('source')} -> {_HIT.format('destination')}"
        r" hit-cnt (?P<hits>\d+) ?(?P<reason>.*?)(?: \[.*)?", sets)
      for word, sets in (("denied", _DENIED), ("permitted", _OPEN), ("est-allowed", _OPEN))),
    P(r"Denied (?P<protocol>ICMP) type=(?P<icmp_type>\d+), code=(?P<icmp_code>\d+) from (?P<source_ip>\S+) on interface (?P<source_interface>\S+)", _DENIED),
    *(P(rf"(?P<protocol>TCP|UDP) access {word} (?:by ACL )?from {_LOCAL}", sets) for word, sets in (("denied", _DENIED), ("permitted", _OPEN))),
    P(rf"(?P<protocol>TCP|UDP) request discarded from {_LOCAL}", {**_DENIED, "reason": "request discarded"}),
    P(r"User '(?P<user>[^']*)' executed the '(?P<command>.*)' command\.?", {"action": "command"}),
    P(r"User '(?P<user>[^']*)' executed cmd: ?(?P<command>.*)", {"action": "command"}),
    P(r"User '(?P<user>[^']*)', running '(?P<client>[^']*)' from IP (?P<source_ip>[^\s,]+), executed '(?P<command>.*)'", {"action": "command"}),
    P(rf"AAA user (?:authentication|authorization) Successful{_AAA}", _IN),
    P(rf"AAA user (?:authentication|authorization) Rejected : reason = (?P<reason>.*?){_AAA}", _OUT),
    P(r"User (?P<user>\S+) locked out on exceeding (?P<reason>.*)", {"action": "account-locked", "outcome": "failure"}),
    P(rf"Login denied from {_LOCAL} for user \"(?P<user>[^\"]*)\"", _OUT),
    P(rf"Login permitted from {_LOCAL} for user \"(?P<user>[^\"]*)\"", _IN),
    P(r"User authentication succeeded: (?:IP address: (?P<source_ip>[^\s,]+), )?Uname: (?P<user>.*)", _IN),
    P(r"User authentication failed: (?:IP address: (?P<source_ip>[^\s,]+), )?Uname: (?P<user>.*)", _OUT),
    P(r"User logged out: Uname: (?P<user>.*)", {"action": "logoff"}),
    P(rf"{_WHO}Authentication: rejected, Session Type: (?P<session_type>[^.]*)\.?(?P<reason>.*)", {**_OUT, "kind": "vpn"}),
    P(rf"{_WHO}Authentication: successful, Session Type: (?P<session_type>[^.]*)\.?", {**_IN, "kind": "vpn"}),
    P(rf"{_WHO}(?P<session_type>WebVPN|AnyConnect parent|Clientless|SVC) session started\.?", {**_IN, "kind": "vpn"}),
    P(rf"{_WHO}(?P<session_type>WebVPN|AnyConnect parent|Clientless|SVC) session terminated: (?P<reason>.*)", {"action": "logoff", "kind": "vpn"}),
    P(rf"{_WHO}(?:IPv4 )?Address <(?P<assigned_ip>[^>]*)>(?: IPv6 address <(?P<assigned_ipv6>[^>]*)>)? assigned to session",
      {"action": "address-assigned", "kind": "vpn"}),
    P(rf"{_WHO}(?P<reason>.*)", {"action": "vpn", "kind": "vpn"}),
    P(r"Group = (?P<group>[^,]*), Username = (?P<user>[^,]*), IP = (?P<source_ip>[^,]*), Session disconnected\. Session Type: (?P<session_type>[^,]*),"
      r" Duration: (?P<duration>[^,]*), Bytes xmt: (?P<bytes_sent>\d+), Bytes rcv: (?P<bytes_received>\d+), Reason: (?P<reason>.*)",
      {"action": "logoff", "kind": "vpn"}),
    P(r"Group = (?P<group>[^,]*), (?:Username = (?P<user>[^,]*), )?IP = (?P<source_ip>[^,]*), (?P<reason>.*)", {"action": "vpn", "kind": "vpn"}),
    P(r"IP = (?P<source_ip>[^,]*), (?P<reason>.*)", {"action": "vpn", "kind": "vpn"}),
    P(r"\[ ?(?P<object>[^\]]*)\] drop (?P<rate>rate-\d+) exceeded\. (?P<reason>.*)", {"action": "alert", "outcome": "failure"}),
    P(r"IPS:(?P<signature>\d+) (?P<signature_name>.*?) from (?P<source_ip>\S+) to (?P<destination_ip>\S+) on interface (?P<source_interface>\S+)",
      {"action": "alert"}),
)  # fmt: skip

ENDS = ("interface", "ip", "port", "nat_ip", "nat_port", "user")
_PAIRED = re.compile(r"(?:^|, )([A-Z][A-Za-z0-9_]*): ")


def pairs(text: str) -> tuple[list[str], list[str]]:
    """The fields of a connection, intrusion or file event of FTD: `Name: value, Name: value`."""
    found = list(_PAIRED.finditer(text))
    ends = [one.start() for one in found[1:]] + [len(text)]
    return [one[1] for one in found], [text[one.end() : end] for one, end in zip(found, ends, strict=True)]


def who_began(found: dict[str, pa.Array], rows: int) -> dict[str, pa.Array]:
    """Columns with `source_*` and `destination_*` where messages name a first and a second end.

    An inbound connection was begun by the first, an outbound one by the second. The end of a connection does not say:
    the end of the higher port is taken for the one that began it, since ports of servers are low.
    """
    if "first_ip" not in found:
        return found
    none = pa.nulls(rows, pa.string())
    direction = pc.fill_null(found.get("direction", none), "")
    known = pc.not_equal(direction, "").to_numpy(zero_copy_only=False)
    outbound = pc.equal(direction, "outbound").to_numpy(zero_copy_only=False)
    higher = _numbers(found.get("second_port", none)) > _numbers(found.get("first_port", none))
    turned = pa.array(np.where(known, outbound, higher))
    merged = {name: column for name, column in found.items() if not name.startswith(("first_", "second_"))}
    for part in ENDS:
        first, second = found.get(f"first_{part}", none), found.get(f"second_{part}", none)
        for role, near, far in (("source", second, first), ("destination", first, second)):
            told = pc.if_else(turned, near, far)
            name = f"{role}_{part}"
            merged[name] = pc.coalesce(merged[name], told) if name in merged else told
    return {name: column for name, column in merged.items() if column.null_count < rows}


def _numbers(texts: pa.Array) -> npt.NDArray[np.int64]:
    sound = pc.fill_null(pc.match_substring_regex(texts, r"^\d{1,9}$"), False)
    values = pc.cast(pc.if_else(sound, texts, "-1"), pa.int64())
    return np.asarray(values.to_numpy(zero_copy_only=False))

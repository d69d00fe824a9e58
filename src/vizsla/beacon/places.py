"""What an address tells by itself: all of a network, inside, outside, or a name."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Place = Literal["name", "inside", "outside", "everybody"]
# Where programs that belong to every network ask at intervals by design: DNS, DHCP, NTP, NetBIOS, SNMP, syslog, SSDP,
# mDNS and LLMNR. They count for less, not for nothing: a beacon may use them.
HOUSEKEEPING = frozenset((53, 67, 68, 123, 137, 138, 161, 162, 514, 546, 547, 1900, 5353, 5355))
_HOME = tuple(  # what sites give themselves, and 100.64/10, which providers do; examples in documents count as outside
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10",
                 "fc00::/7", "fe80::/10", "fec0::/10")
)  # fmt: skip


@lru_cache(maxsize=1 << 16)
def place(destination: str) -> Place:
    """What a destination is; 'everybody' for multicast, broadcast and the host itself: these are no pairs."""
    bare = destination.strip("[]").partition("%")[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return "name"
    if address.is_multicast or address.is_unspecified or address.is_loopback or bare == "255.255.255.255":
        return "everybody"
    if not any(address in network for network in _HOME if network.version == address.version):
        return "outside"
    return "everybody" if address.version == 4 and bare.endswith(".255") else "inside"


def places(destinations: Sequence[str | None]) -> NDArray[np.str_]:
    """The place of each destination."""
    return np.array([place(text or "") for text in destinations], dtype="U9")

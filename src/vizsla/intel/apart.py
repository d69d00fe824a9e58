"""Indicators that no run leads to: IPv6, serial numbers, names too short or too full of wildcards. Value by value, but
only where a column can hold them, and where a value has what they all have in common.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Network, ip_address, ip_network

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.intel.columns import Looked
from vizsla.intel.fragments import fragments
from vizsla.intel.runs import I64, U8, U64
from vizsla.intel.wanted import Wanted
from vizsla.intel.wild import WILD, standing

_LITERAL = re.compile(r"[^*?]+")
SIGNS: Mapping[str, tuple[bytes, ...]] = {"registry_key": (b"hk", b"reg"), "url": (b"://",), "email": (b"@",)}
"""Without one of these in it, in lower case, `fragments` finds none of a type within a text."""
_FEW = 256  # texts that are sooner read one by one
_LISTED = 2_000  # literals that are looked for at once; with more, every value is compared


@dataclass(slots=True)
class Apart:
    """The indicators of one `Wanted` that are looked for so."""

    exact: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    wild: dict[str, list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))
    nets: list[tuple[IPv6Network, int]] = field(default_factory=list)
    _filters: dict[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, wanted: Wanted) -> Apart:
        """Of those that `wanted` names as others."""
        made = cls()
        part = wanted.of(wanted.others)
        for number, type, value in zip(
            wanted.others.tolist(), part.column("type").to_pylist(), part.column("value").to_pylist(), strict=True
        ):
            if type == "cidr":
                net = ip_network(value, strict=False)
                if isinstance(net, IPv6Network):
                    made.nets.append((net, number))
            elif type == "registry_key" or (type in WILD and ("*" in value or "?" in value or type == "url")):
                made.wild[type].append((value, number))
            else:
                made.exact[type][value] = number
        return made

    @property
    def types(self) -> frozenset[str]:
        """Of which types it has any, addresses left out."""
        return frozenset((*self.exact, *self.wild)) - {"ipv6"}

    def addresses(self, given: str) -> Iterator[tuple[int, str]]:
        """The IPv6 indicators that a value holds: number and what stood there."""
        known = self.exact.get("ipv6", {})
        for value, text in fragments("ipv6", given, True).items():
            if value in known:
                yield known[value], text
            address = ip_address(value)
            for net, number in self.nets:
                if address in net:
                    yield number, text

    def met(self, looked: Looked, values: pa.Array, near: Mapping[str, I64]) -> Iterator[tuple[int, int, str]]:
        """Of all other types: the value's place, the indicator's number, what stood there.

        `near`: of types that stand in text only beside a SIGN, the places of the values that have one.
        """
        for type in sorted(self.types):
            if not looked.holds(type):
                continue
            asked = self._filter(type)
            places: Sequence[int] = range(len(values))
            own = near.get(type) if type not in looked.whole else None
            if own is not None:
                places = own.tolist()
                if not len(own):
                    continue
            if asked is not None:
                held = values if own is None else values.take(pa.array(own))
                through = pc.match_substring_regex(held, asked, ignore_case=True)
                at = np.flatnonzero(np.asarray(pc.fill_null(through, False)))
                places = (at if own is None else own[at]).tolist()
            exact, wild = self.exact.get(type, {}), self.wild.get(type, [])
            for place in places:
                found = fragments(type, values[place].as_py(), type not in looked.whole)
                for value, text in found.items():
                    if value in exact:
                        yield place, exact[value], text
                for value, number in wild:
                    stood = standing(type, value, found)
                    if stood is not None:
                        yield place, number, stood

    def _filter(self, type: str) -> str | None:
        """A pattern that stands in whatever may hold one of a type's indicators; None where there is no such."""
        if type not in self._filters:
            values = [*self.exact.get(type, {}), *(value for value, _ in self.wild.get(type, []))]
            literals = {max(map(_last, _LITERAL.findall(value)), key=len, default="") for value in values}
            usable = type in _PLAIN and 0 < len(literals) <= _LISTED and all(map(str.isascii, literals))
            self._filters[type] = "|".join(map(re.escape, sorted(literals))) if usable and "" not in literals else None
        return self._filters[type]


_PLAIN = frozenset(("file_name", "mutex", "pipe", "service", "process", "account", "file_path", "registry_key"))


def _last(text: str) -> str:
    """The last part of a path or key: what stands before may be written in other ways."""
    return re.split(r"[\\/ ]", text.rstrip("\\/ "))[-1]


def signed(text: U8, ends: I64, signs: Sequence[bytes]) -> I64:
    """The places of values, lower-cased in `text`, that hold one of these signs."""
    found = [np.zeros(0, np.int64)]
    for sign in signs:
        size = max(0, len(text) - len(sign) + 1)
        there = text[:size] == sign[0]
        for place, byte in enumerate(sign[1:], 1):
            there &= text[place : place + size] == byte
        found.append(np.flatnonzero(there))
    places: I64 = np.searchsorted(ends, np.sort(np.concatenate(found)))
    once: I64 = places[np.concatenate([np.ones(min(1, len(places)), bool), places[1:] != places[:-1]])]
    return once


def sixes(text: U8, ends: I64) -> I64:
    """The places of values that may hold an IPv6 address: two colons side by side, or seven close together."""
    colons = np.flatnonzero(text == 58)
    if len(colons) < 2:
        return np.zeros(0, np.int64)
    at = colons[:-1][np.diff(colons) == 1]
    if len(colons) > 6:
        at = np.concatenate([at, colons[:-6][colons[6:] - colons[:-6] <= 30]])
    found: I64 = np.unique(np.searchsorted(ends, at))
    return found


def fours(text: U8, start: I64, length: I64, code: U64) -> tuple[I64, I64]:
    """Which runs are IPv4 addresses, and which: (places among the runs, addresses as numbers)."""
    at = np.flatnonzero((length >= 7) & (length <= 15))
    first = start[at]
    at = at[(text[first] - np.uint8(48) < 10) & (text[first + length[at] - 1] - np.uint8(48) < 10)]
    first = start[at]
    at = at[(text[first + 1] == 46) | (text[first + 2] == 46) | (text[first + 3] == 46)]
    if not len(at):
        return at, at
    _, first, back = np.unique(code[at], return_index=True, return_inverse=True)
    if len(first) < _FEW:
        texts = [text[s : s + n].tobytes() for s, n in zip(start[at[first]], length[at[first]], strict=True)]
        addresses = np.array([_four(one) for one in texts], dtype=np.int64)
        once = addresses >= 0
    else:
        once, addresses = _parsed(text, start, length, at[first])
    good = once[back]
    return at[good], addresses[back[good]]


@lru_cache(65_536)
def _four(text: bytes) -> int:
    """The number of an IPv4 address; -1 for what is none."""
    try:
        return int(IPv4Address(text.decode("ascii")))
    except ValueError:  # of which one that is no ASCII is one
        return -1


def _parsed(text: U8, start: I64, length: I64, at: I64) -> tuple[npt.NDArray[np.bool_], I64]:
    """Which of these runs are addresses, and what they are."""
    address, octet, digits = (np.zeros(len(at), np.int64) for _ in range(3))
    dots, good = np.zeros(len(at), np.int64), np.ones(len(at), bool)
    for place in range(16):
        inside = place < length[at]
        byte = np.where(inside, text[np.minimum(start[at] + place, len(text) - 1)], 0).astype(np.int64)
        number = (byte >= 48) & (byte < 58)
        good &= number | (byte == 46) | ~inside
        closing = (byte == 46) | (place == length[at])
        good &= ~closing | ((digits > 0) & (octet < 256))
        good &= ~(number & (digits > 0) & (octet == 0))  # no leading zeros: some read them as octal
        address = np.where(closing, address << 8 | octet, address)
        dots += byte == 46
        octet = np.where(closing, 0, np.where(number, octet * 10 + byte - 48, octet))
        digits = np.where(closing, 0, digits + number)
        good &= octet < 1000
    return good & (dots == 3), address

"""Which of many indicators lists silence: sets for strings, suffix walk for host names, sorted intervals for networks,
an automaton for substrings, RE2 for patterns. A million indicators take seconds, whatever the lists.

The team's own lists and the general ones silence all that lies on a host, URLs and mail addresses too. The warning
lists of others silence a URL with its host only where it names no more than the host: what lies at one path of a large
host is not the host. Lists of kinds string, substring and regex are held against the whole text.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla import arrow
from vizsla.intel.warninglists import WarningList

Places = npt.NDArray[np.int64]
_NONE = -1
_HOSTED = ("domain", "url", "email")
_NULL = pa.scalar(None, pa.string())
_DEEPEST = 127  # labels of a host name
_HOST = r"^[a-z][a-z0-9+.-]*://(?:[^/@]*@)?(?P<host>\[[0-9a-f:.]+\]|[^/:?#]+)(?::\d+)?"
_BARE = _HOST + "/?$"


@dataclass(slots=True)
class _ForType:
    """All lists that speak of one type, merged: entries, and which list each is of (the first where several)."""

    strings: dict[str, int] = field(default_factory=dict)
    hosts: dict[str, int] = field(default_factory=dict)  # that silence all that lies on them
    bare: dict[str, int] = field(default_factory=dict)  # that silence themselves alone
    substrings: dict[str, int] = field(default_factory=dict)
    patterns: dict[str, int] = field(default_factory=dict)
    networks: list[int] = field(default_factory=list)


class Silencer:
    """Lists made ready. Earlier lists speak first: give it those of the team before those of others."""

    def __init__(self, lists: Sequence[WarningList]) -> None:
        self.lists = tuple(lists)
        self._types: dict[str, _ForType] = {}
        self._networks: dict[int, tuple[Any, Any]] = {}

    def silenced(self, types: pa.ChunkedArray | pa.Array, values: pa.ChunkedArray | pa.Array) -> Places:
        """For each indicator the place in `lists` of the one that silences it, or -1: shape (n,)."""
        found = np.full(len(values), _NONE, np.int64)
        kinds = pc.dictionary_encode(arrow.whole(types))
        texts = arrow.whole(values)
        codes = np.asarray(kinds.indices)
        for code, type in enumerate(kinds.dictionary.to_pylist()):
            rows = np.flatnonzero(codes == code)
            found[rows] = self._of_type(type, texts.take(pa.array(rows)))
        return found

    def why(self, places: Places) -> tuple[pa.Array, pa.Array]:
        """Who silences, and why; null where nobody does."""
        codes = pa.array(places, mask=places == _NONE)
        names = pa.array([one.says for one in self.lists], pa.string())
        return names.take(codes), pa.array([one.reason for one in self.lists], pa.string()).take(codes)

    def _of_type(self, type: str, values: pa.Array) -> Places:
        own = self._types.get(type)
        if own is None:
            own = self._types[type] = self._merged(type)
        found = _in_set(values, own.strings)
        for entries, pattern in ((own.hosts, _HOST), (own.bare, _BARE)):
            if entries:
                _first(found, _suffixes(_host(type, values, pattern), entries))
        if own.networks and type == "url":  # http://10.0.0.1/
            for whole, pattern in ((True, _HOST), (False, _BARE)):
                _first(found, self._addresses("ipv4", _host(type, values, pattern), self._speaking(own, whole)))
        elif own.networks:
            _first(found, self._addresses(type, values, own.networks))
        if own.substrings:
            _first(found, _parts(values, own.substrings))
        if own.patterns:
            _first(found, _matched(values, own.patterns))
        return found

    def _speaking(self, own: _ForType, whole: bool) -> list[int]:
        """Lists of networks that silence all on a host, or those that silence the host alone."""
        return [number for number in own.networks if (self.lists[number].origin != "warning") == whole]

    def _merged(self, type: str) -> _ForType:
        own = _ForType()
        for number, one in enumerate(self.lists):
            if one.types and type not in one.types:
                continue
            if one.kind == "cidr":
                if type in ("ipv4", "ipv6", "cidr", "url"):
                    own.networks.append(number)
                continue
            if one.kind == "hostname" and type not in _HOSTED:
                continue
            hosts = own.bare if one.origin == "warning" else own.hosts
            into = {"hostname": hosts, "substring": own.substrings, "regex": own.patterns}.get(one.kind, own.strings)
            for entry in one.entries:
                if one.kind == "string" and entry.startswith(".") and type in _HOSTED:
                    hosts.setdefault(entry.strip("."), number)  # '.google.com' means the name and all below it
                else:
                    into.setdefault(entry, number)
        return own

    def _addresses(self, type: str, values: pa.Array, numbers: Sequence[int]) -> Places:
        texts = values.to_pylist()
        found = np.full(len(texts), _NONE, np.int64)
        first, last = _ranges(type, texts)
        for version in (4, 6):
            rows = np.flatnonzero([one is not None and len(one) == (4 if version == 4 else 16) for one in first])
            if not len(rows):
                continue
            low = _numbers([first[row] for row in rows])
            high = _numbers([last[row] for row in rows])
            for number in numbers:
                left = np.flatnonzero(found[rows] == _NONE)
                starts, ends = self._intervals(number, version)
                if len(starts) and len(left):
                    at = np.searchsorted(starts, low[left], side="right") - 1
                    inside = (at >= 0) & (high[left] <= ends[np.maximum(at, 0)])
                    found[rows[left[inside]]] = number
        return found

    def _intervals(self, number: int, version: int) -> tuple[Any, Any]:
        """A list's networks of one version as disjoint, sorted intervals."""
        key = number * 2 + (version == 6)
        if key not in self._networks:
            spans = sorted(_span(entry) for entry in self.lists[number].entries if (":" in entry) == (version == 6))
            merged: list[tuple[bytes, bytes]] = []
            for low, high in spans:
                if merged and low <= merged[-1][1]:
                    merged[-1] = (merged[-1][0], max(merged[-1][1], high))
                else:
                    merged.append((low, high))
            self._networks[key] = (_numbers([low for low, _ in merged]), _numbers([high for _, high in merged]))
        return self._networks[key]


def _first(found: Places, more: Places) -> None:
    """The earliest list that speaks, in place."""
    take = (more != _NONE) & ((found == _NONE) | (more < found))
    found[take] = more[take]


def _in_set(values: pa.Array, entries: dict[str, int]) -> Places:
    if not entries:
        return np.full(len(values), _NONE, np.int64)
    at = pc.index_in(pc.utf8_lower(values), value_set=pa.array(list(entries), pa.string()))
    owners = pa.array(list(entries.values()), pa.int64())
    return np.asarray(owners.take(at).fill_null(_NONE)).astype(np.int64)


def _suffixes(names: pa.Array, entries: dict[str, int]) -> Places:
    """Which names are an entry or lie below one; null names are not."""
    found = np.full(len(names), _NONE, np.int64)
    rows = np.flatnonzero(np.asarray(names.is_valid()))
    rest = names.drop_null()
    known = pa.array(list(entries), pa.string())
    owners = np.array(list(entries.values()), np.int64)
    for _ in range(_DEEPEST):
        if not len(rest):
            break
        at = pc.index_in(rest, value_set=known)
        hit = np.asarray(at.is_valid())
        found[rows[hit]] = owners[np.asarray(at.drop_null())]
        more = ~hit & np.asarray(pc.match_substring(rest, "."))
        rows = rows[more]
        rest = pc.replace_substring_regex(rest.filter(pa.array(more)), r"^[^.]*\.", "")
    return found


def _host(type: str, values: pa.Array, pattern: str) -> pa.Array:
    """The host of a URL or mail address; null where the pattern says it names more."""
    if type == "domain":
        return values
    if type == "url":
        return pc.struct_field(pc.extract_regex(values, pattern), "host")
    name = pc.replace_substring_regex(values, "^.*@", "")
    return name if pattern == _HOST else pc.if_else(pc.match_substring_regex(values, "^@|^[^@]*$"), name, _NULL)


def _ranges(type: str, texts: Sequence[str | None]) -> tuple[list[bytes | None], list[bytes | None]]:
    """First and last address of each, as bytes; None where it is none."""
    if type == "ipv4":
        packed = [_packed(text) for text in texts]
        return packed, packed
    spans = [_network(text) for text in texts]
    return [span[0] if span else None for span in spans], [span[1] if span else None for span in spans]


def _packed(text: str | None) -> bytes | None:
    try:
        return socket.inet_aton(text) if text and text.count(".") == 3 else None
    except (OSError, ValueError):
        return None


def _network(text: str | None) -> tuple[bytes, bytes] | None:
    try:
        return _span(text) if text else None
    except ValueError:
        return None


def _span(entry: str) -> tuple[bytes, bytes]:
    """First and last address of a network or address; ValueError where it is none."""
    if ":" in entry:
        network = ipaddress.ip_network(entry, strict=False)
        return network.network_address.packed, network.broadcast_address.packed
    address, _, bits = entry.partition("/")
    packed = _packed(address)
    if packed is None or not (bits or "32").isdecimal() or int(bits or 32) > 32:
        raise ValueError("no network")
    rest = (1 << (32 - int(bits or 32))) - 1
    first = int.from_bytes(packed, "big") & ~rest
    return first.to_bytes(4, "big"), (first | rest).to_bytes(4, "big")


def _numbers(packed: Sequence[bytes | None]) -> Any:
    """Addresses so that they compare: numbers for version 4, 16 bytes for version 6."""
    if not packed:
        return np.zeros(0, np.uint32)
    joined = b"".join(one for one in packed if one is not None)
    size = len(joined) // len(packed)
    return np.frombuffer(joined, ">u4").astype(np.uint32) if size == 4 else np.frombuffer(joined, "S16")


def _parts(values: pa.Array, entries: dict[str, int]) -> Places:
    """Which values hold an entry."""
    import ahocorasick_rs

    automaton = ahocorasick_rs.AhoCorasick(
        list(entries), matchkind=ahocorasick_rs.MatchKind.Standard, store_patterns=False
    )
    owners = list(entries.values())
    return np.array(
        [
            min((owners[hit[0]] for hit in automaton.find_matches_as_indexes(text.lower())), default=_NONE)
            for text in _texts(values)
        ],
        np.int64,
    )


def _matched(values: pa.Array, entries: dict[str, int]) -> Places:
    """Which values a pattern matches."""
    import re2

    options = re2.Options()
    options.max_mem, options.log_errors = 64 << 20, False
    together = re2.Set.SearchSet(options)
    for pattern in entries:
        together.Add(pattern)
    together.Compile()
    owners = list(entries.values())
    return np.array(
        [min((owners[hit] for hit in together.Match(text) or ()), default=_NONE) for text in _texts(values)], np.int64
    )


def _texts(values: pa.Array) -> Iterable[str]:
    for text in values.to_pylist():
        yield text or ""

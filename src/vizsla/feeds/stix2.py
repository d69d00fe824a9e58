"""STIX 2.0 and 2.1: bundles, TAXII envelopes, lists of objects, single objects."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vizsla.errors import FeedError
from vizsla.feed import Read
from vizsla.feeds._json import objects
from vizsla.feeds._said import all_told, listed, moment, names, percent, text
from vizsla.feeds._stix2_graph import Graph, technique
from vizsla.intel.pattern import Path as ObjectPath
from vizsla.intel.pattern import indicators, kind
from vizsla.nouns.indicator import Claim, IndicatorType, Mention, Refused

_ID = re.compile(
    rb'"id"\s*:\s*"(?:bundle|indicator|relationship|malware|report|identity|marking-definition|campaign|observed-data|'
    rb'attack-pattern|intrusion-set|threat-actor|x-mitre-[a-z-]+)--[0-9a-f-]{36}"'
)
_MENTIONED = {
    "malware": "malware", "tool": "tool", "intrusion-set": "actor", "threat-actor": "actor", "campaign": "campaign",
    "vulnerability": "vulnerability", "attack-pattern": "technique",
}  # fmt: skip
# Properties of observed objects that are indicators of their own; those of hashes are told from their names.
_OBSERVED = ("value", "name", "key", "serial_number", "account_login", "user_id", "number", "path")
_LEAST_NUMBER = 1  # of an autonomous system


class Stix2:
    """STIX 2. Two passes: names, markings and relationships first, then what they are said of."""

    name = "stix2"
    doc = "STIX 2.0 and 2.1: bundles, envelopes of TAXII, single objects."

    def sniff(self, head: bytes, name: str) -> float:
        start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        if start not in (b"{", b"["):
            return 0.0
        if _ID.search(head):
            return 0.95
        return 0.7 if b'"spec_version"' in head and (b'"2.0"' in head or b'"2.1"' in head) else 0.0

    def read(self, path: Path, feed: str) -> Iterator[Read]:
        """Indicators (each alternative of a pattern a claim), observed objects, and what is named."""
        graph = Graph()
        failure: FeedError | None = None
        try:
            for item in objects(path, "objects"):
                if isinstance(item, dict):
                    graph.add(item)
        except FeedError as error:
            failure = error  # told once what came before it is
        yield from _all(objects(path, "objects"), graph, feed, path.name)
        if failure is not None:
            raise failure


def read_pages(pages: Sequence[Path], fresh: Collection[Path], feed: str) -> Iterator[Read]:
    """What `fresh` of the pages of a collection say, and what they change in what the others said.

    An object is said again where a fresh page ties something to it. Raises FeedError where a page cannot be read.
    """
    graph, touched = Graph(), set[str]()
    for path in pages:
        for item in objects(path, "objects"):
            if isinstance(item, dict):
                graph.add(item)
                if path in fresh:
                    touched.update(text(item.get(word), 100) for word in ("id", "source_ref", "sighting_of_ref"))
    touched.discard("")
    for path in pages:
        items = objects(path, "objects")
        if path not in fresh:
            items = (item for item in items if isinstance(item, dict) and text(item.get("id"), 100) in touched)
        yield from _all(items, graph, feed, path.name)


def _all(items: Iterator[dict[str, Any] | Refused], graph: Graph, feed: str, file: str) -> Iterator[Read]:
    for count, item in enumerate(items, 1):
        if isinstance(item, Refused):
            yield item
            continue
        place = text(item.get("id"), 100) or f"{file}, object {count}"
        yield from _object(item, graph, feed, place)


def _object(item: dict[str, Any], graph: Graph, feed: str, place: str) -> Iterator[Read]:
    type = item.get("type")
    if not isinstance(type, str):
        yield Refused(place, "the object does not say its type")
    elif type == "indicator":
        yield from _indicator(item, graph, feed, place)
    elif type == "observed-data":
        yield from _observed_data(item, graph, feed, place)
    elif type in _MENTIONED:
        yield from _mention(item, type, feed, place)
    elif kind(ObjectPath(type, ("value",))) or type in ("file", "mutex", "x509-certificate", "windows-registry-key"):
        base = _base(item, graph, feed, place)
        tied = graph.hostile(text(item.get("id"), 100))
        yield from all_told(replace(base, to_ids=tied), _pairs(item), place)


def _base(item: dict[str, Any], graph: Graph, feed: str, place: str) -> Claim:
    """What an object says of whatever value it names."""
    own = text(item.get("id"), 100)
    said = graph.said(own)
    first, last = graph.seen.get(own, (None, None))
    phases = [phase for phase in listed(item.get("kill_chain_phases")) if isinstance(phase, dict)]
    words = [*listed(item.get("labels")), *listed(item.get("indicator_types"))]
    return Claim(
        "pattern",
        "",
        feed,
        source=place,
        context=_context(item),
        confidence=percent(item.get("confidence")),
        tlp=graph.tlp(item),
        valid_from=moment(item.get("valid_from")),
        valid_until=moment(item.get("valid_until")),
        first_seen=first,
        last_seen=last,
        created=moment(item.get("created")),
        modified=moment(item.get("modified")),
        revoked=item.get("revoked") is True,
        kill_chain=names(
            f"{text(phase.get('kill_chain_name'), 100)}:{text(phase.get('phase_name'), 100)}" for phase in phases
        ),
        techniques=said.techniques,
        malware=said.malware,
        actors=said.actors,
        tags=names([*(text(word, 200) for word in words), *said.tags]),
    )


def _context(item: dict[str, Any]) -> str:
    told = names([text(item.get("name")), text(item.get("description"))])
    return ": ".join(told)


def _indicator(item: dict[str, Any], graph: Graph, feed: str, place: str) -> Iterator[Read]:
    language = item.get("pattern_type", "stix")
    written = item.get("pattern")
    if language != "stix":
        yield Refused(place, f"its pattern is in the language {text(language, 40)!r}, not in STIX's own")
        return
    if not isinstance(written, str):
        yield Refused(place, "the indicator has no pattern")
        return
    try:
        pairs = indicators(written)
    except ValueError as error:
        yield Refused(place, f"its pattern cannot be read: {error}")
        return
    base = _base(item, graph, feed, place)
    for found in all_told(base, pairs, place):
        yield replace(found, raw=written) if isinstance(found, Claim) and found.type == "pattern" else found


def _observed_data(item: dict[str, Any], graph: Graph, feed: str, place: str) -> Iterator[Read]:
    """What was observed (STIX 2.0 holds it in itself): context, unless it is tied to something hostile."""
    held = item.get("objects")
    if not isinstance(held, dict):
        return
    first, last = moment(item.get("first_observed")), moment(item.get("last_observed"))
    tied = graph.hostile(text(item.get("id"), 100))
    base = replace(_base(item, graph, feed, place), first_seen=first, last_seen=last, to_ids=tied)
    for one in held.values():
        if isinstance(one, dict):
            yield from all_told(base, _pairs(one), place)


def _pairs(item: dict[str, Any]) -> Iterator[tuple[IndicatorType, str]]:
    """The indicators in an observed object."""
    type = text(item.get("type"), 100)
    hashed = False
    for word, value in (item.get("hashes") or {}).items() if isinstance(item.get("hashes"), dict) else ():
        found = kind(ObjectPath(type, ("hashes", str(word))))
        if found and isinstance(value, str):
            hashed = True
            yield found, value
    for word in _OBSERVED:
        value = item.get(word)
        found = kind(ObjectPath(type, (word,)))
        # The name of a file whose hash is known would only add what is alike.
        if found is None or isinstance(value, bool) or (type == "file" and hashed):
            continue
        if isinstance(value, str) or (isinstance(value, int) and value >= _LEAST_NUMBER):
            yield found, str(value)


def _mention(item: dict[str, Any], type: str, feed: str, place: str) -> Iterator[Read]:
    if item.get("revoked") is True or item.get("x_mitre_deprecated") is True:
        return
    name = text(item.get("name"), 300)
    if type == "attack-pattern":
        name = technique(item) or name
    if not name:
        yield Refused(place, f"the {type} has no name")
        return
    yield Mention(_MENTIONED[type], name, feed, place, text(item.get("description")))  # type: ignore[arg-type]


FORMAT = Stix2()

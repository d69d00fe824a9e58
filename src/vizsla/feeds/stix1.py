"""STIX 1: XML packages with CybOX observables.

Namespaces' prefixes are not resolved (exports with malformed ones are common): elements are told by their local names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from vizsla.feed import Read
from vizsla.feeds._conditions import claims
from vizsla.feeds._cybox import alternatives
from vizsla.feeds._said import cves, moment, names, strictest, techniques, text, tlp
from vizsla.feeds._xml import Node, elements
from vizsla.nouns.indicator import Claim, Mention, Refused, Tlp

_WANTED = ("Indicator", "Observable", "TTP", "Threat_Actor", "Campaign", "Exploit_Target", "Handling", "Title")
_CONFIDENCE = {"high": 85, "medium": 50, "low": 15, "none": 0}  # as STIX 2.1's appendix translates them


@dataclass(slots=True)
class _Package:
    """What a package says beside its indicators."""

    malware: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by a TTP's id
    techniques: dict[str, tuple[str, ...]] = field(default_factory=dict)
    observables: dict[str, Node] = field(default_factory=dict)  # those that indicators refer to
    tlp: Tlp = ""
    title: str = ""


class Stix1:
    """STIX 1.x. Two passes: what is named and marked first, then indicators and observables."""

    name = "stix1"
    doc = "STIX 1.x: XML packages of indicators with CybOX observables."

    def sniff(self, head: bytes, name: str) -> float:
        if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            return 0.0
        if b"STIX_Package" in head and b"stix.mitre.org" in head:
            return 0.95
        return 0.6 if b"Observables" in head and b"cybox.mitre.org" in head else 0.0

    def read(self, path: Path, feed: str) -> Iterator[Read]:
        """Indicators and observables, and the malware, actors, campaigns and vulnerabilities that are named."""
        package, meant = _Package(), set[str]()
        for node in elements(path, _WANTED):
            yield from _named(node, package, feed, path.name)
            if node.name == "Indicator":
                meant.update(own for one in node.all("Observable") if (own := one.attributes.get("idref")))
        for node in elements(path, ("Indicator", "Observable")):
            own = node.attributes.get("id", "")
            if node.name == "Observable" and own in meant:
                package.observables[own] = node
        for node in elements(path, ("Indicator", "Observable")):
            if node.name == "Indicator":
                yield from _indicator(node, package, feed, path.name)
            elif node.attributes.get("id", "") not in meant and not node.attributes.get("idref"):
                # Observed, and no indicator says that it is bad: context.
                place = _place(node, path.name)
                base = Claim("pattern", "", feed, source=place, tlp=package.tlp, context=package.title, to_ids=False)
                yield from _observable(node, base, package, place)


def _place(node: Node, file: str) -> str:
    own = node.attributes.get("id", "")
    return f"{node.name} {own.lstrip(':')}" if own else f"{file}, {node.name}"


def _named(node: Node, package: _Package, feed: str, file: str) -> Iterator[Mention]:
    """What matters of an element beside indicators; what it names."""
    place, context = _place(node, file), text(node.first("Description"))
    if node.name == "Handling":
        package.tlp = strictest([package.tlp, _level(node)])
    elif node.name == "Title":
        package.title = node.text[:300] or package.title
    elif node.name == "TTP" and not node.attributes.get("idref"):
        malware = [held.first("Name") or held.first("Title") for held in node.all("Malware_Instance")]
        codes = [one for held in node.all("Attack_Pattern") for one in _codes(held)]
        own = node.attributes.get("id", "")
        package.malware[own], package.techniques[own] = names(malware), names(codes)
        yield from (Mention("malware", name[:300], feed, place, context) for name in names(malware))
        yield from (Mention("technique", name, feed, place, context) for name in names(codes))
        yield from _vulnerabilities(node, feed, place, context)
    elif node.name == "Exploit_Target":
        yield from _vulnerabilities(node, feed, place, context)
    elif node.name in ("Threat_Actor", "Campaign") and not node.attributes.get("idref"):
        name = node.first("Name") if node.name == "Campaign" else _identity(node)
        kind = "campaign" if node.name == "Campaign" else "actor"
        name = name or node.first("Title")
        if name:
            yield Mention(kind, name[:300], feed, place, context)  # type: ignore[arg-type]


def _codes(node: Node) -> list[str]:
    return techniques(" ".join([*node.attributes.values(), node.first("Title"), node.first("Description")]))


def _identity(node: Node) -> str:
    identity = node.child("Identity")
    return identity.first("Name", "OrganisationName", "NameElement") if identity else ""


def _vulnerabilities(node: Node, feed: str, place: str, context: str) -> Iterator[Mention]:
    found = names(one for held in node.all("CVE_ID") for one in cves(held.text))
    yield from (Mention("vulnerability", one, feed, place, context) for one in found)


def _level(node: Node) -> Tlp:
    """The strictest TLP of a Handling."""
    return strictest(tlp(held.attributes.get("color", "")) for held in node.all("Marking_Structure"))


def _indicator(node: Node, package: _Package, feed: str, file: str) -> Iterator[Claim | Refused]:
    place = _place(node, file)
    if node.attributes.get("idref") and not node.children:
        return  # the other mention of an indicator that stands elsewhere
    observables = list(_outermost(node))
    base = _said(node, package, feed, place)
    if not observables:
        yield Refused(place, "the indicator has no observable")
    negated = node.attributes.get("negate", "").lower() == "true"
    for one in observables:
        if negated:
            yield Refused(place, "an indicator of what is not seen")
        else:
            yield from _observable(package.observables.get(one.attributes.get("idref", ""), one), base, package, place)


def _outermost(node: Node) -> Iterator[Node]:
    """The observables of an indicator, and of indicators within it."""
    for child in node.children:
        if child.name == "Observable":
            yield child
        elif child.name in ("Composite_Indicator_Expression", "Indicator", "Observables"):
            yield from _outermost(child)


def _said(node: Node, package: _Package, feed: str, place: str) -> Claim:
    refs = [held.attributes.get("idref", "") for held in node.all("TTP")]
    named = [name for held in node.all("Malware_Instance") if (name := held.first("Name"))]
    sure = node.child("Confidence")
    word = sure.first("Value").lower() if sure else ""
    span = node.child("Valid_Time_Position")
    handling = node.child("Handling")
    return Claim(
        "pattern",
        "",
        feed,
        source=place,
        context=": ".join(names([package.title, _own(node, "Title"), _own(node, "Description")])),
        confidence=_CONFIDENCE.get(word),
        tlp=(_level(handling) if handling else "") or package.tlp,
        valid_from=moment(span.first("Start_Time")) if span else None,
        valid_until=moment(span.first("End_Time")) if span else None,
        modified=moment(node.attributes.get("timestamp")),
        to_ids=word != "none",  # the source has no confidence in it at all
        kill_chain=names(held.attributes.get("name", "")[:200] for held in node.all("Kill_Chain_Phase")),
        techniques=names(one for ref in refs for one in package.techniques.get(ref, ())),
        malware=names([*(one for ref in refs for one in package.malware.get(ref, ())), *named]),
        actors=names(held.text[:300] for held in node.all("Threat_Actor") if held.text),
        tags=names(text(child.text, 200) for child in node.children if child.name == "Type"),
    )


def _own(node: Node, name: str) -> str:
    held = node.child(name)
    return text(held.text) if held else ""


def _observable(node: Node, base: Claim, package: _Package, place: str) -> Iterator[Claim | Refused]:
    for found in alternatives(node, package.observables):
        if isinstance(found, str):
            yield Refused(place, found)
            continue
        # A file's name beside its hash is context: others have files of that name too.
        own = replace(base, to_ids=base.to_ids and not found.context)
        yield from claims(own, found.observation, place)


FORMAT = Stix1()

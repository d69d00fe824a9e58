"""What STIX 2 objects say of each other: relationships, markings, sightings."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vizsla.errors import FeedError
from vizsla.feeds._said import TLP_IDS, listed, moment, names, strictest, techniques, text, tlp
from vizsla.nouns.indicator import Tlp

MOST = 5_000_000  # relationships and names of one document that are kept in memory
PER_OBJECT = 1_000  # of one object's relationships
_NAMED = ("malware", "tool", "intrusion-set", "threat-actor", "campaign", "attack-pattern", "vulnerability")
_HOSTILE = (*_NAMED, "infrastructure", "indicator")
_ONWARD = ("attributed-to", "authored-by")  # what leads from malware and campaigns to who is behind them


@dataclass(frozen=True, slots=True)
class Said:
    """What is tied to an object."""

    malware: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(slots=True)
class Graph:
    """Names by id, relationships by the source's id, levels of markings, spans of sightings."""

    named: dict[str, tuple[str, str]] = field(default_factory=dict)  # id -> type, name
    ties: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))  # id -> word, other's id
    behind: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # id -> ids of who is behind it
    levels: dict[str, Tlp] = field(default_factory=lambda: dict(TLP_IDS))
    seen: dict[str, tuple[datetime | None, datetime | None]] = field(default_factory=dict)
    count: int = 0

    def add(self, item: dict[str, Any]) -> None:
        """Takes what matters of an object. Raises FeedError where that becomes too much."""
        own, type = text(item.get("id"), 100), item.get("type")
        if type == "relationship" and item.get("revoked") is not True:
            source, target = text(item.get("source_ref"), 100), text(item.get("target_ref"), 100)
            word = text(item.get("relationship_type"), 60)
            self._tie(source, word, target)
            self._tie(target, "", source)
            if word in _ONWARD and len(self.behind[source]) < PER_OBJECT:
                self.behind[source].append(target)
        elif type == "sighting":
            self._sighted(item)
        elif type == "marking-definition":
            self.levels[own] = self.levels.get(own) or _level(item)
        elif isinstance(type, str) and type in _NAMED:
            self._grow()
            self.named[own] = (type, technique(item) or text(item.get("name"), 300))
        elif type == "observed-data":
            for other in listed(item.get("object_refs")):
                self._tie(text(other, 100), "", own)

    def _grow(self) -> None:
        self.count += 1
        if self.count > MOST:
            raise FeedError(f"more than {MOST} relationships", fix="split the bundle into smaller ones")

    def _tie(self, source: str, word: str, target: str) -> None:
        held = self.ties[source]
        if source and target and len(held) < PER_OBJECT:
            self._grow()
            held.append((word, target))

    def _sighted(self, item: dict[str, Any]) -> None:
        own = text(item.get("sighting_of_ref"), 100)
        first, last = moment(item.get("first_seen")), moment(item.get("last_seen"))
        before = self.seen.get(own, (None, None))
        firsts, lasts = [t for t in (before[0], first) if t], [t for t in (before[1], last, first) if t]
        if own and len(self.seen) < MOST:
            self.seen[own] = (min(firsts, default=None), max(lasts, default=None))

    def tlp(self, item: dict[str, Any]) -> Tlp:
        """The strictest level of an object's markings and of those of its parts."""
        refs = [text(ref, 100) for ref in listed(item.get("object_marking_refs"))]
        for part in listed(item.get("granular_markings")):
            if isinstance(part, dict):
                refs.append(text(part.get("marking_ref"), 100))
        return strictest(self.levels.get(ref, "") for ref in refs)

    def said(self, own: str) -> Said:
        """What an object is tied to: directly, and who is behind the malware or campaign that it is tied to."""
        found: dict[str, list[str]] = defaultdict(list)
        for word, other in self.ties.get(own, ()):
            # What points at the object ("") is its own business, unless it is what the object belongs to.
            if not word and not other.startswith(("campaign--", "intrusion-set--", "threat-actor--", "malware--")):
                continue
            self._name(other, found)
            for behind in self.behind.get(other, ()):
                self._name(behind, found)
        return Said(
            names([*found["malware"], *found["tool"]]),
            names([*found["intrusion-set"], *found["threat-actor"]]),
            names(one for text in found["attack-pattern"] for one in techniques(text)),
            names([*(f"campaign:{name}" for name in found["campaign"]), *found["vulnerability"]]),
        )

    def _name(self, other: str, found: dict[str, list[str]]) -> None:
        type, name = self.named.get(other, ("", ""))
        if type:
            found[type].append(name)

    def hostile(self, own: str) -> bool:
        """Whether an object is tied to something that an adversary has, directly or by what observed it."""
        near = [other for _, other in self.ties.get(own, ())]
        far = [
            other
            for one in near
            if one.startswith("observed-data--")
            for _, other in self.ties.get(one, ())
            if other != own
        ]
        return any(other.partition("--")[0] in _HOSTILE for other in (*near, *far))


def technique(item: dict[str, Any]) -> str:
    """The id of the ATT&CK technique that an attack pattern is; '' where it says none."""
    if item.get("type") != "attack-pattern":
        return ""
    for reference in listed(item.get("external_references")):
        if isinstance(reference, dict):
            found = techniques(text(reference.get("external_id"), 40))
            if found:
                return found[0]
    return next(iter(techniques(text(item.get("name"), 300))), "")


def _level(item: dict[str, Any]) -> Tlp:
    """The level that a marking definition says: TLP 1 in its definition, TLP 2 in an extension."""
    definition = item.get("definition")
    if isinstance(definition, dict):
        return tlp(definition.get("tlp"))
    extensions = item.get("extensions")
    if isinstance(extensions, dict):
        return strictest(tlp(held.get("tlp_2_0")) for held in extensions.values() if isinstance(held, dict))
    return tlp(item.get("name"))

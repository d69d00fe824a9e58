"""OpenIOC 1.0 and 1.1: an XML document whose definition is a tree of conditions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from vizsla.errors import FeedError
from vizsla.feed import Read
from vizsla.feeds._conditions import claims, joined, observed, path
from vizsla.feeds._said import moment, names, text
from vizsla.feeds._xml import Node, elements
from vizsla.intel.pattern import Observation
from vizsla.intel.pattern import Path as ObjectPath
from vizsla.nouns.indicator import Claim, Mention, Refused

_MUTANT = "ProcessItem/HandleList/Handle/Type"  # says only that a handle's name is a mutex's

_ACTORS, _MALWARE = ("threatgroup", "threat_group", "group"), ("family", "malware_family", "malware")


class OpenIoc:
    """OpenIOC. Alternatives of the definition are claims of their own; what must hold together is a pattern."""

    name = "openioc"
    doc = "OpenIOC 1.0 and 1.1: trees of conditions on files, processes, keys and traffic."

    def sniff(self, head: bytes, name: str) -> float:
        if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            return 0.0
        known = b"schemas.mandiant.com" in head or b"openioc.org/schemas" in head
        return 0.95 if known and (b"<ioc" in head or b"<OpenIOC" in head) else 0.0

    def read(self, path: Path, feed: str) -> Iterator[Read]:
        """All alternatives of the definition as claims, and groups and families that its links name."""
        base, found = Claim("pattern", "", feed, source=path.name), False
        for node in elements(path, ("ioc", "OpenIOC")):
            if node.name in ("ioc", "OpenIOC"):
                found = True
                base = _said(node, feed, path.name)
                yield from _mentions(base)
                for part in (child for child in node.children if child.name in ("definition", "criteria")):
                    for one in part.children:
                        if one.name == "Indicator":
                            yield from _alternatives(one, base, path.name)
        if not found:
            raise FeedError("it is no OpenIOC", where=str(path), fix="say its format")


def _said(node: Node, feed: str, place: str) -> Claim:
    """What the document says of itself."""
    links = [(link.attributes.get("rel", "").lower(), link.text) for link in node.all("link")]
    own = node.attributes.get("id", "")
    return Claim(
        "pattern",
        "",
        feed,
        source=f"ioc {own}" if own else place,
        context=": ".join(names([text(node.first("short_description")), text(node.first("description"))])),
        created=moment(node.first("authored_date") or node.attributes.get("published-date")),
        modified=moment(node.attributes.get("last-modified")),
        malware=names(value[:300] for rel, value in links if rel in _MALWARE),
        actors=names(value[:300] for rel, value in links if rel in _ACTORS),
        tags=names(word[:200] for word in node.first("keywords").split()),
    )


def _mentions(base: Claim) -> Iterator[Mention]:
    for name in base.malware:
        yield Mention("malware", name, base.feed, base.source, base.context)
    for name in base.actors:
        yield Mention("actor", name, base.feed, base.source, base.context)


def _alternatives(node: Node, base: Claim, file: str) -> Iterator[Claim | Refused]:
    """The claims of a part of the tree: of OR each branch by itself, so that one that cannot be used costs no other."""
    if node.name == "Indicator" and node.attributes.get("operator", "OR").upper() == "OR":
        for child in node.children:
            if child.name in ("Indicator", "IndicatorItem"):
                yield from _alternatives(child, base, file)
        return
    place = f"{base.source} item {node.attributes.get('id', '')[:80]}"
    try:
        root = _observation(node)
    except ValueError as error:
        yield Refused(place, str(error))
        return
    yield from claims(base, root, place)


def _observation(node: Node) -> Observation:
    if node.name == "IndicatorItem":
        return _item(node)
    inner = [child for child in node.children if child.name in ("Indicator", "IndicatorItem") and not _is_mutant(child)]
    if not inner:
        raise ValueError("an empty group of conditions")
    operator = node.attributes.get("operator", "OR").upper()
    return joined("AND" if operator == "AND" else "OR", [_observation(child) for child in inner])


def _item(node: Node) -> Observation:
    context, value = node.child("Context"), node.child("Content")
    term = context.attributes.get("search", "") if context else ""
    where = _terms().get(term)
    if where is None:
        raise ValueError(f"no log that is read holds {term[:80] or 'what it does not name'}")
    own = node.attributes.get("id", "")
    held = value.text if value else ""
    if not held and value is not None and not _is_uuid(own):
        held = own.strip()  # an exporter of MISP writes the value there, and leaves Content empty
    return observed(
        where, node.attributes.get("condition", "is"), held, negated=node.attributes.get("negate", "").lower() == "true"
    )


def _is_mutant(node: Node) -> bool:
    context = node.child("Context")
    return context is not None and context.attributes.get("search") == _MUTANT


def _is_uuid(own: str) -> bool:
    return len(own) == 36 and own.count("-") == 4


@lru_cache(maxsize=1)
def _terms() -> dict[str, ObjectPath]:
    import yaml

    held = yaml.safe_load((files("vizsla.feeds") / "_openioc.yaml").read_text("utf-8"))
    return {term: path(written) for term, written in held.items()}


FORMAT = OpenIoc()

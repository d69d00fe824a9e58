"""MISP: events as JSON, lists of attributes, and feed directories (manifest.json with one file per event)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from vizsla.errors import FeedError
from vizsla.feed import Read
from vizsla.feeds._json import WHOLE, document, streamed
from vizsla.feeds._said import all_told, listed, moment, names, strictest, techniques, text, tlp, told
from vizsla.intel.pattern import indicators
from vizsla.nouns.indicator import Claim, IndicatorType, Mention, Refused

MANIFEST = "manifest.json"
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_GALAXY = re.compile(r'misp-galaxy:([a-z0-9-]+)="(.*)"', re.DOTALL)
_CODE = re.compile(r"\s+-\s+[A-Z]{1,3}\d{4}(?:\.\d{3})?$")  # 'APT29 - G0016'
_PHASE = re.compile(r'(kill-chain|mitre-attack|cyber-kill-chain):(?:[a-z_-]+=)?"?([^"]+)"?', re.IGNORECASE)
_SURE = {"completely": 100, "usually": 75, "fairly": 50, "rarely": 25, "unconfident": 0}
_SURENESS = re.compile(r'misp:confidence-level="([a-z]+)', re.IGNORECASE)
_HASHES = frozenset(
    ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "ssdeep", "imphash", "authentihash", "tlsh")
)


@dataclass(frozen=True, slots=True)
class Mapped:
    """`_misp.yaml`."""

    indicators: Mapping[str, str]
    mentions: Mapping[str, str]
    others: Mapping[str, str]
    galaxies: Mapping[str, str]


@lru_cache(maxsize=1)
def mapped() -> Mapped:
    """What MISP's types are here."""
    import yaml

    held = yaml.safe_load((files("vizsla.feeds") / "_misp.yaml").read_text("utf-8"))
    return Mapped(held["indicators"], held["mentions"], held["others"], held["galaxies"])


class Misp:
    """MISP's JSON."""

    name = "misp"
    doc = "MISP: events and lists of attributes as JSON, and feed directories with their manifest.json."

    def sniff(self, head: bytes, name: str) -> float:
        start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        if start not in (b"{", b"["):
            return 0.0
        if re.search(rb'"Event"\s*:\s*\{', head):
            return 0.95
        if name == MANIFEST and b'"Orgc"' in head:
            return 0.95
        return 0.9 if b'"to_ids"' in head and b'"category"' in head and b'"type"' in head else 0.0

    def read(self, path: Path, feed: str) -> Iterator[Read]:
        """A file, or a feed directory (or its manifest): all events' attributes, and what galaxies name."""
        if path.is_dir() or path.name == MANIFEST:
            yield from _directory(path if path.is_dir() else path.parent, feed)
            return
        yield from _file(path, feed)


def _file(path: Path, feed: str) -> Iterator[Read]:
    """A file's events: one by one where it is large and lists them. An attribute that is no JSON is Refused."""
    if path.is_file() and path.stat().st_size > WHOLE:
        several = False
        for one in streamed(path):
            several = True
            yield from (one,) if isinstance(one, Refused) else content(one, feed, path.name)
        if several:
            return
    held, refused = document(path)
    yield from refused
    yield from content(held, feed, path.name)


def _directory(folder: Path, feed: str) -> Iterator[Read]:
    manifest, refused = document(folder / MANIFEST)
    yield from refused
    if not isinstance(manifest, dict):
        raise FeedError("the manifest is no JSON object", where=str(folder / MANIFEST), fix="get the feed again")
    for uuid in manifest:
        path = folder / f"{uuid}.json"
        if not _UUID.fullmatch(uuid):  # it becomes a file's name
            yield Refused(MANIFEST, f"{uuid[:80]!r} is no event's id")
        elif not path.is_file():
            yield Refused(MANIFEST, f"the event {uuid} has no file here")
        else:
            try:
                yield from _file(path, feed)
            except FeedError as error:
                yield Refused(path.name, error.what)


def content(held: Any, feed: str, place: str) -> Iterator[Read]:
    """What a JSON document of MISP says. Raises FeedError where it holds neither events nor attributes."""
    found = held.get("response", held) if isinstance(held, dict) else held
    items = found if isinstance(found, list) else [found]
    for item in items:
        if not isinstance(item, dict):
            yield Refused(place, "neither an event nor an attribute")
        elif isinstance(item.get("Event"), dict) and ("Attribute" in item["Event"] or "type" not in item):
            yield from event(item["Event"], feed)
        elif "Attribute" in item:
            for one in listed(item["Attribute"]):
                yield from _of(one, _base(one, feed, "") if isinstance(one, dict) else None, place)
        elif "type" in item and "value" in item:
            yield from _of(item, _base(item, feed, ""), place)
        else:
            yield Refused(place, "neither an event nor an attribute")


def event(item: dict[str, Any], feed: str) -> Iterator[Read]:
    """One event: its attributes, those of its objects, and what its galaxies name."""
    own = text(item.get("uuid"), 60) or text(item.get("id"), 60)
    place = f"event {own}"
    info = text(item.get("info"), 500)
    base = _base(item, feed, info)
    base = replace(base, source=place, context=info, created=moment(item.get("date")))
    yield from _mentions(item, base)
    for one in listed(item.get("Attribute")):
        yield from _of(one, base, place)
    for held in listed(item.get("Object")):
        if not isinstance(held, dict):
            yield Refused(place, "an object that is no JSON object")
            continue
        within = replace(base, context=": ".join(names([info, text(held.get("name"), 100), text(held.get("comment"))])))
        within = replace(within, revoked=base.revoked or held.get("deleted") is True)
        for one in listed(held.get("Attribute")):
            yield from _of(one, within, place)


def _of(item: Any, base: Claim | None, place: str) -> Iterator[Read]:
    """One attribute, in what is said of its event."""
    if not isinstance(item, dict) or base is None:
        yield Refused(place, "an attribute that is no JSON object")
        return
    type, value = item.get("type"), item.get("value")
    where = f"{place} attribute {text(item.get('uuid'), 60) or text(item.get('id'), 60)}"
    if not isinstance(type, str) or not isinstance(value, str):
        yield Refused(where, "the attribute lacks its type or its value")
        return
    known = mapped()
    said = _attribute(item, base, where)
    mention = known.mentions.get(type)
    if mention:
        yield Mention(mention, value[:300], base.feed, where, said.context)  # type: ignore[arg-type]
    if type == "stix2-pattern":
        try:
            yield from all_told(said, indicators(value), where)
        except ValueError as error:
            yield Refused(where, f"its pattern cannot be read: {error}")
        return
    halves = _halves(type)
    if halves:
        yield from _values(halves, value, said, where)
    elif not mention:
        yield Refused(where, f"{type}: {known.others.get(type, 'no type of indicator that events are matched with')}")


def _halves(type: str) -> list[str]:
    """What an attribute of a type holds, one or two things; [] for what is no indicator."""
    known = mapped().indicators
    whole = known.get(type, type)  # 'malware-sample' is 'filename|md5'
    if "|" not in whole:
        return [known[type]] if type in known and known[type] != "skip" else []
    halves = [known.get(half, "") for half in whole.split("|")]
    return halves if all(halves) and any(half != "skip" for half in halves) else []


def _values(halves: list[str], value: str, said: Claim, where: str) -> Iterator[Read]:
    """The indicators of an attribute's value, or of its two halves."""
    parts = value.split("|", 1) if len(halves) == 2 else [value]
    if len(parts) != len(halves):
        yield Refused(where, f"not two values: {value[:80]!r}")
        return
    hashed = any(half in _HASHES for half in halves)
    for half, part in zip(halves, parts, strict=True):
        if half == "skip":
            continue
        if half == "url" and part.startswith("/"):
            part = "*://*" + part  # a 'uri': a path on whatever host
        # A file's name beside its hash is context: others have files of that name too.
        whole = replace(said, to_ids=said.to_ids and not (half == "file_name" and hashed))
        yield told(whole, cast("IndicatorType", half), part, where)


def _base(item: Mapping[str, Any], feed: str, context: str) -> Claim:
    """What tags and galaxies say, of an event or an attribute."""
    tags = [text(tag.get("name"), 300) for tag in listed(item.get("Tag")) if isinstance(tag, dict)]
    named = _named(item, tags)
    sure = [_SURE.get(found[1].lower()) for tag in tags if (found := _SURENESS.match(tag))]
    return Claim(
        "pattern",
        "",
        feed,
        context=context,
        confidence=next((one for one in sure if one is not None), None),
        tlp=strictest(tlp(tag) for tag in tags if ":" in tag),
        revoked=item.get("deleted") is True,
        kill_chain=names(f"{found[1].lower()}:{found[2].lower()}" for tag in tags if (found := _PHASE.fullmatch(tag))),
        techniques=names(one for kind, name in named if kind == "technique" for one in techniques(name)),
        malware=names(_CODE.sub("", name) for kind, name in named if kind in ("malware", "tool")),
        actors=names(_CODE.sub("", name) for kind, name in named if kind == "actor"),
        tags=names(tag for tag in tags if not _GALAXY.fullmatch(tag)),
    )


def _named(item: Mapping[str, Any], tags: Iterable[str]) -> list[tuple[str, str]]:
    """What galaxies name: (kind, name)."""
    galaxies = mapped().galaxies
    found = [(galaxies.get(got[1], ""), got[2]) for tag in tags if (got := _GALAXY.fullmatch(tag))]
    for galaxy in listed(item.get("Galaxy")):
        if not isinstance(galaxy, dict):
            continue
        for cluster in listed(galaxy.get("GalaxyCluster")):
            if isinstance(cluster, dict):
                kind = text(cluster.get("type"), 100) or text(galaxy.get("type"), 100)
                found.append((galaxies.get(kind, ""), text(cluster.get("value"), 300)))
    return [(kind, name) for kind, name in dict.fromkeys(found) if kind and name]


def _mentions(item: Mapping[str, Any], base: Claim) -> Iterator[Mention]:
    """What an event's galaxies name, without the number that its name may end with."""
    tags = [text(tag.get("name"), 300) for tag in listed(item.get("Tag")) if isinstance(tag, dict)]
    for kind, name in _named(item, tags):
        if kind == "technique":
            for one in techniques(name) or [name]:
                yield Mention("technique", one, base.feed, base.source, base.context)
        elif kind != "other":
            yield Mention(kind, _CODE.sub("", name), base.feed, base.source, base.context)  # type: ignore[arg-type]


def _attribute(item: Mapping[str, Any], base: Claim, where: str) -> Claim:
    """What an attribute adds to what is said of its event."""
    own = _base(item, base.feed, "")
    return replace(
        base,
        source=where,
        context=": ".join(names([base.context, text(item.get("comment"))])),
        confidence=base.confidence if own.confidence is None else own.confidence,
        tlp=own.tlp or base.tlp,
        first_seen=moment(item.get("first_seen")),
        last_seen=moment(item.get("last_seen")),
        modified=moment(item.get("timestamp")),
        revoked=base.revoked or own.revoked,
        to_ids=item.get("to_ids") is True or item.get("to_ids") in (1, "1"),
        kill_chain=names([*base.kill_chain, *own.kill_chain]),
        techniques=names([*base.techniques, *own.techniques]),
        malware=names([*base.malware, *own.malware]),
        actors=names([*base.actors, *own.actors]),
        tags=names([*base.tags, *own.tags]),
    )


FORMAT = Misp()

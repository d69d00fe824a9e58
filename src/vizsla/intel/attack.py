"""MITRE ATT&CK at hand offline: techniques, tactics, groups, software, campaigns, data components, and how they hang
together. What ships is the enterprise matrix of the version that `load().version` tells; `update` takes a newer one
from the STIX file that MITRE publishes, and keeps it with a lake: where a lake has one, `adopt` makes it that of this
process as the lake is opened, and `current` gives it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from vizsla.errors import FeedError
from vizsla.feed import LARGEST
from vizsla.intel._attack_stix import compact
from vizsla.nouns.indicator import Mention

__all__ = [
    "Actor", "Attack", "Named", "Tactic", "Technique", "adopt", "current", "dumped", "forget", "load", "mentions",
    "techniques_in", "update",
]  # fmt: skip

FILE = "intel/attack.json"  # within a lake, where it was updated there


@dataclass(frozen=True, slots=True)
class Tactic:
    """'TA0002', 'Execution', 'execution'."""

    id: str
    name: str
    short: str


@dataclass(frozen=True, slots=True)
class Technique:
    """A technique or sub-technique. tactics: short names; data_components: ids of what it is seen in."""

    id: str
    name: str
    tactics: tuple[str, ...]
    platforms: tuple[str, ...]
    data_components: tuple[str, ...]

    @property
    def parent(self) -> str:
        """'T1059' of 'T1059.001'; '' of a technique itself."""
        return self.id.partition(".")[0] if "." in self.id else ""


@dataclass(frozen=True, slots=True)
class Actor:
    """A group, a campaign or software. `kind`: 'group', 'campaign', 'malware' or 'tool'.

    techniques, software, groups: ids of what it uses, and whom a campaign is attributed to.
    """

    id: str
    name: str
    kind: str
    aliases: tuple[str, ...]
    techniques: tuple[str, ...]
    software: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attack:
    """The framework's facts: techniques, groups, software, campaigns, data components by id, tactics by short name."""

    version: str
    notice: str
    tactics: Mapping[str, Tactic]
    techniques: Mapping[str, Technique]
    groups: Mapping[str, Actor]
    software: Mapping[str, Actor]
    campaigns: Mapping[str, Actor]
    data_components: Mapping[str, str]  # id -> name
    revoked: Mapping[str, str]  # old id -> new id

    def technique(self, id: str) -> Technique | None:
        """The technique of an id, or the one that took its place; the parent of a sub-technique that is unknown."""
        upper = id.strip().upper()
        upper = self.revoked.get(upper, upper)
        return self.techniques.get(upper) or self.techniques.get(upper.partition(".")[0])

    def full_name(self, id: str) -> str:
        """'Command and Scripting Interpreter: PowerShell' of T1059.001; the id itself where it is unknown."""
        found = self.techniques.get(id)
        if found is None:
            return id
        above = self.techniques.get(found.parent)
        return f"{above.name}: {found.name}" if above else found.name

    def actors(self) -> Iterator[Actor]:
        """Groups, software and campaigns."""
        yield from self.groups.values()
        yield from self.software.values()
        yield from self.campaigns.values()

    def using(self, technique: str) -> Iterator[Actor]:
        """Who uses a technique or one of its sub-techniques."""
        below = technique + "."
        return (a for a in self.actors() if any(t == technique or t.startswith(below) for t in a.techniques))

    @cached_property
    def speech(self) -> Any:
        """How texts speak of it: a `_attack_speech.Speech`, made once."""
        from vizsla.intel._attack_speech import Speech

        return Speech(self)


@dataclass(frozen=True, slots=True)
class Named:
    """What a text speaks of. `name`: a technique's id, else the name that ATT&CK has.

    named: by id, name or alias; else described. text: the words; at: where they begin.
    """

    kind: str  # 'technique', 'malware', 'tool', 'actor', 'campaign'
    id: str
    name: str
    named: bool
    text: str
    at: int


def load(path: Path | None = None) -> Attack:
    """ATT&CK as it ships, or as `update` wrote it to `path`. Raises FeedError where that cannot be read."""
    if path is None:
        return _shipped()
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FeedError(
            f"ATT&CK cannot be read: {error}", where=str(path), fix="update it again from MITRE's file"
        ) from None
    return _built(content, str(path))


@lru_cache(maxsize=1)
def _shipped() -> Attack:
    return _built(json.loads(resources.files("vizsla.intel").joinpath("attack.json").read_text("utf-8")), "attack.json")


_adopted: list[Path] = []  # where the last lake that was opened here keeps one


def adopt(root: Path) -> None:
    """Makes ATT&CK as the lake at `root` keeps it that of this process; where it keeps none, nothing changes.

    It is read when it is first asked for: `current` raises FeedError where it cannot be.
    """
    path = root / FILE
    if path.is_file():
        _adopted[:] = [path]


def forget() -> None:
    """Forgets what lakes made known here: ATT&CK as it ships, until a lake is opened again."""
    _adopted.clear()
    _kept.cache_clear()


def current() -> Attack:
    """ATT&CK as it was last adopted; as it ships where none was. Raises FeedError where it cannot be read."""
    for path in _adopted:
        if path.is_file():
            return _kept(path, path.stat().st_mtime_ns)
    return load()


@lru_cache(maxsize=1)
def _kept(path: Path, changed: int) -> Attack:
    return load(path)


def update(stix: Path, into: Path) -> Attack:
    """Reads MITRE's STIX bundle (2.0 or 2.1; enterprise, mobile or ICS) and writes its facts to `into`; gives them.

    Raises FeedError where the file is no such bundle; what `into` held before then stays.
    """
    try:
        if stix.stat().st_size > LARGEST:
            raise FeedError(
                "it is too large", where=str(stix), fix=f"ATT&CK's file has far less than {LARGEST >> 20} MiB"
            )
        bundle = json.loads(stix.read_bytes())
    except OSError as error:
        raise FeedError(
            f"it cannot be read: {error.strerror}", where=str(stix), fix="check its path and rights"
        ) from None
    except (ValueError, RecursionError):
        raise FeedError("it is no JSON", where=str(stix), fix="give the STIX file that MITRE publishes") from None
    objects = bundle.get("objects") if isinstance(bundle, Mapping) else None
    if not isinstance(objects, list):
        raise FeedError("it is no STIX bundle", where=str(stix), fix="give the STIX file that MITRE publishes")
    try:
        content = compact(objects)
        found = _built(content, str(stix))
    except (TypeError, KeyError, AttributeError) as error:
        raise FeedError(f"its objects are not as MITRE writes them: {error}", where=str(stix)) from None
    into.parent.mkdir(parents=True, exist_ok=True)
    beside = into.with_name(into.name + ".new")
    beside.write_text(dumped(content), "utf-8")
    beside.replace(into)
    return found


def dumped(content: Mapping[str, Any]) -> str:
    """The compact rows as JSON, one a line, so that two versions can be compared."""
    parts = []
    for key, value in content.items():
        if isinstance(value, list):
            rows = ",\n".join("  " + json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in value)
            parts.append(f"{json.dumps(key)}: [\n{rows}\n]")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _built(content: Mapping[str, Any], where: str) -> Attack:
    try:
        return Attack(
            version=str(content["version"]),
            notice=str(content["notice"]),
            tactics={row["short"]: Tactic(row["id"], row["name"], row["short"]) for row in content["tactics"]},
            techniques={
                row["id"]: Technique(
                    row["id"], row["name"], tuple(row["tactics"]), tuple(row["platforms"]), tuple(row["data"])
                )
                for row in content["techniques"]
            },
            groups=_actors(content["groups"], "group"),
            software=_actors(content["software"], ""),
            campaigns=_actors(content["campaigns"], "campaign"),
            data_components={row["id"] or row["name"]: row["name"] for row in content["data_components"]},
            revoked=dict(content["revoked"]),
        )
    except (KeyError, TypeError) as error:
        raise FeedError(
            f"ATT&CK's facts lack {error}", where=where, fix="update them again from MITRE's file"
        ) from None


def _actors(rows: Iterable[Mapping[str, Any]], kind: str) -> dict[str, Actor]:
    return {
        row["id"]: Actor(
            row["id"], row["name"], kind or row["kind"], tuple(row["aliases"]), tuple(row["techniques"]),
            tuple(row.get("software", ())), tuple(row.get("groups", ())),
        )
        for row in rows
    }  # fmt: skip


def techniques_in(text: str, attack: Attack | None = None) -> tuple[Named, ...]:
    """What of ATT&CK a text speaks of, in the order of the text, each thing once (named rather than described).

    Techniques by id (also a retired one), by name, or described; groups, software and campaigns by name or alias.
    Linear in the text.
    """
    found: tuple[Named, ...] = (attack or current()).speech.of(text)
    return found


def mentions(text: str, feed: str, source: str, attack: Attack | None = None) -> Iterator[Mention]:
    """`techniques_in` as a feed says it, `text` being the context."""
    for one in techniques_in(text, attack):
        yield Mention(one.kind, one.name, feed, source, text[:600], one.named)  # type: ignore[arg-type]

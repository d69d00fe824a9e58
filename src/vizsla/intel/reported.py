"""What reports say, gathered for a hunt: indicators by type, techniques with their sentences, and whom it is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vizsla import feeds
from vizsla.errors import FeedError
from vizsla.feed import Read
from vizsla.ingest.walk import walk
from vizsla.intel.attack import Actor, Attack
from vizsla.nouns.hypothesis import Reported, Said, Subject
from vizsla.nouns.indicator import Claim, Mention

_PLAIN = frozenset(("readme", "index", "report", "indicators", "iocs", "ioc"))  # names that tell nothing
_KINDS = {"group": "actor"}


@dataclass(frozen=True, slots=True)
class Spoken:
    """How a report speaks of a technique, first and best."""

    said: Said
    context: str = ""
    source: str = ""


@dataclass(slots=True)
class Gathered:
    """What reports say together. ids: of the indicators that are meant to be looked for."""

    reports: list[Reported] = field(default_factory=list)
    ids: dict[str, tuple[str, str]] = field(default_factory=dict)  # -> type and value
    techniques: dict[str, Spoken] = field(default_factory=dict)
    subjects: dict[tuple[str, str], Subject] = field(default_factory=dict)
    actors: dict[str, Actor] = field(default_factory=dict)

    @property
    def types(self) -> Counter[str]:
        """How many indicators of each type."""
        return Counter(type for type, _ in self.ids.values())


def gather(paths: Sequence[str], attack: Attack) -> Gathered:
    """Read reports, bundles and lists; folders are walked. What cannot be read is told in `reports`."""
    found = Gathered()
    names = {name.lower(): actor for actor in attack.actors() for name in (actor.id, *actor.aliases, actor.name)}
    by_name = {technique.name.lower(): id for id, technique in attack.techniques.items() if "." not in id}
    for given in paths:
        if (Path(given) / feeds.MANIFEST).is_file():  # a folder that is one feed
            found.reports.append(_read(Path(given), found, attack, names, by_name))
            continue
        for one in walk([given]):
            path = Path(one.path)
            found.reports.append(
                Reported(name_of(path), str(path), "", why=one.why)
                if one.why
                else _read(path, found, attack, names, by_name)
            )
    return found


def name_of(path: Path) -> str:
    """What a report is called: its file's name, with its folder's where the file's own tells nothing."""
    return f"{path.parent.name}/{path.name}" if path.stem.lower() in _PLAIN and path.parent.name else path.name


def _read(path: Path, found: Gathered, attack: Attack, names: dict[str, Actor], by_name: dict[str, str]) -> Reported:
    name, why, format_name = name_of(path), "", ""
    counts: Counter[str] = Counter()
    try:
        format = feeds.sniffed(path)
        if format is None:
            return Reported(name, str(path), "")
        format_name = format.name
        for said in format.read(path, name):
            counts[_take(said, found, attack, names, by_name)] += 1
    except FeedError as error:  # what came before it counts
        why = error.what
    return Reported(name, str(path), format_name, counts["indicator"], counts["context"], counts["refused"], why)


def _take(said: Read, found: Gathered, attack: Attack, names: dict[str, Actor], by_name: dict[str, str]) -> str:
    if isinstance(said, Claim):
        for id in said.techniques:
            _technique(id, Spoken("named", said.context, said.source), found, attack)
        if not said.to_ids or said.revoked:
            return "context"
        found.ids[said.id] = (said.type, said.value)
        return "indicator"
    if not isinstance(said, Mention):
        return "refused"
    if said.kind == "technique":
        id = by_name.get(said.name.lower(), said.name)
        spoken = Spoken("named" if said.named else "described", said.context, said.source)
        _technique(id, spoken, found, attack)
    elif said.kind != "vulnerability":
        actor = names.get(said.name.lower())
        subject = Subject(said.kind, said.name)
        if actor is not None:
            found.actors[actor.id] = actor
            kind = _KINDS.get(actor.kind, actor.kind)
            subject = Subject(kind, actor.name, actor.id, len(actor.techniques))
        found.subjects.setdefault((subject.kind, subject.name.lower()), subject)
    return "mention"


def _technique(id: str, spoken: Spoken, found: Gathered, attack: Attack) -> None:
    """The technique as today's ATT&CK has it; what is named counts before what is described."""
    technique = attack.technique(id)
    if technique is None:
        return
    known = found.techniques.get(technique.id)
    better = known is None or (spoken.said == "named" and known.said != "named")
    if better or (known is not None and known.said == spoken.said and not known.context):
        found.techniques[technique.id] = spoken

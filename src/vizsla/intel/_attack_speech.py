"""How texts speak of ATT&CK: by ids, by names and aliases as words of their own, by phrases that describe."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from vizsla.declared import from_yaml

if TYPE_CHECKING:
    from vizsla.intel.attack import Attack, Named

_ID = re.compile(r"(?<![\w.])(?:T(?P<t>\d{4})(?:[./](?P<sub>\d{3}))?|(?P<other>[GSC]\d{4}))(?!\w|[./]\d)")
_FRAMEWORK = re.compile(r"ATT&CK|\bMITRE\b|\btechniques?\b|\bTTPs?\b", re.IGNORECASE)
_WORD = re.compile(r"[a-z&]+[a-z0-9&]*")
_BLANKS = re.compile(r"\s+")
_NEAR = 60  # characters around a name that is an everyday word, in which a cue must stand
_LONGEST = 200_000


@lru_cache(maxsize=1)
def _words() -> dict[str, Any]:
    content: dict[str, Any] = from_yaml(
        resources.files("vizsla.intel").joinpath("attack_words.yaml").read_text("utf-8")
    )
    return content


class Speech:
    """The words of one version of ATT&CK, compiled: immutable."""

    def __init__(self, attack: Attack) -> None:
        from ahocorasick_rs import AhoCorasick

        self.attack = attack
        words = _words()
        self.common = frozenset(words["common"])
        self.cues = frozenset(words["cues"])
        # Lower case -> what it may mean: (kind, id, named, how it must be written, '' for any way)
        self.means: dict[str, list[tuple[str, str, bool, str]]] = defaultdict(list)
        self._techniques(words)
        self._actors(frozenset(words["nobody"]))
        self.patterns = sorted(self.means)
        self.automaton = AhoCorasick(self.patterns)

    def _techniques(self, words: dict[str, Any]) -> None:
        never, any_case = frozenset(words["never"]), frozenset(words["named"])
        by_name: dict[str, list[str]] = defaultdict(list)
        for technique in self.attack.techniques.values():
            by_name[technique.name].append(technique.id)
            if technique.parent:
                full = self.attack.full_name(technique.id)
                self.means[full.lower()].append(("technique", technique.id, True, ""))
        for name, ids in by_name.items():
            low = name.lower()
            if len(ids) == 1 and low in any_case:
                self.means[low].append(("technique", ids[0], True, ""))
            elif len(ids) == 1 and low not in never and " " in name:
                self.means[low].append(("technique", ids[0], True, name))
        for id, phrases in words["described"].items():
            known = self.attack.technique(id)
            for phrase in phrases if known else ():
                if not any(named and not written for _, _, named, written in self.means.get(str(phrase), ())):
                    self.means[str(phrase)].append(("technique", known.id if known else id, False, ""))

    def _actors(self, nobody: frozenset[str]) -> None:
        taken: set[tuple[str, str]] = set()
        for aliases in (False, True):
            for actor in self.attack.actors():
                kind = "actor" if actor.kind == "group" else actor.kind
                for name in actor.aliases if aliases else (actor.name,):
                    low = name.lower()
                    if (
                        low.removesuffix(".exe") in nobody
                        or len(name) < 3
                        or (low, kind) in taken
                        or re.fullmatch(r"[GSC]\d{4}", name)
                    ):
                        continue
                    taken.add((low, kind))
                    written = name if low in self.common or len(name) < 5 else ""
                    self.means[low].append((kind, actor.id, True, written))

    def of(self, text: str) -> tuple[Named, ...]:
        """What a text speaks of, each thing once."""
        from vizsla.intel.attack import Named

        best: dict[tuple[str, str], Named] = {}
        for start in range(0, max(len(text), 1), _LONGEST):
            piece = _BLANKS.sub(" ", text[start : start + _LONGEST + 200])
            for kind, id, named, words, at in (*self._ids(piece), *self._names(piece)):
                name = id if kind == "technique" else self._name(kind, id)
                found = Named(kind, id, name, named, words, start + at)
                known = best.get((kind, id))
                if known is None or (named and not known.named):
                    best[kind, id] = found
        return tuple(sorted(best.values(), key=lambda n: (n.at, n.kind, n.id)))

    def _name(self, kind: str, id: str) -> str:
        attack = self.attack
        known = attack.groups.get(id) or attack.software.get(id) or attack.campaigns.get(id)
        return known.name if known else id

    def _ids(self, text: str) -> Iterator[tuple[str, str, bool, str, int]]:
        framework: bool | None = None
        for found in _ID.finditer(text):
            if found["other"]:
                id = found["other"]
                known = self.attack.groups.get(id) or self.attack.software.get(id) or self.attack.campaigns.get(id)
                if known:
                    kind = "actor" if known.kind == "group" else known.kind
                    yield kind, id, True, found[0], found.start()
                continue
            id = f"T{found['t']}" + (f".{found['sub']}" if found["sub"] else "")
            id = self.attack.revoked.get(id, id)
            if id not in self.attack.techniques:
                if framework is None:
                    framework = _FRAMEWORK.search(text) is not None
                if not framework:
                    continue
            yield "technique", id, True, found[0], found.start()

    def _names(self, text: str) -> Iterator[tuple[str, str, bool, str, int]]:
        low = text.lower()
        if len(low) != len(text):  # a few letters grow in lower case: places would shift
            low = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
        spans = sorted(
            (start, end, self.patterns[which])
            for which, start, end in self.automaton.find_matches_as_indexes(low, overlapping=True)
            if self._word(low, start, end)
        )
        reach = -1
        for start, end, pattern in sorted(spans, key=lambda s: (s[0], -s[1])):
            inside = end <= reach  # of a longer phrase: 'Process Discovery' in 'System Process Discovery'
            said = text[start:end]
            for kind, id, named, written in self.means[pattern]:
                if (inside and kind == "technique") or (written and not self._written(said, written)):
                    continue
                if pattern in self.common and not self._cued(low, start, end):
                    continue
                yield kind, id, named, said, start
                reach = max(reach, end)

    @staticmethod
    def _written(said: str, written: str) -> bool:
        return said == written or (said.isupper() and len(said) > 12)

    @staticmethod
    def _word(text: str, start: int, end: int) -> bool:
        """Whether it is a word of its own: not part of a longer one, of a name with dots, or of a path."""
        before, after = text[start - 1 : start], text[end : end + 2]
        if (before.isalnum() and text[start].isalnum()) or before in ("_", "@"):
            return False
        if before == "." and start > 1 and text[start - 2].isalnum():
            return False
        last = text[end - 1]
        if after[:1].isalnum() and last.isalnum():
            return after[:1] == "s" and not after[1:2].isalnum()  # a plural
        return not (after[:1] in ("_", "@") or (after[:1] == "." and after[1:2].isalnum()))

    def _cued(self, low: str, start: int, end: int) -> bool:
        around = low[max(0, start - _NEAR) : start] + " " + low[end : end + _NEAR]
        return any(word in self.cues for word in _WORD.findall(around))

"""Events made to meet rules, and some that just fail to: what a rule's condition asks for, spelt out."""

from __future__ import annotations

import random
import re
import string
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.rule import SigmaRule
from sigma.types import (
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaRegularExpression,
    SigmaString,
    SpecialChars,
)

LETTERS = string.ascii_letters + string.digits + r" \/.-_%'"
KEYWORDS = "Message"


class Maker:
    """Makes one event for a rule; `chance` decides all that the rule leaves open."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.begins: dict[str, str] = {}
        self.holds: dict[str, list[str]] = {}
        self.ends: dict[str, str] = {}
        self.is_: dict[str, str] = {}
        self.absent: set[str] = set()
        self.like: list[tuple[str, str]] = []

    def event(self, rule: SigmaRule) -> dict[str, str]:
        """An event that meets one of the rule's conditions, if that can be seen from its parts one by one."""
        self.meet(self.chance.choice(rule.detection.parsed_condition).parsed, True)
        names = dict.fromkeys([*self.is_, *self.begins, *self.holds, *self.ends])
        made = {name: self.text(name) for name in names if name not in self.absent}
        for name, other in self.like:
            made[name] = made.setdefault(other, self.noise())
        return self.spoilt(made) if self.chance.random() < 0.35 else made

    def text(self, name: str) -> str:
        if name in self.is_:
            return self.is_[name]
        return (
            self.begins.get(name, "") + self.noise().join(["", *self.holds.get(name, []), ""]) + self.ends.get(name, "")
        )

    def spoilt(self, made: dict[str, str]) -> dict[str, str]:
        """The same, with something amiss in one field: gone, empty, or another text."""
        if not made:
            return made
        name = self.chance.choice(list(made))
        text = made.pop(name)
        at = self.chance.randrange(len(text) + 1)
        changed = [None, "", text[:at] + text[at + 1 :], text[:at] + "x" + text[at:], text.swapcase()]
        kept = self.chance.choice(changed)
        return made if kept is None else {**made, name: kept}

    def meet(self, node: Any, wanted: bool) -> None:
        if isinstance(node, ConditionNOT):
            self.meet(node.args[0], not wanted)
        elif isinstance(node, ConditionAND | ConditionOR):
            every = isinstance(node, ConditionAND) == wanted
            for one in node.args if every else [self.chance.choice(node.args)]:
                self.meet(one, wanted)
        elif isinstance(node, ConditionFieldEqualsValueExpression):
            self.value(node.field, node.value, wanted)
        elif isinstance(node, ConditionValueExpression):
            self.value(KEYWORDS, node.value, wanted, anywhere=True)

    def value(self, name: str, value: Any, wanted: bool, anywhere: bool = False) -> None:
        if not wanted:
            if self.chance.random() < 0.4 and name not in self.is_:
                self.holds.setdefault(name, []).append(self.noise())
            return
        if isinstance(value, SigmaExpansion):
            self.value(name, self.chance.choice(value.values), wanted, anywhere)
        elif isinstance(value, SigmaString):
            self.pieces(name, value, anywhere)
        elif isinstance(value, SigmaNull) or (isinstance(value, SigmaExists) and not value.exists):
            self.absent.add(name)
        elif isinstance(value, SigmaExists):
            self.holds.setdefault(name, []).append(self.noise())
        elif isinstance(value, SigmaRegularExpression):
            self.holds.setdefault(name, []).append(self.matching(str(value.regexp)))
        elif isinstance(value, SigmaCIDRExpression):
            network = value.network
            self.is_[name] = str(network[self.chance.randrange(min(network.num_addresses, 2**30))])
        elif isinstance(value, SigmaCompareExpression):
            self.is_[name] = str(value.number.number + self.chance.choice([-1, 0, 1, 7]))
        elif isinstance(value, SigmaFieldReference):
            self.like.append((name, value.field))
        elif anywhere:
            self.holds.setdefault(name, []).append(str(value))
        else:
            self.is_[name] = str(value)

    def pieces(self, name: str, value: SigmaString, anywhere: bool) -> None:
        texts = [self.noise() if one == SpecialChars.WILDCARD_MULTI else self.chance.choice(LETTERS)
                 if one == SpecialChars.WILDCARD_SINGLE else str(one) for one in value.s]  # fmt: skip
        whole = "".join(texts)
        if not isinstance(value, SigmaCasedString):
            whole = "".join(c.swapcase() if self.chance.random() < 0.2 and len(c.swapcase()) == 1 else c for c in whole)
        open_front = anywhere or (bool(value.s) and value.s[0] == SpecialChars.WILDCARD_MULTI)
        open_back = anywhere or (bool(value.s) and value.s[-1] == SpecialChars.WILDCARD_MULTI)
        if open_front and open_back:
            self.holds.setdefault(name, []).append(whole)
        elif open_front:
            self.ends[name] = whole
        elif open_back:
            self.begins[name] = whole
        else:
            self.is_[name] = whole

    def noise(self) -> str:
        return "".join(self.chance.choice(LETTERS) for _ in range(self.chance.choice([0, 0, 1, 3])))

    def matching(self, pattern: str) -> str:
        """A text that a regular expression should match, if it asks for nothing around it."""
        try:
            return self._of(_parser.parse(pattern))
        except (re.error, OverflowError):
            return pattern

    def _of(self, tree: Any) -> str:
        return "".join(self._part(kind, argument) for kind, argument in tree)

    def _part(self, kind: Any, argument: Any) -> str:
        if kind is sre.LITERAL:
            return chr(argument)
        if kind in (sre.ANY, sre.NOT_LITERAL):
            return self.chance.choice("abz01")
        if kind is sre.IN:
            return self._among(argument)
        if kind is sre.BRANCH:
            return self._of(self.chance.choice(argument[1]))
        if kind is sre.SUBPATTERN:
            return self._of(argument[3])
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            low, high, inner = argument
            times = self.chance.randint(low, max(low, min(int(high), low + 2)))
            return "".join(self._of(inner) for _ in range(times))
        return ""

    def _among(self, members: Any) -> str:
        if members[0][0] is sre.NEGATE:
            tried = [c for c in "az09 _-;~" if not re.match(_class(members[1:]), c)]
            return self.chance.choice(tried or ["\x01"])
        kind, argument = self.chance.choice(members)
        if kind is sre.LITERAL:
            return chr(argument)
        if kind is sre.RANGE:
            return chr(self.chance.randint(*argument))
        return {"CATEGORY_DIGIT": "7", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "w"}.get(str(argument), "!")


def _class(members: Any) -> str:
    """Members of a class as one again."""
    parts = []
    for kind, argument in members:
        if kind is sre.LITERAL:
            parts.append(re.escape(chr(argument)))
        elif kind is sre.RANGE:
            parts.append(f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}")
        else:
            parts.append(
                {"CATEGORY_DIGIT": r"\d", "CATEGORY_SPACE": r"\s", "CATEGORY_WORD": r"\w"}.get(str(argument), "!")
            )
    return f"[{''.join(parts)}]"

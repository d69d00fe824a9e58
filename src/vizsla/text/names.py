"""File names meant to be taken for others: one edit away, the same to the eye, or spelled to hide an ending."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from typing import Any

from vizsla.declared import from_yaml

SURE = 200  # sightings that a fact of system.yaml weighs as much as
LONGEST = 120  # characters of a name that are compared
SHORTEST = 4  # letters before the ending: names shorter than this are near to each other by chance
# What passes for another at a glance, within ASCII and beyond: the letter that each is taken for.
_LIKE = str.maketrans({
    "0": "o", "1": "l", "3": "e", "5": "s", "i": "l", "|": "l", "$": "s", "@": "a",
    "а": "a", "ԁ": "d", "е": "e", "һ": "h", "і": "l", "ј": "j", "κ": "k", "о": "o", "ο": "o", "р": "p", "ѕ": "s",
    "с": "c", "ս": "u", "ν": "v", "ѵ": "v", "ԝ": "w", "х": "x", "у": "y", "ɡ": "g", "ⅼ": "l", "ı": "l", "ℓ": "l",
})  # fmt: skip
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_DOCUMENT = r"pdf|docx?|xlsx?|pptx?|rtf|txt|jpe?g|png|gif|zip|mp[34]|html?|csv"
_RUNS = r"exe|scr|com|pif|bat|cmd|js|jse|vbs|vbe|hta|lnk|ps1|dll|cpl|msi"
_TWICE = re.compile(rf"\.({_DOCUMENT})\s*\.({_RUNS})$")
_GAP = re.compile(rf"\s\.({_RUNS})$|\s{{5,}}")


@lru_cache(maxsize=1)
def facts() -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """By the name of a program of Windows: the directories it lies in, and the programs that start it."""
    found = _system()
    places = {name: tuple(group["in"]) for group in found["directories"] for name in group["names"]}
    return places, {name: tuple(parents) for name, parents in found["parents"].items()}


@lru_cache(maxsize=1)
def shipped() -> dict[str, frozenset[str]]:
    """Names that Windows itself brings, in lower case: of programs without their ending, of services without number."""
    return {"program": frozenset(map(stem, facts()[0])), "service": frozenset(_system()["services"])}


@lru_cache(maxsize=1)
def _system() -> dict[str, Any]:
    found: dict[str, Any] = from_yaml((files("vizsla.text") / "system.yaml").read_text("utf-8"))
    return found


def split(path: str) -> tuple[str, str]:
    """Directory and name of a path in lower case, without drive or device, its root as most programs write it."""
    text = path.strip().strip('"').lower().replace("/", "\\") if "\\" in path or ":" in path else path.strip().lower()
    text = re.sub(r"^\\\\[?.]\\|^\\\?\?\\", "", text)
    text = re.sub(r"^\\device\\[a-z0-9]+", "", text)
    text = re.sub(r"^(\\systemroot|%systemroot%|%windir%)(?=\\)", r"\\windows", text)
    text = re.sub(r"^[a-z]:(?=\\)", "", text)
    directory, _, name = text.rpartition("\\") if "\\" in text else text.rpartition("/")
    return directory, name[:LONGEST]


def skeleton(name: str) -> str:
    """What a name looks like: two names of one skeleton pass for each other at a glance."""
    plain = unicodedata.normalize("NFKC", _HIDDEN.sub("", name.lower())).translate(_LIKE)
    plain = "".join(letter for letter in unicodedata.normalize("NFD", plain) if not unicodedata.combining(letter))
    for pair, one in _PAIRS:
        plain = plain.replace(pair, one)
    return plain


def spelling(name: str) -> str:
    """How a name hides what it is; '' where it does not."""
    if _HIDDEN.search(name):
        return "holds characters that cannot be seen or turn the writing round"
    if _TWICE.search(name):
        return "ends like a document before it ends like a program"
    if _GAP.search(name):
        return "hides its ending behind blanks"
    return ""


class Near:
    """Names that are one edit apart, or look the same, found by what is left when one letter is deleted.

    A name of n letters is asked for by n + 1 look-ups, however many names there are (Mor & Fraenkel 1982).
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = sorted({name for name in names if len(stem(name)) >= SHORTEST})
        self._left: dict[str, list[str]] = {}
        self._looks: dict[str, list[str]] = {}
        for name in self.names:
            for part in deletions(name):
                self._left.setdefault(part, []).append(name)
            self._looks.setdefault(skeleton(name), []).append(name)

    def of(self, name: str) -> tuple[str, str]:
        """The known name that this one is near to, and how: 'looks like' or 'is one edit from'; ('', '') where none is.

        Names that differ in digits alone are versions of each other, and near to nothing.
        """
        if len(stem(name)) < SHORTEST:
            return "", ""
        versions = re.sub("[0-9]+", "", name)
        alike = (other for other in self._looks.get(skeleton(name), ()) if other != name)
        for other in alike:
            if re.sub("[0-9]+", "", other) != versions:
                return other, "looks like"
        near = {other for part in deletions(name) for other in self._left.get(part, ())} - {name}
        for other in sorted(near):
            if re.sub("[0-9]+", "", other) != versions and one_edit(name, other):
                return other, "is one edit from"
        return "", ""


def stem(name: str) -> str:
    """A name without its ending."""
    return name.rpartition(".")[0] or name


def deletions(name: str) -> set[str]:
    """The name itself, and all that is left of it when one of its first letters is deleted."""
    short = name[:LONGEST]
    return {short, *(short[:i] + short[i + 1 :] for i in range(len(short)))}


def one_edit(one: str, other: str) -> bool:
    """Whether one letter was added, lost, changed, or changed places with the next."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    rest, else_ = one[at:], other[at:]
    if rest[1:] in (else_[1:], else_) or rest == else_[1:]:
        return True
    return rest[:2] == else_[:2][::-1] and rest[2:] == else_[2:]

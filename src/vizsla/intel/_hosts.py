"""Whether a name with dots in it, found in prose, is a domain, a file's name, or neither."""

from __future__ import annotations

import re
from typing import Literal

from vizsla.intel._defused import is_defused, plain
from vizsla.intel._words import word_list
from vizsla.intel.suffix import known_tld, public_suffix

EXTENSIONS = word_list("extensions")
OTHER_ROOTS = word_list("other_roots")
_BOTH = frozenset(part for part in EXTENSIONS if known_tld("x." + part))
_SELDOM_FILES, _WITHIN_NAMES = word_list("seldom_files"), word_list("within_names")
_PLATFORMS, _FAMILIES = word_list("platforms"), word_list("families")
_CODE, _FRAMEWORKS, _REVERSED = word_list("code"), word_list("frameworks"), word_list("reversed")
_PLAIN_ROOTS = frozenset({"com", "net", "org", "info", "biz", "top", "xyz", "gov", "edu"})
_HOSTING_WORDS = re.compile(
    r"\b(?:domains?|c&c|c2|c\.c|command[- ]and[- ]control|servers?|hosts?|hosted|hostnames?|dns|websites?|sites?|urls?|"
    r"network|resolv\w+|beacon\w*|phishing|infrastructure|contact\w*|sinkhole\w*|landing)\b",
    re.IGNORECASE,
)
_FILE_WORDS = re.compile(
    r"\b(?:files?|scripts?|modules?|librar\w+|drops?|dropped|executes?|runs?|opens?|saved?|written|binary|source|"
    r"extension|archive|python|perl|shell|function|class|method|packages?|repository|code|compiled)\b",
    re.IGNORECASE,
)

Sort = Literal["domain", "file", ""]


def sort_of(marked: str, *, before: str, after: str, alone: bool, words: str) -> Sort:
    """What a name (with marks where it was defused) is.

    before, after: the characters around it. alone: it is all that stands in its line, cell or quotes. words: the
    sentence and the heading, for what may be either.
    """
    name = plain(marked).strip("_")
    labels = name.lower().split(".")
    last = labels[-1]
    if is_defused(marked):
        if last in OTHER_ROOTS or _registered(name):
            return "domain"
        return "file" if last in EXTENSIONS else ""
    if last in EXTENSIONS and last not in _BOTH:
        return "file"
    if last not in OTHER_ROOTS and not _registered(name):
        return "file" if last in _BOTH and len(labels) > 1 and not _abbreviation(labels) else ""
    if last in OTHER_ROOTS and last != "onion":
        return "domain" if alone and _HOSTING_WORDS.search(words) else ""
    if _identifier(name, labels, before, after, alone=alone):
        return "file" if last in _BOTH and not after.startswith("(") and _FILE_WORDS.search(words) else ""
    if last in _BOTH and last not in _SELDOM_FILES:
        return _either(name, labels, words)
    return "domain"


def _registered(name: str) -> bool:
    """Whether it is a name below a public suffix, with labels as names have them."""
    try:
        from vizsla.intel._web import host_name

        host = host_name(name)
    except (ValueError, UnicodeError):
        return False
    suffix = public_suffix(host)
    if not known_tld(host) or suffix == host or "_" in host[: -len(suffix) - 1].rpartition(".")[2]:
        return False
    return not any(label.startswith("-") or label.endswith("-") or not label for label in host.split("."))


def _abbreviation(labels: list[str]) -> bool:
    return all(len(label) == 1 for label in labels)


def _identifier(name: str, labels: list[str], before: str, after: str, *, alone: bool) -> bool:
    """Whether a live name is rather code's, a detection's, or the end of a sentence without a space."""
    if labels[0] in _CODE or name.lower() in _FRAMEWORKS or after.startswith("("):
        return True
    if any(label in _PLATFORMS for label in labels[:-1]) or labels[0] in _FAMILIES:
        return True
    if before.endswith(("import ", "from ", "package ", "using ", "namespace ", "class ", "new ")):
        return True
    written = name.split(".")
    if name.isupper() and len(labels[-1]) > 2 and labels[-1] not in _PLAIN_ROOTS:
        return True  # 'LICENSE.MIT'
    if not name.isupper() and any(c.isupper() for c in written[-1]):
        return True  # 'System.Net', 'Spy.Agent.AK', 'it.In'
    if len(labels) >= 3 and labels[0] in _REVERSED and labels[1] not in _REVERSED and not alone:
        return True  # 'com.apple.app'
    return all(len(label) <= 1 for label in labels[:-1]) and not alone  # 'p.m', 'e.g'


def _either(name: str, labels: list[str], words: str) -> Sort:
    """A name whose last part is both a top-level domain and a file's: 'update.sh', 'allegro.pl'."""
    if labels[0] == "www" or (len(labels) >= 3 and labels[-2] not in _WITHIN_NAMES and _HOSTING_WORDS.search(words)):
        return "domain"
    if any(c.isupper() for c in name) or "_" in name:
        return "file"
    return "domain" if _HOSTING_WORDS.search(words) and not _FILE_WORDS.search(words) else "file"

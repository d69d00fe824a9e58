"""What a value holds of a type of indicator, in normal form: the exact comparison behind every look-up by runs.

A column that can hold an indicator as a whole is compared as a whole; in text it is cut out where its like may begin
and end. Addresses, names and hashes are cut out everywhere: lists of them are as usual as single ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from vizsla.intel.columns import group
from vizsla.intel.normal import normal

Found = dict[str, str]
"""Normal forms, and what stood there."""

REMEMBERED = 65_536
LONGEST = 1 << 20  # characters of a value that are cut up
ENDS = 12  # blanks at which a path or key within a text may end
_SPLIT = {  # what may follow a path or key in text
    "hard": re.compile(r"[\"'`<>|\r\n\t\x00]"),
    "soft": re.compile(r"[ ,;)\]}]"),
}
_RUN = re.compile(r"[0-9A-Za-z\u0080-\U0010ffff._-]+")
_PART = re.compile(r"[0-9A-Za-z\u0080-\U0010ffff]+")
_IPV6 = re.compile(r"(?<![0-9A-Za-z:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s\"'`<>|\x00-\x20]+")
_MAIL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[0-9A-Za-z\u0080-\U0010ffff._-]+")
_SIGNS = re.compile(r"['`{}=/*|&?!#$%^]")
_PATH = re.compile(r"(?<![A-Za-z0-9])(?:[A-Za-z]:[\\/]|%[A-Za-z0-9_()]{1,40}%|\\\\[^\\\s]|~?/[^/\s]|\\\?\?\\)")
_KEY = re.compile(r"(?<![A-Za-z0-9_])(?:HKEY_[A-Z_]+|HK(?:LM|CU|U|CR|CC):?|\\?REGISTRY)\\", re.IGNORECASE)
_PIPE = re.compile(r"(?:\\\\[^\\\s\"']+\\pipe\\|\\Device\\NamedPipe\\)", re.IGNORECASE)
_NAME = re.compile(r"[^\\/:*?\"'<>|\r\n\t=,;()\[\]{}]+")
_DIGESTS = group("hash") - {"ssdeep", "tlsh", "ja4", "ja4s"}


def _ok(type: str, text: str) -> Iterator[tuple[str, str]]:
    try:
        yield normal(type, text), text
    except ValueError:
        return


@lru_cache(REMEMBERED)
def fragments(type: str, given: str, within: bool) -> Found:
    """All that a value holds of a type: normal form -> what stood there. `within`: it is text, not the thing itself."""
    given = given[:LONGEST]
    found: Found = {}
    for value, text in _cutters().get(type, _whole)(type, given, within):
        found.setdefault(value, text)
    return found


@lru_cache(1)
def _cutters() -> dict[str, Callable[[str, str, bool], Iterator[tuple[str, str]]]]:
    return {
        "ipv4": _addresses4, "cidr": _addresses4, "ipv6": _addresses6, "domain": _domains, "url": _urls,
        "email": _mails,
        "file_name": _names, "file_path": _paths, "registry_key": _keys, "pipe": _pipes, "process": _processes,
        "cve": _tokens, "bitcoin": _tokens, "ja4": _tokens, "ja4s": _tokens, "tlsh": _tokens, "ssdeep": _fuzzy,
        "certificate_serial": _serials, "certificate_fingerprint": _serials,
        **dict.fromkeys(_DIGESTS, _digests),
    }  # fmt: skip


def _whole(type: str, given: str, within: bool) -> Iterator[tuple[str, str]]:
    yield from _ok(type, given)


def _tokens(type: str, given: str, within: bool) -> Iterator[tuple[str, str]]:
    for found in _RUN.finditer(given):
        yield from _ok(type, found[0].strip("._-"))


def _digests(type: str, given: str, within: bool) -> Iterator[tuple[str, str]]:
    for found in _PART.finditer(given):
        yield from _ok(type, found[0])


def _addresses4(type: str, given: str, within: bool) -> Iterator[tuple[str, str]]:
    for found in _RUN.finditer(given):
        token = found[0].strip("._-")
        if token.count(".") == 3:
            yield from _ok("ipv4", token)


def _addresses6(type: str, given: str, within: bool) -> Iterator[tuple[str, str]]:
    if given.count(":") > 1:
        for found in _IPV6.finditer(given):
            yield from _ok(type, found[0])


def _domains(type: str, given: str, within: bool) -> Iterator[tuple[str, str]]:
    for found in _RUN.finditer(given):
        token = found[0].strip("._-")
        if "." not in token or _in_path(given, found.start()):
            continue
        whole = found[0].strip(".-")
        if whole != token:  # names of services begin with an underscore: _ldap._tcp.example.com
            yield from _ok("domain", whole)
        for name, _ in _ok("domain", token):
            yield name, token
            labels = name.split(".")
            for place in range(1, len(labels) - 1):
                yield ".".join(labels[place:]), token


def _in_path(given: str, start: int) -> bool:
    """Whether what begins here is a part of a path: one slash stands before it, not the two of a URL or a share."""
    before = given[start - 1 : start]
    return before in ("\\", "/") and before != "" and given[start - 2 : start - 1] != before


def _urls(type: str, given: str, within: bool) -> Iterator[tuple[str, str]]:
    if not within and "://" not in given.partition("?")[0]:
        yield from _ok("url", given)
    for found in _URL.finditer(given):
        text = found[0]
        yield from _ok("url", text)
        short = text.rstrip(".,;:!?)]}")
        if within and short != text:
            yield from _ok("url", short)


def _mails(type: str, given: str, within: bool) -> Iterator[tuple[str, str]]:
    for found in _MAIL.finditer(given):
        text = found[0].rstrip("._-")
        yield from _ok("email", text)
        short = _SIGNS.split(text)[-1]  # quotes and signs may stand before an address, too
        if short != text:
            yield from _ok("email", short)


def _names(type: str, given: str, within: bool) -> Iterator[tuple[str, str]]:
    if not within:
        yield from _ok("file_name", re.split(r"[\\/]", given.strip().strip("\"'").rstrip("\\/"))[-1])
        return
    for found in _NAME.finditer(given):
        piece = found[0].strip()
        yield from _ok("file_name", piece)
        words = piece.split(" ")
        if len(words) > 1:  # in text names end at blanks, and some hold them
            for word in words:
                yield from _ok("file_name", word)
            for place in range(1, min(len(words), ENDS)):
                yield from _ok("file_name", " ".join(words[:place]))
                yield from _ok("file_name", " ".join(words[place:]))


def _stretches(given: str, start: re.Pattern[str]) -> Iterator[str]:
    """Where something begins, up to each place where it may end."""
    for found in start.finditer(given):
        begin = found.start()
        hard = _SPLIT["hard"].search(given, found.end())
        end = hard.start() if hard else len(given)
        yield given[begin:end]
        for count, soft in enumerate(_SPLIT["soft"].finditer(given, found.end(), end)):
            if count == ENDS:
                break
            yield given[begin : soft.start()]


def _paths(type: str, given: str, within: bool) -> Iterator[tuple[str, str]]:
    if not within:
        yield from _ok("file_path", given)
        return
    for text in _stretches(given, _PATH):
        yield from _ok("file_path", text)


def _keys(type: str, given: str, within: bool) -> Iterator[tuple[str, str]]:
    if not within:
        yield from _ok("registry_key", given)
        return
    for text in _stretches(given, _KEY):
        yield from _ok("registry_key", text)


def _pipes(type: str, given: str, within: bool) -> Iterator[tuple[str, str]]:
    if not within:
        yield from _ok("pipe", given)
        return
    for text in _stretches(given, _PIPE):
        yield from _ok("pipe", text)


def _processes(type: str, given: str, within: bool) -> Iterator[tuple[str, str]]:
    yield from _ok("process", given)
    yield from _ok("process", re.split(r"[\\/]", given)[-1])


def _fuzzy(type: str, given: str, within: bool) -> Iterator[tuple[str, str]]:
    for found in re.finditer(r"(?<![0-9])\d{1,10}:[A-Za-z0-9+/]+:[A-Za-z0-9+/]+", given):
        yield from _ok("ssdeep", found[0])


def _serials(type: str, given: str, within: bool) -> Iterator[tuple[str, str]]:
    yield from _ok(type, given)

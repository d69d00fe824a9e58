"""Looking through one piece of text for indicators, one kind after the other; what was taken is taken once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from vizsla.intel import _patterns as p
from vizsla.intel._defused import defused, plain
from vizsla.intel._hosts import EXTENSIONS
from vizsla.intel._named import file_is_common, local_hash_type, named_objects, object_type, path_end
from vizsla.intel._net import addresses, emails, hosts, links, sited, urls
from vizsla.intel._pieces import Hit, Pieces, run_long
from vizsla.nouns.indicator import IndicatorType

_BY_LENGTH: dict[int, IndicatorType] = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
_ENDING = re.compile(r"\.([A-Za-z0-9]{1,5})(?![\w-])")
_BLACKED = re.compile(r"\[?redacted\]?|\[\.\.\.\]|x{5,}|\.\.\.", re.I)


def look(text: str, label: str, heading: str, kind: str, *, document_defuses: bool) -> Iterator[Hit]:
    """The indicators of a piece of text, in the order in which they stand there."""
    about = f"{heading} {label}"
    words = f"{about} {text[:2000]}"
    marked = defused(text)
    if not _worth(marked, about):
        return
    sentence = kind == "sentence"
    pieces = Pieces(
        marked, label, words, kind,
        live_is_told=sentence and document_defuses,
        published=sentence and p.PUBLISHED.search(text) is not None,
        bystander=p.BYSTANDERS.search(about) is not None,
    )  # fmt: skip
    objects = object_type(label, words, kind)
    if objects:
        for raw, at in named_objects(objects, marked, label, kind):
            pieces.take(objects, raw, at)
    for step in _STEPS:
        step(pieces)
    pieces.hits.sort(key=lambda hit: hit.at)
    yield from pieces.hits


_WORTH = re.compile(
    r"[\w\]][.\ue000][\w*]|[\\@\ue001\ue002]|/[\w.]|::|:\w|[0-9A-Fa-f]{32}|\bASN? ?\d|CVE|[13bB][A-Za-z0-9]{24}|"
    r"erial|SERIAL|gent:|"
    r"\w_[0-9a-f]{4}",
    re.IGNORECASE,
)


def _worth(text: str, about: str) -> bool:
    """Whether there is anything in it that any of the passes could take: most prose has nothing."""
    return _WORTH.search(text) is not None or object_type(about, text, "item") is not None


def _certificates(s: Pieces) -> None:
    def serial(found: re.Match[str]) -> int:
        s.take("certificate_serial", found["value"], found.start("value"))
        return len(found[0])

    def colons(found: re.Match[str]) -> int | None:
        bytes_ = found[0].count(":") + 1
        if bytes_ in (16, 20, 32) and re.search("fingerprint|thumbprint|certificate|sha|md5", s.words, re.I):
            s.take("certificate_fingerprint", found[0], found.start())
        return len(found[0])

    if "erial" in s.text or "SERIAL" in s.text:
        s.run(p.SERIAL, serial)
    if s.text.count(":") > 6:
        s.run(p.COLONS, colons)


def _paths(s: Pieces) -> None:
    if "\\" not in s.text and "/" not in s.text:
        return

    def at(type_: IndicatorType) -> Callable[[re.Match[str]], int | None]:
        def handle(found: re.Match[str]) -> int | None:
            raw = path_end(s.text, found, spaced=type_ != "pipe")
            if len(raw) - len(found[0]) < 1 and type_ != "pipe":
                return None
            if _BLACKED.search(raw):
                return len(raw)
            common = type_ == "file_path" and file_is_common(plain(raw))
            s.take(type_, raw, found.start(), reference=common)
            return len(raw)

        return handle

    # Their ends are found in the text itself: whole matches are gone through by hand.
    places: tuple[tuple[re.Pattern[str], IndicatorType], ...] = (
        (p.REGISTRY, "registry_key"),
        (p.PIPE, "pipe"),
        (p.PATH, "file_path"),
    )
    for pattern, type_ in places:
        run_long(s, pattern, at(type_))


_HEX = re.compile(r"[0-9A-Fa-f]{32}")
_GATED: tuple[tuple[re.Pattern[str], re.Pattern[str], IndicatorType], ...] = (
    (re.compile(r"[Tt]1[0-9A-Fa-f]{70}"), p.TLSH, "tlsh"),
    (re.compile(r"\d:[A-Za-z0-9+/]{6}"), p.SSDEEP, "ssdeep"),
    (re.compile(r"[Cc][Vv][Ee]"), p.CVE, "cve"),
    (re.compile(r"AS"), p.ASN, "asn"),
    (re.compile(r"[A-Za-z0-9]{25}"), p.BITCOIN, "bitcoin"),
)
"""What must stand in a text before a slower pattern is worth its time."""


def _hashes(s: Pieces) -> None:
    def digest(found: re.Match[str]) -> int | None:
        raw = found[0]
        if raw.isalpha() or raw.isdigit() or len(set(raw.lower())) < 6:
            return len(raw)
        named = _ENDING.match(s.text, found.end())
        if named and named[1].lower() in EXTENSIONS:
            return None  # a file's name
        type_ = local_hash_type(s.text[max(0, found.start() - 60) : found.start()], s.label, s.words, len(raw))
        if type_ != "secret":
            s.take(type_ or _BY_LENGTH[len(raw)], raw, found.start())  # type: ignore[arg-type]
        return len(raw)

    if _HEX.search(s.text):
        s.run(p.HASH, digest)
    for gate, pattern, type_ in _GATED:
        if gate.search(s.text):
            s.run(pattern, _plainly(s, type_))
    if "_" in s.text:
        s.run(p.JA4, lambda found: _ja4(s, found))


def _ja4(s: Pieces, found: re.Match[str]) -> int | None:
    kind: IndicatorType = "ja4" if len(found[0]) == 36 else "ja4s"
    return len(found[0]) if s.take(kind, found[0], found.start()) else None


def _plainly(s: Pieces, type_: IndicatorType) -> Callable[[re.Match[str]], int | None]:
    def handle(found: re.Match[str]) -> int | None:
        return len(found[0]) if s.take(type_, found[0], found.start()) else None

    return handle


def _agents(s: Pieces) -> None:
    def agent(found: re.Match[str]) -> int | None:
        raw = found[0].strip().rstrip(".,;'")
        return len(found[0]) if " " in raw and s.take("user_agent", raw, found.start()) else None

    if "Mozilla/" in s.text or "gent:" in s.text:
        s.run(p.AGENT, agent)


def _globals(s: Pieces) -> None:
    if "lobal\\" in s.text or "ocal\\" in s.text:
        s.run(p.GLOBAL, lambda found: len(found[0]) if s.take("mutex", found[0], found.start()) else None)


def _spaced_names(s: Pieces) -> None:
    """`Quarterly report.docx`: names with blanks, where quotes say how far they reach."""
    if "." not in s.text:
        return

    def name(found: re.Match[str]) -> int | None:
        raw = next(group for group in found.groups() if group is not None)
        if " " not in raw or len(raw) > 80 or raw.count(" ") > 8 or any(c in raw for c in "\\/:*?<>|=,;(\ue00f"):
            return None
        if raw.rpartition(".")[2].lower() not in EXTENSIONS or raw.endswith(" "):
            return None
        return len(found[0]) if s.take("file_name", raw, found.start() + 1) else None

    s.run(p.QUOTED, name)


_STEPS: tuple[Callable[[Pieces], None], ...] = (
    links, urls, emails, _agents, _certificates, sited, addresses, _paths, _globals, _hashes, _spaced_names, hosts,
)  # fmt: skip

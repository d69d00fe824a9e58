"""Reports as people get them: prose with indicators in it, each kept with the sentence that it stood in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from vizsla.errors import FeedError
from vizsla.feed import Read
from vizsla.feeds._documents import binary, decoded, html_units, pdf_units
from vizsla.feeds._opened import opened
from vizsla.intel._units import Unit, lines_of, units
from vizsla.intel.attack import mentions
from vizsla.intel.extract import Found, Marked, in_unit
from vizsla.nouns.indicator import Claim, Mention, Refused, Tlp

NO_TLP: Tlp = ""
AHEAD = 2_000  # units by which it is known whether a report defuses its indicators, and what its TLP is
MOST_NUL = 0.05  # share of NUL in what is still taken for text
LARGEST_TEXT = 256 << 20  # bytes
MENTIONED = 64 << 20  # characters in which techniques are looked for: the report's own words stand before its lists
_TEXTS = (".txt", ".text", ".md", ".markdown", ".mdown", ".adoc", ".asciidoc", ".asc", ".rst", ".rest", ".log", ".org")
_PAGES = (".html", ".htm", ".xhtml", ".mhtml")
_CODE = (".py", ".js", ".ps1", ".sh", ".rb", ".go", ".c", ".cpp", ".h", ".java", ".cs", ".vbs", ".pl", ".rs", ".lua")
_HTML = re.compile(rb"<!doctype html|<html[\s>]|<head[\s>]|<body[\s>]", re.IGNORECASE)
_TLP = re.compile(r"\bTLP\s?[:\-–]\s?(?P<tlp>WHITE|CLEAR|GREEN|AMBER\s?\+\s?STRICT|AMBER|RED)\b", re.IGNORECASE)
# Colours and other codes of terminals, in what was pasted from one; of a link its target stays.
_CODES = re.compile(r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]")
_LINKS = re.compile(r"\x1b\][0-9]{1,4};[^;\x1b\x07]{0,200};?|\x1b\\|\x07")


class _Report:
    """The format."""

    name = "report"
    doc = "Reports in text, Markdown, AsciiDoc, reStructuredText, HTML or PDF: indicators and techniques out of prose."

    def sniff(self, head: bytes, name: str) -> float:
        """0 to 1; low for text of any kind, so that every stricter format comes before it."""
        low = name.lower()
        if b"%PDF-" in head[:1024]:
            return 0.95
        start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:2048]
        if _HTML.search(start):
            return 0.9
        if binary(head[:4096]) and not (low.endswith(_TEXTS) and head.count(0) <= MOST_NUL * len(head)):
            return 0.0
        if start.startswith((b"{", b"<?xml")):
            return 0.0
        if low.endswith(_PAGES):
            return 0.5
        if low.endswith(_TEXTS):
            return 0.4
        return 0.1 if head and (low.endswith(_CODE) or b"\n" in head or len(head) < 4096) else 0.0

    def read(self, path: Path, feed: str) -> Iterator[Read]:
        """Claims with their sentences, mentions of what ATT&CK knows, and what could not be read.

        What a report only tells of (links to blogs, a system's own files) comes as claims that are not `to_ids`.
        """
        try:
            with path.open("rb") as stream:
                head = stream.read(65_536)
        except OSError as error:
            raise FeedError(
                f"the file cannot be opened: {error.strerror}", where=str(path), fix="check its path"
            ) from None
        if b"%PDF-" in head[:1024]:
            parts: Iterator[Unit | Refused] = pdf_units(path)
        elif _HTML.search(head[:4096]) or path.suffix.lower() in _PAGES:
            parts = html_units(path)
        elif path.stat().st_size > LARGEST_TEXT:
            raise FeedError(
                f"the text is larger than {LARGEST_TEXT >> 20} MiB, the most that is read as a report",
                where=str(path),
                fix="a list or a table may be of any size: name it with --format plain or table",
            )
        else:
            parts = _text_units(path)
        yield from told(parts, feed, path.name)


def _text_units(path: Path) -> Iterator[Unit | Refused]:
    nul = [0]
    with opened(path) as stream:
        yield from units(map(_uncoded, lines_of(decoded(stream, nul))))
    if nul[0]:
        yield Refused("its text", f"NUL characters in the text: {nul[0]:,}, taken for nothing; it may be damaged")


def _uncoded(line: str) -> str:
    """A line without what only a terminal reads."""
    return _LINKS.sub(" ", _CODES.sub("", line)) if "\x1b" in line else line


def told(parts: Iterator[Unit | Refused], feed: str, document: str) -> Iterator[Read]:
    """What a document's units say."""
    ahead = list(islice(parts, AHEAD))
    marked = Marked()
    for part in ahead:
        if isinstance(part, Unit):
            marked.see(part)
    tlp = next((_tlp(level) for p in ahead if isinstance(p, Unit) and (level := _TLP.search(p.text))), NO_TLP)
    spoken: set[tuple[str, str, bool]] = set()
    read = 0
    for part in chain(ahead, parts):
        if isinstance(part, Refused):
            yield Refused(f"{document}, {part.place}", part.reason)
            continue
        read += len(part.text)
        source = f"{document}, {part.place}"
        said: tuple[Mention, ...] = ()
        if read <= MENTIONED and part.kind != "code":
            said = tuple(mentions(part.context, feed, source))
        for one in said:
            key = one.kind, one.name, one.named
            if key not in spoken and (one.kind, one.name, True) not in spoken:
                spoken.add(key)
                yield one
        for found in marked.fresh(in_unit(part, defuses=marked.defuses)):
            yield claim(found, feed, source, tlp, said)
            if found.type == "cve" and ("vulnerability", found.value, True) not in spoken:
                spoken.add(("vulnerability", found.value, True))
                yield Mention("vulnerability", found.value, feed, source, found.context)


def claim(found: Found, feed: str, source: str, tlp: Tlp, said: tuple[Mention, ...]) -> Claim:
    """An indicator as the report claims it, with what its own sentence names."""
    return Claim(
        found.type, found.value, feed, raw=found.raw, source=source, context=found.context, tlp=tlp,
        to_ids=not found.reference,
        techniques=tuple(m.name for m in said if m.kind == "technique" and m.named),
        malware=tuple(m.name for m in said if m.kind in ("malware", "tool")),
        actors=tuple(m.name for m in said if m.kind == "actor"),
    )  # fmt: skip


def _tlp(found: re.Match[str]) -> Tlp:
    text = re.sub(r"\s", "", found["tlp"].lower())
    return "clear" if text == "white" else text  # type: ignore[return-value]


FORMAT = _Report()

"""A report's text in the units that a reader takes in: sentences, list items, table rows, lines of code.

One reader for plain text, Markdown, AsciiDoc and reStructuredText: their marks for headings, tables, lists and
literal blocks differ little, and what is no mark is text. It goes line by line, in bounded memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["sentence", "item", "row", "code", "heading"]
LONGEST = 65_536  # characters of a line that are taken at once
_PARAGRAPH_LINES, _PARAGRAPH = 200, 30_000
_CONTEXT = 600

_HEADING = re.compile(r"(?:#{1,6}|={1,6})\s+(\S.*)")
_FENCE = re.compile(r"(-{4,}|\.{4,}|`{3,}|~{3,})[\w.+-]{0,20}")
_RULE = re.compile(r"(?:[=\-~^\"*+_#'.]\s?){3,}")
_ITEM = re.compile(r"(?:[*\-+•·▪◦o]{1,6}|\d{1,3}[.)]|[a-z][.)])\s+(\S.*)")
_TABLE = re.compile(r"\|={3,}\s*")
_SPLIT_ROW = re.compile(r"(?<!\\)\|")
_SEPARATOR = re.compile(r"[|\s:+\-=]+")
_SENTENCE = re.compile(r"(?<=[.!?])[\"')\]”’]?\s+(?=[\"'(\[“‘]?[A-Z])")
_PEM = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]{3,40}-----")
_PLAIN_WORD = re.compile(r"[\"'(“‘*_`]*[A-Za-z][a-z'’-]*[\"').,;:!?”’*_`]*")


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of text to look into. `cells`: (name of the column, text) of a row; of all else one, without a name."""

    text: str  # as it is written
    place: str  # 'line 12'
    kind: Kind
    heading: str
    cells: tuple[tuple[str, str], ...]

    @property
    def context(self) -> str:
        """The text, cut where it is very long."""
        return self.around(0)

    def around(self, at: int) -> str:
        """The text; of a very long one what is around a place in it."""
        if len(self.text) <= _CONTEXT:
            return " ".join(self.text.split())
        start = max(0, at - _CONTEXT // 3)
        return ("…" if start else "") + " ".join(self.text[start : start + _CONTEXT].split()) + "…"


def lines_of(chunks: Iterable[str]) -> Iterator[str]:
    """Text in pieces of any size as lines of at most LONGEST characters, cut where a word ends if there is one."""
    held = ""
    for chunk in chunks:
        held += chunk
        lines = held.split("\n")
        held = lines.pop()
        for line in lines:
            yield from _cut(line) if len(line) > LONGEST else (line,)
        while len(held) > 2 * LONGEST:
            at = _end_of_word(held)
            yield held[:at]
            held = held[at:]
    if held:
        yield from _cut(held)


def _end_of_word(text: str) -> int:
    return next(
        (at for stop in (" ", "\t", '"', ",", ";", "'", "<") if (at := text.rfind(stop, 1, LONGEST)) > 0), LONGEST
    )


def _cut(line: str) -> Iterator[str]:
    start = 0
    while len(line) - start > LONGEST:
        at = start + _end_of_word(line[start : start + LONGEST])
        yield line[start:at]
        start = at
    yield line[start:]


def prose(line: str) -> bool:
    """Whether it reads as a sentence or part of one: at least four words, three of them plain."""
    words = line.split(maxsplit=40)
    return len(words) >= 4 and sum(len(w) > 1 and _PLAIN_WORD.fullmatch(w) is not None for w in words) >= 3


def units(lines: Iterable[str]) -> Iterator[Unit]:
    """The units of a text, in order."""
    return _Reader().read(lines)


class _Reader:
    def __init__(self) -> None:
        self.heading = ""
        self.columns: tuple[str, ...] | None = None  # None: no table; (): one whose columns have no names
        self.fence = ""
        self.paragraph: list[str] = []
        self.held = 0
        self.began = 0
        self.in_asciidoc = False  # within |=== and |===
        self.lead = ""  # the sentence that introduces a list: 'The malware contacts these domains:'

    def read(self, lines: Iterable[str]) -> Iterator[Unit]:
        key = False
        number = 0
        for number, raw in enumerate(lines, 1):
            line = raw.strip()
            mark = _PEM.search(line) if "-----" in line else None
            if mark:
                key = mark[1] == "BEGIN" and not line.endswith("END")
                continue
            if key and line and " " not in line and len(line) <= 80:
                continue  # base 64
            key = False
            yield from self._line(raw, line, number)
        yield from self._flush()

    def _line(self, raw: str, line: str, number: int) -> Iterator[Unit]:
        if not line:
            yield from self._flush()
            if not self.fence and self.columns is not None and not self.in_asciidoc:
                self.columns = None
            return
        if self.fence:
            yield from self._code(raw, line, number)
            return
        fence = _FENCE.fullmatch(line)
        if fence and not (self.paragraph and _RULE.fullmatch(line) and line[0] in "-~."):
            yield from self._flush()
            self.fence = fence[1]
            return
        if _RULE.fullmatch(line):
            yield from self._ruled(number)
            return
        heading = _HEADING.fullmatch(line)
        if heading:
            yield from self._flush()
            yield self._headed(heading[1].strip("# ="), number)
            return
        if line[0] == "|" or " | " in line or raw.count("\t") >= 2:
            yield from self._flush()
            yield from self._row(raw, line, number)
            return
        item = _ITEM.fullmatch(line)
        if item:
            yield from self._flush()
            yield from self._sentences(item[1], number, "item")
            return
        yield from self._text(line, number)

    def _code(self, raw: str, line: str, number: int) -> Iterator[Unit]:
        if line == self.fence or (line[:3] == self.fence[:3] and _FENCE.fullmatch(line)):
            self.fence = ""
        elif self.fence[0] == "-" and line.startswith("== "):
            self.fence = ""  # it was a rule across the page
            yield from self._line(raw, line, number)
        else:
            yield Unit(raw.strip("\r"), f"line {number}", "code", self._about(), (("", line),))

    def _ruled(self, number: int) -> Iterator[Unit]:
        """A line of '=====': under a title, or across the page."""
        if len(self.paragraph) == 1 and len(self.paragraph[0]) < 150:
            title = self.paragraph.pop()
            yield self._headed(title, number - 1)
        yield from self._flush()

    def _headed(self, title: str, number: int) -> Unit:
        self.heading, self.columns, self.lead = title[:200], None, ""
        return Unit(title, f"line {number}", "heading", self.heading, (("", title),))

    def _row(self, raw: str, line: str, number: int) -> Iterator[Unit]:
        if _TABLE.fullmatch(line):
            self.in_asciidoc = not self.in_asciidoc
            self.columns = () if self.in_asciidoc else None
            return
        if _SEPARATOR.fullmatch(line):
            return
        parts = _SPLIT_ROW.split(line.strip("|")) if "|" in line else raw.strip("\r").split("\t")
        cells = [part.strip() for part in parts]
        if not self.columns and _names(cells):
            self.columns = tuple(cell.strip("*_` ").lower() for cell in cells)
            return
        self.columns = self.columns or ()
        named = self.columns if len(self.columns) == len(cells) else ("",) * len(cells)
        row = tuple((name, cell) for name, cell in zip(named, cells, strict=True) if cell)
        yield Unit(line, f"line {number}", "row", self._about(), row)

    def _text(self, line: str, number: int) -> Iterator[Unit]:
        words = prose(line)
        if self.paragraph:
            ended = self.paragraph[-1].endswith((".", ":", ";", "!", "?"))
            if words or not ended:
                self._append(line)
                if not words or len(self.paragraph) >= _PARAGRAPH_LINES or self.held > _PARAGRAPH:
                    yield from self._flush()
                return
            yield from self._flush()
        if words:
            self.began = number
            self._append(line)
        elif len(line) < 100 and line.endswith(":"):
            self.lead = line
            yield Unit(line, f"line {number}", "sentence", self.heading, (("", line),))
        elif len(line) < 100 and " " not in line and not line.isalpha():
            yield Unit(line, f"line {number}", "item", self._about(), (("", line),))
        else:
            # Perhaps a title: the next line may underline it.
            self.began = number
            self._append(line)
            if len(line) >= 150 or "." in line or ":" in line:
                yield from self._flush()

    def _append(self, line: str) -> None:
        self.paragraph.append(line)
        self.held += len(line) + 1

    def _flush(self) -> Iterator[Unit]:
        if not self.paragraph:
            return
        text = " ".join(self.paragraph)
        self.paragraph, self.held = [], 0
        self.lead = text if text.endswith(":") else ""
        if prose(text):
            yield from self._sentences(text, self.began, "sentence")
        else:
            yield Unit(text, f"line {self.began}", "item", self._about(), (("", text),))

    def _sentences(self, text: str, number: int, kind: Kind) -> Iterator[Unit]:
        for sentence in _SENTENCE.split(text):
            yield Unit(sentence, f"line {number}", kind, self._about(), (("", sentence),))

    def _about(self) -> str:
        return f"{self.heading}: {self.lead[-200:]}" if self.lead else self.heading


def _names(cells: list[str]) -> bool:
    """Whether a row's cells are names of columns: short words without anything that an indicator has."""
    return any(cells) and all(
        len(cell) < 60 and not any(c in cell for c in "\\@:[{") and not re.search(r"\w\.\w|\d{4}", cell)
        for cell in cells
    )

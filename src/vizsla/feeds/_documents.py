"""Documents as units of text: plain text in any encoding, HTML, PDF. Nothing that they name is fetched or executed."""

from __future__ import annotations

import codecs
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import BinaryIO

from vizsla.errors import FeedError
from vizsla.feeds._opened import opened
from vizsla.intel._units import Kind, Unit, lines_of, units
from vizsla.nouns.indicator import Refused

CHUNK = 1 << 20
LARGEST_HTML = 64 << 20  # bytes
LARGEST_PDF = 256 << 20
SECONDS = 120  # for a document that must be parsed
PAGES = 2_000  # of a PDF
STUCK = 1 << 20  # characters of HTML without an end of a tag
MEMORY = 3 << 30  # bytes that the reader of a PDF may take
_NOTHING = frozenset({"script", "style", "noscript", "template", "svg", "iframe", "object", "head"})
_BREAKS = frozenset(
    [
        "p",
        "div",
        "section",
        "article",
        "header",
        "footer",
        "main",
        "aside",
        "nav",
        "blockquote",
        "figure",
        "figcaption",
        "address",
        "form",
        "fieldset",
        "dl",
        "dt",
        "dd",
        "br",
        "hr",
        "ul",
        "ol",
        "table",
        "tbody",
        "thead",
        "tfoot",
        "caption",
        "details",
        "summary",
        "center",
        "body",
        "html",
    ]
)


def encoding_of(head: bytes) -> str:
    """Of a text that begins with `head`: by its mark or its zeros, else UTF-8 where it can be, else Windows' Latin."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return name
    for at, name in ((1, "utf-16-le"), (0, "utf-16-be")):  # Western letters without a mark: every other byte is zero
        half = head[at:4096:2]
        if len(half) > 2 and half.count(0) > 0.7 * len(half) and head[1 - at : 4096 : 2].count(0) < 0.1 * len(half):
            return name
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def binary(head: bytes) -> bool:
    """Whether what begins so is no text: zeros, and no encoding that has them."""
    return b"\x00" in head and not encoding_of(head).startswith("utf-16")


def decoded(stream: BinaryIO, nul: list[int] | None = None) -> Iterator[str]:
    """A stream's text in pieces of about a million characters; what is no text becomes U+FFFD.

    NUL characters are taken for nothing, and counted in the first of `nul`.
    """
    data = stream.read(CHUNK)
    decoder = codecs.getincrementaldecoder(encoding_of(data[:65_536]))("replace")
    while data:
        text = decoder.decode(data).replace("\r\n", "\n").replace("\r", "\n")
        if "\x00" in text:
            if nul is not None:
                nul[0] += text.count("\x00")
            text = text.replace("\x00", "")
        yield text
        data = stream.read(CHUNK)
    yield decoder.decode(b"", final=True)


class _Html(HTMLParser):
    """HTML as units. Rows of tables keep their columns' names; what a link leads to is told after its text."""

    def __init__(self, until: float) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[Unit] = []
        self.until = until
        self.skipped = 0
        self.parts: list[str] = []
        self.links: list[str] = []
        self.heading = ""
        self.kind: Kind = "sentence"
        self.cells: list[str] | None = None
        self.head_cells = 0
        self.in_cell = False
        self.columns: tuple[str, ...] = ()
        self.pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_time()
        if tag in _NOTHING:
            self.skipped += 1
        if self.skipped:
            return
        if tag == "a":
            target = next((value for name, value in attrs if name == "href" and value), "")
            if "://" in target:
                self.links.append(f"]({target[:2000].replace(' ', '%20').replace('(', '%28').replace(')', '%29')})")
        elif tag == "br" and self.cells is not None:
            self.parts.append(" ")
        elif tag in ("td", "th"):
            self._cell()
            self.cells = [] if self.cells is None else self.cells
            self.parts = []  # blanks between cells
            self.in_cell = True
            self.head_cells += tag == "th"
        elif tag == "tr":
            self._row()
            self.cells = []
        elif tag == "table":
            self.flush()
            self.columns = ()
        elif tag == "pre":
            self.flush()
            self.pre += 1
        elif tag == "code" and not self.pre:
            self.parts.append("`")
        elif tag == "li" or (tag in _BREAKS and self.cells is None) or (tag[:1] == "h" and tag[1:].isdigit()):
            self.flush()
            self.kind = "item" if tag == "li" else "heading" if tag[0] == "h" and tag[1:].isdigit() else self.kind

    def handle_endtag(self, tag: str) -> None:
        self._in_time()
        if tag in _NOTHING:
            self.skipped = max(0, self.skipped - 1)
            return
        if self.skipped:
            return
        if tag in ("td", "th"):
            self._cell()
        elif tag == "tr":
            self._row()
        elif tag == "table":
            self._row()
            self.cells = None
        elif tag == "code" and not self.pre:
            self.parts.append("`")
        elif tag == "pre":
            self.flush()
            self.pre = max(0, self.pre - 1)
        elif tag == "li" or (tag in _BREAKS and self.cells is None) or (tag[:1] == "h" and tag[1:].isdigit()):
            self.flush()

    def handle_data(self, data: str) -> None:
        self._in_time()
        if not self.skipped:
            self.parts.append(data)

    def _in_time(self) -> None:
        if time.monotonic() > self.until:
            raise TimeoutError

    def _text(self) -> str:
        text, self.parts = "".join(self.parts), []
        return text

    def _cell(self) -> None:
        if self.cells is not None and self.in_cell:
            self.cells.append(" ".join(self._text().split()))
            self.in_cell = False

    def _row(self) -> None:
        if self.cells is None:
            return
        self._cell()
        cells, self.cells = self.cells, None
        self.parts = []
        links, self.links = self.links, []
        if not cells:
            return
        if self.head_cells == len(cells) and not self.columns:
            self.columns = tuple(cell.lower() for cell in cells)
        else:
            names = self.columns if len(self.columns) == len(cells) else ("",) * len(cells)
            found = [(name, cell) for name, cell in zip(names, cells, strict=True) if cell]
            self._add(" | ".join(cells), "row", (*found, *(("", link) for link in links)))
        self.head_cells = 0

    def flush(self) -> None:
        """What was gathered since the last block, as units."""
        text, kind, self.kind = self._text(), self.kind, "sentence"
        links, self.links = self.links, []
        line = self.getpos()[0]
        if self.pre:
            for row in text.split("\n"):
                if row.strip():
                    self._add(row, "code", (("", row.strip()),))
        elif kind == "heading":
            self.heading = " ".join(text.split())[:200]
            self._add(self.heading, "heading", (("", self.heading),))
        elif text.strip():
            whole = " ".join(text.split())
            for unit in units(lines_of([whole])):
                of = "item" if kind == "item" else unit.kind
                self.out.append(Unit(unit.text, f"line {line}", of, self.heading, unit.cells))
        if links:
            self._add(" ".join(text.split()), "sentence", tuple(("", link) for link in links))

    def _add(self, text: str, kind: Kind, cells: tuple[tuple[str, str], ...]) -> None:
        self.out.append(Unit(text, f"line {self.getpos()[0]}", kind, self.heading, cells))

    def taken(self) -> list[Unit]:
        """The units so far, and from now on none of them."""
        out, self.out = self.out, []
        return out


def html_units(path: Path) -> Iterator[Unit | Refused]:
    """An HTML page's units. What cannot be read in time comes as Refused."""
    if path.stat().st_size > LARGEST_HTML:
        raise FeedError(
            "the page is too large", where=str(path), fix=f"pages of up to {LARGEST_HTML >> 20} MiB are read"
        )
    parser = _Html(time.monotonic() + SECONDS)
    try:
        with opened(path) as stream:
            for text in decoded(stream):
                for start in range(0, len(text), 65_536):
                    parser.feed(text[start : start + 65_536])
                    yield from parser.taken()
                    if len(parser.rawdata) > STUCK:
                        yield Refused(f"line {parser.getpos()[0]}", "a tag without an end: what follows is not read")
                        return
        if len(parser.rawdata) <= 65_536:
            parser.close()
        parser._row()
        parser.flush()
        yield from parser.taken()
    except TimeoutError:
        yield from parser.taken()
        yield Refused(f"line {parser.getpos()[0]}", f"not read to its end within {SECONDS} seconds")


def pdf_units(path: Path) -> Iterator[Unit | Refused]:
    """A PDF's units, page by page; it is read by a process of its own, with bounds on time, memory and pages."""
    if path.stat().st_size > LARGEST_PDF:
        raise FeedError("the PDF is too large", where=str(path), fix=f"PDFs of up to {LARGEST_PDF >> 20} MiB are read")
    command = [sys.executable, "-m", "vizsla.feeds._pdf", str(path), str(PAGES), str(SECONDS), str(MEMORY)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS + 10, check=False, stdin=subprocess.DEVNULL)
        out = done.stdout
    except subprocess.TimeoutExpired as error:
        out = error.stdout or b""
    ended = False
    pages = 0
    for line in out.split(b"\n"):
        try:
            page = json.loads(line)
        except ValueError:
            continue  # the last line of a process that was stopped
        if "end" in page:
            ended = True
        elif "refused" in page:
            yield Refused(str(page["place"]), str(page["refused"]))
        else:
            pages += 1
            yield from _page(str(page["text"]), int(page["page"]))
    if not ended:
        if not pages:
            raise FeedError("the PDF cannot be read within the bounds of time and memory", where=str(path))
        yield Refused(f"page {pages + 1}", f"not read to its end within {SECONDS} seconds and {MEMORY >> 30} GiB")


def _page(text: str, number: int) -> Iterator[Unit]:
    for unit in units(lines_of([text])):
        yield Unit(unit.text, f"page {number}", unit.kind, unit.heading, unit.cells)

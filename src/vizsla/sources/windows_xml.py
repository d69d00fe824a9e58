"""Windows events as XML: what `wevtutil qe` writes (with or without a root), Event Viewer saves, and ToXml() gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from vizsla.source import Batch, LogFile, Rejected
from vizsla.sources._encoding import as_utf8, utf8_stream
from vizsla.sources._windows import SPECS, WindowsTables, attribute, data_name, put, table_of
from vizsla.sources._xml import Strange, local, parsed, pieces

OPENING = re.compile(rb"<Event(?:\s[^<>]*)?>\s*<System[\s>]")
CLOSING = b"</Event>"
HINT = re.compile(rb"<(?:EventID|Provider|TimeCreated)[\s>]")
# What Windows adds in words of the reader's language: columns of their own beside the numbers of System.
RENDERED = {"Message": "Message", "Level": "LevelName", "Task": "Category", "Opcode": "OpcodeName",
            "Keywords": "KeywordNames"}  # fmt: skip


class WindowsXml:
    """Windows events as XML documents, lines or one list."""

    name = "windows_xml"
    doc = "Windows events as XML: wevtutil, Event Viewer's 'save as', Get-WinEvent's ToXml"
    tables = SPECS

    def sniff(self, head: bytes, name: str) -> float:
        text = as_utf8(head)
        found = OPENING.search(text)
        if found is None or not HINT.search(text, found.start()):
            return 0.0
        before = text[: found.start()].removeprefix(b"\xef\xbb\xbf").lstrip()
        return 0.95 if not before or before.startswith(b"<") else 0.0

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        tables = WindowsTables(file.name)
        with file.open() as stream:
            for piece in pieces(utf8_stream(stream), OPENING, CLOSING):
                if isinstance(piece, Strange):
                    yield Rejected(f"{file.name}#{piece.place}", piece.reason)
                    continue
                try:
                    flat = flatten(parsed(piece.text))
                except ValueError as error:
                    yield Rejected(f"{file.name}#{piece.place}", str(error))
                    continue
                rows = tables.rows(table_of(flat.get("Channel") or "", flat.get("Provider_Name") or ""))
                rows.add(tuple(flat), tuple(flat.values()), piece.place)
                rows.bytes += len(piece.text)
                if rows.full():
                    yield from tables.full()
        yield from tables.rest()


def flatten(event: Element) -> dict[str, str | None]:
    """System, then the leaves of EventData and of whatever else the event has, as from an EVTX file."""
    flat: dict[str, str | None] = {}
    for part in event:
        name = local(part.tag)
        if name == "System":
            _system(part, flat)
        elif name == "RenderingInfo":
            _rendering(part, flat)
        else:
            for key, value in part.attrib.items():
                put(flat, f"{name}_{local(key)}", value)
            if len(part):
                _leaves(part, flat, name)
            elif part.text and part.text.strip():
                put(flat, data_name(name), part.text)
    return flat


def _system(system: Element, flat: dict[str, str | None]) -> None:
    for part in system:
        name = local(part.tag)
        for key, value in part.attrib.items():
            flat[attribute(name, local(key))] = value
        if part.text and part.text.strip():
            flat[name] = part.text


def _rendering(part: Element, flat: dict[str, str | None]) -> None:
    for key, value in part.attrib.items():
        put(flat, f"RenderingInfo_{local(key)}", value)
    for inner in part:
        name = local(inner.tag)
        text = "; ".join(word.text or "" for word in inner) if len(inner) else inner.text
        if text:
            put(flat, RENDERED.get(name, f"RenderingInfo_{name}"), text)


def _leaves(part: Element, flat: dict[str, str | None], within: str) -> None:
    """Leaves by their own names; unnamed `Data` elements as param1, param2, …"""
    number = 0
    for inner in part:
        name = local(inner.tag)
        if name == "Data" and "Name" in inner.attrib:
            put(flat, data_name(inner.attrib["Name"], within), _text(inner))
            continue
        for key, value in inner.attrib.items():
            put(flat, f"{name}_{local(key)}", value)
        if len(inner):
            _leaves(inner, flat, within)
        elif name == "Data":
            number += 1
            put(flat, f"param{number}", _text(inner))
        elif text := _text(inner):
            put(flat, data_name(name, within), text)


def _text(element: Element) -> str:
    """A leaf's text; what a pretty printer put into an empty one is none."""
    text = "".join(element.itertext()) if len(element) else element.text or ""
    return "" if text[:1] == "\n" and text.isspace() else text


SOURCE = WindowsXml()

"""Plain lists: one indicator a line, as blocklists are published."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address, summarize_address_range
from itertools import islice
from pathlib import Path

from vizsla.feed import Claims, Read
from vizsla.feeds._cells import values_of
from vizsla.feeds._documents import binary, decoded, encoding_of
from vizsla.feeds._opened import opened
from vizsla.feeds._rows import value_of
from vizsla.intel._units import lines_of
from vizsla.nouns.indicator import Claim, Refused

AT_ONCE = 8_192  # lines
REFUSALS = 1_000  # that are told one by one; the others are counted
NETWORKS = 64  # a range may be, before it is refused
WIDEST_V4, WIDEST_V6 = 1 << 24, 1 << 96  # addresses of a range
_COMMENT = ("#", ";", "//", "!", "[Adblock")
_SAID = ("type", "value", "raw", "source", "context")
_BARE = re.compile(r"[A-Za-z0-9._:/?&%~+-]+")  # of no list's own signs, so that it can only be a value
_TRAILING = re.compile(r"\s+(?:[#;]|//|--)\s*(?P<said>.*)$|\s*;\s*(?P<drop>.*)$")
_HOSTS = re.compile(r"(?:0\.0\.0\.0|127\.0\.0\.1|::1?|255\.255\.255\.255|fe80::1%lo0)\s+(?P<names>\S.*)")
_OWN = re.compile(r"(?:localhost.*|local|broadcasthost|ip6-.*|0\.0\.0\.0)", re.IGNORECASE)
_ADBLOCK = re.compile(r"(?P<allow>@@)?\|\|(?P<name>[^\^/$]+)\^?(?:\$.*)?")
_DNSMASQ = re.compile(r"(?:address|server|local)=/(?P<name>[^/]+)/.*")
_RANGE = re.compile(  # 'fab-cafe.de' is none
    r"(?P<first>[0-9.]{7,15}|[0-9a-fA-F.]{0,40}:[0-9a-fA-F:.]{1,40})\s*-\s*(?P<last>[0-9a-fA-F:.]{2,45})"
)


class _Plain:
    """The format."""

    name = "plain"
    doc = "Plain lists: one indicator a line; hosts files, ranges of addresses, lists of ad blockers and of dnsmasq."

    def sniff(self, head: bytes, name: str) -> float:
        """0 to 1: most lines are one indicator each."""
        start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if start.startswith((b"{", b"<", b"[{")) or binary(head[:4096]):
            return 0.0
        lines = head.decode(encoding_of(head), "replace").replace("\r\n", "\n").split("\n")
        if len(head) >= 4096:
            lines = lines[:-1]
        body = [line for line in lines[:400] if line.strip() and not line.strip().startswith(_COMMENT)][:200]
        if not body or name.lower().endswith((".py", ".adoc", ".md")):
            return 0.0
        listed = [held for line in body if (held := list(parts(line)))]
        right = sum(any(value_of(text, "") or _RANGE.fullmatch(text) for text, _ in held) for held in listed)
        return 0.75 if right and right >= 0.7 * len(listed) else 0.0

    def read(self, path: Path, feed: str) -> Iterator[Read]:
        """A claim a line; a comment beside it is its context, else the comment above its block."""
        for said in self.in_bulk(path, feed):
            if isinstance(said, Claims):
                yield from said
            else:
                yield said

    def in_bulk(self, path: Path, feed: str) -> Iterator[Claims | Refused]:
        """As `read`, some thousand lines at a time."""
        refused = 0
        with opened(path) as stream:
            for part in _parts(lines_of(decoded(stream))):
                claims, unusable = _told(part, path.name, feed)
                yield from unusable[: max(0, REFUSALS - refused)]
                refused += len(unusable)
                if len(claims):
                    yield claims
        if refused > REFUSALS:
            yield Refused(path.name, f"{refused - REFUSALS} more lines hold no indicator")


def _parts(lines: Iterable[str]) -> Iterator[list[tuple[int, str, str]]]:
    """Lines that say anything: number, text, and the comment above their block."""
    part: list[tuple[int, str, str]] = []
    about = ""
    for number, line in enumerate(lines, 1):
        text = line.strip().lstrip("\ufeff")
        if not text:
            about = ""
        elif text.startswith(_COMMENT):
            about = text.lstrip("#;/! ").strip()[:600]
        else:
            part.append((number, text, about))
            if len(part) >= AT_ONCE:
                yield part
                part = []
    if part:
        yield part


def _told(part: Sequence[tuple[int, str, str]], document: str, feed: str) -> tuple[Claims, list[Refused]]:
    """What some lines claim, those that are a value and nothing else all at once; and what is no indicator."""
    bare = [at for at, (_, text, _) in enumerate(part) if _BARE.fullmatch(text)]
    values = dict(zip(bare, values_of([part[at][1] for at in bare], ""), strict=True))
    rows: list[tuple[str, str, str, str, str]] = []
    unusable: list[Refused] = []
    for at, (number, text, about) in enumerate(part):
        place = f"{document}, line {number}"
        found = values.get(at)
        if found is not None:
            rows.append((*found, text, place, about))
            continue
        for one in _line(text, about, place, feed):
            if isinstance(one, Refused):
                unusable.append(one)
            else:
                rows.append((one.type, one.value, one.raw, one.source, one.context))
    columns = zip(*rows, strict=True) if rows else [()] * len(_SAID)
    return Claims(feed, dict(zip(_SAID, columns, strict=True))), unusable


def parts(line: str) -> Iterator[tuple[str, str]]:
    """What a line lists, each with the comment beside it."""
    text = line.strip()
    said = ""
    trailing = _TRAILING.search(text) if "://" not in text[:12] or " " in text else None
    if trailing:
        said = (trailing["said"] or trailing["drop"] or "").strip()
        text = text[: trailing.start()].strip()
    hosts = _HOSTS.fullmatch(text)
    if hosts:
        for name in hosts["names"].split():
            if not _OWN.fullmatch(name):
                yield name, said
        return
    for pattern in (_ADBLOCK, _DNSMASQ):
        found = pattern.fullmatch(text)
        if found:
            if not found.groupdict().get("allow"):
                yield found["name"], said
            return
    yield text.strip("\"',").removeprefix("- ").removeprefix("* "), said


def _line(text: str, about: str, place: str, feed: str) -> Iterator[Claim | Refused]:
    for value, said in parts(text):
        found = _RANGE.fullmatch(value)
        if found:
            yield from _range(found, value, said or about, place, feed)
            continue
        told = value_of(value, "")
        if told is None:
            head, _, rest = value.partition(" ")
            told = value_of(head, "") if rest and len(rest) < 300 else None
            value, said = (head, said or rest.strip()) if told else (value, said)
        if told is None:
            shown = value if len(value) < 120 else value[:120] + "…"
            yield Refused(place, f"{shown!r} is no indicator that is known")
        else:
            yield Claim(told[0], told[1], feed, raw=value, source=place, context=said or about)


def _range(found: re.Match[str], raw: str, said: str, place: str, feed: str) -> Iterator[Claim | Refused]:
    try:
        first, last = ip_address(found["first"]), ip_address(found["last"])
        networks = list(islice(summarize_address_range(first, last), NETWORKS + 1))
    except (ValueError, TypeError) as error:
        yield Refused(place, f"{raw!r} is no range of addresses: {error}")
        return
    if len(networks) > NETWORKS or int(last) - int(first) > (WIDEST_V4 if first.version == 4 else WIDEST_V6):
        yield Refused(place, f"{raw!r} is too wide a range to be an indicator")
        return
    for network in networks:
        told = value_of(str(network), "cidr")
        if told is None:
            yield Refused(place, f"{network} is no network that is looked for")
        else:
            yield Claim(told[0], told[1], feed, raw=raw, source=place, context=said)


FORMAT = _Plain()

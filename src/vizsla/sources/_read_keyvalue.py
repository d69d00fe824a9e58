"""Reader of mapped lines of key=value pairs, values quoted where they hold blanks.

Options:
  prefix: '<regex>'   what stands before the pairs, with named groups that become columns; a line that does not begin
                      so is rejected (nothing: whatever precedes the first pair is the column `prefix`)
  separator: ","      between pairs, where it is no blank
  least: 2            pairs that a line must have
  rename: {a.b: c}    columns of other names
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from vizsla.errors import SourceError
from vizsla.source import Batch, Growth, LogFile, Rejected
from vizsla.sources._encoding import as_utf8, utf8_stream
from vizsla.sources._lines import TooLong, line_blocks, line_growth
from vizsla.sources._placing import Placing
from vizsla.sources._rows import Rows, printable

if TYPE_CHECKING:
    from vizsla.sources._mapped import Signs

OPTIONS = frozenset(("prefix", "separator", "least", "rename"))
MOST, LINES = 0.8, 50


def check(options: Mapping[str, Any], where: str) -> None:
    """Raises SourceError for options that this reader does not have."""
    if unknown := set(options) - OPTIONS:
        raise SourceError(f"the key=value reader has no option {', '.join(sorted(unknown))}", where=where,
                          fix=f"its options are {', '.join(sorted(OPTIONS))}")  # fmt: skip
    try:
        _patterns(str(options.get("prefix") or ""), str(options.get("separator") or ""))
    except re.error as error:
        raise SourceError(f"no regular expression: {error}", where=where) from None


@lru_cache(maxsize=64)
def _patterns(prefix: str, separator: str) -> tuple[re.Pattern[str] | None, re.Pattern[str]]:
    mark = re.escape(separator) if separator else r"\s"
    pair = re.compile(rf'([A-Za-z_][\w.\-]*)=(?:"((?:[^"\\]|\\.)*)"|([^{mark}"]*))(?={mark}|$)')
    return (re.compile(prefix) if prefix else None), pair


def pairs(line: str, options: Mapping[str, Any]) -> tuple[tuple[str, ...], list[str]] | None:
    """Names and values of a line; None where it is none of this format."""
    prefix, pair = _patterns(str(options.get("prefix") or ""), str(options.get("separator") or ""))
    names: list[str] = []
    values: list[str] = []
    at = 0
    if prefix is not None:
        begun = prefix.match(line)
        if begun is None:
            return None
        at = begun.end()
        for name, value in begun.groupdict().items():
            if value:
                names.append(name)
                values.append(value)
    found = list(pair.finditer(line, at))
    if len(found) < int(options.get("least") or 1):
        return None
    if prefix is None and line[: found[0].start()].strip():
        names.append("prefix")
        values.append(line[: found[0].start()].strip())
    for one in found:
        names.append(one[1])
        values.append(one[3] if one[2] is None else one[2].replace('\\"', '"'))
    return tuple(names), values


def sniff(head: bytes, signs: Signs, options: Mapping[str, Any]) -> float:
    """The signs' confidence where nearly all lines of the head show them."""
    text = as_utf8(head)
    if b"=" not in text or text[:1] in (b"{", b"["):
        return 0.0
    lines = [line for line in text.decode("utf-8", "replace").splitlines()[:LINES] if line.strip()]
    whole = lines[:-1] or lines
    held = 0
    for line in whole:
        found = pairs(line, options)
        held += found is not None and signs.hold(set(found[0]), dict(zip(*found, strict=True)).get)
    return signs.confidence if whole and held >= MOST * len(whole) else 0.0


def growth(head: bytes, options: Mapping[str, Any]) -> Growth | None:
    """See `source.Resumable`."""
    return line_growth(head)


def read(file: LogFile, placing: Placing, options: Mapping[str, Any], declared: tuple[str, ...],
         ) -> Iterator[Batch | Rejected]:  # fmt: skip
    """All lines, each in its table."""
    tables: dict[str, Rows] = {}
    rename: Mapping[str, str] = options.get("rename") or {}
    with file.open() as stream:
        for block in line_blocks(utf8_stream(stream)):
            if isinstance(block, TooLong):
                yield block.rejected(file.name)
                continue
            for place, line in zip(block.offsets(), block.lines, strict=True):
                found = pairs(printable(line.decode("utf-8", "surrogateescape")).rstrip("\r"), options)
                if found is None:
                    if line.strip():
                        yield Rejected(f"{file.name}#{place}", "no line of key=value pairs as the format has them")
                    continue
                names, values = found
                if rename:
                    names = tuple(str(rename.get(name, name)) for name in names)
                split = dict(zip(names, values, strict=True)) if placing.split else {}
                table = placing.table_of([split.get(column) for column in placing.split])
                rows = tables.setdefault(table, Rows(declared))
                rows.add(names, values, place)
                rows.bytes += len(line)
            for table, rows in tables.items():
                if rows.full():
                    yield placing.given_out(table, rows, file.name)
    for table, rows in tables.items():
        if rows.places:
            yield placing.given_out(table, rows, file.name)

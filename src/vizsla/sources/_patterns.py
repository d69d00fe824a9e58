"""Messages taken apart by patterns, whole columns at a time.

Each pattern is tried only on messages that begin as it does; the first that fits a message wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.sources._rows import spread

KEY = 8  # bytes by which messages are told apart before any pattern is tried
_LITERAL = re.compile(r"(?:[^\\.^$*+?{}\[\]()|]|\\[^A-Za-z0-9])+")
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A message's shape as RE2 takes it, anchored at both ends; its named groups become columns, `sets` constants."""

    regex: str
    sets: Mapping[str, str] = field(default_factory=dict)

    def begins(self) -> bytes:
        """The text that every message of this shape begins with."""
        found = _LITERAL.match(self.regex)
        if found is None:
            return b""
        text = found.group()
        if self.regex[found.end() : found.end() + 1] in ("?", "*", "{"):
            text = text[: -2 if text[-2:-1] == "\\" else -1]
        return re.sub(r"\\(.)", r"\1", text).encode()


class Patterns:
    """Patterns in the order in which they are tried."""

    def __init__(self, *patterns: Pattern) -> None:
        self.patterns = patterns
        self._begins = [p.begins() for p in patterns]
        self._by_first: dict[bytes, tuple[int, ...]] = {
            b[:1]: tuple(n for n, other in enumerate(self._begins) if not other or other[:1] == b[:1])
            for b in self._begins
        }
        self._always = tuple(n for n, b in enumerate(self._begins) if not b)
        self._whole = [rf"(?s)\A{p.regex}\z" for p in patterns]

    def _tried(self, key: bytes) -> tuple[int, ...]:
        """The patterns that a message beginning with `key` may fit."""
        likely = self._by_first.get(key[:1], self._always)
        if likely is self._always:
            return likely
        return tuple(n for n in likely if key.startswith(self._begins[n][:KEY]))

    def _kinds(self, messages: pa.Array) -> tuple[list[tuple[int, ...]], Ints]:
        """Which patterns messages may fit, and which of these each may; -1: none.

        Only where several patterns begin with a message's first byte are more of its bytes looked at.
        """
        texts = pc.cast(messages, pa.binary())
        firsts = pc.dictionary_encode(pc.binary_slice(texts, 0, 1))
        chosen = np.array([first in self._by_first for first in firsts.dictionary.to_pylist()], dtype=bool)
        more = chosen[firsts.indices.to_numpy(zero_copy_only=False)]
        keys = pc.dictionary_encode(pc.binary_slice(texts if more.all() else texts.filter(pa.array(more)), 0, KEY))
        tried = [self._tried(key) for key in keys.dictionary.to_pylist()]
        kinds = sorted({*tried, self._always} - {()})
        numbers = {kind: number for number, kind in enumerate(kinds)}
        group = np.full(len(messages), numbers.get(self._always, -1), dtype=np.int64)
        group[more] = np.array([numbers.get(t, -1) for t in tried], dtype=np.int64)[
            keys.indices.to_numpy(zero_copy_only=False)
        ]
        return kinds, group

    def extract(self, messages: pa.Array) -> dict[str, pa.Array]:
        """Columns of what the patterns name, null where none fits. `messages` has no nulls; '' becomes null."""
        rows = len(messages)
        if not rows or not self.patterns:
            return {}
        kinds, group = self._kinds(messages)
        parts: dict[str, list[tuple[Ints, pa.Array | str]]] = {}
        for number, kind in enumerate(kinds):
            left = np.flatnonzero(group == number)
            texts = messages if len(left) == rows else messages.take(pa.array(left))
            for n in kind:
                if not len(left):
                    break
                found = pc.extract_regex(texts, self._whole[n]) if "(?P<" in self._whole[n] else None
                fits = pc.match_substring_regex(texts, self._whole[n]) if found is None else found.is_valid()
                held = fits.to_numpy(zero_copy_only=False)
                if not held.any():
                    continue
                if found is not None:
                    whole = found if held.all() else found.filter(fits)
                    for i, column in enumerate(whole.type):
                        parts.setdefault(column.name, []).append((left[held], whole.field(i)))
                for name, value in self.patterns[n].sets.items():
                    parts.setdefault(name, []).append((left[held], value))
                if held.all():
                    left = left[:0]
                else:
                    left, texts = left[~held], texts.filter(pc.invert(fits))
        return {name: column for name, p in parts.items() if (column := _column(p, rows)).null_count < rows}


def _column(parts: Sequence[tuple[Ints, pa.Array | str]], rows: int) -> pa.Array:
    """A column from values at some rows."""
    where = np.concatenate([at for at, _ in parts])
    order = np.argsort(where, kind="stable")
    values = [pa.repeat(pa.scalar(v), len(at)) if isinstance(v, str) else v for at, v in parts]
    dense = pa.concat_arrays(values).take(pa.array(order))
    empty = pc.equal(dense, "")
    if pc.any(empty).as_py():
        dense = pc.if_else(empty, pa.scalar(None, pa.string()), dense)
    return spread(dense, where[order], rows)


def merged(columns: dict[str, pa.Array], found: Mapping[str, pa.Array], at: Ints, rows: int) -> None:
    """Puts what was found of the rows `at` beside what others gave; the first value of a row stays."""
    for name, column in found.items():
        whole = spread(column, at, rows)
        columns[name] = whole if name not in columns else pc.coalesce(columns[name], whole)

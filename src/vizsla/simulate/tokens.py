"""The parts of a text that change from event to event, drawn from pools and filled in a whole column at a time.

A template such as `C:\\Users\\<user>\\AppData\\Local\\Temp\\tmp<hex4>.tmp` is cut once into fixed segments and
slots. Rendering a column is then one `take` per segment and slot, and one join: no Python per event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vizsla.errors import UsageError

Ints = NDArray[np.int64]
POOL = 16384  # distinct values of a random token; longer ones are put together from several tokens
_SLOT = re.compile(r"<([A-Za-z][A-Za-z0-9_]*)>")
_SIZED = re.compile(r"^(n|hex|HEX|rand|b)(\d+)$")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


def strings(values: Sequence[str]) -> pa.Array:
    """An Arrow string array."""
    return pa.array(values, pa.string())


def take(values: pa.Array, index: Ints) -> pa.Array:
    """`values[index]` as an Arrow array."""
    return values.take(pa.array(index))


def zipf_index(size: int, exponent: float, slots: int = 65536) -> Ints:
    """A table of `slots` ranks below `size`, in which rank r stands about r^-exponent often."""
    weights = np.arange(1, size + 1, dtype=np.float64) ** -exponent
    edges = np.cumsum(weights / weights.sum())
    places = (np.arange(slots) + 0.5) / slots
    return np.minimum(np.searchsorted(edges, places), size - 1).astype(np.int64)


def _split(kind: str) -> list[str]:
    """A long random token as the pooled tokens it is put together from."""
    if kind == "guid":
        return ["guid_a", "guid_b", "guid_c"]
    if kind == "b64":
        return ["b16"] * 5
    sized = _SIZED.match(kind)
    if not sized:
        return [kind]
    letter, left = sized.group(1), int(sized.group(2))
    parts = []
    while left > 0:
        parts.append(f"{letter}{min(left, 8)}" if letter != "b" else f"b{left}")
        left -= 8 if letter != "b" else left
    return parts


class Pools:
    """All tokens of all kinds in one Arrow array; a kind is an offset and a size in it."""

    def __init__(self, words: Mapping[str, Sequence[str]], seed: int) -> None:
        self.words = words
        self.rng = np.random.default_rng([seed, 77])
        self.kinds: dict[str, int] = {"": 0}
        self.offsets: list[int] = [0]
        self.sizes: list[int] = [1]
        self._chunks: list[pa.Array] = [strings([""])]
        self._length = 1
        self._values: pa.Array | None = None

    @property
    def values(self) -> pa.Array:
        if self._values is None:
            self._values = pa.concat_arrays(self._chunks)
            self._chunks = [self._values]
        return self._values

    def add(self, kind: str, values: Sequence[str]) -> int:
        """Register a kind by its tokens, in the frequencies in which they are to be drawn."""
        self.kinds[kind] = len(self.offsets)
        self.offsets.append(self._length)
        self.sizes.append(len(values))
        self._chunks.append(strings(values))
        self._length += len(values)
        self._values = None
        return self.kinds[kind]

    def kind(self, name: str) -> int:
        """The number of a kind, made on first use."""
        return self.kinds[name] if name in self.kinds else self.add(name, self._make(name))

    def _hex(self, digits: int) -> list[str]:
        text = self.rng.bytes(POOL * digits).hex()
        return [text[i * digits : (i + 1) * digits] for i in range(POOL)]

    def _make(self, name: str) -> list[str]:
        if name in ("guid_a", "guid_b", "guid_c"):
            raw = self._hex(16)
            if name == "guid_a":
                return [f"{h[:8]}-{h[8:12]}-" for h in raw]
            return [f"4{h[:3]}-a{h[3:6]}-{h[6:8]}" if name == "guid_b" else h[:10] for h in raw]
        sized = _SIZED.match(name)
        if sized:
            return self._sized(sized.group(1), int(sized.group(2)))
        return self._words(name)

    def _sized(self, letter: str, size: int) -> list[str]:
        if letter == "n":
            low, high = (0 if size == 1 else 10 ** (size - 1)), 10**size
            return [str(v) for v in self.rng.integers(low, high, POOL)]
        if letter in ("hex", "HEX"):
            values = self._hex(size)
            return [v.upper() for v in values] if letter == "HEX" else values
        alphabet = _ALPHABET if letter == "rand" else _ALPHABET + _ALPHABET[:26].upper()
        codes = np.frombuffer(alphabet.encode(), np.uint8)
        text = codes[self.rng.integers(0, len(alphabet), POOL * size)].tobytes().decode()
        return [text[i * size : (i + 1) * size] for i in range(POOL)]

    def _words(self, name: str) -> list[str]:
        words = self.words
        if name == "doc":
            return self._documents()
        simple = {"proj": "projects", "src": "files", "script": "scripts", "share": "shares", "word": "site_words"}
        if name in simple:
            values = list(words[simple[name]])
        elif name == "ext":
            values = ["docx", "xlsx", "pdf", "pptx", "txt", "csv", "zip", "png", "msg", "jpg", "xml", "json"]
        elif name == "PROG":
            values = ["CHROME.EXE", "SVCHOST.EXE", "CMD.EXE", "DLLHOST.EXE", "WINWORD.EXE", "NET.EXE", "GIT.EXE"]
        elif name == "site":
            values = sites(words, 400)
        else:
            raise UsageError(f"unknown part <{name}> in a template", where="company.yaml", fix="see tokens.py")
        return [values[i] for i in zipf_index(len(values), 0.9, 4096)]

    def _documents(self) -> list[str]:
        topics, places = self.words["doc_topics"], self.words["doc_places"]
        count = 12000
        t, p, q = (self.rng.integers(0, len(w), count) for w in (topics, places, places))
        names = [f"{topics[a]} {places[b]} {places[c]}" for a, b, c in zip(t, p, q, strict=True)]
        return [names[i] for i in zipf_index(count, 0.85)]


def sites(words: Mapping[str, Sequence[str]], count: int) -> list[str]:
    """Invented names of public web sites, the same for every seed."""
    rng = np.random.default_rng(4242)
    parts, ends, people = words["site_words"], words["site_ends"], words["last"]
    found: dict[str, None] = {}
    while len(found) < count:
        a, b, c, e = (int(rng.integers(0, n)) for n in (len(parts), len(parts), len(people), len(ends)))
        tail = str(int(rng.integers(2, 99))) if len(found) > 900 else ""
        found[f"{parts[a]}{people[c]}{parts[b] if rng.random() < 0.3 else ''}{tail}{ends[e]}"] = None
    return list(found)


class Templates:
    """A table of templates; `bind` fixes the parts that belong to a host, `Bound.render` draws the others."""

    def __init__(self, texts: Sequence[str], pools: Pools, context: Sequence[str]) -> None:
        self.pools, fixed = pools, set(context)
        self.segments: list[list[str]] = []
        kinds: list[list[int]] = []
        for text in texts:
            segments, slots, last = [""], [], 0
            for match in _SLOT.finditer(text):
                segments[-1] += text[last : match.start()]
                last = match.end()
                if match.group(1) in fixed:
                    segments[-1] += match.group(0)
                    continue
                for part in _split(match.group(1)):
                    slots.append(pools.kind(part))
                    segments.append("")
            segments[-1] += text[last:]
            self.segments.append(segments)
            kinds.append(slots)
        self.slots = max((len(k) for k in kinds), default=0)
        self.counts = np.array([len(k) for k in kinds], np.int64)
        self.kinds = np.array([k + [0] * (self.slots - len(k)) for k in kinds], np.int64).reshape(
            len(kinds), self.slots
        )

    def bind(self, context: Mapping[str, str]) -> Bound:
        """The table with every `<name>` of `context` replaced by its value."""

        def fill(text: str) -> str:
            return _SLOT.sub(lambda m: context.get(m.group(1), m.group(0)), text) if "<" in text else text

        columns = [strings([fill(s[j]) if j < len(s) else "" for s in self.segments]) for j in range(self.slots + 1)]
        return Bound(self, columns)


class Bound:
    """A template table as it reads on one host."""

    def __init__(self, table: Templates, columns: list[pa.Array]) -> None:
        self.table, self.columns = table, columns
        self._offsets, self._sizes = np.array(table.pools.offsets), np.array(table.pools.sizes)

    def render(self, index: Ints, rng: np.random.Generator) -> pa.Array:
        """The texts of templates `index`, with fresh random parts; an Arrow string array."""
        table = self.table
        deepest = int(table.counts[index].max(initial=0))
        where = pa.array(index)
        parts = [self.columns[0].take(where)]
        if not deepest:
            return parts[0]
        values = table.pools.values
        drawn = rng.integers(0, 2**31, (deepest, len(index)))
        for j in range(deepest):
            kind = table.kinds[index, j]
            parts.append(take(values, self._offsets[kind] + drawn[j] % self._sizes[kind]))
            parts.append(self.columns[j + 1].take(where))
        return pc.binary_join_element_wise(*parts, "")


@lru_cache(maxsize=1)
def hex4() -> pa.Array:
    """The 65,536 four-digit hexadecimal numbers, upper case."""
    return strings([f"{i:04X}" for i in range(65536)])


def hexadecimal(values: Ints) -> pa.Array:
    """Numbers below 2^32 as `0x…` without leading zeros, as Windows writes process and logon ids."""
    high, low = values >> 16, values & 0xFFFF
    joined = pc.binary_join_element_wise(take(hex4(), high), take(hex4(), low), "")
    return pc.binary_join_element_wise("0x", pc.utf8_lower(pc.utf8_ltrim(joined, characters="0")), "")

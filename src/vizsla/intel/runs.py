"""Texts cut into runs, each a 64-bit number: what indicators are looked up by, at the speed of columns.

A run is letters, digits and what joins them in names (`.`, `-`, `_`, and every letter beyond ASCII), in lower case,
without joiners at its ends: `evil.com`, `svchost.exe`, `10.0.0.1`, the digits of a hash, a part of a path. Beside the
whole run come its tails (`b.evil.com`, `evil.com` of `a.b.evil.com`: a name's parents) and, of long ones, parts that
are as long as a hash. No text is touched by Python: bytes are classed, cut and hashed by numpy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

SHORTEST, LONGEST = 4, 128  # bytes of a run that is looked up
HASHES = (32, 40, 56, 64, 96, 128)  # hexadecimal digits of MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512
NAME = 253  # bytes of a domain name at most: longer runs have no tails
AT_ONCE = 1 << 18  # bytes, so that what is worked on stays near the processor
TRIMS = 4  # joiners at one end of a run that are taken off one by one
NUMBER = 25  # bytes from which a run of digits may be a hash, or an account of money
_FOUR, _DIGITS = np.uint64(0xF0F0F0F0), np.uint64(0x30303030)
_DECIMAL = frozenset("0123456789")
_NOTHING = pa.array([""])
_MASKS = np.array([(1 << (8 * n)) - 1 for n in range(8)] + [2**64 - 1], dtype=np.uint64)
_SEED, _FACTOR = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
_LAST, _SHIFT, _UP = np.uint64(0x94D049BB133111EB), np.uint64(29), np.uint64(32)


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of some values: arrays of one length, and the text that they lie in."""

    code: U64
    start: I64  # bytes into `text`
    length: I64
    text: U8  # the values in lower case, a line feed after each
    ends: I64  # where each value ends in `text`

    def values(self, at: I64) -> I64:
        """The places of the values that these runs stand in."""
        found: I64 = np.searchsorted(self.ends, self.start[at])
        return found


def shares(values: pa.Array) -> Iterator[tuple[int, pa.Array]]:
    """Strings without nulls in shares of about `AT_ONCE` bytes: where each begins among the values, and it."""
    size = len(values)
    if not size:
        return
    offsets = np.frombuffer(values.buffers()[1], np.int32, size + 1, values.offset * 4).astype(np.int64)
    begin = 0
    while begin < size:
        end = int(np.searchsorted(offsets, offsets[begin] + AT_ONCE, side="right")) - 1
        end = min(size, max(end, begin + 1))
        yield begin, values.slice(begin, end - begin)
        begin = end


def runs(values: pa.Array) -> Runs:
    """All runs of these values (strings, none null; a share of at most some hundred thousand bytes)."""
    text, ends = _joined(pc.ascii_lower(values))
    if len(text) and int(text.max()) >= 128:  # other scripts have capitals too, and of another length
        text, ends = _joined(pc.utf8_lower(values))
    start, end = _with_parts(text, *_cut(_inside(text)))
    length = end - start
    fits = (length >= SHORTEST) & (length <= LONGEST)
    start, length = start[fits], length[fits]
    code, word = _coded(text, start, length)
    told = ~_numbers(text, start, length, word)
    return Runs(code[told], start[told], length[told], text, ends)


def _joined(values: pa.Array) -> tuple[U8, I64]:
    """The values as one text, a line feed after each, and where each ends."""
    size = len(values)
    one = pa.ListArray.from_arrays(pa.array([0, size + 1], pa.int32()), pa.concat_arrays([values, _NOTHING]))
    joined = pc.binary_join(one, "\n")
    text = np.frombuffer(joined.buffers()[2], np.uint8, int(np.frombuffer(joined.buffers()[1], np.int32, 2)[1]))
    offsets = np.frombuffer(values.buffers()[1], np.int32, size + 1, values.offset * 4)
    return text, (offsets[1:] - offsets[0]).astype(np.int64) + np.arange(size)


def codes_of(texts: pa.Array) -> U64:
    """The code of each text taken as one run, as `runs` would give it."""
    lower = pc.utf8_lower(texts)
    size = len(lower)
    offsets = np.frombuffer(lower.buffers()[1], np.int32, size + 1, lower.offset * 4).astype(np.int64)
    held = lower.buffers()[2]
    text = np.frombuffer(held, np.uint8, int(offsets[-1])) if held is not None else np.zeros(0, np.uint8)
    return _coded(text, offsets[:-1], np.diff(offsets))[0]


def _joining(text: U8) -> npt.NDArray[np.bool_]:
    joining: npt.NDArray[np.bool_] = ((text - np.uint8(45)) < 2) | (text == 95)
    return joining


def _plain(text: U8) -> npt.NDArray[np.bool_]:
    letters: npt.NDArray[np.bool_] = (text - np.uint8(97)) < 26
    letters |= (text - np.uint8(48)) < 10
    letters |= text >= 128
    return letters


def _inside(text: U8) -> npt.NDArray[np.bool_]:
    """The bytes of runs: without the joiners at the ends of each."""
    plain, joining = _plain(text), _joining(text)
    inside: npt.NDArray[np.bool_] = plain | joining
    for _ in range(TRIMS):
        ends = joining.copy()  # joiners that have nothing of a run on one side
        ends[1:-1] &= ~(inside[2:] & inside[:-2])
        ends &= inside
        if not ends.any():
            return inside
        inside &= ~ends
    # Somebody wrote a long row of joiners: all rows at once, by what stands around them.
    start, end = _cut(joining)
    loose = ~(plain[start - 1] & (start > 0) & plain[np.minimum(end, len(text) - 1)])
    edges = np.zeros(len(text) + 1, np.int64)
    edges[start[loose]] += 1
    edges[end[loose]] -= 1
    left: npt.NDArray[np.bool_] = (plain | joining) & (np.cumsum(edges[:-1]) == 0)
    return left


def _numbers(text: U8, start: I64, length: I64, word: U64) -> npt.NDArray[np.bool_]:
    """Which runs are like numbers: of such there are too many, and nothing is looked up by them."""
    like: npt.NDArray[np.bool_] = (word & _FOUR) == _DIGITS
    like &= length < NUMBER
    at = np.flatnonzero(like)
    like[at] = text[start[at] + length[at] - 1] - np.uint8(48) < 10
    return like


def number_like(run: str) -> bool:
    """Whether a run begins with four digits, ends with one and is no hash: nothing is looked up by such."""
    head = run[:4]
    return head.isdigit() and head.isascii() and run[-1:] in _DECIMAL and len(run.encode()) < NUMBER


def _cut(inside: npt.NDArray[np.bool_]) -> tuple[I64, I64]:
    """Where the stretches of `inside` begin and end; its last one is false."""
    if not len(inside):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    if inside[0]:
        edges = np.concatenate([np.zeros(1, np.int64), edges])
    return edges[0::2], edges[1::2]


def _with_parts(text: U8, start: I64, end: I64) -> tuple[I64, I64]:
    """The runs, the tails of those that may be names, and the parts of long ones that may be hashes."""
    starts, ends = [start], [end]
    dots = np.flatnonzero(text == 46)
    if len(dots) > 1 and len(start):
        near = np.flatnonzero(np.diff(dots) <= 64)  # a label is no longer
        dots, following = dots[near], dots[near + 1]
    else:
        dots = dots[:0]
    if len(dots):
        of = np.searchsorted(start, dots, side="right") - 1
        inner = (of >= 0) & (following < end[of])  # the last dot of a run leaves but a suffix
        dots, of = dots[inner], of[inner]
        named = (text[end[of] - 1] - np.uint8(48) >= 10) & (end[of] - start[of] <= NAME)  # addresses end in digits
        starts.append(dots[named] + 1)
        ends.append(end[of[named]])
    long = np.flatnonzero(end - start > HASHES[0])
    if len(long):
        first, last = _digests(text, start[long], end[long])
        starts.append(first)
        ends.append(last)
    if len(starts) == 1:
        return start, end
    return np.concatenate(starts), np.concatenate(ends)


def _digests(text: U8, start: I64, end: I64) -> tuple[I64, I64]:
    """Within these runs, stretches between joiners that are as long as a hash."""
    lengths = end - start + 1  # with a break behind each
    begins = np.cumsum(lengths) - lengths
    where = np.arange(int(lengths.sum())) + np.repeat(start - begins, lengths)
    inside = _plain(text[where])
    inside[begins + lengths - 1] = False
    first, last = _cut(inside)
    fit = np.isin(last - first, HASHES)
    return where[first[fit]], where[last[fit]]


def _coded(text: U8, start: I64, length: I64) -> tuple[U64, U64]:
    """A number for each stretch of bytes: eight at a time, mixed; equal stretches have equal numbers. And its first
    eight bytes."""
    padded = np.concatenate([text, np.zeros(8, np.uint8)])
    words = np.ndarray((len(padded) - 7,), dtype="<u8", buffer=padded, strides=(1,))
    first = words[start]
    first &= _MASKS[np.minimum(length, 8)]
    code = _mixed(first ^ (length.astype(np.uint64) * _SEED))
    rows = np.flatnonzero(length > 8)
    at, left = start[rows], length[rows] - 8
    while len(rows):  # the last word ends with the stretch, and overlaps the one before
        at = at + np.minimum(left, 8)
        code[rows] = _mixed(code[rows] ^ words[at])
        left = left - 8
        more = np.flatnonzero(left > 0)
        rows, at, left = rows[more], at[more], left[more]
    return code, first


def _mixed(code: U64) -> U64:
    code = code * _FACTOR
    code ^= code >> _SHIFT
    code *= _LAST
    code ^= code >> _UP
    return code

"""How much a command or script looks as if it were written to be read by nobody: measures, and how rare each is.

Each measure is a small number, 0 where there is nothing to see; what counts is how rarely a text given the same program
reaches it. All are made by Arrow's string kernels on the first LONGEST characters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytics.rarity.encode import I64
from vizsla.calibration import Floats
from vizsla.text.decode import Decoded, decoded

LONGEST = 8_192
MOST = 15  # the highest step of a measure
HALF = 4.0  # texts of a program at which its own habit weighs as much as everybody's
MEASURES: Mapping[str, str] = {
    "marks": "quotes, carets, brackets and other marks between its characters",
    "cases": "changes between small and capital letters",
    "unbroken": "characters in unbroken runs",
    "numbers": "numbers in lists",
    "encoded": "characters that were encoded",
}
HABITS = pa.schema([("measure", pa.string()), ("given", pa.string()), ("step", pa.int64()), ("n", pa.int64())])
Counts = dict[tuple[str, str, int], int]


def steps(texts: pa.StringArray) -> tuple[dict[str, I64], list[Decoded | None]]:
    """Every measure of every text (none null), and the longest text that was encoded in each."""
    short = pc.utf8_slice_codeunits(texts, 0, LONGEST)
    size = pc.utf8_length(short).to_numpy(zero_copy_only=False).astype(np.float64)
    marks = _count(short, r"[\^`'\"+%{}()\[\]$;,&|!@*~<>?]")
    spelled = pc.replace_substring_regex(short, "[A-Za-z0-9+/_=-]{24,}", "")  # cases say something of words alone
    letters = _count(spelled, "[A-Za-z]")
    changes = _count(spelled, "[a-z][A-Z]") + _count(spelled, "[A-Z][a-z]")
    unbroken = size - pc.utf8_length(
        pc.replace_substring_regex(short, r"[A-Za-z0-9+/_=%^`-]{64,}", "")
    ).to_numpy(zero_copy_only=False)  # fmt: skip
    numbers = _count(short, r"(0x[0-9a-fA-F]{1,4}|\b[0-9]{1,5})\s*[,;+)]")
    inner = _encoded(texts)
    hidden = np.array([len(one.text) if one else 0 for one in inner], np.float64)
    made = {
        "marks": np.log2(1 + 40 * np.maximum(marks - 4, 0) / (size + 20)),
        "cases": 16 * np.maximum(changes - 6, 0) / (letters + 20),
        "unbroken": np.log2(1 + unbroken / 32),
        "numbers": np.log2(1 + np.maximum(numbers - 4, 0) / 4),
        "encoded": np.where(hidden > 0, 2 + np.log2(1 + hidden / 16), 0),
    }
    return {name: np.minimum(value, MOST).astype(np.int64) for name, value in made.items()}, inner


def _count(texts: pa.StringArray, pattern: str) -> Floats:
    return np.asarray(pc.count_substring_regex(texts, pattern).to_numpy(zero_copy_only=False), np.float64)


def _encoded(texts: pa.StringArray) -> list[Decoded | None]:
    """The longest text that is encoded in each; looked for where a run is long enough for one."""
    possible = pc.match_substring_regex(
        pc.utf8_slice_codeunits(texts, 0, 65_536),
        r"[A-Za-z0-9+/_-]{16}|([0-9]{2,3}\s{0,2}[,;+ ]\s{0,2}){8}|((0x|\\x)?[0-9A-Fa-f]{2}[ ,:-]?){12}",
    )
    found: list[Decoded | None] = [None] * len(texts)
    for place in np.flatnonzero(np.asarray(possible)).tolist():
        found[place] = next(iter(decoded(texts[place].as_py())), None)
    return found


@dataclass(frozen=True, slots=True)
class Reached:
    """How often each step or a higher one was reached: `all_` by measure, `own` by measure and program."""

    own: Mapping[tuple[str, str], Floats]
    all_: Mapping[str, Floats]

    @classmethod
    def of(cls, counts: Counts) -> Reached:
        """From counts by (measure, program, step)."""
        own: dict[tuple[str, str], Floats] = {}
        all_ = {name: np.zeros(MOST + 1) for name in MEASURES}
        for (measure, given, step), n in counts.items():
            own.setdefault((measure, given), np.zeros(MOST + 1))[step] += n
            all_[measure][step] += n
        return cls({key: _at_least(held) for key, held in own.items()}, {k: _at_least(h) for k, h in all_.items()})

    def p(self, measure: str, given: str, step: int) -> float:
        """The probability of this step or a higher one: of the program's texts, leaning on everybody's.

        Before anything was seen, each step is half as likely as the one below it.
        """
        held = self.all_[measure]
        anyway = (held[step] + 2.0**-step) / (held[0] + 1)
        own = self.own.get((measure, given))
        return float((own[step] + HALF * anyway) / (own[0] + HALF)) if own is not None else float(anyway)

    def bits(self, found: Mapping[str, I64], given: Sequence[str]) -> tuple[Floats, list[str]]:
        """Per text the bits of its rarest measure, less a price for how many were looked at, and which that is."""
        known: dict[tuple[str, str, int], float] = {}
        table = np.zeros((len(found), len(given)))
        for row, (measure, values) in enumerate(found.items()):
            for place in np.flatnonzero(values > 0).tolist():
                key = (measure, given[place], int(values[place]))
                if key not in known:
                    known[key] = float(-np.log2(self.p(*key)))
                table[row, place] = known[key]
        names = list(found)
        best = table.argmax(axis=0) if len(given) else np.zeros(0, np.int64)
        bits = np.maximum(table.max(axis=0, initial=0) - np.log2(len(found)), 0)
        return bits, [names[place] for place in best.tolist()]


def _at_least(held: Floats) -> Floats:
    return np.asarray(held[::-1].cumsum()[::-1])


def counted(counts: Counts, found: Mapping[str, I64], given: Sequence[str], n: Sequence[int]) -> None:
    """Adds texts to counts; `n`: how often each was seen."""
    for measure, values in found.items():
        for step, program, times in zip(values.tolist(), given, n, strict=True):
            key = (measure, program, step)
            counts[key] = counts.get(key, 0) + times


def table_of(counts: Counts) -> pa.Table:
    """Counts as an Arrow table, in a total order."""
    rows = sorted((*key, n) for key, n in counts.items())
    return pa.table([[row[column] for row in rows] for column in range(len(HABITS))], schema=HABITS)


def read(table: pa.Table) -> Counts:
    """Counts from such a table."""
    columns = [table[name].to_pylist() for name in HABITS.names]
    return {(measure, given, step): n for measure, given, step, n in zip(*columns, strict=True)}

"""Texts that differ from row to row: their length, what they are made of, and how unusual their letters follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vizsla.outlier.encoders.category import NONE, codes

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
LONGEST = 2_000  # bytes looked at
CLASSES = 98  # of bytes: the 95 that print, other controls, beginnings and ends, all beyond ASCII
MOST_DISTINCT = 20_000  # texts that pairs of letters are learnt from


@dataclass(frozen=True, slots=True)
class Text:
    """Six columns: length (log), shares of digits, of capitals, of other signs, surprisal a letter by the letter
    before it, and whether there is a text at all."""

    kind: ClassVar[str] = "text"
    pairs: list[int]  # how often one class of bytes follows another, CLASSES x CLASSES, in distinct texts
    centre: list[float]
    scale: list[float]  # 0: all alike
    example: str

    @classmethod
    def learn(cls, values: pa.Array) -> Text:
        """From the training rows' texts."""
        coded, distinct = codes(values)
        joined, owner = _bytes(distinct[:MOST_DISTINCT])
        pairs = np.zeros(CLASSES * CLASSES, np.int64)
        if len(joined) > 1:
            within = owner[1:] == owner[:-1]
            pairs = np.bincount((joined[:-1] * CLASSES + joined[1:])[within], minlength=len(pairs))
        table = _measured(distinct, pairs)[coded] if len(coded) else np.zeros((0, 6))
        spread = table.std(axis=0) if len(table) else np.zeros(6)
        centre = table.mean(axis=0) if len(table) else np.zeros(6)
        example = distinct[int(np.bincount(coded).argmax())] if len(coded) else ""
        scale = [float(s) if s > 1e-9 else 0.0 for s in spread]
        return cls(pairs.tolist(), centre.tolist(), scale, "" if example == NONE else example)

    def columns(self, values: pa.Array) -> tuple[Floats, Flags]:
        """(n, 6); new: a first missing one, and none else: new texts are usual here."""
        coded, distinct = codes(values)
        table = _measured(distinct, np.array(self.pairs))
        scale = np.array(self.scale)
        used = scale > 0
        away = (table - np.array(self.centre)) / np.where(used, scale, 1.0) * used / np.sqrt(max(1, used.sum()))
        new = (table[:, 5] == 1) & (self.centre[5] == 0)
        return away[coded], new[coded]


def _bytes(texts: list[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Classes of all bytes, each text between two marks, and whose each is."""
    parts = [text.encode("utf-8", "replace")[:LONGEST] for text in texts]
    raw = np.frombuffer(b"".join(b"\x02" + part.replace(b"\x02", b"\x01") + b"\x02" for part in parts), np.uint8)
    owner = np.repeat(np.arange(len(parts)), [len(part) + 2 for part in parts])
    classes = np.where(raw >= 127, 97, np.where(raw >= 32, raw.astype(np.int64) - 32, np.where(raw == 2, 96, 95)))
    return classes.astype(np.int64), owner


def _measured(texts: list[str], pairs: npt.NDArray[np.int64]) -> Floats:
    """(texts, 6)."""
    if not texts:
        return np.zeros((0, 6))
    missing = np.array([text == NONE for text in texts])
    shown = ["" if text == NONE else text for text in texts]
    classes, owner = _bytes(shown)
    n = len(texts)
    long = np.array([len(text) for text in shown], np.float64)
    letters = np.maximum(np.bincount(owner, minlength=n) - 2, 1)

    def share(flags: npt.NDArray[np.bool_]) -> Floats:
        found: Floats = np.bincount(owner[flags], minlength=n) / letters
        return found

    char = classes + 32
    digit, capital = (char >= 48) & (char <= 57), (char >= 65) & (char <= 90)
    word = digit | capital | ((char >= 97) & (char <= 122)) | (char == 32) | (classes == 96)
    table = pairs.reshape(CLASSES, CLASSES)
    odds = -np.log2((table + 0.1) / (table.sum(axis=1, keepdims=True) + 0.1 * CLASSES))
    within = owner[1:] == owner[:-1]
    surprisal = np.bincount(owner[1:][within], odds[classes[:-1], classes[1:]][within], minlength=n) / (letters + 1)
    return np.column_stack([np.log1p(long), share(digit), share(capital), share(~word), surprisal, missing])

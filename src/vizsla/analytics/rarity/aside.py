"""A share of days that waits on disk while the next one is tallied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from vizsla.analytics.rarity.model import Tallied
from vizsla.analytics.rarity.reference import Columns
from vizsla.analytics.rarity.share import NEAR, Share, cut
from vizsla.analytics.rarity.tally import PART, packed, stacked, unpacked

PIECE = 1_000_000  # rows written at once


@dataclass(frozen=True, slots=True)
class Aside:
    """A share on disk, how many rows it has there of what, and what of it matters to those beside."""

    path: Path
    begin: int
    end: int
    rows: Mapping[tuple[str, str], int]
    starts: Columns
    first: Tallied
    last: Tallied

    @classmethod
    def of(cls, share: Share, folder: Path, words: dict[int, str]) -> Aside:
        """Put aside; its words are added to the others'."""
        found = share.tallied
        words |= found.words
        path = folder / f"{share.begin}.arrow"
        with pa.ipc.new_stream(str(path), PART) as writer:
            for key, columns in _named(found):
                for begin in range(0, _size(columns), PIECE):
                    piece = {name: values[begin : begin + PIECE] for name, values in columns.items()}
                    writer.write_batch(packed(*key, pa.table(piece)))
        rows = {key: _size(columns) for key, columns in _named(found)}
        first, last = (cut(found, edge, edge + NEAR) for edge in (share.begin, share.end - NEAR))
        return cls(path, share.begin, share.end, rows, found.starts, first, last)

    def back(self, before: Aside | None, after: Aside | None, words: dict[int, str]) -> Share:
        """The share again, with what matters of those beside it; on disk it is no more."""
        beside = [*_named(before.last if before else Tallied()), *_named(after.first if after else Tallied())]
        sizes = Counter(self.rows)
        for key, columns in beside:
            sizes[key] += _size(columns)
        made: dict[tuple[str, str], dict[str, np.ndarray]] = {key: {} for key in sorted(sizes)}
        filled = Counter[tuple[str, str]]()

        def fill(key: tuple[str, str], columns: Columns) -> None:
            begin, own = filled[key], made[key]
            filled[key] += _size(columns)
            for name, values in columns.items():
                if name not in own:  # a field that a part lacks is filled with zeros
                    own[name] = np.zeros(sizes[key], values.dtype)
                own[name][begin : filled[key]] = values

        with pa.OSFile(str(self.path)) as file:
            for part, kind, table in unpacked(iter(pa.ipc.open_stream(file))):
                fill((part, kind), {name: table[name].to_numpy() for name in table.column_names})
        self.path.unlink()
        for key, columns in beside:
            fill(key, columns)
        ties = made.pop(("tie", ""), {})
        starts = stacked(one.starts for one in (before, self, after) if one)
        units: dict[str, Columns] = {kind: dict(sorted(columns.items())) for (_, kind), columns in made.items()}
        return Share(Tallied(units, words, ties, starts), self.begin, self.end)


def _named(tallied: Tallied) -> list[tuple[tuple[str, str], Columns]]:
    """The units of a tally by kind, and its ties, as parts are named."""
    ties = [(("tie", ""), tallied.ties)] if tallied.ties else []
    return [*((("unit", kind), columns) for kind, columns in tallied.units.items()), *ties]


def _size(columns: Columns) -> int:
    return len(next(iter(columns.values()), ()))

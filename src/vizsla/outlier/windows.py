"""Rows in their order: each is judged together with the rows before it, of the same entity where one is named.

Rows are encoded one by one (see `features.py`); a window is their columns side by side, the oldest row's first and the
row's own last. Where fewer rows stand before a row, the first of them is repeated. The pieces in which a table comes
change nothing: what the next rows need is carried over. A window of one row is the row itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vizsla.errors import UsageError
from vizsla.outlier.detector import Detector, Floats, Ints, Stepped, chunks
from vizsla.outlier.encoders import Time
from vizsla.outlier.encoders.category import codes
from vizsla.outlier.features import MOST_COLUMNS, Features, guessed, plain_values

LONGEST = 256  # rows of a window
REACH = 1_000_000  # rows of the table: an entity's rows that stand farther before a row are not looked at
HELD = 20_000_000  # numbers carried at once: fewer rows where there are many columns


@dataclass(frozen=True, slots=True)
class Window:
    """How many rows are judged together, in the order of which field (None: as they stand), and whose they are."""

    rows: int = 1
    along: str | None = None
    by: tuple[str, ...] = ()

    @classmethod
    def of(cls, rows: int | None, along: str | None = None, by: str | Sequence[str] = ()) -> Window:
        """A window as it was asked for; None: every row by itself. Raises UsageError."""
        fields = (by,) if isinstance(by, str) else tuple(by)
        if rows is None:
            if along is not None or fields:
                raise UsageError(
                    "an order or an entity means something to windows alone",
                    where="--along" if along is not None else "--by", fix="give --window N, such as --window 24",
                )  # fmt: skip
            return cls()
        if not 2 <= rows <= LONGEST:
            raise UsageError(f"a window of {rows} rows", where="--window", fix=f"choose from 2 to {LONGEST}")
        return cls(rows, along, fields)

    def features(
        self, rows: pa.Table, kinds: Mapping[str, str], without: Sequence[str] = ()
    ) -> tuple[pa.Table, dict[str, str]]:
        """What of these rows is looked at, and the kinds declared of it. Raises UsageError.

        The entity is not: it says whose a row is. What only orders is not, since it only grows; a time still tells
        the hour of day and the day of the week.
        """
        for option, name in [("--along", self.along), *(("--by", name) for name in self.by)]:
            if name is not None:
                known(rows, name, option)
        aside = {*self.by, *without}
        if self.along is not None and kinds.get(self.along) != "time":
            aside |= {self.along} if guessed(plain_values(rows[self.along])) is not Time else set()
        left = rows.drop_columns([name for name in rows.column_names if name in aside])
        if not left.num_columns:
            raise UsageError("no field is left", fix="leave fewer fields out")
        return left, {name: kind for name, kind in kinds.items() if name not in aside}


def known(rows: pa.Table, name: str, option: str) -> None:
    """Raises UsageError where a table has no such field."""
    if name not in rows.column_names:
        raise UsageError(
            f"there is no field {name!r}", where=option, fix=f"choose among: {', '.join(rows.column_names)}"
        )


def stepped(chosen: Detector, window: Window) -> Detector:
    """The detector, told how many rows a window has where it asks for it. Raises UsageError where there is none."""
    if not isinstance(chosen, Stepped):
        return chosen
    if window.rows < 2:
        raise UsageError(
            f"{chosen.name} looks at rows in their order", where=chosen.name, fix="give --window N, such as --window 24"
        )
    return replace(chosen, steps=window.rows)  # type: ignore[type-var]


def checked(features: Features, window: Window) -> int:
    """How many columns a window has. Raises UsageError where they are too many."""
    width = len(features.owner) * window.rows
    if width > MOST_COLUMNS and window.rows > 1:
        raise UsageError(
            f"{window.rows} rows of {len(features.owner):,} columns make {width:,}, and {MOST_COLUMNS:,} are the most",
            where="--window", fix="choose a shorter window, or leave fields out",
        )  # fmt: skip
    return width


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a table, encoded, after those that came with earlier pieces and stand before them.

    A row's `rank` is its place in the order of entities, and of numbers within them.
    """

    numbers: Ints  # which rows of the table, ascending
    carried: int  # so many of them came earlier
    matrix: Floats  # (rows, columns)
    new: npt.NDArray[np.bool_]  # (rows, fields): whether a value is of a kind never seen in training
    steps: int
    order: Ints  # by rank: the place here
    rank: Ints
    first: Ints  # by rank: the rank of the first row within reach that is the same entity's

    def __len__(self) -> int:
        return len(self.numbers) - self.carried

    def places(self, chosen: Ints) -> Ints:
        """Which rows here make the windows of chosen ones, (k, steps), their own last; 0 is the first not carried."""
        rank = self.rank[self.carried + chosen][:, None]
        back = np.arange(self.steps - 1, -1, -1)
        found: Ints = self.order[np.maximum(rank - back, self.first[rank])]
        return found

    def windows(self, chosen: Ints) -> Floats:
        """Their windows: (k, steps x columns)."""
        return folded(self.matrix, self.places(chosen))

    def slices(self) -> Iterator[Ints]:
        """All rows that were not carried, so many at a time that their windows can be held."""
        width = self.matrix.shape[1] * self.steps if self.steps > 1 else 1
        for part in chunks(len(self), width):
            yield np.arange(part.start, part.stop)


def folded(matrix: Floats, places: Ints) -> Floats:
    """The rows at (k, steps) places side by side: (k, steps x columns)."""
    found: Floats = matrix[places].reshape(len(places), places.shape[1] * matrix.shape[1])
    return found


class Follower:
    """Reads a table piece by piece, in the order of its rows, and carries over what later windows need."""

    def __init__(self, features: Features, window: Window) -> None:
        """Nothing stands before the first row."""
        self._features, self._window = features, window
        self.reach = max(window.rows, min(REACH, HELD // max(1, len(features.owner))))
        self.cut = False  # whether an entity's rows were out of reach, and so not looked at
        self._count = 0
        self._last: Piece | None = None
        self._keys: pa.Table | None = None
        self._kept = np.zeros(0, np.int64)  # of the last piece: places that may stand before what comes

    def piece(self, rows: pa.Table) -> Piece:
        """The next rows."""
        matrix, new = self._features.matrix(rows)
        numbers = np.arange(self._count, self._count + len(rows), dtype=np.int64)
        self._count += len(rows)
        if self._last is not None and len(self._kept):
            last, kept = self._last, self._kept
            matrix, new = np.concatenate([last.matrix[kept], matrix]), np.concatenate([last.new[kept], new])
            numbers = np.concatenate([last.numbers[kept], numbers])
        entity = self._entities(rows, len(numbers))
        order = np.argsort(entity, kind="stable").astype(np.int64)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        found = Piece(numbers, len(numbers) - len(rows), matrix, new, self._window.rows, order, rank,
                      _first(entity[order], numbers[order], self.reach))  # fmt: skip
        self._carry(found, entity[order])
        return found

    def _entities(self, rows: pa.Table, n: int) -> Ints:
        """A number for the entity of each row, those carried before them."""
        if not self._window.by:
            return np.zeros(n, np.int64)
        for name in self._window.by:
            known(rows, name, "--by")
        keys = rows.select(list(self._window.by))
        if self._keys is not None and len(self._kept):
            keys = pa.concat_tables([self._keys.take(pa.array(self._kept)), keys])
        self._keys = keys
        found = np.zeros(n, np.int64)
        for name in self._window.by:
            coded, distinct = codes(plain_values(keys[name]))
            found = np.unique(found * len(distinct) + coded, return_inverse=True)[1].astype(np.int64)
        return found

    def _carry(self, piece: Piece, entity: Ints) -> None:
        """Of each entity the last rows that the next row's window may hold; `entity`: by rank."""
        self._last = piece
        if not len(entity):
            return
        ends = np.flatnonzero(np.diff(entity, append=entity[-1] + 1))
        after = ends[np.searchsorted(ends, np.arange(len(entity)))] - np.arange(len(entity))
        wanted = np.sort(piece.order[after < self._window.rows - 1])
        near = piece.numbers[wanted] >= self._count - self.reach
        self.cut |= not near.all()
        self._kept = wanted[near]


def _first(entity: Ints, numbers: Ints, reach: int) -> Ints:
    """By rank, the rank of the first row of the same entity that stands at most `reach` rows before."""
    if not len(numbers):
        return np.zeros(0, np.int64)
    least = int(numbers.min())
    span = int(numbers.max()) - least + 1
    along = entity * span + (numbers - least)
    earliest = entity * span + np.maximum(numbers - least - reach, 0)
    return np.searchsorted(along, earliest).astype(np.int64)

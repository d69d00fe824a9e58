"""From a table of any fields to a matrix of numbers, by encoders that were learnt on training rows alone.

Which encoder a field gets is declared, or told from its training values: numbers, times, categories (few distinct
values, or most of them repeated), texts (the rest). The same rows and declarations always give the same features, and
features are plain data: `plain` and `from_plain`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.arrow import whole
from vizsla.errors import UsageError
from vizsla.outlier.detector import Floats, Ints
from vizsla.outlier.encoders import Encoder, Number, Time, from_plain, kind_named, plain
from vizsla.outlier.encoders.number import worded
from vizsla.outlier.encoders.time import times

MOSTLY = 0.9  # of the values there are: so many numbers or times make a field one of these
FEW_VALUES = 50  # distinct texts that are categories however many rows there are
REPEATED = 0.2  # distinct texts a row, up to which they are categories
MOST_COLUMNS = 10_000
MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "?", "nil", "#n/a")


@dataclass(frozen=True, slots=True)
class Features:
    """What a table's fields become. `owner`: the field that each column of the matrix is of."""

    names: tuple[str, ...]
    encoders: tuple[Encoder, ...]
    owner: Ints
    kept: npt.NDArray[np.bool_]  # of all encoded columns: those that vary in training

    @classmethod
    def learn(cls, rows: pa.Table, kinds: Mapping[str, str] | None = None) -> Features:
        """Encoders for every field of the training rows. `kinds`: declared ones. Raises UsageError."""
        kinds = kinds or {}
        unknown = [name for name in kinds if name not in rows.column_names]
        if unknown:
            raise UsageError(f"there is no field {unknown[0]!r}", fix=f"choose among: {', '.join(rows.column_names)}")
        encoders = []
        for name in rows.column_names:
            values = plain_values(rows[name])
            kind = kind_named(kinds[name]) if name in kinds else guessed(values)
            encoders.append(kind.learn(values))
        return cls._of(tuple(rows.column_names), tuple(encoders), rows)

    @classmethod
    def _of(cls, names: tuple[str, ...], encoders: tuple[Encoder, ...], rows: pa.Table) -> Features:
        parts = [e.columns(plain_values(rows[n]))[0] for n, e in zip(names, encoders, strict=True)]
        owner = np.repeat(np.arange(len(parts)), [part.shape[1] for part in parts])
        if len(owner) > MOST_COLUMNS:
            raise UsageError(
                f"{len(names)} fields make {len(owner):,} columns, and {MOST_COLUMNS:,} are the most",
                fix="leave fields out",
            )
        kept = np.concatenate([part.std(axis=0) > 1e-9 for part in parts]) if parts else np.zeros(0, bool)
        return cls(names, encoders, owner[kept].astype(np.int64), kept)

    def matrix(self, rows: pa.Table) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """(n, columns) numbers, finite; and by field, (n, fields), whether its value is of a kind never seen."""
        columns, news = [np.zeros((len(rows), 0))], []
        for name, encoder in zip(self.names, self.encoders, strict=True):
            if name not in rows.column_names:
                raise UsageError(f"the table lacks the field {name!r}", fix="score tables like the one trained on")
            found, new = encoder.columns(plain_values(rows[name]))
            columns.append(found)
            news.append(new)
        table = np.column_stack(columns)[:, self.kept] if self.names else columns[0]
        return np.ascontiguousarray(table), np.column_stack(news) if news else np.zeros((len(rows), 0), bool)

    def plain(self) -> dict[str, Any]:
        """What was learnt, as plain data."""
        fields = [{"name": n, **plain(e)} for n, e in zip(self.names, self.encoders, strict=True)]
        return {"fields": fields, "owner": self.owner.tolist(), "kept": self.kept.tolist()}

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Features:
        """Features from what `plain` gave."""
        names = tuple(field["name"] for field in data["fields"])
        encoders = tuple(from_plain({k: v for k, v in field.items() if k != "name"}) for field in data["fields"])
        return cls(names, encoders, np.array(data["owner"], np.int64), np.array(data["kept"], bool))


def guessed(values: pa.Array) -> type[Encoder]:
    """The encoder that training values ask for."""
    kind = values.type
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        return Time
    if pa.types.is_boolean(kind):
        return kind_named("category")
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return Number
    there = values.drop_null()
    if not len(there):
        return Number
    if worded(there).mean() <= 1 - MOSTLY:
        return Number
    if 1 - times(there).null_count / len(there) >= MOSTLY:
        return Time
    distinct = pc.count_distinct(there).as_py()
    return kind_named("category" if distinct <= max(FEW_VALUES, REPEATED * len(there)) else "text")


def plain_values(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A field's values as numbers, times, booleans or strings in one piece; nested ones as text, missing as null."""
    values = whole(column)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if pa.types.is_null(kind):
        return pa.nulls(len(values), pa.float64())
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        values = values.cast(pa.string())
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        values = pa.array([None if v is None else v.hex() for v in values.to_pylist()], pa.string())
    elif pa.types.is_nested(kind):
        values = pa.array([None if v is None else str(v) for v in values.to_pylist()], pa.string())
    elif pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        values = values.cast(pa.float64(), safe=False)
    elif pa.types.is_duration(kind):
        values = values.cast(pa.int64())
    if not pa.types.is_string(values.type):
        return values
    missing = pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(values)), value_set=pa.array(MISSING, pa.string()))
    return pc.if_else(missing, pa.scalar(None, pa.string()), values)


def declared(texts: Sequence[str]) -> dict[str, str]:
    """Kinds from 'FIELD=KIND'. Raises UsageError."""
    found = {}
    for text in texts:
        name, sign, kind = text.rpartition("=")
        if not sign or not name:
            raise UsageError(
                f"{text!r} declares no kind", where="--kind", fix="write FIELD=KIND, such as port=category"
            )
        kind_named(kind)
        found[name] = kind
    return found

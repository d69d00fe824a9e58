"""Where a record of a mapped source goes: its table, its time, its host, as the mapping says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.errors import SourceError
from vizsla.source import Batch
from vizsla.sources._clf import parse_clf
from vizsla.sources._hosts import host_of
from vizsla.sources._rows import Rows, batch_of
from vizsla.sources._times import NONE, Micros, parse_iso, timestamps

NUMBER = re.compile(r"-?[0-9]{1,19}(\.[0-9]+)?")
SCALES = {"epoch": 1_000_000.0, "epoch_ms": 1000.0, "epoch_us": 1.0, "epoch_ns": 0.001}
SLASHED = re.compile(r"\d{4}/\d\d/\d\d(?!\d)")
WORDS = re.compile(r"\{([^}]+)\}")
PORT = r"^([^:]+):\d{1,5}$"  # behind a host's name, as web servers write it
PATH = "(path)"  # a host's name stands in the folders that the file lies in: see `_hosts`
SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Clock:
    """Columns that are joined with blanks to a time, and how it is written: 'auto', 'epoch_ms', 'clf', '%d/%b/%Y …'.

    `where`: it is the time of those records alone that have one of these values in each of these columns.
    """

    columns: tuple[str, ...]
    format: str = "auto"
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(cls, said: Any, where: str) -> Clock:
        """From a mapping: a column's name, or `{columns: […], format: …, where: {column: [value, …]}}`."""
        if isinstance(said, str):
            return cls((said,))
        if not isinstance(said, dict) or not (said.get("column") or said.get("columns")):
            raise SourceError("a time is a column's name or {column: …, format: …}", where=where)
        columns = said.get("columns") or [said["column"]]
        asked = said.get("where") or {}
        if not isinstance(asked, dict):
            raise SourceError("a time's `where` is {column: [value, …]}", where=where)
        told = tuple((str(name), tuple(map(str, _listed(values)))) for name, values in asked.items())
        return cls(tuple(columns), str(said.get("format", "auto")), told)

    def read(self, columns: Mapping[str, pa.Array], rows: int) -> Micros:
        """Microseconds since 1970 of every row, NONE where there is no time."""
        held = [columns[name] for name in self.columns if name in columns]
        if len(held) < len(self.columns):
            return np.full(rows, NONE, dtype=np.int64)
        return np.where(self._asked(columns, rows), self._moments(held), NONE)

    def _asked(self, columns: Mapping[str, pa.Array], rows: int) -> npt.NDArray[np.bool_]:
        asked = np.ones(rows, dtype=bool)
        for name, values in self.where:
            found = pc.is_in(columns[name], pa.array(values)) if name in columns else None
            asked &= False if found is None else np.asarray(found)
        return asked

    def _moments(self, held: Sequence[pa.Array]) -> Micros:
        text = held[0] if len(held) == 1 else pc.binary_join_element_wise(*held, " ")
        if self.format in SCALES:
            return numbers(text, SCALES[self.format])
        if self.format == "clf":  # 10/Oct/2000:13:55:36 -0700
            return parse_clf(text)
        return auto(text) if self.format == "auto" else formatted(text, self.format)


def numbers(texts: pa.Array, micros: float | None) -> Micros:
    """Times as numbers of a unit of so many microseconds; None: whatever the number's size says it is."""
    sound = np.asarray(pc.fill_null(pc.match_substring_regex(texts, f"^{NUMBER.pattern}$"), False))
    values = np.zeros(len(texts))
    values[sound] = pc.cast(texts.filter(pa.array(sound)), pa.float64()).to_numpy(zero_copy_only=False)
    if micros is None:
        size = np.abs(values)
        scale = np.select([size < 1e11, size < 1e14, size < 1e17], [1e6, 1e3, 1.0], 1e-3)
    else:
        scale = np.full(len(values), micros)
    moments = values * scale
    sound &= np.abs(moments) < 9e18
    return np.where(sound, np.rint(np.where(sound, moments, 0.0)).astype(np.int64), NONE)


def auto(texts: pa.Array) -> Micros:
    """ISO 8601, with slashes too, or numbers since 1970 in seconds, milli-, micro- or nanoseconds, by their size."""
    first = next((t for t in texts.slice(0, 100).to_pylist() if t), "")
    if NUMBER.fullmatch(first):
        return numbers(texts, None)
    if SLASHED.match(first):
        texts = pc.replace_substring(texts, "/", "-", max_replacements=2)
    return parse_iso(texts)


def formatted(texts: pa.Array, pattern: str) -> Micros:
    """Times as `strptime` reads them, distinct ones once; without a zone they are taken as UTC."""
    coded = texts.dictionary_encode()
    distinct = np.array([_moment(t, pattern) for t in coded.dictionary.to_pylist()] or [NONE], dtype=np.int64)
    places = pc.fill_null(coded.indices, 0).to_numpy(zero_copy_only=False)
    return np.where(coded.is_valid().to_numpy(zero_copy_only=False), distinct[places], NONE)


@lru_cache(maxsize=65536)
def _moment(text: str, pattern: str) -> int:
    try:
        moment = datetime.strptime(text.strip(), pattern)
    except ValueError:
        return NONE
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


@lru_cache(maxsize=4096)
def slug(text: str) -> str:
    """A value as part of a table's name: lower case, letters, digits and underscores, at most 40 characters."""
    return SLUG.sub("_", text.lower()).strip("_")[:40] or "other"


@dataclass(frozen=True, slots=True)
class Placing:
    """How a mapping places records. `table` may hold `{column}`; of times and hosts the first that is there counts."""

    table: str
    split: tuple[str, ...]  # the columns in the table's name
    times: tuple[Clock, ...]
    hosts: tuple[str, ...]

    @classmethod
    def of(cls, content: Mapping[str, Any], where: str) -> Placing:
        """From a mapping's `table`, `time` and `host`."""
        table = content.get("table")
        if not isinstance(table, str) or not table:
            raise SourceError("the mapping names no table", where=where, fix="table: my_product_log")
        times = tuple(Clock.of(said, where) for said in _listed(content.get("time")))
        return cls(table, tuple(WORDS.findall(table)), times, tuple(map(str, _listed(content.get("host")))))

    def table_of(self, values: Sequence[str | None]) -> str:
        """The table of a record with these values in the columns of the table's name."""
        name = self.table
        for column, value in zip(self.split, values, strict=True):
            name = name.replace("{" + column + "}", slug(value or "other"))
        return name

    def given_out(self, table: str, rows: Rows, file: str) -> Batch:
        """The rows gathered of a table, which are forgotten with that."""
        batch = self.batch(rows.columns(), len(rows.places), rows.origins(file))
        rows.clear()
        return Batch(table, batch)

    def batch(self, columns: dict[str, pa.Array], rows: int, origins: pa.Array) -> pa.RecordBatch:
        """Native columns with `_time`, `_host` and `_origin`."""
        moments = np.full(rows, NONE, dtype=np.int64)
        for clock in self.times:
            if (missing := moments == NONE).any():
                moments = np.where(missing, clock.read(columns, rows), moments)
        named = [columns[name] for name in self.hosts if name in columns]
        if named:
            blank = pa.scalar(None, pa.string())
            hosts = pc.utf8_lower(pc.coalesce(*(pc.if_else(pc.equal(c, ""), blank, c) for c in named)))
            hosts = pc.replace_substring_regex(hosts, PORT, r"\1")
        else:
            hosts = pa.nulls(rows, pa.string())
        if PATH in self.hosts and rows and hosts.null_count:
            told = host_of(str(origins[0]).rpartition("#")[0])
            hosts = hosts if told is None else pc.fill_null(hosts, told)
        return batch_of(columns, timestamps(moments), hosts, origins)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]

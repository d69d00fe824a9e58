"""What every event gets before it is stored: who it is (`_id`), its partition (`_day`), at most 1,000 columns.

`_id` is the xxh3_128 hash of the table, the host, the time, all non-empty native fields sorted by name, and the
ordinal among identical records of the file. It does not depend on where the file lies, how it is compressed, in which
order a record's keys stand or how records were dealt into batches.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from vizsla.nouns.event import DAY, EVENT_FIELDS, EXTRA, HOST, ID, MAX_COLUMNS, ORIGIN, TIME, UNKNOWN_DAY
from vizsla.ordinals import REMEMBERED, Ordinals, pack_ordinals, unpack_ordinals, with_ordinal
from vizsla.source import Batch

MAX_VALUE = 1 << 20  # bytes of one value
AT_ONCE = 512  # rows hashed at a time: their text stays near the processor
FEW = 256  # rows: below it, loops are faster than Arrow's functions
_NO_DAY = np.iinfo(np.int64).min
_FIELD, _VALUE, _END = "\x1e", "\x1f", "\x1d"
_EXTRA_TYPE = pa.map_(pa.string(), pa.string())
_OWN = frozenset(EVENT_FIELDS.names) | {EXTRA}


class Stamper:
    """Stamps the batches of one file, in order.

    Args:
        now: what the time is; events later than the day after tomorrow lie under `_day=unknown`.
        declared: the declared columns of each table (or of a pattern such as `zeek_*`): they come first where a table
            has too many, and their spelling wins where names differ only in case.
        ordinals: False where whoever takes the batches puts ordinals into `_id`: identical records share theirs.
    """

    def __init__(
        self, now: datetime, declared: Mapping[str, Sequence[str]] | None = None, *, ordinals: bool = True
    ) -> None:
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._first = _micros(datetime(1990, 1, 1, tzinfo=UTC))
        self._last = _micros(midnight + timedelta(days=3))
        self._declared = declared or {}
        self._numbers = ordinals
        self._ordinals: dict[str, Ordinals] = {}
        self._log: dict[str, str] = {}  # the file whose ordinals those are, per table
        self._columns: dict[str, dict[str, str]] = {}
        self.counts: Counter[str] = Counter()  # 'cut values', 'unknown days'

    def stamp(self, batch: Batch) -> pa.RecordBatch:
        """The batch with `_id`, `_time`, `_host`, `_day`, `_origin` first, then its native columns, then `_extra`."""
        events = batch.events
        rows = events.num_rows
        time = _column(events, TIME, pa.timestamp("us", tz="UTC"))
        host = _column(events, HOST, pa.string())
        native = {
            n: self._cut(_text(c)) for n, c in zip(events.schema.names, events.columns, strict=True) if n not in _OWN
        }
        extra = events.column(EXTRA) if EXTRA in events.schema.names else None
        digests, nul = _digests(batch.table, time, host, native, extra)
        if nul:
            native, extra = _without_nul(native, extra)
            digests, _ = _digests(batch.table, time, host, native, extra)
        ids = self._ids(batch, digests)
        day = self._day(time)
        merged, extra = self._fitted(batch.table, _merged(native, self._spelling(batch.table)), extra)
        own = {ID: ids, TIME: time, HOST: host, DAY: day, ORIGIN: _column(events, ORIGIN, pa.string())}
        arrays: dict[str, pa.Array] = {**own, **merged}
        if extra is not None and extra.null_count < rows:
            arrays[EXTRA] = extra
        fields = [EVENT_FIELDS.field(n) if n in own else pa.field(n, c.type) for n, c in arrays.items()]
        return pa.RecordBatch.from_arrays(list(arrays.values()), schema=pa.schema(fields))

    def ordinals(self) -> bytes:
        """What of the log so far says the ordinals of its further records. Of one log, not of several."""
        return pack_ordinals(self._ordinals)

    def go_on(self, ordinals: bytes) -> None:
        """Stamp what follows in a log after what gave these ordinals. Raises ValueError where they are damaged."""
        self._ordinals = unpack_ordinals(ordinals)
        self._log = dict.fromkeys(self._ordinals, "")

    def _ids(self, batch: Batch, digests: list[bytes]) -> pa.Array:
        start = 0
        for log, rows in (batch.logs or (("", len(digests)),)) if self._numbers else ():
            if self._log.get(batch.table) != log:  # ordinals are a file's own
                self._log[batch.table], self._ordinals[batch.table] = log, Ordinals()
            for at, ordinal in self._ordinals[batch.table].of(digests[start : start + rows]).items():
                digests[start + at] = with_ordinal(digests[start + at], ordinal)
            start += rows
        digits = pa.py_buffer(b"".join(digests).hex().encode())
        ends = pa.py_buffer(np.arange(0, 32 * len(digests) + 1, 32, dtype=np.int32))
        return pa.StringArray.from_buffers(len(digests), ends, digits)

    def _cut(self, column: pa.Array) -> pa.Array:
        """Values of more than 1 MiB are cut, and say so; a hash of the whole keeps different ones different."""
        if column.get_total_buffer_size() <= MAX_VALUE:
            return column
        sizes = pc.binary_length(column)
        largest = pc.max(sizes).as_py()
        if largest is None or largest <= MAX_VALUE:
            return column
        values = column.to_pylist()
        for at in np.flatnonzero(pc.fill_null(pc.greater(sizes, MAX_VALUE), False).to_numpy(zero_copy_only=False)):
            whole = values[at].encode()
            kept = whole[:MAX_VALUE].decode("utf-8", "ignore")
            digest = xxhash.xxh3_64_hexdigest(whole)
            values[at] = f"{kept}…[cut: {len(whole)} bytes in all, xxh3 {digest}]"
            self.counts["cut values"] += 1
        return pa.array(values, pa.string())

    def _day(self, time: pa.Array) -> pa.Array:
        micros = pc.fill_null(pc.cast(time, pa.int64()), self._first - 1).to_numpy(zero_copy_only=False)
        sound = (micros >= self._first) & (micros < self._last)
        self.counts["unknown days"] += int((~sound).sum())
        days = np.where(sound, micros // 86_400_000_000, _NO_DAY)
        changes = np.flatnonzero(
            np.diff(days, prepend=days[:1] - 1)
        )  # logs are nearly in order: a day is a run of rows
        distinct, which = np.unique(days[changes], return_inverse=True)
        names = [UNKNOWN_DAY if d == _NO_DAY else str(np.datetime64(d, "D")) for d in distinct.tolist()]
        runs = np.repeat(which, np.diff(changes, append=len(days)))
        return pa.array(names, pa.string()).take(pa.array(runs))

    def _spelling(self, table: str) -> dict[str, str]:
        """Lower-cased names of the table's columns so far to their spelling: declared ones first, then as they came."""
        found = self._columns.get(table)
        if found is None:
            declared = self._declared.get(table) or next(
                (c for p, c in self._declared.items() if p.endswith("*") and table.startswith(p[:-1])), ()
            )
            found = self._columns[table] = {}
            for name in declared:
                found.setdefault(name.lower(), name)
        return found

    def _fitted(self, table: str, native: dict[str, pa.Array], extra: pa.Array | None,
                ) -> tuple[dict[str, pa.Array], pa.Array | None]:  # fmt: skip
        """At most 1,000 columns a table and file: those that came first stay, the most frequent others follow."""
        spelling = self._columns[table]
        limit = MAX_COLUMNS - len(EVENT_FIELDS) - 1
        new = [n for n in native if n.lower() not in spelling]
        if len(spelling) + len(new) <= limit:
            spelling.update({n.lower(): n for n in new})
            return native, extra
        new.sort(key=lambda n: (native[n].null_count, n))
        room = max(limit - len(spelling), 0)
        spelling.update({n.lower(): n for n in new[:room]})
        outside = sorted(new[room:])
        pairs = [list(p) if p else [] for p in extra.to_pylist()] if extra is not None else None
        if pairs is None:
            pairs = [[] for _ in range(len(native[outside[0]]))]
        for name in outside:
            column = native.pop(name)
            for at in np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False)):
                pairs[at].append((name, column[int(at)].as_py()))
        return native, pa.array([p or None for p in pairs], _EXTRA_TYPE)


def _without_nul(native: dict[str, pa.Array], extra: pa.Array | None) -> tuple[dict[str, pa.Array], pa.Array | None]:
    """NUL as an escape: some engines end a text at it."""
    native = {n: pc.replace_substring(column, "\0", "\\x00") for n, column in native.items()}
    if extra is not None:
        pairs = [p and [(n.replace("\0", "\\x00"), v.replace("\0", "\\x00")) for n, v in p] for p in extra.to_pylist()]
        extra = pa.array(pairs, _EXTRA_TYPE)
    return native, extra


def _micros(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def _column(events: pa.RecordBatch, name: str, kind: pa.DataType) -> pa.Array:
    if name not in events.schema.names:
        return pa.nulls(events.num_rows, kind)
    column = events.column(name)
    return column if column.type == kind else pc.cast(column, kind)


def _text(column: pa.Array) -> pa.Array:
    return column if column.type == pa.string() else pc.cast(column, pa.string())


def _digests(table: str, time: pa.Array, host: pa.Array, native: Mapping[str, pa.Array],
             extra: pa.Array | None) -> tuple[list[bytes], bool]:  # fmt: skip
    """Each record's hash: of table, host, time, then name=value of every non-empty field, sorted by name.

    Returns them, and whether a NUL may be among what was hashed.
    """
    order = sorted(native, key=lambda n: (n.lower(), n))
    if len(time) <= FEW:
        texts = _canonical_few(table, time, host, [(n, native[n]) for n in order], extra)
        return list(map(xxhash.xxh3_128_digest, texts)), any(b"\0" in text for text in texts)
    moments = pc.cast(pc.cast(time, pa.int64()), pa.string())
    pieces: list[str | pa.Array] = [table + _END, host, _END, moments]
    for name in order:
        pieces += _field(name, native[name])
    found, nul = _hashed(_joined(pieces, len(time)))
    if extra is not None:
        held = extra.is_valid().to_numpy(zero_copy_only=False)
        fields: dict[int, list[tuple[str, str]]] = {at: p for at, p in enumerate(extra.to_pylist()) if p is not None}
        for name in order:
            column = native[name]
            rows = np.flatnonzero(held & column.is_valid().to_numpy(zero_copy_only=False))
            for at, value in zip(rows.tolist(), column.take(pa.array(rows)).to_pylist(), strict=True):
                fields[at].append((name, value))
        for at, pairs in fields.items():
            begin = f"{table}{_END}{host[at].as_py() or ''}{_END}{moments[at].as_py() or ''}"
            text = _one_text(begin, pairs)
            found[at] = xxhash.xxh3_128_digest(text)
            nul |= b"\0" in text
    return found, nul


def _canonical_few(table: str, time: pa.Array, host: pa.Array, native: Sequence[tuple[str, pa.Array]],
                   extra: pa.Array | None) -> list[bytes]:  # fmt: skip
    """The same for so few rows that Arrow's overhead for each column would count."""
    begins = [
        f"{table}{_END}{h or ''}{_END}{'' if t is None else t}"
        for h, t in zip(host.to_pylist(), pc.cast(time, pa.int64()).to_pylist(), strict=True)
    ]
    rows = [[begin] for begin in begins]
    for name, column in native:
        start = name.lower() + _VALUE
        for row, value in zip(rows, column.to_pylist(), strict=True):
            if value:
                row.append(start + value)
    found: list[bytes] = [_FIELD.join(row).encode() for row in rows]
    if extra is not None:
        for at, more in enumerate(extra.to_pylist()):
            if more:
                found[at] = _one_text(begins[at], [(n, c[at].as_py()) for n, c in native] + list(more))
    return found


def _one_text(begin: str, fields: Sequence[tuple[str, str | None]]) -> bytes:
    held = sorted((name.lower(), name, value) for name, value in fields if value)
    return _FIELD.join([begin, *(f"{low}{_VALUE}{value}" for low, _, value in held)]).encode()


def _field(name: str, column: pa.Array) -> list[str | pa.Array]:
    """What a column adds to the text of its rows: its name and its values, where these are neither null nor empty."""
    mark = f"{_FIELD}{name.lower()}{_VALUE}"
    rows = len(column)
    sizes = np.diff(np.frombuffer(column.buffers()[1], np.int32, rows + 1, 4 * column.offset))
    held = sizes > 0
    if column.null_count:
        held &= column.is_valid().to_numpy(zero_copy_only=False)
    count = int(np.count_nonzero(held))
    if not count:
        return []
    if count < rows:
        text = mark.encode()
        ends = np.zeros(rows + 1, np.int64)
        np.cumsum(held, out=ends[1:])
        ends *= len(text)
        return [pa.LargeStringArray.from_buffers(rows, pa.py_buffer(ends), pa.py_buffer(text * count)), column]
    one = column[0].as_py()
    if column[rows - 1].as_py() == one and (sizes == sizes[0]).all() and pc.all(pc.equal(column, one)).as_py():
        return [mark + one]
    return [mark, column]


def _joined(pieces: Sequence[str | pa.Array], rows: int) -> pa.Array:
    """Pieces side by side, nulls left out, each row ended by NUL. More than 2 GiB of text needs 64-bit offsets."""
    parts: list[str | pa.Array] = []
    for piece in (*pieces, "\0"):  # neighbouring constants as one: what a row costs is a matter of its pieces
        if isinstance(piece, str) and parts and isinstance(parts[-1], str):
            parts[-1] += piece
        else:
            parts.append(piece)
    size = sum(rows * len(part.encode()) if isinstance(part, str) else part.nbytes for part in parts)
    kind = pa.string() if size <= (1 << 31) - (1 << 20) else pa.large_string()
    texts = [pa.scalar(part, kind) if isinstance(part, str) else part.cast(kind) for part in parts]
    return pc.binary_join_element_wise(*texts, pa.scalar("", kind), null_handling="replace", null_replacement="")


def _hashed(texts: pa.Array) -> tuple[list[bytes], bool]:
    """The hash of each text up to the NUL that ends it, and whether there is another NUL in any."""
    rows = len(texts)
    if not rows:
        return [], False
    width: type[np.int32] | type[np.int64] = np.int64 if texts.type == pa.large_string() else np.int32
    _, offsets, data = texts.buffers()
    whole = memoryview(data)
    bounds: list[int] = np.frombuffer(offsets, width)[texts.offset : texts.offset + rows + 1].tolist()
    found: list[bytes] = []
    nul = False
    for first in range(0, rows, AT_ONCE):
        last = min(first + AT_ONCE, rows)
        parts = bytes(whole[bounds[first] : bounds[last] - 1]).split(b"\0")
        if len(parts) != last - first:
            nul = True
            parts = [bytes(whole[begin : end - 1]) for begin, end in pairwise(bounds[first : last + 1])]
        found += map(xxhash.xxh3_128_digest, parts)
    return found, nul


def _merged(native: Mapping[str, pa.Array], spelling: Mapping[str, str]) -> dict[str, pa.Array]:
    """Columns whose names differ only in case as one; where a row holds different values, the other is kept as X_2."""
    groups: dict[str, deque[str]] = {}
    for name in sorted(native):
        groups.setdefault(name.lower(), deque()).append(name)
    found: dict[str, pa.Array] = {}
    for low, names in groups.items():
        name = spelling.get(low) or names[0]
        if name in names:
            names.remove(name)
            names.appendleft(name)
        columns = [native[n] for n in names]
        found[name] = columns[0]
        n = 2
        while len(columns := _coalesced(columns)) > 1:
            found[name], columns = columns[0], columns[1:]
            while f"{low}_{n}" in groups:
                n += 1
            name, n = f"{names[0]}_{n}", n + 1
            found[name] = columns[0]
        found[name] = columns[0]
    return dict(sorted(found.items()))


def _coalesced(columns: Sequence[pa.Array]) -> list[pa.Array]:
    """The first value of each row, and columns of what differed from it."""
    if len(columns) == 1:
        return list(columns)
    blank = pa.scalar(None, pa.string())
    cleaned = [pc.if_else(pc.equal(c, ""), blank, c) for c in columns]
    first = pc.coalesce(*cleaned)
    rest = [pc.if_else(pc.fill_null(pc.not_equal(c, first), False), c, blank) for c in cleaned[1:]]
    return [first, *(c for c in rest if c.null_count < len(c))]


__all__ = ["REMEMBERED", "Ordinals", "Stamper"]

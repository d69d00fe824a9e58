"""Events as numbers: every compared value becomes the 64-bit hash of its shape, column by column.

Hashes need no agreement between workers: two of them that never met give the same value the same number, and
their results merge by equality. Strings are touched once per distinct value; rows are only taken and added.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from vizsla import arrow
from vizsla.analytics.rarity.fields import Profile
from vizsla.nouns.event import HOST, TIME
from vizsla.shape import alike, each_shape, shapes

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
NOTHING = np.uint64(0)  # the code of an absent value: null, empty, or '-'
HOUR = 3_600_000_000  # microseconds
NO_TIME = np.iinfo(np.int64).min
EARLIEST = 631_152_000_000_000  # 1990-01-01: clocks that say less were never set
LATEST = 7_258_118_400_000_000  # 2200-01-01
MANY = 8_192  # distinct values in a batch from which they are not looked up one by one
REMEMBERED = 400_000  # distinct raw values per field whose codes are kept
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ROUNDS = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))
_LAST = np.uint64(31)
_AT_ONCE = 16_384


def code_of(text: str) -> int:
    """The code of a shape, a name or an identifier; never NOTHING."""
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) or 1


def mixed(*parts: U64) -> U64:
    """Several codes as one, order mattering; a bijective mix after each part (splitmix64)."""
    size = max(map(len, parts)) if all(map(len, parts)) else 0
    made = np.empty(size, dtype=np.uint64)
    spare = np.empty(min(size, _AT_ONCE), dtype=np.uint64)
    for begin in range(0, size, _AT_ONCE):  # so that what is worked on stays near the processor
        total = made[begin : begin + _AT_ONCE]
        shifted = spare[: len(total)]
        total[:] = 0
        for part in parts:
            total ^= part if len(part) == 1 else part[begin : begin + _AT_ONCE]
            total += _GOLDEN
            for shift, factor in _ROUNDS:
                np.right_shift(total, shift, out=shifted)
                total ^= shifted
                total *= factor
            np.right_shift(total, _LAST, out=shifted)
            total ^= shifted
    return made


@dataclass(frozen=True, slots=True)
class Coded:
    """A column as codes: those of its distinct values, and each row's place among them (-1: absent)."""

    codes: U64  # NOTHING is the last one, which place -1 means
    places: I64

    @classmethod
    def of(cls, codes: U64, places: I64) -> Coded:
        return cls(np.append(codes, NOTHING), places)

    def rows(self, at: I64 | None = None) -> U64:
        """The codes of these rows; of all where none are named."""
        return self.codes[self.places if at is None else self.places[at]]

    def added(self, name: str) -> Coded:
        """What each value adds to its row's pattern as the value of this field: nothing where it is absent."""
        own = mixed(self.codes, np.full(1, code_of(name), dtype=np.uint64)) * (self.codes != NOTHING)
        return Coded(own, self.places)


@dataclass(slots=True)
class Rows:
    """The rows of one type of event in a batch. All arrays are as long as `at`, the rows' places in the batch."""

    kind: str
    at: I64
    host: U64
    time: I64  # microseconds since 1970, NO_TIME where unknown
    actor: U64
    coded: dict[str, Coded]  # of the whole batch; those that one of the rows has
    pattern: U64  # the actor and the fields as one number

    @property
    def fields(self) -> dict[str, U64]:
        """The codes of every field that one of the rows has."""
        return {name: column.rows(self.at) for name, column in self.coded.items()}

    @property
    def hour(self) -> I64:
        """Hours since 1970; -1 where the time is unknown."""
        return np.where(self.time == NO_TIME, np.int64(-1), self.time // HOUR)


@dataclass(slots=True)
class Encoder:
    """Turns batches of one table into `Rows`, and remembers what its codes stand for."""

    profile: Profile
    words: dict[int, str] = field(default_factory=dict)
    _known: dict[str, dict[str, int]] = field(default_factory=dict)
    _coded: dict[str, int] = field(default_factory=dict)

    def rows(self, batch: pa.RecordBatch, only: set[str] | None = None) -> Iterator[Rows]:
        """The batch's rows, type by type; with `only`, of these kinds alone."""
        names = batch.schema.names
        host = self.identity(batch, HOST)
        time = times(batch)
        columns: dict[str, Coded] = {}
        added: dict[str, Coded] = {}
        for at, kind in self._kinds(batch):
            if only is not None and kind not in only:
                continue
            whole = len(at) == batch.num_rows
            if not columns:
                columns = {name: self.coded(batch.column(name), name) for name in self.profile.compared(names)}
                columns |= self._derived(batch)
                acting = self._actor(batch, columns)
                for name in self.profile.actor:  # a derived actor is no field of its own
                    if name not in self.profile.also:
                        columns.pop(name, None)
                added = {name: column.added(name) for name, column in columns.items()}
            own = {}
            total = np.zeros(len(at), dtype=np.uint64)
            for name, column in columns.items():
                if (column.codes if whole else column.rows(at)).any():
                    own[name] = column
                    # A sum over fields: columns that a batch lacks change nothing.
                    total += added[name].rows(None if whole else at)
            actor = acting if whole else acting[at]
            hosts = host if whole else host[at]
            # Only where the host does act: a sensor's log tells of many actors, whose units must not be one.
            who = np.where(actor == hosts, NOTHING, actor) if self.profile.host_acts else actor
            yield Rows(kind, at, hosts, time if whole else time[at], actor, own, mixed(who, total))

    def column(self, values: pa.Array, name: str) -> U64:
        """The codes of a column's shapes, row by row, NOTHING where absent."""
        return self.coded(values, name).rows()

    def coded(self, values: pa.Array, name: str) -> Coded:
        """The codes of a column's shapes."""
        if (len(values.dictionary) if pa.types.is_dictionary(values.type) else len(values)) > MANY:
            return self._many(values, name)
        distinct, places = dictionary(values)
        return Coded.of(self._codes(distinct, name), places)

    def _many(self, values: pa.Array, name: str) -> Coded:
        """The codes of values of which hardly any come twice: first brought to the few that have their shapes."""
        if not pa.types.is_dictionary(values.type):
            texts, kin = alike(values.cast(pa.string()))
            return Coded.of(self._fresh(texts), kin.astype(np.int64))
        distinct, places = dictionary(values)
        texts, kin = alike(distinct.cast(pa.string()))
        return Coded.of(self._fresh(texts), np.append(kin, -1).astype(np.int64)[places])

    def _fresh(self, distinct: pa.Array) -> U64:
        """The codes of values that are hardly worth remembering: of so many, few come again."""
        shaped = pc.dictionary_encode(each_shape(distinct), null_encoding="encode")
        words = np.array([self._word(text or "") for text in shaped.dictionary.to_pylist()], dtype=np.uint64)
        codes: U64 = words[shaped.indices.to_numpy()]
        return codes

    def _codes(self, distinct: pa.Array, name: str) -> U64:
        known = self._known.setdefault(name, {})
        if len(known) > REMEMBERED:
            known.clear()
        texts = distinct.to_pylist()
        fresh = [t for t in texts if t is not None and t not in known]
        if fresh:
            for raw, shaped in zip(fresh, shapes(pa.array(fresh, pa.string())).to_pylist(), strict=True):
                known[raw] = self._word(shaped)
        return np.fromiter((known[t] if t is not None else 0 for t in texts), dtype=np.uint64, count=len(texts))

    def identity(self, batch: pa.RecordBatch, name: str) -> U64:
        """The codes of a column's values as they are, not their shapes: hosts, and keys that join."""
        if name not in batch.schema.names:
            return np.zeros(batch.num_rows, dtype=np.uint64)
        distinct, places = dictionary(batch.column(name))
        texts = ["" if t is None else t for t in distinct.to_pylist()]
        codes = np.fromiter((0 if t in ABSENT else code_of(t) for t in texts), dtype=np.uint64, count=len(texts))
        if name == HOST:
            self.words.update((code, text) for code, text in zip(codes.tolist(), texts, strict=True) if code)
        return take(codes, places)

    def forget(self) -> None:
        """Start anew: what codes stand for was handed on."""
        self.words.clear()
        self._known.clear()
        self._coded.clear()

    def _word(self, shaped: str) -> int:
        code = self._coded.get(shaped)
        if code is None:
            code = 0 if shaped in ABSENT else code_of(shaped)
            self._coded[shaped] = code
            if code:
                self.words[code] = shaped
        return code

    def _kinds(self, batch: pa.RecordBatch) -> Iterator[tuple[I64, str]]:
        everything = np.arange(batch.num_rows)
        if not self.profile.kind or self.profile.kind not in batch.schema.names:
            yield everything, self.profile.kind_of("")
            return
        distinct, places = dictionary(batch.column(self.profile.kind))
        names = ["" if name is None else name for name in distinct.to_pylist()]
        if len(names) == 1 and not (places < 0).any():
            yield everything, self.profile.kind_of(names[0])
            return
        small = len(names) < np.iinfo(np.int16).max  # sorted by their digits
        order = np.argsort(places.astype(np.int16) if small else places, kind="stable")
        bounds = np.searchsorted(places[order], np.arange(-1, len(names) + 1))
        for i, name in enumerate(["", *names]):  # place -1 holds the nulls
            at = order[bounds[i] : bounds[i + 1]]
            if len(at):
                yield at, self.profile.kind_of(name)

    def _derived(self, batch: pa.RecordBatch) -> dict[str, Coded]:
        found: dict[str, U64] = {}
        for rule in self.profile.derived:
            if rule.source not in batch.schema.names:
                continue
            codes = self.column(cut_out(batch.column(rule.source), rule.pattern), rule.field)
            before = found.get(rule.field)
            if before is None and rule.field in batch.schema.names:
                before = self.column(batch.column(rule.field), rule.field)
            found[rule.field] = codes if before is None else np.where(before == NOTHING, codes, before)
        everything = np.arange(batch.num_rows)
        return {name: Coded.of(codes, everything) for name, codes in found.items()}

    def _actor(self, batch: pa.RecordBatch, columns: dict[str, Coded]) -> U64:
        acting = np.zeros(batch.num_rows, dtype=np.uint64)
        for name in self.profile.actor:
            column = columns.get(name)
            if column is None:
                if name not in batch.schema.names:
                    continue
                column = self.coded(batch.column(name), name)
            acting = np.where(acting == NOTHING, column.rows(), acting)
            if acting.all():
                break
        return acting


ABSENT = frozenset(("", "-"))


def dictionary(values: pa.Array) -> tuple[pa.Array, I64]:
    """Distinct values that some row has, and each row's place among them (-1 for null)."""
    values = arrow.whole(values)
    if not pa.types.is_dictionary(values.type):
        values = pc.dictionary_encode(values)
    places = values.indices
    if places.null_count:
        places = pc.fill_null(places, -1)
    numbers: I64 = places.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
    return _used(values.dictionary, numbers)


def _used(distinct: pa.Array, places: I64) -> tuple[pa.Array, I64]:
    """Without the values that no row has: a batch from Parquet brings those of the batches before it, too."""
    used = np.zeros(len(distinct) + 1, dtype=bool)
    used[places] = True  # place -1 is the last one
    kept = np.flatnonzero(used[:-1])
    if len(kept) == len(distinct):
        return distinct, places
    moved = np.full(len(distinct) + 1, -1, dtype=np.int64)
    moved[kept] = np.arange(len(kept))
    return distinct.take(pa.array(kept)), moved[places]


def take(codes: U64, places: I64) -> U64:
    """`codes[places]`, NOTHING where a place is -1."""
    return np.append(codes, NOTHING)[places]  # place -1 is the appended one


def cut_out(values: pa.Array, pattern: str) -> pa.Array:
    """The first group of a pattern in each distinct value, dictionary-encoded; empty where it does not match."""
    distinct, places = dictionary(values)
    named = pattern.replace("(", "(?P<cut>", 1)
    cut = pc.struct_field(pc.extract_regex(distinct, named), "cut")
    indices = pa.array(np.where(places < 0, 0, places), pa.int64(), mask=places < 0)
    return pa.DictionaryArray.from_arrays(indices, pc.utf8_trim_whitespace(pc.fill_null(cut, "")))


def times(batch: pa.RecordBatch) -> I64:
    """Microseconds since 1970, NO_TIME for null and for what cannot be believed: before 1990, after 2199."""
    values = arrow.plain(batch.column(TIME))
    numbers: I64 = pc.fill_null(values.cast(pa.int64()), int(NO_TIME)).to_numpy(zero_copy_only=False)
    return np.where((numbers >= EARLIEST) & (numbers < LATEST), numbers, NO_TIME)

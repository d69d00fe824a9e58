"""What analytics observed, as the units, ties and words that triage already knows.

A kind of observation is named 'analytic/kind of event'. Its unit is a pattern on a host in an hour with one score, and
that score is already a surprisal: -log2 of how many of the baseline's own observations reach it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytics import registry
from vizsla.analytics.rarity.encode import EARLIEST, HOUR, I64, LATEST, NOTHING, U64, code_of, dictionary, mixed, take
from vizsla.analytics.rarity.fields import Profile, profile
from vizsla.analytics.rarity.keys import LOGON_KINDS, NO_PID, keys
from vizsla.analytics.rarity.model import Learnt, ScoredUnits, Tallied, scored
from vizsla.analytics.rarity.pick import tie_key
from vizsla.analytics.rarity.reference import Columns
from vizsla.analytics.rarity.share import cut
from vizsla.analytics.rarity.tally import SLICE, TIE_KEY, TIE_SUM, Heap, merge_rows, stacked
from vizsla.analytics.rarity.things import of_pair, on_host, programs
from vizsla.calibration import Floats, Tail
from vizsla.nouns.event import HOST, TIME

SCORE = "score"  # the column of units that holds their surprisal
ALIKE = "alike"  # the column of units that holds the pattern as its author named it
TOLD = "told"  # the column of units that holds whether an event of theirs is named
UNIT_SUM = {"n": "sum", "first": "min", "last": "max", TOLD: "max"}
SPLIT = "/"
OF_EVENT = "*"  # the family of an analytic whose evidence is of the family of the event behind it
HITTING = frozenset(("sigma", "intel"))  # analytics of hits; see `Builtin.hits`
BITS = "bits/"  # the tail of hits, which is none: their surprisal is in bits already
ROWS = pa.schema([("tie", pa.uint64()), ("score", pa.float64()), ("why", pa.string()),
                  ("event_ids", pa.list_(pa.string())), ("picture", pa.string())])  # fmt: skip


def native(kind: str) -> str:
    """The kind of event behind a kind of observation, or of any other unit."""
    return kind[kind.partition(":")[0].rfind(SPLIT) + 1 :]


def split(kind: str) -> bool:
    """Whether a kind of unit is an analytic's kind of observation. After the colon stands the log's own text."""
    return SPLIT in kind.partition(":")[0]


def analytic_of(kind: str) -> str:
    """The analytic behind a kind of unit."""
    return kind.partition(SPLIT)[0] if split(kind) else "rarity"


def is_hit(kind: str) -> bool:
    """Whether a kind of unit is of events that a rule or an indicator met: its surprisal is its bits."""
    return split(kind) and analytic_of(kind) in HITTING


def family_of(kind: str) -> str:
    """The family of a kind of unit: within an episode its evidence does not add.

    What a rule met and how rare that is are of one event: a hit is of its event's family.
    """
    if split(kind) and not is_hit(kind) and (own := registry()[analytic_of(kind)].family) != OF_EVENT:
        return own
    return profile(native(kind).partition(":")[0]).family(native(kind))


def tail_of(kind: str) -> str:
    """The tail that a kind's surprisals are held against: its family's, and an analytic's own scale never mixes."""
    if is_hit(kind):
        return BITS
    return analytic_of(kind) + SPLIT if split(kind) else family_of(kind)


@dataclass(frozen=True, slots=True)
class Observed:
    """Observations in triage's terms. `rows`: by ascending `tie`, what the strongest observation of a tie says."""

    units: Mapping[str, Columns] = field(default_factory=dict)
    words: Mapping[int, str] = field(default_factory=dict)
    ties: Columns = field(default_factory=dict)
    rows: pa.Table = field(default_factory=ROWS.empty_table)
    timeless: int = 0  # observations without a time: in no episode

    def scored(self) -> ScoredUnits:
        """The units with their surprisal."""
        return scored(self.units, lambda _, units: units[SCORE])

    def within(self, begin: int, end: int) -> Observed:
        """What was observed in [begin, end), microseconds since 1970, and the units of the hours that this touches."""
        kept = cut(Tallied(dict(self.units), ties=self.ties), begin, end)
        return replace(self, units=kept.units, ties=kept.ties)

    def row(self, tie: int) -> Mapping[str, object]:
        """What the strongest observation of a tie says: score, why, event_ids, picture."""
        place = int(np.searchsorted(self.rows["tie"].to_numpy(), np.uint64(tie)))
        found: Mapping[str, object] = self.rows.slice(place, 1).to_pylist()[0]
        return found


def together(parts: Iterable[Observed]) -> Observed:
    """Several analytics' observations as one."""
    listed = list(parts)
    rows = pa.concat_tables([ROWS.empty_table(), *(part.rows for part in listed)])
    return Observed(
        {kind: units for part in listed for kind, units in part.units.items()},
        {code: word for part in listed for code, word in part.words.items()},
        stacked(part.ties for part in listed),
        rows.sort_by("tie").combine_chunks(),
        sum(part.timeless for part in listed),
    )


def joined_scores(one: ScoredUnits, other: ScoredUnits) -> ScoredUnits:
    """Units of both, found again by one key."""
    if not len(other.key):
        return one
    key = np.concatenate([one.key, other.key])
    order = np.argsort(key, kind="stable")
    return ScoredUnits(
        key[order],
        np.concatenate([one.surprisal, other.surprisal])[order],
        np.concatenate([one.kind, other.kind + np.int32(len(one.kinds))])[order],
        np.concatenate([one.row, other.row])[order],
        one.kinds + other.kinds,
    )


def with_observed(tallied: Tallied, seen: Observed) -> Tallied:
    """A tally with observations beside what it counted itself."""
    if not seen.units:
        return tallied
    units = {**tallied.units, **{kind: dict(columns) for kind, columns in seen.units.items()}}
    return replace(tallied, units=units, words={**tallied.words, **seen.words}, ties=stacked([tallied.ties, seen.ties]))


def learnt_with(learnt: Learnt, seen: Observed) -> Learnt:
    """What was learnt, the sample's observations among its units."""
    if not seen.units:
        return learnt
    return replace(learnt, sample={**learnt.sample, **seen.units}, scored=joined_scores(learnt.scored, seen.scored()))


def surprisal(scores: Floats, tail: Tail) -> Floats:
    """-log2 of each score's p-value; above the highest reference score, order is kept within one more bit."""
    bits = -np.log2(tail.p(scores))
    if not len(tail.scores):
        return bits
    top, low = float(tail.scores[-1]), float(tail.scores[0])
    beyond = np.maximum(scores - top, 0.0) / ((top - low) or 1.0)
    return bits + beyond / (1.0 + beyond)


def units_of(name: str, table: pa.Table) -> dict[str, dict[str, np.ndarray]]:
    """Observations of one analytic as units by kind; `score` is still the author's, and `tie` is no unit's."""
    times = pc.fill_null(table[TIME].cast(pa.int64()), 0).to_numpy()
    host = host_codes(table)
    score = table[SCORE].to_numpy()
    alike = _codes(table["pattern"])
    # Of one pattern in one hour, what was scored otherwise is a unit of its own: each tie keeps its score.
    pattern = mixed(alike, (score + 0.0).view(np.uint64))
    columns = {"host": host, "hour": times // HOUR, "pattern": pattern, "actor": np.zeros(len(host), np.uint64),
               ALIKE: alike, "n": table["n"].to_numpy(), "first": times, "last": times, SCORE: score,
               TOLD: pc.min_element_wise(pc.list_value_length(table["event_ids"]), 1).to_numpy()}  # fmt: skip
    kinds = table["kind"].combine_chunks()
    distinct, places = dictionary(kinds)
    found = {}
    for number, kind in sorted(enumerate(distinct.to_pylist()), key=lambda item: item[1]):
        own = {column: values[places == number] for column, values in columns.items()}
        found[name + SPLIT + kind] = merge_rows(own, ("host", "hour", "pattern"), UNIT_SUM)
    return found


def observations(name: str, table: pa.Table, tail: Tail) -> Observed:
    """An analytic's observations (a table of OBSERVED, whole or in any order), held against a tail of its scores.

    Those that name no event say what is usual, but are evidence of nothing: nobody could look at what they rest on.
    """
    timed, timeless = believable(table)
    if not len(timed):
        return Observed(timeless=timeless)
    units = units_of(name, timed)
    for columns in units.values():
        columns[SCORE] = surprisal(columns[SCORE], tail)
    ties = _ties(name, timed)
    heap = Heap(TIE_KEY, TIE_SUM)
    heap.add(ties)
    texts = (text for name in (HOST, "pattern") for text in timed[name].unique().to_pylist() if text)
    return Observed(
        units, {code_of(text): text for text in texts}, heap.columns(), _rows(tie_key(ties), timed), timeless
    )


def believable(table: pa.Table) -> tuple[pa.Table, int]:
    """The observations whose time can be believed, and how many others there are."""
    times = table[TIME].cast(pa.int64())
    good = pc.fill_null(pc.and_(pc.greater_equal(times, int(EARLIEST)), pc.less(times, int(LATEST))), False)
    kept = table.filter(good).combine_chunks()
    return kept, len(table) - len(kept)


def host_codes(table: pa.Table) -> U64:
    """The code of each row's host, as rarity has it."""
    return _codes(table[HOST], absent=("", "-"))


def _codes(column: pa.ChunkedArray, absent: Sequence[str] = ()) -> U64:
    distinct, places = dictionary(column.combine_chunks())
    codes = [0 if text is None or text in absent else code_of(text) for text in distinct.to_pylist()]
    return take(np.array(codes, dtype=np.uint64), places)


def _ties(name: str, table: pa.Table) -> dict[str, np.ndarray]:
    """One row per observation, with its episode keys: a logon is its session's, whatever process took it."""
    batch = table.to_batches()[0]
    tied = keys(batch, _anchoring())
    units = table["pattern"], table[SCORE].to_numpy()
    distinct, places = dictionary(table["kind"].combine_chunks())
    kinds: I64 = np.array([code_of(name + SPLIT + kind) for kind in distinct.to_pylist()], dtype=np.uint64)
    logs_on = np.array([kind in LOGON_KINDS for kind in distinct.to_pylist()])[places] & (tied.logon != NOTHING)
    guid = np.where(logs_on, NOTHING, tied.guid)
    known = guid != NOTHING
    pair = np.where(tied.pair == NOTHING, _alone(table), tied.pair)
    times = table[TIME].cast(pa.int64()).to_numpy()
    return {
        "host": host_codes(table),
        "slice": times // SLICE,
        "guid": guid,
        "pid": np.where(known | logs_on, NO_PID, tied.pid),
        "logon": np.where(known, NOTHING, tied.logon),
        "pair": pair,
        "kind": kinds[places],
        "pattern": mixed(_codes(units[0]), (units[1] + 0.0).view(np.uint64)),
        "time": times,
        "n": table["n"].to_numpy(),
    }


def _alone(table: pa.Table) -> U64:
    """The key of a source without a destination: of a service's program, as rarity has it; else of the source alone."""
    source = _codes(table["source"], absent=("", "-"))
    program = on_host(table[HOST].combine_chunks(), programs(table["source"].combine_chunks()))
    key = np.where(program == NOTHING, of_pair(mixed(source)), program)
    return np.where((source == NOTHING) | np.asarray(table["destination"].is_valid()), NOTHING, key)


def _anchoring() -> Profile:
    """By which columns of observations an episode is told."""
    pair = ("source", "destination")
    return replace(profile(""), guid=("process_guid",), pid=("pid",), logon=("logon_id",), pair=pair)


def _rows(ties: U64, table: pa.Table) -> pa.Table:
    """Per tie, what its first observation says; the same in whichever order they came."""
    told = pa.table({"tie": pa.array(ties), "score": table[SCORE], TIME: table[TIME], "why": table["why"],
                     "event_ids": table["event_ids"], "picture": table["picture"]})  # fmt: skip
    first = [ids[0] if ids else "" for ids in told["event_ids"].to_pylist()]
    ordered = told.append_column("id", pa.array(first, pa.string())).sort_by(
        [("tie", "ascending"), (TIME, "ascending"), ("id", "ascending"), ("why", "ascending")]
    )
    codes = ordered["tie"].to_numpy()
    begins = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    return ordered.take(pa.array(begins)).select(ROWS.names).cast(ROWS)

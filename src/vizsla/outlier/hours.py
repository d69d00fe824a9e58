"""Hosts' hours as rows of features: what was counted in them, over what is usual for the host.

Only more than usual counts: an hour in which a host does less speaks for nobody. A host with few hours of its own is
held against all hosts' hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytic import observed
from vizsla.calibration import Floats
from vizsla.nouns.event import HOST, ID, TIME
from vizsla.outlier.detectors.sampled_neighbours import SampledNeighbours
from vizsla.view import TABLE, epoch, named, view_of

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan

HOUR = 3_600_000_000  # microseconds
OWN = 24  # hours of a host from which on its own median is what is usual for it
MOST = 20_000  # hours learnt that are compared with
DIGITS = 6  # of a score: what is added up in another order differs in the last ones
LEAST = 24  # hours below which nothing can be said
SEED = 1
SAID = 0.05  # the share of learnt hours below which an hour is told of in full
NAMED = 3  # features named in a sentence


@dataclass(frozen=True, slots=True)
class Feature:
    """What is counted: events of a view, or distinct values of a field of theirs; and what that is in words."""

    view: str
    words: str
    field: str | None = None
    where: tuple[str, str] | None = None  # a field, and the value it has


FEATURES = (
    Feature("process", "programs", "process.name", ("event.action", "process-started")),
    Feature("process", "accounts that start programs", "user.name", ("event.action", "process-started")),
    Feature("authentication", "accounts that log on", "user.name", ("event.action", "logon")),
    Feature("authentication", "addresses logged on from", "source.ip", ("event.action", "logon")),
    Feature("authentication", "failed logons", None, ("event.outcome", "failure")),
    Feature("network", "addresses connected to", "destination.ip"),
    Feature("network", "ports connected to", "destination.port"),
    Feature("dns", "names asked for", "dns.question.name"),
    Feature("file", "programs that write files", "process.name"),
    Feature("registry", "programs that write the registry", "process.name"),
    Feature("share", "accounts at shares", "user.name"),
    Feature("script", "script blocks", None),
    Feature("service", "services", "service.name"),
)
COLUMNS = tuple(f"f{place}" for place in range(len(FEATURES)))
HOURS = pa.schema([("host", pa.string()), ("hour", pa.int64()), *((name, pa.int64()) for name in COLUMNS)])
"""A host's hour (since 1970, UTC) and its counts; `told` adds events, first time (microseconds), an id, a table."""
SEEN = pa.schema([*HOURS, ("n", pa.int64()), ("first", pa.int64()),
                  *((f"{name}_{what}", pa.string()) for name in COLUMNS for what in ("id", "table"))])  # fmt: skip


def hours(engine: Engine, scans: Sequence[Scan], told: bool = False) -> pa.Table:
    """What was counted in every host's hours, in order of host and hour; one group-by for each view that is there."""
    schema = SEEN if told else HOURS
    views = dict.fromkeys(feature.view for feature in FEATURES)
    there = [view for view in views if any(named(view).of(scan.table) for scan in scans)]
    parts = [engine.collect(_counted(engine, scans, view, told)) for view in there]
    whole = pa.concat_tables(parts, promote_options="default") if parts else schema.empty_table()
    # Every count comes from one view, whose rows alone have it: the greatest is the one there is.
    how = {"n": "sum", "first": "min"}
    kept = [name for name in whole.column_names if name not in ("host", "hour")]
    summed = whole.group_by(["host", "hour"]).aggregate([(name, how.get(name, "max")) for name in kept])
    summed = summed.rename_columns(["host", "hour", *kept]).sort_by([("host", "ascending"), ("hour", "ascending")])
    columns = []
    for field in schema:
        known = summed[field.name].cast(field.type) if field.name in summed.column_names else None
        known = pa.nulls(len(summed), field.type) if known is None else known
        columns.append(pc.fill_null(known, 0) if field.name in COLUMNS else known)
    return pa.table(columns, schema=schema).combine_chunks()


def _counted(engine: Engine, scans: Sequence[Scan], view: str, told: bool) -> Any:
    """One view's counts by host and hour, as an Ibis expression."""
    own = [(place, feature) for place, feature in enumerate(FEATURES) if feature.view == view]
    fields = {f.field for _, f in own if f.field} | {f.where[0] for _, f in own if f.where}
    events = view_of(engine, scans, view, sorted(fields))
    events = events.filter(events[HOST].notnull(), events[HOST] != "", events[TIME].notnull())
    micros = epoch(events[TIME]) * 1_000_000
    events = events.mutate(host=events[HOST], hour=micros // HOUR, micros=micros)
    columns: dict[str, Any] = {"n": events.count()}
    if told:
        columns["first"] = events["micros"].min()
    for place, feature in own:
        holds = (events[feature.where[0]] == feature.where[1]).fill_null(False) if feature.where else events.micros >= 0
        field = events[feature.field] if feature.field else None
        counted = events.count(where=holds) if field is None else field.nunique(where=holds)
        columns[COLUMNS[place]] = counted.cast("int64")
        if told:
            columns[f"{COLUMNS[place]}_id"] = events[ID].min(where=holds)
            columns[f"{COLUMNS[place]}_table"] = events[TABLE].min(where=holds)
    return events.group_by(["host", "hour"]).agg(**columns)


def observations(learnt: pa.Table, seen: pa.Table) -> pa.RecordBatch:
    """Every hour that was seen, scored by its distance to hours learnt."""
    usual, rows, before = _over_usual(learnt, seen)
    scores = np.zeros(len(rows))
    if len(before) >= LEAST and before.std() > 0:
        # Distances, not cuts: an hour beyond all that was learnt is the more unusual the farther it is beyond.
        near = SampledNeighbours().fit(before, SEED)
        reference = np.sort(near.score(before).round(DIGITS))
        scores = np.where(rows.any(axis=1), near.score(rows).round(DIGITS), 0.0)
        share = 1.0 - np.searchsorted(reference, scores, side="left") / len(reference)
    else:
        share = np.ones(len(rows))
    return _told(seen, rows, usual, scores, share)


def _over_usual(learnt: pa.Table, seen: pa.Table) -> tuple[Floats, Floats, Floats]:
    """What is usual for each seen hour's host, and how far it and the hours learnt lie over it (log2, at least 0)."""
    all_before, rows = _counts(learnt), _counts(seen)
    hosts = pc.dictionary_encode(pa.chunked_array([*learnt["host"].chunks, *seen["host"].chunks])).combine_chunks()
    codes = hosts.indices.to_numpy(zero_copy_only=False)
    own, now = codes[: len(learnt)], codes[len(learnt) :]
    usual = np.zeros((len(hosts.dictionary), len(COLUMNS)))
    if len(all_before):
        usual[:] = np.median(all_before, axis=0)
    order = np.argsort(own, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(own[order])) + 1):
        if len(part) >= OWN:
            usual[own[part[0]]] = np.median(all_before[part], axis=0)
    kept = _spread(len(learnt))
    before = np.log2((1 + all_before[kept]) / (1 + usual[own[kept]]))
    after = np.log2((1 + rows) / (1 + usual[now]))
    return usual[now], np.maximum(after, 0.0), np.maximum(before, 0.0)


def _spread(n: int) -> npt.NDArray[np.int64]:
    """At most MOST of n rows, evenly apart."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST)).astype(np.int64)) if n else np.zeros(0, np.int64)


def _counts(table: pa.Table) -> Floats:
    return np.column_stack([table[name].to_numpy().astype(np.float64) for name in COLUMNS])


def _told(seen: pa.Table, rows: Floats, usual: Floats, scores: Floats, share: Floats) -> pa.RecordBatch:
    """Observations, with a sentence for the unusual ones; the usual ones share one."""
    n = len(seen)
    strongest = np.argsort(-rows, axis=1, kind="stable")[:, :NAMED]
    words = np.array([feature.words for feature in FEATURES], dtype=object)
    counts = _counts(seen)
    why = ["as many different things as usual in an hour"] * n
    pattern = ["usual hour"] * n
    ids: list[list[str]] = [[] for _ in range(n)]
    told = seen.select([f"{name}_{what}" for name in COLUMNS for what in ("id", "table")]).to_pydict()
    kinds = pc.coalesce(*(seen[f"{name}_table"] for name in COLUMNS), pa.scalar("hour")).to_pylist()
    hosts = seen["host"].to_pylist()
    for row in np.flatnonzero(share <= SAID).tolist():
        top = [int(f) for f in strongest[row] if rows[row, f] > 0]
        if not top:
            continue
        said = ", ".join(f"{int(counts[row, f]):,} {words[f]} (usual {usual[row, f]:g})" for f in top)
        why[row] = f"in one hour on {hosts[row]} {said}: so broad are {100 * share[row]:.2g} % of hours learnt"
        pattern[row] = "broad hour: " + ", ".join(sorted(words[top]))
        ids[row] = sorted({told[f"{COLUMNS[f]}_id"][row] for f in top} - {None})
        kinds[row] = next((told[f"{COLUMNS[f]}_table"][row] for f in top), None) or kinds[row]
    return observed({
        HOST: seen["host"], TIME: seen["first"].cast(pa.timestamp("us", tz="UTC")), "kind": kinds, "pattern": pattern,
        "score": scores, "n": seen["n"], "why": why, "event_ids": ids,
    })  # fmt: skip

"""Sigma rules as a matcher of one table (see `hit.py`): compiled rules, where in the table each of them looks, and what
its fields are called there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from vizsla.hit import TEXTS, Look, Met
from vizsla.sigma.bind import Binder, quoted
from vizsla.sigma.column import I64
from vizsla.sigma.evaluate import Evaluation, Found
from vizsla.sigma.logsource import places, places_of, unanswerable
from vizsla.sigma.program import FALSE, Tree, Where, pack, program
from vizsla.sigma.rule import LogSource, Rule

if TYPE_CHECKING:
    from vizsla.lake import Scan


@dataclass(frozen=True, slots=True)
class Binding:
    """A rule and where it looks in a table.

    `where`: native column -> allowed values (in any case; '*': any), all of which must be so. `columns`: the rule's
    fields, as written or in lower case, that are called otherwise there: field -> native column, or an expression over
    native columns (`views/grammar.py`).
    """

    rule: Rule
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A rule that cannot be looked for, and why."""

    rule: Rule
    reason: str


@dataclass(frozen=True, slots=True)
class SigmaMatcher:
    """Rules prepared for one table. Make it with `matcher`."""

    table: str
    columns: tuple[str, ...]
    packed: bytes = field(repr=False)

    def start(self) -> Look:
        """The function that looks at batches; keep it to one thread."""
        evaluation = Evaluation(program(self.packed))
        return lambda batch: _met(evaluation, batch)


def matcher(
    table: str,
    bindings: Iterable[Binding],
    names: Sequence[str] | None = None,
    wanted: Mapping[str, Sequence[str]] | None = None,
) -> tuple[SigmaMatcher | None, list[Unmatched]]:
    """The rules that can be looked for in a table (None where there is none), and those that cannot.

    `names`: the table's columns; None where its batches may have any. `wanted`: rule id -> fields whose values are told
    with each hit (`Met.keys`). A rule may stand in several bindings: it is met where any is.
    """
    binder = Binder(None if names is None else tuple(names))
    rules: list[tuple[str, Where, Tree, tuple[tuple[str, str], ...]]] = []
    refused = []
    for one in bindings:
        condition = one.rule.condition
        if condition is None:  # a correlation looks at others' hits
            continue
        where = tuple((quoted(name), tuple(values)) for name, values in one.where.items())
        tree = FALSE if not all(binder.holds(name) for name, _ in where) else binder.condition(condition, one.columns)
        if tree == FALSE:
            lacking = [name for name in one.where if not binder.holds(quoted(name))]
            lacking += binder.lacking(condition, one.columns)
            refused.append(Unmatched(one.rule, f"{table} does not have {', '.join(dict.fromkeys(lacking))}"))
            continue
        keys = tuple((name, binder.expression(name, one.columns)) for name in (wanted or {}).get(one.rule.id, ()))
        binder.needs(name for name, _ in (*where, *((expression, "") for _, expression in keys)))
        rules.append((one.rule.id, where, tree, keys))
    if not rules:
        return None, refused
    return SigmaMatcher(table, binder.columns, pack(rules, binder.builder.atoms)), refused


def matchers(
    rules: Iterable[Rule], scans: Iterable[Scan], wanted: Mapping[str, Sequence[str]] | None = None
) -> tuple[list[SigmaMatcher], list[Unmatched]]:
    """A matcher for each of these scans' tables that rules look at, and the rules that none of them can answer.

    `wanted`: see `matcher`. Correlations are left out: they look at others' hits.
    """
    asked = {rule.id: rule for rule in rules if rule.condition is not None}
    tables = {scan.table: tuple(scan.schema.names) for scan in scans}
    bindings = bound(asked.values(), tables)
    made, answered = [], set()
    for table, own in sorted(bindings.items()):
        one, refused = matcher(table, own, tables[table], wanted)
        if one is not None:
            made.append(one)
            answered.update({binding.rule.id for binding in own} - {lost.rule.id for lost in refused})
    left = [rule for name, rule in asked.items() if name not in answered]
    return made, [Unmatched(rule, unanswerable(rule, tables) or "its log source is not here") for rule in left]


def bound(rules: Iterable[Rule], tables: Collection[str]) -> dict[str, list[Binding]]:
    """Where rules look in these tables: table -> bindings."""
    found: dict[str, list[Binding]] = {}
    reached: dict[LogSource, tuple[str, ...]] = {}
    for rule in rules:
        own = reached.get(rule.logsource)
        if own is None:
            own = tuple(dict.fromkeys(place.table for place in places(rule.logsource, tables)))
            reached[rule.logsource] = own
        for place in places_of(rule, own) if own else ():
            found.setdefault(place.table, []).append(Binding(rule, place.where, place.columns))
    return found


def _met(evaluation: Evaluation, batch: pa.RecordBatch) -> Met:
    rows: list[I64] = []
    by: list[str] = []
    counts: list[int] = []
    fields: list[str] = []
    values: list[str] = []
    keys: list[list[tuple[str, str]] | None] = []
    seen: dict[str, I64] = {}
    for found in evaluation.batch(batch):
        own = found.rows
        if found.rule.by in seen:  # bound to this table twice
            own = np.setdiff1d(own, seen[found.rule.by])
            if not len(own):
                continue
        seen[found.rule.by] = np.union1d(seen.get(found.rule.by, own), own)
        rows.append(own)
        by.append(found.rule.by)
        counts.append(len(own))
        told = _told(evaluation, Found(found.rule, own))
        fields += told[0]
        values += told[1]
        keys += _keys(evaluation, Found(found.rule, own))
    codes = pa.array(np.repeat(np.arange(len(by), dtype=np.int32), counts))
    return Met(
        row=np.concatenate(rows) if rows else np.zeros(0, np.int64),
        by=pa.DictionaryArray.from_arrays(codes, pa.array(by, pa.string())),
        field=pa.array(fields, pa.string()),
        value=pa.array(values, pa.string()),
        keys=pa.array(keys, TEXTS) if any(k is not None for k in keys) else None,
    )


def _told(evaluation: Evaluation, found: Found) -> tuple[list[str], list[str]]:
    """By row, the column and the value that the first test held for that asks for something."""
    fields, values = [""] * len(found.rows), [""] * len(found.rows)
    still = np.arange(len(found.rows))
    for atom in found.rule.positive:
        if evaluation.program.atoms[atom].of_absent:
            continue
        held, names, texts = evaluation.told(atom, found.rows[still])
        for place, name, text in zip(still[held].tolist(), names, texts, strict=True):
            fields[place], values[place] = name, text or ""
        still = still[~held]
        if not len(still):
            break
    return fields, values


def _keys(evaluation: Evaluation, found: Found) -> list[list[tuple[str, str]] | None]:
    """By row, what stands in the fields that correlations ask for; those that an event lacks are left out."""
    if not found.rule.keys:
        return [None] * len(found.rows)
    columns = [evaluation.reading.column(expression).at(found.rows) for _, expression in found.rule.keys]
    names = [name for name, _ in found.rule.keys]
    return [
        [(name, text) for name, text in zip(names, row, strict=True) if text is not None]
        for row in zip(*columns, strict=True)
    ]

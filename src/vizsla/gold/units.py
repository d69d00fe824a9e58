"""Units: an item on a host on a day, with all that was said of it as tokens (field, value).

Texts are 64-bit codes here; `Facts.texts` gives back what a code stands for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vizsla.analytics.rarity.encode import I64, U64, code_of, mixed
from vizsla.gold import words
from vizsla.gold.gather import SLICE

DAY = 86_400_000_000  # microseconds
SAME = 15_000_000  # microseconds within which two records tell of one change
BRIEF = 7_200_000_000  # microseconds: an alteration that is taken back within them was brief
VALUED = ("actor", "program", "arguments", "author", "account", "trigger", "signer", "hash", "location", "version")
FIELDS = (*VALUED, "act", "brief", "place", "deployer")  # the last two are never scored by themselves
CHANGES = ("registered", "updated", "deleted", "enabled", "disabled")
ITSELF = " by Windows"  # what ends the words of changes that Windows makes itself: they are none of people's
RAW = ("account", "member", "port", "share")  # kinds whose names are compared as they stand
NOTHING = np.uint64(code_of(""))

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Facts:
    """Rows as columns of codes. `raw`: the rows as they were gathered; `texts`: what codes stand for."""

    raw: pa.Table
    columns: dict[str, U64]
    first: I64
    last: I64
    texts: dict[int, str] = field(default_factory=dict)
    written: dict[int, str] = field(default_factory=dict)  # a program as one record writes it, by its shape's code


@dataclass(frozen=True)
class Units:
    """Units, in the order of their keys: per unit its kind, name, scope, host and day; `n` events.

    Tokens: per token its unit, its field (place in FIELDS), its value, and one row that says it.
    """

    facts: Facts
    kind: U64
    name: U64
    scope: U64
    host: U64
    day: I64
    n: I64
    row: I64  # one of its rows
    unit_of_row: I64
    token_unit: I64
    token_field: npt.NDArray[np.int8]
    token_value: U64
    token_row: I64

    def __len__(self) -> int:
        return len(self.kind)


def facts_of(table: pa.Table) -> Facts:
    """Gathered rows with names and values made comparable."""
    texts: dict[int, str] = {}

    def coded(values: pa.Array) -> U64:
        distinct, places = words.codes(values)
        made = np.array([code_of(text) for text in distinct], np.uint64)
        texts.update(zip(made.tolist(), distinct, strict=True))
        found: U64 = made[places]
        return found

    plain = {name: _whole(table[name]) for name in table.column_names}
    spoken = _spoken(plain)
    paths = spoken.pop("path")
    columns = {name: coded(values) for name, values in spoken.items()}
    shapes, at = np.unique(columns["program"], return_index=True)
    written = dict(zip(shapes.tolist(), paths.take(pa.array(at)).to_pylist(), strict=True))
    kinds, at = words.codes(plain["kind"])
    scopes = _scopes(kinds, at, plain["name"], coded)
    return Facts(
        table, {**columns, "scope": scopes}, np.asarray(table["first"]), np.asarray(table["last"]), texts, written
    )


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _spoken(plain: dict[str, pa.Array]) -> dict[str, pa.Array]:
    """The columns as texts that can be compared."""
    import pyarrow.compute as pc

    kind = plain["kind"]
    lowered = pc.utf8_lower(plain["name"])
    raw = pc.is_in(kind, pa.array(RAW))
    split = pc.is_in(kind, pa.array(["service", "autorun"]))
    named = pc.if_else(raw, lowered, words.shaped(words.each(plain["name"], words.path)))
    own = words.each(plain["program"], words.path)
    program = pc.if_else(split, words.each(plain["program"], words.program), own)
    tail = words.each(plain["program"], lambda text: words.command(text)[1])
    arguments = pc.coalesce(pc.utf8_lower(plain["arguments"]), pc.if_else(split, tail, None))
    defined = {name: words.defined(plain["content"], name) for name in words.DEFINED}
    gone = pc.equal(plain["act"], "deleted")  # what is removed says no more what is there
    defined = {name: pc.if_else(gone, None, values) for name, values in defined.items()}
    program = pc.coalesce(words.each(defined["program"], words.path), program)
    return {
        "host": plain["host"], "written": lowered, "kind": kind, "act": plain["act"], "name": named,
        "actor": words.each(plain["actor"], words.account),
        # A class that runs within another program is told by its GUID, which is the same everywhere.
        "path": program,
        "program": pc.if_else(pc.starts_with(program, "{"), program, words.shaped(program)),
        "place": words.each(program, words.place),
        "arguments": words.shaped(pc.coalesce(defined["arguments"], arguments)),
        "author": words.shaped(pc.coalesce(defined["author"], plain["author"])),
        "account": pc.coalesce(defined["account"], words.each(plain["account"], words.account)),
        "trigger": defined["trigger"], "signer": pc.utf8_lower(plain["signer"]), "hash": plain["hash"],
        "location": words.shaped(plain["location"]), "version": plain["version"],
    }  # fmt: skip


def _scopes(kinds: list[str], at: I64, names: pa.Array, coded: object) -> U64:
    """The scope of each row, asked once for each kind and name."""
    texts, places = words.codes(words.shaped(names))
    pairs, of_row = np.unique(np.stack([at, places]), axis=1, return_inverse=True)
    listed = [words.scope(kinds[k], texts[n]) for k, n in pairs.T]
    made: U64 = coded(pa.array(listed, pa.string()))[of_row.reshape(-1)]  # type: ignore[operator]
    return made


def units_of(facts: Facts) -> Units:
    """The units of these rows and their tokens."""
    col = facts.columns
    day = facts.first // DAY
    key = mixed(col["kind"], col["name"], col["host"], day.astype(np.uint64))
    _, row, unit = np.unique(key, return_index=True, return_inverse=True)
    unit = unit.reshape(-1)
    people = np.where(col["actor"] == code_of(words.SYSTEM), NOTHING, col["actor"])  # Windows itself: see `_acts`
    valued = {**{name: col[name] for name in (*VALUED, "place")}, "actor": people, "deployer": col["actor"]}
    parts = [_tokens(unit, facts, name, values) for name, values in valued.items()]
    parts.append(_tokens(unit, facts, "act", _acts(facts)))
    parts.append(_tokens(unit, facts, "brief", _brief(unit, facts)))
    tokens = [np.concatenate([part[i] for part in parts]) for i in range(4)]
    n = np.zeros(len(row), np.int64)
    np.add.at(n, unit, np.asarray(facts.raw["n"]))
    return Units(facts, col["kind"][row], col["name"][row], col["scope"][row], col["host"][row], day[row], n, row, unit,
                 tokens[0], tokens[1].astype(np.int8), tokens[2], tokens[3])  # fmt: skip


def _tokens(unit: I64, facts: Facts, name: str, values: U64) -> tuple[I64, I64, U64, I64]:
    """Distinct (unit, value) of a field, each with the earliest row that says it."""
    at = np.flatnonzero(values != NOTHING)
    order = at[np.lexsort((facts.first[at], values[at], unit[at]))]
    fresh = np.ones(len(order), np.bool_)
    fresh[1:] = (unit[order][1:] != unit[order][:-1]) | (values[order][1:] != values[order][:-1])
    kept = order[fresh]
    return unit[kept], np.full(len(kept), FIELDS.index(name), np.int64), values[kept], kept


def _acts(facts: Facts) -> U64:
    """What was changed, told apart by whether people did it or Windows itself."""
    act, itself = facts.columns["act"], facts.columns["actor"] == code_of(words.SYSTEM)
    made = np.full(len(act), NOTHING, np.uint64)
    for name in CHANGES:
        own = act == code_of(name)
        made[own], made[own & itself] = code_of(name), code_of(name + ITSELF)
        facts.texts.update({code_of(word): word for word in (name, name + ITSELF)})
    return made


def _brief(unit: I64, facts: Facts) -> U64:
    """'altered' where something ran between two changes within BRIEF, 'new' where it was made and removed so soon.

    Both changes are of one name as it is written: names that differ in a GUID alone are of one unit.
    """
    _, item = np.unique(mixed(unit.astype(np.uint64), facts.columns["written"]), return_inverse=True)
    unit = item.reshape(-1).astype(np.int64)
    act = facts.columns["act"]
    made = np.full(len(unit), NOTHING, np.uint64)
    changes = np.flatnonzero(np.isin(act, [code_of(a) for a in ("registered", "updated", "deleted")]))
    if not len(changes):
        return made
    order = changes[np.lexsort((facts.first[changes], unit[changes]))]
    time, of, removed = facts.first[order], unit[order], act[order] == code_of("deleted")
    begins = act[order] == code_of("registered")
    same = np.zeros(len(order), np.bool_)
    same[1:] = (of[1:] == of[:-1]) & (time[1:] - time[:-1] <= SAME)
    start = np.flatnonzero(~same)  # changes told by several records are one
    soon = np.zeros(len(start), np.bool_)
    if len(start) > 1:
        soon[:-1] = (of[start][1:] == of[start][:-1]) & (time[start][1:] - time[start][:-1] <= BRIEF)
    at = np.flatnonzero(soon)
    ran = np.flatnonzero(np.isin(act, [code_of("ran")]))
    between = _any_between(unit[ran], facts.first[ran], of[start][at], time[start][at], time[start][at + 1])
    born = np.logical_or.reduceat(begins, start)[at] & np.logical_or.reduceat(removed, start)[at + 1]
    gone = np.logical_and.reduceat(removed, start)[at]
    itself = facts.columns["actor"][order[start[at]]] == code_of(words.SYSTEM)
    for word, which in (("new", born), ("altered", between & ~born & ~gone)):
        for end, who in (("", ~itself), (ITSELF, itself)):
            made[order[start[at[which & who]]]] = code_of(word + end)
            facts.texts[code_of(word + end)] = word + end
    return made


def _any_between(unit: I64, time: I64, of: I64, begin: I64, end: I64) -> Bools:
    """For each (unit, begin, end): whether some (unit, time) lies within."""
    order = np.lexsort((time, unit))
    unit, time = unit[order], time[order]
    low, high = np.searchsorted(unit, of, "left"), np.searchsorted(unit, of, "right")
    found = np.zeros(len(of), np.bool_)
    for place in range(len(of)):  # brief changes alone, which are few
        own = time[low[place] : high[place]]
        first = int(np.searchsorted(own, begin[place], "left"))
        found[place] = first < len(own) and own[first] <= end[place]
    return found


__all__ = ["SLICE", "Facts", "Units", "facts_of", "units_of"]

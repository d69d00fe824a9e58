"""Whose descendant a process is, and what came before it under the same parent.

That an image is rare, or its parent, is what rarity tells. Here stands only what it cannot see: a grandparent that is
foreign above this pair of parent and child though at home above the parent, and a step that does not follow the steps
before it. Each is scored by how much less likely it is in its place than in what is known of its place without this
look (habits.py): what is rare everywhere counts nothing here, and what is at home elsewhere counts most.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from vizsla.analytic import Need, State, observed
from vizsla.nouns.event import HOST, ID, TIME

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan
    from vizsla.sequence.habits import Habits, Look
    from vizsla.sequence.starts import Starts

TOLD = 1.0  # bits of surprise from which it is told what is usual instead
DRAWN = 5.0  # bits from which a picture is drawn
LONGEST = 12  # steps of a picture
QUIET = "nothing unusual stands above this program or before it"


class StepsOfProcesses:
    """Whose descendant a process is, and what it follows. It holds nothing between calls."""

    name = "sequence"
    family = "sequence"
    unit = "a program in its surroundings, on a host in a day"
    doc = "The processes above a process's parent, and the order in which a parent starts others"
    needs = (Need(("process",), ("event.action", "process.executable", "process.parent.executable")),)

    def learn(self, engine: Engine, scans: Sequence[Scan]) -> State | None:
        """How often each image stood above others and came after others, and what the codes stand for."""
        from vizsla.sequence.habits import counted, looks, words
        from vizsla.sequence.starts import starts_of

        grams = counted(())
        names: dict[int, str] = {}
        for starts in starts_of(engine, scans):
            grams = grams.merged(counted(looks(starts)))
            names |= starts.names
        return {"grams": grams.table(), "words": words(names)}

    def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
        """Every start in a foreign place, with its most surprising ancestor or predecessor; the others counted."""
        from vizsla.sequence.habits import ORDER, Habits
        from vizsla.sequence.markov import Grams
        from vizsla.sequence.starts import starts_of

        if state:
            names = {row["code"]: row["name"] for row in state["words"].to_pylist()}
            habits = Habits.of(Grams.read(state["grams"], ORDER), names)
            for starts in starts_of(engine, scans):
                yield _judged(starts, habits)


def _judged(starts: Starts, habits: Habits) -> pa.RecordBatch:
    """Starts with their surprise: of those in one place on a host-day the first, and how many there were."""
    from vizsla.analytics.rarity.encode import mixed
    from vizsla.sequence.habits import looks

    score, taken = np.zeros(len(starts)), np.full(len(starts), -1, np.int64)
    place = np.zeros(len(starts), np.uint64)
    found = looks(starts)
    for number, look in enumerate(found):
        bits = habits.surprise(look)
        higher = (bits > score[look.rows]) & (bits >= TOLD)
        rows = look.rows[higher]
        score[rows], taken[rows] = bits[higher], number
        place[rows] = mixed(*(context[higher] for context in look.contexts), look.symbol[higher])
    alike = mixed(starts.where, starts.image, place)
    _, first, n = np.unique(alike, return_index=True, return_counts=True)
    order = np.argsort(first)
    first, n = first[order], n[order]
    why, pattern = _texts(starts, habits, found, score, taken)
    pictures = _pictures(starts, habits, found, score, taken, set(first.tolist()))
    kept = pa.array(first)
    table = starts.table.take(kept)
    return observed({
        "_host": table[HOST], "_time": table[TIME], "kind": table["kind"], "pattern": pattern.take(kept),
        "process_guid": table["guid"], "pid": table["pid"], "score": score[first], "n": n, "why": why.take(kept),
        "event_ids": [[id] for id in table[ID].to_pylist()], "picture": [pictures.get(row) for row in first.tolist()],
    })  # fmt: skip


def _texts(
    starts: Starts, habits: Habits, found: Sequence[Look], score: np.ndarray, taken: np.ndarray
) -> tuple[pa.Array, pa.Array]:
    """`why` and `pattern` of every start: in full for what is surprising, each different case once."""
    from vizsla.analytics.rarity.encode import mixed

    why, pattern = np.zeros(len(starts), np.int64), np.zeros(len(starts), np.int64)
    texts, patterns = [QUIET], ["a usual process start"]
    for place, look in enumerate(found):
        at = np.flatnonzero((taken[look.rows] == place) & (score[look.rows] >= TOLD))
        keys = mixed(starts.image[look.rows[at]], *(context[at] for context in look.contexts), look.symbol[at])
        _, first, which = np.unique(keys, return_index=True, return_inverse=True)
        why[look.rows[at]] = pattern[look.rows[at]] = which + len(texts)
        for case in at[first].tolist():
            text, alike = _told(starts, habits, look, case)
            texts.append(text)
            patterns.append(alike)
    return _spread(texts, why), _spread(patterns, pattern)


def _spread(texts: list[str], places: np.ndarray) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(places), pa.array(texts, pa.string())).cast(pa.string())


def _told(starts: Starts, habits: Habits, look: Look, case: int) -> tuple[str, str]:
    """The sentence and the pattern of one case."""
    row = int(look.rows[case])
    total, own, usual = habits.usual(tuple(int(context[case]) for context in look.contexts), int(look.symbol[case]))
    name = _name(starts.names[int(look.symbol[case])])
    image, parent = (_name(starts.names.get(int(code), "?")) for code in (starts.image[row], starts.parent[row]))
    instead = ", ".join(f"{_name(one)} ({n:,})" for one, n in usual)
    if look.name == "next":
        first = _name(starts.names.get(int(starts.image[starts.before[row]]), "?"))
        place = f"started by {parent} right after {first}"
        return (
            f"{name} was {place}: {own:,} of {total:,} times before; usual there: {instead}",
            f"{parent}: {first} > {name}",
        )
    where = "above" if look.name == "grandparent" else "two above"
    parts = (parent, image) if look.name == "grandparent" else (_name_of_up(starts, row), parent)
    says = f"{name} stands {where} {parts[0]} > {parts[1]}: {own:,} of {total:,} times before; usual there: {instead}"
    return says, f"{name} > {parts[0]} > {parts[1]}"


def _name_of_up(starts: Starts, row: int) -> str:
    return _name(starts.names.get(int(starts.parent[starts.up[row]]), "?"))


def _name(path: str) -> str:
    """The last part of a path."""
    return path.replace("\\", "/").rpartition("/")[2] or path


def _pictures(
    starts: Starts, habits: Habits, found: Sequence[Look], score: np.ndarray, taken: np.ndarray, among: set[int]
) -> dict[int, str]:
    """The steps up to the surprising one, as `charts/pictures/steps.py` draws them, by row; of the unusual alone."""
    made: dict[int, str] = {}
    following = found[2]
    bits = np.zeros(len(starts))
    bits[following.rows] = habits.surprise(following)
    for row in np.flatnonzero((score >= DRAWN) & (taken >= 0)).tolist():
        if row not in among:
            continue
        if taken[row] == 2:
            line = [row]
            while len(line) < LONGEST and starts.before[line[-1]] >= 0:
                line.append(int(starts.before[line[-1]]))
            steps = [[_image(starts, starts.image[at]), round(float(bits[at]), 1)] for at in line[::-1]]
            marked = len(steps) - 1
        else:
            up = int(starts.up[row])
            codes = [starts.image[row], starts.parent[row], starts.parent[up]]
            codes += [starts.parent[starts.up[up]]] if taken[row] == 1 else []
            names = [_image(starts, code) for code in codes[::-1]]
            steps = [[name, 0.0 if place else round(float(score[row]), 1)] for place, name in enumerate(names)]
            marked = 0
        made[row] = json.dumps({"chart": "steps", "steps": steps, "marked": marked})
    return made


def _image(starts: Starts, code: np.uint64) -> str:
    return _name(starts.names.get(int(code), "?"))


ANALYTIC = StepsOfProcesses()

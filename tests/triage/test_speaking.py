"""Ranking looks only at episodes that have something to say: it must find what looking at all of them finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_episode import hunted, tallied

from hunt_samples import DAY, HOUR, MINUTE, START, attack, company
from vizsla.analytics.rarity import model as rarity
from vizsla.analytics.rarity.model import Model, Tallied
from vizsla.analytics.rarity.tally import joined
from vizsla.triage.assemble import lines, patterns
from vizsla.triage.replay import Ranked, Replay, ranked_by, replay

EVIL = START + 30 * DAY + 10 * HOUR


@pytest.fixture(scope="module")
def learnt() -> tuple[Model, Replay]:
    found = tallied(company(5, range(8)))
    model = rarity.learn(found)
    return model.model, replay(found, model)[0]


def told(found: Tallied, ranked: Ranked) -> list[object]:
    """Findings and their lines, without the places that only say where in an array something stands."""
    made = patterns(ranked, found.words)
    rows = lines(ranked, made)
    return [
        (
            replace(pattern, episode=0),
            [
                (line.kind, line.bits, line.count, [int(ranked.ties.unit[ranked.lit.at[p]]) for p in line.places])
                for line in rows[pattern.episode]
            ],
        )
        for pattern in made
    ]


def test_what_speaks_alone_ranks_as_all_of_it(learnt: tuple[Model, Replay]) -> None:
    events = [*company(5, [30]), *attack("ws1", EVIL), *attack("ws2", EVIL + 5 * MINUTE)]
    found, whole = hunted(events, learnt)
    some = ranked_by(found, rarity.scored(found.units, learnt[0].score), found.units, learnt[1].tails)
    assert told(found, some) == told(found, whole) != []
    assert 0 < len(some.ties.tie) < len(whole.ties.tie)
    assert (found.ties["time"][some.ties.tie] == some.ties.time).all()
    assert (found.ties["host"][some.ties.tie] == some.ties.host).all()


def test_ties_that_were_not_merged_rank_as_merged_ones(learnt: tuple[Model, Replay]) -> None:
    events = [*company(5, [30]), *attack("ws1", EVIL)]
    found, whole = hunted(events, learnt)
    later = {**found.ties, "time": found.ties["time"] + 1, "n": found.ties["n"] * 0}
    order = np.random.default_rng(3).permutation(2 * len(later["n"]))
    twice = {name: values[order] for name, values in joined([dict(found.ties), later]).items()}
    split = replace(found, ties=twice)
    some = ranked_by(split, rarity.scored(found.units, learnt[0].score), found.units, learnt[1].tails)
    assert told(split, some) == told(found, whole) != []


def test_nothing_speaks(learnt: tuple[Model, Replay]) -> None:
    found = Tallied()
    some = ranked_by(found, rarity.scored({}, learnt[0].score), {}, learnt[1].tails)
    assert not len(patterns(some, {}))

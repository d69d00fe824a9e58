"""Ranking looks only at episodes that have something to say: it must find what looking at all of them finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_episode import hunted, tallied

from hunt_samples import DAY, HOUR, MINUTE, START, attack, company
from vizsla.analytics.rarity import model as rarity
from vizsla.analytics.rarity.model import Model, Tallied
from vizsla.analytics.rarity.share import Share
from vizsla.analytics.rarity.tally import joined
from vizsla.triage.assemble import lines, patterns
from vizsla.triage.replay import Ranked, Replay, anchored_of, ranked, replay, speaking

EVIL = START + 30 * DAY + 10 * HOUR


@pytest.fixture(scope="module")
def learnt() -> tuple[Model, Replay]:
    found = tallied(company(5, range(8)))
    model = rarity.learn(found)
    return model.model, replay(found, model)[0]


def spoken(found: Tallied, learnt: tuple[Model, Replay]) -> Ranked:
    """Ranked with what has something to say alone."""
    units, tails = rarity.scored(found.units, learnt[0].score), learnt[1].tails
    return ranked([speaking(Share(found), anchored_of(found), units, tails)], found.words, tails)


def told(found: Tallied, ranked: Ranked) -> list[object]:
    """Findings and their lines, without the places that only say where in an array something stands."""
    made = patterns(ranked, found.words)
    rows, keys = lines(ranked, made), ranked.weigher.units.key.tolist()
    return [
        (
            replace(pattern, episode=0),
            [
                (line.kind, line.bits, line.count, [keys[ranked.ties.unit[ranked.lit.at[p]]] for p in line.places])
                for line in rows[pattern.episode]
            ],
        )
        for pattern in made
    ]


def test_what_speaks_alone_ranks_as_all_of_it(learnt: tuple[Model, Replay]) -> None:
    events = [*company(5, [30]), *attack("ws1", EVIL), *attack("ws2", EVIL + 5 * MINUTE)]
    found, whole = hunted(events, learnt)
    some = spoken(found, learnt)
    assert told(found, some) == told(found, whole) != []
    assert 0 < len(some.ties.key) < len(whole.ties.key)
    own = np.isin(whole.ties.key, some.ties.key)
    assert sorted(zip(whole.ties.key[own], whole.ties.time[own], whole.ties.where[own], strict=True)) == sorted(
        zip(some.ties.key, some.ties.time, some.ties.where, strict=True)
    )


def test_ties_that_were_not_merged_rank_as_merged_ones(learnt: tuple[Model, Replay]) -> None:
    events = [*company(5, [30]), *attack("ws1", EVIL)]
    found, whole = hunted(events, learnt)
    later = {**found.ties, "time": found.ties["time"] + 1, "n": found.ties["n"] * 0}
    order = np.random.default_rng(3).permutation(2 * len(later["n"]))
    twice = {name: values[order] for name, values in joined([dict(found.ties), later]).items()}
    split = replace(found, ties=twice)
    some = spoken(split, learnt)
    assert told(split, some) == told(found, whole) != []


def test_nothing_speaks(learnt: tuple[Model, Replay]) -> None:
    assert not len(patterns(spoken(Tallied(), learnt), {}))

"""The weight of scored units: looked up by their shapes, once per pattern, and kept in part below a bit."""

from __future__ import annotations

import numpy as np
import pytest
from test_episode import hunted, tallied

from hunt_samples import DAY, HOUR, START, attack, company
from vizsla.analytics.rarity import model as rarity
from vizsla.triage import weigh
from vizsla.triage.relevance import relevance
from vizsla.triage.replay import replay
from vizsla.triage.weigh import Weigher

EVIL = START + 30 * DAY + 10 * HOUR


def weigher() -> Weigher:
    found = tallied([*attack("ws1", EVIL), *attack("ws2", EVIL + HOUR)])
    units = rarity.scored(found.units, lambda kind, columns: np.zeros(len(columns["host"])))
    return Weigher(units, found.units, found.words)


def test_shapes_of_a_unit_are_its_values_and_its_actor_under_its_names() -> None:
    made = weigher()
    for place in range(len(made.units.key)):
        kind, shapes = made.units.kinds[made.units.kind[place]], made.shapes(place)
        assert made.actor(place).endswith("\\powershell.exe")
        assert shapes["Image"] == shapes["SourceImage"] == made.actor(place)
        if kind == "windows_sysmon:1":
            assert shapes["CommandLine"] == "powershell.exe -nop -w hidden -enc <encoded>"
        if kind == "windows_sysmon:10":
            assert shapes["TargetImage"] == "c:\\windows\\system#\\lsass.exe"
            assert shapes["GrantedAccess"] == "0x1010"
        assert made.of(place) == relevance(kind, made.actor(place), shapes)


def test_a_pattern_is_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counting(*given: object) -> object:
        asked.append(given)
        return relevance(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(weigh, "relevance", counting)
    made = weigher()
    weights = made(np.arange(len(made.units.key)))
    assert len(weights) == 6
    assert len(asked) == 3  # two hosts show the same three patterns
    assert made(np.zeros(0, np.int64)).tolist() == []


def test_a_weight_counts_in_part_below_a_bit() -> None:
    found = tallied(company(4, range(6)))
    model = rarity.learn(found)
    played, ranked = replay(found, model)
    _, new = hunted([*company(4, [30]), *attack("ws1", EVIL)], (model.model, played))
    for made in (ranked, new):
        lit = made.lit
        assert (lit.base > 0).all()
        full = np.array([made.weigher.of(int(unit)).bits for unit in made.ties.unit[lit.at]])
        assert lit.weight == pytest.approx(full * np.minimum(1.0, lit.base))
        assert lit.value == pytest.approx(lit.base + lit.weight)

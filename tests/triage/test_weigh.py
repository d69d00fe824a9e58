"""The weight of scored units: looked up by their shapes, once per pattern, and kept in part below a bit."""

from __future__ import annotations

import numpy as np
import pytest
from test_episode import hunted, tallied

from hunt_samples import DAY, HOUR, START, attack, company
from vizsla.analytics.rarity import model as rarity
from vizsla.analytics.rarity.encode import code_of
from vizsla.shape import shape
from vizsla.triage import relevance as judging
from vizsla.triage import weigh
from vizsla.triage.relevance import Patterns, Relevance, relevance, relevances
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

    def counting(patterns: Patterns) -> list[Relevance]:
        asked.extend(patterns.actor)
        return relevances(patterns)

    monkeypatch.setattr(weigh, "relevances", counting)
    made = weigher()
    everything = np.arange(len(made.units.key))
    weights = made(everything)
    assert len(weights) == 6
    assert len(asked) == 3  # two hosts show the same three patterns
    assert weights.tolist() == made(everything).tolist() == [weigher().of(place).bits for place in everything]
    assert len(asked) == 3
    assert made(np.zeros(0, np.int64)).tolist() == []


COMMANDS = (
    "whoami /all", "cmd.exe /c dir", "git.exe fetch", "rundll32.exe a.dll,x", "-enc " + "SQBFAFgA" * 9, "-", "",
    "net user x y /add", "reg save hklm\\sam a", "psexec -s \\\\h cmd", "wmic process call create x", "İ.exe -w 1",
)  # fmt: skip
IMAGES = (
    "c:\\windows\\system32\\cmd.exe",
    "c:\\x\\powershell.exe",
    "c:\\tools\\git.exe",
    "c:\\x\\rundll32.exe",
    "-",
    "",
)


@pytest.mark.parametrize(
    "kind",  # of the last it implies a technique that they came at all
    ["windows_sysmon:1", "windows_security:4688", "windows_powershell:4104", "zeek_conn", "windows_security:1102"],
)
@pytest.mark.parametrize("few", [0, 64, 10_000])
def test_many_patterns_are_judged_as_each_by_itself(kind: str, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is found out for all at once must not change what any of them weighs."""
    monkeypatch.setattr(judging, "FEW", few)
    image, parent, command = ("Image", "ParentImage", "CommandLine") if "1" in kind[-2:] else (
        "NewProcessName", "ParentProcessName", "CommandLine" if "4688" in kind else "ScriptBlockText")  # fmt: skip
    values = [(i, p, c) for i in IMAGES for p in IMAGES for c in COMMANDS]
    shaped = {text: shape(text) for text in {*IMAGES, *COMMANDS}}
    texts = [tuple(shaped[text] for text in row) for row in values]
    words = {code_of(text): text for row in texts for text in row if text}
    codes = np.array([[code_of(text) if text else 0 for text in row] for row in texts], dtype=np.uint64)
    patterns = Patterns(kind, codes[:, 0], dict(zip((image, parent, command), codes.T, strict=True)), words)
    each = [relevance(kind, row[0], patterns.shapes(at)) for at, row in enumerate(texts)]
    assert relevances(patterns) == each
    assert len({found.bits for found in each}) > 2 or kind in (
        "zeek_conn",
        "windows_powershell:4104",
        "windows_security:1102",
    )


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

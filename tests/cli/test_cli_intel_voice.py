"""Verdicts reach the feeds: who cries wolf loses its voice, and is heard again where the verdict is taken back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hunt_samples import DAY, HOUR, MINUTE, START, attack, company, lake_of
from vizsla.cli.main import app
from vizsla.hunt import hunt
from vizsla.intel.add import add
from vizsla.intel.store import Store
from vizsla.lake import Lake
from vizsla.nouns import Evidence, HuntRequest
from vizsla.verdicts import VerdictStore

C2 = "203.0.113.66"
AT = START + 30 * DAY + 10 * HOUR + 5 * MINUTE


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lake in which two hosts met the address of one feed; another feed was never met. Hunted once."""
    monkeypatch.setenv("COLUMNS", "200")
    folder = tmp_path / "lake"
    lake_of(folder, [*company(4, range(30, 32)), *attack("ws2", AT), *attack("ws3", AT + HOUR)])
    for name, value in (("loud", "203.0.113[.]66"), ("calm", "198.51.100[.]9")):
        path = tmp_path / f"{name}.csv"
        path.write_text(f"indicator,confidence\n{value},80\n", "utf-8")
        add(Store(Lake.open(folder)), [str(path)], now=datetime.now(UTC), feed=name)
    seek(folder)
    return folder


def run(home: Path, *words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--lake", str(home)])
    assert result.exit_code == 0, result.output
    return result.stdout


def feeds(home: Path) -> dict[str, dict[str, Any]]:
    lines = run(home, "intel", "feeds", "--format", "jsonl").splitlines()
    return {row["feed"]: row for row in map(json.loads, lines)}


def seek(home: Path) -> list[Evidence]:
    result = hunt(HuntRequest(lake=str(home), analytics=("intel",)))
    return [line for finding in result.findings for line in finding.evidence]


def judged(home: Path, *words: str) -> str:
    """Give a verdict, and its id."""
    run(home, "verdict", "1", *words)
    (verdict,) = VerdictStore(Lake.open(home)).standing()
    return verdict.id


def test_a_benign_verdict_takes_from_the_feed_s_voice_and_undoing_gives_it_back(home: Path) -> None:
    before = seek(home)
    assert before and all(C2 in line.why for line in before)
    assert (feeds(home)["loud"]["sightings"], feeds(home)["loud"]["judged"], feeds(home)["loud"]["voice"]) == (2, 0, 1)
    given = judged(home, "benign", "--scope", "finding", "--reason", "our own scanner")
    told = feeds(home)
    assert (told["loud"]["judged"], told["loud"]["benign"]) in {(1, 1), (2, 2)}
    assert told["loud"]["voice"] < 1 and told["calm"]["voice"] == 1
    assert f"loud's word counts {told['loud']['voice']:.0%} here" in run(home, "intel", "show", C2)
    after = seek(home)
    assert after and max(line.alone_bits for line in after) < max(line.alone_bits for line in before)
    assert all(
        line.indicator and line.indicator["voices"] == {"loud": round(told["loud"]["voice"], 3)} for line in after
    )
    assert f"loud, whose word counts {told['loud']['voice']:.0%} here" in after[0].why
    run(home, "verdict", "undo", given)
    assert feeds(home)["loud"]["voice"] == 1
    assert [line.why for line in seek(home)] == [line.why for line in before]


def test_a_malicious_verdict_leaves_the_voice(home: Path) -> None:
    judged(home, "malicious", "--reason", "it is them")
    loud = feeds(home)["loud"]
    assert loud["judged"] and not loud["benign"] and loud["voice"] == 1


def test_files_named_for_one_hunt_are_heard_as_the_lake_knows_their_feed(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "more.csv"
    path.write_text("indicator\n198.51.100[.]77\n", "utf-8")
    judged(home, "benign", "--scope", "finding")
    asked = HuntRequest(lake=str(home), analytics=("intel",), intel=(str(path),))
    lines = [line for finding in hunt(asked).findings for line in finding.evidence]
    assert lines and all(line.indicator and "loud" in line.indicator["voices"] for line in lines)


def test_a_hushed_feed_is_told_beside_one_that_is_heard(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "zulu.csv"
    path.write_text("indicator,confidence\n203.0.113[.]66,40\n", "utf-8")
    add(Store(Lake.open(home)), [str(path)], now=datetime.now(UTC), feed="zulu")
    judged(home, "benign", "--scope", "finding")
    counts = f"{feeds(home)['loud']['voice']:.0%}"
    assert any(f"of loud, whose word counts {counts} here, zulu)" in line.why for line in seek(home))

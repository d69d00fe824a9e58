"""An analytic that others wrote, end to end: learnt into a baseline, ranked, explained, told where it cannot run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from analytic_samples import Install
from logon_samples import MONDAY, Logon, batch, lake_of, working_days
from vizsla.analytic import State
from vizsla.analytics import _template
from vizsla.baseline import BaselineStore
from vizsla.calibration import e_value
from vizsla.engine import Engine
from vizsla.errors import BaselineError, UsageError
from vizsla.hunt import hunt, learn
from vizsla.hunt.observed import AGAIN, SHORT, observe
from vizsla.hunt.scope import scans_of
from vizsla.lake import Lake, Scan
from vizsla.nouns import Finding, HuntRequest

DAYS = 20
LATER = MONDAY + timedelta(days=28)
NIGHT = LATER + timedelta(hours=3, minutes=12)


@pytest.fixture
def quiet(tmp_path: Path, installed: Install) -> Lake:
    installed(_template.ANALYTIC)
    lake = lake_of(tmp_path / "quiet", working_days(MONDAY, DAYS))
    assert learn([], lake, "b").report.unable == []
    return lake


@pytest.fixture
def night(tmp_path: Path) -> str:
    """A day like the others, but that ada logs on at ben's computer at three in the morning."""
    lake_of(tmp_path / "night", [*working_days(LATER, 1), (NIGHT, "ws1", "ada")])
    return str(tmp_path / "night")


def baseline_of(lake: Lake) -> str:
    return str(lake.room("baselines") / "b" / "1")


def lines_of(finding: Finding, analytic: str = "hour_of_logon") -> list[Any]:
    return [line for line in finding.evidence if line.analytic == analytic]


def test_a_logon_at_night_is_found_and_explained(quiet: Lake, night: str) -> None:
    result = hunt(HuntRequest(lake=night, baseline=baseline_of(quiet), analytics=["hour_of_logon"]))
    assert result.report.unable == []
    first = result.findings[0]
    (line,) = first.evidence
    assert line.analytic == line.family == "hour_of_logon"
    assert line.kind == "windows_security:4624"
    assert line.why == f"ada logged on at 03h UTC: 0 of {2 * DAYS} times before (everybody: 0 of {12 * DAYS})"
    (event,) = line.events
    assert (event.host, event.time, event.native["TargetUserName"]) == ("ws1", NIGHT, "ada")
    assert (event.file, event.offset, event.channel) == ("security.evtx", "0", "Security")
    assert [reason.text for reason in line.reasons] == [line.why]
    assert "ada logged on at 03h" in first.title
    assert first.start == first.end == NIGHT
    assert first.instance_hosts == ("ws1",)
    assert any(entity.value.endswith("ada") for entity in first.entities)
    assert first.expected_per_day is not None
    assert first.expected_per_day == pytest.approx(6 / (1 + 6 * DAYS))
    assert all(first.bits > other.bits for other in result.findings[1:])
    assert first.bits == pytest.approx(sum(bits for _, bits in first.ledger))


def test_bits_come_from_the_baselines_own_scores(quiet: Lake, night: str) -> None:
    result = hunt(HuntRequest(lake=night, baseline=baseline_of(quiet), analytics=["hour_of_logon"]))
    (line,) = result.findings[0].evidence
    tail = BaselineStore(quiet).load("b").analytics["hour_of_logon"].tail
    assert 0 < tail.n <= 12 * DAYS
    assert line.p == 1 / (1 + tail.n)
    assert line.alone_bits == pytest.approx(float(np.log2(e_value(np.array([line.p]))[0])))
    families = BaselineStore(quiet).load("b").replay.tails
    episodes = families.own["hour_of_logon/"]
    assert line.bits - line.relevance == pytest.approx(float(families.bits("hour_of_logon/", np.array([99.0]))[0]))
    assert episodes.n == 12 * DAYS


def test_it_stands_beside_rarity(quiet: Lake, night: str) -> None:
    both = hunt(HuntRequest(lake=night, baseline=baseline_of(quiet)))
    lead = next(f for f in both.findings if lines_of(f))
    assert lead.start == NIGHT
    assert {line.analytic for line in lead.evidence} == {"rarity", "hour_of_logon"}
    assert lead.bits == pytest.approx(sum(line.bits for line in lead.evidence))


def test_what_names_no_event_says_what_is_usual_and_is_no_evidence(
    tmp_path: Path, installed: Install, night: str
) -> None:
    class Silent(_template.HourOfLogon):
        """Names the events of the night alone, or none."""

        names = True

        def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
            for found in super().find(engine, scans, state):
                rows = found.to_pylist()
                ids = [row["event_ids"] if self.names and "03h" in row["why"] else [] for row in rows]
                place = found.schema.get_field_index("event_ids")
                yield found.set_column(place, found.schema.field(place), pa.array(ids, pa.list_(pa.string())))

    installed(Silent())
    lake = lake_of(tmp_path / "quiet", working_days(MONDAY, DAYS))
    learn([], lake, "b")
    asked = HuntRequest(lake=night, baseline=baseline_of(lake), analytics=["hour_of_logon"])
    (found,) = hunt(asked).findings  # nothing else of that day names an event
    assert found.start == NIGHT
    # It is held against all the quiet logons, though none of them named an event.
    assert BaselineStore(lake).load("b").replay.tails.own["hour_of_logon/"].n == 12 * DAYS
    Silent.names = False
    assert not hunt(asked).findings


def test_evidence_of_one_family_does_not_add(tmp_path: Path, installed: Install, night: str) -> None:
    class Beside(_template.HourOfLogon):
        """Looks at what rarity looks at."""

        family = "logon"

    installed(Beside())
    lake = lake_of(tmp_path / "quiet", working_days(MONDAY, DAYS))
    learn([], lake, "b")
    lead = hunt(HuntRequest(lake=night, baseline=baseline_of(lake))).findings[0]
    assert {line.family for line in lead.evidence} == {"logon"}
    assert len(lead.evidence) == 2
    assert sum(line.bits > 0 for line in lead.evidence) == 1


def test_rarity_alone_is_as_if_no_other_were_there(quiet: Lake, night: str, installed: Install, tmp_path: Path) -> None:
    asked = HuntRequest(lake=night, baseline=baseline_of(quiet), analytics=["rarity"])
    chosen = hunt(asked)
    assert not [line for f in chosen.findings for line in lines_of(f)]
    assert chosen.report.unable == []
    installed()
    alone = lake_of(tmp_path / "alone", working_days(MONDAY, DAYS))
    learn([], alone, "b")
    bare = hunt(HuntRequest(lake=night, baseline=baseline_of(alone)))
    assert [(f.id, f.bits) for f in bare.findings] == [(f.id, f.bits) for f in chosen.findings]


def test_without_a_baseline_it_ranks_and_claims_nothing(tmp_path: Path, installed: Install) -> None:
    installed(_template.ANALYTIC)
    lake_of(tmp_path / "all", [*working_days(MONDAY, 10), (MONDAY + timedelta(days=5, hours=3), "ws1", "ada")])
    result = hunt(HuntRequest(lake=str(tmp_path / "all"), analytics=["hour_of_logon"]))
    first = result.findings[0]
    assert "ada logged on at 03h" in first.title
    assert first.expected_per_day is None
    assert first.evidence[0].p is None
    assert first.run.hosts == 6


def test_one_day_is_too_little_to_calibrate_on(tmp_path: Path, installed: Install) -> None:
    installed(_template.ANALYTIC)
    lake = lake_of(tmp_path / "day", working_days(MONDAY, 1))
    learnt = learn([], lake, "b")
    assert [(u.analytic, u.missing) for u in learnt.report.unable] == [("hour_of_logon", SHORT)]
    report = hunt(HuntRequest(lake=str(lake.root), baseline=baseline_of(lake))).report
    assert [(u.analytic, u.missing) for u in report.unable] == [("hour_of_logon", AGAIN)]


def test_what_is_missing_is_told(tmp_path: Path, installed: Install) -> None:
    installed(_template.ANALYTIC)
    lake = Lake.open(tmp_path / "lake", create=True)
    events = batch(working_days(MONDAY, 3)).drop_columns(["TargetUserName"])
    lake.append({"windows_security": [events]})
    report = hunt(HuntRequest(lake=str(lake.root))).report
    assert [(u.analytic, u.missing) for u in report.unable] == [
        ("hour_of_logon", "authentication with user.name, event.action")
    ]


def test_an_empty_lake_and_an_unknown_name(tmp_path: Path, installed: Install) -> None:
    installed(_template.ANALYTIC)
    lake = Lake.open(tmp_path / "lake", create=True)
    report = hunt(HuntRequest(lake=str(lake.root))).report
    assert [u.analytic for u in report.unable] == ["rarity", "hour_of_logon"]
    with pytest.raises(UsageError, match="hour_of_logon, rarity"):
        hunt(HuntRequest(lake=str(lake.root), analytics=["hour_of_logout"]))


def test_an_analytic_that_fails_stops_no_other(tmp_path: Path, installed: Install, night: str) -> None:
    class Failing(_template.HourOfLogon):
        """Fails."""

        name = "failing"

        def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
            """Never finds anything."""
            raise RuntimeError("no such thing")

    installed(Failing(), _template.ANALYTIC)
    lake = lake_of(tmp_path / "quiet", working_days(MONDAY, DAYS))
    learnt = learn([], lake, "b")
    assert [(u.analytic, u.missing) for u in learnt.report.unable] == [
        ("failing", "working code: RuntimeError: no such thing")
    ]
    assert list(learnt.baseline.analytics) == ["hour_of_logon"]
    result = hunt(HuntRequest(lake=night, baseline=baseline_of(lake)))
    assert [u.analytic for u in result.report.unable] == ["failing"]
    assert lines_of(result.findings[0])


def test_what_was_learnt_is_kept_as_data(quiet: Lake) -> None:
    home = Path(baseline_of(quiet)) / "analytics" / "hour_of_logon"
    assert sorted(path.name for path in home.iterdir()) == ["logons.parquet", "state.json", "tail.parquet"]
    said = json.loads((home / "state.json").read_text())
    assert said == {"family": "hour_of_logon", "state": {}, "tables": ["logons"]}
    said["tables"] = ["../../meta"]
    (home / "state.json").write_text(json.dumps(said))
    with pytest.raises(BaselineError, match="damaged"):
        BaselineStore(quiet).load("b")


def test_logons_without_a_time_are_counted(tmp_path: Path, installed: Install, night: str) -> None:
    class Timeless(_template.HourOfLogon):
        """Tells no times."""

        def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
            """The same, without."""
            for found in super().find(engine, scans, state):
                yield found.set_column(1, found.schema.field(1), pa.nulls(found.num_rows, found.schema.field(1).type))

    installed(Timeless())
    lake = lake_of(tmp_path / "quiet", working_days(MONDAY, DAYS))
    learn([], lake, "b")
    result = hunt(HuntRequest(lake=night, baseline=baseline_of(lake), analytics=["hour_of_logon"]))
    assert result.findings == ()
    assert "13 observations have no time: they are in no finding" in result.report.notes


@pytest.mark.spark
def test_spark_finds_the_same(quiet: Lake, night: str, java: None) -> None:
    found = []
    for engine in ("duckdb", "spark"):
        result = hunt(HuntRequest(lake=night, baseline=baseline_of(quiet), engine=engine))
        found.append([(f.id, round(f.bits, 9), [(e.analytic, e.why, [r.id for r in e.events]) for e in f.evidence])
                      for f in result.findings])  # fmt: skip
    assert found[0] == found[1]
    assert found[0]


def test_what_is_quiet_is_rarely_called_unusual(tmp_path: Path, installed: Install, duckdb_engine: Engine) -> None:
    """P-values of days like those learnt: a share p of them, and no more, lies at or below p."""
    installed(_template.ANALYTIC)
    draw = np.random.default_rng(7)
    first = at_any_hour(draw, MONDAY, 16)
    lake = lake_of(tmp_path / "quiet", first)
    known = learn([], lake, "b").baseline.analytics["hour_of_logon"]
    later = lake_of(tmp_path / "later", at_any_hour(draw, MONDAY + timedelta(days=60), 16))
    found = observe(duckdb_engine, scans_of(later, duckdb_engine), _template.ANALYTIC, known.state)
    p = known.tail.p(found["score"].to_numpy())
    assert len(p) == 40 * 16 * 3
    for level in (0.1, 0.01):
        assert 0.3 * level < (p <= level).mean() < 1.6 * level
    assert e_value(p).mean() < 1.1


def at_any_hour(draw: np.random.Generator, first: datetime, days: int) -> list[Logon]:
    """Forty people with hours of their own, each at a computer of theirs."""
    logons = []
    for who in range(40):
        for day in range(days):
            for hour in draw.normal(8 + who % 5, 2 + who % 3, size=3):
                when = first + timedelta(days=day, hours=float(np.clip(hour, 0, 23.9)))
                logons.append((when, f"pc{who}", f"user{who}"))
    return logons


def test_words_of_an_event_are_shown_harmlessly(quiet: Lake, tmp_path: Path) -> None:
    lake_of(tmp_path / "night", [*working_days(LATER, 1), (NIGHT, "ws1", "eve\x1b[2J\u202e")])
    result = hunt(HuntRequest(lake=str(tmp_path / "night"), baseline=baseline_of(quiet), analytics=["hour_of_logon"]))
    (line,) = result.findings[0].evidence
    assert line.why.startswith("eve")
    for text in (line.why, result.findings[0].title, line.reasons[0].text):
        assert text.isprintable()

"""What every analytic must keep to, ours and third parties': walks the registry, and the template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import vizsla.analytics as package
from analytic_samples import Install, Point
from logon_samples import MONDAY, lake_of, working_days
from vizsla.analytic import OBSERVED, Analytic, Builtin, Need, State, lacking, observed
from vizsla.analytics import _template, chosen, failures, registry
from vizsla.engine import Engine
from vizsla.errors import AnalyticError, UsageError
from vizsla.hunt.scope import scans_of
from vizsla.ingest import ingest
from vizsla.lake import Lake, Scan
from vizsla.nouns.event import EVENT_FIELDS
from vizsla.simulate import Company, write
from vizsla.testing import check_analytic, check_needs, check_words

REGISTERED = list(registry().values())
WRITTEN = [analytic for analytic in [*REGISTERED, _template.ANALYTIC] if isinstance(analytic, Analytic)]
# Analytics that the simulated company gives nothing to observe, and why. Fails where that is no longer true.
SHOWS_NOTHING: dict[str, str] = {"impossible_travel": "no GeoIP file says where addresses are"}


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory, duckdb_engine: Engine) -> list[Scan]:
    """Two days of a small company: processes, logons, files, registry, scripts, services, tasks and network."""
    root = tmp_path_factory.mktemp("company")
    write(Company(2, 2, 1), root / "logs")
    lake = Lake.open(root / "lake", create=True)
    ingest([str(root / "logs")], lake, engine=duckdb_engine)
    return scans_of(lake, duckdb_engine)


@pytest.fixture(scope="module")
def logons(tmp_path_factory: pytest.TempPathFactory, duckdb_engine: Engine) -> list[Scan]:
    return scans_of(lake_of(tmp_path_factory.mktemp("logons") / "lake", working_days(MONDAY, 4)), duckdb_engine)


@pytest.mark.slow
@pytest.mark.parametrize("analytic", WRITTEN, ids=lambda a: a.name)
def test_keeps_the_contract(analytic: Analytic, company: list[Scan], duckdb_engine: Engine) -> None:
    seen = check_analytic(analytic, duckdb_engine, company)
    assert (seen == 0) == (analytic.name in SHOWS_NOTHING)


@pytest.mark.parametrize("analytic", REGISTERED, ids=lambda a: a.name)
def test_says_what_it_is(analytic: Analytic | Builtin) -> None:
    assert analytic.name.isidentifier()
    assert 10 < len(analytic.doc) <= 120
    assert analytic.unit
    assert analytic.family


def test_template_is_whole_and_not_registered(logons: list[Scan], duckdb_engine: Engine) -> None:
    assert check_analytic(_template.ANALYTIC, duckdb_engine, logons) == 48
    assert _template.ANALYTIC.name not in registry()


def test_the_template_scores_habits() -> None:
    table = pa.table({"user": ["ada"] * 2 + ["ben"], "hour": [8, 9, 3], "n": [30, 10, 20]})
    habits = _template.Habits(table)
    usual, beside, rare = (habits.surprisal("ada", hour) for hour in (8, 10, 15))
    assert usual < beside < rare
    assert habits.surprisal("ben", 3) < habits.surprisal("new", 3) < habits.surprisal("ada", 3)
    assert sum(2 ** -habits.surprisal("ada", hour) for hour in range(24)) == pytest.approx(1)
    assert habits.why("ada", 3) == ("ada logged on at 03h UTC: 0 of 40 times before (everybody: 20 of 60)")


def test_a_lake_that_lacks_what_is_needed_is_told() -> None:
    need = Need(("authentication", "windows_odd"), ("user.name",))
    bare = Scan("windows_security", (), EVENT_FIELDS, 0, 0)
    named = replace(bare, schema=EVENT_FIELDS.append(pa.field("TargetUserName", pa.string())))
    odd = Scan("windows_odd", (), EVENT_FIELDS.append(pa.field("user.name", pa.string())), 0, 0)
    assert lacking([need], []) == "authentication or windows_odd with user.name"
    assert lacking([need], [bare]) != ""
    assert lacking([need], [named]) == ""
    assert lacking([need], [bare, odd]) == ""
    assert lacking([Need(("dns",)), need], [named]) == "dns"
    assert lacking([], []) == ""


def test_batches_are_filled_up_and_checked() -> None:
    made = observed({"kind": ["k"], "pattern": ["p"], "score": [1], "n": [2], "why": ["w"], "event_ids": [["i"]]})
    assert made.schema == OBSERVED
    assert made.to_pylist()[0]["pid"] is None
    with pytest.raises(ValueError, match="scroe"):
        observed({"kind": [], "scroe": []})
    with pytest.raises(KeyError):
        observed({"kind": ["k"]})


class _Relative(_template.HourOfLogon):
    """Scores depend on what else is looked at."""

    def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
        """A share of what it was given."""
        batches = list(super().find(engine, scans, state))
        size = sum(batch.num_rows for batch in batches)
        place = OBSERVED.get_field_index("score")
        for batch in batches:
            yield batch.set_column(place, OBSERVED.field("score"), pa.array([1.0 / size] * batch.num_rows))


class _Forgetful(_template.HourOfLogon):
    """Finding changes its state."""

    def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
        """Counts its calls."""
        assert isinstance(state, dict)
        state["calls"] = state.get("calls", 0) + 1
        return super().find(engine, scans, state)


class _Learning(_template.HourOfLogon):
    """Learns whatever it is told to."""

    def __init__(self, *states: Any) -> None:
        self.states = list(states)

    def learn(self, engine: Engine, scans: Sequence[Scan]) -> Any:
        """The next of the states."""
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


class _Yielding(_template.HourOfLogon):
    """Yields what it is told to."""

    def __init__(self, batch: Any) -> None:
        self.batch = batch

    def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
        """The batch."""
        yield self.batch


class _Unsaid(_template.HourOfLogon):
    def learn(self, engine: Engine, scans: Sequence[Scan]) -> State | None:
        return None


ONE = {"kind": ["k"], "pattern": ["p"], "score": [1.0], "n": [1], "why": ["w"], "event_ids": [["i"]]}


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (_Relative(), "alone gives other observations"),
        (_Forgetful(), "finding changed its state"),
        (_Learning({"a": 1}, {"a": 2}), "learning twice"),
        (_Learning({"a": {1, 2}}), "holds a set"),
        (_Learning({"a": (1, 2)}), "holds a tuple"),
        (_Learning({"a": {1: 2}}), "a dict's key is int"),
        (_Learning({"state": 1}), "a name of ours"),
        (_Learning([1]), "no dict"),
        (_Learning({"../a": 1}), "no dict with identifiers"),
        (_Yielding(pa.record_batch({"a": [1]})), "no batch of OBSERVED"),
        (_Yielding(observed(ONE | {"score": [float("nan")]})), "no finite number"),
        (_Yielding(observed(ONE | {"why": pa.nulls(1, pa.string())})), "without why"),
        (_Yielding(observed(ONE | {"n": [0]})), "of no event"),
        (_Yielding(observed(ONE)), "alone gives other observations|in no event"),
        (_Unsaid(), "docstring"),
    ],
)
def test_a_broken_promise_is_found(broken: Analytic, says: str, logons: list[Scan], duckdb_engine: Engine) -> None:
    with pytest.raises(AnalyticError, match=says):
        check_analytic(broken, duckdb_engine, logons)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("name", "Hour of logon", "identifier"),
        ("family", "a/b", "family"),
        ("doc", "short", "doc"),
        ("unit", "", "unit"),
        ("needs", (), "says nothing of what it needs"),
        ("needs", (Need(("authentification",)),), "no view and no table 'authentification'"),
        ("needs", (Need(("authentication",), ("user.nmae",)),), "no field user.nmae"),
    ],
)
def test_wrong_words_are_found(monkeypatch: pytest.MonkeyPatch, field: str, value: Any, says: str) -> None:
    monkeypatch.setattr(_template.HourOfLogon, field, value)
    with pytest.raises(AnalyticError, match=says):
        check_words(_template.ANALYTIC)
        check_needs(_template.ANALYTIC)


def test_third_parties_join_and_broken_ones_are_told(installed: Install) -> None:
    class Loud(_template.HourOfLogon):
        name = "Loud"

    installed(Point(_template.ANALYTIC, "other:ANALYTIC"), Point(ImportError("no such thing"), "broken:ANALYTIC"),
           Point(object(), "odd:ANALYTIC"), Point(Loud(), "loud:ANALYTIC"))  # fmt: skip
    assert registry()["hour_of_logon"] is _template.ANALYTIC
    assert failures() == {
        "broken:ANALYTIC": "ImportError: no such thing",
        "odd:ANALYTIC": "its ANALYTIC has not all that an analytic needs: name, family, unit, doc, needs, learn, find",
        "loud:ANALYTIC": "its name 'Loud' is no identifier in lower case",
    }
    assert list(chosen()) == ["hour_of_logon", "rarity"]
    assert list(chosen(["hour_of_logon"])) == ["hour_of_logon"]


def test_two_of_one_name_fail_loudly(installed: Install) -> None:
    installed(Point(registry()["rarity"], "other:ANALYTIC"))
    with pytest.raises(AnalyticError, match="two analytics are named 'rarity'"):
        registry()


def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(UsageError, match="rarity"):
        chosen(["rarety"])


def test_a_file_in_the_package_is_registered_by_being_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(_template.__file__).read_text(encoding="utf-8")
    (tmp_path / "hour_of_logon.py").write_text(source, encoding="utf-8")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    package._loaded.cache_clear()
    try:
        assert isinstance(registry()["hour_of_logon"], Analytic)
        assert failures() == {}
    finally:
        package._loaded.cache_clear()

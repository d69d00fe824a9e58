"""All of SigmaHQ's rules, matched by this matcher and by pySigma's SQLite backend: the same pairs of rule and event.

Where the two differ, `EXPLAINED` says for each rule why (docs/sigma-differences.md), and a plain evaluator must side
with this one.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from benchmarks import sigma_naive, sigma_reference
from benchmarks.sigma_reference import Look, Pair

from sigma_planted import Maker
from vizsla.ingest import ingest
from vizsla.lake import Lake
from vizsla.nouns.event import ID
from vizsla.sigma.load import Loaded, load
from vizsla.sigma.match import Binding, matcher
from vizsla.sigma.rule import Rule

FOLDERS = ("rules", "rules-emerging-threats", "rules-threat-hunting")
NULL = "null: here a field that is empty is as one that is not there, in SQLite it is not"
EXPLAINED = {"2e4e488a-6164-4811-9ea1-f960c7359c40": NULL}
Documents = Mapping[str, Mapping[str, object]]


@pytest.fixture(scope="module")
def sigma(real_data: Path) -> Path:
    return real_data / "sigma"


@pytest.fixture(scope="module")
def loaded(sigma: Path) -> Loaded:
    return load([sigma / folder for folder in FOLDERS])


@pytest.fixture(scope="module")
def documents(sigma: Path) -> Documents:
    return sigma_reference.rules_at(sigma / folder for folder in FOLDERS)


def lake_of(logs: Path, folder: Path) -> Lake:
    lake = Lake.open(folder / "lake", create=True)
    ingest([logs], lake)
    return lake


@pytest.fixture(scope="module")
def samples(sigma: Path, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return lake_of(sigma / "regression", tmp_path_factory.mktemp("samples"))


@pytest.fixture(scope="module")
def met(samples: Lake, loaded: Loaded) -> set[Pair]:
    return sigma_reference.matched(samples, loaded.rules)


def test_every_rule_loads_but_those_whose_placeholders_nobody_filled(loaded: Loaded) -> None:
    assert {refused.reason.split("%")[0] for refused in loaded.refused} <= {"no values are known for the placeholder "}
    assert len(loaded.refused) < 0.01 * len(loaded.rules)


def test_every_sample_is_matched_by_its_rule(sigma: Path, samples: Lake, met: set[Pair]) -> None:
    folder_of = {
        event: str(Path(origin.rpartition("#")[0]).parent)
        for table in samples.tables()
        for batch in sigma_reference.events(samples, table, ["_origin"])
        for event, origin in zip(batch.column(ID).to_pylist(), batch.column("_origin").to_pylist(), strict=True)
    }
    infos = sorted((sigma / "regression").rglob("info.yml"))
    assert len(infos) > 50
    for info in infos:
        told = yaml.safe_load(info.read_bytes())
        for rule in told["rule_metadata"]:
            count = sum((rule["id"], event) in met for event, folder in folder_of.items() if folder == str(info.parent))
            assert count >= max(test.get("match_count", 1) for test in told["regression_tests_info"]), rule


def test_all_rules_over_all_samples_agree(samples: Lake, loaded: Loaded, documents: Documents, met: set[Pair]) -> None:
    assert len(met) > 61
    assert agreed(samples, loaded, documents, met) == set()


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.timeout(3_600)  # one query per rule over 300,000 events takes its time on a busy machine
@pytest.mark.parametrize("logs", ["evtx", "mordor"])
def test_all_rules_over_captures_agree(
    logs: str, real_data: Path, loaded: Loaded, documents: Documents, tmp_path: Path
) -> None:
    lake = lake_of(real_data / logs, tmp_path)
    pairs = sigma_reference.matched(lake, loaded.rules)
    assert len(pairs) > 1_000
    assert agreed(lake, loaded, documents, pairs) <= EXPLAINED.keys()


def agreed(lake: Lake, loaded: Loaded, documents: Documents, pairs: set[Pair]) -> set[str]:
    """The rules over which the two differ, in each case as the plain evaluator has it."""
    looks = sigma_reference.looks((rule for rule in loaded.rules if rule.condition), lake)
    theirs = sigma_reference.found(lake, documents, looks)
    assert theirs.failed == {}
    differ = theirs.pairs ^ pairs
    events = texts_of(lake, {event for _, event in differ})
    for rule, event in differ:
        held = any(
            holds(documents[rule], look, events[event][1]) for look in looks
            if look.rule == rule and look.table == events[event][0]
        )  # fmt: skip
        assert held is ((rule, event) in pairs), (rule, event)
    return {rule for rule, _ in differ}


def texts_of(lake: Lake, wanted: set[str]) -> dict[str, tuple[str, dict[str, str]]]:
    """Table and texts of these events."""
    found = {}
    for table in lake.tables() if wanted else ():
        for batch in sigma_reference.events(lake, table):
            for row in batch.filter(pa.array([event in wanted for event in batch.column(ID).to_pylist()])).to_pylist():
                own = {k.lower(): v for k, v in row.items() if isinstance(v, str) and not k.startswith("_")}
                found[row[ID]] = (table, own)
    return found


def holds(document: Mapping[str, object], look: Look, event: dict[str, str]) -> bool:
    """Whether an event meets a rule where the rule looks."""
    if any(event.get(name.lower()) not in values for name, values in look.kinds):
        return False
    columns = {other: sigma_reference.worked_out(other, lambda name: [event.get(name.lower())])
               for other in look.fields.values()}  # fmt: skip
    made = {name.lower(): told[0] for name, told in columns.items() if told is not None and told[0] is not None}
    return sigma_naive.holds(sigma_reference.parsed(document, look.fields), event | made)


PLANTED = "planted"
AFTER = 3  # events made for each rule


def planted(documents: Documents, rules: Iterable[Rule]) -> list[dict[str, str]]:
    chance = random.Random(20_241_122)
    return [Maker(chance).event(sigma_reference.parsed(documents[rule.id], {})) for rule in rules for _ in range(AFTER)]


@pytest.mark.slow
def test_all_rules_over_events_made_for_them_agree(loaded: Loaded, documents: Documents) -> None:
    rules = [rule for rule in loaded.rules if rule.condition]
    made = planted(documents, rules)
    names = list({name.lower(): name for event in made for name in event}.values())
    folded = [{name.lower(): text for name, text in event.items()} for event in made]
    ids = [f"{number:06}" for number in range(len(made))]
    columns = {name: pa.array([event.get(name.lower()) for event in folded], pa.string()) for name in names}
    batch = pa.RecordBatch.from_pydict({ID: pa.array(ids), **columns})
    mine, refused = matcher(PLANTED, [Binding(rule) for rule in rules], names)
    assert mine is not None
    assert refused == []
    found = mine.start()(batch)
    by = found.by.cast(pa.string()).to_pylist()
    pairs = {(rule, ids[row]) for rule, row in zip(by, found.row.tolist(), strict=True)}
    meant = {(rule.id, ids[AFTER * place + n]) for place, rule in enumerate(rules) for n in range(AFTER)}
    assert len({rule for rule, _ in meant & pairs}) > 0.9 * len(rules), "what was planted is found"
    queries, failed = sigma_reference.queries(documents, [Look(rule.id, PLANTED) for rule in rules])
    assert failed == {}
    store = sigma_reference.Store()
    store.load(PLANTED, [batch], queries)
    theirs = store.run(queries)
    known = {rule.id: sigma_reference.parsed(documents[rule.id], {}) for rule in rules}
    for rule, event in sorted(pairs ^ theirs.pairs):
        assert sigma_naive.holds(known[rule], folded[int(event)]) is ((rule, event) in pairs), (rule, event)

"""Baselines on disk: the same after loading, whole or none, and by no name that leads elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from hunt_samples import DAY, HOUR, START, attack, company, lake_of, sysmon
from vizsla.baseline import Baseline, BaselineStore, files
from vizsla.baseline.store import describe, diff, placed, read_folder
from vizsla.errors import BaselineError, UsageError
from vizsla.hunt import hunt, learn
from vizsla.lake import Lake
from vizsla.nouns import HuntRequest

EVIL = START + 30 * DAY + 10 * HOUR


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Baseline]:
    home = tmp_path_factory.mktemp("baseline") / "lake"
    return home, learn([], lake_of(home, company(3, range(4))), "normal").baseline


@pytest.fixture
def store(tmp_path: Path, first: tuple[Path, Baseline]) -> BaselineStore:
    """A lake of its own with one baseline, 'normal'."""
    made = BaselineStore(Lake.open(tmp_path / "lake", create=True))
    made.save("normal", first[1].model, first[1].replay)
    return made


def folder(store: BaselineStore, version: int = 1, name: str = "normal") -> Path:
    return store.lake.root / "baselines" / name / str(version)


def alike(one: Any, other: Any) -> bool:
    """Equal to the last bit, arrays and all."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.tolist() == other.tolist()
    if isinstance(one, Mapping):
        return set(one) == set(other) and all(alike(one[k], other[k]) for k in one)
    if hasattr(one, "__dataclass_fields__"):
        return type(one) is type(other) and all(
            alike(getattr(one, f), getattr(other, f)) for f in one.__dataclass_fields__
        )
    return bool(one == other)


def test_what_was_saved_is_what_is_loaded(store: BaselineStore, first: tuple[Path, Baseline]) -> None:
    loaded, fresh = store.load("normal"), first[1]
    assert alike(loaded.model, fresh.model)
    assert alike(loaded.replay, fresh.replay)
    assert loaded.span == fresh.span
    for kind, counts in fresh.model.kinds.items():
        assert loaded.model.kinds[kind].hosts.tolist() == counts.hosts.tolist()
        for name, field in counts.fields.items():
            assert loaded.model.kinds[kind].fields[name].hosts.to_pylist() == field.hosts.to_pylist()


def test_scores_are_the_same_bit_for_bit(tmp_path: Path, first: tuple[Path, Baseline], store: BaselineStore) -> None:
    home = tmp_path / "hunted"
    lake_of(home, [*company(3, [30]), *attack("ws1", EVIL), sysmon(20, EVIL, "ws2", Destination="x")])
    copy = read_folder(folder(store))
    where = [str(folder(store)), str(first[0] / "baselines" / "normal" / "1")]
    one, other = (hunt(HuntRequest(lake=str(home), baseline=path, analytics=("rarity",))) for path in where)
    assert one.findings == other.findings
    assert copy.name == "normal"


def test_row_groups_make_no_difference(store: BaselineStore, first: tuple[Path, Baseline]) -> None:
    path = folder(store) / "counts.parquet"
    pq.write_table(pq.read_table(path), path, row_group_size=7)
    assert alike(store.load("normal").model, first[1].model)


def test_versions_rollback_and_table(store: BaselineStore, first: tuple[Path, Baseline]) -> None:
    _, made = first
    assert (store.names(), store.versions("normal"), store.current("normal")) == (["normal"], [1], 1)
    with pytest.raises(BaselineError, match="no earlier"):
        store.rollback("normal")
    for version in (2, 3):
        assert store.save("normal", made.model, made.replay).version == version
    assert store.load("normal").version == 3
    assert store.load("normal", 2).version == 2
    assert store.rollback("normal") == 2
    assert store.load("normal").version == 2
    assert store.rollback("normal", 1) == 1
    assert store.rollback("normal", 3) == 3
    with pytest.raises(BaselineError, match="no earlier"):
        store.rollback("normal", 9)
    assert store.current("normal") == 3
    store.rollback("normal", 1)
    assert store.save("normal", made.model, made.replay).version == 4  # later ones stay
    rows = store.table().to_pylist()
    assert [(r["version"], r["in use"]) for r in rows] == [(1, False), (2, False), (3, False), (4, True)]
    assert rows[0]["events"] == made.model.events


def test_versions_have_names(store: BaselineStore, first: Any) -> None:
    assert store.tag("normal", "before-the-audit") == 1
    store.save("normal", first[1].model, first[1].replay)
    assert store.load("normal").version == 2
    assert store.load("normal@before-the-audit").version == store.load("normal@1").version == 1
    assert store.folder("normal@before-the-audit") == folder(store, 1)
    assert store.tag("normal", "before-the-audit", 2) == 2  # a name means one version
    assert store.load("normal@before-the-audit").version == 2
    assert [row["named"] for row in store.table().to_pylist()] == ["", "before-the-audit"]
    for wrong in ("normal@gone", "normal@7"):
        with pytest.raises(BaselineError, match="has no version"):
            store.load(wrong)
    for wrong in ("7", "a/b", "", "a@b"):
        with pytest.raises(UsageError, match="cannot be a version's name"):
            store.tag("normal", wrong)
    (folder(store).parent / "tags.json").write_text("[1]")
    with pytest.raises(BaselineError, match="names are damaged"):
        store.load("normal@before-the-audit")


def test_half_a_baseline_is_none(store: BaselineStore, monkeypatch: pytest.MonkeyPatch, first: Any) -> None:
    def killed(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(json, "dumps", killed)  # meta.json is written last
    with pytest.raises(KeyboardInterrupt):
        store.save("normal", first[1].model, first[1].replay)
    with pytest.raises(KeyboardInterrupt):
        store.save("other", first[1].model, first[1].replay)
    monkeypatch.undo()
    assert store.names() == ["normal"]
    assert store.versions("normal") == [1]
    assert store.load("normal").version == 1
    with pytest.raises(BaselineError, match="no baseline 'other'"):
        store.load("other")
    half = folder(store, 2)
    half.mkdir()
    (half / "words.parquet").write_bytes(b"PAR1")
    assert store.versions("normal") == [1]
    assert store.save("normal", first[1].model, first[1].replay).version == 2
    assert store.load("normal").version == 2


@pytest.mark.parametrize("format", [0, 99, "1", None, True, 1.0])
def test_another_format_is_refused(store: BaselineStore, format: object) -> None:
    path = folder(store) / "meta.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": format}))
    with pytest.raises(BaselineError, match="format") as told:
        store.load("normal")
    assert ("upgrade Vizsla" in (told.value.fix or "")) == (format == 99)


def test_an_older_format_is_read(store: BaselineStore, first: tuple[Path, Baseline]) -> None:
    path = folder(store) / "meta.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 1}))
    loaded = store.load("normal")
    assert alike(loaded.model, first[1].model)
    assert loaded.grows is None


@pytest.mark.parametrize("said", ["", "{", "[]", "3", "null", '{"format": 1}', '{"format": 1, "newness": 3}', "\0"])
def test_a_damaged_description_is_an_error_that_says_so(store: BaselineStore, said: str) -> None:
    (folder(store) / "meta.json").write_text(said)
    with pytest.raises(BaselineError):
        store.load("normal")


@pytest.mark.parametrize("name", ["words", "kinds", "counts", "tails", "replay"])
@pytest.mark.parametrize("how", ["empty", "cut", "gone", "another"])
def test_damaged_parts_are_an_error(store: BaselineStore, name: str, how: str) -> None:
    path = folder(store) / f"{name}.parquet"
    if how == "gone":
        path.unlink()
    elif how == "another":
        path.write_bytes((folder(store) / ("tails.parquet" if name != "tails" else "words.parquet")).read_bytes())
    else:
        path.write_bytes(path.read_bytes()[: 0 if how == "empty" else path.stat().st_size // 2])
    with pytest.raises(BaselineError, match="damaged"):
        store.load("normal")


HOSTILE = [
    "", ".", "..", "../x", "a/b", "/etc", "a\\b", "-x", ".hidden", "a" * 65, "a\n", "a b", "a\0b", "ä",
    "a/../../x", "~", "$HOME",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_lead_nowhere(store: BaselineStore, first: tuple[Path, Baseline], name: str) -> None:
    before = sorted(p for p in store.lake.root.parent.rglob("*") if "writer.lock" not in p.name)
    with pytest.raises(UsageError, match="name"):
        store.save(name, first[1].model, first[1].replay)
    for ask in (store.versions, store.current, store.rollback):
        with pytest.raises(UsageError, match="name"):
            ask(name)
    with pytest.raises((UsageError, BaselineError)):
        store.load(name)
    assert sorted(p for p in store.lake.root.parent.rglob("*") if "writer.lock" not in p.name) == before


@pytest.mark.parametrize("name", ["events", "baselines", "ledger", "current", "1", "A.b_c-9", "a" * 64])
def test_names_that_look_like_rooms_of_the_lake_are_fine(store: BaselineStore, first: Any, name: str) -> None:
    store.lake.room("ledger")
    (store.lake.root / "events").mkdir(exist_ok=True)
    store.save(name, first[1].model, first[1].replay)
    assert store.load(name).name == name


@pytest.mark.parametrize("said", ["", "x", "-1", "../../x", "1 2", "²", "9" * 30])
def test_a_damaged_pointer_is_an_error_that_says_so(store: BaselineStore, said: str) -> None:
    (folder(store).parent / "current").write_text(said, encoding="utf-8")
    with pytest.raises(BaselineError, match="version"):
        store.load("normal")


def test_strange_folders_among_versions_are_none(store: BaselineStore) -> None:
    for name in ("²", "x", "-1", "00"):
        (folder(store).parent / name).mkdir()
        (folder(store).parent / name / "meta.json").write_text("{}")
    assert store.versions("normal") == [1]


def test_a_path_names_a_version_or_the_one_in_use(store: BaselineStore, tmp_path: Path) -> None:
    own = folder(store)
    assert placed(str(own)) == placed(str(own.parent)) == own
    assert store.load(str(own.parent)).version == store.load(str(own)).version == 1
    assert placed("normal") is None and placed(str(tmp_path / "nowhere")) is None
    (own.parent / "current").write_text("../../1")
    assert placed(str(own.parent)) is None


def test_no_baseline_here(tmp_path: Path) -> None:
    store = BaselineStore(Lake.open(tmp_path / "lake", create=True))
    assert store.names() == []
    assert len(store.table()) == 0
    with pytest.raises(BaselineError, match="no baseline 'normal'"):
        store.load("normal")
    with pytest.raises(BaselineError, match="no baseline"):
        read_folder(tmp_path)
    with pytest.raises(BaselineError):
        store.load(str(tmp_path / "nowhere"))


def test_what_it_holds_in_figures(first: tuple[Path, Baseline]) -> None:
    _, made = first
    events = company(3, range(4))
    for row in describe(made).to_pylist():
        number = row["type of event"].partition(":")[2]
        assert row["events"] == sum(1 for e in events if e["EventID"] == number)
        assert row["hosts"] == 3
    assert made.model.events == len(events)
    assert (made.model.hosts, made.model.host_days) == (3, 12)


def test_differences_are_counted(tmp_path: Path, first: tuple[Path, Baseline]) -> None:
    _, made = first
    assert len(diff(made, made)) == 0
    more = [*company(3, range(4)), *attack("ws1", EVIL)]
    other = learn([], lake_of(tmp_path / "lake", more), "normal").baseline
    rows = {r["type of event"]: r for r in diff(made, other).to_pylist()}
    assert rows["windows_sysmon:1"]["events"] == 1
    assert rows["windows_sysmon:10"]["values new"] >= 2
    assert rows["windows_sysmon:3"]["values gone"] == 0
    back = {r["type of event"]: r for r in diff(other, made).to_pylist()}
    for kind, row in rows.items():
        assert back[kind]["values gone"] == row["values new"]
        assert back[kind]["events"] == -row["events"]


def test_learning_twice_is_learning_once(first: tuple[Path, Baseline]) -> None:
    home, made = first
    again = learn([], Lake.open(home), "again").baseline
    assert alike(again.model, made.model)
    assert alike(again.replay, made.replay)


def test_nothing_on_disk_could_run(store: BaselineStore) -> None:
    assert {p.suffix for p in folder(store).rglob("*") if p.is_file()} <= {".json", ".parquet"}
    assert files.FORMAT == 2


@pytest.mark.parametrize("part", ["units", "patterns", "ties", "starts"])
def test_what_it_counted_is_kept_whole_or_missed(first: tuple[Path, Baseline], tmp_path: Path, part: str) -> None:
    """A tally that cannot be read whole is an error that says so; hunting needs none."""
    copy = tmp_path / "lake"
    shutil.copytree(first[0], copy)
    store, made = BaselineStore(Lake.open(copy)), first[1]
    assert made.grows is not None
    assert sum(tallied.events for tallied in store.tallies("normal", made.grows)) == made.model.events
    path = copy / "baselines" / "normal" / "1" / "tally" / f"{part}.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BaselineError, match="missing or damaged"):
        store.tallies("normal", made.grows)
    path.parent.rename(tmp_path / "gone")
    with pytest.raises(BaselineError, match="missing or damaged"):
        store.tallies("normal", made.grows)
    assert store.load("normal").version == 1


@pytest.mark.parametrize("said", [{}, [], 3, {"tables": []}, {"tables": {"t": "x"}, "parts": [], "share": 1}])
def test_how_far_it_went_is_whole_or_damage(store: BaselineStore, said: object) -> None:
    path = folder(store) / "meta.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "grows": said}))
    with pytest.raises(BaselineError, match="damaged"):
        store.load("normal")

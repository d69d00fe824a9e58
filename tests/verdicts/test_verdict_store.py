"""Verdicts on disk: only ever added to, whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vizsla.errors import LakeError, UsageError
from vizsla.lake import Lake
from vizsla.nouns.verdict import Condition, Shown, Verdict
from vizsla.verdicts import VerdictStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def verdict(id: str = "0a0a0a0a", **changes: object) -> Verdict:
    made = Verdict(
        id=id, at=NOW, by="ann", judgement="benign", reach="pattern+host", finding="f" * 16, pattern_id="e" * 16,
        title="backup \u202e\ud800.exe started", bits=17.5, hosts=("ws1",), users=("CORP\\x",),
        where=(Condition("Image", "=", "*\\a.exe"),), reason="the backup", until=NOW + timedelta(days=1),
        shown=(Shown("windows_sysmon:1", "00ff" * 4, 12.5),), traits={"bits": 17.5, "kind windows_sysmon:1": 1.0},
        techniques=("T1003",),
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> VerdictStore:
    return VerdictStore(Lake.open(tmp_path / "lake", create=True))


def test_what_was_said_comes_back(store: VerdictStore) -> None:
    store.add(verdict(title="plain"))
    assert store.standing(NOW) == [verdict(title="plain")]


def test_text_that_utf8_cannot_hold_comes_back_escaped(store: VerdictStore) -> None:
    store.add(verdict())
    assert store.standing(NOW)[0].title == "backup \u202e\\ud800.exe started"


def test_nothing_is_edited(store: VerdictStore) -> None:
    store.add(verdict("aaaaaaaa"))
    before = store.path.read_bytes()
    store.add(verdict("bbbbbbbb", finding="d" * 16))
    store.undo("aaaa", "bob", NOW)
    assert store.path.read_bytes().startswith(before)
    assert [(kept.verdict.id, kept.state) for kept in store.all(NOW)] == [
        ("aaaaaaaa", "taken back"), ("bbbbbbbb", "stands"),
    ]  # fmt: skip


def test_a_later_verdict_on_a_finding_replaces_the_earlier_until_it_is_taken_back(store: VerdictStore) -> None:
    store.add(verdict("aaaaaaaa"))
    store.add(verdict("bbbbbbbb", judgement="malicious", at=NOW + timedelta(minutes=1)))
    assert [kept.state for kept in store.all(NOW)] == ["replaced", "stands"]
    store.undo("bbbbbbbb", "ann", NOW)
    assert [kept.state for kept in store.all(NOW)] == ["stands", "taken back"]


def test_it_ends_by_itself(store: VerdictStore) -> None:
    store.add(verdict())
    assert store.standing(NOW + timedelta(days=1)) == []
    assert [kept.state for kept in store.all(NOW + timedelta(days=2))] == ["ended"]


def test_a_line_cut_short_by_a_crash_was_never_given(store: VerdictStore) -> None:
    store.add(verdict("aaaaaaaa"))
    whole = store.path.read_bytes()
    store.path.write_bytes(whole + whole[: len(whole) // 2])
    assert len(store.all(NOW)) == 1
    store.add(verdict("bbbbbbbb", finding="d" * 16))
    assert [kept.verdict.id for kept in store.all(NOW)] == ["aaaaaaaa", "bbbbbbbb"]


@pytest.mark.parametrize("line", [b'{"format":1,"what":"verdict","id":"x"}', b"[]}", b'{"format":99,"what":"undo"}'])
def test_damage_is_told_with_its_place(store: VerdictStore, line: bytes) -> None:
    store.add(verdict())
    with store.path.open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(LakeError) as error:
        store.all(NOW)
    assert error.value.where


def test_an_id_must_be_told_apart(store: VerdictStore) -> None:
    store.add(verdict("abababab"))
    store.add(verdict("abcdabcd", finding="d" * 16))
    with pytest.raises(UsageError, match="fits 2"):
        store.undo("ab", "ann")
    with pytest.raises(UsageError, match="no verdict"):
        store.undo("ff", "ann")


def test_a_lake_without_verdicts_is_not_written_to(store: VerdictStore) -> None:
    assert store.all() == []
    assert not store.path.parent.exists()

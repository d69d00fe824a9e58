"""A feed's record: its sightings, each host once, and what verdicts say of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from vizsla.analytics.rarity.encode import code_of
from vizsla.intel.record import Record, of_sightings, records
from vizsla.lake import Lake
from vizsla.nouns.verdict import Shown, Verdict

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SCHEMA = pa.schema([("indicator", pa.string()), ("_host", pa.string()), ("feeds", pa.list_(pa.string()))])
Seen = tuple[str, str | None, list[str]]


def table(rows: Sequence[Seen]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], schema=SCHEMA)


def said(judgement: Any, ids: Sequence[str], hosts: Sequence[str], kind: str = "intel/sysmon:1") -> Verdict:
    shown = tuple(Shown(kind, f"{code_of(id):016x}", 4.0) for id in ids)
    return Verdict(
        id="v", at=NOW, by="me", judgement=judgement, reach="pattern+host", finding="f", pattern_id="p", title="t",
        bits=4.0, hosts=tuple(hosts), shown=shown,
    )  # fmt: skip


SEEN: list[Seen] = [
    ("i1", "PC1", ["a", "b"]), ("i1", "PC1", ["a", "b"]), ("i1", "pc2", ["a", "b"]), ("i2", "pc1", ["b"]),
    ("i3", None, ["c"]),
]  # fmt: skip


def test_an_indicator_counts_once_a_host_for_each_of_its_feeds() -> None:
    assert of_sightings(table(SEEN), []) == {"a": Record(2, 0, 0), "b": Record(3, 0, 0), "c": Record(1, 0, 0)}


def test_verdicts_judge_what_stood_in_the_finding_on_its_hosts() -> None:
    found = of_sightings(table(SEEN), [said("benign", ["i1"], ["pc1"]), said("malicious", ["i2"], ["pc1"])])
    assert found == {"a": Record(2, 1, 1), "b": Record(3, 1, 2), "c": Record(1, 0, 0)}


def test_who_says_malicious_is_believed_before_who_says_benign() -> None:
    both = [said("malicious", ["i1"], ["pc1"]), said("benign", ["i1"], ["pc1", "pc2"])]
    assert of_sightings(table(SEEN), both)["a"] == of_sightings(table(SEEN), both[::-1])["a"] == Record(2, 1, 2)


def test_unsure_and_evidence_of_others_judge_nothing() -> None:
    for verdict in (said("unsure", ["i1"], ["pc1"]), said("benign", ["i1"], ["pc1"], "sigma/sysmon:1")):
        assert of_sightings(table(SEEN), [verdict])["a"] == Record(2, 0, 0)


def test_events_without_a_host_are_judged_by_findings_without_one() -> None:
    assert of_sightings(table(SEEN), [said("benign", ["i3"], [])])["c"] == Record(1, 1, 1)
    assert of_sightings(table(SEEN), [said("benign", ["i3"], ["pc1"])])["c"] == Record(1, 0, 0)


def test_a_lake_that_saw_nothing_has_no_record(tmp_path: Path) -> None:
    assert records(Lake.open(tmp_path / "lake", create=True), NOW) == {}


ids, hosts, feeds = st.sampled_from(["i1", "i2", "i3"]), st.sampled_from(["p", "q", "r"]), st.sampled_from("abc")
judgements = st.sampled_from(["benign", "malicious", "unsure"])
owners = st.fixed_dictionaries({id: st.lists(feeds, max_size=3, unique=True) for id in ("i1", "i2", "i3")})


@given(
    owners,
    st.lists(st.tuples(ids, hosts), max_size=12),
    st.lists(st.tuples(judgements, st.lists(ids, max_size=2), st.lists(hosts, min_size=1, max_size=2)), max_size=6),
)
def test_it_is_what_counting_by_hand_gives(
    of: dict[str, list[str]], seen: list[tuple[str, str]], given_: list[tuple[str, list[str], list[str]]]
) -> None:
    verdicts = [said(*one) for one in given_]
    naive: dict[str, list[int]] = {}
    for id, host in set(seen):
        words = {j for j, own, on in given_ if id in own and host in on} - {"unsure"}
        for feed in of[id]:
            count = naive.setdefault(feed, [0, 0, 0])
            count[0] += 1
            count[1] += words == {"benign"}
            count[2] += bool(words)
    assert of_sightings(table([(id, host, of[id]) for id, host in seen]), verdicts) == {
        feed: Record(*count) for feed, count in naive.items()
    }

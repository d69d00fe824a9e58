"""Events as codes, and the tally of them: whichever way rows are dealt, the same units, ties and starts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rarity_samples import DAY, HOUR, MINUTE, SECOND, SYSMON, T0, batch, event
from vizsla.analytics.rarity.encode import NO_TIME, NOTHING, Encoder, code_of, cut_out, dictionary, mixed
from vizsla.analytics.rarity.fields import profile
from vizsla.analytics.rarity.keys import guid_code
from vizsla.analytics.rarity.tally import (
    START_KEY,
    START_SUM,
    TIE_KEY,
    TIE_SUM,
    UNIT_KEY,
    UNIT_SUM,
    Heap,
    Tally,
    merge_rows,
    sampled,
    unpacked,
)
from vizsla.shape import shape

GUIDS = [f"{{00000000-0000-0000-0000-00000000000{n}}}" for n in range(4)]  # the first is the null GUID
FIELDS: dict[str, list[str | None]] = {
    "Image": ["C:\\a.exe", "c:\\A.exe", "C:\\b1.exe", "-", "", None],
    "CommandLine": ["x 1", "x 2", "y", None],
    "User": ["A\\u", None],
    "ProcessGuid": [*GUIDS, None],
    "ProcessId": ["100", "0x64", "200", "4", "?", None],
    "ParentProcessGuid": [*GUIDS, None],
    "ParentProcessId": ["100", "200", None],
    "ParentImage": ["C:\\Windows\\explorer.exe", "C:\\a.exe", None],
    "LogonId": ["0x3e7", "0x1234", None],
    "UtcTime": ["2023", None],
}
ROW = st.fixed_dictionaries(
    {
        "_time": st.sampled_from([T0, T0 + 1, T0 + 7 * SECOND, T0 + 11 * MINUTE, T0 + HOUR, T0 + DAY, -(10**16), None]),
        "_host": st.sampled_from(["ws1", "ws2", "-", None]),
        "EventID": st.sampled_from(["1", "3", "5", "", None]),
    },
    optional={name: st.sampled_from(values) for name, values in FIELDS.items()},
)
ROWS = st.lists(ROW, min_size=1, max_size=25)


def tallied(shares: Sequence[Sequence[pa.RecordBatch]], table: str = SYSMON) -> dict[str, Any]:
    """The merged parts of a tally whose mappers each got one share of batches; rows as sets of tuples."""
    heaps: dict[tuple[str, str], Heap] = {}
    words: dict[int, str] = {}
    of = {"unit": (UNIT_KEY, UNIT_SUM), "tie": (TIE_KEY, TIE_SUM), "start": (START_KEY, START_SUM)}
    for share in shares:
        for part, kind, rows in unpacked(Tally(table)(iter(share))):
            if part == "word":
                words.update(zip(rows["code"].to_pylist(), rows["word"].to_pylist(), strict=True))
                continue
            heap = heaps.setdefault((part, kind), Heap(*of[part]))
            heap.add({name: rows[name].to_numpy() for name in rows.schema.names})
    found: dict[str, Any] = {"words": words}
    for key, heap in heaps.items():
        columns = heap.columns()
        names = [n for n in sorted(columns) if not n.startswith("f:") or columns[n].any()]
        rows_of = Counter(zip(*(columns[n].tolist() for n in names), strict=True))
        found[f"{key[0]} {key[1]}"] = (names, rows_of)
    return found


@given(ROWS, st.data())
@settings(max_examples=120, deadline=None)
def test_dealing_rows_differently_changes_nothing(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    whole = tallied([[batch(rows)]])
    order = data.draw(st.permutations(range(len(rows))))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(rows)), max_size=4)) | {0, len(rows)})
    pieces = [[rows[i] for i in order[a:b]] for a, b in pairwise(cuts)]
    encoded = data.draw(st.booleans())
    # A column that no row of a piece fills is missing from its batch, or there and all null.
    batches = [batch(piece, None, encoded) for piece in pieces if piece]
    mappers = data.draw(st.integers(1, 3))
    assert tallied([batches[i::mappers] for i in range(mappers)]) == whole


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_units_against_counting(rows: list[dict[str, Any]]) -> None:
    """A unit is a kind, host, hour, actor and the shapes of its fields; n counts its events."""
    found = tallied([[batch(rows)]])
    compared = [n for n in profile(SYSMON).compared({n for r in rows for n in r} | {"EventID"}) if n != "EventID"]
    expected: Counter[tuple[Any, ...]] = Counter()
    for row in rows:
        shapes = {n: shape(row[n]) if row.get(n) else "" for n in {*compared, "Image"}}
        absent = {n: "" if s == "-" else s for n, s in shapes.items()}
        actor = absent.pop("Image") if "Image" not in compared else absent["Image"]
        believed = row["_time"] is not None and row["_time"] > 0
        host = row["_host"] if row["_host"] not in (None, "-") else ""
        key = (row["EventID"] or "", host, row["_time"] // HOUR if believed else -1, actor)
        expected[(*key, tuple(sorted((n, v) for n, v in absent.items() if v)))] += 1
    words = found["words"] | {0: ""}
    seen: Counter[tuple[Any, ...]] = Counter()
    for name, held in found.items():
        if not name.startswith("unit "):
            continue
        names, units = held
        for unit in units:
            row = dict(zip(names, unit, strict=True))
            fields = tuple(sorted((n[2:], words[c]) for n, c in row.items() if n.startswith("f:") and c))
            key = (name.partition(":")[2], words[row["host"]], row["hour"], words[row["actor"]])
            seen[(*key, fields)] += row["n"]
    assert seen == expected


def test_mixed_dictionary_and_plain_batches_agree() -> None:
    rows = [event(1, at=i, Image="C:\\a.exe", CommandLine=f"x {i}") for i in range(5)]
    both = tallied([[batch(rows[:2], encoded=True), batch(rows[2:], encoded=False)]])
    assert both == tallied([[batch(rows)]])


def test_a_dictionary_may_hold_nulls_repeats_and_unused_values() -> None:
    values = pa.DictionaryArray.from_arrays(
        pa.array([0, 1, 2, None, 3], pa.int32()), pa.array(["A", "a", None, "b", "z"])
    )
    codes = Encoder(profile(SYSMON)).column(values, "X").tolist()
    assert codes == [code_of("a"), code_of("a"), 0, 0, code_of("b")]


def test_a_slice_of_a_batch_is_its_rows() -> None:
    rows = [event(1 + i % 2, at=i * HOUR, Image=f"C:\\{'ab'[i % 2]}.exe") for i in range(8)]
    whole = batch(rows, encoded=True)
    assert tallied([[whole.slice(0, 3)], [whole.slice(3)]]) == tallied([[whole]])


def test_empty_batches_and_no_batches() -> None:
    rows = [event(1, Image="x")]
    assert tallied([[batch(rows).slice(0, 0)], []]) == {"words": {}}
    assert tallied([[batch(rows).slice(0, 0), batch(rows)]]) == tallied([[batch(rows)]])


def test_codes_once_forgotten_are_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mappers that must let go of what they remember, again and again, bring the same."""
    rows = [event(1, at=i * MINUTE, Image=f"C:\\{chr(97 + i)}.exe", CommandLine=f"{chr(97 + i)}") for i in range(20)]
    pieces = [batch(rows[i : i + 3]) for i in range(0, 20, 3)]
    whole = tallied([pieces])
    monkeypatch.setattr("vizsla.analytics.rarity.tally.MERGE_AT", 4)
    monkeypatch.setattr("vizsla.analytics.rarity.encode.REMEMBERED", 3)
    assert tallied([pieces]) == whole


def test_times_that_cannot_be_believed_are_no_times() -> None:
    times = [None, 0, -(10**16), 631_151_999_999_999, 631_152_000_000_000, T0, 7_258_118_400_000_000, 2**62]
    rows = [{**event(1, Image="x"), "_time": t} for t in times]
    (found,) = Encoder(profile(SYSMON)).rows(batch(rows))
    assert [t for t in found.time.tolist() if t != NO_TIME] == [631_152_000_000_000, T0]
    assert found.hour.tolist().count(-1) == 6


def test_patterns_differ_where_any_field_or_the_actor_differs() -> None:
    same = [
        event(1, Image="C:\\a.exe", CommandLine="x 1"),
        event(1, at=DAY, host="ws9", Image="C:\\A.EXE", CommandLine="X  2", UtcTime="now", ProcessGuid=GUIDS[2]),
    ]
    others = [
        event(1, Image="C:\\b.exe", CommandLine="x 1"),
        event(1, Image="C:\\a.exe", CommandLine="y"),
        event(1, Image="C:\\a.exe", User="x 1"),  # the same value in another field
        event(1, CommandLine="x 1"),
        event(1, Image="C:\\a.exe", CommandLine="x 1", User="u"),
    ]
    (found,) = Encoder(profile(SYSMON)).rows(batch([*same, *others]))
    patterns = found.pattern.tolist()
    assert patterns[0] == patterns[1]
    assert len(set(patterns)) == 1 + len(others)


def test_the_actor_is_the_first_column_filled() -> None:
    rows = [
        event(10, SourceImage="C:\\src.exe", TargetImage="C:\\t.exe"),
        event(1, Image="C:\\img.exe", SourceImage="C:\\src.exe"),
        event(1, Image="-", SubjectUserName="bob"),
        event(1, Image="", SubjectUserName=None),
    ]
    codes = [
        c for part in Encoder(profile("windows_other")).rows(batch(rows)) for c in zip(part.at, part.actor, strict=True)
    ]
    found = dict(codes)
    assert found[0] == code_of("c:\\src.exe")
    assert found[1] == code_of("c:\\img.exe")
    assert found[2] == code_of("bob")
    assert found[3] == NOTHING


def test_a_user_that_acts_is_also_a_field() -> None:
    (part,) = Encoder(profile("windows_security")).rows(batch([event(4672, SubjectUserName="Bob7")]))
    assert part.actor.tolist() == [code_of("bob#")]
    assert part.fields["SubjectUserName"].tolist() == [code_of("bob#")]
    assert "Image" not in part.fields


def test_fields_cut_out_of_longer_ones() -> None:
    said = ("Severity = Informational", "Host Application = powershell.exe -enc AAAA", "Command Name = Get-X", "")
    context = "\r\n".join(f"        {line}" for line in said)
    rows = [event(4103, ContextInfo=context), event(4103, ContextInfo="nothing"), event(4103)]
    (part,) = Encoder(profile("windows_powershell")).rows(batch(rows))
    assert part.actor.tolist() == [code_of("powershell.exe -enc aaaa"), 0, 0]
    assert part.fields["CommandName"].tolist() == [code_of("get-x"), 0, 0]
    assert "ContextInfo" not in part.fields


def test_a_cut_out_field_does_not_hide_the_native_one() -> None:
    rows = [event(4103, CommandName="Native"), event(4103, ContextInfo=" Command Name = Cut\r\n")]
    (part,) = Encoder(profile("windows_powershell")).rows(batch(rows))
    assert part.fields["CommandName"].tolist() == [code_of("native"), code_of("cut")]


@given(st.lists(st.one_of(st.none(), st.text("ab=\r\n ", max_size=8)), max_size=10), st.booleans())
@settings(max_examples=60, deadline=None)
def test_cutting_out_against_python(values: list[str | None], encoded: bool) -> None:
    pattern = "a=([^\r\n]*)"
    column = pa.array(values, pa.string())
    cut = cut_out(column.dictionary_encode() if encoded else column, pattern).to_pylist()
    for value, found in zip(values, cut, strict=True):
        match = re.search(pattern, value) if value is not None else None
        assert (found or "") == (match[1].strip() if match else "")


def test_dictionary_places() -> None:
    distinct, places = dictionary(pa.chunked_array([["x", None], ["y", "x"]]))
    assert [None if p < 0 else distinct[p].as_py() for p in places.tolist()] == ["x", None, "y", "x"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(-5, 5)), max_size=30))
@settings(deadline=None)
def test_rows_merge_as_a_dictionary_would(rows: list[tuple[int, int, int]]) -> None:
    columns = {
        "a": np.array([r[0] for r in rows], dtype=np.uint64), "b": np.array([r[1] for r in rows], dtype=np.int64),
        "s": np.array([r[2] for r in rows], dtype=np.int64), "low": np.array([r[2] for r in rows], dtype=np.int64),
        "high": np.array([r[2] for r in rows], dtype=np.int64),
    }  # fmt: skip
    merged = merge_rows(columns, ("a", "b"), {"s": "sum", "low": "min", "high": "max"})
    expected = {
        (k, sum(v), min(v), max(v)) for k in {r[:2] for r in rows} for v in [[r[2] for r in rows if r[:2] == k]]
    }
    found = {
        ((int(a), int(b)), int(s), int(low), int(high))
        for a, b, s, low, high in zip(*(merged[n].tolist() for n in ("a", "b", "s", "low", "high")), strict=True)
    }
    assert found == expected
    assert len(merged["a"]) == len(expected)


def test_mixing_tells_order_and_parts_apart() -> None:
    one, two = np.array([1], np.uint64), np.array([2], np.uint64)
    codes = {int(mixed(*parts)[0]) for parts in ((one,), (two,), (one, two), (two, one), (one, one), (one, two, one))}
    assert len(codes) == 6


def test_the_sample_is_of_whole_host_days_and_of_the_size_asked() -> None:
    host, day = (a.ravel() for a in np.meshgrid(np.arange(100, dtype=np.uint64), np.arange(100), indexing="ij"))
    chosen = sampled(host, day, 0.25)
    assert 2300 < chosen.sum() < 2700
    assert sampled(host, day, 1.0).all()
    assert (sampled(host, day, 0.1) <= chosen).all()  # a smaller sample lies within a larger one


def test_ties_of_a_sample_are_the_ties_of_its_host_days() -> None:
    rows = [event(1, at=d * DAY + i, host=f"h{h}", Image="x") for h in range(6) for d in range(6) for i in range(2)]
    share = tallied([[batch(rows)]])

    def ties(share: float) -> Iterator[tuple[int, int]]:
        for part, _, table in unpacked(Tally(SYSMON, share)(iter([batch(rows)]))):
            if part == "tie":
                yield from zip(table["host"].to_pylist(), table["time"].to_pylist(), strict=True)

    some = set(ties(0.5))
    assert 0 < len(some) < 36
    assert {(code_of(f"h{h}"), T0 + d * DAY) for h in range(6) for d in range(6)} == set(ties(1.0))
    host, time = np.array([h for h, _ in some], np.uint64), np.array([t for _, t in some])
    assert sampled(host, time // DAY, 0.5).all()
    assert guid_code(GUIDS[0]) == 0
    assert share  # and all units are counted, sampled or not
    units = [t for p, _, t in unpacked(Tally(SYSMON, 0.0)(iter([batch(rows)]))) if p == "unit"]
    assert sum(t["n"].to_numpy().sum() for t in units) == len(rows)


def zeek(orig: str, host: str, at: int = 0) -> dict[str, Any]:
    return {"_time": T0 + at, "_host": host, "id.orig_h": orig, "id.resp_h": "10.9.9.9", "service": "dns"}


def test_what_hosts_do_is_one_pattern_whoever_does_it_but_a_sensor_tells_of_many() -> None:
    (own,) = Encoder(profile("zeek_conn")).rows(batch([zeek("10.0.0.1", "10.0.0.1"), zeek("10.0.0.2", "10.0.0.2")]))
    assert len(set(own.pattern.tolist())) == 1
    seen = [zeek(f"10.0.0.{n % 3}", "sensor", n) for n in range(9)]
    whole = tallied([[batch(seen)]], "zeek_conn")
    names, units = whole["unit zeek_conn"]
    rows = [dict(zip(names, unit, strict=True)) for unit in units]
    assert {row["actor"]: row["n"] for row in rows} == {code_of(f"10.0.0.{n}"): 3 for n in range(3)}
    assert tallied([[batch(seen[::-1])]], "zeek_conn") == whole

"""Who an event is, wherever it was read."""

from __future__ import annotations

import gzip
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizsla.ordinals import pack_ordinals, unpack_ordinals
from vizsla.reading import Stamped, read_file
from vizsla.source import Batch
from vizsla.sources import _rows
from vizsla.stamp import FEW, MAX_VALUE, Ordinals, Stamper

NOW = datetime(2026, 1, 15, 13, tzinfo=UTC)
NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


def batch(rows: list[dict[str, Any]], table: str = "t", time: datetime | None = NOON, host: str | None = "h") -> Batch:
    names = sorted({name for row in rows for name in row})
    arrays: dict[str, pa.Array] = {
        "_time": pa.array([time] * len(rows), pa.timestamp("us", tz="UTC")),
        "_host": pa.array([host] * len(rows), pa.string()),
        "_origin": pa.array([f"f#{n}" for n in range(len(rows))]),
    }
    arrays.update({name: pa.array([row.get(name) for row in rows], pa.string()) for name in names})
    return Batch(table, pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays)))


def ids(*batches: Batch, stamper: Stamper | None = None) -> list[str]:
    stamper = stamper or Stamper(NOW)
    return [i for b in batches for i in stamper.stamp(b)["_id"].to_pylist()]


def test_every_part_of_who_an_event_is_counts() -> None:
    base = {"a": "1", "b": "2"}
    different = [
        batch([base]),
        batch([base], table="u"),
        batch([base], host="i"),
        batch([base], time=NOON + timedelta(microseconds=1)),
        batch([base], time=None),
        batch([{"a": "1", "b": "3"}]),
        batch([{"a": "1", "c": "2"}]),
        batch([{"a": "1b", "b": "2"}]),
        batch([{"a": "1\x1eb\x1f2"}]),
    ]
    found = [ids(one)[0] for one in different]
    assert len(set(found)) == len(found) - (found[-1] == found[0])
    assert all(len(i) == 32 and int(i, 16) >= 0 for i in found)


def test_what_does_not_make_another_event_of_it() -> None:
    one = ids(batch([{"a": "1", "b": "2"}]))
    assert one == ids(batch([{"b": "2", "a": "1", "c": ""}]))
    assert one == ids(batch([{"A": "1", "B": "2"}]))
    assert one == ids(batch([{"b": "2", "a": "1", "c": None}]))


def test_few_and_many_rows_give_the_same_ids() -> None:
    rows = [
        {"a": str(n), "é": "ü" * (n % 3), "B": None if n % 5 else "x", "fixed": "same", "g": "as fixed", "none": ""}
        | {
            "first": "x" if n < FEW * 2 else "y",
            "ends": "no" if n == FEW else "ü",
            "void": None,
            "mixed": [None, "", "v"][n % 3],
        }
        for n in range(FEW * 3)
    ]
    whole = ids(batch(rows))
    stamper = Stamper(NOW)
    parts = [i for at in range(0, len(rows), 100) for i in ids(batch(rows[at : at + 100]), stamper=stamper)]
    assert whole == parts


def test_identical_records_stay_distinct_and_the_same_each_time() -> None:
    rows = [{"a": "failed logon"}] * 500
    first = ids(batch(rows))
    assert len(set(first)) == 500
    assert ids(batch(rows)) == first
    assert ids(*[batch(rows[at : at + 7]) for at in range(0, 500, 7)]) == first


def test_ordinals_do_not_depend_on_batches_and_are_forgotten_in_time() -> None:
    digests = [random.Random(3).randbytes(1) for _ in range(1)] * 3 + [bytes([n % 7]) for n in range(100)]
    whole = Ordinals(20).of(digests)
    for size in (1, 3, 20, 33):
        ordinals, found = Ordinals(20), {}
        for at in range(0, len(digests), size):
            found.update({at + k: v for k, v in ordinals.of(digests[at : at + size]).items()})
            assert len(ordinals.newer) <= 20
        assert found == whole


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from([b"a" * 16, b"b" * 16, b"c" * 16, b"d" * 16]), max_size=6)))
def test_ordinals_are_what_counting_one_by_one_gives_kept_or_not(batches: list[list[bytes]]) -> None:
    ordinals, older, newer, count = Ordinals(7), dict[bytes, int](), dict[bytes, int](), 0
    for digests in batches:
        wanted = {}
        for at, digest in enumerate(digests):
            if count == 7:
                older, newer, count = newer, {}, 0
            seen = newer.get(digest) or older.get(digest, 0)
            newer[digest], count = seen + 1, count + 1
            if seen:
                wanted[at] = seen
        assert ordinals.of(digests) == wanted
        ordinals = unpack_ordinals(pack_ordinals({"t": ordinals}))["t"]


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_ids_do_not_depend_on_batches(data: st.DataObject) -> None:
    values = st.sampled_from([None, "", "1", "2", "ä"])
    rows = data.draw(st.lists(st.dictionaries(st.sampled_from(["a", "A", "b", "x y"]), values, min_size=1), min_size=1))
    whole = ids(batch(rows))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    stamper, parts = Stamper(NOW), []
    for begin, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        if end > begin:
            parts += ids(batch(rows[begin:end]), stamper=stamper)
    assert parts == whole
    assert len(set(whole)) == len(whole)


@pytest.mark.parametrize(
    ("time", "day"),
    [
        (NOON, "2025-06-01"),
        (None, "unknown"),
        (datetime(1989, 12, 31, 23, 59, 59, tzinfo=UTC), "unknown"),
        (datetime(1990, 1, 1, tzinfo=UTC), "1990-01-01"),
        (datetime(2026, 1, 17, 23, 59, 59, tzinfo=UTC), "2026-01-17"),
        (datetime(2026, 1, 18, tzinfo=UTC), "unknown"),
        (datetime(1601, 1, 1, tzinfo=UTC), "unknown"),
    ],
)
def test_days(time: datetime | None, day: str) -> None:
    stamper = Stamper(NOW)
    assert stamper.stamp(batch([{"a": "1"}], time=time))["_day"].to_pylist() == [day]
    assert stamper.counts["unknown days"] == (day == "unknown")


def test_names_that_differ_in_case_are_one_column() -> None:
    rows = [{"ProcessID": "1"}, {"ProcessId": "2"}, {"ProcessID": "3", "ProcessId": "3"}]
    events = Stamper(NOW, {"t": ("ProcessId",)}).stamp(batch(rows))
    assert events["ProcessId"].to_pylist() == ["1", "2", "3"]
    assert "ProcessID" not in events.schema.names
    events = Stamper(NOW, {"t": ("ProcessId",)}).stamp(batch([*rows, {"ProcessID": "4", "ProcessId": "5"}]))
    assert events["ProcessId"].to_pylist() == ["1", "2", "3", "5"]
    assert events["ProcessId_2"].to_pylist() == [None, None, None, "4"]


def test_spelling_is_kept_from_batch_to_batch() -> None:
    stamper = Stamper(NOW)
    assert stamper.stamp(batch([{"Name": "1"}])).schema.names[5:] == ["Name"]
    assert stamper.stamp(batch([{"NAME": "2"}])).schema.names[5:] == ["Name"]


def test_a_thousand_columns_at_most_and_nothing_lost() -> None:
    rows = [{"common": "c", f"k{n}": str(n)} for n in range(1500)]
    stamper = Stamper(NOW, {"t": ("k1400",)})
    events = stamper.stamp(batch(rows))
    assert len(events.schema.names) <= 1000
    assert {"k1400", "common", "_extra"} <= set(events.schema.names)
    for n, row in enumerate(events.to_pylist()):
        held = {k: v for k, v in row.items() if v is not None and not k.startswith("_")}
        held.update(dict(row["_extra"] or ()))
        assert held == rows[n]
    parts = Stamper(NOW, {"t": ("k1400",)})
    assert [
        i for at in range(0, 1500, 300) for i in parts.stamp(batch(rows[at : at + 300]))["_id"].to_pylist()
    ] == events["_id"].to_pylist()


def test_huge_values_are_cut_counted_and_stay_different() -> None:
    stamper = Stamper(NOW)
    events = stamper.stamp(batch([{"a": "x" * (3 << 20) + "1"}, {"a": "x" * (3 << 20) + "2"}, {"a": "y" * MAX_VALUE}]))
    one, two, three = events["a"].to_pylist()
    assert len(one) < MAX_VALUE + 100
    assert "cut: 3145729 bytes" in one
    assert one != two
    assert three == "y" * MAX_VALUE
    assert stamper.counts["cut values"] == 2


def test_nul_is_escaped() -> None:
    for many in (1, FEW + 1):
        assert set(Stamper(NOW).stamp(batch([{"a": "x\0y"}] * many))["a"].to_pylist()) == {"x\\x00y"}


def _ids_of(path: Path) -> list[str]:
    return sorted(
        i for item in read_file(path, NOW) if isinstance(item, Stamped) for i in item.events["_id"].to_pylist()
    )


def test_path_compression_key_order_and_batch_size_change_no_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"EventID": 4625, "Channel": "Security", "Hostname": "H", "n": n // 3, f"k{n % 7}": "v"} for n in range(900)
    ]
    plain = tmp_path / "a.json"
    plain.write_text("\n".join(json.dumps(row) for row in rows))
    expected = _ids_of(plain)
    assert len(set(expected)) == 900
    shuffled = tmp_path / "b" / "c.log"
    shuffled.parent.mkdir()
    shuffled.write_text("\n".join(json.dumps(dict(reversed(row.items()))) for row in rows))
    assert _ids_of(shuffled) == expected
    packed = tmp_path / "d.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert _ids_of(packed) == expected
    monkeypatch.setattr(_rows, "MAX_BYTES", 2000)
    assert _ids_of(plain) == expected

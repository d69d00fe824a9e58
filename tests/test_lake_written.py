from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from lake_samples import events
from vizsla.lake import Lake
from vizsla.lake.written import GROUP, SAMPLE, write_files

T = "windows_sysmon"
MICROS = pa.timestamp("us", tz="UTC")


def table(times: list[int | None], hosts: list[str | None], **columns: list[str | None]) -> pa.Table:
    made = {
        "_id": pa.array([f"{n:032x}" for n in range(len(times))]),
        "_time": pa.array(times, MICROS),
        "_host": pa.array(hosts, pa.string()),
        "_day": pa.array(["2020-09-13"] * len(times)),
        "_origin": pa.array([f"a.log#{n}" for n in range(len(times))]),
    }
    return pa.table({**made, **{name: pa.array(values, pa.string()) for name, values in columns.items()}})


def written(folder: Path, rows: pa.Table) -> dict[str, dict[str, object]]:
    (file,) = write_files(folder, rows, {"2020-09-13": np.arange(len(rows))})
    found: dict[str, dict[str, object]] = json.loads(file.stats)
    return found


def test_statistics_are_cut_to_milliseconds_and_say_what_is_missing(tmp_path: Path) -> None:
    stats = written(tmp_path, table([1_600_000_000_123_999, None, 1_600_000_000_999_999], ["b", "a", None]))
    assert stats == {
        "numRecords": 3,
        "minValues": {"_time": "2020-09-13T12:26:40.123Z", "_host": "a"},
        "maxValues": {"_time": "2020-09-13T12:26:40.999Z", "_host": "b"},
        "nullCount": {"_time": 1, "_host": 1},
    }


@pytest.mark.parametrize("time", [-(1 << 62), (1 << 62), 253_402_300_800_000_000, -62_135_596_800_000_001])
def test_times_that_no_calendar_has_and_hosts_without_end_have_no_range(tmp_path: Path, time: int) -> None:
    stats = written(tmp_path, table([0, time], ["a", "h" * 65]))
    assert stats["minValues"] == stats["maxValues"] == {}
    assert written(tmp_path, table([None], [None]))["nullCount"] == {"_time": 1, "_host": 1}


def test_times_before_1970_and_of_early_years_are_floored(tmp_path: Path) -> None:
    stats = written(tmp_path, table([-1, -62_135_596_800_000_000], ["a", "a"]))
    assert stats["minValues"]["_time"] == "0001-01-01T00:00:00.000Z"
    assert stats["maxValues"]["_time"] == "1969-12-31T23:59:59.999Z"


def test_columns_that_repeat_have_dictionaries_and_others_none(tmp_path: Path) -> None:
    count = 2 * SAMPLE
    rows = table([0] * count, ["h"] * count, one=["x"] * count, each=[str(n) for n in range(count)])
    (file,) = write_files(tmp_path, rows, {"2020-09-13": np.arange(count)})
    group = pq.ParquetFile(tmp_path / file.path).metadata.row_group(0)
    held = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    assert held["one"].has_dictionary_page
    assert not held["each"].has_dictionary_page
    assert held["_id"].compression == "UNCOMPRESSED"
    assert held["one"].compression == "SNAPPY"
    assert [name for name, column in held.items() if column.statistics is not None] == ["_time", "_host"]
    assert file.size == (tmp_path / file.path).stat().st_size


def test_days_that_lie_mixed_are_parted_in_their_order(tmp_path: Path) -> None:
    rows = table([0] * 5, list("abcde"))
    files = write_files(tmp_path, rows, {"1": np.array([0, 2, 4]), "2": np.array([1, 3])})
    assert [pq.ParquetFile(tmp_path / file.path).read()["_host"].to_pylist() for file in files] == [
        ["a", "c", "e"],
        ["b", "d"],
    ]
    assert "_day" not in pq.ParquetFile(tmp_path / files[0].path).schema_arrow.names


def test_a_long_day_is_several_groups(tmp_path: Path) -> None:
    count = GROUP + 1
    (file,) = write_files(tmp_path, table([0] * count, ["h"] * count), {"1": np.arange(count)})
    assert pq.ParquetFile(tmp_path / file.path).metadata.num_row_groups == 2


def test_the_log_says_what_delta_rs_reads_and_new_columns_are_added(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    lake.append({T: [events([0])]})
    more = events([1])
    lake.append({T: [more.append_column("Novel", pa.array(["x"]))]})
    read = DeltaTable(str(tmp_path / "lake" / "events" / T))
    assert read.metadata().partition_columns == ["_day"]
    assert read.metadata().configuration == {"delta.dataSkippingStatsColumns": "_time,_host"}
    found = read.to_pyarrow_table()
    assert sorted(found["Novel"].to_pylist(), key=str) == [None, "x"]
    assert all(field.nullable for field in read.schema().fields)
    actions = pa.table(read.get_add_actions(flatten=True))
    assert actions["num_records"].to_pylist() == [1, 1]
    assert actions["min._time"].to_pylist()[-1] == datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)


def test_times_far_outside_are_stored_and_scanned(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    batch = events([0])
    far = batch.set_column(1, "_time", pa.array([1 << 62], MICROS))
    lake.append({T: [far.set_column(batch.schema.get_field_index("_day"), "_day", pa.array(["unknown"]))]})
    assert lake.scan(T).rows == 1
    assert lake.scan(T, since=datetime(2020, 1, 1, tzinfo=UTC)).rows == 1
    assert lake.compact() == 0

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from lake_samples import events, ident, ids, rows
from vizsla.engines import connect
from vizsla.errors import LakeError, UsageError
from vizsla.lake import Appended, Lake
from vizsla.lake.folder import FORMAT
from vizsla.lake.memory import IdMemory
from vizsla.nouns import MAX_COLUMNS

T = "windows_sysmon"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "a lake, with ü#", create=True)


def test_append_then_scan_gives_the_rows_back(lake: Lake) -> None:
    done = lake.append({T: [events(range(3000), Image="a.exe", EventID=list(map(str, range(3000))))]})
    assert done == {T: Appended(3000, 0)}
    assert lake.tables() == (T,)
    scan = lake.scan(T)
    assert (scan.rows, scan.days, lake.count(T)) == (3000, None, 3000)
    assert {"_id", "_time", "_host", "_day", "_origin", "Image", "EventID"} == set(scan.schema.names)
    assert scan.schema.field("_time").type == pa.timestamp("us", tz="UTC")
    assert all(Path(file).is_absolute() and Path(file).exists() for file in scan.files)
    back = rows(lake, T).sort_by("_time")
    assert back.column("EventID").to_pylist() == [str(n) for n in range(3000)]
    assert set(back.column("_day").to_pylist()) == {"2020-09-13", "2020-09-14", "2020-09-15"}


def test_known_ids_are_skipped_within_and_between_appends_and_by_another_lake_object(lake: Lake) -> None:
    first = lake.append({T: [events(range(10)), events(range(5, 15)), events([])]})
    assert first[T] == Appended(15, 5)
    assert lake.append({T: [events(range(20))]})[T] == Appended(5, 15)
    other = Lake.open(lake.root)
    assert other.append({T: [events(range(22))]})[T] == Appended(2, 20)
    assert lake.append({T: [events(range(23))]})[T] == Appended(1, 22)  # and learns what the other wrote
    other.compact()
    assert lake.append({T: [events(range(23))]})[T] == Appended(0, 23)
    assert ids(lake)[T] == sorted(ident(n) for n in range(23))


def test_tables_do_not_share_ids(lake: Lake) -> None:
    lake.append({T: [events([1])]})
    assert lake.append({"windows_security": [events([1])]})["windows_security"].stored == 1


def test_an_event_that_was_still_in_the_future_stays_one(lake: Lake) -> None:
    early = events([1])
    day = early.schema.get_field_index("_day")
    lake.append({T: [early.set_column(day, "_day", pa.array(["unknown"]))]})
    assert Lake.open(lake.root).append({T: [early]})[T] == Appended(0, 1)


def test_the_memory_of_ids_is_bounded_and_stays_right(lake: Lake) -> None:
    lake._memory._limit = 100
    lake.append({T: [events(range(0, 14_400, 10))]})  # ten days
    assert len(lake._memory) <= 144 + 100
    assert lake.append({T: [events(range(0, 14_400, 5))]})[T].known == 1440


def test_ids_of_a_long_day_lie_on_disk_and_stay_known(lake: Lake) -> None:
    lake._memory = IdMemory(folder=lake.root, spill=50)
    for start in range(0, 600, 100):
        assert lake.append({T: [events(range(start, start + 100))]})[T] == Appended(100, 0)
    assert lake._memory.held <= 50 + 100
    assert lake.append({T: [events(range(700))]})[T] == Appended(100, 600)
    lake.compact()
    assert lake.append({T: [events(range(700))]})[T] == Appended(0, 700)


def test_columns_that_differ_in_case_are_one_and_what_clashes_is_kept_apart(lake: Lake) -> None:
    lake.append({T: [events([1], ProcessId="1")]})
    lake.append({T: [events([2], processid="2"), events([3], PROCESSID="3", ProcessId="4"), events([4], _ID="x")]})
    back = rows(lake, T).sort_by("_time")
    assert back.column("ProcessId").to_pylist() == ["1", "2", "4", None]
    assert [dict(extra) if extra else None for extra in back.column("_extra").to_pylist()] == [
        None,
        None,
        {"PROCESSID": "3"},
        {"_ID": "x"},
    ]


def test_beyond_a_thousand_columns_the_rarest_go_into_extra(lake: Lake) -> None:
    often = {f"often{n}": ["v"] * 3 for n in range(900)}
    rare = {f"rare{n}": [None, str(n), None] for n in range(400)}
    own = pa.array([[("before", "1")], None, None], pa.map_(pa.string(), pa.string()))
    lake.append({T: [events([1, 2, 3], **often, **rare, _extra=own)]})
    lake.append({T: [events([4], **{f"late{n}": "x" for n in range(50)}, often7="y")]})
    scan = lake.scan(T)
    assert len(scan.schema.names) == MAX_COLUMNS
    assert {f"often{n}" for n in range(900)} < set(scan.schema.names)
    back = rows(lake, T).sort_by("_time").to_pylist()
    held = [{k: v for k, v in row.items() if v is not None} | dict(row["_extra"] or {}) for row in back]
    assert held[0]["before"] == "1"
    assert all(held[1][f"rare{n}"] == str(n) for n in range(400))
    assert all(held[3][f"late{n}"] == "x" for n in range(50))
    assert held[3]["often7"] == "y"


def test_odd_column_names_and_types_come_back(lake: Lake) -> None:
    names = ["id.orig_h", "Product Name", "a,b;{}()=\n\t", "x`y", 'q"r', "日本"]
    lake.append({T: [events([1], **dict.fromkeys(names, "v"), number=[7], flag=[True])]})
    row = rows(lake, T).to_pylist()[0]
    assert all(row[name] == "v" for name in names)
    assert (row["number"], row["flag"]) == ("7", "true")


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("_day", "2020-9-1", "day"),
        ("_day", "../x", "day"),
        ("_id", "zz", "hex"),
        ("nested", [["a"]], "cannot be stored"),
    ],
)
def test_events_that_break_the_contract_are_refused_and_nothing_is_written(
    lake: Lake, column: str, value: object, words: str
) -> None:
    batch = events([1]).to_pydict() | {column: value if isinstance(value, list) else [value]}
    batch["_time"] = events([1]).column("_time")
    with pytest.raises(LakeError, match=words):
        lake.append({T: [pa.RecordBatch.from_pydict(batch)]})
    assert lake.tables() == ()


@pytest.mark.parametrize("name", ["../x", "a/b", "", "A", "a b", "a" * 129, ".hidden", "events\0"])
def test_names_cannot_leave_the_lake(lake: Lake, name: str) -> None:
    with pytest.raises(LakeError, match="called"):
        lake.append({name: [events([1])]})
    with pytest.raises(LakeError, match="called"):
        lake.scan(name)
    with pytest.raises(UsageError, match="called"):
        lake.room(name)


def test_rooms_are_folders_and_not_the_events(lake: Lake) -> None:
    assert lake.room("baselines").is_dir()
    with pytest.raises(UsageError):
        lake.room("events")


def test_a_missing_table_is_named_with_those_that_exist(lake: Lake) -> None:
    lake.append({T: [events([1])]})
    with pytest.raises(LakeError, match=r"no table zeek_conn(.|\n)*windows_sysmon"):
        lake.scan("zeek_conn")


def test_scans_are_pruned_by_day_and_time(lake: Lake) -> None:
    lake.append({T: [events(range(0, 14_400, 10))]})  # ten days from 2020-09-13T12:26:40
    unknown = events([99_999])
    unknown = unknown.set_column(unknown.schema.get_field_index("_day"), "_day", pa.array(["unknown"]))
    timeless = unknown.set_column(1, "_time", pa.nulls(1, pa.timestamp("us", tz="UTC")))
    lake.append({T: [timeless.set_column(0, "_id", pa.array([ident(-1)]))]})
    scan = lake.scan(T, datetime(2020, 9, 15), datetime(2020, 9, 17, tzinfo=UTC))
    assert scan.days == ("2020-09-15", "2020-09-16")
    assert scan.rows == 288
    assert len(lake.scan(T, since=datetime(2020, 9, 15, tzinfo=UTC)).files) == 9
    late = datetime(2020, 9, 16, 2, tzinfo=UTC).astimezone(datetime.fromisoformat("2020-01-01T00:00+14:00").tzinfo)
    assert lake.scan(T, late, late + timedelta(hours=1)).days == ("2020-09-16",)
    assert len(lake.scan(T).files) == 12
    lake.append({T: [unknown]})  # a believable time in the unknown day, as of an event from the future
    assert "unknown" in (lake.scan(T, since=datetime(2020, 11, 1)).days or ())


def test_the_last_microsecond_is_not_pruned(lake: Lake) -> None:
    batch = events([0])
    at = pa.array([1_600_000_000_000_999], pa.timestamp("us", tz="UTC"))  # statistics are cut to milliseconds
    lake.append({T: [batch.set_column(1, "_time", at)]})
    assert lake.scan(T, since=datetime(2020, 9, 13, 12, 26, 40, 999, tzinfo=UTC)).rows == 1
    assert lake.scan(T, since=datetime(2020, 9, 13, 12, 26, 41, tzinfo=UTC)).rows == 0


def test_compaction_leaves_the_files_of_running_scans(lake: Lake) -> None:
    for n in range(8):
        lake.append({T: [events(range(n * 10, n * 10 + 10))]})
    held = lake.scan(T)
    assert len(held.files) == 8
    assert lake.compact(T) == 8
    assert len(lake.scan(T).files) == 1
    assert lake.expire() == 0
    assert all(Path(file).exists() for file in held.files)
    lake.expire(keep=timedelta(0))
    assert not any(Path(file).exists() for file in held.files)
    assert lake.count(T) == 80
    assert lake.append({T: [events(range(80))]})[T].known == 80


def test_many_small_appends_compact_by_themselves(lake: Lake) -> None:
    for n in range(40):
        lake.append({T: [events([n])]})
    assert len(lake.scan(T).files) < 20
    assert ids(lake)[T] == sorted(ident(n) for n in range(40))


def test_expired_days_are_gone_and_unknown_days_stay(lake: Lake) -> None:
    lake.append({T: [events(range(0, 14_400, 10))]})
    ledger = lake.room("ledger") / "files.jsonl"
    ledger.write_text("{}\n")
    assert lake.expire(before=datetime(2020, 9, 20, 5, tzinfo=UTC), keep=timedelta(0)) == 934
    assert lake.scan(T).rows == 1440 - 934
    assert not ledger.exists()  # what it says is no longer so
    assert lake.append({T: [events(range(0, 14_400, 10))]})[T] == Appended(934, 506)


def test_what_a_killed_writer_left_is_no_table_and_is_cleaned(lake: Lake) -> None:
    lake.append({T: [events([1])]})
    torn = lake.root / "events" / "zeek_conn" / "_day=2020-01-01"
    torn.mkdir(parents=True)
    (torn / "part-0.parquet").write_bytes(b"PAR1")
    orphan = Path(lake.scan(T).files[0]).with_name("part-9-orphan.parquet")
    orphan.write_bytes(b"PAR1")
    assert lake.tables() == (T,)
    lake.expire(keep=timedelta(0))
    assert not orphan.exists()
    assert lake.append({"zeek_conn": [events([1])]})["zeek_conn"].stored == 1
    assert lake.count("zeek_conn") == 1


def test_a_newer_lake_is_refused(lake: Lake) -> None:
    mark = lake.root / "vizsla.json"
    mark.write_text(json.dumps({"format": FORMAT + 1, "made_by": "9.9.9"}))
    with pytest.raises(LakeError, match=rf"format {FORMAT + 1}, written by Vizsla 9\.9\.9(.|\n)*upgrade"):
        Lake.open(lake.root)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "1"}', '{"format": true}'])
def test_a_damaged_mark_is_told(lake: Lake, content: str) -> None:
    (lake.root / "vizsla.json").write_text(content)
    with pytest.raises(LakeError, match="damaged"):
        Lake.open(lake.root)


def test_what_is_no_lake_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="no lake here"):
        Lake.open(tmp_path / "missing")
    (tmp_path / "file").write_text("x")
    with pytest.raises(LakeError, match="this is a file"):
        Lake.open(tmp_path / "file", create=True)
    with pytest.raises(LakeError, match="not a lake"):
        Lake.open(tmp_path)
    with pytest.raises(LakeError, match="other files"):
        Lake.open(tmp_path, create=True)
    with pytest.raises(LakeError, match="percent"):
        Lake.open(tmp_path / "a%20b", create=True)


def test_a_damaged_table_is_told(lake: Lake) -> None:
    lake.append({T: [events([1])]})
    (lake.root / "events" / T / "_delta_log" / "00000000000000000000.json").write_text("{")
    with pytest.raises(LakeError, match="cannot be read"):
        lake.scan(T)


@pytest.mark.parametrize(
    "name", ["a*b", "a?b", "a b", "a#b", "ä 日本", "100%", "a%zb", "a{b}", "a&b;c", "a'b\"c", "a:b", "~a", "a=b", "<x>"]
)
def test_paths_that_mean_something_to_patterns_and_addresses_are_plain_paths(tmp_path: Path, name: str) -> None:
    """Written, read by both engines' ways, merged and cleaned, and nothing beside the lake."""
    made = Lake.open(tmp_path / name, create=True)
    (tmp_path / "aXb").mkdir()  # what a pattern would also match
    for number in range(3):
        made.append({"t": [events([number])]})
    assert made.compact() == 3
    made.expire(keep=timedelta(0))
    again = Lake.open(tmp_path / name)
    assert ids(again) == {"t": sorted(map(ident, range(3)))}
    with connect("duckdb") as engine:
        assert engine.collect(engine.table(again.scan("t")).count().as_table()).to_pydict() == {"CountStar()": [3]}
    assert again.append({"t": [events([0, 1, 2, 3])]})["t"] == Appended(1, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "aXb"])


@pytest.mark.parametrize("name", ["a[b", "a]b", "a|b", "a^b", "a\\b", "a\nb", "a\tb", "a%20b", "\udcff", "x/[y]/z"])
def test_paths_that_the_storage_library_cannot_take_are_refused_before_anything_is_written(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(LakeError, match="cannot hold") as told:
        Lake.open(tmp_path / name, create=True)
    assert told.value.fix
    assert list(tmp_path.iterdir()) == []


def test_a_lake_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(LakeError, match="cannot be made"):
        Lake.open(tmp_path / "file" / "lake", create=True)


def test_times_in_very_many_days_stay_bounded(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    from vizsla.lake import delta

    shares = []
    write = delta.write
    monkeypatch.setattr(delta, "write", lambda root, part, rows: (shares.append(part), write(root, part, rows))[1])
    numbers = range(0, 1440 * 600, 1440)  # 600 days
    assert lake.append({T: [events(numbers)]})[T].stored == 600
    assert [len(set(part.column("_day").to_pylist())) for part in shares] == [250, 250, 100]
    assert lake.append({T: [events(numbers)]})[T].known == 600
    assert len(lake.scan(T).files) == 600

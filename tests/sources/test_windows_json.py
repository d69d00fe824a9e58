"""Windows events as JSON: one shape of table whichever way an event came."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from source_samples import (
    CANONICAL,
    DATA,
    SHAPES,
    beat6,
    events,
    flat,
    items,
    lines,
    refusals,
    stamped,
    totals,
    unknown,
    written,
)

from vizsla.reading import Stamped
from vizsla.sources._windows import table_of


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_canonical_columns(shape: str, tmp_path: Path) -> None:
    found = stamped(items(written(tmp_path, lines(SHAPES[shape]))))
    assert list(found) == ["windows_sysmon"]
    (event,) = found["windows_sysmon"]
    assert {name: event.get(name) for name in CANONICAL} == CANONICAL
    assert event["_host"] == "ws1.corp.example"
    assert event["_time"].replace(microsecond=0) == datetime(2025, 3, 4, 10, 11, 12, tzinfo=UTC)
    assert event["_day"] == "2025-03-04"


def test_nothing_of_a_record_is_lost(tmp_path: Path) -> None:
    (event,) = events(written(tmp_path, lines(flat(EventType="AUDIT_SUCCESS"))))
    assert event["EventTypeLevel"] == "AUDIT_SUCCESS"
    assert "EventType" not in event
    assert event["tags"] == '["a","b"]'
    assert (event["Opcode"], event["OpcodeName"]) == ("0", "Info")
    (event,) = events(written(tmp_path, lines(flat(EventType="SetValue"))))
    assert event["EventType"] == "SetValue"
    (event,) = events(written(tmp_path, lines(beat6())))
    assert (event["beat.name"], event["user.name"], event["LevelName"]) == ("wec", "SYSTEM", "Information")


def test_execution_process_is_not_the_acting_process(tmp_path: Path) -> None:
    old = flat(ProcessID=2000)
    del old["ExecutionProcessID"]
    (event,) = events(written(tmp_path, lines(old)))
    assert (event["ExecutionProcessID"], event["ProcessId"]) == ("2000", "4321")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"TimeCreated": "2025-03-04T09:00:00.5Z"}, "2025-03-04T09:00:00.500000"),
        ({"EventReceivedTime": "2025-03-04 15:41:22"}, "2025-03-03T23:41:12"),  # a zone of +5:30
        ({"EventReceivedTime": None}, "2025-03-04T10:11:12.130000"),
        ({"EventReceivedTime": None, "UtcTime": None}, "2025-03-04T10:11:21.004000"),
    ],
)
def test_time_is_the_best_that_a_flat_record_says(fields: dict[str, Any], expected: str, tmp_path: Path) -> None:
    (event,) = events(written(tmp_path, lines(flat(**fields))))
    assert event["_time"].replace(tzinfo=None) == datetime.fromisoformat(expected)


def test_local_time_alone_is_corrected_by_what_sysmon_says_of_that_host(tmp_path: Path) -> None:
    sysmon = {"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Hostname": "A",
              "TimeCreated": "2025-03-04 06:00:01.5", "UtcTime": "2025-03-04 10:00:01.400"}  # fmt: skip
    security = {"EventID": 4688, "Channel": "Security", "Hostname": "A", "TimeCreated": "2025-03-04 06:00:02"}
    other = {**security, "Hostname": "B"}
    found = stamped(items(written(tmp_path, lines(security, sysmon, other))))
    hours = {event["Computer"]: event["_time"].hour for event in found["windows_security"]}
    assert hours == {"A": 10, "B": 6}


@pytest.mark.parametrize(
    ("channel", "provider", "table"),
    [
        ("Microsoft-Windows-Sysmon/Operational", "", "windows_sysmon"),
        ("security", "", "windows_security"),
        ("Security", "", "windows_security"),
        ("Windows PowerShell", "", "windows_powershell_classic"),
        ("Microsoft-Windows-PowerShell/Operational", "", "windows_powershell"),
        ("Microsoft-Windows-TaskScheduler/Operational", "", "windows_taskscheduler"),
        ("Microsoft-Windows-Bits-Client/Operational", "", "windows_bits_client"),
        ("", "Microsoft-Windows-RPC", "windows_rpc"),
        ("", "", "windows_unknown"),
    ],
)
def test_tables_are_named_after_channels(channel: str, provider: str, table: str) -> None:
    assert table_of(channel, provider) == table


def test_arrays_and_pretty_printed_records_read_like_lines(tmp_path: Path) -> None:
    records = [flat(RecordNumber=n, note='a "quoted" } brace \\') for n in range(50)]
    expected = {event["_id"] for event in events(written(tmp_path, lines(*records)))}
    assert len(expected) == 50
    forms = {
        "array": json.dumps(records),
        "pretty": json.dumps(records, indent=2),
        "concatenated": "\n".join(json.dumps(record, indent=1) for record in records),
        "windows": "\r\n".join(json.dumps(record) for record in records),
        "marked": "\ufeff" + "\n".join(json.dumps(record) for record in records),
    }
    for name, text in forms.items():
        found = items(written(tmp_path, text.encode()))
        assert {row["_id"] for rows in stamped(found).values() for row in rows} == expected, name
        assert not refusals(found), name


def test_envelopes_of_search_engines_are_opened(tmp_path: Path) -> None:
    (event,) = events(written(tmp_path, lines({"_index": "x", "_id": "y", "_source": beat6()})))
    assert event["CommandLine"] == "whoami /all"


def test_what_is_no_event_is_told_with_its_place(tmp_path: Path) -> None:
    content = lines(flat()) + b'{"EventID": 1, "Cha\n' + b"[1, 2]\n" + b'{"other": 1}\n\n' + lines(flat())[:-40]
    found = items(written(tmp_path, content))
    assert totals(found) == (1, 5)
    reasons = refusals(found)
    assert sum("not JSON" in reason for reason in reasons) == 2
    assert sum("not an object" in reason for reason in reasons) == 2
    assert sum("no Windows event" in reason for reason in reasons) == 1
    assert any("cut off" in reason for reason in reasons)


def test_strange_text_survives_escaped(tmp_path: Path) -> None:
    raw = b'{"EventID":1,"Channel":"Security","a":"x\\u0000y","b":"\xff\xfe","c":"\\ud800"}\n'
    found = items(written(tmp_path, raw + lines(flat())))
    (event,) = stamped(found)["windows_security"]
    assert (event["a"], event["b"], event["c"]) == ("x\\x00y", "\\xff\\xfe", "\\ud800")
    assert not refusals(found)


def test_our_own_column_names_are_kept_for_us(tmp_path: Path) -> None:
    (event,) = events(written(tmp_path, lines({**flat(), "_id": "theirs", "_time": "then", "": "nameless"})))
    assert (event["native_id"], event["native_time"], event["unnamed"]) == ("theirs", "then", "nameless")
    assert len(event["_id"]) == 32


def test_deep_nesting_is_refused_and_moderate_nesting_kept(tmp_path: Path) -> None:
    for depth in (10, 300, 900):
        nested = "[" * depth + "]" * depth
        line = json.dumps(flat())[:-1] + f', "deep": {nested}}}\n'
        (event,) = events(written(tmp_path, line.encode()))
        assert event["deep"] == nested
    line = json.dumps(flat())[:-1] + ', "deep": ' + "[" * 100_000 + "]" * 100_000 + "}\n"
    found = items(written(tmp_path, lines(flat()) + line.encode()))
    assert totals(found) == (1, 1)


@pytest.mark.slow
def test_a_million_distinct_keys_end_in_one_column(tmp_path: Path) -> None:
    with (tmp_path / "keys.json").open("w") as file:
        for n in range(20_000):
            more = {f"key{n}_{k}": "v" for k in range(50)}
            file.write(json.dumps({"EventID": 1, "Channel": "Security", "RecordNumber": n, **more}) + "\n")
    found = items(tmp_path / "keys.json")
    assert totals(found) == (20_000, 0)
    rows = stamped(found)["windows_security"]
    assert len({row["_id"] for row in rows}) == 20_000
    names = {name for row in rows for name in row}
    assert len(names) <= 1000
    assert all(sum(k.startswith("key") for k in row) + len(row.get("_extra", ())) == 50 for row in rows)


def test_a_line_without_end_is_refused_and_the_next_one_read(tmp_path: Path) -> None:
    path = tmp_path / "long.json"
    with path.open("wb") as file:
        file.write(lines(flat()))
        file.write(b'{"EventID": 1, "x": "')
        for _ in range(70):
            file.write(b"a" * (1 << 20))
        file.write(b'"}\n')
        file.write(lines(flat(RecordNumber=78)))
    found = items(path)
    assert totals(found) == (2, 1)
    assert "are not read" in refusals(found)[0]


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12).filter(
    lambda name: not name.startswith("_")
)
VALUES = st.one_of(st.text(max_size=30), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.none())


def folded(names: list[str]) -> bool:
    return len({name.lower() for name in names}) == len(names)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(NAMES, VALUES, max_size=6).filter(lambda d: folded(list(d))), min_size=1, max_size=12))
def test_event_data_round_trip(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    prefixed = [{f"Data{k}": v for k, v in record.items()} for record in records]
    wanted = [
        {k: ("true" if v is True else "false" if v is False else str(v).replace("\0", "\\x00"))
         for k, v in record.items() if v is not None}
        for record in prefixed
    ]  # fmt: skip
    raw = [{"Event": {"System": {"EventID": 1, "Channel": "X", "EventRecordID": n}, "EventData": record}}
           for n, record in enumerate(prefixed)]  # fmt: skip
    found = items(written(tmp_path, lines(*raw)))
    rows = sorted(stamped(found)["windows_x"], key=lambda row: int(row["EventRecordID"]))
    names = sorted({name for record in prefixed for name in record})
    if folded(names):
        assert [{k: v for k, v in row.items() if k.startswith("Data")} for row in rows] == wanted
    assert [sorted(v for k, v in row.items() if k.startswith("Data")) for row in rows] == [
        sorted(record.values()) for record in wanted
    ]


def test_sidecars_of_data_sets_are_no_logs(real_data: Path) -> None:
    sidecars = [*real_data.glob("mordor/*.labels.json"), *real_data.glob("mordor/*.about.json")]
    assert len(sidecars) == 84
    for path in sidecars:
        assert unknown(items(path)) == [str(path)]


def _lines_of(path: Path) -> int:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.namelist() if not m.endswith("/") and "__MACOSX" not in m]
            return sum(_count(archive.open(member)) for member in members)
    with tarfile.open(path) as archive:
        return sum(_count(archive.extractfile(member)) for member in archive if member.isfile())


def _count(stream: Any) -> int:
    with stream:
        found = 0
        for line in io.BufferedReader(stream):
            if line.strip():
                json.loads(line)
                found += 1
        return found


@pytest.mark.slow
@pytest.mark.real_data
def test_every_capture_reads_whole(real_data: Path) -> None:
    captures = [path for path in sorted(real_data.glob("mordor/*")) if path.suffix in (".zip", ".gz")]
    assert len(captures) == 42
    for path in captures:
        found = items(path)
        assert totals(found) == (_lines_of(path), 0), path.name
        assert not unknown(found)
        for item in found:
            if isinstance(item, Stamped):
                batch = item.events
                assert set(pc.unique(pc.year(batch["_time"])).to_pylist()) <= set(range(2019, 2024)), path.name
                assert batch["_host"].equals(pc.utf8_lower(batch["Computer"]))
                assert not batch["EventID"].null_count + batch["Channel"].null_count


def test_data_of_the_sample_is_what_the_tests_think() -> None:
    assert set(DATA) <= set(CANONICAL)

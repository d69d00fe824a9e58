"""Windows event logs: every record of every file, and no more lost than what is damaged."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import evtx
import orjson
import pytest
from source_samples import events, items, lines, refusals, stamped, totals, unknown, written

from vizsla.sources._windows import flatten_event, quick_names, quick_row

CHUNK = 65536
pytestmark = pytest.mark.real_data


@pytest.fixture(scope="session")
def logs(real_data: Path) -> list[Path]:
    found = sorted(real_data.glob("evtx/**/*.evtx"))
    assert len(found) == 277
    return found


@pytest.fixture(scope="session")
def large(logs: list[Path]) -> Path:
    return max(logs, key=lambda path: path.stat().st_size)


def raw(path: Path, **options: Any) -> list[dict[str, Any]]:
    return [orjson.loads(r["data"]) for r in evtx.PyEvtxParser(str(path), **options).records_json()]


def test_every_file_reads_whole(logs: list[Path]) -> None:
    total = 0
    for path in logs:
        found = items(path)
        assert totals(found) == (len(raw(path)), 0), path.name
        total += totals(found)[0]
        for table, rows in stamped(found).items():
            assert table.startswith("windows_")
            for row in rows:
                assert row["_time"].isoformat()[:19] == row["SystemTime"][:19]
                assert row["_host"] == row["Computer"].lower()
                assert row["_day"] == row["SystemTime"][:10]
    assert total == 8255


def test_all_values_are_there(logs: list[Path]) -> None:
    """Every scalar below Event, markup aside, is in the row: compared with a plain walk over the parser's JSON."""

    def leaves(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [leaf for k, v in value.items() if not k.startswith("xmlns") for leaf in leaves(v)]
        if isinstance(value, list):
            return [leaf for v in value for leaf in leaves(v)]
        return [] if value is None else [value if isinstance(value, str) else str(value)]

    for path in logs[::7]:
        wanted = {str(r["Event"]["System"]["EventRecordID"]): r for r in raw(path)}
        for row in events(path):
            record = wanted[row["EventRecordID"]]
            have = [v for k, v in row.items() if not k.startswith("_")]
            for leaf in leaves({k: v for k, v in record["Event"].items() if k != "#attributes"}):
                if not leaf.startswith(("true", "false", "True", "False")):
                    assert leaf.replace("\0", "\\x00") in have, (path.name, leaf)


def test_the_quick_way_is_the_same_as_the_thorough_one(logs: list[Path]) -> None:
    quick = 0
    for path in logs[::3]:
        for record in raw(path, separate_json_attributes=True):
            event = record["Event"]
            row = quick_row(event)
            names = quick_names(event) if row else None
            if row and names:
                quick += 1
                found = {n: v for n, v in zip(names, row[1], strict=True) if n is not None and v is not None}
                assert found == flatten_event(event)
    assert quick > 1000


@pytest.mark.parametrize("separate", [False, True])
def test_the_same_as_evtx_dump_writes_it(logs: list[Path], tmp_path: Path, separate: bool) -> None:
    for path in logs[::9]:
        dumped = written(tmp_path, lines(*raw(path, separate_json_attributes=separate)))
        assert _without_place(events(dumped)) == _without_place(events(path)), path.name


def _without_place(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps({k: v for k, v in row.items() if k != "_origin"}, default=str) for row in rows)


def test_a_damaged_chunk_is_told(large: Path, tmp_path: Path) -> None:
    whole = {row["EventRecordID"]: row["_id"] for row in events(large)}
    data = bytearray(large.read_bytes())
    at = 4096 + 5 * CHUNK
    data[at : at + 8] = b"\xde\xad\xbe\xef" * 2
    found = items(written(tmp_path, bytes(data), "chunk.evtx"))
    rows = [row for rows in stamped(found).values() for row in rows]
    assert len(refusals(found)) == 1
    assert "without its header" in refusals(found)[0]
    assert {row["EventRecordID"]: row["_id"] for row in rows if "Recovered" not in row}.items() < whole.items()
    assert {row["EventRecordID"] for row in rows} == whole.keys()


def test_damage_within_records_is_told(large: Path, tmp_path: Path) -> None:
    data = bytearray(large.read_bytes())
    at = 4096 + 3 * CHUNK + 20_000
    data[at : at + 4000] = bytes(range(250)) * 16
    found = items(written(tmp_path, bytes(data), "middle.evtx"))
    rows, refused = totals(found)
    assert refused >= 1
    assert rows > 0.8 * len(raw(large))


def test_a_file_without_records_and_one_without_header(large: Path, tmp_path: Path) -> None:
    head = large.read_bytes()[:4096]
    none = head[:42] + b"\0\0" + head[44:]  # its count of chunks
    assert totals(items(written(tmp_path, none, "empty.evtx"))) == (0, 0)
    found = items(written(tmp_path, head, "without.evtx"))
    assert totals(found) == (0, 1)
    assert "cut off" in refusals(found)[0]
    found = items(written(tmp_path, head[:60], "cut.evtx"))
    assert totals(found) == (0, 1)
    assert "not a readable EVTX file" in refusals(found)[0]
    assert unknown(items(written(tmp_path, b"", "nothing.evtx")))


def test_a_cut_file_gives_what_it_holds(large: Path, tmp_path: Path) -> None:
    whole = {row["_id"] for row in events(large)}
    found = items(written(tmp_path, large.read_bytes()[: 4096 + 4 * CHUNK + 1000], "cut.evtx"))
    left = {row["_id"] for rows in stamped(found).values() for row in rows}
    assert left < whole
    assert len(left) > 10


def test_an_archive_gives_the_same_ids(large: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(large, "../../evil/System.evtx")
        archive.writestr("__MACOSX/._System.evtx", b"junk")
    found = items(tmp_path / "a.zip")
    assert not unknown(found)
    assert {row["_id"] for rows in stamped(found).values() for row in rows} == {row["_id"] for row in events(large)}
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.zip"]

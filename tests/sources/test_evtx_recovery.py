"""Event records are found again where a log is damaged, cut, or has deleted them; what was read is not read twice."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from source_samples import events, items, refusals, stamped, totals, written

from vizsla.sources import _evtx_carve

CHUNK = 65536


@pytest.fixture
def log(real_data: Path) -> Path:
    """558 records in 15 chunks."""
    return real_data / "evtx/AutomatedTestingTools/PanacheSysmon_vs_AtomicRedTeam01.evtx"


def native(rows: list[dict[str, Any]]) -> Counter[str]:
    """Rows by their native values alone."""
    return Counter(
        repr(sorted((k, v) for k, v in row.items() if not k.startswith("_") and k != "Recovered")) for row in rows
    )


def rows_of(path: Path, source: str | None = None) -> list[dict[str, Any]]:
    return [row for rows in stamped(items(path, source)).values() for row in rows]


def test_an_intact_log_is_read_as_ever(log: Path) -> None:
    rows = events(log)
    assert rows
    assert not any("Recovered" in row for row in rows)


@pytest.mark.parametrize("wiped", [4, 24])
def test_records_behind_a_wiped_one_are_found(log: Path, tmp_path: Path, wiped: int) -> None:
    whole, data = events(log), bytearray(log.read_bytes())
    chunk = 4096 + 3 * CHUNK
    places = [place for place, _ in _evtx_carve.marks(bytes(data[chunk : chunk + CHUNK]), 512, CHUNK)]
    at = chunk + places[4]
    data[at : at + wiped] = bytes(wiped)
    path = written(tmp_path, bytes(data), "wiped.evtx")
    rows = rows_of(path)
    assert native(rows) == native(whole)  # the wiped one too: its content was left
    assert 10 < sum(row.get("Recovered") == "damage" for row in rows) < 100


def test_a_record_that_is_gone_costs_itself(log: Path, tmp_path: Path) -> None:
    whole, data = events(log), bytearray(log.read_bytes())
    chunk = 4096 + 3 * CHUNK
    places = list(_evtx_carve.marks(bytes(data[chunk : chunk + CHUNK]), 512, CHUNK))
    place, size = places[-3]
    data[chunk + place : chunk + place + size] = b"\xee" * size
    found = items(written(tmp_path, bytes(data), "gone.evtx"))
    rows, refused = totals(found)
    assert rows == len(whole) - 1
    assert refused == 2  # the bytes without a record, and that one is missing of those counted
    assert any("hold no record" in reason for reason in refusals(found))
    assert any(reason.startswith("1 of the ") for reason in refusals(found))


@pytest.mark.parametrize("before", [b"", b"\0" * 4096, b"another file's end" * 1000])
def test_chunks_without_the_files_header(log: Path, tmp_path: Path, before: bytes) -> None:
    whole = events(log)
    path = written(tmp_path, before + log.read_bytes()[4096:], "carved.bin")
    found = items(path)
    rows = [row for rows in stamped(found).values() for row in rows]
    live = [row for row in rows if row["Recovered"] == "damage"]
    assert native(live) == native(whole)
    assert {row["_host"] for row in live} == {"msedgewin10"}


def test_half_a_chunk_without_its_beginning(log: Path, tmp_path: Path) -> None:
    """Its records say by their templates' places where the chunk began."""
    data = log.read_bytes()
    chunk = data[4096 : 4096 + CHUNK]
    first, _ = next(_evtx_carve.marks(chunk, 512, CHUNK))
    whole = {row["EventRecordID"] for row in events(written(tmp_path, data[: 4096 + CHUNK], "one.evtx"))}
    for cut in (200, first):
        rows = rows_of(written(tmp_path, chunk[cut:], "piece.bin"), "evtx_carved")
        assert {row["EventRecordID"] for row in rows} >= whole, cut


def test_a_log_cut_within_a_chunk_gives_that_chunks_beginning(log: Path, tmp_path: Path) -> None:
    whole = native(events(log))
    data = log.read_bytes()[: 4096 + 4 * CHUNK + 30_000]
    found = items(written(tmp_path, data, "cut.evtx"))
    rows = [row for rows in stamped(found).values() for row in rows]
    assert sum(row.get("Recovered") == "damage" for row in rows) >= 5
    assert native(rows) <= whole
    assert "cut off" in refusals(found)[0]


def test_deleted_records_are_read_where_they_are_asked_for(real_data: Path) -> None:
    """Most of what these exported logs have deleted refers to what is overwritten; that is told by chunk."""
    kinds: Counter[str | None] = Counter()
    for path in sorted((real_data / "evtx").rglob("*.evtx")):
        found = items(path, "evtx_carved")
        totals(found)
        kinds.update(row.get("Recovered") for rows in stamped(found).values() for row in rows)
        assert all("deleted" in reason for reason in refusals(found)), path
    assert kinds[None] == 8255
    assert kinds["deleted"] > 700
    assert kinds["damage"] == 0


@settings(max_examples=25, deadline=20_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 3 * CHUNK), junk=st.binary(min_size=1, max_size=3000))
def test_any_damage_costs_little_and_is_told(log: Path, tmp_path: Path, at: int, junk: bytes) -> None:
    clean = log.read_bytes()[: 4096 + 3 * CHUNK]
    whole = native(rows_of(written(tmp_path, clean, "clean.evtx")))
    data = clean[:at] + junk + clean[at + len(junk) :]
    found = items(written(tmp_path, data[: len(clean)], "damaged.evtx"), "evtx")
    rows = [row for rows in stamped(found).values() for row in rows]
    assert len(rows) >= 0.6 * sum(whole.values())
    if native(rows) & whole != whole:
        assert refusals(found)


def test_a_records_number_beyond_all_bounds(log: Path, tmp_path: Path) -> None:
    data = bytearray(log.read_bytes()[: 4096 + CHUNK])
    data[4096 + 512 + 8 : 4096 + 512 + 16] = b"\xff" * 8
    assert len(events(written(tmp_path, bytes(data), "number.evtx"))) >= 40


def test_marks_without_chunks_are_fast(tmp_path: Path) -> None:
    begun = time.process_time()
    assert totals(items(written(tmp_path, b"ElfChnk\x00" * (1 << 17), "marks.bin"))) == (0, 0)
    assert time.process_time() - begun < 5

"""Written logs are read back by the sources, event for event; the truth lies beside them."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pyarrow as pa
import pytest
from company_samples import gather

from vizsla.errors import UsageError
from vizsla.reading import Done, Stamped, Unknown, read_file
from vizsla.simulate import Company, Truth, demo, write
from vizsla.simulate.columns import NATIVE
from vizsla.simulate.frame import CHANNELS

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def read_all(folder: Path) -> tuple[dict[str, pa.Table], int]:
    tables: dict[str, list[pa.RecordBatch]] = {}
    refused = 0
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "truth.jsonl"):
        for item in read_file(path, NOW):
            assert not isinstance(item, Unknown), path
            if isinstance(item, Stamped):
                tables.setdefault(item.table, []).append(item.events)
            elif isinstance(item, Done):
                refused += item.rejected
    return {
        t: pa.concat_tables([pa.Table.from_batches([b]) for b in found], promote_options="default")
        for t, found in tables.items()
    }, refused


@pytest.mark.parametrize(("shape", "compress"), [("jsonl", True), ("winlogbeat", False)])
def test_files_read_back_as_they_were_simulated(tmp_path, shape, compress):
    company = Company(4, 2, 11)
    truth = write(company, tmp_path / "logs", format=shape, compress=compress)
    back, refused = read_all(tmp_path / "logs")
    whole = gather(Company(4, 2, 11))
    assert refused == 0
    assert {t: b.num_rows for t, b in back.items()} == {t: e.num_rows for t, e in whole.items()} == truth.events
    for table, events in whole.items():
        keys = ["Computer", "EventRecordID"] if table in CHANNELS else ["uid"]
        order = [(k, "ascending") for k in keys]
        one, two = events.sort_by(order), back[table].sort_by(order)
        left_out = {"Level", "Keywords", "Task", "Opcode"} if shape == "winlogbeat" else set()
        for name in NATIVE[table]:
            if name in left_out or one[name].null_count == len(one):
                continue
            ours, theirs = one[name].to_pylist(), two[name].to_pylist() if name in two.column_names else None
            assert theirs is not None, name
            assert [v or None for v in theirs] == [v or None for v in ours], (table, name)
        assert one["_time"].to_pylist() == two["_time"].to_pylist()
        assert one["_host"].to_pylist() == two["_host"].to_pylist()


def test_the_same_company_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        write(Company(3, 1, 5), tmp_path / name)
    one = {p.relative_to(tmp_path / "one"): p.read_bytes() for p in (tmp_path / "one").rglob("*") if p.is_file()}
    two = {p.relative_to(tmp_path / "two"): p.read_bytes() for p in (tmp_path / "two").rglob("*") if p.is_file()}
    assert one == two and len(one) > 4


def test_demo_keeps_the_intruder_out_of_the_baseline(tmp_path):
    told = []
    truth = demo(tmp_path / "demo", hosts=6, days=4, seed=2, progress=lambda done, of: told.append((done, of)))
    assert Truth.load(tmp_path / "demo" / "truth.jsonl") == truth
    assert told[0] == (0, 4) and told[-1] == (4, 4)
    first = min(r.time for r in truth.records)
    hunted = {p.name for p in (tmp_path / "demo/hunt/zeek").iterdir()}
    learnt = {p.name for p in (tmp_path / "demo/baseline/zeek").iterdir()}
    assert max(learnt) < min(hunted) <= first.date().isoformat()
    text = b"".join(gzip.decompress(p.read_bytes()) for p in (tmp_path / "demo/baseline").rglob("*.gz"))
    assert b"cdn-telemetry-sync" not in text and b"OneSyncHelper" not in text
    numbers = {r.record_id for r in truth.records if r.channel == "Security"}
    packed = (tmp_path / "demo/hunt/windows").rglob("*.gz")
    lines = [orjson.loads(line) for p in packed for line in gzip.decompress(p.read_bytes()).splitlines()]
    assert numbers <= {str(line["Event"]["System"]["EventRecordID"]) for line in lines}


def test_mistakes_are_refused(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        write(Company(2, 1), tmp_path / "full")
    with pytest.raises(UsageError, match="format"):
        write(Company(2, 1), tmp_path / "new", format="xml")
    with pytest.raises(UsageError, match="days to hunt"):
        demo(tmp_path / "d", days=2, hunt_days=2)
    with pytest.raises(UsageError, match="truth"):
        Truth.load(tmp_path / "full" / "note")
    with pytest.raises(UsageError, match="truth"):
        Truth.load(tmp_path / "full" / "note.txt")

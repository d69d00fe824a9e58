"""How far a log was read: the marks of that, kept and sent to workers, and where whole records end."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from growing_samples import (
    NOW,
    ZEEK,
    conn,
    log_of,
    pairs,
    read,
    sums,
    sysmon,
    whole,
    written,
)
from lake_samples import ids
from vizsla import sources
from vizsla.growing import Follow, whole_records
from vizsla.ingest import readings as readings_module
from vizsla.ingest.readings import Readings
from vizsla.ingest.task import Task, perform
from vizsla.ingest.wire import pack, pack_tasks, unpack, unpack_tasks
from vizsla.lake import Lake
from vizsla.parts import MAX_MARKED, Marked
from vizsla.reading import Reached, Refused, Resumed, Stamped, read_file
from vizsla.source import Growth, Resumable
from vizsla.sources import _template


def test_a_killed_run_reads_on_from_the_mark_before(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it ends before its events are stored, after some are, or before the mark is written."""
    content = log_of("windows_json", range(300))
    path = written(tmp_path / "app.log", content[:30_000])
    read(lake, path)
    ledger = lake.root / "ledger"
    shutil.copytree(ledger, tmp_path / "before")
    read(lake, written(path, content))
    shutil.rmtree(ledger)
    shutil.copytree(tmp_path / "before", ledger)
    expected, account = whole(tmp_path / "whole", content)
    assert sums(read(lake, path)) == (0, account[0], account[2])
    assert ids(lake) == expected


def test_readings_that_are_torn_damaged_or_of_another_version_are_no_truth(
    lake: Lake, tmp_path: Path, taken: list[int]
) -> None:
    content = log_of("windows_json", range(300))
    path = written(tmp_path / "app.log", content[:30_000])
    read(lake, path)
    file = lake.root / "ledger" / "readings.jsonl"
    (line,) = [line for line in file.read_text().splitlines() if line]
    pack_file = next((lake.root / "ledger" / "ordinals").iterdir())
    ordinals = pack_file.read_bytes()
    for said in (
        line[:100],
        json.dumps(json.loads(line) | {"reader": "0.0.0"}),
        json.dumps(json.loads(line) | {"tables": ["zeek_conn"]}),
        json.dumps(json.loads(line) | {"asked": "zeek_tsv"}),
    ):
        file.write_text(said)
        read(lake, written(path, content[:40_000]))
        assert taken[-1] > 200
    for damaged in (ordinals[:-9], b"\0" * len(ordinals), None):
        file.write_text(line)
        pack_file.unlink(missing_ok=True)
        if damaged is not None:
            pack_file.write_bytes(damaged)
        read(lake, written(path, content[:40_000]))
        assert taken[-1] > 200
    assert ids(lake) == whole(tmp_path / "whole", content[: content.rfind(b"\n", 0, 40_000) + 1])[0]


def test_readings_stay_within_bounds(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings_module, "BUDGET", 40_000)
    monkeypatch.setattr(readings_module, "SPARE", 5)
    for number in range(12):
        path = written(tmp_path / f"{number}.log", log_of("windows_json", range(number * 500, number * 500 + 500)))
        read(lake, path)
    kept = Readings(lake.room("ledger"), lake.tables(), None)
    packs = list((lake.root / "ledger" / "ordinals").iterdir())
    assert 1 <= len(kept) <= 5
    assert sum(pack.stat().st_size for pack in packs) <= 40_000
    lines = (lake.root / "ledger" / "readings.jsonl").read_text().split("\n")
    assert len(lines) < 30
    assert kept.marks(str(path))
    assert not kept.marks(str(tmp_path / "0.log"))


def test_one_log_in_many_steps_keeps_one_reading(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    for count in range(10, 60, 5):
        read(lake, written(path, "".join(sysmon(n) + "\n" for n in range(count)).encode()))
    assert len(Readings(lake.room("ledger"), lake.tables(), None)) == 1
    assert len(list((lake.root / "ledger" / "ordinals").iterdir())) == 1


def test_marks_travel_over_the_wire_near_and_far(lake: Lake, tmp_path: Path) -> None:
    content = log_of("zeek_tsv", range(300))
    path = written(tmp_path / "conn.log", content[:9000])
    first = list(perform([Task(str(path), NOW, known=(), grows=True)]))
    (reached,) = [told for told in first if isinstance(told, Reached)]
    assert unpack(pack(reached)) == reached
    back = unpack(pack(reached))
    assert isinstance(back, Reached)
    assert back.mark.state() == reached.mark.state() != b""
    read(lake, path)
    (mark,) = Readings(lake.room("ledger"), lake.tables(), None).marks(str(path))
    task = Task(str(path), NOW, None, (), 9000, True, (mark,))
    for far in (False, True):
        ((got,),) = [t.marks for t in unpack_tasks(pack_tasks([task], far=far))]
        assert (got, got.state()) == (mark, mark.state())
    path.write_bytes(content)
    shutil.rmtree(lake.root / "ledger" / "ordinals")
    assert unpack_tasks(pack_tasks([task], far=True))[0].marks == ()
    (near,) = unpack_tasks(pack_tasks([task]))
    assert not any(isinstance(told, Resumed) for told in perform([near]))  # gone: it is read from its start


def test_a_file_without_follow_is_read_as_it_stands(tmp_path: Path) -> None:
    path = written(tmp_path / "app.log", b"\n".join(pairs(n).encode() for n in range(5)))
    told = list(read_file(path, NOW))
    assert sum(item.events.num_rows for item in told if isinstance(item, Stamped)) == 5
    assert not any(isinstance(item, (Reached, Refused)) for item in told)
    told = list(read_file(path, NOW, follow=Follow()))
    assert sum(item.events.num_rows for item in told if isinstance(item, Stamped)) == 4


def test_the_last_line_of_each_kind_rules() -> None:
    marked = Marked(b"#")
    content = ZEEK + conn(1) + "\n#fields\ta\tb\n" + conn(2) + "\nx#y\n#close\t1\n"
    for byte in content.encode():
        marked.feed(bytes([byte]))
    at_once = Marked(b"#")
    at_once.feed(content.encode())
    assert marked.lines == at_once.lines
    assert [line.split()[0] for line in marked.lines] == [
        b"#separator", b"#set_separator", b"#empty_field", b"#unset_field", b"#path", b"#types", b"#fields", b"#close",
    ]  # fmt: skip
    assert b"#fields\ta\tb" in marked.lines
    for number in range(MAX_MARKED // 10):
        at_once.feed(b"#%09d\n" % number)
    assert at_once.too_many


def test_where_whole_records_end(tmp_path: Path) -> None:
    path = tmp_path / "log"

    def end(content: bytes, growth: Growth, start: int = 0) -> int | None:
        path.write_bytes(content)
        with path.open("rb") as stream:
            return whole_records(stream, start, len(content), growth)

    assert end(b"", Growth()) == 0
    assert end(b"ab\ncd", Growth()) == 3
    assert end(b"ab\ncd", Growth(), start=3) == 3
    assert end(b"ab" * (1 << 20), Growth()) is None  # a line whose beginning is out of sight
    assert end(b"ab\n" + b"x" * (1 << 20), Growth()) is None
    assert end(b'a\n"b\nc\n', Growth(quoted=True)) == 2
    assert end(b'a\n"b\nc"\n"', Growth(quoted=True)) == 8
    assert end(b'"\n' * 300_000 + b'"\n"', Growth(quoted=True)) == 600_000 - 0 if 300_000 % 2 == 0 else True
    assert end(b'a\n"' + b"b\n" * (1 << 20), Growth(quoted=True)) is None
    assert end(b"a\nb\n", Growth(cut=lambda last: 0), start=0) == 0
    assert end(b"a\n" * (1 << 20), Growth(cut=lambda last: 0)) is None


def test_which_sources_read_on() -> None:
    found = sources.registry()
    assert isinstance(_template.SOURCE, Resumable)
    head = b'{"EventID": 1, "TimeCreated": "2020-01-01 00:00:00", "Hostname": "a"}\n'
    windows = found["windows_json"]
    assert isinstance(windows, Resumable)
    assert windows.growth(head) is None  # its times need what other records tell
    assert windows.growth(head.replace(b'00:00:00"', b'00:00:00Z"')) is not None
    assert windows.growth(b"[\n" + head) is None
    assert windows.growth(b'{\n"EventID": 1}\n') is None
    assert not isinstance(found["evtx"], Resumable)


def test_a_log_cut_off_while_it_is_read_gets_no_mark(tmp_path: Path) -> None:
    path = written(tmp_path / "app.log", log_of("keyvalue", range(40_000)))
    told = []
    for item in read_file(path, NOW, follow=Follow()):
        told.append(item)
        os.truncate(path, 10)
    assert 0 < sum(item.events.num_rows for item in told if isinstance(item, Stamped)) < 40_000
    assert not any(isinstance(item, Reached) for item in told)

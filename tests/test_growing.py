from __future__ import annotations

import gzip
import json
import lzma
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from growing_samples import (
    FORMATS,
    NOW,
    ZEEK,
    Joined,
    Quoted,
    conn,
    hush,
    log_of,
    pairs,
    read,
    sums,
    sysmon,
    whole,
    written,
)
from lake_samples import ids, rows
from vizsla import sources
from vizsla.growing import Follow, head_digests, whole_records
from vizsla.ingest import readings as readings_module
from vizsla.ingest import run as run_module
from vizsla.ingest.readings import Readings
from vizsla.ingest.store import Store
from vizsla.ingest.task import Task, perform
from vizsla.ingest.wire import pack, pack_tasks, unpack, unpack_tasks
from vizsla.lake import Lake
from vizsla.parts import MAX_MARKED, Marked
from vizsla.reading import WAITING, Reached, Refused, Resumed, Stamped, read_file
from vizsla.source import Growth, Resumable
from vizsla.sources import _template


@pytest.fixture(autouse=True)
def more_sources(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The template and two odd formats, as a third party's package would bring them."""
    points = [
        SimpleNamespace(value=source.name, load=lambda source=source: source)
        for source in (_template.SOURCE, Quoted(), Joined())
    ]
    monkeypatch.setattr(sources, "entry_points", lambda group: points if group == "vizsla.sources" else [])
    sources._loaded.cache_clear()
    yield
    monkeypatch.undo()
    sources._loaded.cache_clear()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake", create=True)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each run handed to the store: what was really read."""
    counts: list[int] = []

    class Counting(Store):
        def __init__(self, lake: Lake) -> None:
            super().__init__(lake)
            counts.append(0)

        def add(self, told: Stamped, shares: object) -> bool:
            counts[-1] += told.events.num_rows
            return super().add(told, shares)  # type: ignore[arg-type]

    monkeypatch.setattr(run_module, "Store", Counting)
    return counts


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_growing_log_is_read_on_from_where_it_ended(
    lake: Lake, tmp_path: Path, taken: list[int], kind: str, workers: int
) -> None:
    if workers and kind == "keyvalue":
        pytest.skip("a worker process does not know the template")
    content = log_of(kind, range(400))
    expected, account = whole(tmp_path / "undisturbed", content)
    path = tmp_path / "app.log"
    steps = [len(content) // 3, len(content) // 3 + 7, len(content) * 2 // 3, len(content)]
    for end in steps:
        report = read(lake, written(path, content[:end]), workers=workers)
    assert sums(report)[2] == account[2]
    assert sums(report)[0] + sums(report)[1] == account[0]
    assert ids(lake) == expected
    assert sum(taken[1:]) == account[0] <= 408  # every record once, whatever the number of readings
    report = read(lake, path, workers=workers)
    assert (sums(report), taken[-1]) == ((0, account[0], account[2]), 0)
    assert "files known by their content and not read again: 1" in report.notes


@pytest.mark.parametrize("kind", FORMATS)
def test_a_later_whole_reading_adds_nothing(lake: Lake, tmp_path: Path, kind: str) -> None:
    content = log_of(kind, range(200))
    path = tmp_path / "app.log"
    for end in (len(content) // 2, len(content)):
        read(lake, written(path, content[:end]))
    before = ids(lake)
    shutil.rmtree(lake.root / "ledger")
    assert sums(read(lake, path))[0] == 0
    assert ids(lake) == before


@pytest.mark.parametrize("kind", FORMATS)
def test_rotation_by_rename_and_compression(lake: Lake, tmp_path: Path, taken: list[int], kind: str) -> None:
    content, later = log_of(kind, range(300)), log_of(kind, range(1000, 1200))
    folder = tmp_path / "logs"
    folder.mkdir()
    log = folder / "app.log"
    read(lake, written(log, content[: len(content) // 2]), folder)
    known = taken[-1]
    log.write_bytes(content)  # it grew before it was rotated
    log.rename(folder / "app.log.1")
    written(log, later[: len(later) // 2])
    read(lake, folder)
    second = taken[-1]
    one, two = whole(tmp_path / "one", content), whole(tmp_path / "two", later)
    half = whole(tmp_path / "half", later[: later.rfind(b"\n", 0, len(later) // 2) + 1])
    assert second == one[1][0] - known + half[1][0]
    (folder / "app.log.2.gz").write_bytes(gzip.compress((folder / "app.log.1").read_bytes()))
    log.write_bytes(later)
    log.rename(folder / "app.log.1")
    report = read(lake, folder)
    assert taken[-1] == two[1][0] - half[1][0]
    assert ids(lake) == {table: sorted(one[0][table] + two[0][table]) for table in one[0]}
    assert sums(report)[2] == one[1][2] + two[1][2]


def test_compressed_before_its_last_lines_were_read(lake: Lake, tmp_path: Path, taken: list[int]) -> None:
    content = log_of("zeek_tsv", range(3000))
    path = written(tmp_path / "conn.log", content[: len(content) // 2])
    read(lake, path)
    path.unlink()
    for name, packed in (("conn.log.gz", gzip.compress(content)), ("conn.log.xz", lzma.compress(content))):
        (tmp_path / name).write_bytes(packed)
    read(lake, tmp_path / "conn.log.gz")
    expected, account = whole(tmp_path / "whole", content)
    assert taken[0] + taken[1] == account[0]
    assert ids(lake) == expected
    read(lake, tmp_path / "conn.log.xz")
    assert ids(lake) == expected
    assert sorted(rows(lake, "zeek_conn").column("_origin").to_pylist())[-1].startswith(str(tmp_path / "conn.log.gz#"))


def test_copytruncate(lake: Lake, tmp_path: Path, taken: list[int]) -> None:
    content, later = log_of("windows_json", range(300)), log_of("windows_json", range(500, 520))
    log, copy = tmp_path / "app.log", tmp_path / "app.log.1"
    read(lake, written(log, content[:30_000]))
    known = taken[-1]
    copy.write_bytes(content)
    written(log, later)
    read(lake, log, copy)
    second = taken[-1]
    one, two = whole(tmp_path / "one", content), whole(tmp_path / "two", later)
    assert second == one[1][0] - known + two[1][0]
    assert ids(lake)["windows_sysmon"] == sorted(one[0]["windows_sysmon"] + two[0]["windows_sysmon"])


def test_places_are_those_in_the_whole_log(lake: Lake, tmp_path: Path) -> None:
    content = log_of("zeek_tsv", range(200))
    path = tmp_path / "conn#1.log"
    for end in (5000, 9000, len(content)):
        read(lake, written(path, content[:end]))
    for row in rows(lake, "zeek_conn").select(["_origin", "uid"]).to_pylist():
        place = int(row["_origin"].rpartition("#")[2])
        assert content[place:].split(b"\t")[1].decode() == row["uid"]


def test_what_was_refused_keeps_its_place(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    first = (sysmon(1) + "\n").encode() * 20
    read(lake, written(path, first))
    report = read(lake, written(path, first + b"{torn\n" + sysmon(2).encode() + b"\n"))
    assert list(report.examples.values()) == [(f"{path}#{len(first)}",)]
    assert sums(report) == (1, 20, 1)
    report = read(lake, written(path, path.read_bytes() + sysmon(3).encode() + b"\n"))
    assert sums(report) == (1, 21, 1)  # refused once, and told again
    assert list(report.rejections.values()) == [1]


def test_500_identical_lines_stay_500(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    line = (sysmon(7) + "\n").encode()
    for count in (1, 3, 200, 500):
        report = read(lake, written(path, line * count))
    assert sums(report) == (300, 200, 0)
    assert len(set(ids(lake)["windows_sysmon"])) == lake.count("windows_sysmon") == 500
    shutil.copy(path, tmp_path / "copy.log")
    (tmp_path / "copy.log.gz").write_bytes(gzip.compress(line * 500))
    shutil.rmtree(lake.root / "ledger")
    assert sums(read(lake, path, tmp_path / "copy.log", tmp_path / "copy.log.gz"))[0] == 0


def test_a_last_line_waits_until_it_is_whole(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    lines = [pairs(n).encode() for n in range(40)]
    first = b"\n".join(lines[:30])
    report = read(lake, written(path, first))
    assert sums(report) == (29, 0, 0)
    assert f"{WAITING}: 1" in report.notes
    assert sums(read(lake, path)) == (0, 29, 0)
    report = read(lake, written(path, b"\n".join(lines) + b"\n"))
    assert sums(report) == (11, 29, 0)
    assert not report.notes
    assert lake.count("keyvalue_log") == 40


def test_a_last_line_of_a_quiet_file_is_taken_and_counted_once(lake: Lake, tmp_path: Path, taken: list[int]) -> None:
    path = tmp_path / "app.log"
    content = b"\n".join(pairs(n).encode() for n in range(30))
    read(lake, written(path, content))
    hush(path)
    assert sums(read(lake, path)) == (1, 29, 0)
    assert taken[-1] == 1
    assert sums(read(lake, path)) == (0, 30, 0)
    assert taken[-1] == 0
    read(lake, written(path, content + b"\n" + pairs(31).encode() + b"\n"))
    assert lake.count("keyvalue_log") == 31


def test_a_whole_json_object_need_not_wait_and_a_torn_one_is_not_refused(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    begun = "".join(sysmon(n) + "\n" for n in range(20)) + sysmon(20)
    assert sums(read(lake, written(path, begun.encode()))) == (21, 0, 0)
    torn = begun + "\n" + sysmon(21)[:40]
    report = read(lake, written(path, torn.encode()))
    assert sums(report) == (0, 21, 0)
    assert f"{WAITING}: 1" in report.notes
    assert not report.damaged
    hush(path)
    assert sums(read(lake, path)) == (0, 21, 1)  # it does not grow: it was cut off
    assert sums(read(lake, written(path, (begun + "\n" + sysmon(21) + "\n").encode()))) == (1, 21, 0)


def test_where_nothing_follows_last_lines_are_taken_as_they_stand(lake: Lake, tmp_path: Path) -> None:
    path = written(tmp_path / "app.log", b"\n".join(pairs(n).encode() for n in range(5)))
    assert sums(read(lake, path, growing=False)) == (5, 0, 0)


@pytest.mark.parametrize("head", [2, 150])
def test_another_file_of_the_same_name_and_greater_length(lake: Lake, tmp_path: Path, head: int) -> None:
    """Whether it differs in its first bytes or, later, before the place where the other ended."""
    path = tmp_path / "app.log"
    same = [sysmon(n) for n in range(head)]
    one = "".join(line + "\n" for line in [*same, *(sysmon(n) for n in range(1000, 1100))]).encode()
    two = "".join(line + "\n" for line in [*same, *(sysmon(n) for n in range(2000, 2300))]).encode()
    read(lake, written(path, one))
    assert sums(read(lake, written(path, two))) == (300, head, 0)
    assert lake.count("windows_sysmon") == head + 400


def test_a_truncated_file(lake: Lake, tmp_path: Path, taken: list[int]) -> None:
    content = log_of("zeek_json", range(300))
    path = written(tmp_path / "app.log", content)
    read(lake, path)
    expected = ids(lake)
    cut = content.rfind(b"\n", 0, len(content) // 2) + 1
    assert sums(read(lake, written(path, content[:cut])))[0] == 0
    read(lake, written(path, content))
    assert taken[-1] == 0 or taken[-1] < 160
    assert ids(lake) == expected


def test_a_changed_middle_of_the_same_length_is_read_again(lake: Lake, tmp_path: Path) -> None:
    lines = [pairs(n) for n in range(100, 400)]
    path = written(tmp_path / "app.log", ("\n".join(lines) + "\n").encode())
    read(lake, path)
    lines[150] = lines[150].replace("login", "LOGIN")
    hush(written(path, ("\n".join(lines) + "\n").encode()))
    assert sums(read(lake, path)) == (1, 299, 0)


def test_growth_while_it_is_read(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    lines = [(sysmon(n) + "\n").encode() for n in range(4000)]
    path.write_bytes(b"".join(lines[:500]))
    stop = threading.Event()

    def write() -> None:
        with path.open("ab", buffering=0) as file:
            for line in lines[500:]:
                file.write(line[:50])
                file.write(line[50:])
        stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    refused = 0
    while not stop.is_set():
        refused += sums(read(lake, path))[2]
    writer.join()
    read(lake, path)
    expected, _ = whole(tmp_path / "whole", b"".join(lines))
    assert (ids(lake), refused) == (expected, 0)


def test_quoted_line_feeds_and_records_of_several_lines(lake: Lake, tmp_path: Path, taken: list[int]) -> None:
    table = b"q,text\n" + b"".join(b'%d,"a\nb ""%d"" c\n\n"\n' % (n, n % 3) for n in range(40))
    joined = b"".join(b"n=%d a\nn=%d b\nn=%d c\n" % (n, n, n) for n in range(40))
    for name, content in (("quoted_csv", table), ("joined_lines", joined)):
        path = tmp_path / f"{name}.log"
        taken.clear()
        for end in range(100, len(content), 41):
            read(lake, written(path, content[:end]))
        read(lake, written(path, content, quiet=True))
        assert ids(lake)[name] == whole(tmp_path / name, content)[0][name]
        assert lake.count(name) == 40
        assert sum(taken[:-1]) <= 41  # but for the last record, none was read twice


CONTENTS = {kind: log_of(kind, [*range(14), 5, 5, 5]) for kind in FORMATS}
CONTENTS["quoted_csv"] = b"q,text\n" + b'1,"a\nb"\n2,c\n2,c\n3,"\n"\n' * 6
CONTENTS["joined_lines"] = b"n=1 a\nn=1 b\nn=2 a\nn=3 a\nn=3 a\n" * 6 + b"n=4 a\n"


@pytest.mark.parametrize("kind", CONTENTS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_steps_of_growth_give_the_ids_of_one_reading(
    kind: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = CONTENTS[kind]
    ends = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=5)))
    folder = tmp_path_factory.mktemp("steps")
    lake, path = Lake.open(folder / "lake", create=True), folder / "app.log"
    for end in ends:
        report = read(lake, written(path, content[:end]), source=kind)
        assert sums(report)[2] <= 1  # the line that is torn in the whole log too
    report = read(lake, written(path, content, quiet=True), source=kind)
    expected, account = whole(folder / "whole", content, source=kind)
    assert ids(lake) == expected
    assert (sum(sums(report)), sums(report)[2]) == (sum(account), account[2])
    shutil.rmtree(folder)


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


def test_expired_events_come_back_when_their_log_is_read_again(lake: Lake, tmp_path: Path) -> None:
    path = written(tmp_path / "app.log", log_of("windows_json", range(50)))
    read(lake, path)
    stored = lake.count("windows_sysmon")
    assert lake.expire(before=NOW) == stored
    assert sums(read(lake, path))[0] == stored


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


def test_logs_are_known_by_as_much_of_their_beginning_as_they_have() -> None:
    assert [size for size, _ in head_digests(b"x" * 5000)] == [4096, 1024, 256, 64]
    assert [size for size, _ in head_digests(b"x" * 300)] == [256, 64]
    assert head_digests(b"x" * 63) == []


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

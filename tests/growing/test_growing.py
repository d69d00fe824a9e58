"""A log that grows is read on from where its reading ended, and every record comes once."""

from __future__ import annotations

import gzip
import shutil
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from growing_samples import (
    FORMATS,
    NOW,
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
from vizsla.lake import Lake
from vizsla.reading import WAITING


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


def test_expired_events_come_back_when_their_log_is_read_again(lake: Lake, tmp_path: Path) -> None:
    path = written(tmp_path / "app.log", log_of("windows_json", range(50)))
    read(lake, path)
    stored = lake.count("windows_sysmon")
    assert lake.expire(before=NOW) == stored
    assert sums(read(lake, path))[0] == stored

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lake_samples import events, ident, ids, rows
from vizsla.errors import SourceError, UsageError
from vizsla.ingest import ingest
from vizsla.ingest import run as run_module
from vizsla.ingest.pool import Pool
from vizsla.ingest.store import Store
from vizsla.ingest.task import Broken, Same, Stamped, Task, Whole, perform
from vizsla.ingest.wire import pack, pack_tasks, unpack, unpack_tasks
from vizsla.lake import Lake
from vizsla.nouns import RunReport
from vizsla.reading import Done, Refused, Unknown
from vizsla.source import Rejected

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake", create=True)


def sysmon(number: int, at: datetime | None = None) -> str:
    """A Sysmon event as a flat line of JSON."""
    time = at or datetime(2020, 9, 13, tzinfo=UTC) + timedelta(seconds=number)
    return json.dumps(
        {
            "EventID": 1,
            "Channel": "Microsoft-Windows-Sysmon/Operational",
            "SourceName": "Microsoft-Windows-Sysmon",
            "Hostname": "WS1.example.org",
            "EventTime": time.strftime("%Y-%m-%d %H:%M:%S"),
            "RecordNumber": number,
            "@timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "Image": f"C:\\{number}.exe",
        }
    )


def logs(folder: Path, files: int = 3, each: int = 50) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(files):
        lines = [sysmon(number) for number in range(n * each, n * each + each)]
        (folder / f"log{n}.json").write_text("\n".join(lines) + "\n")
    return folder


def totals(report: RunReport) -> Counter[str]:
    """The report's sums; every log's account must add up."""
    found: Counter[str] = Counter()
    for log in report.readings:
        assert log.records == log.stored + log.known + log.rejected
        found.update(records=log.records, stored=log.stored, known=log.known, rejected=log.rejected, logs=1)
    return +found


@pytest.mark.parametrize("workers", [0, 2])
def test_a_folder_and_then_the_folder_again(lake: Lake, tmp_path: Path, workers: int) -> None:
    folder = logs(tmp_path / "logs")
    seen: list[tuple[int, int, str]] = []
    first = ingest([folder], lake, workers=workers, now=NOW, progress=lambda *told: seen.append(told))
    assert totals(first) == {"records": 150, "stored": 150, "logs": 3}
    assert [Path(log.path).name for log in first.readings] == ["log0.json", "log1.json", "log2.json"]
    assert seen[-1][0] == seen[-1][1] == sum(file.stat().st_size for file in folder.iterdir())
    again = ingest([folder], lake, workers=workers, now=NOW)
    assert totals(again) == {"records": 150, "known": 150, "logs": 3}
    assert "files known by their content and not read again: 3" in again.notes
    assert lake.count("windows_sysmon") == 150
    assert not first.damaged


def test_the_ids_alone_make_it_idempotent(lake: Lake, tmp_path: Path) -> None:
    folder = logs(tmp_path / "logs")
    ingest([folder], lake, now=NOW)
    shutil.rmtree(lake.root / "ledger")
    assert totals(ingest([folder], Lake.open(lake.root), now=NOW)) == {"records": 150, "known": 150, "logs": 3}
    assert lake.count("windows_sysmon") == 150


def test_a_torn_ledger_and_one_of_other_readers_are_no_truth(lake: Lake, tmp_path: Path) -> None:
    folder = logs(tmp_path / "logs")
    ingest([folder], lake, now=NOW)
    ledger = lake.root / "ledger" / "files.jsonl"
    lines = [line for line in ledger.read_text().splitlines() if line]
    assert len(lines) == 3
    other = json.loads(lines[1]) | {"reader": "0.0.0"}
    foreign = json.loads(lines[2]) | {"tables": ["zeek_conn"]}
    ledger.write_text("\n".join([json.dumps(other), json.dumps(foreign), lines[0][:40]]))
    (ledger.parent / "readings.jsonl").unlink()
    report = ingest([folder], lake, now=NOW)
    assert totals(report) == {"records": 150, "known": 150, "logs": 3}
    assert report.notes == []  # all three were read again, and entered again after the torn line
    assert "files known by their content and not read again: 3" in ingest([folder], lake, now=NOW).notes


def test_a_log_that_grew_is_read_again(lake: Lake, tmp_path: Path) -> None:
    folder = logs(tmp_path / "logs", files=1)
    ingest([folder], lake, now=NOW)
    with (folder / "log0.json").open("a") as file:
        file.write(sysmon(1000) + "\n")
    assert totals(ingest([folder], lake, now=NOW)) == {"records": 51, "stored": 1, "known": 50, "logs": 1}


def test_expired_events_come_back_when_their_log_is_read_again(lake: Lake, tmp_path: Path) -> None:
    folder = logs(tmp_path / "logs", files=1)
    ingest([folder], lake, now=NOW)
    assert lake.expire(before=datetime(2021, 1, 1, tzinfo=UTC)) == 50
    assert totals(ingest([folder], lake, now=NOW)) == {"records": 50, "stored": 50, "logs": 1}


def test_recompressed_copies_add_nothing(lake: Lake, tmp_path: Path) -> None:
    folder = logs(tmp_path / "logs")
    ingest([folder], lake, now=NOW)
    copies = tmp_path / "copies"
    copies.mkdir()
    for log in folder.iterdir():
        (copies / f"{log.name}.gz").write_bytes(gzip.compress(log.read_bytes(), 1))
    shutil.make_archive(str(copies / "all"), "zip", folder)
    report = ingest([copies], lake, now=NOW)
    assert totals(report) == {"records": 300, "known": 300, "logs": 6}
    assert "log1.json" in next(log.path for log in report.readings if "!" in log.path and "log1" in log.path)
    assert totals(ingest([copies], lake, now=NOW)) == {"records": 300, "known": 300, "logs": 6}


def test_500_identical_lines_stay_500(lake: Lake, tmp_path: Path) -> None:
    log = tmp_path / "same.json"
    log.write_text((sysmon(7) + "\n") * 500)
    assert totals(ingest([log], lake, now=NOW)) == {"records": 500, "stored": 500, "logs": 1}
    shutil.copy(log, tmp_path / "copy.json")
    shutil.rmtree(lake.root / "ledger")
    assert totals(ingest([log, tmp_path / "copy.json"], lake, now=NOW)) == {"records": 1000, "known": 1000, "logs": 2}
    assert len(set(ids(lake)["windows_sysmon"])) == lake.count("windows_sysmon") == 500


def test_bad_lines_are_counted_with_reasons_and_examples(lake: Lake, tmp_path: Path) -> None:
    log = tmp_path / "bad.json"
    log.write_text("\n".join([sysmon(1), "{torn", *['{"x": }'] * 10, sysmon(2)]) + "\n")
    report = ingest([log], lake, now=NOW)
    assert totals(report) == {"records": 13, "stored": 2, "rejected": 11, "logs": 1}
    assert sum(report.rejections.values()) == 11
    assert all(where == str(log) for where, _ in report.rejections)
    assert all(0 < len(places) <= 3 for places in report.examples.values())
    assert report.damaged
    again = ingest([log], lake, now=NOW)
    assert (totals(again), again.rejections) == (
        {"records": 13, "known": 2, "rejected": 11, "logs": 1},
        report.rejections,
    )


def test_what_is_no_log_is_listed_with_why(lake: Lake, tmp_path: Path) -> None:
    folder = logs(tmp_path / "logs", files=1)
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    (folder / "empty.log").write_bytes(b"")
    (folder / "torn.json.gz").write_bytes(gzip.compress(b'{"EventID": 1}\n' * 5000)[:100])
    (folder / ".hidden.json").write_text(sysmon(99))
    (folder / "gone.json").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe")
    report = ingest([folder], lake, now=NOW)
    assert {Path(path).name for path, why in report.unknown_files if why} >= {
        "picture.png",
        "empty.log",
        "gone.json",
        "pipe",
    }
    assert lake.count("windows_sysmon") == 50
    with pytest.raises(UsageError, match="there is no"):
        ingest([folder / "missing"], lake)
    with pytest.raises(SourceError, match="no source"):
        ingest([folder], lake, source="nonsense")


def test_a_path_twice_links_in_a_circle_and_lakes_are_walked_once_or_not_at_all(lake: Lake, tmp_path: Path) -> None:
    folder = logs(tmp_path / "logs" / "deep", files=2).parent
    (folder / "circle").symlink_to(folder)
    (folder / "deep" / "up").symlink_to(folder)
    ingest([folder], lake, now=NOW)
    shutil.copytree(lake.root, folder / "inner")
    report = ingest([folder, folder / "deep" / "log0.json", folder], lake, now=NOW)
    assert totals(report) == {"records": 100, "known": 100, "logs": 2}


@pytest.mark.parametrize("inner", ["b.json", "b!c/d.json"])
def test_a_member_and_a_file_of_the_same_name_have_accounts_of_their_own(
    lake: Lake, tmp_path: Path, inner: str
) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.writestr(inner, f"{sysmon(1)}\n{sysmon(2)}\n{{torn\n")
    plain = tmp_path / f"a!{inner}"
    plain.parent.mkdir(exist_ok=True)
    plain.write_text("".join(f"{sysmon(number)}\n" for number in range(2, 9)))
    for stored, known in ((8, 1), (0, 9)):
        report = ingest([tmp_path], lake, now=NOW)
        assert totals(report) == Counter(records=10, stored=stored, known=known, rejected=1, logs=2)
        assert {log.path: (log.records, log.rejected) for log in report.readings} == {
            f"{tmp_path}/a!{inner}": (3, 1),
            f"{tmp_path}/./a!{inner}": (7, 0),
        }


def test_times_in_ten_thousand_days_of_ten_thousand_years(lake: Lake, tmp_path: Path) -> None:
    log = tmp_path / "days.json"
    first = datetime(1, 1, 2, tzinfo=UTC)
    days = range(0, 3_650_000, 365)  # ten thousand days of ten thousand years
    with log.open("w") as file:
        for number, day in enumerate(days):
            if day < 3_640_000:
                file.write(sysmon(number, first + timedelta(days=day)) + "\n")
    report = ingest([log], lake, now=NOW)
    assert totals(report)["stored"] == totals(report)["records"] == sum(day < 3_640_000 for day in days)
    assert len(lake.scan("windows_sysmon").files) < 50
    assert set(rows(lake, "windows_sysmon").column("_day").to_pylist()) >= {"unknown"}


def fake(path: Path, *names: str) -> list[list[Task]]:
    tasks = []
    for name in names:
        (path / name).write_text("x")
        tasks.append(Task(str(path / name), NOW))
    return [[task] for task in tasks]


def test_a_worker_that_dies_costs_its_file_alone(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setattr(run_module, "Pool", lambda workers: Pool(workers, module="ingest_worker_fake"))
    folder = tmp_path / "logs"
    folder.mkdir()
    for name in ("0-fine", "1-crash", "2-stumble", "3-fine"):
        (folder / name).write_text("x")
    report = ingest([folder], lake, workers=2, now=NOW)
    by_name = {Path(log.path).name: log for log in report.readings}
    assert totals(report)["stored"] == 350
    assert "died twice (exit code 7)" in by_name.pop("1-crash").damaged
    assert {(log.records, log.stored, log.damaged) for log in by_name.values()} == {(100, 100, "")}
    assert ids(lake)["windows_sysmon"] == sorted(ident(n) for n in range(400) if not 150 <= n < 200)


def test_what_was_stored_before_a_worker_died_counts_as_stored(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setattr(run_module, "Pool", lambda workers: Pool(workers, module="ingest_worker_fake"))
    monkeypatch.setattr(run_module, "Store", lambda lake: Store(lake, table_bytes=1))  # append at every batch
    (tmp_path / "2-stumble").write_text("x")
    report = ingest([tmp_path / "2-stumble"], lake, workers=1, now=NOW)
    assert totals(report) == {"records": 100, "stored": 100, "logs": 1}


def test_the_pool_holds_back_workers_that_run_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    tasks = fake(tmp_path, *(f"{n}-fine" for n in range(40)))
    with Pool(2, ahead=30_000, module="ingest_worker_fake") as pool:
        stream = pool.run(tasks)
        next(stream)
        time.sleep(1.5)
        assert pool._gate._held <= 30_000
        assert sum(isinstance(told, Whole) for told in stream) == 40
    with Pool(2, ahead=1, module="ingest_worker_fake") as pool:
        next(pool.run(tasks))  # and leaves, with workers waiting at the gate


def test_a_reader_may_fail_in_any_way(tmp_path: Path) -> None:
    class PanicException(BaseException):
        pass

    def failing(error: BaseException):
        def read(path: str, now: datetime, source: str | None):
            yield Stamped(path, "fake", "t", events([1]))
            raise error

        return read

    log = tmp_path / "log"
    log.write_text("x")
    for error in (ValueError("v"), MemoryError(), PanicException("p"), SourceError("s"), RecursionError("r")):
        last = list(perform([Task(str(log), NOW)], failing(error)))[-1]
        assert isinstance(last, Broken)
        assert last.why
    with pytest.raises(KeyboardInterrupt):
        list(perform([Task(str(log), NOW)], failing(KeyboardInterrupt())))


def test_a_file_that_changes_while_it_is_read_gets_no_digest(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("x")

    def read(path: str, now: datetime, source: str | None):
        log.write_text("xy")
        yield Done(path, "fake", 0, 0)

    assert list(perform([Task(str(log), NOW, known=())], read))[-1] == Whole(str(log), "")


def test_the_wire_gives_back_what_was_sent() -> None:
    path = os.fsdecode(b"/logs/\xff\xfe\xc3\xbc!member")
    for told in (
        Refused(path, "evtx", Rejected(f"{path}#1", "torn")),
        Unknown(path, "why"),
        Done(path, "evtx", 5, 2, (("cut values", 3),)),
        Same(path, "d"),
        Broken(path, "w"),
        Whole(path, ""),
    ):
        assert unpack(pack(told)) == told
    stamped = Stamped("log", "evtx", "windows_sysmon", events(range(5), Image="é"))
    back = unpack(pack(stamped))
    assert isinstance(back, Stamped)
    assert back.events.equals(stamped.events)
    task = Task(path, NOW, "evtx", ("a", "b"))
    assert unpack_tasks(pack_tasks([task, task])) == (task, task)


def test_more_tables_than_a_lake_may_have_are_refused(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    from vizsla.ingest import store
    from vizsla.ingest.accounts import FileAccount

    monkeypatch.setattr(store, "MAX_TABLES", 2)
    file, into = FileAccount("log", 1), Store(lake)
    for table in ("a", "b", "c", "Not/A/Table"):
        into.add(Stamped("log", "fake", table, events([1, 2])), ((file, file.log("log"), 2),))
    into.flush()
    assert lake.tables() == ("a", "b")
    account = file.logs["log"]
    assert (account.events, account.stored, account.rejected) == (4, 4, 4)
    assert any("2 tables at most" in reason for reason in account.reasons)


@pytest.mark.parametrize("delay", [0.5, 0.9, 1.3])
def test_killed_at_any_moment_and_run_again_gives_the_same_rows(tmp_path: Path, delay: float) -> None:
    folder = logs(tmp_path / "logs", files=40, each=100)
    command = [sys.executable, "-c", KILLED, str(folder), str(tmp_path / "lake")]
    process = subprocess.Popen(command, start_new_session=True)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    lake = Lake.open(tmp_path / "lake", create=True)
    report = ingest([folder], lake, now=NOW)
    assert totals(report)["records"] == 4000
    undisturbed = Lake.open(tmp_path / "other", create=True)
    ingest([folder], undisturbed, now=NOW)
    assert ids(lake) == ids(undisturbed)
    assert lake.count("windows_sysmon") == 4000


KILLED = """
import sys
from vizsla.ingest import ingest, run
from vizsla.ingest.store import Store
from vizsla.lake import Lake
run.Store = lambda lake: Store(lake, table_bytes=100_000)  # many appends to be killed in
ingest([sys.argv[1]], Lake.open(sys.argv[2], create=True), workers=2)
"""

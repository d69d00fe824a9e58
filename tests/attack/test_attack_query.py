"""SQL and conditions of a hostile hand: nothing outside the lake is read, nothing is written, nothing runs for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from attack.attack_tools import event, lines, run, stored, take
from vizsla.errors import UsageError
from vizsla.explore import query
from vizsla.lake import Lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("query")
    take(folder / "lake", lines(folder / "a.json", [event(i) for i in range(50)]))
    return folder / "lake"


REFUSED = [
    "select * from read_text('/etc/passwd')",
    "select * from read_csv('/etc/passwd')",
    "select * from '/etc/passwd'",
    "select * from read_parquet('/tmp/*.parquet')",
    "select * from glob('/etc/*')",
    "with a as (select content from read_blob('/etc/passwd')) select * from a, windows_sysmon",
    "copy (select 1) to '/tmp/vizsla-escaped.csv'",
    "copy windows_sysmon to '/tmp/vizsla-escaped.csv'",
    "export database '/tmp/vizsla-escaped'",
    "attach '/tmp/vizsla-escaped.db' as x",
    "install httpfs",
    "load httpfs",
    "pragma database_list",
    "set enable_external_access = true",
    "reset lock_configuration",
    "select 1; drop table windows_sysmon",
    "select 1; select 2",
    "create table x as select 1",
    "insert into windows_sysmon select * from windows_sysmon",
    "delete from windows_sysmon",
    "call pragma_version()",
    "select /* */ * from read_text(/* */ '/etc/passwd') -- x",
    "explain analyze copy (select 1) to '/tmp/vizsla-escaped.csv'",
    "prepare a as select 1",
    "select * from query('copy (select 1) to ''/tmp/vizsla-escaped.csv''')",
    "select * from query('select * from read_text(''/etc/passwd'')')",
    "select getenv('PATH') || 'x'",
    "select * from sniff_csv('/etc/passwd')",
    "select " + "(" * 20_000 + "1" + ")" * 20_000,
    "",
    ";",
    "--",
    "\0",
]


@pytest.mark.parametrize("sql", REFUSED, ids=range(len(REFUSED)))
def test_refused(lake: Path, sql: str) -> None:
    ran = run("query", sql, "--lake", lake)
    assert ran.code == 2, ran.out[:500]
    assert "root:" not in ran.said
    assert not Path("/tmp/vizsla-escaped.csv").exists()
    assert stored(take(lake, lake.parent / "a.json")) == 0  # the lake is as it was


def test_a_join_of_everything_ends(lake: Path) -> None:
    begun = time.monotonic()
    held = ", ".join(f"windows_sysmon t{i}" for i in range(8))
    with pytest.raises(UsageError, match="took longer"):
        query(Lake.open(lake), f"select count(distinct hash(t0._id || t7._id)) from {held}", seconds=1)
    assert time.monotonic() - begun < 90


CONDITIONS = [
    "1 = 1",
    "process.name = 'a' or 1=1",
    "process.name = 'a'; drop table x",
    "process.name = read_text('/etc/passwd')",
    "process.name like '%' union select 1",
    "(" * 5000,
    "not " * 5000 + "process.name = 'a'",
    "process.pid = 99999999999999999999999999",
    "process.pid = 1e999",
    "process.name = 'unclosed",
    '"process.name = 1',
    "_time > '99999-01-01'",
    "process.name in ()",
    "process.name is",
    "\x1b[2J",
    "process.pid = '٣x'",
]


@pytest.mark.parametrize("where", CONDITIONS, ids=range(len(CONDITIONS)))
def test_conditions_that_cannot_be(lake: Path, where: str) -> None:
    assert run("events", "process", "--where", where, "--lake", lake).code == 2


def test_a_reader_that_goes_away_is_no_error(lake: Path) -> None:
    command = f"{sys.executable} -m vizsla query 'select * from windows_sysmon, range(2000)' --top 100000 "
    shell = f"{command} --format jsonl --lake {lake} | head -1; exit ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", shell], capture_output=True, timeout=120, check=False)
    assert ran.stdout.count(b"\n") == 1
    assert ran.stderr == b""
    assert ran.returncode in (0, 141)


@pytest.mark.slow
def test_an_interrupted_ingest_says_where_and_goes_on(tmp_path: Path) -> None:
    log = lines(tmp_path / "a.json", (event(i, CommandLine="x" * 300 + str(i)) for i in range(60_000)))
    command = [sys.executable, "-m", "vizsla", "ingest", str(log), "--lake", str(tmp_path / "lake")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    deadline = time.monotonic() + 300
    while not (tmp_path / "lake" / "vizsla.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert b"Traceback" not in err, err
    if process.returncode:  # it was not done already
        assert process.returncode == 130, err
        assert b"stopped while at" in err
    take(tmp_path / "lake", log)
    assert Lake.open(tmp_path / "lake").count("windows_sysmon") == 60_000

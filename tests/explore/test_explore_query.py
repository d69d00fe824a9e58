"""SQL by hand: it reads the lake, and reaches nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vizsla.errors import UsageError
from vizsla.explore import query


def test_tables_and_views_by_name(lake):
    assert query(lake, "select \"process.name\" p from process where p = 'EVIL.exe'").to_pylist() == [{"p": "EVIL.exe"}]
    assert query(lake, "select count(*) n from windows_sysmon").to_pylist() == [{"n": 13}]
    assert query(lake, "with a as (from process) select count(*) n from a;").to_pylist() == [{"n": 12}]
    assert query(lake, "select count(*) n from http").to_pylist() == [{"n": 0}]
    assert query(lake, "select * from process", limit=3).num_rows == 3


def test_views_can_be_listed(lake):
    names = set(query(lake, "select table_name from information_schema.tables").column(0).to_pylist())
    assert {"process", "http", "windows_sysmon", "zeek_conn"} <= names


SECRET = "the secret of another file"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "secret.csv").write_text(f"a\n{SECRET}\n")
    return tmp_path / "secret.csv"


READS = [
    "select * from read_csv('{secret}')",
    "select * from read_text('{secret}')",
    "select * from read_blob('{secret}')",
    "select * from '{secret}'",
    "select * from glob('{folder}/*')",
    "select * from sniff_csv('{secret}')",
    "select * from read_parquet('{folder}/*.parquet')",
    "select * from read_csv('http://127.0.0.1:9/x')",
    "select * from read_csv('s3://bucket/x')",
    "select * from query('select * from read_text(''{secret}'')')",
    "select getenv('HOME')",
    "select * from parquet_metadata('{folder}/x.parquet')",
]
WRITES = [
    "copy process to '{folder}/out.csv'",
    "copy (select 1) to '{folder}/out.parquet'",
    "attach '{folder}/new.db' as x",
    "export database '{folder}/out'",
    "create table x as select 1",
    "create or replace view process as select 1",
    "insert into windows_sysmon select * from windows_sysmon",
    "drop view process",
    "install httpfs",
    "load httpfs",
    "pragma database_list",
    "pragma enable_external_access",
    "set enable_external_access = true",
    "set lock_configuration = false",
    "call pragma_version()",
    "select 1; copy process to '{folder}/out.csv'",
    "checkpoint",
    "use memory",
    "explain analyze select 1",
    "",
]


@pytest.mark.parametrize("sql", READS + WRITES)
def test_hostile_sql_reaches_nothing(lake, secret, sql):
    text = sql.format(secret=secret, folder=secret.parent)
    with pytest.raises(UsageError) as caught:
        found = query(lake, text)
        assert SECRET not in str(found.to_pylist()), "it read another file"
    assert SECRET not in str(caught.value)
    assert [p.name for p in secret.parent.iterdir()] == ["secret.csv"]


def test_variables_of_this_process_stay_hidden(lake):
    import pyarrow as pa

    hidden = pa.table({"a": [SECRET]})
    with pytest.raises(UsageError, match="hidden"):
        query(lake, "select * from hidden")
    assert hidden.num_rows == 1


def test_the_lakes_files_are_unchanged_by_an_attempt_to_overwrite_them(lake):
    files = lake.scan("windows_sysmon").files
    before = {file: Path(file).read_bytes() for file in files}
    for file in files:
        with pytest.raises(UsageError):
            query(lake, f"copy (select 1) to '{file}' (format parquet)")
    assert {file: Path(file).read_bytes() for file in files} == before


def test_what_takes_too_long_is_stopped(lake):
    with pytest.raises(UsageError, match="longer than 1 seconds"):
        query(lake, "select sum(a.range * b.range) from range(10000000) a, range(10000000) b", seconds=1)


def test_too_much_memory_is_refused_and_not_taken(lake):
    code = (
        "import resource, sys\nfrom vizsla.explore import query\nfrom vizsla.lake import Lake\n"
        "from vizsla.errors import UsageError\n"
        "try: query(Lake.open(sys.argv[1]), \"select list(repeat('x', 1000) || a.range) from range(100000000) a\")\n"
        "except UsageError as e: print(e)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    said = subprocess.run([sys.executable, "-c", code, lake.root], capture_output=True, text=True, check=True).stdout
    assert "failed" in said
    assert int(said.split()[-1]) < 4 << 20  # KiB


def test_a_table_that_is_not_there_is_said_with_where_to_look(lake):
    with pytest.raises(UsageError, match="nope does not exist") as error:
        query(lake, "select * from nope")
    assert "vizsla views" in error.value.fix
    with pytest.raises(UsageError) as error:
        query(lake, "select 1 + 'x'")
    assert error.value.fix == ""

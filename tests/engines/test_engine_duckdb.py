from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from engine_mappers import Rows, Where
from engine_samples import scan_of

import vizsla.engines
from vizsla.engines import connect
from vizsla.engines.duckdb import DuckDB
from vizsla.errors import EngineError


@pytest.fixture
def engine():
    with connect("duckdb") as opened:
        yield opened


def test_unknown_engine_is_named():
    with pytest.raises(EngineError, match=r"abacus.*\n.*duckdb"):
        connect("abacus")


def test_duckdb_takes_no_master():
    with pytest.raises(EngineError, match="no cluster"):
        connect("duckdb", "local[2]")


def test_registry_imports_nothing_early():
    code = "import sys, vizsla.engines; print(vizsla.engines.engines(), 'ibis' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'duckdb'" in said
    assert said.strip().endswith("False")


def test_map_can_be_left_early(engine, lake_table):
    stream = engine.map(scan_of(lake_table), ["_id"], Rows())
    next(stream)
    stream.close()


def test_spread_uses_other_processes(lake_table):
    with DuckDB(threads=2) as engine:
        found = [r for b in engine.spread([*"abcdefgh", "print"], Where()) for r in b.to_pylist()]
    assert sorted(r["item"] for r in found) == [*"abcdefgh", "print"]
    assert os.getpid() not in {r["pid"] for r in found}


def test_spread_raises_the_workers_error():
    with DuckDB(threads=2) as engine, pytest.raises(ValueError, match="boom it is"):
        list(engine.spread(["a", "boom", "b"], Where()))


def test_spread_notices_a_dead_worker():
    with DuckDB(threads=2) as engine, pytest.raises(EngineError, match="code 7"):
        list(engine.spread(["die", "die"], Where()))


def test_spread_works_from_a_script_without_guard(tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from engine_mappers import Where
        from vizsla.engines.duckdb import DuckDB
        print(sorted(r["item"] for b in DuckDB(2).spread(["a", "b", "c"], Where()) for r in b.to_pylist()))
        """)
    )
    said = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, timeout=300).stdout
    assert said.strip() == "['a', 'b', 'c']"


def test_registry_refuses_a_second_of_the_same_name(monkeypatch):
    class Entry:
        name, value = "duckdb", "somewhere.else"

    monkeypatch.setattr(vizsla.engines, "entry_points", lambda group: [Entry()])
    with pytest.raises(EngineError, match="two engines"):
        vizsla.engines.engines()

from __future__ import annotations

import subprocess
import sys

import pytest

from vizsla.engines import _session, _ship, connect
from vizsla.errors import EngineError


def test_missing_extra_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(EngineError, match=r"pip install 'vizsla\[spark\]'"):
        connect("spark")


def test_missing_java_is_said():
    pytest.importorskip("pyspark")
    code = (
        "import os; os.environ.pop('JAVA_HOME', None); os.environ['PATH'] = '/nowhere'\n"
        "from vizsla.engines import connect\nfrom vizsla.errors import EngineError\n"
        "try: connect('spark')\nexcept EngineError as e: print(e)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "needs Java" in said
    assert "JAVA_HOME" in said


def test_a_master_that_does_not_answer_is_said_at_once():
    pytest.importorskip("pyspark")
    with pytest.raises(EngineError, match=r"no Spark answers at spark://127\.0\.0\.1:1"):
        connect("spark", "spark://127.0.0.1:1")


def test_archive_is_made_once_and_named_by_content(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = _ship.archive()
    stamp = first.stat().st_mtime_ns
    assert _ship.archive() == first
    assert first.stat().st_mtime_ns == stamp
    fits = _ship.made_for()
    monkeypatch.setattr(_ship, "made_for", lambda: fits | {"vizsla": "99"})
    assert _ship.archive() != first


def test_archive_holds_vizsla_and_what_it_needs(monkeypatch, tmp_path):
    import zipfile

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    names = zipfile.ZipFile(_ship.archive()).namelist()
    for top in ("vizsla/engines/_bootstrap.py", "orjson/", "xxhash/", "evtx/", "yaml/"):
        assert any(name.startswith(top) for name in names), top
    assert not any("__pycache__" in name for name in names)


def test_session_settings_keep_names_and_zone():
    assert _session.SQL["spark.sql.session.timeZone"] == "UTC"
    assert _session.SQL["spark.sql.caseSensitive"] == "true"

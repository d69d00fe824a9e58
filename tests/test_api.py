"""The Python API: small, lazy, and its names stay functions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import vizsla
from vizsla.errors import BaselineError, LakeError, VizslaError


def test_importing_costs_nothing() -> None:
    code = (
        "import sys, vizsla; print(len([m for m in sys.modules if m.startswith('vizsla')]), 'pyarrow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["1", "False"]


@pytest.mark.parametrize("name", vizsla.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    thing = getattr(vizsla, name)
    assert thing.__doc__
    assert name in dir(vizsla)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = vizsla.nonsense  # type: ignore[attr-defined]


def test_functions_stay_functions_when_modules_of_their_names_are_imported() -> None:
    import importlib

    for name in ("hunt", "ingest", "view"):
        module = importlib.import_module(f"vizsla.{name}")
        assert callable(getattr(vizsla, name))
        assert getattr(vizsla, name) is not module
        assert sys.modules[f"vizsla.{name}"] is module
    code = "import vizsla.hunt, vizsla.ingest, vizsla.view, vizsla; print(callable(vizsla.hunt), callable(vizsla.view))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "True"]


def test_a_lake_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LakeError):
        vizsla.open_lake(tmp_path / "none")
    monkeypatch.setenv("VIZSLA_LAKE", str(tmp_path / "mine"))
    made = vizsla.open_lake(create=True)
    assert made.root == tmp_path / "mine"
    assert vizsla.open_lake().root == made.root
    assert vizsla.open_lake(made) is made


def test_a_baseline_that_is_nowhere_is_said_before_any_log_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIZSLA_LAKE", str(tmp_path / "mine"))
    (tmp_path / "log.json").write_text("{}")
    read: list[str] = []
    with pytest.raises(BaselineError, match="no baseline 'quiet'") as error:
        vizsla.hunt(tmp_path / "log.json", baseline="quiet", progress=lambda done, total, what: read.append(what))
    assert error.value.where == str(tmp_path / "mine")
    assert read == []
    with pytest.raises(BaselineError) as error:
        vizsla.hunt(tmp_path / "log.json", lake=str(tmp_path / "other"), baseline="quiet")
    assert error.value.where == f"{tmp_path / 'other'} and {tmp_path / 'mine'}"


def test_the_way_from_logs_to_tables(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    line = (
        '{"EventID":1,"Channel":"Microsoft-Windows-Sysmon/Operational","Hostname":"ws1","Computer":"ws1",'
        '"EventRecordID":%d,"SourceName":"Microsoft-Windows-Sysmon","@timestamp":"2020-09-20T01:00:%02d.000Z",'
        '"Image":"C:\\\\Windows\\\\a%d.exe","CommandLine":"a","User":"CORP\\\\bob"}\n'
    )
    log.write_text("".join(line % (n, n, n % 3) for n in range(30)))
    lake = vizsla.open_lake(tmp_path / "lake", create=True)
    report = vizsla.ingest(log, lake)
    assert sum(r.stored for r in report.readings) == 30
    assert vizsla.events("process", lake=lake).num_rows == 30
    assert vizsla.stack("process", ["process.name"], lake=lake).column("events").to_pylist() == [10, 10, 10]
    assert vizsla.query("select count(*) as n from process", lake=lake).column("n").to_pylist() == [30]
    assert vizsla.view("process", lake).count().to_pyarrow().as_py() == 30
    result = vizsla.hunt(lake=lake)
    assert result.run.version == vizsla.__version__
    assert vizsla.runs(lake).num_rows == 1
    with pytest.raises(VizslaError):
        vizsla.hunt(tmp_path / "nowhere")

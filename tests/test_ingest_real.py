"""Every record of the public data sets is accounted for."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from lake_samples import ids
from vizsla.ingest import ingest
from vizsla.lake import Lake
from vizsla.nouns import RunReport

pytestmark = pytest.mark.real_data


def sums(report: RunReport) -> Counter[str]:
    found: Counter[str] = Counter()
    for log in report.readings:
        assert log.records == log.stored + log.known + log.rejected
        assert not log.damaged
        found.update(records=log.records, stored=log.stored, known=log.known, rejected=log.rejected)
    return found


@pytest.mark.slow
def test_every_evtx_reconciles_with_the_raw_parser(real_data: Path, tmp_path: Path) -> None:
    import evtx

    lake = Lake.open(tmp_path / "lake", create=True)
    report = ingest([real_data / "evtx"], lake)
    raw = {str(file): 0 for file in (real_data / "evtx").rglob("*.evtx")}
    for path in raw:
        raw[path] = sum(1 for _ in evtx.PyEvtxParser(path).records_json())
    assert {log.path: log.records for log in report.readings} == raw
    assert len(raw) == 277
    total = sums(report)
    assert total["rejected"] == 0
    assert sum(lake.count(table) for table in lake.tables()) == total["stored"]
    before = ids(lake)
    shutil.copytree(real_data / "evtx", tmp_path / "elsewhere")
    shutil.rmtree(lake.root / "ledger")
    again = sums(ingest([tmp_path / "elsewhere", real_data / "evtx"], Lake.open(lake.root)))
    assert (again["stored"], again["known"]) == (0, 2 * total["records"])
    assert ids(lake) == before


@pytest.mark.slow
def test_every_capture_reconciles_with_its_lines(real_data: Path, tmp_path: Path) -> None:
    import tarfile
    import zipfile

    lines = 0
    for file in (real_data / "mordor").rglob("*"):
        if file.suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                for member in archive.namelist():
                    if not member.endswith("/") and "__MACOSX" not in member:
                        with archive.open(member) as stream:
                            lines += sum(1 for line in stream if line.strip())
        elif file.name.endswith(".tar.gz"):
            with tarfile.open(file) as tar:
                for member in tar:
                    stream = tar.extractfile(member)
                    if stream is not None and not Path(member.name).name.startswith("._"):
                        lines += sum(1 for line in stream if line.strip())
    lake = Lake.open(tmp_path / "lake", create=True)
    archives = [f for f in (real_data / "mordor").rglob("*") if f.suffix == ".zip" or f.name.endswith(".tar.gz")]
    report = ingest(sorted(archives), lake)
    total = sums(report)
    assert total["records"] == lines > 0
    assert sum(lake.count(table) for table in lake.tables()) == total["stored"]
    assert report.unknown_files == []

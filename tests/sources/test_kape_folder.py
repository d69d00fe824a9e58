from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from lake_samples import rows
from vizsla.ingest import ingest
from vizsla.lake import Lake
from vizsla.sources._declared import samples

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEADS = {  # what each tool writes above its rows; see the sources' samples for the rows
    "EventLogs/20250305093000_EvtxECmd_Output.csv": "evtxecmd",
    "FileSystem/20250305093000_MFTECmd_$MFT_Output.csv": "mftecmd",
    "FileSystem/20250305093000_MFTECmd_$J_Output.csv": "mftecmd_usn",
    "ProgramExecution/20250305093000_PECmd_Output.csv": "pecmd",
    "ProgramExecution/20250305093000_PECmd_Output_Timeline.csv": "pecmd_timeline",
    "ProgramExecution/20250305093000_Amcache_UnassociatedFileEntries.csv": "amcacheparser_files",
    "ProgramExecution/20250305093000_Amcache_ProgramEntries.csv": "amcacheparser_programs",
    "ProgramExecution/20250305093000_Amcache_DevicePnps.csv": "amcacheparser_devices",
    "ProgramExecution/20250305093000_Amcache_DriverBinaries.csv": "amcacheparser_drivers",
    "ProgramExecution/20250305093000_Windows10Creators_SYSTEM_AppCompatCache.csv": "appcompatcacheparser",
    "Registry/20250305093000_RECmd_Batch_Kroll_Batch_Output.csv": "recmd",
}


def test_a_kape_folder_with_one_command(tmp_path: Path, real_data: Path) -> None:
    host = tmp_path / "out" / "WS07"
    for name, source in HEADS.items():
        path = host / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xef\xbb\xbf" + samples()[source].replace(b"\n", b"\r\n"))  # as .NET writes CSV
    logs = host / "C" / "Windows" / "System32" / "winevt" / "logs"
    logs.mkdir(parents=True)
    taken = sorted((real_data / "evtx").rglob("*.evtx"))[:6]
    for number, sample in enumerate(taken):
        shutil.copy(sample, logs / f"{number}.evtx")
    (host / "ConsoleLog.txt").write_text("KAPE version 1.3\nTotal execution time: 12 seconds\n")
    (host / "C" / "Windows" / "Prefetch").mkdir()
    (host / "C" / "Windows" / "Prefetch" / "CMD.EXE-0BD30981.pf").write_bytes(b"MAM\x04" + bytes(200))
    lake = Lake.open(tmp_path / "lake", create=True)
    report = ingest([tmp_path / "out"], lake, workers=0, now=NOW)
    read = {Path(log.path).relative_to(host).as_posix(): log for log in report.readings}
    assert {name: read[name].source for name in HEADS} == HEADS
    assert all(read[name].stored >= 1 and not read[name].rejected for name in HEADS)
    assert {log.source for name, log in read.items() if name.endswith(".evtx")} == {"evtx"}
    assert len(read) == len(HEADS) + len(taken)
    assert sorted(Path(path).name for path, _ in report.unknown_files) == ["CMD.EXE-0BD30981.pf", "ConsoleLog.txt"]
    for table in ("mft_entry", "prefetch", "registry_value", "shimcache"):
        found: pa.Table = rows(lake, table)
        assert set(found.column("_host").to_pylist()) == {"ws07"}, table
    value = rows(lake, "registry_value").to_pylist()[0]
    assert value["KeyPath"] == r"ROOT\Microsoft\Windows\CurrentVersion\Run"
    assert value["_time"] == datetime(2025, 3, 4, 10, 11, 12, 123456, tzinfo=UTC)

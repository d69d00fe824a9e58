"""One host's artifacts as their tools write them: Sysmon, $MFT, prefetch, Amcache, shimcache, Autoruns; and Zeek's.

`Event`s as in hunt_samples; `written` lays them out as a collector's folder of files.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from hunt_samples import DAY, HOUR, MINUTE, SECOND, START, Event, guid, process, sysmon

TOOL = "C:\\Users\\Public\\svch0st.exe"
EXPLORER = "C:\\Windows\\explorer.exe"
FOLDERS = ["Windows\\System32", "Program Files\\Office", "Program Files\\Suite", "ProgramData\\Vendor"]
RUN_KEY = "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run"


def computer(host: str) -> str:
    """The name by which a host's own log knows it; its other artifacts lie in a folder named `host`."""
    return f"{host.upper()}.corp.example"


def address(host: str) -> str:
    return f"10.0.1.{int(host[2:]) + 10}"


def named(number: int) -> str:
    """A name without digits, which shapes would generalise."""
    return "".join(chr(97 + int(digit)) for digit in str(number))


def listed(table: str, at: int, host: str, **native: Any) -> Event:
    """A record of a file, without a process, as a forensic tool writes it."""
    return {"table": table, "_time": at, "_host": host, **native}


def on_disk(at: int, host: str, path: str, **more: Any) -> Event:
    folder, _, name = path.rpartition("\\")
    fields = {"InUse": "True", "ParentPath": "." + folder[2:], "FileName": name, "Extension": "." + name.split(".")[-1],
              "IsDirectory": "False", "HasAds": "False", "IsAds": "False", "SI<FN": "False", "Copied": "False",
              "SiFlags": "Archive", "NameType": "DosWindows"}  # fmt: skip
    return listed("mft_entry", at, host, **{**fields, **more})


def prefetched(at: int, host: str, path: str, **more: Any) -> Event:
    volume = "\\VOLUME{01d1217a4f3b2c10-4a2c0d5e}"
    loaded = f"{volume}\\WINDOWS\\SYSTEM32\\NTDLL.DLL, {volume}{path[2:].upper()}"
    return listed("prefetch", at, host, ExecutableName=path.rpartition("\\")[2].upper(), FilesLoaded=loaded,
                  Version="Windows 10 or Windows 11", RunCount="1", **more)  # fmt: skip


def in_amcache(at: int, host: str, path: str, **more: Any) -> Event:
    name = path.rpartition("\\")[2].lower()
    fields = {"ApplicationName": "Unassociated", "IsOsComponent": "False", "FullPath": path.lower(), "Name": name,
              "FileExtension": ".exe", "BinaryType": "pe64_amd64", "IsPeFile": "True", "Language": "1033"}  # fmt: skip
    return listed("amcache_file", at, host, **{**fields, **more})


def in_shimcache(at: int, host: str, path: str) -> Event:
    return listed("shimcache", at, host, Path=path, Executed="Yes")


def starting(at: int, host: str, path: str, entry: str = "Updater", **more: Any) -> Event:
    fields = {"Entry Location": RUN_KEY, "Entry": entry, "Enabled": "enabled", "Category": "Logon",
              "Profile": "System-wide", "Signer": "", "Company": "", "Image Path": path.lower(),
              "Launch String": path}  # fmt: skip
    return listed("autoruns", at, host, **{**fields, **more})


def connection(at: int, host: str, peer: str, port: str = "443", **more: Any) -> Event:
    fields = {"id.orig_h": address(host), "id.orig_p": "50000", "id.resp_h": peer, "id.resp_p": port, "proto": "tcp",
              "service": "ssl", "conn_state": "SF"}  # fmt: skip
    return {"table": "zeek_conn", "_time": at, "_host": address(host), **fields, **more}


def calls(at: int, host: str, image: str, key: object, peer: str, port: str = "443") -> Event:
    """The same as Sysmon tells of it: whose it is."""
    return sysmon(3, at, computer(host), Image=image, ProcessGuid=guid(key), SourceIp=address(host),
                  SourcePort="50000", DestinationIp=peer, DestinationPort=port, Protocol="tcp", Initiated="true",
                  User="CORP\\user")  # fmt: skip


def quiet(host: str, day: int) -> list[Event]:
    """What a computer at work leaves on one day in all of its artifacts."""
    rng = np.random.default_rng([day, int(host[2:])])
    made: list[Event] = []
    for n in range(40):
        at = START + day * DAY + 8 * HOUR + n * 13 * MINUTE + int(rng.integers(600)) * SECOND
        program = f"C:\\{FOLDERS[int(rng.integers(4))]}\\{named(min(int(rng.zipf(1.4)), 60))}.exe"
        key, peer = (host, day, n), f"198.51.100.{min(int(rng.zipf(1.3)), 200)}"
        made.append(process(at, computer(host), program, key=key))
        made.append(calls(at + SECOND, host, program, key, peer))
        made.append(connection(at + SECOND, host, peer))
        made.append(prefetched(at + 2 * SECOND, host, program))
        if n % 3 == 0:
            made.append(on_disk(at - HOUR, host, program))
            made.append(in_amcache(at + MINUTE, host, program))
            made.append(in_shimcache(at - 9 * HOUR, host, program))
        if n % 10 == 0:
            made.append(starting(at, host, program, entry=named(int(rng.integers(20))), Signer="(Verified) Maker"))
    return made


def artifacts(events: Iterable[Event]) -> list[Event]:
    """Those of the file system and the registry alone: what a host has whose event log is gone."""
    return [e for e in events if e["table"] not in ("windows_sysmon", "zeek_conn")]


TIME = {"mft_entry": "Created0x10", "prefetch": "LastRun", "amcache_file": "FileKeyLastWriteTimestamp",
        "shimcache": "LastModifiedTimeUTC", "autoruns": "Time"}  # fmt: skip
FILE = {"mft_entry": "FileSystem/MFTECmd_$MFT_Output.csv", "prefetch": "ProgramExecution/PECmd_Output.csv",
        "amcache_file": "ProgramExecution/Amcache_UnassociatedFileEntries.csv",
        "shimcache": "ProgramExecution/AppCompatCache.csv", "autoruns": "LiveResponse/autoruns.csv"}  # fmt: skip
HEADER = {
    "mft_entry": "EntryNumber SequenceNumber InUse ParentEntryNumber ParentPath FileName Created0x10 LastModified0x10",
    "prefetch": "SourceFilename ExecutableName Hash RunCount LastRun PreviousRun0 Directories FilesLoaded",
    "amcache_file": "ApplicationName ProgramId FileKeyLastWriteTimestamp SHA1 FullPath LinkDate",
    "shimcache": "ControlSet CacheEntryPosition Path LastModifiedTimeUTC Executed",
    "autoruns": "Time|Entry Location|Entry|Enabled|Category|Image Path",
}


def written(folder: Path, events: Sequence[Event]) -> Path:
    """The events as native files: JSON lines of the event log and of Zeek, CSV below each host's folder."""
    rows: dict[Path, list[Event]] = defaultdict(list)
    for event in events:
        table, host = event["table"], event["_host"]
        name = {"windows_sysmon": f"{host}.json", "zeek_conn": "conn.log"}.get(table) or f"{host}/{FILE[table]}"
        rows[folder / name].append(event)
    for path, own in rows.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        (_as_json if own[0]["table"] in ("windows_sysmon", "zeek_conn") else _as_csv)(path, own)
    return folder


def _native(event: Event) -> dict[str, Any]:
    return {k: v for k, v in event.items() if k != "table" and not k.startswith("_")}


def _moment(event: Event) -> datetime:
    return datetime.fromtimestamp(event["_time"] / 1e6, UTC)


def _as_json(path: Path, events: Sequence[Event]) -> None:
    with path.open("w") as out:
        for event in events:
            when = {"ts": event["_time"] / 1e6, "_path": "conn", "uid": f"C{len(str(event))}"}
            if event["table"] == "windows_sysmon":
                stamp = _moment(event).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
                when = {"@timestamp": _moment(event).isoformat(), "UtcTime": stamp}
            ports = {k: int(v) for k, v in event.items() if k in ("id.orig_p", "id.resp_p")}
            out.write(json.dumps({**_native(event), **when, **ports}) + "\n")


def _as_csv(path: Path, events: Sequence[Event]) -> None:
    table = events[0]["table"]
    fields = dict.fromkeys(HEADER[table].split("|" if "|" in HEADER[table] else " "))
    fields |= dict.fromkeys(name for event in events for name in _native(event))
    shown = "%Y%m%d-%H%M%S" if table == "autoruns" else "%Y-%m-%d %H:%M:%S.%f"
    with path.open("w", newline="") as out:
        rows = csv.DictWriter(out, list(fields), restval="")
        rows.writeheader()
        for number, event in enumerate(events):
            own = {"EntryNumber": number} if table == "mft_entry" else {}
            rows.writerow({**_native(event), **own, TIME[table]: _moment(event).strftime(shown)})

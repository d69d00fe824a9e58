"""A new program on most of the servers within an hour: ransomware beside an ordinary roll-out of the same breadth.

    python -m benchmarks deployment [--seeds N] [--work DIR] [--hunts N]

A hundred servers over 28 days, as System 7045, Security 4697 and Sysmon 1 tell of them: agents that were there all
along and are updated, roll-outs of new software by the usual deployer into C:\\Program Files, tools that administrators
install on single servers, programs that run daily. In the second half an intruder installs a service from a folder
where nothing is rolled out, on most servers within an hour, and its program runs there; on another day of that half an
ordinary roll-out reaches as many. Ranked is by the analytic `gold_image`, with the first half as the baseline: by the
best score of each service. With `--hunts` the first finding of a whole hunt is told, too.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.common import Row, shown

NAME = "deployment"
SERVERS, DAYS, HALF = 100, 28, 14
START = int(datetime(2026, 9, 1, tzinfo=UTC).timestamp())
DAY = 86_400
FOLDERS = ("C:\\Windows\\Temp", "C:\\ProgramData", "C:\\Users\\Public", "C:\\PerfLogs", "C:\\Windows")
PROGRAMS = ("svchost", "lsass", "services", "taskhostw", "WmiPrvSE", "spoolsv", "explorer", "conhost", "cmd", "sc")
SOFTWARE = ("Backup", "Monitor", "Antivirus", "Inventory", "Patch", "Logging", "Remote", "Scanner", "Vault", "Mesh")


@dataclass(frozen=True)
class Fortnight:
    """Batches by table; the names of the intruder's service and of the roll-out that is as broad."""

    tables: dict[str, pa.RecordBatch]
    evil: str
    usual: str


def simulate(seed: int) -> Fortnight:
    """The company of a seed."""
    chance = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    names = [f"srv{n:03}.corp.example" for n in range(SERVERS)]
    letters = "".join(chance.choice(list("abcdefghijklmnopqrstuvwxyz"), 7))

    def ran(server: int, at: float, path: str, user: str) -> None:
        digest = hashlib.sha256(path.encode()).hexdigest().upper()
        rows.append({"_table": "windows_sysmon", "_server": server, "_at": at, "EventID": "1", "Image": path,
                     "CommandLine": f'"{path}"', "User": user, "Hashes": f"SHA256={digest}",
                     "ParentImage": "C:\\Windows\\System32\\services.exe",
                     "ProcessGuid": f"{{{chance.bytes(16).hex()}}}",
                     "ProcessId": str(int(chance.integers(500, 9000)))})  # fmt: skip

    def installed(server: int, at: float, name: str, path: str, user: str) -> None:
        rows.append({"_table": "windows_system", "_server": server, "_at": at, "EventID": "7045", "ServiceName": name,
                     "ImagePath": path, "ServiceType": "user mode service", "StartType": "auto start",
                     "AccountName": "LocalSystem"})  # fmt: skip
        rows.append({"_table": "windows_security", "_server": server, "_at": at, "EventID": "4697", "ServiceName": name,
                     "ServiceFileName": path, "ServiceType": "0x10", "ServiceStartType": "2",
                     "ServiceAccount": "LocalSystem", "SubjectUserName": user, "SubjectDomainName": "CORP",
                     "SubjectLogonId": hex(int(chance.integers(1 << 18, 1 << 26)))})  # fmt: skip

    def rolled_out(software: str, begin: float, hours: float, share: float, user: str, folder: str, name: str) -> None:
        path = f"{folder}\\{name}.exe"
        for server in np.flatnonzero(chance.random(SERVERS) < share):
            at = begin + float(chance.uniform(0, hours * 3600))
            installed(int(server), at, software, path, user)
            ran(int(server), at + 5, path, "NT AUTHORITY\\SYSTEM")

    for day in range(DAYS):
        for server in range(SERVERS):
            for program in chance.choice(PROGRAMS, 4, replace=False):
                at = START + day * DAY + float(chance.uniform(0, DAY))
                ran(server, at, f"C:\\Windows\\System32\\{program}.exe", "NT AUTHORITY\\SYSTEM")
            if chance.random() < 0.05:  # an administrator's tool
                tool = "".join(chance.choice(list("abcdefghijklmnopqrstuvwxyz"), 6))
                folder = str(chance.choice(["C:\\Tools", "D:\\Apps", "C:\\Program Files\\Tools", "C:\\Windows\\Temp"]))
                at = START + day * DAY + float(chance.uniform(7, 17)) * 3600
                admin = f"adm_{chance.choice(['berg', 'dahl', 'ito'])}"
                installed(server, at, tool, f"{folder}\\{tool}.exe", admin)
    order = chance.permutation(SOFTWARE)
    for number, day in enumerate(chance.choice(np.arange(1, HALF - 1), 3, replace=False)):
        name = str(order[number])
        folder = f"C:\\Program Files\\{name} Agent"
        rolled_out(
            f"{name} Agent",
            START + day * DAY + 36_000,
            float(chance.choice([1, 8, 30])),
            0.7,
            "svc_deploy",
            folder,
            name,
        )
    days = chance.choice(np.arange(HALF + 1, DAYS - 1), 2, replace=False)
    usual, share = f"{order[4]} Agent", float(chance.uniform(0.5, 0.9))
    folder = f"C:\\Program Files\\{order[4]} Agent"
    rolled_out(usual, START + days[0] * DAY + 36_000, 1.0, share, "svc_deploy", folder, str(order[4]))
    evil, who = letters.title(), str(chance.choice(["adm_berg", "svc_sql", "Administrator"]))
    night = START + days[1] * DAY + float(chance.uniform(0, 23)) * 3600
    rolled_out(evil, night, 1.0, share, who, str(chance.choice(FOLDERS)), letters)
    return Fortnight(_batches(rows, names), evil, usual)


def _batches(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, pa.RecordBatch]:
    made = {}
    for table_name in ("windows_system", "windows_security", "windows_sysmon"):
        own = sorted((row for row in rows if row["_table"] == table_name), key=lambda row: float(row["_at"]))
        micros = np.array([int(row["_at"] * 1e6) for row in own], np.int64)
        columns: dict[str, Any] = {
            "_id": [hashlib.md5(f"{table_name}{place}".encode()).hexdigest() for place in range(len(own))],
            "_time": pa.array(micros, pa.timestamp("us", tz="UTC")),
            "_host": [names[row["_server"]] for row in own],
            "_day": [datetime.fromtimestamp(m / 1e6, UTC).strftime("%Y-%m-%d") for m in micros],
            "_origin": [f"{table_name}#{place}" for place in range(len(own))],
        }
        for name in sorted({name for row in own for name in row if not name.startswith("_")}):
            columns[name] = pa.array([row.get(name) for row in own], pa.string())
        made[table_name] = pa.RecordBatch.from_pydict(columns)
    return made


def ranks(seed: int, work: Path, whole: bool) -> tuple[int, float, str]:
    """The rank of the intruder's service among all items, the roll-out's share of its bits, the first finding."""
    from dataclasses import replace

    from vizsla.analytics.gold_image import ANALYTIC
    from vizsla.engines import connect
    from vizsla.hunt import hunt, learn
    from vizsla.hunt.observed import observe
    from vizsla.hunt.scope import scans_of
    from vizsla.lake import Lake
    from vizsla.nouns import HuntRequest

    made = simulate(seed)
    lake = Lake.open(work / str(seed), create=True)
    lake.append({name: [batch] for name, batch in made.tables.items()})
    edge = datetime.fromtimestamp(START + HALF * DAY, UTC)
    best: dict[str, float] = {}
    with connect("duckdb") as engine:
        scans = scans_of(lake, engine)
        state = ANALYTIC.learn(engine, [replace(scan, until=edge) for scan in scans])
        seen = observe(engine, [replace(scan, since=edge) for scan in scans], ANALYTIC, state)
        for pattern, score in zip(seen["pattern"].to_pylist(), seen["score"].to_pylist(), strict=True):
            item = pattern.partition(": ")[0]
            best[item] = max(best.get(item, 0.0), score)
    places = {item: place for place, item in enumerate(sorted(best, key=lambda item: (-best[item], item)), 1)}
    told = ""
    if whole:
        learn((), lake, "quiet", until=edge)
        found = hunt(HuntRequest(lake=str(lake.root), baseline="quiet", since=edge, top=3)).findings
        told = f"{found[0].title} ({found[0].instances} instances)" if found else "nothing"
    ours = min((p for i, p in places.items() if made.evil.lower() in i), default=len(places))
    top = max((b for i, b in best.items() if made.evil.lower() in i), default=0.0)
    share = max((b for i, b in best.items() if made.usual.lower() in i), default=0.0) / max(top, 1e-9)
    return ours, share, told


def run(argv: Sequence[str] | None = None) -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--hunts", type=int, default=0)
    chosen = parser.parse_args(argv)
    found = []
    with tempfile.TemporaryDirectory(prefix="vizsla-deployment-") as scratch:
        for seed in range(chosen.seeds):
            ours, share, told = ranks(seed, chosen.work or Path(scratch), seed < chosen.hunts)
            print(f"{seed}: ransomware {ours}, the roll-out has {share:.2f} of its bits; {told}", flush=True)
            found.append((ours, share))
    first = sum(ours == 1 for ours, _ in found)
    most = max(share for _, share in found)
    return [
        Row(NAME, f"ransomware first, of {len(found)} companies", f"{first}", asked=f"{len(found)}",
            ok=first == len(found)),
        Row(NAME, "a roll-out as broad: at most this share of its bits", f"{most:.2f}", asked="<= 0.5", ok=most <= 0.5),
    ]  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(shown(run()))

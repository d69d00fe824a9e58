"""All benchmarks, and one table of their figures.

    python -m benchmarks                     all of them, on the public data sets beside the project
    python -m benchmarks NAME [ARGUMENTS]    one of them, with arguments of its own (--help tells)
    python -m benchmarks --list

Figures are ratios to a reference measured in the same run, so that they hold on other machines.
"""

from __future__ import annotations

import importlib
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.common import Row, data, shared, shown

COPIES = 12  # of the public EVTX, which bring about 32,000 records

ABOUT = {
    "ingest": "EVTX and JSON lines into the lake, beside the bare parser and DuckDB",
    "lines": "lines of Zeek, web servers, syslog and CSV into the lake, beside DuckDB",
    "kill": "an ingest killed at random moments, started again",
    "kill_compaction": "a compaction killed at random moments",
    "haystack": "real attacks among real benign events, beside two simple rules",
    "together": "the haystack with every analytic, with rules, with both, and each alone and left out",
    "guard": "a baseline updated with real attacks among the new events",
    "feedback": "what verdicts on three folds of real attacks do for the fourth",
    "beacons": "one implant's beacon among a company's periodic services, beside RITA's score",
    "calibration": "whether claimed p-values and e-values hold",
    "cost": "processor time, memory and growth of each analytic, beside a bare scan",
    "calibration_each": "the same of each analytic, on its own units",
    "scale": "learn and hunt over ten million events, beside bare group-bys",
    "sigma": "all Sigma rules for Windows over EVTX and captures, beside SQLite with one query per rule",
    "indicators": "a million indicators against ten million events, beside a bare scan",
    "tasks": "an altered scheduled task among a month of a hundred servers', beside four simple detectors",
    "deployment": "a mass deployment of ransomware beside a roll-out as broad",
    "extraction": "indicators out of reports, beside the structured files of the same reports",
    "sequence": "sessions of HDFS, beside a plain Markov model, principal components and an LSTM",
    "spark_scale": "one and two Spark workers",
    "tabular": "outlier models on labelled tables, beside PyOD",
    "travel": "logons from the whole world in real places, beside a second implementation; needs a GeoIP file",
    "volume": "bursts, rises and silences put in, beside simple charts; whether claimed rates hold",
}


def own_process(name: str, arguments: Sequence[str]) -> list[Row]:
    """A benchmark that prints a table of its own, as a process."""
    done = subprocess.run([sys.executable, str(Path(__file__).with_name(f"{name}.py")), *arguments], check=False)
    held = done.returncode == 0
    return [Row(name, ABOUT[name], "see its table above", asked="its goals", ok=held)]


def ingest_rows(arguments: Sequence[str]) -> list[Row]:
    if arguments:
        return own_process("ingest", arguments)
    with tempfile.TemporaryDirectory(prefix="vizsla-bench-") as scratch:
        more, folds = Path(scratch) / "evtx", Path(scratch) / "folds"
        tool = [sys.executable, str(shared("bench", "multiply_evtx.py")), str(data("evtx")), str(more), str(COPIES)]
        subprocess.run(tool, check=True, stdout=subprocess.DEVNULL)
        haystack = shared("bench", "haystack", "haystack.py")
        deal = [sys.executable, str(haystack), "build", str(data("mordor")), str(folds)]
        subprocess.run(deal, check=True, stdout=subprocess.DEVNULL)
        return own_process("ingest", [str(more), str(folds / "fold1" / "baseline.jsonl")])


def kill_rows(arguments: Sequence[str]) -> list[Row]:
    return own_process("kill", arguments or [str(data("mordor"))])


def module_rows(name: str, defaults: Sequence[str] = ()) -> Callable[[Sequence[str]], list[Row]]:
    """A benchmark that gives rows."""

    def rows(arguments: Sequence[str]) -> list[Row]:
        found: list[Row] = importlib.import_module(f"benchmarks.{name}").run(list(arguments) or list(defaults))
        return found

    return rows


RUNS: dict[str, Callable[[Sequence[str]], list[Row]]] = {
    "haystack": module_rows("haystack", ["--all"]),
    "together": module_rows("together", ["--each"]),
    "guard": module_rows("guard"),
    "feedback": module_rows("feedback"),
    "beacons": module_rows("beacons"),
    "calibration": module_rows("calibration"),
    "cost": module_rows("cost"),
    "calibration_each": module_rows("calibration_each"),
    "scale": module_rows("scale"),
    "indicators": module_rows("indicators"),
    "ingest": ingest_rows,
    "lines": lambda arguments: own_process("lines", arguments),
    "kill": kill_rows,
    "kill_compaction": lambda arguments: own_process("kill_compaction", arguments),
    "sigma": module_rows("sigma"),
    "extraction": module_rows("extraction"),
    "tasks": module_rows("tasks"),
    "deployment": module_rows("deployment"),
    "sequence": module_rows("sequence"),
    "spark_scale": lambda arguments: own_process("spark_scale", arguments),
    "tabular": module_rows("tabular"),
    "travel": module_rows("travel"),
    "volume": module_rows("volume"),
}


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] in (["--list"], ["--help"], ["-h"]):
        print(__doc__)
        print("\n".join(f"{name:<16} {ABOUT[name]}" for name in RUNS))
        return 0
    if arguments and arguments[0] not in RUNS:
        print(f"there is no benchmark {arguments[0]!r}; choose one of: {', '.join(RUNS)}", file=sys.stderr)
        return 2
    chosen = arguments[:1] or list(RUNS)
    rows = []
    for name in chosen:
        print(f"# {name}: {ABOUT[name]}", flush=True)
        rows += RUNS[name](arguments[1:])
    print(f"\n{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} processors, {platform.machine()}\n")
    return shown(rows)


if __name__ == "__main__":
    raise SystemExit(main())

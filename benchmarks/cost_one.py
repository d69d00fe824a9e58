"""One analytic over one lake, measured from within: `python -m benchmarks.cost_one NAME HOME` prints JSON."""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.cost import HALF
from vizsla.analytic import Analytic
from vizsla.analytics import registry
from vizsla.analytics.rarity import days
from vizsla.analytics.rarity import model as rarity
from vizsla.analytics.rarity.reference import Columns
from vizsla.calibration import Floats
from vizsla.engine import Engine
from vizsla.engines import connect
from vizsla.hunt.learning import share_of
from vizsla.hunt.observed import observe
from vizsla.hunt.rank import by_days
from vizsla.hunt.scope import scans_of
from vizsla.lake import Lake, Scan
from vizsla.nouns.event import DAY, EVENT_FIELDS
from vizsla.simulate.company import START
from vizsla.testing import NEVER
from vizsla.triage.observed import Observed
from vizsla.triage.replay import Replay, ranked, replay

EDGE = datetime(START.year, START.month, START.day, tzinfo=UTC) + timedelta(days=HALF)


def busy() -> float:
    """Seconds of processor time of this process and of those that it started and that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak() -> float:
    """GiB: the kernel's peak of this program alone. ru_maxrss remembers that of the process which started it."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 2**20


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = busy()
    found = work()
    return busy() - begun, found


class Scored:
    """A model that counts the units it is asked of."""

    def __init__(self, model: rarity.Model) -> None:
        self.model, self.units = model, 0

    def score(self, kind: str, units: Columns) -> Floats:
        self.units += len(units["host"])
        return self.model.score(kind, units)


def parts_of(name: str, engine: Engine) -> tuple[Callable[[Sequence[Scan]], Any], Callable[[Sequence[Scan], Any], int]]:
    """How it learns, and how it finds: how many units it looked at."""
    analytic = registry()[name]
    if isinstance(analytic, Analytic):
        return lambda scans: analytic.learn(engine, scans), lambda scans, state: len(
            observe(engine, scans, analytic, state)
        )

    # As `vizsla learn` and `vizsla hunt` do: some days at a time, and host-days are replayed up to so many events.
    def learn(scans: Sequence[Scan]) -> tuple[rarity.Model, Replay]:
        tallies = days.tallies(engine, days.plan(scans), share_of(scans))
        found = rarity.counted(share.tallied for share in tallies)
        learnt = rarity.learn_from(found)
        return learnt.model, replay(found.sample, learnt)[0]

    def find(scans: Sequence[Scan], state: tuple[rarity.Model, Replay]) -> int:
        model, replayed = state
        scored = Scored(model)
        spoken = by_days(
            engine,
            scans,
            scored,  # type: ignore[arg-type]
            replayed.tails,
            Observed(),
            (name,),
        )
        ranked(spoken.parts, spoken.words, replayed.tails)
        return scored.units

    return learn, find


def watched(engine: Engine, scans: Sequence[Scan]) -> dict[str, set[str]]:
    """The columns by table that the engine is asked for from now on. A table asked for whole is for our own columns:
    what stands on it names its few columns afterwards."""
    asked: dict[str, set[str]] = {}
    whole = {scan.table: len(scan.schema) for scan in scans}
    own: Any = engine
    table, mapped = own.table, own.map

    def noted_table(scan: Scan) -> Any:
        names = scan.schema.names if len(scan.schema) < whole[scan.table] else EVENT_FIELDS.names
        asked.setdefault(scan.table, set()).update(names)
        return table(scan)

    def noted_map(scan: Scan, columns: Sequence[str], mapper: Any) -> Any:
        asked.setdefault(scan.table, set()).update(columns)
        return mapped(scan, columns, mapper)

    own.table, own.map = noted_table, noted_map
    return asked


def scanned(scans: Sequence[Scan], asked: dict[str, set[str]]) -> None:
    """DuckDB reads every value of these columns: the bytes of texts are added up, of all else there is the greatest."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for scan in scans:
        names = sorted((asked.get(scan.table, set()) & set(scan.schema.names)) - {DAY})  # a folder, no column of files
        kinds = {field.name: str(field.type) for field in scan.schema}
        reads = [f'sum(strlen("{n}"))' if kinds[n] in ("string", "large_string") else f'max("{n}")' for n in names]
        if reads:
            what = f"SELECT {', '.join(reads)} FROM read_parquet(?, union_by_name=true, hive_partitioning=false)"
            connection.execute(what, [list(scan.files)]).fetchall()


def main(argv: Sequence[str]) -> int:
    name, home = argv[0], Path(argv[1])
    os.environ["VIZSLA_GEOIP"] = str(home / "places.csv")
    with connect("duckdb") as engine:
        scans = scans_of(Lake.open(home / "lake"), engine)
        asked = watched(engine, scans)
        learn, find = parts_of(name, engine)
        nothing = [replace(scan, until=NEVER) for scan in scans]
        find(nothing, learn(nothing))
        bare = peak()
        learning, state = timed(lambda: learn([replace(scan, until=EDGE) for scan in scans]))
        finding, rows = timed(lambda: find([replace(scan, since=EDGE) for scan in scans], state))
        memory = peak()
    scanning, _ = timed(lambda: scanned(scans, asked))
    print(json.dumps({
        "events": sum(scan.rows for scan in scans), "learn": learning, "find": finding, "memory": memory, "bare": bare,
        "rows": rows, "scan": scanning, "columns": sum(map(len, asked.values())),
    }))  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

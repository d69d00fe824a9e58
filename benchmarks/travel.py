"""Does `impossible_travel` say what a plain look at the log says, on real addresses in real places?

  python -m benchmarks travel [DATA] [--geoip FILE]

A day of a server on the internet (openssh_2k.log of Loghub): passwords guessed from all over the world. Each guess is
taken for a logon, as no public log has as many that succeeded; times, accounts, addresses and places are as they were.
FILE is of MaxMind's format, with its reader `maxminddb` (or VIZSLA_GEOIP names it); it is not part of the project.

Beside it a second implementation, from the text: for each account, address and hour the first guess, held against all
of the account's others of the day before; distances by the angle between unit vectors.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from benchmarks.common import Row, data, shown
from vizsla.analytics import registry
from vizsla.analytics.impossible_travel import BACK, FASTEST, NEAR, SHORTEST
from vizsla.engines import connect
from vizsla.hunt.observed import observe
from vizsla.hunt.scope import scans_of
from vizsla.ingest import ingest
from vizsla.lake import Lake
from vizsla.ueba.geo import EARTH, SETTING

NAME = "travel"
GUESS = re.compile(r"^(\w+ +\d+ [\d:]+) .*Failed password for (?:invalid user )?(\S+) from ([\d.]+) ")
NEWEST = 4.0  # bits that two places bring that are both new for an account
Unit = tuple[str, str, int]  # account, address, hour of the day


def guesses(text: str) -> dict[Unit, datetime]:
    """The first guess of each account, address and hour."""
    found: dict[Unit, datetime] = {}
    for line in text.splitlines():
        if told := GUESS.match(line):
            at = datetime.strptime(f"2000 {told[1]}", "%Y %b %d %H:%M:%S")
            found.setdefault((told[2].lower(), told[3], at.hour), at)
    return found


def fastest(units: dict[Unit, datetime], geoip: Path) -> dict[Unit, float]:
    """By unit, the speed (km/h) of the fastest travel to it from another place; 0 where none is too fast."""
    import maxminddb

    places: dict[str, np.ndarray] = {}
    with maxminddb.open_database(str(geoip)) as reader:
        for _, address, _ in units:
            told = reader.get(address)
            if isinstance(told, dict) and isinstance(spot := told.get("location"), dict):
                latitude, longitude = (np.radians(float(spot[name])) for name in ("latitude", "longitude"))
                east, north = np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude)
                places[address] = np.array([east, north, np.sin(latitude)])
    by_account = defaultdict(list)
    for unit in sorted(units, key=lambda unit: units[unit]):
        if unit[1] in places:
            by_account[unit[0]].append(unit)
    found = {}
    for own in by_account.values():
        for number, unit in enumerate(own):
            found[unit] = 0.0
            for other in own[:number]:
                km = EARTH * np.arccos(np.clip(places[unit[1]] @ places[other[1]], -1, 1))
                seconds = (units[unit] - units[other]).total_seconds()
                speed = km / max(SHORTEST, seconds) * 3600
                if km >= NEAR and speed > FASTEST and seconds <= BACK / 1e6:
                    found[unit] = max(found[unit], float(speed))
    return found


def told(log: Path, geoip: Path) -> dict[Unit, float]:
    """By unit, the speed that the analytic's score stands for, nothing of the account being known."""
    os.environ[SETTING] = str(geoip)
    analytic = registry()["impossible_travel"]
    with tempfile.TemporaryDirectory(prefix="vizsla-travel-") as folder, connect("duckdb") as engine:
        lake = Lake.open(Path(folder) / "lake", create=True)
        ingest([str(log)], lake)
        seen = observe(engine, scans_of(lake, engine), analytic, None).to_pylist()  # type: ignore[arg-type]
    found = {}
    for row in seen:
        account, _, address = row["why"].split(";")[0].partition(" came from ")
        address = address.rpartition("from ")[2].split()[0] if " and from " in address else address
        score = row["score"]
        found[account, address, row["_time"].hour] = FASTEST * 2 ** (score - NEWEST) if score else 0.0
    return found


def run(argv: Sequence[str] | None = None) -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--geoip", type=Path, default=os.environ.get(SETTING))
    chosen = parser.parse_args(argv)
    if chosen.geoip is None:
        return [Row(NAME, "impossible travel", "not measured: no --geoip FILE")]
    text = ((chosen.data or data()) / "syslog" / "openssh_2k.log").read_text("utf-8", "replace")
    with tempfile.TemporaryDirectory(prefix="vizsla-travel-") as folder:
        log = Path(folder) / "auth.log"
        log.write_text(re.sub("Failed password for (invalid user )?", "Accepted password for ", text), "utf-8")
        ours = told(log, Path(chosen.geoip))
    theirs = fastest(guesses(text), Path(chosen.geoip))
    wrong = [unit for unit in ours.keys() | theirs.keys() if (ours.get(unit, 0) > 0) != (theirs.get(unit, 0) > 0)]
    both = [unit for unit in theirs if theirs[unit] and ours.get(unit)]
    worst = max((abs(ours[unit] / theirs[unit] - 1) for unit in both), default=0.0)
    accounts = len({account for account, _, _ in both})
    print(f"{len(theirs)} units of {len({u[0] for u in theirs})} accounts from {len({u[1] for u in theirs})} addresses")
    return [
        Row(NAME, f"units too fast for an airliner, of {len(theirs)}; of {accounts} accounts", f"{len(both)}"),
        Row(NAME, "units that the two tell apart", f"{len(wrong)}", asked="0", ok=not wrong),
        Row(NAME, "speeds differ by at most", f"{worst:.1%}", asked="<= 1%", ok=worst <= 0.01),
    ]


if __name__ == "__main__":
    raise SystemExit(shown(run()))

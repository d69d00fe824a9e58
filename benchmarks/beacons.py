"""One implant's beacon among a company's periodic services, and the beacons of public logs.

  python -m benchmarks beacons [DATA] [--runs N] [--companies N] [--only simulated|calibration|logs]

simulated   weeks as `beacons_week.py` assumes them; into each company implants are planted, each ranked as if it
            were the only one. `begins`: the implant began within the week, `early`: it was there before it, so that
            nothing but its ways tells it from the 20 services that are one host's alone. Beside our list, over the
            same sketches: RITA's published score, with and without its weight for prevalence, and the coefficient
            of variation (`beacons_peers.py`).
logs        RITA's public test logs: at which line the beacons through proxies stand, and what stands above them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.beacons_peers import rita, variation
from benchmarks.beacons_week import Implant, company, implant
from benchmarks.common import Row, block_bootstrap, data, shown
from vizsla.analytics.beacon import LEAST, Scored, learnt, light
from vizsla.beacon.folded import BEHIND
from vizsla.beacon.listed import Fleet, listed
from vizsla.beacon.run import run as list_of
from vizsla.beacon.sketch import DAY, merged
from vizsla.calibration import Tail

NAME = "beacons"
TOP, WANTED = 10, 0.95
LEVEL = 0.01
FAR = 10_000  # the rank of what is not listed at all
PROXIED = (("proxy", "www.honestimnotevil.com"), ("proxy_rolling", ""), ("dnscat2-ja3-strobe-agent", ""))
Ranks = dict[str, list[int]]


def simulated(runs: int, companies: int) -> list[Row]:
    """Ranks of implants, by variant and by list."""
    found: dict[str, Ranks] = {"begins": {}, "early": {}}
    each = -(-runs // companies)
    for number in range(companies):
        quiet = merged(company(number))
        seeds = range(number * each, min((number + 1) * each, runs))
        for variant, ranks in found.items():
            planted = [implant(seed, variant == "early") for seed in seeds]
            pairs = merged([quiet, *(part for _, parts in planted for part in parts)])
            _rank(pairs, [one for one, _ in planted], ranks, variant)
        print(f"company {number}: {len(quiet):,} pairs, {found['begins'][OURS].count(1)} first so far", flush=True)
    return [row for variant, ranks in found.items() for row in _rows(variant, ranks)]


OURS, RITA, PREVALENT, CV = "vizsla", "RITA's score", "RITA's score and prevalence", "coefficient of variation"


def _rank(pairs: pa.Table, implants: Sequence[Implant], ranks: Ranks, variant: str) -> None:
    """Adds the rank of each implant among the benign pairs, as if the other implants were not there."""
    behind = BEHIND.empty_table()
    lines = listed(pairs, behind)
    names = [target.rpartition(":")[0] for target in lines["destination"].to_pylist()]
    fleet = Fleet(pairs, behind)
    targets = pairs["destination"].to_pylist()
    of = {one.destination for one in implants}
    scores = dict(zip((RITA, PREVALENT), rita(pairs, fleet.hosts, fleet.of_hosts), strict=True)) | {
        CV: variation(pairs)
    }
    benign = np.array([name not in of for name in names])
    for one in implants:
        place = names.index(one.destination) if one.destination in names else -1
        rank = 1 + int(benign[:place].sum()) if place >= 0 else FAR
        ranks.setdefault(OURS, []).append(rank)
        for name, score in scores.items():
            ranks.setdefault(name, []).append(_among(score, targets, one.destination, of))
        if rank > TOP:
            line = lines.slice(place, 1).to_pylist()[0] if place >= 0 else {}
            print(
                f"{variant}, line {rank}: every {one.period:.0f} s, jitter {one.jitter:.0%}, on {one.host} from day "
                f"{one.begins / 86_400:.1f}, {one.visits} visits; {line.get('bits')} bits, of regularity "
                f"{line.get('regular_bits')}: {line.get('why')}",
                flush=True,
            )


def _among(score: npt.NDArray[np.float64], targets: list[str], wanted: str, planted: set[str]) -> int:
    """The rank of one pair by a score, others planted left out; of equal scores it comes in their middle."""
    own = score[targets.index(wanted)]
    others = np.array([target not in planted for target in targets])
    return 1 + int((score[others] > own).sum()) + int((score[others] == own).sum()) // 2


def _rows(variant: str, ranks: Ranks) -> list[Row]:
    rows = []
    for name, own in ranks.items():
        held = np.array(own)
        share = float((held <= TOP).mean())
        asked, ok = (f">= {WANTED:.0%}", share >= WANTED) if name == OURS and variant == "begins" else ("", None)
        says = (
            f"{share:.0%} in the first ten, median line {int(np.median(held))}, first {float((held == 1).mean()):.0%}"
        )
        rows.append(Row(NAME, f"{len(held)} implants, {variant}: {name}", says, asked=asked, ok=ok))
    return rows


def calibrated(companies: int) -> list[Row]:
    """Whether p-values of the analytic hold on host-days that it has not learnt from."""
    hits, units = list[float](), list[float]()
    for number in range(companies):
        days = pa.concat_tables(company(100 + number)).combine_chunks()
        codes = np.unique([f"{h} {d}" for h, d in zip(days["host"].to_pylist(), days["first"].to_numpy() // DAY,
                                                      strict=True)], return_inverse=True)[1]  # fmt: skip
        part = np.random.default_rng(number).choice([0, 1, 2], codes.max() + 1, p=[0.25, 0.25, 0.5])[codes]
        one, other, hunt = (days.filter(pa.array(part == n)) for n in range(3))
        base = learnt(merged([one, other]))
        crossed = [_scores(one, learnt(merged([other]))).score, _scores(other, learnt(merged([one]))).score]
        tail = Tail.of(np.concatenate(crossed))
        found = _scores(hunt, base)
        own = [f"{h} {d}" for h, d in zip(found.pairs["host"].to_pylist(), found.pairs["day"].to_pylist(), strict=True)]
        _, place = np.unique(own, return_inverse=True)
        hits += list(np.bincount(place, tail.p(found.score) <= LEVEL))
        units += list(np.bincount(place).astype(float))
    rate, low, high = block_bootstrap(np.array(hits), np.array(units))
    what = f"p <= {LEVEL:g} of {int(sum(units)):,} benign units of the analytic on {len(units):,} host-days"
    says = f"{rate:.5f} ({low:.5f} to {high:.5f})"
    return [Row(NAME, what, says, f"{LEVEL:g}", f"{rate / LEVEL:.2f}", "in the interval", low <= LEVEL <= high)]


def _scores(days: pa.Table, state: dict[str, Any]) -> Scored:
    return Scored(light(days.filter(pc.greater_equal(days["visits"], LEAST))), state)


def logs(folder: Path) -> list[Row]:
    """The lists of RITA's logs."""
    rows = []
    for name, wanted in PROXIED:
        with tempfile.TemporaryDirectory(prefix="vizsla-beacons-") as scratch:
            found = list_of([str(folder / name)], Path(scratch) / "lake")
        lines = found.to_pylist()
        print(f"\n{name}: {len(lines)} pairs with a period")
        for number, line in enumerate(lines[:TOP], 1):
            print(
                f"{number:3} {line['bits']:6.2f} {line['source']} {line['destination']} ({line['via']}): {line['why']}"
            )
        if wanted:
            line = next((n for n, one in enumerate(lines, 1) if one["destination"] == wanted), FAR)
            rows.append(Row(NAME, f"{name}: {wanted} through a proxy", f"line {line}", asked="line 1", ok=line == 1))
        else:
            rows.append(Row(NAME, f"{name}: pairs with a period", str(len(lines))))
    return rows


def run(argv: Sequence[str] | None = None) -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=data("zeek", "rita"))
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--companies", type=int, default=5)
    parser.add_argument("--only", choices=("simulated", "calibration", "logs"))
    chosen = parser.parse_args(argv)
    rows = logs(chosen.data) if chosen.only in (None, "logs") else []
    rows += calibrated(2) if chosen.only in (None, "calibration") else []
    return rows + (simulated(chosen.runs, chosen.companies) if chosen.only in (None, "simulated") else [])


if __name__ == "__main__":
    raise SystemExit(shown(run()))

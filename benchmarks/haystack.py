"""Needles in a haystack: how many lines of findings does one read until each real attack shows?

    python -m benchmarks haystack [CAPTURES] [--tool FILE] [--folds DIR] [--work DIR]
                                  [--dirty] [--padded N]… [--alone] [--check] [--all]

CAPTURES holds the public captures with their labels, and FILE is the public tool that deals them into folds and scores
findings. The clean folds are always run: learn from each fold's baseline, hunt the rest, beside two simple rules on
the same events (see rules.py), with the paired difference and its bootstrap interval over the attacks.

  --dirty     also folds in whose baseline the attacks of one capture in ten are left
  --padded N  also with N harmless events of every type (taken from the baseline) added to each attacking process
  --alone     also each fold's hunted events without a baseline
  --check     also whether findings are one episode each, name what the attack was, and count truly (see checks.py)
  --folds     folds already built (with `clean` and `dirty` below); built into the working folder where missing
  --work      keeps lakes and findings here, and uses what is there; otherwise a temporary folder, gone after the run
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import checks, padding, rules
from benchmarks.common import Row, bootstrap, data, exit_code, median, module, shared, table
from vizsla.baseline import BaselineStore
from vizsla.faces import jsonl
from vizsla.hunt import hunt, learn
from vizsla.ingest import ingest
from vizsla.lake import Lake
from vizsla.nouns import HuntRequest, HuntResult

NAME = "haystack"
ALL = 1_000_000
SHARE_DIRTY = "0.1"
GOALS = {"median": 8, 10: 22, 100: 38}


@dataclass
class Ranks:
    """Of every attack the line (and the finding) that first shows it; never: one more than all benign lines."""

    lines: dict[str, int]
    findings: dict[str, int]
    never: set[str]

    @property
    def median(self) -> float:
        return median(list(self.lines.values()))

    def within(self, limit: int) -> int:
        return sum(r <= limit and a not in self.never for a, r in self.lines.items())

    def says(self) -> str:
        return f"{self.median:g}, {self.within(1)}, {self.within(10)}, {self.within(100)}"

    @property
    def reciprocal(self) -> float:
        """The mean of 1 / line."""
        return float(np.mean([1.0 / rank for rank in self.lines.values()]))


class Haystack:
    """The folds, the lakes made of them, and the public tool."""

    def __init__(self, captures: Path, tool: Path, folds: Path, work: Path) -> None:
        self.captures, self.tool, self.folds, self.work = captures, tool, folds, work
        self.scorer = module(tool)

    def built(self, name: str) -> list[Path]:
        """The folds `clean` or `dirty`, built where they are missing."""
        home = self.folds / name
        if not home.is_dir():
            dirty = ["--dirty", SHARE_DIRTY] if name == "dirty" else []
            command = [sys.executable, str(self.tool), "build", str(self.captures), str(home), *dirty]
            subprocess.run(command, check=True)
        return sorted(home.glob("fold*"))

    def lake(self, name: str, fold: Path, part: str) -> Lake:
        """The lake of a fold's baseline or hunted events; read in where it is missing."""
        home = self.work / "lakes" / name / fold.name / part
        if not (home / "whole").exists():
            lake = Lake.open(home, create=True)
            ingest([fold / f"{part}.jsonl"], lake, workers=1)
            (home / "whole").touch()
        return Lake.open(home)

    def baseline(self, name: str, fold: Path) -> str:
        """The folder of a fold's baseline, learnt anew."""
        lake = self.lake(name, fold, "baseline")
        learnt = learn([], lake, NAME)
        return str(BaselineStore(lake).lake.room("baselines") / NAME / str(learnt.baseline.version))

    def out(self, what: str, fold: Path) -> Path:
        """Where a run's findings of a fold lie, with the fold's truth beside them, as the tool wants it."""
        home = self.work / "findings" / what / fold.name
        home.mkdir(parents=True, exist_ok=True)
        (home / "truth.json").write_bytes((fold / "truth.json").read_bytes())
        return home / "findings.jsonl"

    def hunt(self, what: str, fold: Path, lake: Lake, baseline: str | None, **asked: Any) -> HuntResult:
        """All findings, written as the command line's `--format jsonl --top 1000000` writes them; `asked`: what else
        the hunt is told."""
        result = hunt(HuntRequest(lake=str(lake.root), baseline=baseline, top=ALL, **asked))
        with self.out(what, fold).open("wb") as out:
            out.writelines(jsonl.lines(result.findings))
        return result

    def ranks(self, what: str) -> Ranks:
        """What the public tool says of a run."""
        lines, findings, never = {}, {}, set()
        for fold in sorted((self.work / "findings" / what).glob("fold*")):
            attacks, read, above = self.scorer.ranks(fold)
            for attack, line, place in attacks:
                missed = line >= self.scorer.NEVER
                lines[attack], findings[attack] = (read + 1, above + 1) if missed else (line, place)
                never |= {attack} if missed else set()
        return Ranks(lines, findings, never)


def paired(ours: Ranks, theirs: Ranks) -> tuple[float, float, float]:
    """The mean over the attacks of log2(our rank / theirs), with its interval; below zero, ours is read sooner."""
    return bootstrap(np.array([math.log2(ours.lines[a] / theirs.lines[a]) for a in sorted(ours.lines)]))


def clean(stack: Haystack, say: list[str]) -> tuple[Ranks, list[Row], dict[str, HuntResult]]:
    """The clean folds, ours and both rules."""
    results = {}
    for fold in stack.built("clean"):
        hunted = stack.lake("clean", fold, "hunt")
        results[fold.name] = stack.hunt("clean", fold, hunted, stack.baseline("clean", fold))
        base = rules.seen(stack.lake("clean", fold, "baseline"))
        found = list(rules.events(hunted))
        rules.write(stack.out("least frequency", fold), rules.least_frequent(found, base))
        rules.write(stack.out("unseen shapes", fold), rules.unseen_shapes(found, base))
    ours = stack.ranks("clean")
    score = [sys.executable, str(stack.tool), "score", str(stack.work / "findings" / "clean")]
    say.append(subprocess.run(score, check=True, capture_output=True, text=True).stdout)
    rows = []
    for name in ("least frequency", "unseen shapes"):
        theirs = stack.ranks(name)
        mean, low, high = paired(ours, theirs)
        rows.append(
            Row(NAME, f"lines read against {name}: median, first, top 10, top 100 of {len(ours.lines)}", ours.says(),
                theirs.says(), f"2^{mean:.2f} (2^{low:.2f} to 2^{high:.2f})", "below 2^0", high < 0)
        )  # fmt: skip
    rows.append(Row(NAME, "median line", f"{ours.median:g}", asked=f"<= {GOALS['median']}", ok=ours.median <= 8))
    for limit in (10, 100):
        within = ours.within(limit)
        rows.append(
            Row(NAME, f"within {limit} lines", str(within), asked=f">= {GOALS[limit]}", ok=within >= GOALS[limit])
        )
    return ours, rows, results


def dirty(stack: Haystack, ours: Ranks) -> Row:
    for fold in stack.built("dirty"):
        stack.hunt("dirty", fold, stack.lake("dirty", fold, "hunt"), stack.baseline("dirty", fold))
    return against(stack.ranks("dirty"), ours, f"attacks of {SHARE_DIRTY} of the captures left in the baseline")


def padded(stack: Haystack, ours: Ranks, count: int) -> Row:
    what = f"padded {count}"
    for fold in stack.built("clean"):
        base, hunted = stack.lake("clean", fold, "baseline"), stack.lake("clean", fold, "hunt")
        truth = {int(k) for k in json.loads((fold / "truth.json").read_text())}
        with tempfile.TemporaryDirectory(prefix="vizsla-padded-", dir=stack.work) as scratch:
            made = padding.padded(base, hunted, Path(scratch) / "lake", truth, count)
            stack.hunt(what, fold, made, stack.baseline("clean", fold))
    return against(stack.ranks(what), ours, f"{count} harmless events of every type in each attacking process")


def against(found: Ranks, ours: Ranks, what: str) -> Row:
    """A variant's median beside the clean one's, which it may double."""
    ratio = found.median / ours.median
    return Row(NAME, f"median line with {what}", found.says(), ours.says(), f"{ratio:.2f}", "median <= 2 x", ratio <= 2)


def alone(stack: Haystack) -> Row:
    """Without a baseline, beside least frequency on the same events."""
    for fold in stack.built("clean"):
        hunted = stack.lake("clean", fold, "hunt")
        stack.hunt("alone", fold, hunted, None)
        found = list(rules.events(hunted))
        rules.write(stack.out("least frequency alone", fold), rules.least_frequent(found, rules.Seen()))
    ours, theirs = stack.ranks("alone"), stack.ranks("least frequency alone")
    mean, low, high = paired(ours, theirs)
    return Row(
        NAME, "lines read without a baseline, against least frequency", ours.says(), theirs.says(),
        f"2^{mean:.2f} (2^{low:.2f} to 2^{high:.2f})", "median <=", ours.median <= theirs.median,
    )  # fmt: skip


def parser(doc: str | None) -> argparse.ArgumentParser:
    """The arguments by which every benchmark over the folds finds them."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("captures", type=Path, nargs="?", default=data("mordor"))
    made.add_argument("--tool", type=Path, default=shared("bench", "haystack", "haystack.py"))
    made.add_argument("--folds", type=Path)
    made.add_argument("--work", type=Path)
    return made


@contextmanager
def opened(chosen: argparse.Namespace) -> Iterator[Haystack]:
    """The folds that these arguments name; the working folder is gone after the run where none is named."""
    with tempfile.TemporaryDirectory(prefix="vizsla-haystack-") as scratch:
        work = (chosen.work or Path(scratch)).absolute()
        yield Haystack(chosen.captures, chosen.tool, chosen.folds or work / "folds", work)


def run(argv: Sequence[str] | None = None) -> list[Row]:
    arguments = parser(__doc__)
    arguments.add_argument("--dirty", action="store_true")
    arguments.add_argument("--padded", type=int, action="append", default=[])
    arguments.add_argument("--alone", action="store_true")
    arguments.add_argument("--check", action="store_true")
    arguments.add_argument("--all", action="store_true", help="all of these, padded with 30 and with 300")
    chosen = arguments.parse_args(argv)
    if chosen.all:
        chosen.dirty = chosen.alone = chosen.check = True
        chosen.padded = chosen.padded or [30, 300]
    with opened(chosen) as stack:
        said: list[str] = []
        ours, rows, results = clean(stack, said)
        print("\n".join(said), flush=True)
        if chosen.check:
            rows += checks.rows(NAME, stack, results, ours)
        rows += [dirty(stack, ours)] if chosen.dirty else []
        rows += [padded(stack, ours, count) for count in chosen.padded]
        rows += [alone(stack)] if chosen.alone else []
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    found = run(argv)
    print(table(found))
    return exit_code(found)

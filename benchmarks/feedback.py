"""What verdicts teach: those given by the labels on three folds of the haystack, ranks in the fourth.

    python -m benchmarks feedback [CAPTURES] [--tool FILE] [--folds DIR] [--work DIR]

An analyst reads the lists of three folds from the top, in turn, and judges every finding by the labels: malicious where
most events of a line that it shows are an attack's, benign otherwise. What that teaches re-ranks the fourth fold's
list, as a hunt there would. The curve is over the number of findings judged. Shown are lines read until each attack:
without verdicts, with what verdicts teach, and with benign verdicts as exceptions of the pattern on any host besides.
Chance is shown beside it: the same verdicts with their labels shuffled, which must teach nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.common import Row, shown
from benchmarks.haystack import Haystack, Ranks, opened, paired, parser
from vizsla.faces import jsonl
from vizsla.nouns import Finding, Verdict
from vizsla.triage import order
from vizsla.verdicts.give import verdict_on
from vizsla.verdicts.learning import Taught, learn
from vizsla.verdicts.preview import hides

NAME = "feedback"
CURVE = (0, 20, 40, 80, 160, 320, 640)
PURITY = 0.5
SEEDS = range(3)  # of shuffled labels
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Fold:
    """A fold's list, and of each finding whether an attack shows in it."""

    path: Path
    findings: tuple[Finding, ...]
    malicious: tuple[bool, ...]


def labelled(path: Path, findings: Sequence[Finding]) -> Fold:
    """A fold whose findings are judged by the labels of their events."""
    attacks = {int(record) for record in json.loads((path / "truth.json").read_text())}

    def judged(finding: Finding) -> bool:
        for line in finding.evidence:
            ids = {int(e.record_id) for e in line.events if e.record_id}
            if ids and sum(i in attacks for i in ids) >= PURITY * len(ids):
                return True
        return False

    return Fold(path, tuple(findings), tuple(map(judged, findings)))


def verdicts(folds: Sequence[Fold], count: int, shuffled: int | None = None) -> list[Verdict]:
    """The first `count` findings, read from the tops of these folds in turn, each judged."""
    longest = max(len(fold.findings) for fold in folds)
    read = [(fold, n) for n in range(longest) for fold in folds if n < len(fold.findings)][:count]
    labels = [fold.malicious[n] for fold, n in read]
    if shuffled is not None:
        labels = np.random.default_rng(shuffled).permutation(labels).tolist()
    return [
        replace(
            verdict_on(fold.findings[n], "malicious" if bad else "benign", reach="pattern", by="labels", at=NOW),
            id=f"{place:08x}",
        )
        for place, ((fold, n), bad) in enumerate(zip(read, labels, strict=True))
    ]


def reranked(findings: Sequence[Finding], taught: Taught) -> list[Finding]:
    """A list as what was taught re-weights it."""
    if taught.model is None:
        return list(findings)
    gains = taught.model.gains([finding.traits for finding in findings]).tolist()
    return list(order.rank(replace(f, bits=f.bits + gain) for f, gain in zip(findings, gains, strict=True)))


def spared(findings: Sequence[Finding], given: Sequence[Verdict]) -> list[Finding]:
    """A list without what benign verdicts, reaching the pattern on any host, hide whole."""
    benign = [verdict for verdict in given if verdict.judgement == "benign"]
    return [f for f in findings if not any(hides(verdict, f) == "whole" for verdict in benign)]


def ranks(stack: Haystack, folds: Sequence[Fold], what: str, count: int, shuffled: int | None = None) -> Ranks:
    """The ranks of all attacks, each fold's list re-ranked by verdicts on the three others."""
    for own in folds:
        given = verdicts([fold for fold in folds if fold is not own], count, shuffled)
        taught = learn(given)
        if own is folds[0]:
            judged = Counter(verdict.judgement for verdict in given)
            told = {name: round(loss, 3) for name, loss in taught.losses.items()}
            print(f"{what}, {count} judged: {dict(judged)}, {told}", flush=True)
        found = reranked(own.findings, taught)
        if what == "taught and excepted":
            found = spared(found, given)
        with stack.out(f"{what} {count}", own.path).open("wb") as out:
            out.writelines(jsonl.lines(found))
    return stack.ranks(f"{what} {count}")


def says(found: Ranks) -> str:
    return f"{found.says()}, {found.reciprocal:.3f}"


def run(argv: Sequence[str] | None = None) -> list[Row]:
    arguments = parser(__doc__)
    arguments.add_argument("--hunted", action="store_true", help="re-rank what an earlier run left in --work")
    chosen = arguments.parse_args(argv)
    with opened(chosen) as stack:
        return rows(stack, hunted=chosen.hunted)


def rows(stack: Haystack, *, hunted: bool) -> list[Row]:
    folds = []
    for path in stack.built("clean"):
        if hunted:
            kept = (stack.work / "findings" / "clean" / path.name / "findings.jsonl").read_bytes()
            found = [jsonl.read(line) for line in kept.splitlines()]
        else:
            found = list(
                stack.hunt("clean", path, stack.lake("clean", path, "hunt"), stack.baseline("clean", path)).findings
            )
        folds.append(labelled(path, found))
    plain = ranks(stack, folds, "taught", 0)
    total = len(plain.lines)
    made = [Row(NAME, f"no verdicts: median, first, top 10, top 100 of {total}, mean of 1/line", says(plain))]
    best = plain
    for count in CURVE[1:]:
        taught = ranks(stack, folds, "taught", count)
        spare = ranks(stack, folds, "taught and excepted", count)
        chance = [ranks(stack, folds, f"shuffled {seed}", count, seed).reciprocal for seed in SEEDS]
        mean, low, high = paired(taught, plain)
        made.append(
            Row(NAME, f"{count} verdicts: taught (beside it: exceptions too); ratio: lines read to none",
                says(taught), says(spare), f"2^{mean:.2f} (2^{low:.2f} to 2^{high:.2f})")
        )  # fmt: skip
        made.append(
            Row(NAME, f"{count} verdicts with shuffled labels: mean of 1/line", f"{np.mean(chance):.3f}",
                f"{plain.reciprocal:.3f}")
        )  # fmt: skip
        best = taught
    worse = best.reciprocal >= plain.reciprocal
    made.append(
        Row(NAME, "mean of 1/line with all verdicts, against none", f"{best.reciprocal:.3f}",
            f"{plain.reciprocal:.3f}", f"{best.reciprocal / plain.reciprocal:.2f}", ">= 1", worse)
    )  # fmt: skip
    return made


if __name__ == "__main__":
    raise SystemExit(shown(run()))

"""Sessions of HDFS: how well abnormal ones are told from normal ones, beside three peers in the same run.

    python -m benchmarks sequence [DATA] [--splits N] [--lstm EPOCHS]

DATA holds hdfs_train.txt (normal sessions) and hdfs_abnormal.txt, one session a line. 2,000 normal sessions are learnt
from, the first ones and then others drawn at random; all others are told apart from the abnormal ones. Per split:
  weighted   the F1 at the best cut, normal sessions weighted so that 2.93 % are abnormal, as in all of HDFS;
  distinct   the F1 at the best cut, each distinct session once (most normal ones are copies of learnt ones);
  strict     as distinct, without those that were learnt, and weighted to 2.93 %: reported beside them;
  p < 0.005  the F1 on distinct sessions at a cut that cross-conformal calibration sets on learnt sessions alone, and
             the share of normal sessions that it takes.
Peers: a Markov model of order 2 with an end mark and add-one smoothing (its least likely step), principal components
of counts (the residual beyond 95 % of variance), and our LSTM where the extra `deep` is installed.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import log2
from pathlib import Path

import numpy as np

from benchmarks.common import Floats, Row, data, exit_code, table
from vizsla.sequence.conformal import calibrated
from vizsla.sequence.score import SessionModel
from vizsla.sequence.sessions import Sessions

NAME = "sequence"
TRAIN, SPLITS, LEVEL, RATE = 2_000, 20, 0.005, 0.0293
Session = tuple[str, ...]
Scorer = Callable[[Sequence[Session]], Floats]
END = ""


@dataclass(frozen=True)
class Split:
    """Normal sessions to learn from, normal ones to test with, and abnormal ones."""

    train: list[Session]
    normal: list[Session]
    abnormal: list[Session]


@dataclass(frozen=True)
class Reached:
    """F1 at the best cut in three weightings, and at p < 0.005: F1 on distinct sessions, and false alarms of all."""

    weighted: float
    distinct: float
    strict: float
    seconds: float
    held: float = float("nan")
    alarms: float = float("nan")


def markov(train: Sequence[Session]) -> Scorer:
    """The peer: order 2, an end mark, add-one smoothing; a session's score is its least likely step."""
    seen: Counter[Session] = Counter()
    total: Counter[Session] = Counter()
    for session in train:
        marked = (END, END, *session, END)
        for i in range(2, len(marked)):
            seen[marked[i - 2 : i + 1]] += 1
            total[marked[i - 2 : i]] += 1
    known = len({step for session in train for step in session}) + 2

    def worst(session: Session) -> float:
        marked = (END, END, *session, END)
        grams = (marked[i - 2 : i + 1] for i in range(2, len(marked)))
        return max(-log2((seen[gram] + 1) / (total[gram[:2]] + known)) for gram in grams)

    return lambda sessions: np.array([worst(session) for session in sessions])


def components(train: Sequence[Session]) -> Scorer:
    """The peer: how far a session's counts lie from the space that holds 95 % of the learnt ones' variance."""
    place = {step: i for i, step in enumerate(sorted({step for session in train for step in session}))}

    def counts(sessions: Sequence[Session]) -> Floats:
        made = np.zeros((len(sessions), len(place) + 1))
        for row, session in enumerate(sessions):
            for step in session:
                made[row, place.get(step, len(place))] += 1
        return made

    known = counts(train)
    mean = known.mean(axis=0)
    _, strength, axes = np.linalg.svd(known - mean, full_matrices=False)
    share = np.cumsum(strength**2) / (strength**2).sum()
    rest = np.eye(len(mean)) - axes[: np.searchsorted(share, 0.95) + 1].T @ axes[: np.searchsorted(share, 0.95) + 1]
    return lambda sessions: ((counts(sessions) - mean) @ rest).__pow__(2).sum(axis=1)


def ours(train: Sequence[Session]) -> Scorer:
    """What Vizsla does: the worst step of a variable-order Markov model, and the tree of amounts."""
    model = SessionModel.learn(Sessions.of(train))
    return lambda sessions: model.score(Sessions.of(sessions)).bits


def lstm(epochs: int) -> Callable[[Sequence[Session]], Scorer]:
    """The network of the extra `deep` in the place of the Markov model."""

    def fit(train: Sequence[Session]) -> Scorer:
        from vizsla.sequence.deep import Lstm

        learnt = Sessions.of(train)
        model = SessionModel(Lstm.learn(learnt, epochs), SessionModel.learn(learnt).amounts)
        return lambda sessions: model.score(Sessions.of(sessions)).step_bits

    return fit


def best_f1(normal: Floats, abnormal: Floats, weight: float) -> float:
    """The best F1 of all cuts; `weight`: what a normal session counts."""
    scores = np.concatenate([normal, abnormal])
    hit = np.concatenate([np.zeros(len(normal)), np.ones(len(abnormal))])
    order = np.argsort(-scores, kind="stable")
    scores, hit = scores[order], hit[order]
    found, false = np.cumsum(hit), np.cumsum((1 - hit) * weight)
    cuts = np.append(scores[1:] != scores[:-1], True)
    return float((2 * found / (found + false + len(abnormal)))[cuts].max())


def reached(split: Split, fit: Callable[[Sequence[Session]], Scorer], calibrate: bool = False) -> Reached:
    """What a scorer reaches on a split."""
    begin = time.perf_counter()
    score = fit(split.train)
    normal, abnormal = sorted(set(split.normal)), sorted(set(split.abnormal))
    every = dict(zip(normal + abnormal, score(normal + abnormal).tolist(), strict=True))
    seconds = time.perf_counter() - begin
    learnt = set(split.train)
    new = [session for session in normal if session not in learnt]

    def f1(quiet: Sequence[Session], bad: Sequence[Session], weighted: bool) -> float:
        weight = (1 - RATE) / RATE * len(bad) / len(quiet) if weighted else 1.0
        return best_f1(np.array([every[s] for s in quiet]), np.array([every[s] for s in bad]), weight)

    cuts = f1(split.normal, split.abnormal, True), f1(normal, abnormal, False), f1(new, abnormal, True)
    if not calibrate:
        return Reached(*cuts, seconds)
    tail = calibrated(Sessions.of(split.train), lambda part: (lambda model: lambda x: model.score(x).bits)(
        SessionModel.learn(part)))  # fmt: skip
    p = {session: float(tail.p(np.array([value]))[0]) for session, value in every.items()}
    found, false = (sum(p[s] < LEVEL for s in sessions) for sessions in (abnormal, normal))
    alarms = sum(p[s] < LEVEL for s in split.normal) / len(split.normal)
    return Reached(*cuts, seconds, 2 * found / (found + false + len(abnormal)), alarms)


def split_of(normal: list[Session], abnormal: list[Session], number: int) -> Split:
    """The first split is the set's own; the others are drawn."""
    order = np.arange(len(normal)) if number == 0 else np.random.default_rng(number).permutation(len(normal))
    dealt = [normal[i] for i in order]
    return Split(dealt[:TRAIN], dealt[TRAIN:], abnormal)


def ranged(values: Sequence[float]) -> str:
    """The mean, and the range."""
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def rows_of(found: dict[str, list[Reached]]) -> list[Row]:
    """Our figures, each beside the best peer's, then each peer's own."""
    mine = found.pop("ours")
    rows = []
    for what, asked, goal in (("weighted", "0.97", 0.97), ("distinct", "0.97", 0.97), ("strict", "", None)):
        values = [getattr(one, what) for one in mine]
        peers = {peer: ranged([getattr(one, what) for one in reach]) for peer, reach in found.items()}
        reference = "; ".join(f"{peer} {text}" for peer, text in peers.items())
        ok = None if goal is None else bool(np.mean(values) >= goal)
        rows.append(Row(NAME, f"F1 at the best cut, {what}", ranged(values), reference, "", asked, ok))
    held = [one.held for one in mine]
    rows.append(Row(NAME, "F1 at p < 0.005, distinct", ranged(held), "", "", "0.85", min(held) >= 0.85))
    alarms = ranged([one.alarms for one in mine])
    rows.append(Row(NAME, "normal sessions at p < 0.005", alarms, "promised: 0.005", "", "", None))
    times = "; ".join(f"{peer} {np.mean([one.seconds for one in reach]):.1f} s" for peer, reach in found.items())
    rows.append(Row(NAME, "learning and scoring", f"{np.mean([one.seconds for one in mine]):.1f} s", times))
    return rows


def run(argv: Sequence[str]) -> list[Row]:
    """The figures as rows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks sequence", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("data", nargs="?", type=Path, default=data("sequence"))
    parser.add_argument("--splits", type=int, default=SPLITS)
    parser.add_argument("--lstm", type=int, default=60, help="epochs of the network, on the first split alone; 0: none")
    asked = parser.parse_args(argv)
    read = (
        [tuple(line.split()) for line in (asked.data / name).read_text().splitlines() if line.strip()]
        for name in ("hdfs_train.txt", "hdfs_abnormal.txt")
    )
    normal, abnormal = read
    fits = {"ours": ours, "Markov": markov, "components": components}
    found: dict[str, list[Reached]] = defaultdict(list)
    for number in range(asked.splits):
        split = split_of(normal, abnormal, number)
        for name, fit in fits.items():
            found[name].append(reached(split, fit, calibrate=name == "ours"))
        if number == 0 and asked.lstm and find_spec("keras"):
            found["LSTM"].append(reached(split, lstm(asked.lstm)))
    return rows_of(found)


if __name__ == "__main__":
    import sys

    printed = run(sys.argv[1:])
    print(table(printed))
    raise SystemExit(exit_code(printed))

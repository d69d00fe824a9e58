"""What the guard of a growing baseline is for: an intrusion that an update would have taught it.

    python -m benchmarks guard [CAPTURES] [--tool FILE] [--folds DIR] [--work DIR] [--only N]

Of each fold of the haystack a baseline is learnt; then the fold's hunted events, attacks among them, come into the
baseline's lake, and it is updated: with the guard, and with --learn-all. The same events are hunted in again, as if the
intruder came back: at which line does each attack stand now? `--only`: so many folds.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import Row, shown
from benchmarks.haystack import Haystack, Ranks, opened, parser
from vizsla.baseline import BaselineStore
from vizsla.hunt import learn, update
from vizsla.ingest import ingest
from vizsla.lake import Lake

NAME = "guard"
HOW = {"guarded": False, "all learnt": True}


def folds_done(stack: Haystack, only: int | None) -> list[str]:
    """Each fold three times: before, guarded, all learnt; returns what updates said was withheld."""
    told = []
    for fold in stack.built("clean")[:only]:
        with tempfile.TemporaryDirectory(prefix="vizsla-guard-") as scratch:
            home = Path(scratch) / "lake"
            shutil.copytree(stack.lake("clean", fold, "baseline").root / "events", home / "events")
            shutil.copy(stack.lake("clean", fold, "baseline").root / "vizsla.json", home / "vizsla.json")
            lake, hunted = Lake.open(home), stack.lake("clean", fold, "hunt")
            learn([], lake, NAME)
            store = BaselineStore(lake)
            stack.hunt("before the update", fold, hunted, str(store.folder(NAME)))
            ingest([fold / "hunt.jsonl"], lake, workers=1)
            for what, learn_all in HOW.items():
                done = update([], lake, NAME, learn_all=learn_all)
                told += [f"{fold.name}, {what}: {said}" for said in done.says if said.startswith("not learnt")]
                stack.hunt(what, fold, hunted, str(store.folder(NAME)))
                store.rollback(NAME, 1)
    return told


def says(found: Ranks) -> str:
    return f"{found.says()}, {found.reciprocal:.3f}"


def run(argv: Sequence[str] | None = None) -> list[Row]:
    arguments = parser(__doc__)
    arguments.add_argument("--only", type=int)
    chosen = arguments.parse_args(argv)
    with opened(chosen) as stack:
        print("\n".join(folds_done(stack, chosen.only)), flush=True)
        before, guarded, taught = (stack.ranks(what) for what in ("before the update", *HOW))
    ratio = guarded.median / taught.median
    return [
        Row(NAME, f"before the update: median, first, top 10, top 100 of {len(before.lines)}, mean of 1/line",
            says(before)),
        Row(NAME, "the same events again, after a guarded update; beside it, after one that learnt all", says(guarded),
            says(taught), f"{ratio:.2f}", "median below", ratio < 1),
    ]  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(shown(run()))

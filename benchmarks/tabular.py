"""Outlier models on labelled tables: `auto` beside PyOD's detectors and its automatic choice, on the same rows.

    python -m benchmarks tabular [FOLDER] [--sets N] [--keep SCORES] [--only-raw]

FOLDER holds npz files with X and y (ADBench's). Sets of more than 10,000 rows are capped by the row numbers in
`bench/tabular_rows.npz` beside it. Labels are used to measure and for nothing else: models see X, all rows of it, and
score the same rows. Figures are means over sets of means over seeds 1 to 3 (a detector that draws nothing runs once).
Peers run on raw columns, as PyOD's users run them, and z-scored. `--keep`: scores are kept there, and what is there
already is not computed again, so that a run can be interrupted.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.common import Floats, Row, data, shared

SEEDS = (1, 2, 3)
BELOW_MEDIAN = 0.1
ENGINE = "ADEngine"
FOREST = "IForest"
OURS = "auto"
Scored = Callable[[Floats, int], Floats]
Labels = npt.NDArray[np.int64]


def tables(folder: Path) -> Iterator[tuple[str, Floats, Labels]]:
    """Every set: name, X, y; the smallest file first."""
    rows = np.load(shared("bench", "tabular_rows.npz"))
    for path in sorted(folder.glob("*.npz"), key=lambda p: (p.stat().st_size, p.name)):
        with np.load(path, allow_pickle=False) as held:
            x, y = held["X"].astype(np.float64), held["y"].astype(np.int64)
        kept = rows[path.stem] if path.stem in rows.files else np.arange(len(y))
        yield path.stem, x[kept], y[kept]


def auto(x: Floats, seed: int) -> Floats:
    """Ours, as `vizsla outliers` runs it."""
    from vizsla.outlier.model import Model

    table = pa.table({f"f{j}": x[:, j] for j in range(x.shape[1])})
    return Model.fit(table, OURS, seed=seed).score(table)


def engine(x: Floats, seed: int) -> Floats:
    """PyOD's automatic choice."""
    from pyod.utils.ad_engine import ADEngine

    np.random.seed(seed)
    found: Floats = ADEngine().detect(x)["scores_train"]
    return found


def named(name: str) -> Scored:
    """One of PyOD's detectors with its own defaults."""
    import importlib
    import inspect

    kind = getattr(importlib.import_module(f"pyod.models.{name.lower()}"), name)
    seeded = "random_state" in inspect.signature(kind).parameters

    def scored(x: Floats, seed: int) -> Floats:
        found: Floats = (kind(random_state=seed) if seeded else kind()).fit(x).decision_scores_
        return found

    return scored


DRAWING = (FOREST, "MCD", ENGINE, OURS)  # others give the same whatever the seed
SINGLE = (FOREST, "LOF", "KNN", "HBOS", "ECOD", "COPOD", "OCSVM", "MCD", "PCA")


def peers() -> dict[str, Scored]:
    """All peers by name; ADEngine where PyOD has it."""
    found = {name: named(name) for name in SINGLE}
    try:
        import pyod.utils.ad_engine  # noqa: F401
    except ImportError:
        print("this PyOD has no ADEngine (from 3.0 on): left out")
        return found
    return {**found, ENGINE: engine}


def standardised(x: Floats) -> Floats:
    spread = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def auroc(y: Labels, scores: Floats) -> float:
    """The chance that an outlier scores higher than another row, ties by half."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(y, scores))


def precision(y: Labels, scores: Floats) -> float:
    """Average precision."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(y, scores))


class Kept:
    """Scores, computed once."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        if folder:
            folder.mkdir(parents=True, exist_ok=True)

    def scores(self, key: str, compute: Callable[[], Floats]) -> Floats:
        path = self.folder / f"{key}.npy" if self.folder else None
        if path and path.exists():
            found = np.load(path, allow_pickle=False)
        else:
            found = compute()
            if path:
                np.save(path, found)
        # LOF's and MCD's may be infinite; ranks need numbers.
        return np.nan_to_num(np.asarray(found, np.float64), nan=0.0, posinf=1e300, neginf=-1e300)


Figures = dict[str, dict[str, tuple[float, float]]]  # by column and set: AUROC and average precision


def measured(folder: Path, kept: Kept, modes: Sequence[str], most: int) -> tuple[Figures, dict[str, float]]:
    """All figures, and seconds spent by column."""
    figures: Figures = {}
    spent: dict[str, float] = {}
    for count, (name, x, y) in enumerate(tables(folder)):
        if most and count >= most:
            break
        runs = [(mode, who, how) for mode in modes for who, how in peers().items()] + [("ours", OURS, auto)]
        for mode, who, how in runs:
            given = standardised(x) if mode == "z" else x
            column = who if mode == "ours" else f"{mode}.{who}"
            began, found = time.process_time(), []
            for seed in SEEDS if who in DRAWING else SEEDS[:1]:
                key = f"{mode}.{who}.{name}.{seed}"
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    scores = kept.scores(key, lambda how=how, given=given, seed=seed: how(given, seed))  # type: ignore[misc]
                found.append((auroc(y, scores), precision(y, scores)))
            spent[column] = spent.get(column, 0.0) + time.process_time() - began
            roc, ap = np.mean(found, axis=0)
            figures.setdefault(column, {})[name] = (float(roc), float(ap))
        print(f"{name:<16} " + "  ".join(f"{c}: {v[name][0]:.3f} {v[name][1]:.3f}" for c, v in figures.items()
                                        if c in (OURS, f"raw.{FOREST}", f"raw.{ENGINE}")), flush=True)  # fmt: skip
    return figures, spent


def column(figures: Figures, name: str, which: int) -> Floats:
    return np.array([pair[which] for pair in figures[name].values()])


def report(figures: Figures, spent: dict[str, float]) -> list[Row]:
    """A table of means, and what was asked."""
    from scipy.stats import wilcoxon

    print(f"\n| over {len(figures[OURS])} sets | AUROC | average precision | above {FOREST} (AUROC) | processor s |")
    print("|---|---|---|---|---|")
    forest = column(figures, f"raw.{FOREST}", 0)
    order = sorted(figures, key=lambda c: -column(figures, c, 0).mean())
    for name in order:
        roc, ap = column(figures, name, 0), column(figures, name, 1)
        above = f"{int((roc > forest).sum())} of {len(roc)}" if name != f"raw.{FOREST}" else ""
        print(f"| {name} | {roc.mean():.4f} | {ap.mean():.4f} | {above} | {spent.get(name, 0):.0f} |")
    ours = column(figures, OURS, 0), column(figures, OURS, 1)
    p = float(wilcoxon(ours[0], forest).pvalue) if len(forest) > 5 else float("nan")
    p_ap = float(wilcoxon(ours[1], column(figures, f"raw.{FOREST}", 1)).pvalue) if len(forest) > 5 else float("nan")
    median = np.median([column(figures, f"raw.{n}", 0) for n in SINGLE], axis=0)
    short = ours[0] - median
    worst = list(figures[OURS])[int(short.argmin())]
    rows = []
    if f"raw.{ENGINE}" in figures:
        for place, what in enumerate(("mean AUROC", "mean average precision")):
            mine, other = ours[place].mean(), column(figures, f"raw.{ENGINE}", place).mean()
            rows.append(Row("tabular", what, f"{mine:.4f}", f"{ENGINE} {other:.4f}", asked=f"at least {ENGINE}'s",
                            ok=bool(mine >= other)))  # fmt: skip
    rows.append(Row("tabular", f"Wilcoxon of AUROC against {FOREST}", f"p = {p:.4f}", asked="p < 0.05, higher",
                    ok=bool(p < 0.05 and ours[0].mean() > forest.mean())))  # fmt: skip
    rows.append(Row("tabular", "the same of average precision", f"p = {p_ap:.4f}"))
    rows.append(Row("tabular", "least above the median detector", f"{short.min():+.3f} ({worst})",
                    asked=f"at least -{BELOW_MEDIAN}", ok=bool(short.min() >= -BELOW_MEDIAN)))  # fmt: skip
    return rows


def run(arguments: Sequence[str]) -> list[Row]:
    """The rows of the one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks tabular", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=data("tabular"))
    parser.add_argument("--sets", type=int, default=0, help="only so many, the smallest (0: all)")
    parser.add_argument("--keep", type=Path, help="keep scores here, and use those that are there")
    parser.add_argument("--only-raw", action="store_true", help="peers on raw columns only")
    asked = parser.parse_args(list(arguments))
    modes = ("raw",) if asked.only_raw else ("raw", "z")
    figures, spent = measured(asked.folder, Kept(asked.keep), modes, asked.sets)
    if not figures:
        raise SystemExit(f"no npz files in {asked.folder}")
    return report(figures, spent)

"""Anomalies, rules and both: what each analytic is worth, over the haystack's folds (see haystack.py).

    python -m benchmarks together [CAPTURES] [--rules DIR] [--each] [--tool FILE] [--folds DIR] [--work DIR]

Everything on but rules; rules of level medium and above alone; both together.

  --each   also every analytic alone, and everything but it
  --rules  a folder of Sigma rules
  --folds, --work  as haystack.py has them
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import Row, data, exit_code, table
from benchmarks.haystack import Haystack, Ranks, opened, paired, parser
from vizsla import analytics
from vizsla.analytic import Builtin
from vizsla.baseline import BaselineStore
from vizsla.hunt import learn

NAME = "together"
LEVELS = ("medium", "high", "critical")


@dataclass(frozen=True, slots=True)
class Learnt:
    """The baseline of each fold, learnt once with the rules looked for."""

    stack: Haystack
    rules: Path
    folders: dict[str, str]

    @classmethod
    def of(cls, stack: Haystack, rules: Path) -> Learnt:
        found = {}
        for fold in stack.built("clean"):
            lake = stack.lake("clean", fold, "baseline")
            learn([], lake, NAME, rules=[str(rules)])
            found[fold.name] = str(BaselineStore(lake).folder(NAME))
        return cls(stack, rules, found)

    def ranks(self, what: str, names: Sequence[str], *, rules: bool) -> Ranks:
        """Every fold hunted with these analytics."""
        for fold in self.stack.built("clean"):
            hunted, looked_for = self.stack.lake("clean", fold, "hunt"), (str(self.rules),) if rules else ()
            self.stack.hunt(what, fold, hunted, self.folders[fold.name], analytics=tuple(names), rules=looked_for)
        return self.stack.ranks(what)


def strict(rules: Path, into: Path) -> Path:
    """The rules of level medium and above, copied."""
    for file in sorted(rules.rglob("*.yml")):
        text = file.read_text(encoding="utf-8")
        if any(f"\nlevel: {level}" in text for level in LEVELS):
            copy = into / file.relative_to(rules)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    return into


def reported(what: str, found: Ranks, beside: Ranks | None = None) -> Row:
    """A figure that nothing was asked of, beside everything on."""
    if beside is None:
        return Row(NAME, what, found.says())
    mean, low, high = paired(found, beside)
    return Row(NAME, what, found.says(), beside.says(), f"2^{mean:.2f} (2^{low:.2f} to 2^{high:.2f})")


def run(argv: Sequence[str] | None = None) -> list[Row]:
    arguments = parser(__doc__)
    arguments.add_argument("--rules", type=Path, default=data("sigma", "rules"))
    arguments.add_argument("--each", action="store_true")
    chosen = arguments.parse_args(argv)
    with opened(chosen) as stack, tempfile.TemporaryDirectory(prefix="vizsla-together-") as scratch:
        learnt = Learnt.of(stack, strict(chosen.rules, Path(scratch) / "rules"))
        names = [n for n, one in analytics.registry().items() if not (isinstance(one, Builtin) and one.hits)]
        every = learnt.ranks("anomalies", names, rules=False)
        within = every.within(10)
        whole = max(every.lines.values())
        rows = [
            Row(NAME, "everything but rules: median, first, top 10, top 100; the last", f"{every.says()}; {whole}",
                asked="median <= 2, 34 within ten, all within 50",
                ok=every.median <= 2 and within >= 34 and whole <= 50 and not every.never),
        ]  # fmt: skip
        both = learnt.ranks("anomalies and rules", [*names, "sigma"], rules=True)
        rows.append(Row(NAME, "anomalies and rules of medium and above", both.says(), asked="37 within ten",
                        ok=both.within(10) >= 37))  # fmt: skip
        rows.append(reported("rules alone", learnt.ranks("rules", ["sigma"], rules=True), every))
        for name in names if chosen.each else ():
            rows.append(reported(f"{name} alone", learnt.ranks(f"{name} alone", [name], rules=False), every))
            others = [other for other in names if other != name]
            if others:
                rows.append(reported(f"all but {name}", learnt.ranks(f"no {name}", others, rules=False), every))
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    found = run(argv)
    print(table(found))
    return exit_code(found)

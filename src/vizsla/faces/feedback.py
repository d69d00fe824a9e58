"""The Python API of what is said of findings, and of what would be found: `verdict`, `judged`, `validate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from vizsla.faces.python import AnyLake, Progress, open_lake
from vizsla.lake import Lake
from vizsla.nouns import Finding
from vizsla.nouns.verdict import Judgement, Reach, Verdict

if TYPE_CHECKING:
    from vizsla.validate.run import Validation


def verdict(
    finding: str | int | Finding,
    judgement: Judgement,
    lake: AnyLake = None,
    *,
    scope: Reach | None = None,
    where: Sequence[str] = (),
    reason: str = "",
    until: datetime | None = None,
    by: str | None = None,
) -> Verdict:
    """Say what a finding is (its id, its first digits, or its rank in the latest run), and keep that in the lake.

    `scope` None: benign reaches the pattern on these hosts, others the finding alone. `where`: conditions on native
    fields, FIELD=VALUE with * for anything or FIELD~VALUE for the same shape.
    """
    from vizsla.findings import load
    from vizsla.verdicts import VerdictStore
    from vizsla.verdicts.give import verdict_on

    home = open_lake(lake)
    known = finding if isinstance(finding, Finding) else load(home, finding)
    made = verdict_on(known, judgement, reach=scope, where=where, reason=reason, until=until, by=by)
    VerdictStore(home).add(made)
    return made


def judged(lake: Lake, finding: Finding) -> Finding:
    """The finding with the verdicts that stand on it, or on its pattern, by now."""
    from vizsla.verdicts import VerdictStore
    from vizsla.verdicts.earlier import judged as earlier

    kept = [k.verdict for k in VerdictStore(lake).all() if k.state in ("stands", "ended")]
    return replace(finding, judged=earlier(finding, kept))


def validate(
    lake: AnyLake = None,
    *,
    baseline: str = "default",
    techniques: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    rules: Sequence[str | Path] = (),
    top: int = 500,
    seed: str = "1",
    engine: str = "duckdb",
    master: str | None = None,
    progress: Progress | None = None,
) -> Validation:
    """Imitate techniques among a lake's own events, beside it, and say at which rank each imitation would stand.

    `techniques`: as T1003, T1003.001, a tactic or a file's name; all where none is named. `seed` chooses the own
    events that carry the imitations.
    """
    from vizsla.validate.run import validate as run

    return run(
        open_lake(lake), baseline, techniques=tuple(techniques), since=since, until=until,
        rules=tuple(map(str, rules)), top=top, seed=seed, engine=engine, master=master, progress=progress,
    )  # fmt: skip

"""What is known and can be looked for in a hunt: rules and indicators, those named and those that the lake keeps."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

from vizsla.hunt.known import Known
from vizsla.lake import Lake

ROOMS = {"sigma": "rules", "intel": "intel"}  # where a lake keeps it
ADD = {
    "sigma": "known techniques (vizsla rules add DIR keeps Sigma rules for every hunt)",
    "intel": "known indicators (vizsla intel add FILE keeps intelligence)",
}


def knowledge(
    lake: Lake,
    asked: Collection[str],
    folder: Path,
    *,
    rules: Sequence[str] = (),
    intel: Sequence[str] = (),
    kept: bool = True,
) -> list[Known]:
    """Of each analytic asked that needs such knowledge, what there is of it; none where there is none.

    `folder`: for what must lie on disk as long as it is looked for.
    """
    found = []
    if "sigma" in asked:
        found.append(_rules(lake, rules, kept))
    if "intel" in asked:
        found.append(_indicators(lake, intel, kept, folder))
    return [known for known in found if known is not None]


def advice(lake: Lake, asked: Collection[str], known: Sequence[Known]) -> tuple[str, ...]:
    """Which command adds what the lake could keep and does not."""
    there = {one.analytic for one in known}
    said = [
        text
        for name, text in ADD.items()
        if name in asked and name not in there and not (lake.root / ROOMS[name]).is_dir()
    ]
    return (f"Not looked for: {' and '.join(said)}.",) if said else ()


def _rules(lake: Lake, named: Sequence[str], kept: bool) -> Known | None:
    """The rules at these paths, and those that the lake keeps; None where there is none."""
    if not named and not (kept and (lake.root / "rules").is_dir()):
        return None  # nothing need be loaded to know it
    from vizsla.sigma.book import RuleBook
    from vizsla.sigma.cache import load_cached
    from vizsla.sigma.known import SigmaRules

    loaded = RuleBook(lake).load(named) if kept else load_cached(named)
    return SigmaRules(loaded) if loaded.rules or loaded.refused else None


def _indicators(lake: Lake, named: Sequence[str], kept: bool, folder: Path) -> Known | None:
    """The indicators of these files, and those that the lake keeps; None where there is none."""
    if not named and not (kept and (lake.root / "intel").is_dir()):
        return None
    from vizsla.intel.known import of_files, of_lake

    now = datetime.now(UTC)
    return of_files(named, lake if kept else None, folder, now) if named else of_lake(lake, folder, now)

"""What is known and can be looked for in a hunt: rules and indicators, those named and those that the lake keeps."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from vizsla.hunt.known import Known
from vizsla.lake import Lake


def knowledge(
    lake: Lake, asked: Collection[str], *, rules: Sequence[str] = (), intel: Sequence[str] = (), kept: bool = True
) -> list[Known]:
    """Of each analytic asked that needs such knowledge, what there is of it; none where there is none."""
    found: list[Known] = []
    if "sigma" in asked:
        loaded = _rules(lake, rules, kept)
        found += [loaded] if loaded else []
    return found


def _rules(lake: Lake, named: Sequence[str], kept: bool) -> Known | None:
    """The rules at these paths, and those that the lake keeps; None where there is none."""
    if not named and not (kept and (lake.root / "rules").is_dir()):
        return None  # nothing need be loaded to know it
    from vizsla.sigma.book import RuleBook
    from vizsla.sigma.cache import load_cached
    from vizsla.sigma.known import SigmaRules

    loaded = RuleBook(lake).load(named) if kept else load_cached(named)
    return SigmaRules(loaded) if loaded.rules or loaded.refused else None

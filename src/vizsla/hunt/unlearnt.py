"""Which part of a lake is hunted in where nobody said: not what the baseline was learnt from, if it can be told apart.

Many keep quiet days and the days to hunt in in one lake. Held against a baseline, the days that it learnt would only
bury the others: nothing on them is new. So what came after is hunted in, and the run says so; --since or --until
overrule it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vizsla.baseline import Baseline, BaselineStore
from vizsla.lake import Lake, Scan
from vizsla.nouns import HuntRequest


def narrowed(
    request: HuntRequest, lake: Lake, baseline: Baseline | None, scans: Sequence[Scan]
) -> tuple[list[Scan], list[str]]:
    """The scans without what the baseline was learnt from in this very lake, and sentences that say what was done."""
    if baseline is None:
        return list(scans), _offered(request, lake)
    grows = baseline.grows
    if grows is None or request.since or request.until or not _is_of(request.baseline or "", lake):
        return list(scans), []
    name, until = f"baseline {baseline.name}", grows.scope.until
    if until is not None:
        left = [replace(scan, since=until) for scan in scans]
        return left, [f"{name} was learnt from this lake up to {until:%Y-%m-%d %H:%M} UTC: only what came after was "
                      f"hunted in (--since hunts from another time on)"]  # fmt: skip
    fresh: list[Scan] = []
    for scan in scans:
        known = grows.tables.get(scan.table)
        later = scan if known is None else lake.later(scan, known)
        if later is None:  # merged and cleaned away since: it cannot be told apart
            return list(scans), []
        fresh.append(later)
    if not any(scan.rows for scan in fresh):
        return list(scans), [
            f"{name} was learnt from all of these events, so that nothing in them is new to it: hunt in other logs "
            f"(vizsla hunt PATH --baseline {baseline.name}), or learn without those days (vizsla learn --until T)"
        ]
    left = [scan for scan in fresh if scan.files]
    return left, [f"{name} was learnt from this lake: only what the lake got since was hunted in (--since hunts from a "
                  "time on, whether learnt or not)"]  # fmt: skip


def _offered(request: HuntRequest, lake: Lake) -> list[str]:
    """The baselines that a hunt without one could have used."""
    if request.lake is None:
        return []
    names = BaselineStore(lake).names()
    if not names:
        return []
    return [f"this lake has a baseline that was not asked for: {', '.join(names)} (--baseline {names[0]} uses it)"]


def _is_of(baseline: str, lake: Lake) -> bool:
    """Whether a baseline, by its name or its folder, is one of this lake."""
    folder = Path(baseline)
    if not (folder / "meta.json").exists():
        return True  # a name: those are looked up in the lake
    return folder.resolve().is_relative_to(lake.root.resolve())

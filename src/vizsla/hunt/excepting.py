"""What was judged benign is taken out of the episodes it reaches, before they are ranked.

Evidence is taken out, not findings: of an episode that holds more than what was judged, the rest stands and is ranked
by itself. So an exception never hides anything new. It speaks only where its strongest evidence is there: what was
judged together with it is no exception by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from vizsla.analytics.rarity.encode import I64, U64, code_of
from vizsla.engine import Engine
from vizsla.hunt.explain import bare, explain
from vizsla.hunt.rank import Stage
from vizsla.lake import Scan
from vizsla.nouns.verdict import Verdict
from vizsla.triage.assemble import Patterns, anchored
from vizsla.triage.episode import Lit, episodes
from vizsla.triage.observed import is_hit, split
from vizsla.triage.replay import Ranked
from vizsla.triage.shown import token, tokens
from vizsla.verdicts.matching import STRONGER, needs_events, reaches
from vizsla.verdicts.preview import lead_of

LOOKED_AT = 1_000  # episodes whose events are looked at for exceptions of users and fields
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Excepted:
    """What exceptions did: `hidden` findings and, by verdict, how many; `partly`: exceptions that took evidence out of
    an episode that stands, by its number (`window`). `unseen`: episodes that could not be looked into, and stand."""

    hidden: int = 0
    by: tuple[tuple[str, int], ...] = ()
    partly: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    instances: int = 0
    unseen: int = 0


def excepting(
    engine: Engine, scans: Sequence[Scan], stage: Stage, verdicts: Sequence[Verdict]
) -> tuple[Stage, Excepted]:
    """The stage without the evidence that these benign verdicts reach, and what that did."""
    ranked = stage.ranked
    if not verdicts or not len(ranked.lit.at):
        return stage, Excepted()
    known = tokens(ranked)
    taken = np.zeros(len(known), dtype=bool)
    by: dict[str, I64] = {}
    unseen = 0
    for verdict in verdicts:
        windows, missed = _reached(engine, scans, stage, verdict, known)
        unseen += missed
        mask = np.isin(ranked.lit.window, windows) & _covered(ranked, verdict, known)
        by[verdict.id] = np.unique(ranked.lit.window[mask])
        taken |= mask
    if not taken.any():
        return stage, Excepted(unseen=unseen)
    # Where only what is worth nothing is left, nothing is left.
    worth = np.unique(ranked.lit.window[~taken & (ranked.lit.value > 0)])
    touched = np.isin(ranked.lit.window, np.unique(ranked.lit.window[taken]))
    taken |= touched & ~np.isin(ranked.lit.window, worth)
    left = replace(stage, ranked=without(ranked, taken))
    return left, _account(stage, left, by, unseen)


def without(ranked: Ranked, taken: Mask) -> Ranked:
    """The same episodes without some of their evidence; those that had no other are gone."""
    old, keep = ranked.lit, ~taken
    lit = Lit(old.ties, old.at[keep], old.base[keep], old.weight[keep], old.window[keep])
    return replace(ranked, lit=lit, episodes=episodes(lit))


def _reached(engine: Engine, scans: Sequence[Scan], stage: Stage, verdict: Verdict, known: U64) -> tuple[I64, int]:
    """The numbers of the episodes within a verdict's reach, and how many could not be looked into."""
    ranked, lead = stage.ranked, lead_of(verdict.shown)
    if lead is None:
        return np.zeros(0, np.int64), 0
    windows = np.unique(ranked.lit.window[known == np.uint64(token(lead))])
    place = np.searchsorted(ranked.episodes.window, windows)
    if verdict.reach == "finding":
        _, ids = anchored(ranked)
        windows = windows[ids[place] == np.uint64(int(verdict.finding, 16))]
    elif verdict.reach == "pattern+host":
        hosts = np.array([code_of(host) for host in verdict.hosts], dtype=np.uint64)
        windows = windows[np.isin(ranked.episodes.host[place], hosts)]
    if not needs_events(verdict) or not len(windows):
        return windows, 0
    return _looked_into(engine, scans, stage, verdict, windows)


def _looked_into(
    engine: Engine, scans: Sequence[Scan], stage: Stage, verdict: Verdict, windows: I64
) -> tuple[I64, int]:
    """Those of the episodes whose users and fields the verdict is about: their events say."""
    ranked = stage.ranked
    place = np.searchsorted(ranked.episodes.window, windows)
    strongest = place[np.lexsort((place, -ranked.episodes.bits[place]))][:LOOKED_AT]
    every = Patterns(ranked, stage.words)
    singles = {pattern.id: pattern for pattern in map(every.single, strongest.tolist())}
    found = explain(engine, scans, stage, [bare(stage, p) for p in singles.values()], singles)
    chosen = [singles[id].episode for id, finding in found.items() if reaches(verdict, finding)]
    return np.sort(ranked.episodes.window[np.array(chosen, dtype=np.int64)]), len(place) - len(strongest)


def _covered(ranked: Ranked, verdict: Verdict, known: U64) -> Mask:
    """The evidence that a verdict is about, wherever it stands.

    What rarity tells apart by its pattern is the same however strong. Others measure: much more of it is new.
    """
    exact = [token(s) for s in verdict.shown if not split(s.kind) or is_hit(s.kind)]
    covered = np.isin(known, np.array(exact, dtype=np.uint64))
    for shown in verdict.shown:
        if split(shown.kind) and not is_hit(shown.kind):
            covered |= (known == np.uint64(token(shown))) & (ranked.lit.value <= shown.bits + STRONGER)
    return covered


def _account(before: Stage, after: Stage, by: Mapping[str, I64], unseen: int) -> Excepted:
    """Findings that stood before and do not any more: of their pattern, no episode is left. Each counts for the first
    exception that reaches it."""
    old = Patterns(before.ranked, before.words)
    there = after.ranked.episodes.window[after.ranked.episodes.bits > 0]
    spoke = before.ranked.episodes.bits > 0
    numbers = before.ranked.episodes.window
    gone = spoke & ~np.isin(numbers, there)
    key = old.key
    standing = np.unique(key[spoke & ~gone])
    hidden = gone & ~np.isin(key, standing)
    counts: list[tuple[str, int]] = []
    counted = np.zeros(0, dtype=np.uint64)
    for verdict, windows in by.items():
        own = np.setdiff1d(np.unique(key[hidden & np.isin(numbers, windows)]), counted)
        counted = np.union1d(counted, own)
        if len(own):
            counts.append((verdict, len(own)))
    partly: dict[int, tuple[str, ...]] = {}
    for verdict, windows in by.items():
        for window in windows[np.isin(windows, there)].tolist():
            partly[window] = (*partly.get(window, ()), verdict)
    instances = int((gone & ~hidden).sum())
    return Excepted(len(np.unique(key[hidden])), tuple(counts), partly, instances, unseen)

"""What an episode shows, told so that it is known again: the patterns of its evidence, and traits without names.

A pattern is the same on whichever host, by whichever user, at whichever time. Traits say what sort of evidence there
is, in numbers: bits by family, kinds of event, tactics, relevance. Verdicts keep both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from vizsla.analytics.rarity.encode import I64, U64, code_of, mixed
from vizsla.nouns.verdict import Shown
from vizsla.triage import attack
from vizsla.triage.assemble import best
from vizsla.triage.observed import ALIKE
from vizsla.triage.relevance import Relevance
from vizsla.triage.replay import Ranked

MOST = 400  # pieces of evidence that are remembered of one finding
FAMILY, KIND, TACTIC = "family ", "kind ", "tactic "
BITS, RELEVANCE, FAMILIES = "bits", "relevance", "families"
Traits = Mapping[str, float]


def codes(ranked: Ranked, places: I64) -> U64:
    """The pattern of each piece of evidence (`places` in `lit`), apart from its kind."""
    units = ranked.ties.unit[ranked.lit.at[places]]
    scored, columns = ranked.weigher.units, ranked.weigher.columns
    found = np.zeros(len(units), dtype=np.uint64)
    kinds = scored.kind[units]
    for number in np.unique(kinds).tolist():
        own = kinds == number
        known = columns[scored.kinds[number]]
        found[own] = known.get(ALIKE, known["pattern"])[scored.row[units[own]]]
    return found


def tokens(ranked: Ranked) -> U64:
    """One number for kind and pattern of each piece of evidence, in the order of `lit`."""
    every = np.arange(len(ranked.lit.at), dtype=np.int64)
    kinds = ranked.weigher.units.kind[ranked.ties.unit[ranked.lit.at]]
    named = np.array([code_of(kind) for kind in ranked.weigher.units.kinds], dtype=np.uint64)
    return mixed(named[kinds], codes(ranked, every)) if len(every) else np.zeros(0, np.uint64)


def token(shown: Shown) -> int:
    """The same number of what a verdict remembers."""
    pair = (np.array([code_of(shown.kind)], np.uint64), np.array([int(shown.code, 16)], np.uint64))
    return int(mixed(*pair)[0])


def shown_of(ranked: Ranked, episodes: Sequence[int]) -> dict[int, tuple[Shown, ...]]:
    """By episode, its evidence that is worth anything, the strongest first, each pattern once, MOST at most."""
    places, owner = _of(ranked, episodes, np.arange(len(ranked.lit.at), dtype=np.int64))
    worth = ranked.lit.value[places]
    some = worth > 0
    places, owner, worth = places[some], owner[some], worth[some]
    kinds = ranked.weigher.units.kind[ranked.ties.unit[ranked.lit.at[places]]]
    patterns = codes(ranked, places)
    order = np.lexsort((patterns, kinds, -worth, owner))
    found: dict[int, dict[tuple[int, int], Shown]] = {episode: {} for episode in episodes}
    names = ranked.weigher.units.kinds
    for episode, kind, pattern, bits in zip(
        owner[order].tolist(), kinds[order].tolist(), patterns[order].tolist(), worth[order].tolist(), strict=True
    ):
        own = found[episode]
        if len(own) < MOST:
            own.setdefault((kind, pattern), Shown(names[kind], f"{pattern:016x}", bits))
    return {episode: tuple(own.values()) for episode, own in found.items()}


def traits_of(ranked: Ranked, episodes: Sequence[int]) -> dict[int, Traits]:
    """By episode, what sort of evidence counts in it: names of families, kinds and tactics, never of entities."""
    lit, ties, weigher = ranked.lit, ranked.ties, ranked.weigher
    places, owner = _of(ranked, episodes, best(ranked))
    found: dict[int, dict[str, float]] = {episode: defaultdict(float) for episode in episodes}
    for place, episode in zip(places.tolist(), owner.tolist(), strict=True):
        unit = int(ties.unit[lit.at[place]])
        own, bits = found[episode], float(lit.value[place])
        own[BITS] += bits
        own[FAMILIES] += 1.0
        own[RELEVANCE] += float(lit.weight[place])
        own[FAMILY + ties.families[ties.family[lit.at[place]]]] += bits
        own[KIND + weigher.units.kinds[weigher.units.kind[unit]]] = 1.0
        for tactic in _tactics(weigher.of(unit)):
            own[TACTIC + tactic] = 1.0
    return {episode: dict(own) for episode, own in found.items()}


def _of(ranked: Ranked, episodes: Sequence[int], places: I64) -> tuple[I64, I64]:
    """Those of `places` (in `lit`) that are of these episodes, and whose each is."""
    chosen = np.array(sorted(set(episodes)), dtype=np.int64)
    windows = ranked.episodes.window[chosen]
    by = np.argsort(windows)
    at = np.minimum(np.searchsorted(windows[by], ranked.lit.window[places]), max(0, len(chosen) - 1))
    if not len(chosen):
        return places[:0], places[:0]
    own: npt.NDArray[np.bool_] = windows[by][at] == ranked.lit.window[places]
    return places[own], chosen[by][at[own]]


def _tactics(relevance: Relevance) -> Iterable[str]:
    """The tactics that the techniques of a pattern serve first."""
    served = attack.table().tactics
    for line in relevance.lines:
        for technique in line.techniques:
            if technique in served:
                yield served[technique][0]

"""The relevance of scored units, looked up once per distinct pattern."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from vizsla.analytics.rarity.encode import I64, NOTHING
from vizsla.analytics.rarity.fields import profile
from vizsla.analytics.rarity.model import ScoredUnits
from vizsla.analytics.rarity.reference import Columns
from vizsla.analytics.rarity.tally import FIELD
from vizsla.calibration import Floats
from vizsla.triage.episode import UNTOLD
from vizsla.triage.observed import TOLD, is_hit, native
from vizsla.triage.relevance import Patterns, Relevance, relevance, relevances


@dataclass(slots=True)
class Weigher:
    """Callable on places among scored units; remembers what each pattern weighed, for the ledger."""

    units: ScoredUnits
    columns: Mapping[str, Columns]
    words: Mapping[int, str]
    _known: dict[tuple[int, int], Relevance] = field(default_factory=dict)

    def __call__(self, places: I64) -> Floats:
        found = np.zeros(len(places))
        number = self.units.kind[places]
        for kind in np.unique(number).tolist():
            if is_hit(self.units.kinds[kind]):
                continue  # a rule's level and an indicator's confidence say it already
            at = np.flatnonzero(number == kind)
            rows = self.units.row[places[at]]
            columns = self.columns[self.units.kinds[kind]]
            pattern = columns["pattern"][rows]
            distinct, first, inverse = np.unique(pattern, return_index=True, return_inverse=True)
            keys = [(kind, code) for code in distinct.tolist()]
            fresh = [i for i, key in enumerate(keys) if key not in self._known]
            if fresh:
                asked = self._patterns(kind, rows[first[fresh]])
                self._known.update(zip((keys[i] for i in fresh), relevances(asked), strict=True))
            found[at] = np.array([self._known[key].bits for key in keys])[inverse.ravel()]
            if TOLD in columns:
                found[at[columns[TOLD][rows] == 0]] = UNTOLD
        return found

    def _patterns(self, number: int, rows: I64) -> Patterns:
        """The patterns of these rows of one kind."""
        kind = self.units.kinds[number]
        own = profile(native(kind).partition(":")[0])
        actor = np.asarray(self.columns[kind]["actor"], dtype=np.uint64)[rows]
        found = {name: actor for name in own.actor if name not in own.also} if actor.any() else {}
        for name, codes in self.columns[kind].items():
            if name.startswith(FIELD):
                values, shown = np.asarray(codes, dtype=np.uint64)[rows], name[len(FIELD) :]
                if values.any():
                    found[shown] = np.where(values == NOTHING, found[shown], values) if shown in found else values
        return Patterns(native(kind), actor, found, self.words)

    def of(self, place: int) -> Relevance:
        """The relevance of one unit's pattern."""
        number, row = int(self.units.kind[place]), int(self.units.row[place])
        kind = self.units.kinds[number]
        columns = self.columns[kind]
        key = (number, int(columns["pattern"][row]))
        if key not in self._known:
            self._known[key] = relevance(native(kind), self.actor(place), self.shapes(place))
        return self._known[key]

    def actor(self, place: int) -> str:
        """The shape of a unit's acting entity; '' where it has none."""
        columns = self.columns[self.units.kinds[self.units.kind[place]]]
        return self.words.get(int(columns["actor"][self.units.row[place]]), "")

    def shapes(self, place: int) -> dict[str, str]:
        """The shapes of a unit's fields by name; the actor under every name it may have come by."""
        kind = self.units.kinds[self.units.kind[place]]
        row = self.units.row[place]
        own = profile(native(kind).partition(":")[0])
        actor = self.actor(place)
        found = {name: actor for name in own.actor if name not in own.also} if actor else {}
        for name, codes in self.columns[kind].items():
            if name.startswith(FIELD) and codes[row]:
                found[name[len(FIELD) :]] = self.words.get(int(codes[row]), "")
        return found

"""The relevance of scored units, looked up once per distinct pattern."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from vizsla.analytics.rarity.encode import I64
from vizsla.analytics.rarity.fields import profile
from vizsla.analytics.rarity.model import ScoredUnits
from vizsla.analytics.rarity.reference import Columns
from vizsla.analytics.rarity.tally import FIELD
from vizsla.calibration import Floats
from vizsla.triage.observed import native
from vizsla.triage.relevance import Relevance, relevance


@dataclass(slots=True)
class Weigher:
    """Callable on places among scored units; remembers what each pattern weighed, for the ledger."""

    units: ScoredUnits
    columns: Mapping[str, Columns]
    words: Mapping[int, str]
    _known: dict[tuple[int, int], Relevance] = field(default_factory=dict)

    def __call__(self, places: I64) -> Floats:
        return np.fromiter((self.of(int(place)).bits for place in places), dtype=np.float64, count=len(places))

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

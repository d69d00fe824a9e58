"""A hunt without a baseline: the data is held against itself, each part against the others.

With five hosts or more each host is held against the others ('who else does this?'); with fewer, and six hours or
more, each sixth of the time against the other sixths; else the data against all of itself. None of these can see
what was there all along, and none may claim a p-value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from vizsla.analytics.rarity.encode import I64
from vizsla.analytics.rarity.reference import Columns

HOSTS = 5
BLOCKS = 6


@dataclass(frozen=True, slots=True)
class Folds:
    """What is left out together, and how to say so."""

    group: Callable[[Columns], I64]
    says: str
    name: str


def folds(heard: Mapping[str, Columns]) -> Folds:
    """The finest way of holding this data against itself that it allows."""
    hosts = {int(h) for columns in heard.values() for h in np.unique(columns["host"])} - {0}
    if len(hosts) >= HOSTS:
        return Folds(
            lambda units: units["host"].view(np.int64),
            f"no baseline: each of {len(hosts)} hosts was held against the others",
            "folds by host",
        )
    hours = [columns["hour"][columns["hour"] >= 0] for columns in heard.values()]
    known = np.unique(np.concatenate(hours)) if hours else np.zeros(0, dtype=np.int64)
    if len(known) >= BLOCKS:
        edges = known[np.linspace(0, len(known), BLOCKS + 1).astype(int)[1:-1]]
        return Folds(
            lambda units: np.searchsorted(edges, units["hour"], side="right").astype(np.int64),
            f"no baseline: each sixth of the time was held against the other {BLOCKS - 1}",
            "time blocks",
        )
    return Folds(
        lambda units: np.arange(len(units["host"]), dtype=np.int64),
        f"no baseline, {len(hosts)} host{'s' * (len(hosts) != 1)} and {len(known)} hour{'s' * (len(known) != 1)} only: "
        "the data was held against all of itself (in-sample)",
        "in-sample",
    )

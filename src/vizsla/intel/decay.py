"""How indicators age: MISP's polynomial decay, its parameters in decay.yaml.

    score = base * (1 - (t / lifetime) ^ (1 / speed))

t: time since the indicator was last confirmed: the latest of its sightings here, the last time a source saw it, and the
last change that a source made; where none is told, when it was added. Types without a lifetime do not age.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

Floats = npt.NDArray[np.float64]
Micros = npt.NDArray[np.int64]

DAY = 86_400_000_000  # microseconds
_TAG = re.compile(r'([^:="]+:[^:="]+)="?([^:="]+)"?')


@dataclass(frozen=True, slots=True)
class Model:
    """How one group of types ages. `lifetime` in days; `speed` as MISP's decay_speed (delta)."""

    name: str
    lifetime: float
    speed: float
    source: str


@dataclass(frozen=True, slots=True)
class Decay:
    """The parameters: by type its model, and what tags say of confidence."""

    threshold: float
    base: float
    models: dict[str, Model]
    tags: dict[str, tuple[float, dict[str, float]]]


@lru_cache(1)
def parameters() -> Decay:
    """Those of decay.yaml."""
    said: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("decay.yaml").read_text(encoding="utf-8"))
    models = {
        type: Model(name, float(one["lifetime"]), float(one["speed"]), one["source"])
        for name, one in said["models"].items()
        for type in one["types"]
    }
    tags = {
        name: (float(one["weight"]), {str(value): float(number) for value, number in one["values"].items()})
        for name, one in said["tags"].items()
    }
    return Decay(float(said["threshold"]), float(said["base"]), models, tags)


def share(types: Sequence[str], codes: npt.NDArray[np.integer[Any]], gone: Micros) -> Floats:
    """What is left of each indicator's score, 1 to 0: `types[codes]` its type, `gone` microseconds since confirmed.

    Before it was confirmed nothing has aged: 1.
    """
    lifetimes = np.array([_model(type).lifetime * DAY for type in types])
    powers = np.array([1 / _model(type).speed for type in types])
    if not len(types):
        return np.ones(len(codes))
    spent = np.clip(gone, 0, None) / lifetimes[codes]
    return np.asarray(np.clip(1 - spent ** powers[codes], 0, 1))


def score(type: str, base: float, days: float) -> float:
    """The score of one indicator `days` after it was last confirmed."""
    return base * float(share([type], np.zeros(1, np.int64), np.array([round(days * DAY)]))[0])


def lasting(type: str, base: float) -> float | None:
    """After how many days a score falls below the threshold; None: never."""
    model = parameters().models.get(type)
    left = parameters().threshold / base if base > 0 else 1.0
    if model is None:
        return None
    return 0.0 if left >= 1 else float(model.lifetime * (1 - left) ** model.speed)


def confidence_of(tags: Sequence[str]) -> float | None:
    """What tags say of confidence, 0 to 100: the weighted mean of those that say anything; None where none does."""
    total = weights = 0.0
    for tag in tags:
        match = _TAG.fullmatch(tag.strip().lower())
        known = parameters().tags.get(match[1]) if match else None
        if match and known and match[2] in known[1]:
            total, weights = total + known[0] * known[1][match[2]], weights + known[0]
    return total / weights if weights else None


def _model(type: str) -> Model:
    return parameters().models.get(type) or Model("", float("inf"), 1.0, "")

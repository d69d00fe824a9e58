"""Detectors, one file each. To add one, write a frozen dataclass as `detector.py` has it and name it DETECTOR.

`detectors()` lists them, `detector(NAME)` makes one. `pyod:NAME` is any detector of PyOD, where that is installed.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any

from vizsla.errors import UsageError
from vizsla.outlier.detector import Detector, with_parameters

DEFAULT = "auto"
PYOD = "pyod:"


@cache
def detectors() -> dict[str, type[Detector]]:
    """All detectors of this package by name."""
    found: dict[str, type[Detector]] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        kind: type[Detector] = importlib.import_module(f"{__name__}.{module.name}").DETECTOR
        if kind.name in found:
            raise UsageError(f"two detectors are named {kind.name!r}", where=module.name)
        found[kind.name] = kind
    return dict(sorted(found.items()))


def detector(name: str = DEFAULT, **parameters: Any) -> Detector:
    """A detector by its name. Raises UsageError where there is none, or none with such a parameter."""
    if name.startswith(PYOD):
        from vizsla.outlier.detectors._pyod import Pyod

        return Pyod.named(name.removeprefix(PYOD), parameters)
    known = detectors()
    if name not in known:
        raise UsageError(
            f"there is no outlier model {name!r}", fix=f"choose one of: {', '.join(known)}; or {PYOD}NAME of PyOD's"
        )
    return with_parameters(known[name], parameters)

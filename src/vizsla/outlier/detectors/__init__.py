"""Detectors, one file each. To add one, write a frozen dataclass as `detector.py` has it and name it DETECTOR.

`detectors()` lists them, `detector(NAME)` makes one. `pyod:NAME` is any detector of PyOD, where that is installed.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from vizsla.errors import UsageError
from vizsla.outlier.detector import Detector, with_parameters
from vizsla.plugin import Loading

DEFAULT = "auto"
PYOD = "pyod:"


@cache
def _loaded() -> Loading[type[Detector]]:
    loading = Loading[type[Detector]]("detectors", _fault, UsageError)
    loading.modules(__path__, __name__, "DETECTOR")
    return loading


def detectors() -> dict[str, type[Detector]]:
    """All detectors of this package by name."""
    return _loaded().found


def _fault(one: object) -> str:
    return "" if isinstance(one, type) and isinstance(getattr(one, "name", None), str) else "it is no kind of detector"


def detector(name: str = DEFAULT, **parameters: Any) -> Detector:
    """A detector by its name. Raises UsageError where there is none, or none with such a parameter."""
    if name.startswith(PYOD):
        from vizsla.outlier.detectors._pyod import Pyod

        return Pyod.named(name.removeprefix(PYOD), parameters)
    known = detectors()
    why = _loaded().failed.get(f"{__name__}.{name}")
    if why:
        raise UsageError(f"the outlier model {name!r} cannot be used: {why}", fix=f"choose one of: {', '.join(known)}")
    if name not in known:
        raise UsageError(
            f"there is no outlier model {name!r}", fix=f"choose one of: {', '.join(known)}; or {PYOD}NAME of PyOD's"
        )
    return with_parameters(known[name], parameters)

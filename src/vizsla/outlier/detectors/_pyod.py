"""Any detector of PyOD by its name, where PyOD is installed: `pyod:KNN`, `pyod:inne`."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from vizsla.errors import UsageError
from vizsla.outlier.detector import Fitted, Floats

INSTALL = "pip install 'vizsla[pyod]'"


@dataclass(frozen=True, slots=True)
class Pyod:
    """A detector of PyOD. What it would cut off by its `contamination` is not looked at: scores alone are used."""

    name: ClassVar[str] = "pyod"
    doc: ClassVar[str] = "Any detector of PyOD, as pyod:NAME"
    model: str = "IForest"
    given: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def named(cls, name: str, given: dict[str, Any]) -> Pyod:
        """By PyOD's name, in any case. Raises UsageError where it is unknown, lacks a package or a parameter."""
        kind = find(name)
        known = inspect.signature(kind).parameters
        unknown = [key for key in given if key not in known]
        if unknown:
            has = ", ".join(known)
            raise UsageError(f"PyOD's {kind.__name__} has no parameter {unknown[0]!r}", fix=f"its parameters: {has}")
        return cls(kind.__name__, dict(given))

    def fit(self, rows: Floats, seed: int) -> Fitted:
        """The model, by this seed where it takes one."""
        kind = find(self.model)
        given = dict(self.given)
        if "random_state" in inspect.signature(kind).parameters:
            given.setdefault("random_state", seed)
        before = np.random.get_state()  # some of PyOD's detectors draw from the process's own generator
        np.random.seed(seed % 2**32)
        try:
            return _Fitted(kind(**given).fit(rows))
        except (ValueError, TypeError, ArithmeticError, np.linalg.LinAlgError, ImportError) as error:
            raise UsageError(
                f"PyOD's {self.model} cannot be fitted on this: {error}", fix="choose another model, or none: auto"
            ) from error
        finally:
            np.random.set_state(before)


@dataclass(frozen=True, slots=True)
class _Fitted:
    model: Any

    def score(self, rows: Floats) -> Floats:
        """PyOD's decision function: higher is more unusual there, too."""
        found = np.asarray(self.model.decision_function(rows), dtype=np.float64).reshape(-1)
        return np.nan_to_num(found, nan=0.0, posinf=1e300, neginf=-1e300)


def find(name: str) -> type[Any]:
    """PyOD's class of this name, in any case. Raises UsageError."""
    try:
        models = importlib.import_module("pyod.models")
        base: type[Any] = importlib.import_module("pyod.models.base").BaseDetector
    except ImportError as error:
        raise UsageError("PyOD is not installed", where=f"pyod:{name}", fix=INSTALL) from error
    import pkgutil

    names = [found.name for found in pkgutil.iter_modules(models.__path__)]
    wanted = name.lower()
    for module in sorted(names, key=lambda n: (n.replace("_", "") != wanted, n)):
        if module.replace("_", "") != wanted and module != wanted:
            break
        try:
            loaded = importlib.import_module(f"pyod.models.{module}")
        except ImportError as error:
            raise UsageError(
                f"PyOD's {name} lacks a package: {error}", where=f"pyod:{name}", fix="install what it names"
            ) from error
        for kind in vars(loaded).values():
            if inspect.isclass(kind) and issubclass(kind, base) and kind.__name__.lower() == wanted:
                return kind
    raise UsageError(f"PyOD has no detector {name!r}", where=f"pyod:{name}", fix=f"its modules: {', '.join(names)}")

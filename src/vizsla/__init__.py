"""Vizsla: a threat-hunting workbench. Logs in, one ranked list of explained findings out.

    import vizsla

    result = vizsla.hunt("logs/")
    for finding in result.findings:
        print(finding.rank, finding.tier, finding.title)

The functions are loaded when first used, so that importing this package costs nothing.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vizsla.errors import VizslaError
    from vizsla.faces.python import (
        add_intel,
        events,
        hunt,
        indicators,
        ingest,
        learn,
        open_lake,
        outliers,
        query,
        shown,
        stack,
        view,
    )
    from vizsla.findings import found, load, runs
    from vizsla.lake import Lake
    from vizsla.nouns import Budget, Finding, HuntResult, RunReport

__version__ = "0.1.0"

__all__ = [
    "Budget",
    "Finding",
    "HuntResult",
    "Lake",
    "RunReport",
    "VizslaError",
    "add_intel",
    "events",
    "found",
    "hunt",
    "indicators",
    "ingest",
    "learn",
    "load",
    "open_lake",
    "outliers",
    "query",
    "runs",
    "shown",
    "stack",
    "view",
]

_HOME = {
    "Budget": "vizsla.nouns",
    "Finding": "vizsla.nouns",
    "HuntResult": "vizsla.nouns",
    "Lake": "vizsla.lake",
    "RunReport": "vizsla.nouns",
    "VizslaError": "vizsla.errors",
    "found": "vizsla.findings",
    "load": "vizsla.findings",
    "runs": "vizsla.findings",
    **dict.fromkeys(
        (
            "add_intel",
            "events",
            "hunt",
            "indicators",
            "ingest",
            "learn",
            "open_lake",
            "outliers",
            "query",
            "shown",
            "stack",
            "view",
        ),
        "vizsla.faces.python",
    ),
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'vizsla' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """This package, whose functions keep their names.

    `vizsla.hunt` the function and `vizsla/hunt.py` its module share a name (as do `ingest` and `view`). Importing
    a submodule sets it as an attribute of its package, which would take the function's place: here it does not.
    `from vizsla.hunt import …` works as ever.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

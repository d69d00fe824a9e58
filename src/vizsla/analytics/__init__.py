"""Analytics, one file each. To add one, copy `_template.py`; nothing else need be touched."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import entry_points

from vizsla.analytic import Analytic, Builtin
from vizsla.errors import AnalyticError, UsageError

GROUP = "vizsla.analytics"
ASKED = "name, family, unit, doc, needs, learn, find"


@lru_cache(maxsize=1)
def _loaded() -> tuple[dict[str, Analytic | Builtin], dict[str, str]]:
    """Analytics by name, and why others could not be loaded."""
    found: dict[str, Analytic | Builtin] = {}
    failed: dict[str, str] = {}
    places: dict[str, str] = {}

    def take(place: str, analytic: object) -> None:
        if not isinstance(analytic, Analytic | Builtin):
            failed[place] = f"its ANALYTIC has not all that an analytic needs: {ASKED}"
            return
        name = analytic.name
        if not name.isidentifier() or name != name.lower():
            failed[place] = f"its name {name!r} is no identifier in lower case"
            return
        if name in found:
            raise AnalyticError(
                f"two analytics are named {name!r}",
                where=f"{places[name]} and {place}",
                fix="uninstall one of them, or rename it",
            )
        found[name], places[name] = analytic, place

    for module in pkgutil.iter_modules(__path__):
        place = f"{__name__}.{module.name}"
        if module.name.startswith("_"):
            continue
        try:
            analytic = getattr(importlib.import_module(place), "ANALYTIC", None)
        except Exception as error:  # noqa: BLE001  (whatever a plug-in raises is told by failures())
            failed[place] = f"{type(error).__name__}: {error}"
            continue
        if analytic is not None:
            take(place, analytic)
    for point in entry_points(group=GROUP):
        try:
            loaded = point.load()
        except Exception as error:  # noqa: BLE001  (whatever a plug-in raises is told by failures())
            failed[point.value] = f"{type(error).__name__}: {error}"
            continue
        take(point.value, loaded)
    return dict(sorted(found.items())), failed


def registry() -> dict[str, Analytic | Builtin]:
    """All analytics by name: this package's and those of the entry points group `vizsla.analytics`.

    Raises AnalyticError where two have one name.
    """
    return dict(_loaded()[0])


def failures() -> dict[str, str]:
    """Analytics that could not be loaded, and why."""
    return dict(_loaded()[1])


def chosen(names: Sequence[str] = ()) -> dict[str, Analytic | Builtin]:
    """The analytics of these names; all, where none is named. Raises UsageError, naming those that exist."""
    known = registry()
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"there is no analytic {unknown[0]!r}", fix=f"choose one of: {', '.join(known)}")
    return {name: analytic for name, analytic in known.items() if not names or name in names}

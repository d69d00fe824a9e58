"""Analytics, one file each. To add one, copy `_template.py`; nothing else need be touched."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import entry_points

from vizsla.analytic import Analytic, Builtin
from vizsla.errors import AnalyticError, UsageError
from vizsla.plugin import Loading

GROUP = "vizsla.analytics"
ASKED = "name, family, unit, doc, needs, learn, find"


@lru_cache(maxsize=1)
def _loaded() -> Loading[Analytic | Builtin]:
    loading: Loading[Analytic | Builtin] = Loading("analytics", _fault, AnalyticError)
    loading.modules(__path__, __name__, "ANALYTIC")
    loading.points(entry_points(group=GROUP))
    return loading


def _fault(analytic: object) -> str:
    if not isinstance(analytic, Analytic | Builtin):
        return f"its ANALYTIC has not all that an analytic needs: {ASKED}"
    name = analytic.name
    return "" if name.isidentifier() and name == name.lower() else f"its name {name!r} is no identifier in lower case"


def registry() -> dict[str, Analytic | Builtin]:
    """All analytics by name: this package's and those of the entry points group `vizsla.analytics`.

    Raises AnalyticError where two have one name.
    """
    return _loaded().found


def failures() -> dict[str, str]:
    """Analytics that could not be loaded, and why."""
    return dict(_loaded().failed)


def chosen(names: Sequence[str] = ()) -> dict[str, Analytic | Builtin]:
    """The analytics of these names; all, where none is named. Raises UsageError, naming those that exist."""
    known = registry()
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"there is no analytic {unknown[0]!r}", fix=f"choose one of: {', '.join(known)}")
    return {name: analytic for name, analytic in known.items() if not names or name in names}

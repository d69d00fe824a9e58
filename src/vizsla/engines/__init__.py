"""Engines: what computes over the lake. One module each, with a `connect(master)`; found by name, never imported early.

Other packages add their own by an entry point of the group `vizsla.engines` that names such a module.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from vizsla.errors import EngineError

if TYPE_CHECKING:
    from vizsla.engine import Engine

GROUP = "vizsla.engines"


def engines() -> dict[str, str]:
    """The engines by name, and the module that each stands in. Nothing is imported."""
    found = {m.name: f"{__name__}.{m.name}" for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")}
    for entry in entry_points(group=GROUP):
        if found.get(entry.name, entry.value) != entry.value:
            raise EngineError(
                f"two engines are called {entry.name!r}",
                where=f"{found[entry.name]} and {entry.value}",
                fix="uninstall one of the packages that bring them",
            )
        found[entry.name] = entry.value
    return found


def connect(name: str = "duckdb", master: str | None = None) -> Engine:
    """Open an engine by name.

    `master` is Spark's master URL (`local[*]`, `spark://host:port`, `sc://host:port`); DuckDB takes none.
    Raises `EngineError` where the engine is unknown, not installed or not reachable.
    """
    known = engines()
    if name not in known:
        raise EngineError(f"there is no engine {name!r}", fix=f"choose one of: {', '.join(sorted(known))}")
    module = importlib.import_module(known[name])
    engine: Engine = module.connect(master)
    return engine

"""Analytics installed for a test: beside rarity those that it names, whatever else there is."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

import vizsla.analytics as package
from vizsla import plugin

Install = Callable[..., None]


@dataclass
class Point:
    """An entry point: what loading it gives, or raises."""

    loaded: object
    value: str = "test:ANALYTIC"

    def load(self) -> object:
        if isinstance(self.loaded, Exception):
            raise self.loaded
        return self.loaded


@contextmanager
def alone(*names: str) -> Iterator[None]:
    """A time in which, of the analytics that there are, these alone look."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(package, "chosen", lambda _=(): {name: package.registry()[name] for name in names})
        yield


def installing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """A function of analytics or Points: rarity and these are then all the analytics that there are."""

    def install(*found: object) -> None:
        points = [one if isinstance(one, Point) else Point(one) for one in found]
        listed = pkgutil.iter_modules

        def modules(path: Iterable[str]) -> list[pkgutil.ModuleInfo]:
            of_analytics = list(path) == list(package.__path__)
            return [module for module in listed(path) if module.name == "rarity" or not of_analytics]

        monkeypatch.setattr(package, "entry_points", lambda group: points if group == package.GROUP else [])
        monkeypatch.setattr(plugin, "pkgutil", SimpleNamespace(iter_modules=modules))
        package._loaded.cache_clear()

    yield install
    monkeypatch.undo()
    package._loaded.cache_clear()

"""How implementations are found: every module of a package that holds one, and what other packages name as theirs.

One that cannot be imported, or that lacks what is asked of it, is told and stops none of the others.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from typing import Generic, Protocol, TypeVar

from vizsla.errors import VizslaError


class Named(Protocol):
    """What a registry holds is found by its name."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


@dataclass(slots=True)
class Loading(Generic[T]):
    """What was found by name, and by place why others were not taken.

    `many`: what they are called. `fault`: why an object is not one of them, '' where it is. `clash`: raised where two
    have one name.
    """

    many: str
    fault: Callable[[object], str]
    clash: type[VizslaError]
    failed: dict[str, str] = field(default_factory=dict)
    _found: dict[str, T] = field(default_factory=dict)
    _places: dict[str, str] = field(default_factory=dict)

    @property
    def found(self) -> dict[str, T]:
        """All of them, in order of name."""
        return dict(sorted(self._found.items()))

    def take(self, place: str, one: T) -> None:
        """One more, found at `place` (a module, a file, an entry point)."""
        fault = self.fault(one)
        if fault:
            self.failed[place] = fault
            return
        if one.name in self._found:
            raise self.clash(
                f"two {self.many} are named {one.name!r}",
                where=f"{self._places[one.name]} and {place}",
                fix="uninstall one of them, or rename it",
            )
        self._found[one.name], self._places[one.name] = one, place

    def modules(self, path: Iterable[str], package: str, attribute: str) -> None:
        """What the modules of a package hold under `attribute`; those whose name begins with '_' are not asked."""
        for module in pkgutil.iter_modules(path):
            if module.name.startswith("_"):
                continue
            place = f"{package}.{module.name}"
            try:
                one = getattr(importlib.import_module(place), attribute, None)
            except Exception as error:  # noqa: BLE001  (whatever it raises is told by failures())
                self.failed[place] = f"{type(error).__name__}: {error}"
                continue
            if one is not None:
                self.take(place, one)

    def points(self, points: Iterable[EntryPoint]) -> None:
        """What other packages name in their entry points."""
        for point in points:
            try:
                one = point.load()
            except Exception as error:  # noqa: BLE001  (whatever a plug-in raises is told by failures())
                self.failed[point.value] = f"{type(error).__name__}: {error}"
                continue
            self.take(point.value, one)

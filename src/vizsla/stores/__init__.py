"""Live stores, one file each."""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache

from vizsla.errors import StoreError, UsageError
from vizsla.store import Store


@lru_cache(maxsize=1)
def registry() -> dict[str, Store]:
    """Stores by the schemes of their addresses. Their client libraries are loaded when they are used."""
    found: dict[str, Store] = {}
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            store: Store = importlib.import_module(f"{__name__}.{module.name}").STORE
            found.update(dict.fromkeys(store.schemes, store))
    return dict(sorted(found.items()))


def find(scheme: str) -> Store:
    """The store of a scheme. Raises UsageError, naming those that exist."""
    store = registry().get(scheme)
    if store is None:
        raise UsageError(f"no store is addressed by {scheme}://", fix=f"use one of: {', '.join(registry())}")
    return store


def client_library(name: str, package: str) -> object:
    """A store's client library. Raises StoreError, saying how to install it, where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise StoreError(f"the package {package} is not installed", fix="pip install 'vizsla[stores]'") from None

"""What tests of growing logs share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from growing_samples import (
    Joined,
    Quoted,
)
from vizsla import sources
from vizsla.ingest import run as run_module
from vizsla.ingest.store import Store
from vizsla.lake import Lake
from vizsla.reading import Stamped
from vizsla.sources import _template


@pytest.fixture(autouse=True)
def more_sources(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The template and two odd formats, as a third party's package would bring them."""
    points = [
        SimpleNamespace(value=source.name, load=lambda source=source: source)
        for source in (_template.SOURCE, Quoted(), Joined())
    ]
    monkeypatch.setattr(sources, "entry_points", lambda group: points if group == "vizsla.sources" else [])
    sources._loaded.cache_clear()
    yield
    monkeypatch.undo()
    sources._loaded.cache_clear()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake", create=True)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each run handed to the store: what was really read."""
    counts: list[int] = []

    class Counting(Store):
        def __init__(self, lake: Lake) -> None:
            super().__init__(lake)
            counts.append(0)

        def add(self, told: Stamped, shares: object) -> bool:
            counts[-1] += told.events.num_rows
            return super().add(told, shares)  # type: ignore[arg-type]

    monkeypatch.setattr(run_module, "Store", Counting)
    return counts

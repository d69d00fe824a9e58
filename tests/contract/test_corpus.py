"""Inputs that once broke something, found by fuzzing: what must hold of every reading holds of these too."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz import families

from vizsla.source import Batch
from vizsla.sources import registry

FOUND = sorted(path for path in families.corpus().glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}/{path.name}")
@pytest.mark.timeout(60)
def test_what_was_found_breaks_nothing_any_more(path: Path) -> None:
    family, member = path.parent.name, path.name.rpartition("-")[0]
    content = path.read_bytes()
    families.recognised(family, content)
    for one in families.members(family) if member == "sniff" else (member,):
        families.check(one, content)


def test_every_source_is_fuzzed_in_one_family() -> None:
    fuzzed = [name for family in families.FAMILIES for name in families.members(family)]
    assert sorted(fuzzed) == sorted([*registry(), "container", "guess", "mapping"])


@pytest.mark.parametrize("family", families.FAMILIES)
def test_seeds_are_sound(family: str) -> None:
    for member, content in families.seeds(family):
        families.check(member, content)


def test_a_violation_is_seen() -> None:
    import pyarrow as pa

    batch = pa.record_batch({"_time": [None], "_host": ["WEB1"], "_origin": ["other#0"]})
    with pytest.raises(families.Violation):
        families.as_agreed(Batch("x", batch), ["x"])

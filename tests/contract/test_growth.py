"""What every source that reads on in grown logs must keep to: steps of growth give what one reading gives."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vizsla.growing import Follow, Mark
from vizsla.reading import Item, Reached, Refused, Stamped, read_file
from vizsla.source import Growth, Resumable
from vizsla.sources import _template, registry
from vizsla.sources._declared import samples

NOW = datetime(2026, 1, 15, tzinfo=UTC)
HOURS_AGO = time.time() - 7200  # the same year for times that name none
SAMPLES = samples()


def _growth(name: str) -> Growth | None:
    source = registry()[name]
    return source.growth(SAMPLES[name]) if name in SAMPLES and isinstance(source, Resumable) else None


GROWING = [name for name in registry() if _growth(name) is not None]


def test_most_sources_of_lines_read_on() -> None:
    assert {"zeek_tsv", "zeek_json"} <= set(GROWING)
    assert isinstance(_template.SOURCE, Resumable)


def told(path: Path, name: str, content: bytes, follow: Follow | None, *, quiet: bool) -> list[Item]:
    path.write_bytes(content)
    if quiet:
        os.utime(path, (HOURS_AGO, HOURS_AGO))
    return list(read_file(path, NOW, name, follow))


def events(items: list[Item]) -> set[tuple[str, str, str]]:
    """Table, id and origin of all events."""
    return {
        (item.table, row["_id"], row["_origin"])
        for item in items
        if isinstance(item, Stamped)
        for row in item.events.select(["_id", "_origin"]).to_pylist()
    }


def refused(items: list[Item]) -> set[str]:
    return {item.rejected.place for item in items if isinstance(item, Refused)}


@pytest.mark.parametrize("name", GROWING)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_steps_of_growth_give_what_one_reading_gives(name: str, tmp_path: Path, data: st.DataObject) -> None:
    sample, growth = SAMPLES[name], _growth(name)
    assert growth is not None
    sample = sample if sample.endswith(b"\n") else sample + b"\n"
    content = sample + sample[len(growth.prefix) :] * 3
    path = tmp_path / "app.log"
    expected = told(path, name, content, None, quiet=True)
    found: set[tuple[str, str, str]] = set()
    bad: set[str] = set()
    mark: Mark | None = None
    ends = sorted(data.draw(st.lists(st.integers(1, len(content)), max_size=4)))
    for end in [*ends, len(content)]:
        follow = Follow((mark,) if mark is not None else ())
        items = told(path, name, content[:end], follow, quiet=end == len(content))
        found |= events(items)
        bad |= refused(items)
        mark = next((item.mark for item in items if isinstance(item, Reached)), mark)
    assert found == events(expected)
    assert bad == refused(expected)

"""Process creations for benchmarks: as many as asked for, plausible, the same by seed."""

from __future__ import annotations

import pyarrow as pa
import pytest

from vizsla.errors import UsageError
from vizsla.simulate import process_events


@pytest.mark.parametrize("count", [0, 1, 1000, 30_001])
def test_gives_exactly_as_many_as_asked_for(count):
    batches = list(process_events(count, 4))
    assert sum(b.num_rows for b in batches) == count
    assert all(b.num_rows for b in batches)


def test_same_seed_same_events_and_all_fields():
    one, two, other = (pa.Table.from_batches(process_events(30_000, s)) for s in (4, 4, 5))
    assert one.equals(two) and not one.equals(other)
    assert set(one["EventID"].to_pylist()) == {"1"}
    assert sum(one[n].null_count for n in one.column_names) == 0
    assert len(set(zip(one["Computer"].to_pylist(), one["ProcessGuid"].to_pylist(), strict=True))) == 30_000
    assert len(set(one["CommandLine"].to_pylist())) > 5000
    assert {"ParentCommandLine", "IntegrityLevel", "Hashes", "OriginalFileName", "_time", "_host"} <= set(
        one.column_names
    )


def test_a_prefix_of_more_is_what_fewer_give():
    few, many = (pa.Table.from_batches(process_events(n, 6)) for n in (5_000, 12_000))
    assert many.slice(0, 5_000).equals(few)


def test_another_day_brings_other_events_of_the_same_company():
    first, later = (pa.Table.from_batches(process_events(20_000, 6, day=day)) for day in (0, 14))
    begun, begins = (min(table["_time"].to_pylist()) for table in (first, later))
    assert (begins - begun).days in (13, 14)
    assert set(first["_host"].to_pylist()) & set(later["_host"].to_pylist())
    assert not set(first["ProcessGuid"].to_pylist()) & set(later["ProcessGuid"].to_pylist())


def test_a_negative_number_is_refused():
    with pytest.raises(UsageError, match="-1"):
        next(process_events(-1))

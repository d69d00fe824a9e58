"""What the simulator's tests share."""

from __future__ import annotations

import pyarrow as pa

from vizsla.simulate import Company

HOSTS, DAYS, SEED = 8, 5, 3


def gather(company: Company, rows: int = 50_000) -> dict[str, pa.Table]:
    found: dict[str, list[pa.RecordBatch]] = {}
    for table, batch in company.batches(rows):
        assert 0 < batch.num_rows <= rows
        found.setdefault(table, []).append(batch)
    return {table: pa.Table.from_batches(batches).combine_chunks() for table, batches in found.items()}

"""Indicators as a STIX 2.1 bundle, written piece by piece. The same store gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pyarrow as pa

from vizsla.intel.objects import indicator, made_id


def bundle(found: pa.Table) -> Iterator[bytes]:
    """A bundle of indicators (rows of the view) as bytes."""
    name = made_id("bundle", "bundle:" + ",".join(found.column("id").to_pylist()))
    yield b'{"type":"bundle","id":"' + name.encode() + b'","objects":['
    first = True
    for batch in found.to_batches(max_chunksize=4096):
        for row in batch.to_pylist():
            yield (b"\n" if first else b",\n") + orjson.dumps(indicator(row))
            first = False
    yield b"\n]}\n"

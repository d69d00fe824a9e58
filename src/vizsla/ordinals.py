"""The how-manieth of its kind a record is: what tells 500 identical records of a log apart, in all its readings."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import xxhash

REMEMBERED = 500_000  # records per generation among which identical ones are told apart
WIDTH = 16  # bytes of a digest
_SCHEMA = pa.schema(
    [
        pa.field("table", pa.int32()),  # its number in the metadata
        pa.field("older", pa.bool_()),
        pa.field("digest", pa.binary(WIDTH)),
        pa.field("seen", pa.uint32()),
    ]
)


class Seen:
    """Digests, and how often those came that came more than once: of nearly all, a set is enough."""

    __slots__ = ("digests", "often")

    def __init__(self) -> None:
        self.digests: set[bytes] = set()
        self.often: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self.digests)

    def times(self, digest: bytes) -> int:
        """How often a digest was seen."""
        return self.often.get(digest) or int(digest in self.digests)


class Ordinals:
    """The how-manieth of its kind each record is, remembered over at least the last `REMEMBERED` records.

    Generations change after a fixed number of records, wherever batches begin: so ordinals do not depend on batches.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self.remembered = remembered
        self.older, self.newer = Seen(), Seen()
        self.count = 0

    def of(self, digests: Sequence[bytes]) -> dict[int, int]:
        """Ordinals above 0, by position."""
        room = self.remembered - self.count
        if len(digests) <= room:
            return self._of(digests)
        found = self._of(digests[:room])
        for start in range(room, len(digests), self.remembered):
            self.older, self.newer, self.count = self.newer, Seen(), 0
            later = self._of(digests[start : start + self.remembered])
            found.update({start + at: ordinal for at, ordinal in later.items()})
        return found

    def _of(self, digests: Sequence[bytes]) -> dict[int, int]:
        """The same for so few that the generation does not change; only those seen before are looked at one by one."""
        self.count += len(digests)
        newer, older = self.newer, self.older
        odd = newer.digests.intersection(digests) | older.digests.intersection(digests)
        before = {digest: newer.times(digest) or older.times(digest) for digest in odd}
        known = len(newer)
        newer.digests.update(digests)
        if not odd and len(newer) - known == len(digests):
            return {}
        for digest, count in Counter(digests).items():
            if count > 1:
                before.setdefault(digest, 0)
        found = {}
        for at, digest in enumerate(digests):
            if (seen := before.get(digest)) is not None:
                if seen:
                    found[at] = seen
                before[digest] = seen + 1
        newer.often.update((digest, seen) for digest, seen in before.items() if seen > 1)
        return found


def with_ordinal(digest: bytes, ordinal: int) -> bytes:
    """The digest of the `ordinal`th record beyond the first of those that are identical."""
    return xxhash.xxh3_128_digest(digest + ordinal.to_bytes(8, "big"))


def pack_ordinals(tables: Mapping[str, Ordinals]) -> bytes:
    """The ordinals of a log's tables as an Arrow stream: about 17 bytes for each record that is remembered."""
    names = sorted(tables)
    said = [[name, tables[name].remembered, tables[name].count] for name in names]
    schema = _SCHEMA.with_metadata({"tables": json.dumps(said)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        for number, name in enumerate(names):
            for older, seen in ((True, tables[name].older), (False, tables[name].newer)):
                if len(seen):
                    writer.write_batch(_generation(number, older=older, seen=seen, schema=schema))
    return bytes(sink.getvalue())


def _generation(number: int, *, older: bool, seen: Seen, schema: pa.Schema) -> pa.RecordBatch:
    rows = len(seen)
    counts = dict.fromkeys(seen.digests, 1) | seen.often
    digests = pa.Array.from_buffers(pa.binary(WIDTH), rows, [None, pa.py_buffer(b"".join(counts))])
    columns = [
        pa.array(np.full(rows, number, np.int32)),
        pa.array(np.full(rows, older)),
        digests,
        pa.array(np.fromiter(counts.values(), np.uint32, rows)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def unpack_ordinals(packed: bytes) -> dict[str, Ordinals]:
    """The reverse of `pack_ordinals`. Raises ValueError where the bytes are damaged."""
    found: dict[str, Ordinals] = {}
    with pa.ipc.open_stream(pa.py_buffer(packed)) as stream:
        said = json.loads((stream.schema.metadata or {}).get(b"tables", b"[]"))
        for name, remembered, count in said:
            found[name] = Ordinals(int(remembered))
            found[name].count = int(count)
        for batch in stream:
            if not batch.num_rows:
                continue
            ordinals = found[said[batch.column("table")[0].as_py()][0]]
            generation = ordinals.older if batch.column("older")[0].as_py() else ordinals.newer
            pairs = dict(_pairs(batch))
            generation.digests.update(pairs)
            generation.often.update((digest, seen) for digest, seen in pairs.items() if seen > 1)
    return found


def _pairs(batch: pa.RecordBatch) -> Iterator[tuple[bytes, int]]:
    column = batch.column("digest")
    raw = column.buffers()[1].to_pybytes()[column.offset * WIDTH :]
    digests = (raw[at : at + WIDTH] for at in range(0, batch.num_rows * WIDTH, WIDTH))
    return zip(digests, batch.column("seen").to_pylist(), strict=True)

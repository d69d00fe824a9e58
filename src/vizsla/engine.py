"""The contract of an engine: what computes over the lake. Implementations stand in `engines/`.

Relational work is one Ibis expression, the same on every engine. What engines compute differently, and what
is not relational, is a `Mapper`: a function over Arrow batches that the engine applies here or on its workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import pyarrow as pa

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from vizsla.lake import Scan


class Mapper(Protocol):
    """A function over a stream of batches; a frozen dataclass at module level, so that it can be shipped.

    It sees an arbitrary share of the rows in arbitrary batches: what it yields must mean the same whichever
    way they were dealt, once merged by whoever asked for it.
    """

    @property
    def schema(self) -> pa.Schema:
        """Of what it yields; a plain attribute will do."""
        ...

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]: ...


@runtime_checkable
class Engine(Protocol):
    """Computes over the lake. Open with `vizsla.engines.connect(name, master=…)`; use as a context manager."""

    name: str

    def table(self, scan: Scan) -> ir.Table:
        """A table of the lake as an Ibis table, for relational work."""
        ...

    def collect(self, expression: ir.Table) -> pa.Table:
        """The whole result of an Ibis expression; for results known to be small."""
        ...

    def batches(self, expression: ir.Table) -> Iterator[pa.RecordBatch]:
        """The result of an Ibis expression as a stream."""
        ...

    def map(self, scan: Scan, columns: Sequence[str], mapper: Mapper) -> Iterator[pa.RecordBatch]:
        """`mapper` over the named columns of a scan (columns that the table lacks come as nulls).

        String columns may come dictionary-encoded (`pa.dictionary`) or plain: a mapper must take both.
        """
        ...

    def spread(self, items: Sequence[str], mapper: Mapper) -> Iterator[pa.RecordBatch]:
        """`mapper` over items (one string column `item`), dealt over processes or executors, as they finish."""
        ...

    def close(self) -> None: ...
    def __enter__(self) -> Engine: ...
    def __exit__(self, *exc: object) -> None: ...

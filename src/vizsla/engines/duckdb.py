"""DuckDB, in this process: the engine of a laptop."""

from __future__ import annotations

import contextlib
import os
import queue
from collections.abc import Iterator, Sequence
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
import sqlglot as sg

from vizsla.engine import Engine, Mapper
from vizsla.engines import _parquet, _workers
from vizsla.engines._expressions import finish
from vizsla.engines._threads import together
from vizsla.errors import EngineError
from vizsla.lake import Scan
from vizsla.scratch import Scratch

MEMORY = 3 << 30  # bytes that DuckDB may use before it spills to disk, or half of the machine's where that is less

READ = {"union_by_name": True, "hive_partitioning": True, "hive_types_autocast": False}


def connect(master: str | None = None) -> Engine:
    """DuckDB in memory; nothing is kept. `master` must be None: DuckDB has no cluster."""
    if master:
        raise EngineError(f"DuckDB has no cluster to reach at {master!r}", fix="use --engine spark with --master")
    return DuckDB()


class DuckDB:
    """Ibis over DuckDB for relational work; Arrow's own Parquet reader, on threads, for mapping."""

    name = "duckdb"

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
        self._spill = Scratch("duckdb")
        self._ibis: Any = ibis.duckdb.connect(
            threads=self.threads,
            memory_limit=f"{min(MEMORY, _memory() // 2) >> 20}MiB",
            temp_directory=str(self._spill.path),
            autoinstall_known_extensions=False,
        )
        self._ibis.raw_sql("SET TimeZone = 'UTC'")
        self._tables: dict[tuple[str, ...], ir.Table] = {}

    def table(self, scan: Scan) -> ir.Table:
        """The scan's rows, with every column of its schema in its order; columns that older files lack are null."""
        if not scan.files:
            return ibis.memtable(scan.schema.empty_table())
        if scan.files not in self._tables:
            self._tables[scan.files] = self._view(scan)
        return finish(self._tables[scan.files], scan)

    def _view(self, scan: Scan) -> ir.Table:
        """A view of its own for each list of files; not a temporary one, which cursors would not see."""
        name = f"scan_{len(self._tables)}"
        read = sg.exp.func(
            "read_parquet",
            sg.exp.Array(expressions=[sg.exp.Literal.string(_literal(file)) for file in scan.files]),
            *(sg.exp.EQ(this=sg.to_identifier(k), expression=sg.exp.convert(v)) for k, v in READ.items()),
        )
        view = sg.exp.Create(this=sg.to_identifier(name), kind="VIEW", expression=sg.select("*").from_(read))
        self._ibis.con.execute(view.sql("duckdb"))
        return self._ibis.table(name)

    @property
    def connection(self) -> Any:
        """DuckDB's own connection."""
        return self._ibis.con

    @property
    def files(self) -> list[str]:
        """All files that this engine's tables read."""
        return [file for files in self._tables for file in files]

    def define(self, name: str, content: ir.Table | pa.Table) -> None:
        """Give an expression, or a small table, a name for SQL."""
        if isinstance(content, pa.Table):
            self._ibis.con.from_arrow(content).create(name)
            return
        quoted = sg.to_identifier(name, quoted=True).sql("duckdb")
        self._ibis.con.execute(f"CREATE VIEW {quoted} AS {self._ibis.compile(content)}")

    def collect(self, expression: ir.Table) -> pa.Table:
        """The whole result, in Arrow."""
        return pa.Table.from_batches(self.batches(expression), expression.schema().to_pyarrow())

    def batches(self, expression: ir.Table) -> Iterator[pa.RecordBatch]:
        """The result as a stream; nothing is held but a batch.

        On a cursor of its own: a connection refuses other queries while a result is open.
        """
        schema = expression.schema().to_pyarrow()
        cursor = self._ibis.con.cursor()
        try:
            for held in expression.op().find(ops.InMemoryTable):
                cursor.register(held.name, held.data.to_pyarrow(held.schema))
            cursor.execute("SET TimeZone = 'UTC'")
            for batch in cursor.sql(self._ibis.compile(expression)).to_arrow_reader(_parquet.ROWS):
                yield batch.cast(schema)
        finally:
            cursor.close()

    def map(self, scan: Scan, columns: Sequence[str], mapper: Mapper) -> Iterator[pa.RecordBatch]:
        """`mapper` over the scan, on threads; each sees a stream of its own, together every row once."""
        work: queue.SimpleQueue[_parquet.Piece] = queue.SimpleQueue()
        pieces = _parquet.pieces(scan)
        for piece in pieces:
            work.put(piece)
        readers = max(1, min(self.threads, len(pieces)))
        yield from together([iter(mapper(_parquet.read(scan, columns, work))) for _ in range(readers)])

    def spread(self, items: Sequence[str], mapper: Mapper) -> Iterator[pa.RecordBatch]:
        """`mapper` over items, each in one of as many processes as the machine has processors."""
        yield from _workers.spread(items, mapper, self.threads)

    def close(self) -> None:
        """Let go of the connection and of what it had spilled."""
        self._tables.clear()
        self._ibis.disconnect()
        self._spill.close()

    def __enter__(self) -> DuckDB:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _memory() -> int:
    with contextlib.suppress(ValueError, OSError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 2 * MEMORY


def _literal(path: str) -> str:
    """A path as DuckDB's pattern that matches it and nothing else."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)

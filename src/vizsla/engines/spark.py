"""Apache Spark: here (`local[*]`), on a standalone cluster (`spark://…`), or by Spark Connect (`sc://…`)."""

from __future__ import annotations

import importlib
import pickle
import sys
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from vizsla.engine import Engine, Mapper
from vizsla.engines import _parquet
from vizsla.engines._expressions import finish
from vizsla.engines._remote import MapJob, SpreadJob
from vizsla.errors import EngineError
from vizsla.lake import Scan

TASKS = 16  # tasks of a map at least, so that a handful of executors share even one table
ROWS = 20_000  # rows of a task at least: below, starting it costs more than it does
IN_FLIGHT = 2  # waves of tasks that run at a time: the next fills the gaps that the last leaves


def connect(master: str | None = None) -> Engine:
    """Spark by its master URL; `local[*]` where none is given. Raises `EngineError` where it cannot be had."""
    from vizsla.engines import _session

    return Spark(*_session.open_session(master or "local[*]"))


class Spark:
    """Ibis over PySpark for relational work; `mapInArrow` for mapping, to which Vizsla ships itself.

    Executors read the lake's files by the same paths as the driver: on a cluster, a shared folder.
    """

    name = "spark"

    def __init__(self, session: Any, remote: bool, owned: bool) -> None:
        self.session, self.remote, self.owned = session, remote, owned
        self._ibis: Any = ibis.pyspark.connect(session)
        self._tables: dict[tuple[tuple[str, ...], tuple[str, ...]], ir.Table] = {}
        self._folder = ""
        self._prefix = f"vizsla_{uuid.uuid4().hex[:8]}"
        self.parallelism = 8 if remote else max(2, session.sparkContext.defaultParallelism)

    def table(self, scan: Scan) -> ir.Table:
        """The scan's rows, with every column of its schema in its order; columns that older files lack are null."""
        if not scan.files:
            return ibis.memtable(scan.schema.empty_table())
        read = _read(scan)
        key = (scan.files, tuple(read.names))  # a view holds the columns of the schema it was made with
        if key not in self._tables:
            name = f"{self._prefix}_{len(self._tables)}"
            reader = self.session.read.schema(_schema(read))
            root = next((p for p in PurePosixPath(scan.files[0]).parents if "=" not in p.name), None)
            if root is not None and root != PurePosixPath(scan.files[0]).parent:
                reader = reader.option("basePath", str(root))
            reader.parquet(*(_literal(file) for file in scan.files)).createOrReplaceTempView(name)
            self._tables[key] = self._ibis.table(name)
        return finish(self._tables[key], scan)

    def collect(self, expression: ir.Table) -> pa.Table:
        """The whole result, in Arrow."""
        return _fit(self._frame(expression).toArrow(), expression.schema().to_pyarrow())

    def batches(self, expression: ir.Table) -> Iterator[pa.RecordBatch]:
        """The result as a stream, partition by partition; the driver holds two partitions at most."""
        from vizsla.engines import _bootstrap

        schema = expression.schema().to_pyarrow()
        frame = self._frame(expression)
        plain = frame.toDF(*(f"c{place}" for place in range(len(schema))))  # names with dots, mapInArrow cannot resolve
        rows = plain.mapInArrow(_by_value(_bootstrap).packed, _bootstrap.RESULT)
        for row in rows.toLocalIterator(prefetchPartitions=True):
            for batch in pa.ipc.open_stream(bytes(row["body"])):
                named = pa.Table.from_batches([batch]).rename_columns(schema.names)
                yield from _fit(named, schema).to_batches()

    def _frame(self, expression: ir.Table) -> Any:
        self._ibis._run_pre_execute_hooks(expression)  # makes the expression's memory tables known
        return self.session.sql(self._ibis.compile(expression))

    def map(self, scan: Scan, columns: Sequence[str], mapper: Mapper) -> Iterator[pa.RecordBatch]:
        """`mapper` over the scan, on the executors, each of which reads its share of the row groups."""
        shares = _parquet.deal(scan, max(TASKS, 2 * self.parallelism), ROWS)
        job = MapJob(replace(scan, files=()), tuple(columns), mapper)
        if not shares:
            yield from mapper(iter(()))
            return
        yield from self._run(job, shares, len(shares))

    def spread(self, items: Sequence[str], mapper: Mapper) -> Iterator[pa.RecordBatch]:
        """`mapper` over items, one task each, in waves of a few tasks per core so that results stay bounded."""
        yield from self._run(SpreadJob(mapper), list(items), 4 * self.parallelism)

    def _run(self, job: MapJob | SpreadJob, shares: Sequence[object], wave: int) -> Iterator[pa.RecordBatch]:
        body = _pickled(job)
        tag = f"{self._prefix}_{uuid.uuid4().hex[:8]}"
        self._ship()
        pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="spark-wave")
        running: list[Future[pa.Table]] = []
        try:
            for start in range(0, len(shares), wave):
                running.append(pool.submit(self._wave, body, shares[start : start + wave], tag))
                if len(running) >= IN_FLIGHT:
                    yield from _answers(running.pop(0).result())
            while running:
                yield from _answers(running.pop(0).result())
        finally:
            if running:
                self.session.interruptTag(tag)
            pool.shutdown(wait=True, cancel_futures=True)

    def _wave(self, job: bytes, shares: Sequence[object], tag: str) -> pa.Table:
        from vizsla.engines import _bootstrap, _ship

        self.session.addTag(tag)
        call = _by_value(_bootstrap).task(self._folder, _ship.made_for(), job, [pickle.dumps(s) for s in shares])
        numbers = self.session.range(0, len(shares), 1, len(shares))
        return numbers.mapInArrow(call, _bootstrap.RESULT).toArrow()

    def _ship(self) -> None:
        """Send Vizsla to the executors, once a session."""
        if self._folder:
            return
        from vizsla.engines import _ship

        path = _ship.archive()
        if self.remote:
            self.session.addArtifact(f"{path}#{path.stem}", archive=True)
        else:
            self.session.sparkContext.addArchive(f"{path}#{path.stem}")
        self._folder = path.stem

    def close(self) -> None:
        """End the session, where it is ours."""
        if self.owned:
            self.session.stop()

    def __enter__(self) -> Spark:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _answers(rows: pa.Table) -> Iterator[pa.RecordBatch]:
    """The batches within result rows; the first error among them is raised."""
    for kind, body in zip(rows.column("kind").to_pylist(), rows.column("body"), strict=True):
        if kind == "unfit":
            raise EngineError(
                body.as_py().decode(),
                where="a Spark executor",
                fix="give the executors the driver's Python version: set PYSPARK_PYTHON to one that all machines have",
            )
        if kind == "error":
            raise pickle.loads(body.as_py())  # noqa: S301  from our own executors
        yield from pa.ipc.open_stream(body.as_buffer())


def _pickled(job: MapJob | SpreadJob) -> bytes:
    """The job as bytes; a mapper from a module that no executor has (a script, a notebook, a test) goes by value."""
    cloudpickle: Any = importlib.import_module("pyspark.cloudpickle")
    module = sys.modules[type(job.mapper).__module__]
    loose = "." not in module.__name__ and module.__name__ != "__main__"
    if loose:
        cloudpickle.register_pickle_by_value(module)
    try:
        body: bytes = cloudpickle.dumps(job)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise EngineError(
            f"{type(job.mapper).__qualname__} cannot be sent to Spark's executors: {error}",
            fix="make it a frozen dataclass at the top of a module",
        ) from error
    finally:
        if loose:
            cloudpickle.unregister_pickle_by_value(module)
    return body


def _by_value(module: Any) -> Any:
    cloudpickle: Any = importlib.import_module("pyspark.cloudpickle")
    cloudpickle.register_pickle_by_value(module)
    return module


def _read(scan: Scan) -> pa.Schema:
    """The columns to read: those of the scan, and those by which its rows are taken."""
    held = {name.lower() for name in scan.schema.names}
    asked = dict.fromkeys(name for wanted in scan.taken or () for name, _ in wanted if name.lower() not in held)
    return pa.schema([*scan.schema, *(pa.field(name, pa.string()) for name in asked)])


def _schema(schema: pa.Schema) -> Any:
    from pyspark.sql.pandas.types import from_arrow_schema

    plain = [pa.field(f.name, pa.string() if _parquet.is_text(f.type) else f.type) for f in schema]
    return from_arrow_schema(pa.schema(plain))


def _fit(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with the schema's own types (Spark says `large_string` or leaves out time zones here and there)."""
    columns = [table.column(i).cast(field.type) for i, field in enumerate(schema)]
    return pa.Table.from_arrays(columns, schema=schema)


def _literal(path: str) -> str:
    """A path as Hadoop's pattern that matches it and nothing else."""
    return "".join(f"\\{c}" if c in "*?[]{}\\" else c for c in path)

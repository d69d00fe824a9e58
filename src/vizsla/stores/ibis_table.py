"""A table of a database that Ibis reaches (PostgreSQL, DuckDB, SQLite, Snowflake, BigQuery, ClickHouse, …).

    ibis+postgres://HOST/DATABASE?table=events&time=ts&host=computer&as=warehouse_events&mapping=FILE.yaml

`as` names the lake's table; `time` and `host` the columns that say when and where; `mapping`, instead of them, a
mapping file with `reader: arrow`. What else the address says goes to Ibis. With a time column the next run asks for
what is later.
"""  # fmt: skip

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from vizsla import mappings
from vizsla.errors import StoreError, UsageError
from vizsla.secrets import credentials
from vizsla.sources._placing import slug
from vizsla.store import Address, Cursor, Segment

OURS = ("table", "time", "host", "as", "mapping", "schema")
BACKENDS = ("bigquery", "clickhouse", "databricks", "druid", "duckdb", "exasol", "impala", "mssql", "mysql", "oracle",
            "postgres", "risingwave", "snowflake", "sqlite", "trino")  # fmt: skip
FILES = ("duckdb", "sqlite")  # databases that are a file


class IbisTable:
    """Any database that Ibis reaches."""

    schemes = tuple(f"ibis+{name}" for name in BACKENDS)
    doc = "A table of a database that Ibis reaches; with a time column the next run brings what is later"

    def segments(self, address: Address, cursor: Cursor | None) -> Iterator[Segment]:
        """See Store."""
        name = address.options.get("table")
        if not name:
            raise UsageError("the address names no table", where=str(address), fix=f"{address.scheme}://…?table=NAME")
        source, time = _mapping(address, slug(address.options.get("as") or name))
        table = _table(address, name)
        if time and time not in table.columns:
            raise UsageError(f"the table has no column {time!r}", where=str(address),
                             fix=f"its columns are {', '.join(table.columns[:30])}")  # fmt: skip
        import ibis

        if time and cursor and cursor.get("last") is not None:
            table = table.filter(table[time] >= ibis.literal(cursor["last"]).cast(table[time].type()))
        with tempfile.TemporaryDirectory(prefix="vizsla-table-") as folder:
            file = Path(folder) / f"{slug(name)}.arrows"
            rows, last = _spooled(table, file, time)
            kept = {"last": last if last is not None else (cursor or {}).get("last")}
            yield Segment(name, b"", rows, kept, path=str(file) if rows else "", source=source)


def _mapping(address: Address, table: str) -> tuple[str, str]:
    """The mapping as readers take it, and the time column by which the next run goes on ('': none)."""
    time = address.options.get("time", "")
    if file := address.options.get("mapping"):
        text = mappings.text_of(Path(file))
    else:
        hosts = [address.options["host"]] if "host" in address.options else []
        content = {"doc": f"The table {table} of {address.scheme}", "reader": "arrow", "table": table,
                   "time": [time] if time else [], "host": hosts}  # fmt: skip
        text = yaml.safe_dump(content, sort_keys=False)
    made = mappings.parsed(text, file or str(address))
    return f"{mappings.MARK}{made.name}\n{text}", time


def _table(address: Address, name: str) -> Any:
    """The table, as Ibis has it."""
    import ibis
    from ibis.common.exceptions import IbisError

    backend = address.scheme.removeprefix("ibis+")
    held = credentials(address.place)
    options = {key: value for key, value in address.options.items() if key not in OURS}
    try:
        if backend in FILES:
            path = f"{address.host}/{address.path}" if address.host else f"/{address.path}"
            connection = ibis.connect(f"{backend}://{path}" + (f"?{urlencode(options)}" if options else ""))
        else:
            how: dict[str, Any] = dict(options)
            if held.user:
                how |= {"user": held.user, "password": held.password}
            database = {"database": address.path} if address.path else {}
            port = {"port": address.port} if address.port else {}
            connection = getattr(ibis, backend).connect(host=address.host, **port, **database, **how)
        schema = address.options.get("schema")
        return connection.table(name, database=schema) if schema else connection.table(name)
    except ImportError as error:
        raise StoreError(f"Ibis cannot reach {backend} yet: {error}",
                         fix=f"pip install 'ibis-framework[{backend}]'") from None  # fmt: skip
    except (IbisError, OSError, ValueError, RuntimeError) as error:
        raise StoreError(
            f"{backend}: {str(error)[:300]}", where=str(address), fix="check the address and the table's name"
        ) from None
    except Exception as error:  # each driver has errors of its own, which share no root
        if type(error).__module__.partition(".")[0] in ("vizsla", "builtins"):
            raise
        raise StoreError(f"{backend}: {str(error)[:300]}", where=str(address),
                         fix="check the address, the credentials and that it is up") from None  # fmt: skip


def _spooled(table: Any, path: Path, time: str) -> tuple[int, str | None]:
    """The table's rows into an Arrow stream on disk: how many, and the last time as text."""
    rows = 0
    last: Any = None
    batches = table.to_pyarrow_batches(chunk_size=50_000)
    writer = None
    with path.open("wb") as sink:
        for batch in batches:
            if writer is None:
                writer = pa.ipc.new_stream(sink, batch.schema)
            writer.write_batch(batch)
            rows += batch.num_rows
            if time and batch.num_rows:
                latest = pc.max(batch.column(batch.schema.get_field_index(time))).as_py()
                last = latest if last is None or (latest is not None and latest > last) else last
        if writer is not None:
            writer.close()
    return rows, last.isoformat(sep=" ") if isinstance(last, datetime) else last


STORE = IbisTable()

"""Every run's findings, kept in the lake: what was found, by which run, at which rank."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from vizsla.errors import LakeError, UsageError

if TYPE_CHECKING:
    from vizsla.lake import Lake
    from vizsla.nouns import Finding, HuntResult

FORMAT = 1
_ROOM = "findings"
_SCHEMA = pa.schema(
    [
        pa.field("run", pa.string(), nullable=False),  # sorts by time: 20261122T104501-1f2e3d
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("rank", pa.int64(), nullable=False),
        pa.field("tier", pa.string(), nullable=False),
        pa.field("bits", pa.float64(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("json", pa.string(), nullable=False),
    ]
)
_RUNS = pa.schema(
    [
        pa.field("run", pa.string(), nullable=False),
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("findings", pa.int64(), nullable=False),
        pa.field("total", pa.int64(), nullable=False),
        pa.field("baseline", pa.string(), nullable=False),
        pa.field("version", pa.string(), nullable=False),
        pa.field("format", pa.int64(), nullable=False),
    ]
)


def save(lake: Lake, result: HuntResult, *, at: datetime | None = None) -> str:
    """Keep a run's findings; returns the run's id. A run without findings is kept too. `at`: now, unless told.

    Raises LakeError where the lake cannot be written.
    """
    from vizsla.faces.jsonl import line

    moment = at or datetime.now(UTC)
    run = _run_id(moment)
    rows = [
        {
            "run": run,
            "at": moment,
            "id": f.id,
            "rank": f.rank,
            "tier": f.tier,
            "bits": f.bits,
            "title": _storable(f.title),
            "json": line(f).decode(),
        }
        for f in result.findings
    ]
    if rows:
        _append(lake, "found", pa.Table.from_pylist(rows, schema=_SCHEMA))
    account = {
        "run": run,
        "at": moment,
        "findings": len(rows),
        "total": result.cut.total,
        "baseline": result.run.baseline,
        "version": result.run.version,
        "format": FORMAT,
    }
    # The run is written last: one that a crash cut short is not listed, and its findings are not found.
    _append(lake, "runs", pa.Table.from_pylist([account], schema=_RUNS))
    return run


def _append(lake: Lake, name: str, rows: pa.Table) -> None:
    from deltalake import write_deltalake
    from deltalake.exceptions import DeltaError

    place = _place(lake, name)
    fix = "check its permissions and free space"
    held = [folder for folder in (Path(place), Path(place, "_delta_log")) if folder.is_dir()]
    if not all(os.access(folder, os.W_OK) for folder in held or [Path(place).parent]):
        raise LakeError("the lake cannot be written: Permission denied", where=place, fix=fix)
    try:
        write_deltalake(place, rows, mode="append")
    except (DeltaError, OSError) as error:
        raise LakeError(f"the lake cannot be written: {error}", where=place, fix=fix) from error


def runs(lake: Lake) -> pa.Table:
    """All runs, the latest first: run, at, findings (kept), total (before the cut), baseline, version."""
    table = _read(lake, "runs", _RUNS)
    return table.sort_by([("at", "descending"), ("run", "descending")]).drop_columns(["format"])


def load(lake: Lake, id_or_rank: str | int, run: str | None = None) -> Finding:
    """A finding by its id, the first digits of it, or its rank in the run (default: the latest that has it).

    Raises UsageError where there is none, or where the digits fit several.
    """
    from vizsla.faces.jsonl import read

    wanted = str(id_or_rank).strip()
    order = [str(r) for r in runs(lake).column("run").to_pylist()]
    if not order:
        raise UsageError(
            "no hunt has been kept in this lake",
            where=str(lake.root),
            fix="vizsla hunt --lake DIR [PATH…] keeps its findings",
        )
    if run is not None:
        order = [_the_one(run, order, "run", "`vizsla show` lists the runs")]
    rows = _matching(lake, wanted, order)
    if rows is None:
        raise UsageError(
            f"no finding {wanted!r} here",
            where=f"{lake.root}, run {run}" if run else str(lake.root),
            fix="give the id, its first digits, or the rank in the latest run, as `vizsla hunt` shows them",
        )
    return read(cast(str, rows["json"]))


def found(lake: Lake, run: str | None = None) -> pa.Table:
    """The findings of a run (default: the latest): id, rank, tier, bits, title, json; best first."""
    order = [str(r) for r in runs(lake).column("run").to_pylist()]
    if not order:
        return _SCHEMA.empty_table()
    chosen = order[0] if run is None else _the_one(run, order, "run", "`vizsla show` lists the runs")
    return _read(lake, "found", _SCHEMA, [("run", "=", chosen)]).sort_by("rank")


def every(lake: Lake, having: str | None = None) -> Iterator[Finding]:
    """All findings kept, each as the latest run that has it left it; only those in which the text `having` stands."""
    import pyarrow.compute as pc

    from vizsla.faces.jsonl import read

    place = {str(run): n for n, run in enumerate(runs(lake).column("run").to_pylist())}
    table = _read(lake, "found", _SCHEMA, columns=["run", "id", "json"])
    if having is not None and len(table):
        table = table.filter(pc.match_substring(table["json"], having))
    latest: dict[str, tuple[int, str]] = {}
    for row in table.to_pylist():
        if row["run"] in place and place[row["run"]] < latest.get(row["id"], (len(place), ""))[0]:
            latest[row["id"]] = (place[row["run"]], row["json"])
    for _, text in sorted(latest.values()):
        yield read(text)


def _matching(lake: Lake, wanted: str, order: list[str]) -> dict[str, Any] | None:
    """The row that `wanted` means, of the first run in `order` that has it."""
    place = {run: n for n, run in enumerate(order)}
    rows = [r for r in _read(lake, "found", _SCHEMA, columns=["run", "id", "rank"]).to_pylist() if r["run"] in place]
    # A short number is a rank of the latest run first: ids are long, and a rank is what the eye has before it.
    if re.fullmatch(r"\d{1,6}", wanted):
        ranked = [r for r in rows if r["run"] == order[0] and r["rank"] == int(wanted)]
        if ranked:
            return _row(lake, ranked[0])
    fitting = [r for r in rows if wanted and r["id"].startswith(wanted.lower())]
    if not fitting:
        return None
    _the_one(wanted.lower(), sorted({r["id"] for r in fitting}), "finding", "give more digits of the id")
    return _row(lake, min(fitting, key=lambda r: (place[r["run"]], r["rank"])))


def _row(lake: Lake, row: dict[str, Any]) -> dict[str, Any]:
    table = _read(lake, "found", _SCHEMA, [("run", "=", row["run"]), ("id", "=", row["id"])])
    return cast(dict[str, Any], table.slice(0, 1).to_pylist()[0])


def _the_one(wanted: str, known: list[str], what: str, fix: str) -> str:
    if wanted in known:
        return wanted
    fitting = [k for k in known if k.startswith(wanted)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise UsageError(f"there is no {what} {wanted!r}", fix=fix)
    raise UsageError(f"{wanted!r} fits {len(fitting)} {what}s: {', '.join(fitting[:5])}", fix=fix)


def _read(
    lake: Lake,
    name: str,
    schema: pa.Schema,
    filters: list[tuple[str, str, Any]] | None = None,
    columns: list[str] | None = None,
) -> pa.Table:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    place = _place(lake, name)
    try:
        if not DeltaTable.is_deltatable(place):
            return schema.empty_table()
        table = DeltaTable(place).to_pyarrow_table(columns=columns, filters=filters)
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"the findings kept here cannot be read: {error}", where=place, fix="move the folder away and hunt again"
        ) from error
    if "format" in table.column_names and any(f > FORMAT for f in table.column("format").to_pylist()):
        raise LakeError("these findings were kept by a newer Vizsla", where=place, fix="upgrade: pip install -U vizsla")
    return table.select([n for n in schema.names if n in table.column_names])


def _place(lake: Lake, name: str) -> str:
    return str(lake.room(_ROOM) / name)


def _run_id(moment: datetime) -> str:
    import secrets

    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

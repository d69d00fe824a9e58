"""The list of beacons of logs, or of a lake."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from vizsla.analytic import lacking
from vizsla.beacon.contacts import ANY
from vizsla.beacon.listed import beacons
from vizsla.errors import UsageError
from vizsla.lake import Lake

if TYPE_CHECKING:
    import pyarrow as pa

Progress = Callable[[int, int, str], None]


def run(
    paths: Sequence[str] = (),
    lake: str | Path | None = None,
    *,
    host: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    top: int | None = None,
    engine: str = "duckdb",
    master: str | None = None,
    progress: Progress | None = None,
) -> pa.Table:
    """The strongest beacons, a table of `vizsla.beacon.listed.LIST`. Paths are ingested first, into a temporary lake
    where none is named. Raises UsageError where nothing tells of connections."""
    from vizsla.engines import connect
    from vizsla.hunt.scope import scans_of
    from vizsla.ingest import ingest

    with _home(lake) as home, connect(engine, master) as computing:
        if paths:
            ingest(list(paths), home, engine=computing, progress=progress, growing=lake is not None)
        scans = scans_of(home, computing, host=host, since=since, until=until)
        if lacking([ANY], scans):
            raise UsageError(
                "nothing here tells of connections, names or requests",
                where=str(home.root) if lake is not None else ", ".join(paths),
                fix="read logs that do: Zeek's conn, ssl and http, Suricata's, a proxy's, Sysmon's 3 and 22",
            )
        if progress:
            progress(0, 0, "intervals of pairs")
        return beacons(computing, scans, top)


@contextmanager
def _home(lake: str | Path | None) -> Iterator[Lake]:
    if lake is not None:
        yield Lake.open(lake, create=True)
        return
    with tempfile.TemporaryDirectory(prefix="vizsla-") as folder:
        yield Lake.open(Path(folder) / "lake", create=True)

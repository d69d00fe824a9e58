"""Whatever a user names into the lake: files and folders, and live stores by their addresses."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from vizsla.ingest import run
from vizsla.ingest.pull import pull
from vizsla.lake import Lake
from vizsla.nouns import RunReport
from vizsla.store import is_address, parsed


def ingest(
    paths: Sequence[str | os.PathLike[str]], lake: Lake, *, progress: run.Progress | None = None, **how: Any
) -> RunReport:
    """Read files, folders and live stores (`scheme://…`) into the lake; reading them again adds nothing.

    `how` and the errors: see `run.ingest`, and `stores/` for StoreError.
    """
    from vizsla.stores import find

    files = [path for path in paths if not is_address(os.fspath(path))]
    addresses = [parsed(os.fspath(path)) for path in paths if is_address(os.fspath(path))]
    stores = [find(address.scheme) for address in addresses]  # before anything is read
    report = run.ingest(files, lake, progress=progress, **how) if files or not addresses else RunReport()
    for store, address in zip(stores, addresses, strict=True):

        def read(shown: Mapping[str, str], source: str | None) -> RunReport:
            own = {"growing": False, "shown": shown, "source": source or how.get("source")}
            return run.ingest(list(shown), lake, **{**how, **own})

        def told(events: int, name: str = f"{address}") -> None:
            if progress is not None:
                progress(events, 0, name)

        report = _both(report, pull(store, address, lake, read, told))
    return report


def _both(one: RunReport, other: RunReport) -> RunReport:
    """Two accounts as one."""
    one.readings += other.readings
    one.unknown_files += other.unknown_files
    one.rejections |= other.rejections
    one.examples |= other.examples
    one.notes += other.notes
    return one

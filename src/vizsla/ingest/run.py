"""The run of an ingest: files to readers, events to the store, and the report."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.ingest import remote
from vizsla.ingest.accounts import FileAccount
from vizsla.ingest.cut import Cut
from vizsla.ingest.ledger import Ledger
from vizsla.ingest.pool import Again, Pool
from vizsla.ingest.readings import Readings
from vizsla.ingest.store import Share, Store
from vizsla.ingest.task import (
    Broken,
    Done,
    Pieced,
    Reached,
    Refused,
    Resumed,
    Same,
    Stamped,
    Task,
    Told,
    Unknown,
    Whole,
    groups,
    perform,
)
from vizsla.ingest.walk import Found, walk
from vizsla.lake import Lake
from vizsla.lake.folder import LEDGER
from vizsla.mappings import short
from vizsla.nouns import RunReport
from vizsla.nouns.event import ORIGIN

if TYPE_CHECKING:
    from vizsla.engine import Engine

SMALL = 8 << 20  # bytes in all that are read in this process: a worker's start would take longer
GROUP = 32 << 20  # bytes of small files that are read together
SHARES = 6  # groups per worker, at the least, so that none is idle at the end
Progress = Callable[[int, int, str], None]


def ingest(
    paths: Sequence[str | os.PathLike[str]],
    lake: Lake,
    *,
    engine: Engine | None = None,
    source: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    now: datetime | None = None,
    growing: bool = True,
    shown: Mapping[str, str] | None = None,
) -> RunReport:
    """Read files, and folders to their depth, into the lake; reading them again adds nothing.

    A log that has grown, under whatever name and however compressed, is read from where its reading ended. The last
    line of a file that was written to within the last minute waits until it is whole.

    Args:
        paths: files and folders; hidden files and lakes below a folder are left out.
        lake: an open lake, which other processes may read meanwhile.
        engine: reads on its executors where it is a cluster's; None: processes of this machine.
        source: the source to read everything with, by name or as a mapping file (*.yaml); None:
            found by each log's content.
        workers: how many processes read; 0: this one. None: as many as there are processors, or this one where
            the files are small.
        progress: called as `progress(done_bytes, total_bytes, path)`.
        now: the present; times more than two days later are not believed.
        shown: by path, what events say they come from instead, where a file is but a copy.
        growing: False where nothing will be read into this lake later: last lines are taken as they stand.

    Returns the report: `records == stored + known + rejected` for every log. Raises UsageError where a path
    does not exist, SourceError where the source does not, LakeError where the lake cannot be written.
    """
    if source is not None:
        from vizsla import mappings
        from vizsla.sources import find

        source = mappings.given(source, lake)
        find(source)
    run = _Run(lake, walk(paths), source, progress, growing=growing, shown=shown)
    tasks = run.tasks(now or datetime.now(UTC))
    total = sum(file.size for file in run.files.values())
    if engine is not None and engine.name != "duckdb":
        run.take(remote.run(engine, groups(tasks, GROUP)))
    elif workers == 0 or (workers is None and total < SMALL):
        run.take(told for group in groups(tasks, GROUP) for told in perform(group))
    else:
        allowed = workers or os.cpu_count() or 1
        cut = Cut(tasks, total, allowed)
        wanted = max(1, min(allowed, len(cut.tasks) + cut.pieces))
        with Pool(wanted) as pool:
            whole = groups(cut.tasks, min(GROUP, total // (wanted * SHARES)))
            run.take(cut.told(pool.run(chain(cut.groups(), whole))))
        if cut.paths:
            with Pool(min(wanted, len(cut.paths))) as pool:
                run.take(cut.told(pool.run(cut.after())))
    run.end()
    return run.report()


class _Run:
    """What is known of the files while they are read."""

    def __init__(self, lake: Lake, found: Sequence[Found], source: str | None, progress: Progress | None, *,
                 growing: bool, shown: Mapping[str, str] | None) -> None:  # fmt: skip
        self._lake, self._source, self._progress = lake, source, progress
        self._source_name = short(source) if source is not None else None
        self.files = {file.path: FileAccount(file.path, file.size) for file in found if not file.why}
        self._unreadable = [(file.path, file.why) for file in found if file.why]
        self._store = Store(lake)
        self._ledger = Ledger(lake.room(LEDGER), lake.tables(), self._source_name)
        self._growing = growing
        self._shown = shown or {}
        self._readings = Readings(lake.room(LEDGER), lake.tables(), self._source_name)
        self._waiting: dict[str, FileAccount] = {}  # read whole, not yet in the ledger
        self._log_file: dict[str, FileAccount] = {}
        self._total = sum(file.size for file in self.files.values())
        self._done = 0
        self._recalled = 0

    def tasks(self, now: datetime) -> list[Task]:
        """What is to be read: the largest files first, so that no worker is left with a large one at the end."""
        files = sorted(self.files.values(), key=lambda file: -file.size)
        return [
            Task(
                file.path,
                now,
                self._source,
                self._ledger.candidates(file.size),
                file.size,
                self._growing,
                self._readings.marks(file.path) if self._growing else (),
            )
            for file in files
        ]

    def take(self, stream: Iterator[Told | Again]) -> None:
        """Take what the tasks tell, and store it."""
        for told in stream:
            self._take(told)

    def end(self) -> None:
        """All is taken: what waits is stored."""
        self._store.flush()
        self._settle()
        self._lake.tidy()

    def _take(self, told: Told | Again) -> None:
        if isinstance(told, Stamped):
            file = self._of(told.log or told.logs[0][0])
            if self._shown:
                told = replace(told, events=self._renamed(told.events))
            if self._store.add(told, self._shares(told)):
                self._settle()
            self._tell(file.path)
        elif isinstance(told, Refused):
            self._of(told.log).refused(told)
        elif isinstance(told, Unknown):
            self._of(told.log).unrecognised(told)
        elif isinstance(told, Done):
            self._of(told.log).done(told)
        elif isinstance(told, Resumed):
            self._of(told.log).resumed(told, self._readings.find(told.key))
            self._recalled += told.unchanged
        elif isinstance(told, Reached):
            self._of(told.log).reached(told)
        elif isinstance(told, Again):
            self._store.withdraw(self.files[told.path])
            self.files[told.path].again()
        elif not isinstance(told, Pieced):
            self._end(self.files[told.path], told)

    def _renamed(self, events: pa.RecordBatch) -> pa.RecordBatch:
        """The events with the places that are to be shown."""
        origins = events.column(ORIGIN)
        for path, name in self._shown.items():
            origins = pc.replace_substring(origins, path, name, max_replacements=1)
        return events.set_column(events.schema.get_field_index(ORIGIN), ORIGIN, origins)

    def _shares(self, told: Stamped) -> tuple[Share, ...]:
        """Whose rows a batch holds."""
        shares = []
        for name, rows in told.logs or ((told.log, told.events.num_rows),):
            file = self._of(name)
            shares.append((file, file.log(name, told.source), rows))
        return tuple(shares)

    def _end(self, file: FileAccount, told: Same | Broken | Whole) -> None:
        if isinstance(told, Same):
            file.recalled(self._ledger.find(file.size, told.digest))
            self._recalled += 1
        elif isinstance(told, Broken):
            file.broke(told.why)
        else:
            file.ended, file.digest = True, told.digest
            self._waiting[file.path] = file
        self._done += file.size
        self._tell(file.path)

    def _of(self, log: str) -> FileAccount:
        """The file that a log is in: the log's name is the file's path, or begins with it and a '!'."""
        file = self._log_file.get(log)
        if file is None:
            at = len(log)
            while (file := self.files.get(log[:at])) is None:
                at = log.rindex("!", 0, at)
            self._log_file[log] = file
        return file

    def _settle(self) -> None:
        """Put into the ledgers what is stored in whole."""
        settled = [file for file in self._waiting.values() if not file.open]
        if not settled:
            return
        asked = self._source_name or ""
        records = [record for file in settled if (record := file.record(asked)) is not None]
        readings = [reading for file in settled if (reading := file.reading(asked)) is not None]
        if records or readings:
            with self._lake.writing():
                self._ledger.add(records)
                self._readings.add(readings)
        for file in settled:
            file.settled()
            del self._waiting[file.path]

    def _tell(self, path: str) -> None:
        if self._progress is not None:
            self._progress(self._done, self._total, path)

    def report(self) -> RunReport:
        """The run's report, in the order in which the files were found."""
        report = RunReport(unknown_files=list(self._unreadable))
        notes: Counter[str] = Counter()
        for file in self.files.values():
            file.report(report)
            notes.update(file.notes)
        report.notes += [f"{note}: {count:,}" for note, count in sorted(notes.items()) if count]
        if not self.files and not self._unreadable:
            report.notes.append("there was no file to read: hidden files and lakes are left out")
        if self._recalled:
            report.notes.append(f"files known by their content and not read again: {self._recalled:,}")
        return report


__all__ = ["Progress", "ingest"]

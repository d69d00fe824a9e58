"""Every log's account: what was read, stored, known already and refused. It adds up, or it is wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from vizsla.growing import Mark
from vizsla.ingest.ledger import FileRecord, LogRecord
from vizsla.ingest.readings import Counts, LogReading
from vizsla.nouns import Reading, RunReport
from vizsla.reading import Done, Reached, Refused, Resumed, Unknown

REASONS = 20  # different reasons kept per log
OTHER = "other reasons"
EXAMPLES = 3  # places kept per log and reason


@dataclass(slots=True)
class LogAccount:
    """One log: `stored` and `known` fill as its batches are appended."""

    name: str
    source: str = ""
    events: int = 0  # rows that came from it
    stored: int = 0
    earlier: int = 0  # rows stored before its reader died, which the second reading finds known
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[str]] = field(default_factory=dict)
    damaged: str = ""
    tables: set[str] = field(default_factory=set)

    def refuse(self, reason: str, place: str, count: int = 1) -> None:
        """Count refused records under their reason."""
        if reason not in self.reasons and len(self.reasons) >= REASONS:
            reason = OTHER
        self.rejected += count
        self.reasons[reason] += count
        places = self.places.setdefault(reason, [])
        if len(places) < EXAMPLES:
            places.append(place)

    def read_earlier(self, counts: Counts, tables: tuple[str, ...]) -> None:
        """Count what an earlier reading of the log gave."""
        self.events += counts.events
        self.rejected += counts.rejected
        self.reasons.update(dict(counts.reasons))
        self.tables.update(tables)

    def counts(self) -> Counts:
        """What was read so far."""
        return Counts(self.events, self.rejected, tuple(self.reasons.items()))


class FileAccount:
    """A file and the logs in it."""

    def __init__(self, path: str, size: int) -> None:
        self.path, self.size = path, size
        self.logs: dict[str, LogAccount] = {}
        self.unknown: list[tuple[str, str]] = []
        self.notes: Counter[str] = Counter()
        self.digest = ""
        self.open = 0  # batches that are not yet appended
        self.ended = False
        self._earlier: dict[str, int] = {}
        self._mark: Mark | None = None  # how far its log was read
        self._before = Counts()  # what was read before the mark
        self._from = ""  # the key of the mark from which it was read on

    def log(self, name: str, source: str = "") -> LogAccount:
        """The account of a log in this file."""
        account = self.logs.get(name)
        if account is None:
            account = self.logs[name] = LogAccount(name, earlier=self._earlier.get(name, 0))
        account.source = account.source or source
        return account

    def refused(self, told: Refused) -> None:
        self.log(told.log, told.source).refuse(told.rejected.reason, told.rejected.place)

    def unrecognised(self, told: Unknown) -> None:
        self.unknown.append((told.log, told.why))

    def done(self, told: Done) -> None:
        self.log(told.log, told.source)
        self.notes.update(dict(told.notes))

    def again(self) -> None:
        """The file is read once more: what was counted is void, but for what is stored already."""
        self._earlier = {name: log.stored + log.earlier for name, log in self.logs.items()}
        self.logs, self.unknown, self.notes, self.open = {}, [], Counter(), 0
        self._mark, self._from = None, ""

    def resumed(self, told: Resumed, reading: LogReading) -> None:
        """The log is read on from where that reading ended, or there is no more of it."""
        counts = reading.whole if told.unchanged else reading.counts
        self.log(told.log, told.source).read_earlier(counts, reading.tables)
        self._from = told.key

    def reached(self, told: Reached) -> None:
        """Whole records end here; what follows is the log's last line as it stands."""
        self._mark, self._before = told.mark, self.log(told.log, told.mark.source).counts()

    def broke(self, why: str) -> None:
        """Reading stopped. The log that was being read is the last one; without any, the file could not be opened."""
        self.ended = True
        if self.logs:
            next(reversed(self.logs.values())).damaged = why
        else:
            self.unknown.append((self.path, why))

    def recalled(self, record: FileRecord) -> None:
        """The lake holds this file's content already."""
        self.ended = True
        for log in record.logs:
            account = self.log(self.path + log.suffix, log.source)
            account.events, account.rejected = log.records - log.rejected, log.rejected
            account.reasons.update(dict(log.reasons))
        self.unknown = [(self.path + suffix, why) for suffix, why in record.unknown]

    def record(self, source: str) -> FileRecord | None:
        """What the ledger may keep, once the file was read whole and every batch is appended; else None."""
        complete = self.ended and self.digest and not self.open and self.logs
        if not complete or any(log.damaged for log in self.logs.values()):
            return None
        if not all(name.startswith(self.path) for name in self.logs):
            return None
        cut = len(self.path)
        return FileRecord(
            digest=self.digest,
            size=self.size,
            source=source,
            logs=tuple(
                LogRecord(name[cut:], log.source, log.events + log.rejected, log.rejected, tuple(log.reasons.items()))
                for name, log in self.logs.items()
            ),
            tables=tuple(sorted(set().union(*(log.tables for log in self.logs.values())))),
            unknown=tuple((name[cut:], why) for name, why in self.unknown if name.startswith(self.path)),
        )

    def reading(self, asked: str) -> LogReading | None:
        """How far its log was read, once every batch is appended; None where nothing can be read on from it."""
        log = self.logs.get(self.path)
        if self._mark is None or log is None or log.damaged or self.open or not self.ended:
            return None
        replaces = self._from if self._from != self._mark.key else ""
        return LogReading(self._mark, self._before, log.counts(), tuple(sorted(log.tables)), asked, replaces)

    def settled(self) -> None:
        """The ledgers have it: its ordinals need no memory any more."""
        self._mark = None

    def report(self, into: RunReport) -> None:
        """Add this file to the run's report."""
        into.unknown_files += self.unknown
        for log in self.logs.values():
            stored = log.stored + min(log.earlier, log.events - log.stored)
            into.readings.append(
                Reading(
                    path=log.name,
                    source=log.source,
                    records=log.events + log.rejected,
                    stored=stored,
                    known=log.events - stored,
                    rejected=log.rejected,
                    damaged=log.damaged,
                )
            )
            for reason, count in log.reasons.items():
                key = (log.name, reason)
                into.rejections[key] = into.rejections.get(key, 0) + count
                if log.places.get(reason):
                    into.examples[key] = tuple(log.places[reason])

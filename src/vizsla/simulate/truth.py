"""The truth about a simulated intrusion: which records are the intruder's, at which stage, by which technique."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import orjson

from vizsla.errors import UsageError

STAGES = (
    "phishing",
    "execution",
    "discovery",
    "persistence",
    "credential access",
    "command and control",
    "lateral movement",
    "collection",
    "exfiltration",
)


@dataclass(frozen=True, slots=True)
class TruthRecord:
    """One record of the intruder's. `channel` is the Windows channel or the Zeek log; `record_id` the
    EventRecordID (with `computer`, unique within the channel) or Zeek's uid."""

    table: str
    computer: str
    channel: str
    record_id: str
    time: datetime
    stage: str
    technique: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What a record is found by: computer (empty for Zeek), channel and record id, lower case but for the id."""
        windows = self.table.startswith("windows_")
        return (self.computer.lower() if windows else "", self.channel.lower(), self.record_id)


@dataclass(frozen=True, slots=True)
class Truth:
    """All records of an intrusion; empty where it was left out. `events`: events written, per table."""

    records: tuple[TruthRecord, ...]
    events: dict[str, int]

    def by_stage(self) -> dict[str, tuple[TruthRecord, ...]]:
        """The records of each stage, in the order of the stages."""
        found = {s: tuple(r for r in self.records if r.stage == s) for s in STAGES}
        return {stage: records for stage, records in found.items() if records}

    def save(self, path: Path) -> None:
        """One JSON line with the counts, then one a record."""
        lines = [orjson.dumps({"schema": "vizsla.truth/1", "events": self.events})]
        lines += [orjson.dumps(asdict(record)) for record in self.records]
        path.write_bytes(b"\n".join(lines) + b"\n")

    @classmethod
    def load(cls, path: Path) -> Truth:
        """Read what `save` wrote. Raises UsageError where the file is something else."""
        if not path.is_file():
            raise UsageError("no truth file", where=str(path), fix="write one with vizsla.simulate.write or demo")
        head, *lines = path.read_bytes().splitlines() or [b""]
        try:
            first = orjson.loads(head)
        except orjson.JSONDecodeError:
            first = None
        if not isinstance(first, dict) or first.get("schema") != "vizsla.truth/1":
            raise UsageError("not a truth file that this version reads", where=str(path), fix="write it again")
        records = [orjson.loads(line) for line in lines]
        return cls(_records(records), first["events"])


def _records(rows: Iterable[dict[str, str]]) -> tuple[TruthRecord, ...]:
    return tuple(TruthRecord(**{**row, "time": datetime.fromisoformat(row["time"])}) for row in rows)  # type: ignore[arg-type]

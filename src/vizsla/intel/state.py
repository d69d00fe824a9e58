"""What was matched so far, kept beside a lake: `sightings` holds which events were asked for which indicators.

state.json     table by table, up to which version; the sets of indicators; the version of what was found
wanted/        sets of indicators (`wanted.build`)
seen/TABLE/    what runs there were, a file for each pass (`seen.SEEN`)
observed/      events for which observations of STIX patterns hold (`watch.KEPT`)
found/         the sightings, a Delta table
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vizsla.errors import LakeError
from vizsla.intel.columns import digest
from vizsla.intel.seen import SEEN
from vizsla.lake import Lake
from vizsla.lake.lock import WriterLock

FORMAT = 1
ROOM = "sightings"
_PATIENCE = 600.0  # seconds that one matching waits for another


@dataclass(slots=True)
class Done:
    """Of a table: the version up to which all sets were asked, and the files of what was seen."""

    version: int
    sets: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Watching:
    """Of patterns: those that were looked for, in each table up to which version, and the files of observations."""

    known: list[str] = field(default_factory=list)
    tables: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    full: list[str] = field(default_factory=list)  # whose observations are too many to keep


@dataclass(slots=True)
class State:
    """All of it. `found`: the version of the sightings' table that this state knows of; another one: a crash."""

    format: int = FORMAT
    rules: str = ""  # of which columns hold what: where that changes, all is matched again
    store: int = 0  # the version of the indicator store that was asked for last
    sets: list[str] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)  # ids that are to be looked for no more
    found: int = -1
    tables: dict[str, Done] = field(default_factory=dict)
    patterns: Watching = field(default_factory=Watching)


class Room:
    """The lake's room for it."""

    def __init__(self, lake: Lake) -> None:
        self.root = lake.room(ROOM)
        self.lock = WriterLock(self.root / "lock", _PATIENCE)
        self.wanted = self.root / "wanted"

    def load(self) -> State:
        """The state; a new one where there is none, or where columns are read in another way since."""
        path = self.root / "state.json"
        try:
            held: dict[str, Any] = json.loads(path.read_text("utf-8"))
            if held["format"] > FORMAT:
                raise LakeError("sightings were kept by a newer Vizsla", where=str(path), fix="pip install -U vizsla")
            tables = {name: Done(**done) for name, done in held.pop("tables").items()}
            patterns = Watching(**held.pop("patterns", {}))
            state = State(**held, tables=tables, patterns=patterns)
        except FileNotFoundError:
            return State(rules=digest())
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LakeError(
                f"what was matched so far cannot be read: {error}",
                where=str(path),
                fix="remove this file: all is matched again, and no sighting is kept twice",
            ) from error
        if state.rules != digest() or state.format != FORMAT:
            state.rules, state.format, state.tables, state.patterns = digest(), FORMAT, {}, Watching()
        return state

    def save(self, state: State) -> None:
        """Write it in whole or not at all, and remove what it names no longer."""
        path = self.root / "state.json"
        new = path.with_suffix(".new")
        with new.open("w", encoding="utf-8") as out:
            json.dump(asdict(state), out)
            out.flush()
            os.fsync(out.fileno())
        new.replace(path)
        for folder in self.wanted.iterdir() if self.wanted.is_dir() else ():
            if folder.name not in state.sets:
                shutil.rmtree(folder, ignore_errors=True)
        kept = {self.seen(table, name) for table, done in state.tables.items() for name in done.seen}
        for file in (self.root / "seen").glob("*/*.arrow"):
            if file not in kept:
                file.unlink(missing_ok=True)
        for file in (self.root / "observed").glob("*.arrow"):
            if file.stem not in state.patterns.files:
                file.unlink(missing_ok=True)

    def observed(self, name: str) -> Path:
        """A file of events for which observations of patterns hold."""
        return self.root / "observed" / f"{name}.arrow"

    def seen(self, table: str, name: str) -> Path:
        """A file of what was seen in a table."""
        return self.root / "seen" / table / f"{name}.arrow"

    def keep_seen(self, table: str, name: str, parts: Sequence[pa.RecordBatch]) -> None:
        """Write what a pass has seen: all workers' parts of a day and column as one."""
        path = self.seen(table, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        held: dict[tuple[str, str, str], list[np.ndarray]] = {}
        for part in parts:
            for day, column, what, codes in zip(*(part.column(i).to_pylist() for i in range(4)), strict=True):
                held.setdefault((day, column, what), []).append(np.frombuffer(codes, np.uint64))
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, SEEN) as writer:
            for key in sorted(held):
                codes = held[key][0] if len(held[key]) == 1 else np.unique(np.concatenate(held.pop(key)))
                arrays = [*(pa.array([text]) for text in key), pa.array([codes.tobytes()], pa.binary())]
                writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=SEEN))

    def told(self, table: str, names: Sequence[str]) -> Iterator[tuple[str, str, str, np.ndarray]]:
        """What was seen in a table: day, column, what, sorted numbers (mapped, not read)."""
        for name in names:
            path = self.seen(table, name)
            try:
                reader = pa.ipc.open_file(pa.memory_map(str(path)))
                for number in range(reader.num_record_batches):
                    batch = reader.get_batch(number)
                    day, column, what = (batch.column(i)[0].as_py() for i in range(3))
                    yield day, column, what, np.frombuffer(batch.column(3)[0].as_buffer(), np.uint64)
            except (OSError, pa.ArrowInvalid) as error:
                raise LakeError(
                    f"what was seen in a table cannot be read: {error}",
                    where=str(path),
                    fix=f"remove {self.root / 'state.json'}: all is matched again",
                ) from error

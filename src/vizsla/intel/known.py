"""Indicators as knowledge that a hunt looks for (see `hunt.known`): those that the lake keeps, and those of a hunt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytics.rarity.encode import U64
from vizsla.baseline.fired import fired_code
from vizsla.hit import passes
from vizsla.intel.active import looked_for, standing
from vizsla.intel.add import Added, add
from vizsla.intel.match import matchers, prepare
from vizsla.intel.record import Record, records
from vizsla.intel.seek import seek, seek_kept_patterns, seek_patterns
from vizsla.intel.sightings import seen_in
from vizsla.intel.store import Store
from vizsla.intel.wanted import INDICATORS
from vizsla.intel.watch import hits_of
from vizsla.intel.weigh import Voice, hushed, prior, voices
from vizsla.nouns import Unable
from vizsla.triage.known import About

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.hunt.scope import Progress
    from vizsla.lake import Lake, Scan

LEVELS = ((11.0, "critical"), (8.0, "high"), (5.0, "medium"), (2.0, "low"))  # from these bits up
TOLD = 8
_LISTS = ("feeds", "techniques", "malware", "actors", "kill_chain", "tags")
_TEXTS = ("id", "type", "value", "tlp")
_TIMES = ("valid_from", "valid_until", "first_seen", "last_seen")


@dataclass(slots=True)
class Indicators:
    """The indicators of a store, looked for in a hunt's tables.

    lake: the lake hunted in, where the store is its own: then only what is new is looked for, the rest was kept as
    sightings. folder: where indicators are prepared for workers. read: the files that were named for this hunt.
    told: the feeds' records where they are not those of the store's own lake.
    """

    store: Store
    folder: Path
    now: datetime
    lake: Lake | None = None
    read: Added | None = None
    told: Mapping[str, Record] | None = None
    analytic: str = "intel"
    _notes: list[str] = field(default_factory=list)
    _every: tuple[int, pa.Table] | None = None  # of which version of the store

    def hits(self, engine: Engine, scans: Sequence[Scan], progress: Progress | None = None) -> Iterator[pa.RecordBatch]:
        """What they meet in these tables; first single values, then patterns."""
        if self.lake is not None:
            if progress:
                progress(0, 0, "indicators that are new, in events that are new")
            seek(engine, self.lake, self.now)
            patterns = self._wanted(pc.field("type") == "pattern")
            self._unable(seek_kept_patterns(engine, self.lake, patterns, self.now).unable)
            for batch in seen_in(engine, self.lake, scans):
                # What was revoked, silenced or expired since it was met stays a sighting, and is no hit any more.
                live = looked_for(standing(self.store, None, pc.unique(batch.column("by")))).column("id")
                yield batch.filter(pc.is_in(batch.column("by"), pa.array(live.to_pylist(), pa.string())))
        else:
            single = self._wanted(pc.field("type") != "pattern")
            if len(single):
                folder = prepare(single, self.folder)
                yield from passes(engine, scans, matchers([folder], scans), self.analytic, progress)
            patterns = self._wanted(pc.field("type") == "pattern")
            if len(patterns):
                done = seek_patterns(engine, scans, patterns)
                self._unable(done.unable)
                for scan in scans:
                    yield from hits_of(engine, scan, done.hits)

    def _all(self) -> pa.Table:
        """All indicators of the store with what silences them; asked once, while the store stays as it is."""
        version = self.store.version
        if self._every is None or self._every[0] != version:
            self._every = version, standing(self.store, None)
        return self._every[1]

    def _wanted(self, where: pc.Expression | None = None) -> pa.Table:
        """The id, type and value of the indicators to look for, or of those of them that are so."""
        wanted = looked_for(self._all().select([*INDICATORS.names, "state", "silenced_by"])).select(INDICATORS.names)
        return wanted if where is None else wanted.filter(where)

    def _unable(self, unable: Mapping[str, str]) -> None:
        if unable:
            why = "; ".join(sorted(set(unable.values()))[:3])
            self._notes.append(f"STIX patterns that could not be evaluated in full: {len(unable):,} ({why})")

    def silent(self) -> frozenset[str]:
        """None: every indicator speaks for itself."""
        return frozenset()

    def more(self, hits: Path) -> Iterator[pa.RecordBatch]:
        """Nothing follows from hits of indicators."""
        yield from ()

    def about(self, by: Mapping[str, datetime | None]) -> Mapping[str, About]:
        """What is known of these; each as old as it was when it was met last."""
        rows = standing(self.store, None, pa.array(list(by), pa.string()))
        times = pa.array([by[id] for id in rows.column("id").to_pylist()], pa.timestamp("us", tz="UTC"))
        heard = voices(self.store, self.now, self.told)
        worth = prior(rows, heard, times)
        contexts = self._contexts(rows.column("id"))
        priors = zip(worth.column("bits").to_pylist(), worth.column("exempt").to_pylist(), strict=True)
        return {
            str(row["id"]): _about(row, bits, bool(exempt), contexts.get(str(row["id"]), ""), heard)
            for row, (bits, exempt) in zip(rows.to_pylist(), priors, strict=True)
        }

    def _contexts(self, ids: pa.ChunkedArray) -> dict[str, str]:
        """The sentence in which each stood, where a source has one."""
        claims = self.store.claims(pa.array(ids.to_pylist(), pa.string()), columns=["id", "context"])
        pairs = zip(claims.column("id").to_pylist(), claims.column("context").to_pylist(), strict=True)
        return {id: text for id, text in pairs if text}

    def looked(self) -> U64:
        """The codes of all that is looked for."""
        wanted = self._wanted()
        ids = (id for batch in wanted.to_batches(max_chunksize=65_536) for id in batch.column("id").to_pylist())
        return np.fromiter((fired_code(id, "") for id in ids), np.uint64, len(wanted))

    def unable(self) -> Sequence[Unable]:
        """Nothing: what cannot be looked for is told by `notes`."""
        return ()

    def notes(self) -> Sequence[str]:
        """How many indicators were looked for, and what of the files named could not be read."""
        every = self._all()
        said = [f"indicators: {len(every):,} known, less those that are revoked, expired or on a warning or allow list"]
        if self.read is not None:
            silenced = every.filter(pc.is_valid(every.column("silenced_by")))
            if len(silenced):
                first = silenced.slice(0, 1).to_pylist()[0]
                said.append(f"silenced: {len(silenced):,}, such as {first['value']} ({first['silenced_by']})")
            for file in (*self.read.failed, *self.read.unknown)[:TOLD]:
                said.append(f"intelligence not read: {file.path}: {file.why or 'of no known format'}")
            refused = sum(file.refused for file in self.read.read)
            if refused:
                first = next((one for file in self.read.read for one in file.told), None)
                beside = f", such as {first.place}: {first.reason}" if first else ""
                said.append(f"intelligence: {refused:,} entries could not be used{beside}")
        return [*said, *self._notes]


def of_lake(lake: Lake, folder: Path, now: datetime) -> Indicators | None:
    """The indicators that a lake keeps; None where it keeps none."""
    if not (lake.root / "intel").is_dir():
        return None
    store = Store(lake)
    return Indicators(store, folder, now, lake) if store.version else None


def of_files(paths: Sequence[str], kept: Lake | None, folder: Path, now: datetime) -> Indicators:
    """The indicators of files and folders named for one hunt, and with `kept` those of that lake, too.

    They are kept in a lake of their own below `folder`, which goes with the hunt.
    """
    from vizsla.lake import Lake as Home

    home = Home.open(folder / "named", create=True)
    if kept is not None and (kept.root / "intel").is_dir():
        import shutil

        shutil.copytree(kept.root / "intel", home.root / "intel", dirs_exist_ok=True)
    store = Store(home)
    told = records(kept, now) if kept is not None else None
    return Indicators(store, folder, now, read=add(store, paths, now=now), told=told)


def _about(row: Mapping[str, Any], bits: float, exempt: bool, context: str, heard: Mapping[str, Voice]) -> About:
    record: dict[str, object] = {name: row[name] for name in _TEXTS}
    record |= {name: list(row[name] or ()) for name in _LISTS}
    record |= {name: row[name].isoformat().replace("+00:00", "Z") if row[name] else None for name in _TIMES}
    record |= {"confidence": row["confidence"], "score": row["score"], "context": context}
    low = {feed: round(voice, 3) for feed, voice in hushed(row["feeds"] or (), heard).items()}
    record |= {"voices": low} if low else {}
    feeds = ", ".join(
        f"{feed}, whose word counts {low[feed]:.0%} here" if feed in low else feed for feed in (row["feeds"] or [])[:3]
    )
    named = ", ".join((*(row["malware"] or ()), *(row["actors"] or ()))[:3])
    beside = "; ".join(part for part in (f"{row['type']} of {feeds}", named) if part)
    return About(
        id=str(row["id"]),
        version="",
        name=str(row["value"]),
        phrase=f"indicator {row['value']} ({beside})",
        level=next((level for least, level in LEVELS if bits >= least), "informational"),
        prior=bits,
        techniques=tuple(row["techniques"] or ()),
        record=record,
        exempt=exempt,
        by_hosts=True,  # few hosts that met an indicator often are few: a beacon calls home every day
    )

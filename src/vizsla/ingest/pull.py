"""Live stores into the lake: segment by segment, each with a cursor from which the next run goes on."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import orjson

from vizsla.lake import Lake
from vizsla.nouns import Reading, RunReport
from vizsla.store import Address, Cursor, Segment, Store

ROOM = "stores"
AT_ONCE = 8  # segments read together
Ingest = Callable[[Mapping[str, str], str | None], RunReport]  # files with the names to show, source


def pull(
    store: Store, address: Address, lake: Lake, ingest: Ingest, told: Callable[[int], None] | None = None
) -> RunReport:
    """Everything that a store holds from the last cursor on. The account of its files is the store's own.

    `ingest` reads files into the lake, with a source where one is given; `told` is called with the records so far.
    After an interruption, whatever was read and not yet stored is asked for again.
    """
    kept = _cursor_file(lake, address)
    whole = RunReport()
    pulled = 0
    for group, cursor in _groups(store.segments(address, _held(kept))):
        with tempfile.TemporaryDirectory(prefix="vizsla-pull-") as folder:
            files: dict[str | None, dict[str, str]] = {}
            for number, segment in enumerate(group):
                path = segment.path
                if segment.data:
                    path = str(Path(folder) / f"{number}.jsonl")
                    Path(path).write_bytes(segment.data)
                if path:
                    files.setdefault(segment.source or None, {})[path] = _shown(address, segment.name)
            for source, shown in files.items():
                _merge(whole, ingest(shown, source), str(address))
            for segment in group:
                if segment.path:
                    Path(segment.path).unlink()
        pulled = sum(reading.records for reading in whole.readings)
        if told is not None:
            told(pulled)
        if cursor is not None:
            _keep(kept, cursor)
    whole.notes.append(f"{address}: {pulled:,} events pulled")
    return whole


def _shown(address: Address, name: str) -> str:
    """What a segment's events say they come from."""
    return name if "://" in name else f"{address}/{name}"


def _groups(segments: Iterable[Segment]) -> Iterator[tuple[list[Segment], Cursor | None]]:
    """Segments up to a cursor: all of them must be stored before it counts."""
    group: list[Segment] = []
    for segment in segments:
        group.append(segment)
        if segment.cursor is not None:
            yield group, segment.cursor
            group = []
        elif len(group) == AT_ONCE:
            yield group, None
            group = []
    if group:
        yield group, None


def _merge(whole: RunReport, part: RunReport, name: str) -> None:
    """Adds the account of some segments to a store's, which stands as one log per source."""
    for reading in part.readings:
        own = next((r for r in whole.readings if r.source == reading.source), None)
        if own is None:
            own = Reading(name, reading.source)
            whole.readings.append(own)
        own.records += reading.records
        own.stored += reading.stored
        own.known += reading.known
        own.rejected += reading.rejected
        own.damaged = own.damaged or reading.damaged
    for (_, why), count in part.rejections.items():
        whole.rejections[name, why] = whole.rejections.get((name, why), 0) + count
    for (_, why), places in part.examples.items():
        whole.examples.setdefault((name, why), tuple(place.rpartition("/")[2] for place in places))
    if part.unknown_files and not any(path == name for path, _ in whole.unknown_files):
        whole.unknown_files.append((name, "some of its records are of no kind that a source recognises"))
    whole.notes += [note for note in part.notes if note not in whole.notes]


def _cursor_file(lake: Lake, address: Address) -> Path:
    """Where the cursor of an address with its options is kept."""
    said = orjson.dumps([str(address), dict(address.options)], option=orjson.OPT_SORT_KEYS)
    return lake.room(ROOM) / f"{hashlib.sha256(said).hexdigest()[:32]}.json"


def _held(file: Path) -> Cursor | None:
    try:
        cursor: Cursor = orjson.loads(file.read_bytes())["cursor"]
    except (OSError, ValueError, LookupError, TypeError):
        return None  # never pulled, or cut off while it was written: all is read again, and nothing is stored twice
    return cursor


def _keep(file: Path, cursor: Cursor) -> None:
    temporary = file.with_suffix(".new")
    temporary.write_bytes(orjson.dumps({"cursor": cursor}))
    os.replace(temporary, file)  # noqa: PTH105  atomic on every system

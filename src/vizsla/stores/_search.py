"""What Elasticsearch and OpenSearch have in common: a point in time, read in slices side by side, by `search_after`."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from vizsla.errors import StoreError, UsageError
from vizsla.store import Address, Cursor, Segment
from vizsla.stores._lines import json_line

PAGE = 2000  # documents an answer
SEGMENT = 16 << 20  # bytes of a segment
KEPT = "10m"  # how long a point in time lives without being asked
SLICES = 4
OVERLAP = 3_600_000  # milliseconds before the last time seen: what arrives late is found by the next run
TIME = "@timestamp"
OPTIONS = ("query", "time", "since", "until", "slices", "verify")
Document = Mapping[str, Any]
Pages = queue.Queue[tuple[int, "list[Document] | Exception | None"]]  # by slice; None: it is at its end


class Client(Protocol):
    """The calls that the two clients spell differently."""

    def open(self, index: str) -> str:
        """A new point in time."""
        ...

    def search(self, body: dict[str, Any]) -> Mapping[str, Any]:
        """An answer to a search."""
        ...

    def close(self, pit: str) -> None:
        """Forgets a point in time."""
        ...


@dataclass(slots=True)
class Progress:
    """How far a reading has come: by slice the sort values of its last document; when all is read, the last time."""

    pit: str = ""
    slices: dict[str, Any] = field(default_factory=dict)  # by number: sort values, or 'done'
    last: Any = None  # the latest time seen, as the store sorts it (milliseconds)
    since: Any = None  # the time from which this point in time is read

    @classmethod
    def of(cls, cursor: Cursor | None) -> Progress:
        """From a kept cursor; from the beginning where it is none of ours: the lake knows what it has."""
        fields = {name: value for name, value in (cursor or {}).items() if name in cls.__slots__}
        found = cls(**fields)
        return found if isinstance(found.pit, str) and isinstance(found.slices, dict) else cls()

    def cursor(self) -> Cursor:
        return {"pit": self.pit, "slices": dict(self.slices), "last": self.last, "since": self.since}


def filters(address: Address, since: Any) -> list[dict[str, Any]]:
    """The query's parts: the user's own (Lucene's syntax), and the time."""
    named = address.options.get("time", TIME)
    found: list[dict[str, Any]] = []
    if text := address.options.get("query"):
        found.append({"query_string": {"query": text}})
    bounds: dict[str, Any] = {}
    if since is not None:
        bounds |= {"gte": since - OVERLAP, "format": "strict_date_optional_time||epoch_millis"}
    elif start := address.options.get("since"):
        bounds["gte"] = start
    if end := address.options.get("until"):
        bounds["lt"] = end
    if bounds:
        found.append({"range": {named: bounds}})
    return found


def read(client: Client, address: Address, cursor: Cursor | None) -> Iterator[Segment]:
    """All documents of an index pattern, a segment per index."""
    if not address.path:
        raise UsageError("the address names no index", where=str(address), fix=f"{address.scheme}://HOST/INDEX-PATTERN")
    address.known(*OPTIONS)
    count = _slices(address)
    done = Progress.of(cursor)
    whole = bool(done.slices) and all(at == "done" for at in done.slices.values())
    if not done.pit or whole or len(done.slices) != count:
        done = Progress(client.open(address.path), {str(n): None for n in range(count)}, done.last, done.last)
    try:
        yield from _side_by_side(client, address, done, count)
    except Exception as error:
        if not _gone(error):
            raise
        # It lived too long: read again from where its slowest slice began; the lake knows what it has.
        done = Progress(client.open(address.path), {str(n): None for n in range(count)}, done.last, done.since)
        yield from _side_by_side(client, address, done, count)
    with contextlib.suppress(Exception):  # it ends by itself
        client.close(done.pit)


def _slices(address: Address) -> int:
    text = address.options.get("slices", str(SLICES))
    if not text.isdigit() or not 1 <= int(text) <= 64:
        raise UsageError("slices is a number from 1 to 64", where=str(address))
    return int(text)


def _side_by_side(client: Client, address: Address, done: Progress, count: int) -> Iterator[Segment]:
    """The slices' pages as they come, gathered into segments."""
    pages: Pages = queue.Queue(maxsize=count * 2)
    stop = threading.Event()
    todo = [n for n in range(count) if done.slices[str(n)] != "done"]
    workers = [
        threading.Thread(target=_slice, args=(client, address, done.pit, done.since, n, count,
                                              done.slices[str(n)], pages, stop), daemon=True)
        for n in todo
    ]  # fmt: skip
    for worker in workers:
        worker.start()
    held = Held()
    open_slices = len(todo)
    try:
        while open_slices:
            number, page = pages.get()
            if isinstance(page, Exception):
                raise page
            if page is None:
                open_slices -= 1
                done.slices[str(number)] = "done"
                continue
            held.add(page)
            done.slices[str(number)] = page[-1]["sort"]
            done.last = _later(done.last, page)
            if held.size > SEGMENT:
                yield from held.segments(done.cursor())
        yield from held.segments(done.cursor())
    finally:
        stop.set()
        while any(worker.is_alive() for worker in workers):  # one may wait for room to hand on a page
            with contextlib.suppress(queue.Empty):
                pages.get(timeout=0.05)


def failed(product: str, error: Exception, address: Address) -> StoreError:
    """What a client raised, as an error that says what to do."""
    return StoreError(f"{product}: {_reason(error)}", where=str(address),
                      fix="check the address, the credentials (docs/live-stores.md) and that it is up; "
                          "run again: it goes on where it stopped")  # fmt: skip


def _gone(error: Exception) -> bool:
    """Whether an error says that the point in time ended."""
    return getattr(error, "status_code", None) == 404


def _reason(error: Exception) -> str:
    """Why a server refused, in its own words."""
    for held in (getattr(error, "body", None), getattr(error, "info", None)):
        told = held.get("error") if isinstance(held, dict) else None
        if isinstance(told, dict) and told.get("reason"):
            return str(told["reason"])[:300]
    return str(error)[:300]


def _later(last: Any, page: Sequence[Document]) -> Any:
    """The latest time so far. What lies in the future, or has no time, would hide what comes next from the next run."""
    present = time.time() * 1000
    times = [hit["sort"][0] for hit in page if isinstance(hit["sort"][0], int) and hit["sort"][0] <= present]
    return max([*times, *([] if last is None else [last])], default=None)


def _slice(client: Client, address: Address, pit: str, since: Any, number: int, count: int, after: Any, pages: Pages,
           stop: threading.Event) -> None:  # fmt: skip
    """One slice from its last document on, page after page."""
    body: dict[str, Any] = {
        "size": PAGE,
        "pit": {"id": pit, "keep_alive": KEPT},
        "query": {"bool": {"filter": filters(address, since)}},
        "sort": [{address.options.get("time", TIME): {"order": "asc", "missing": "_last", "unmapped_type": "date"}},
                 {"_shard_doc": "asc"}],
        "track_total_hits": False,
    }  # fmt: skip
    if count > 1:
        body["slice"] = {"id": number, "max": count}
    try:
        while not stop.is_set():
            if after is not None:
                body["search_after"] = after
            answer = client.search(body)
            shards = answer.get("_shards", {})
            if shards.get("failed") or answer.get("timed_out"):
                raise StoreError(f"{shards.get('failed', 0)} of {shards.get('total', '?')} shards did not answer",
                                 where=str(address), fix="run again: it goes on where it stopped")  # fmt: skip
            hits = answer["hits"]["hits"]
            if not hits:
                break
            pages.put((number, hits))
            after = hits[-1]["sort"]
        pages.put((number, None))
    except Exception as error:  # noqa: BLE001  handed to the thread that waits, which raises it
        pages.put((number, error))


class Held:
    """Documents gathered by index, as JSON lines."""

    def __init__(self) -> None:
        self.lines: dict[str, list[bytes]] = {}
        self.size = 0

    def add(self, hits: list[Document]) -> None:
        for hit in hits:
            # The store's own id makes every document another, as two alike in one index are.
            record = {**(hit.get("_source") or {}), "elastic_index": hit["_index"], "elastic_id": hit["_id"]}
            line = json_line(record)
            self.lines.setdefault(hit["_index"], []).append(line)
            self.size += len(line)

    def segments(self, cursor: Cursor) -> Iterator[Segment]:
        """One segment per index; the cursor stands on the last alone, so that all are kept before it counts."""
        items = list(self.lines.items())
        for at, (index, lines) in enumerate(items):
            last = at == len(items) - 1
            yield Segment(index, b"\n".join(lines) + b"\n", len(lines), cursor if last else None)
        if not items:
            yield Segment("", b"", 0, cursor)
        self.lines, self.size = {}, 0

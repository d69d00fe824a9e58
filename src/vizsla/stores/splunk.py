"""Splunk, through splunk-sdk's export endpoint: `splunk://HOST:8089/INDEX?query=SPL&since=…&until=…&window=3600`.

Events come in windows of time, oldest first: after each the cursor stands at its end, and the next run goes on there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from vizsla.errors import StoreError, UsageError
from vizsla.secrets import credentials
from vizsla.store import Address, Cursor, Segment
from vizsla.stores import client_library
from vizsla.stores._lines import json_line

WINDOW = 3600  # seconds
LATE = 3600  # seconds before the last run's end that are read again, since events arrive late
OPTIONS = ("query", "since", "until", "window", "verify")
SEGMENT = 16 << 20


class Splunk:
    """Splunk: what a search finds."""

    schemes = ("splunk", "splunk+http")
    doc = "Splunk: an index or a search, exported in windows of time; goes on where it was interrupted"

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now

    def segments(self, address: Address, cursor: Cursor | None) -> Iterator[Segment]:
        """See Store."""
        address.known(*OPTIONS)
        client: Any = client_library("splunklib.client", "splunk-sdk")
        results: Any = client_library("splunklib.results", "splunk-sdk")
        binding: Any = client_library("splunklib.binding", "splunk-sdk")
        search, end, window = _search(address), _until(address, self.now()), _window(address)
        try:
            service = _connected(client, address)
            start = _after(cursor)
            if start is None:
                start = _since(address)
            if start is None:
                start = _first(service, results, search)
            while start is not None and start < end:
                stop = min(start + window, end)
                whole = {"next": stop, "whole": stop >= end}
                yield from _window_segments(_export(service, results, search, start, stop), whole, str(address))
                start = stop
        # What is no XML where the library expects it, as a proxy's page is none, it tells by a SyntaxError.
        except (binding.HTTPError, binding.AuthenticationError, OSError, SyntaxError) as error:
            raise StoreError(f"Splunk: {str(error)[:300]}", where=str(address),
                             fix="check the address, the credentials (docs/live-stores.md) and that it is up; "
                                 "run again: it goes on where it stopped") from None  # fmt: skip


def _after(cursor: Cursor | None) -> float | None:
    """Where a kept cursor says to go on; None where it is none of ours: the lake knows what it has."""
    stands = (cursor or {}).get("next")
    if not isinstance(stands, int | float) or not cursor:
        return None
    return stands - (LATE if cursor.get("whole") else 0)


def _search(address: Address) -> str:
    text = address.options.get("query", "*").strip()
    if text.startswith("|"):
        raise UsageError("a search that begins with a command has no events", where=str(address),
                         fix="query=EventCode=4688, and the index as the path")  # fmt: skip
    index = f"index={address.path} " if address.path else ""
    return f"search {index}{text.removeprefix('search ')}"


def _moment(text: str, where: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no time", where=where, fix="since=2026-05-01T00:00:00Z") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _since(address: Address) -> float | None:
    text = address.options.get("since")
    return _moment(text, str(address)) if text else None


def _until(address: Address, now: float) -> float:
    text = address.options.get("until")
    return _moment(text, str(address)) if text else now


def _window(address: Address) -> int:
    text = address.options.get("window", str(WINDOW))
    if not text.isdigit() or int(text) < 1:
        raise UsageError("window is a number of seconds", where=str(address))
    return int(text)


def _connected(client: Any, address: Address) -> Any:
    held = credentials(address.place)
    scheme = "http" if address.scheme.endswith("+http") else "https"
    how: dict[str, Any] = {"host": address.host, "port": address.port or 8089, "scheme": scheme, "autologin": True}
    how |= {"splunkToken": held.token} if held.token else {"username": held.user, "password": held.password}
    if scheme == "https":
        how["verify"] = address.options.get("verify") != "no"
    return client.connect(**how)


def _export(service: Any, results: Any, search: str, start: float | None, stop: float | None, most: int = 0,
            ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The events of a window; what Splunk says beside them is no event."""
    how: dict[str, Any] = {"output_mode": "json", "search_mode": "normal", "preview": "false", "adhoc_search_level":
                           "verbose"}  # fmt: skip
    if start is not None:
        how |= {"earliest_time": f"{start:.6f}", "latest_time": f"{stop:.6f}"}
    if most:
        search += f" | sort 0 _time | head {most}"
    for item in results.JSONResultsReader(service.jobs.export(search, **how)):
        if isinstance(item, dict):
            yield item
        elif item.type in ("ERROR", "FATAL"):
            raise StoreError(f"Splunk: {item.message}", fix="check the search")


def _first(service: Any, results: Any, search: str) -> float | None:
    """When the first event is that the search finds; None where there is none."""
    for event in _export(service, results, search, None, None, most=1):
        text = str(event.get("_time", ""))
        return float(text) if text.replace(".", "", 1).isdigit() else _moment(text, "_time")
    return None


def _window_segments(events: Iterator[dict[str, Any]], cursor: Cursor, name: str) -> Iterator[Segment]:
    lines: list[bytes] = []
    size = 0
    for event in events:
        # Its place in the index makes every event another, as two alike are.
        line = json_line({f"splunk{n}" if n.startswith("_") else n: value for n, value in event.items()})
        lines.append(line)
        size += len(line)
        if size > SEGMENT:
            yield Segment(name, b"\n".join(lines) + b"\n", len(lines))
            lines, size = [], 0
    yield Segment(name, b"\n".join(lines) + b"\n" if lines else b"", len(lines), cursor)


STORE = Splunk()

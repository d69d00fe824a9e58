"""Several streams, each on a thread of its own, as one; bounded, and stopped when nobody listens any more."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
AHEAD = 4  # results that a stream may be ahead of the listener
END = object()


class _Stopped(Exception):
    """The listener is gone."""


def together(streams: Sequence[Iterator[T]], cancel: Callable[[], None] | None = None) -> Iterator[T]:
    """What the streams yield, as it comes. The first error of any stream is raised here, and ends the others.

    `cancel` is called at the end, whatever the end: it should wake streams that wait for something.
    """
    if len(streams) == 1 and cancel is None:
        yield from streams[0]
        return
    results: queue.Queue[object] = queue.Queue(maxsize=AHEAD * len(streams))
    stop = threading.Event()

    def put(item: object) -> None:
        while not stop.is_set():
            try:
                results.put(item, timeout=0.1)
                return
            except queue.Full:
                continue
        raise _Stopped

    def run(stream: Iterator[T]) -> None:
        try:
            for item in stream:
                put(item)
            put(END)
        except _Stopped:
            close = getattr(stream, "close", None)
            if close is not None:
                close()
        except BaseException as error:  # noqa: BLE001  handed to the listener, who raises it
            with contextlib.suppress(_Stopped):
                put(_Failed(error))

    threads = [threading.Thread(target=run, args=(stream,), daemon=True) for stream in streams]
    for thread in threads:
        thread.start()
    try:
        running = len(threads)
        while running:
            item = results.get()
            if item is END:
                running -= 1
            elif isinstance(item, _Failed):
                raise item.error
            else:
                yield item  # type: ignore[misc]
    finally:
        stop.set()
        if cancel is not None:
            cancel()
        for thread in threads:
            thread.join()


class _Failed:
    def __init__(self, error: BaseException) -> None:
        self.error = error

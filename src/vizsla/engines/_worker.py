"""A worker process: `python -m vizsla.engines._worker`, started by `_workers` alone."""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
from typing import IO

from vizsla.engine import Mapper
from vizsla.engines._workers import BATCH, DONE, ERROR, one, pack, portable, receive, send


def main() -> None:
    """Take a mapper, then items, from standard input; give batches to what was standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and ends us
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a mapper prints must not get between the messages
    commands: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, commands), daemon=True).start()
    mapper: Mapper | None = None
    failure: BaseException | None = None
    try:
        mapper = pickle.loads(commands.get())  # noqa: S301  from our own parent
    except Exception as error:  # noqa: BLE001  answered to every item, and raised by the parent
        failure = error
    while True:
        _answer(out, mapper, failure, commands.get().decode("utf-8", "surrogateescape"))


def _answer(out: IO[bytes], mapper: Mapper | None, failure: BaseException | None, item: str) -> None:
    try:
        if mapper is None:
            raise failure or TypeError("no mapper came")
        for batch in mapper(iter([one(item)])):
            send(out, BATCH, pack(batch))
    except Exception as error:  # noqa: BLE001  handed to the parent, who raises it
        send(out, ERROR, portable(error))
    else:
        send(out, DONE)


def _listen(stream: IO[bytes], commands: queue.SimpleQueue[bytes]) -> None:
    """Reads ahead, so that the parent's end is noticed in the middle of an item: then end, at once."""
    while True:
        try:
            commands.put(receive(stream)[1])
        except (EOFError, OSError):
            os._exit(1)


if __name__ == "__main__":
    main()

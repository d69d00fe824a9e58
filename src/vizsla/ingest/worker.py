"""A worker process: `python -m vizsla.ingest.worker`, started by `pool` alone. Tasks in, what they tell out."""

from __future__ import annotations

import gc
import os
import signal
import sys

from vizsla.ingest.task import perform
from vizsla.ingest.wire import pack, receive, send, unpack_tasks


def main() -> None:
    """Perform tasks until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and ends us
    gc.freeze()  # records by the thousand are no cycles: looking for those takes a twentieth of reading
    gc.set_threshold(100_000, 50, 100)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the frames
    while True:
        try:
            tasks = unpack_tasks(receive(sys.stdin.buffer).decode("ascii"))
            for told in perform(tasks):
                send(out, pack(told))
        except (EOFError, BrokenPipeError):
            os._exit(0)  # the parent is done, or gone


if __name__ == "__main__":
    main()

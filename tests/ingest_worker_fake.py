"""A worker for the pool's tests: `python -m ingest_worker_fake`. What it does to a file, the file's name says."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import BinaryIO

from lake_samples import events
from vizsla.ingest.task import Pieced, Stamped, Task, Whole
from vizsla.ingest.wire import pack, receive, send, unpack_tasks


def main() -> None:
    out = sys.stdout.buffer
    while True:
        try:
            tasks = unpack_tasks(receive(sys.stdin.buffer).decode("ascii"))
        except EOFError:
            return
        for task in tasks:
            one(task, out)


def one(task: Task, out: BinaryIO) -> None:
    name = Path(task.path).name
    if task.cut:
        send(out, pack(Whole(task.path, "")))
        return
    if task.piece is not None:
        piece(task, task.piece.number, out)
        return
    first = int(name.split("-")[0]) * 100
    send(out, pack(Stamped(task.path, "fake", "windows_sysmon", events(range(first, first + 50)))))
    once = Path(task.path + ".died")
    if "crash" in name or ("stumble" in name and not once.exists()):
        once.write_text("")
        os._exit(7)
    send(out, pack(Stamped(task.path, "fake", "windows_sysmon", events(range(first + 50, first + 100)))))
    send(out, pack(Whole(task.path, "")))


def piece(task: Task, number: int, out: BinaryIO) -> None:
    send(out, pack(Stamped(task.path, "fake", "windows_sysmon", events(range(number * 10, number * 10 + 10)))))
    once = Path(task.path + ".died")
    if number == 2 and ("crash" in task.path or not once.exists()):
        once.write_text("")
        os._exit(7)
    send(out, pack(Pieced(task.path)))


if __name__ == "__main__":
    main()

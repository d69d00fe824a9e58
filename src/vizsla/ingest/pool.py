"""Tasks dealt over processes of this machine; what they tell, as it comes, in bounded memory.

A worker is a fresh interpreter that talks over its standard input and output: it needs no `__main__` guard in
the caller's script, works from a notebook, and ends with this process. One that dies costs its file alone.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from vizsla.ingest.task import Broken, Pieced, Same, Task, Told, Whole
from vizsla.ingest.wire import pack, pack_tasks, receive, send, unpack
from vizsla.pieces import Piece

AHEAD = 128 << 20  # bytes told and not yet taken, all workers together
# What the C library keeps of freed memory: the next block wants as much, and to get it anew takes 0.3 µs a record.
KEEP = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}
_WORKER = "vizsla.ingest.worker"


@dataclass(frozen=True, slots=True)
class Again:
    """The worker died: what it told of this file is void, the file is read once more."""

    path: str


@dataclass(frozen=True, slots=True)
class _Ended:
    """A worker's thread has no more to do, or failed with `error`."""

    error: BaseException | None = None


class _Gate:
    """Lets bytes through while fewer than `limit` are ahead; one piece always may pass, however large."""

    def __init__(self, limit: int) -> None:
        self._limit, self._held, self._open = limit, 0, True
        self._change = threading.Condition()

    def enter(self, size: int) -> bool:
        with self._change:
            self._change.wait_for(lambda: not self._open or self._held == 0 or self._held + size <= self._limit)
            self._held += size
            return self._open

    def leave(self, size: int) -> None:
        with self._change:
            self._held -= size
            self._change.notify_all()

    def close(self) -> None:
        with self._change:
            self._open = False
            self._change.notify_all()


class _Turns:
    """Whose turn it is among the pieces of each file."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}
        self._open = True
        self._change = threading.Condition()

    def wait(self, path: str, number: int) -> bool:
        """Returns when the pieces before that number are done; False where the pool is closed."""
        with self._change:
            self._change.wait_for(lambda: not self._open or self._next.get(path, 0) == number)
            return self._open

    def done(self, path: str) -> None:
        with self._change:
            self._next[path] = self._next.get(path, 0) + 1
            self._change.notify_all()

    def close(self) -> None:
        with self._change:
            self._open = False
            self._change.notify_all()


class Pool:
    """`with Pool(workers) as pool:` and then `pool.run(tasks)`, once."""

    def __init__(self, workers: int, *, ahead: int = AHEAD, module: str = _WORKER) -> None:
        self._workers, self._module = workers, module
        self._gate = _Gate(ahead)
        self._told: queue.SimpleQueue[tuple[Told | Again | _Ended, int]] = queue.SimpleQueue()
        self._work: Iterator[Sequence[Task]] = iter(())
        self._taking = threading.Lock()  # held while the next group is found
        self._turns = _Turns()
        self._alone = threading.Lock()  # held by the worker that reads a dead worker's file once more
        self._running: set[subprocess.Popen[bytes]] = set()
        self._threads: Sequence[threading.Thread] = ()
        self._closing = False

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing = True
        self._gate.close()
        self._turns.close()
        for process in list(self._running):
            process.kill()
        for thread in self._threads:
            thread.join()

    def run(self, groups: Iterable[Sequence[Task]]) -> Iterator[Told | Again]:
        """What the tasks tell. What a group tells stays in order; those of different groups come mixed.

        Groups are asked for as workers become free. What pieces of a file tell comes in the order of the pieces.
        """
        self._work = iter(groups)
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(self._workers)]
        for thread in self._threads:
            thread.start()
        left = len(self._threads)
        while left:
            told, size = self._told.get()
            if isinstance(told, _Ended):
                if told.error is not None:
                    raise told.error
                left -= 1
            else:
                yield told
                self._gate.leave(size)

    def _serve(self) -> None:
        """One worker's thread: tasks to it, and what it tells to the queue."""
        process: subprocess.Popen[bytes] | None = None
        try:
            while not self._closing:
                with self._taking:
                    group = next(self._work, None)
                if group is None:
                    break
                process = process or self._start()
                if group[0].piece is not None:
                    process = self._piece(process, group[0], group[0].piece)
                    continue
                left = self._perform(process, group)
                if left:
                    self._stop(process)
                    process = None
                for task in left:
                    self._once_more(task)
            self._told.put((_Ended(), 0))
        except BaseException as error:  # noqa: BLE001  raised where the results are taken
            self._told.put((_Ended(error), 0))
        finally:
            if process is not None:
                self._stop(process)

    def _perform(self, process: subprocess.Popen[bytes], group: Sequence[Task]) -> list[Task]:
        """A group through a worker; the tasks that were not ended when the worker died, if it did."""
        left = {task.path: task for task in group}
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            send(process.stdin, pack_tasks(group).encode("ascii"))
            while left:
                frame = receive(process.stdout)
                if not self._gate.enter(len(frame)):
                    return []
                told = unpack(frame)
                self._told.put((told, len(frame)))
                if isinstance(told, Whole | Broken | Same):
                    del left[told.path]
        except (EOFError, BrokenPipeError):
            return [] if self._closing else list(left.values())
        return []

    def _piece(self, process: subprocess.Popen[bytes], task: Task, piece: Piece) -> subprocess.Popen[bytes] | None:
        """A piece through a worker, and what it tells to the queue in its turn; the worker, if it lives.

        All of it is held until then, of each worker one piece: so one that died can be read again without a word.
        """
        frames: Sequence[bytes | memoryview] = []
        living: subprocess.Popen[bytes] | None = process
        for attempt in range(2):
            living = living or self._start()
            try:
                frames = _frames(living, task)
                break
            except (EOFError, BrokenPipeError):
                self._stop(living)
                living = None
                if self._closing:
                    return None
                frames = [pack(Broken(task.path, "its reader died twice"))] if attempt else []
        if self._turns.wait(task.path, piece.number):
            for frame in frames:
                if not self._gate.enter(len(frame)):
                    break
                self._told.put((unpack(frame), len(frame)))
            self._turns.done(task.path)
        return living

    def _once_more(self, task: Task) -> None:
        """A file that killed its worker, in a worker of its own, with no other such file beside it."""
        with self._alone:
            self._told.put((Again(task.path), 0))
            process = self._start()
            try:
                if self._perform(process, [task]):
                    self._told.put((Broken(task.path, f"its reader died twice ({_cause(process.wait())})"), 0))
            finally:
                self._stop(process)

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", self._module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**KEEP, **os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        self._running.add(process)
        return process

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        process.wait()
        self._running.discard(process)


def _frames(process: subprocess.Popen[bytes], task: Task) -> list[bytes]:
    """All that a worker tells of a piece. Raises EOFError or BrokenPipeError where it dies."""
    assert process.stdin is not None
    assert process.stdout is not None
    send(process.stdin, pack_tasks([task]).encode("ascii"))
    found = [receive(process.stdout)]
    while not isinstance(unpack(found[-1]), Pieced | Broken):
        found.append(receive(process.stdout))
    return found


def _cause(code: int) -> str:
    if code == -9:
        return "killed, perhaps for want of memory"
    if code < 0:
        return f"signal {-code}"
    return f"exit code {code}"

"""Work in forks of a process that has imported everything: what is killed is work, not the start of Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FORKING = """
import os, signal, sys, time
for line in sys.stdin:
    moment, *asked = line.rstrip("\\n").split("|")
    begun, child = time.monotonic(), os.fork()
    if not child:
        os.setsid()
        work(*asked)
        os._exit(0)
    code = None
    while code is None and (not moment or time.monotonic() - begun < float(moment)):
        done, status = os.waitpid(child, os.WNOHANG)
        code = os.waitstatus_to_exitcode(status) if done else None
        time.sleep(0.0005)
    if code is None:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    print("killed" if code is None else code, time.monotonic() - begun, flush=True)
"""


class Nursery:
    """Where runs are born and killed. `script` imports what they need, and defines `work(*asked)`, of texts."""

    def __init__(self, script: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", script + FORKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, *asked: Path | int, moment: float | None = None) -> tuple[bool, float]:
        """Whether a run was killed with its children at that moment, in seconds, and how long it ran."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print("" if moment is None else moment, *asked, sep="|", file=self._process.stdin, flush=True)
        told, seconds = self._process.stdout.readline().split()
        if told not in ("killed", "0"):
            raise SystemExit("a run that was not killed failed")
        return told == "killed", float(seconds)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

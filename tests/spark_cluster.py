"""A real standalone Spark cluster on loopback: one master, two workers, whose Python holds only PySpark's own needs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def bare_python() -> Path:
    """A virtual environment with PySpark's needs alone; made once per version, kept for the next run."""
    import pyspark

    made = Path(tempfile.gettempdir()) / f"vizsla-bare-{os.getuid()}-{sys.version_info[1]}-{pyspark.__version__}"
    if not (made / "whole").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", made], check=True)
        pip = [made / "bin" / "python", "-m", "pip", "install", "-q", f"pyspark[connect]=={pyspark.__version__}"]
        subprocess.run(pip, check=True)
        (made / "whole").touch()
    return made / "bin" / "python"


@dataclass
class Cluster:
    master: str
    python: Path
    log: Path


def wait_for(workers: int, port: int, log: Path) -> None:
    for _ in range(120):
        time.sleep(0.5)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/", timeout=5) as answer:
                if json.load(answer)["aliveworkers"] == workers:
                    return
        except OSError:
            continue
    pytest.fail(f"the Spark cluster did not start; see {log}")


@contextmanager
def running(root: Path) -> Iterator[Cluster]:
    """A cluster whose logs and work lie below `root`; its processes end with it."""
    import pyspark

    start = [str(Path(pyspark.__file__).parent / "bin" / "spark-class")]
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYSPARK", "SPARK"))}
    env["SPARK_DAEMON_MEMORY"] = "256m"
    port, web = free_port(), free_port()
    master = f"spark://127.0.0.1:{port}"
    where = ["--host", "127.0.0.1"]
    commands = [["org.apache.spark.deploy.master.Master", *where, "--port", str(port), "--webui-port", str(web)]]
    for n in (1, 2):
        size = ["--cores", "1", "--memory", "1g", "--webui-port", "0", "--work-dir", str(root / f"worker{n}")]
        commands.append(["org.apache.spark.deploy.worker.Worker", *where, *size, master])
    log = root / "log"
    begun: list[subprocess.Popen[bytes]] = []
    with log.open("wb") as out:
        try:
            for command in commands:
                begun.append(subprocess.Popen([*start, *command], env=env, stdout=out, stderr=out, cwd=root))
            wait_for(2, web, log)
            yield Cluster(master, bare_python(), log)
        finally:
            for process in begun:
                process.terminate()
            for process in begun:
                process.wait(timeout=30)

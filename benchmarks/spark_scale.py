"""Two workers against one: a CPU-bound mapper over ten million events on a standalone cluster on loopback.

    python -m benchmarks.spark_scale [--events 10000000] [--rounds 2] [--free]

Each worker is held to one core of its own, Java and Python together, as on a machine of one core: left free, a single
worker's Java reads on one core while its Python computes on the other, and has two cores already (--free shows it).
The master and the driver may run where they like. The figure is the whole `map`, from the call to the last result, on a
session that has run a small map before, so that starting Java and Python does not count. The goal is a factor of 1.6
or more; it needs two cores that are free. The load of the machine is printed beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vizsla.engines import connect
from vizsla.lake import Scan

FILES = 10
SCHEMA = pa.schema([("_id", pa.string()), ("_host", pa.string()), ("Image", pa.string()), ("CommandLine", pa.string())])


@dataclass(frozen=True)
class Digest:
    """A hash of every value, in Python: work for the processor, none for the disk. Yields the rows and their sum."""

    schema: pa.Schema

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import xxhash

        rows = total = 0
        for batch in batches:
            columns = [pc.cast(column, pa.string()).to_pylist() for column in batch.columns]
            for values in zip(*columns, strict=True):
                total ^= xxhash.xxh3_64_intdigest("\0".join(values).encode()) >> 1
                rows += 1
        yield pa.RecordBatch.from_arrays([pa.array([rows]), pa.array([total])], schema=self.schema)


def write(folder: Path, events: int) -> Scan:
    """Events in a few files, each of one row group per million."""
    random = np.random.default_rng(7)
    files = []
    for number in range(FILES):
        size = events // FILES
        picks = random.zipf(1.3, size) % 5000
        table = pa.table(
            {
                "_id": pc.cast(pa.array(np.arange(size) + number * size), pa.string()),
                "_host": pa.array([f"host{n}" for n in range(50)]).take(pa.array(picks % 50)),
                "Image": pa.array([f"C:\\Windows\\System32\\tool{n}.exe" for n in range(500)]).take(
                    pa.array(picks % 500)
                ),
                "CommandLine": pa.array([f"tool /run {n} --quiet" for n in range(5000)]).take(pa.array(picks)),
            }
        )
        files.append(str(folder / f"part{number}.parquet"))
        pq.write_table(table, files[-1])
    return Scan("windows_sysmon", tuple(files), SCHEMA, 0, events)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def cluster(workers: int, folder: Path, free: bool) -> Iterator[str]:
    """A master and workers of one core each (unless `free`, of their own); ended with the block."""
    import pyspark

    start = str(Path(pyspark.__file__).parent / "bin" / "spark-class")
    env = {**os.environ, "SPARK_DAEMON_MEMORY": "256m"}
    port, web = free_port(), free_port()
    master = f"spark://127.0.0.1:{port}"
    where = ["--host", "127.0.0.1"]
    commands = [["org.apache.spark.deploy.master.Master", *where, "--port", str(port), "--webui-port", str(web)]]
    cores = sorted(os.sched_getaffinity(0))
    held: list[list[int]] = [cores]
    for n in range(workers):
        held.append(cores if free else [cores[n % len(cores)]])
        size = ["--cores", "1", "--memory", "1g", "--webui-port", "0", "--work-dir", str(folder / f"{workers}-{n}")]
        commands.append(["org.apache.spark.deploy.worker.Worker", *where, *size, master])
    with (folder / f"cluster{workers}.log").open("wb") as log:
        running = [subprocess.Popen([start, *c], env=env, stdout=log, stderr=log, cwd=folder) for c in commands]
        for process, own in zip(running, held, strict=True):
            os.sched_setaffinity(process.pid, own)  # what it starts inherits it
        try:
            await_workers(workers, web)
            yield master
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(timeout=30)


def await_workers(workers: int, port: int) -> None:
    for _ in range(240):
        time.sleep(0.5)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/", timeout=5) as answer:
                if json.load(answer)["aliveworkers"] == workers:
                    return
        except OSError:
            continue
    raise TimeoutError("the cluster did not start")


def measure(workers: int, scan: Scan, folder: Path, rounds: int, free: bool) -> tuple[float, tuple[int, int]]:
    """The best of some rounds, in seconds, and what came out."""
    mapper = Digest(pa.schema([("rows", pa.int64()), ("digest", pa.int64())]))
    small = Scan(scan.table, scan.files[:1], scan.schema, 0, 0)
    best, out = float("inf"), (0, 0)
    with cluster(workers, folder, free) as master, connect("spark", master) as engine:
        list(engine.map(small, ["_host"], mapper))
        for _ in range(rounds):
            start = time.perf_counter()
            rows = digest = 0
            for batch in engine.map(scan, SCHEMA.names, mapper):
                for row in batch.to_pylist():
                    rows, digest = rows + row["rows"], digest ^ row["digest"]
            best, out = min(best, time.perf_counter() - start), (rows, digest)
    return best, out


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--free", action="store_true", help="hold no worker to a core")
    options = parser.parse_args(argv)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    with tempfile.TemporaryDirectory(prefix="vizsla-scale-") as name:
        folder = Path(name)
        scan = write(folder, options.events)
        seconds, results = {}, set()
        for workers in (1, 2):
            before = os.getloadavg()[0]
            seconds[workers], out = measure(workers, scan, folder, options.rounds, options.free)
            results.add(out)
            rate = options.events / seconds[workers]
            print(
                f"{workers} worker(s): {seconds[workers]:7.1f} s  {rate:12,.0f} events/s  (load before: {before:.1f})"
            )
    if len(results) != 1:
        print(f"the results differ: {results}")
        return 1
    print(f"two workers are {seconds[1] / seconds[2]:.2f} times as fast as one; goal 1.6; cores: {os.cpu_count()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

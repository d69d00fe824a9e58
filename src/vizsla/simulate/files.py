"""Writing a simulated company's logs as files that log sources read, with the truth beside them."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path

import pyarrow as pa

from vizsla.errors import UsageError
from vizsla.simulate.company import Chunk, Company
from vizsla.simulate.encode import windows_lines, zeek_header, zeek_lines
from vizsla.simulate.frame import CHANNELS
from vizsla.simulate.truth import Truth, TruthRecord

FORMATS = ("jsonl", "winlogbeat")
TRUTH = "truth.jsonl"
HUNT_SHARE = 0.4  # of the demo's days: enough for the story, and more to learn from than to hunt in


class Writer:
    """Writes chunks below one folder: `windows/HOST/DAY.jsonl.gz` and `zeek/DAY/LOG.log.gz`."""

    def __init__(self, folder: Path, shape: str, compress: bool) -> None:
        self.folder, self.shape, self.compress = folder, shape, compress
        self.events: dict[str, int] = {}
        self.truth: list[TruthRecord] = []
        self._zeek: dict[str, list[pa.RecordBatch]] = {}
        self._windows: list[tuple[pa.Array, pa.Array]] = []
        self._host, self._day = "", -1

    def add(self, chunk: Chunk, day: date) -> None:
        """Take a chunk; chunks come by day, host and table."""
        if chunk.day != self._day:
            self.close()
        elif chunk.host.name != self._host:
            self._flush_host()
        self._host, self._day, self._date = chunk.host.name, chunk.day, day
        self.events[chunk.table] = self.events.get(chunk.table, 0) + chunk.events.num_rows
        self.truth += chunk.truth
        if not chunk.events.num_rows:
            return
        if chunk.table in CHANNELS:
            self._windows.append((windows_lines(chunk.table, chunk.events, self.shape), chunk.events["_time"]))
        else:
            self._zeek.setdefault(chunk.table, []).append(chunk.events)

    def close(self) -> None:
        """Write what is held."""
        self._flush_host()
        for table, batches in self._zeek.items():
            path = self.folder / "zeek" / self._date.isoformat() / f"{table.removeprefix('zeek_')}.log"
            footer = f"#close\t{self._date.isoformat()}-23-59-59\n".encode()
            self._write(path, [zeek_header(table, self._date), _text(zeek_lines(table, batches)), footer])
        self._zeek.clear()

    def _flush_host(self) -> None:
        if not self._windows:
            return
        whole = pa.table(
            {
                "line": pa.concat_arrays([w[0] for w in self._windows]),
                "time": pa.concat_arrays([w[1] for w in self._windows]),
            }
        )
        whole = whole.append_column("row", pa.array(range(whole.num_rows))).sort_by(
            [("time", "ascending"), ("row", "ascending")]
        )
        path = self.folder / "windows" / self._host.lower() / f"{self._date.isoformat()}.jsonl"
        self._write(path, [_text(whole["line"].combine_chunks())])
        self._windows.clear()

    def _write(self, path: Path, blocks: Iterable[bytes]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not self.compress:
            path.write_bytes(b"".join(blocks))
            return
        with (
            path.with_name(path.name + ".gz").open("wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=2, fileobj=raw, mtime=0) as packed,
        ):
            for block in blocks:
                packed.write(block)


def _text(lines: pa.Array | pa.ChunkedArray) -> bytes:
    """Lines as one block of text; each line ends with a line feed."""
    return "".join(f"{line}\n" for line in lines.to_pylist()).encode()


def write(company: Company, folder: str | Path, format: str = "jsonl", compress: bool = True) -> Truth:
    """Write a company's logs and `truth.jsonl` below `folder`, a day at a time.

    `format`: how Windows events are written, `jsonl` (evtx_dump's shape) or `winlogbeat`. Zeek logs are TSV.
    """
    root = _fresh(folder, format)
    writer = Writer(root, format, compress)
    for chunk in company.chunks():
        writer.add(chunk, company.calendar.date(chunk.day))
    writer.close()
    truth = Truth(tuple(writer.truth), writer.events)
    truth.save(root / TRUTH)
    return truth


def demo(
    folder: str | Path,
    hosts: int = 10,
    days: int = 5,
    seed: int = 1,
    *,
    hunt_days: int | None = None,
    intrusion: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Truth:
    """Write `baseline/` and `hunt/` below `folder`: quiet days to learn from, and later ones with the intruder.

    `days` in all, of which the last `hunt_days` (two fifths unless given) are hunted. `progress` is told
    (days written, days in all). Returns the truth about the hunt; it also lies in `folder/truth.jsonl`.
    """
    hunted = max(1, round(days * HUNT_SHARE)) if hunt_days is None else hunt_days
    if not 0 < hunted < days:
        raise UsageError(
            f"{hunted} of {days} days to hunt in", where="demo", fix="leave at least one day for each part"
        )
    root, first = _fresh(folder, "jsonl"), days - hunted
    company = Company(hosts, days, seed, intrusion=intrusion, intrusion_days=(first, days - 1))
    writers = (Writer(root / "baseline", "jsonl", True), Writer(root / "hunt", "jsonl", True))
    told = -1
    for chunk in company.chunks():
        writers[chunk.day >= first].add(chunk, company.calendar.date(chunk.day))
        if progress and chunk.day != told:
            told = chunk.day
            progress(told, days)
    for writer in writers:
        writer.close()
    if progress:
        progress(days, days)
    truth = Truth(tuple(writers[1].truth), writers[1].events)
    truth.save(root / TRUTH)
    return truth


def _fresh(folder: str | Path, shape: str) -> Path:
    root = Path(folder)
    if shape not in FORMATS:
        raise UsageError(f"format {shape!r} is not known", where="vizsla.simulate", fix=f"one of: {', '.join(FORMATS)}")
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UsageError("the folder for the logs is not empty", where=str(root), fix="name an empty or a new folder")
    root.mkdir(parents=True, exist_ok=True)
    return root

"""What is fuzzed, in families, and what must hold of every reading, whatever the bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pyarrow as pa

from vizsla.containers import Log
from vizsla.errors import VizslaError
from vizsla.reading import Done, Refused, Stamped, Unknown, read_file
from vizsla.source import Batch, Rejected, Source
from vizsla.sources import find, registry
from vizsla.sources._declared import declared, samples
from vizsla.stamp import Stamper

NOW = datetime(2026, 1, 15, tzinfo=UTC)
NAME = "fuzz.log"
TRIED = 20  # files of a folder that are looked at for seeds: telling thousands apart took longer than fuzzing
SECONDS = 5.0  # of processor time for one input: more is called a hang

FAMILIES: dict[str, tuple[str, ...]] = {
    "evtx": ("evtx", "evtx_carved"),
    "windows": ("windows_json", "windows_xml", "task_xml", "powershell_transcript"),
    "zeek": ("zeek_tsv", "zeek_json"),
    "linux": ("syslog", "syslog_json", "auditd", "journald"),
    "web": ("access_log", "apache_error", "nginx_error", "haproxy", "aws_alb", "aws_elb", "aws_nlb", "aws_s3_access",
            "squid", "w3c", "bodyfile", "traefik", "caddy"),
    "marked": ("cef", "leef"),
    "network": ("windows_dhcp", "bind"),  # and all that are in no other family
    "metrics": ("metricbeat", "otel_metrics", "pdh_csv", "prometheus", "sysstat"),
    "json": ("osquery", "velociraptor", "volatility"),  # and all mapped ones
    "csv": ("autoruns", "evtxecmd"),  # and all mapped ones
    "containers": ("container",),
    "guesses": ("guess", "mapping"),
}  # fmt: skip
# Every line that is not blank is a record of these.
LINES = frozenset(("access_log", "apache_error", "nginx_error", "haproxy", "aws_alb", "aws_elb", "aws_nlb",
                   "aws_s3_access", "squid", "bodyfile", "cef", "leef"))  # fmt: skip
COMMENTS = {"bodyfile": b"#"}  # what begins lines of these that are no records


class Violation(AssertionError):
    """Something that must hold does not."""


def must(holds: object, what: str) -> None:
    """Raises Violation where it does not hold."""
    if not holds:
        raise Violation(what)


@cache
def members(family: str) -> tuple[str, ...]:
    """What a family holds, by name: sources, and 'container', 'guess', 'mapping'. Every source is in one."""
    named = FAMILIES[family]
    if family not in ("json", "csv", "network"):
        return named
    elsewhere = {name for names in FAMILIES.values() for name in names}
    readers = {name: declared().get(name, {}).get("reader") for name in registry() if name not in elsewhere}
    wanted = [
        name for name, reader in readers.items() if (reader if reader in ("json", "csv") else "network") == family
    ]
    return (*named, *wanted)


def check(member: str, content: bytes) -> None:
    """Read `content` as a member of a family. Raises Violation, or whatever else escaped from the reader."""
    begun = time.process_time()
    own = {"container": _container, "guess": _guess, "mapping": _mapping}
    if member in own:
        own[member](content)
    else:
        _source(find(member), content)
    must(time.process_time() - begun < SECONDS, f"{member} needs {time.process_time() - begun:.1f} s")


def log_of(content: bytes) -> Log:
    """The bytes as a log."""
    return Log(NAME, lambda: io.BytesIO(content))


def recognised(family: str, content: bytes) -> str:
    """The member of a family that is surest of the bytes; '' where none is."""
    best, sure = "", 0.0
    for name in members(family):
        if name in registry():
            confidence = registry()[name].sniff(content[: 1 << 16], NAME)
            must(0 <= confidence <= 1, f"{name} is sure by {confidence}")
            if confidence > sure:
                best, sure = name, confidence
    return best


def _source(source: Source, content: bytes) -> None:
    """Batches are as agreed, nothing is twice, and lines that are records are all accounted for."""
    stamper = Stamper(NOW, {spec.name: spec.columns for spec in source.tables})
    tables = [spec.name for spec in source.tables]
    ids: set[tuple[str, str]] = set()
    events = rejected = 0
    for item in source.read(log_of(content)):
        if isinstance(item, Rejected):
            must(item.reason and item.place.startswith(f"{NAME}#"), f"a rejection that says nothing: {item}")
            rejected += 1
            continue
        must(isinstance(item, Batch), f"{type(item).__name__} among the batches")
        as_agreed(item, tables)
        stamped = stamper.stamp(item)
        stamped.validate(full=True)
        must(stamped.num_rows == item.events.num_rows, "stamping lost rows")
        must(len({name.lower() for name in stamped.schema.names}) == stamped.num_columns, "names differ in case alone")
        events += stamped.num_rows
        ids.update((item.table, found) for found in stamped.column("_id").to_pylist())
    must(len(ids) == events, f"{events} events have {len(ids)} ids")
    if source.name in LINES and not content.startswith((b"\xff\xfe", b"\xfe\xff")) and b"\0" not in content:
        mark = COMMENTS.get(source.name)
        lines = [line for line in content.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip()]
        lines = [line for line in lines if mark is None or not line.startswith(mark)]
        seen = sum(bool(line.decode("utf-8", "replace").strip()) for line in lines)  # some take more for blank
        must(seen <= events + rejected <= len(lines), f"{len(lines)} lines gave {events} events, {rejected} rejections")


def as_agreed(batch: Batch, tables: list[str]) -> None:
    """What every source promises of its batches: see `vizsla.source`."""
    batch.events.validate(full=True)
    schema = batch.events.schema
    must(any(batch.table == name or (name.endswith("*") and batch.table.startswith(name[:-1])) for name in tables),
         f"table {batch.table!r} was not declared")  # fmt: skip
    must(len(set(schema.names)) == len(schema.names), "two columns have one name")
    must(schema.field("_time").type == pa.timestamp("us", tz="UTC"), "_time is no time")
    for field in schema:
        must(field.name in ("_time", "_extra") or field.type == pa.string(), f"{field.name!r} is {field.type}")
    must(not {"_id", "_day"} & set(schema.names), "a source gives no ids and no days")
    for origin in batch.events.column("_origin").to_pylist():
        must(origin.startswith(f"{NAME}#"), f"origin {origin!r}")
    for host in batch.events.column("_host").unique().to_pylist():
        must(host is None or host == host.lower(), f"host {host!r}")


def _container(content: bytes) -> None:
    """As a run reads it: every log in the archive is told of, and its counts agree."""
    with tempfile.TemporaryDirectory(prefix="vizsla-fuzz-", dir=_memory()) as folder:
        path = Path(folder) / NAME
        path.write_bytes(content)
        events: dict[str, int] = {}
        rejected: dict[str, int] = {}
        told = list(read_file(path, NOW))
        for item in told:
            if isinstance(item, Stamped):
                item.events.validate(full=True)
                events[item.log] = events.get(item.log, 0) + item.events.num_rows
            elif isinstance(item, Refused) and item.source:
                rejected[item.log] = rejected.get(item.log, 0) + 1
            elif isinstance(item, Done):  # members may share a name: each is done by itself
                must(events.pop(item.log, 0) == item.events, "events were lost")
                must(rejected.pop(item.log, 0) == item.rejected, "rejections were lost")
            must(isinstance(item, Unknown) or item.log.startswith(str(path)), f"no log is named {item.log!r}")
        must(not events and not rejected, "a log never came to its end")
        must(list(Path(folder).iterdir()) == [path], "an archive wrote files")


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _guess(content: bytes) -> None:
    """What is guessed is a mapping that can be written down and read with."""
    from vizsla import mappings
    from vizsla.sources._guess import as_yaml, guess, shown

    try:
        found = guess(log_of(content))
    except VizslaError:
        return
    shown(found)
    made = mappings.parsed(as_yaml(found.mapping("fuzz"), NAME), "fuzz.yaml")
    _source(made, content)


def _mapping(content: bytes) -> None:
    """A mapping is taken, or refused in words."""
    from vizsla import mappings

    try:
        mappings.parsed(content.decode("utf-8", "replace"), "fuzz.yaml")
    except VizslaError:
        return


def seeds(family: str, real: Path | None = None) -> Iterator[tuple[str, bytes]]:
    """(member, content) to begin with: samples, what was found earlier, pieces of real logs where there are any."""
    for member in members(family):
        yield from ((member, content) for content in _first(member))
    for path in sorted((corpus() / family).glob("*")):
        yield path.name.rpartition("-")[0], path.read_bytes()
    if real is not None:
        taken: Counter[Path] = Counter()
        tried: Counter[Path] = Counter()
        for path in sorted(real.rglob("*")):
            if (
                taken[path.parent] < 3
                and tried[path.parent] < TRIED
                and path.is_file()
                and (piece := _piece(path, family))
            ):
                tried[path.parent] += 1
                member = members(family)[0] if family == "containers" else recognised(family, piece)
                if member:
                    taken[path.parent] += 1
                    yield member, piece


def _piece(path: Path, family: str) -> bytes:
    """The first lines of a real log, or the first chunk of an EVTX."""
    with path.open("rb") as file:
        head = file.read(80_000)
    if family == "evtx":
        return head[: 4096 + 65_536] if head.startswith(b"ElfFile") else b""
    if family == "containers":
        return head if path.stat().st_size < 30_000 and head.startswith((b"\x1f\x8b", b"PK", b"BZh")) else b""
    return b"" if b"\0" in head else b"".join(head.splitlines(keepends=True)[:8])[:6000]


def _first(member: str) -> list[bytes]:
    known = samples()
    if member == "container":
        return list(_containers())
    if member == "guess":
        return [
            *list(known.values())[::6],
            b"time=2025-05-01T10:00:00Z host=WEB1 user=ada action=login\n",
            *_columnar(),
        ]
    if member == "mapping":
        from importlib.resources import files

        texts = [file for file in sorted(files("vizsla.sources").iterdir(), key=str) if file.name.endswith(".yaml")]
        return [file.read_bytes() for file in texts[::6]]
    return [known.get(member, b"ElfFile\x00" + bytes(4088))]


def _columnar() -> Iterator[bytes]:
    import pyarrow.parquet as pq

    table = pa.table({"time": ["2025-05-01T10:00:00Z"] * 3, "src_ip": ["10.0.0.1", None, "x"], "n": [1, 2, 3]})
    held = io.BytesIO()
    pq.write_table(table, held)
    yield held.getvalue()
    for writer in (pa.ipc.new_file, pa.ipc.new_stream):
        held = io.BytesIO()
        with writer(held, table.schema) as out:
            out.write_table(table)
        yield held.getvalue()


def _containers() -> Iterator[bytes]:
    from pyarrow import compress

    content = samples()["zeek_json"] * 3
    packers: tuple[Callable[[bytes], bytes], ...] = (gzip.compress, bz2.compress, lzma.compress)
    for pack in packers:
        yield pack(content)
    yield compress(content, "zstd", asbytes=True)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", method) as archive:
            archive.writestr("a.log", content)
            archive.writestr("b/c.gz", gzip.compress(content))
        yield held.getvalue()
    for mode in ("w", "w:gz"):
        held = io.BytesIO()
        with tarfile.open(fileobj=held, mode=mode) as tar:  # type: ignore[call-overload]
            for name in ("a.log", "b.log"):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        yield held.getvalue()


def corpus() -> Path:
    """Where inputs that were found are kept, by family: files named by member."""
    return Path(__file__).resolve().parent.parent / "tests" / "corpus"

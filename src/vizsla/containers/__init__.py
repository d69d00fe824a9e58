"""Logs wherever they lie: plain, compressed, in archives. Nothing is ever unpacked to disk under its own name.

`open_logs(path)` yields each log in turn, and a `Rejected` for what could not be opened or read to its end.
Use a log before asking for the next one: what was found damaged in it is told after it.
"""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from vizsla.containers._streams import DAMAGE, FREE_OUTPUT, MAX_OUTPUT, MAX_RATIO, Account, guarded, unpacked
from vizsla.errors import SourceError
from vizsla.source import LogFile, Rejected

HEAD = 64 << 10
MAX_SPOOL = 16 << 30
MAX_MEMBERS = 1_000_000
MAX_LEVELS = 2  # an archive, and an archive within it
_MAGIC = ((b"\x1f\x8b\x08", "gz"), (b"BZh", "bz2"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zst"),
          (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"))  # fmt: skip
_REFUSED = ((b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\x07", "rar"))


class Log:
    """A log: its name, its content as often as asked for, and whether it was damaged."""

    def __init__(self, name: str, opener: Callable[[], BinaryIO], path: str | None = None) -> None:
        self.name, self.path, self._opener = name, path, opener
        self.modified: float | None = None  # seconds since 1970: when it was last written, where an archive says so
        self.account = Account()
        self._head: bytes | None = None

    def open(self) -> BinaryIO:
        """A fresh stream of the uncompressed content."""
        return self._opener()

    def head(self) -> bytes:
        """The first 64 KiB."""
        if self._head is None:
            with self.open() as stream:
                self._head = read_full(stream, HEAD)
        return self._head


def read_full(stream: BinaryIO, size: int) -> bytes:
    """`size` bytes; fewer only where the stream ends."""
    parts, held = [], 0
    while held < size and (data := stream.read(size - held)):
        parts.append(data)
        held += len(data)
    return b"".join(parts)


def head_of(file: LogFile) -> bytes:
    """The first 64 KiB of any log file."""
    if isinstance(file, Log):
        return file.head()
    with file.open() as stream:
        return read_full(stream, HEAD)


def open_logs(path: str | os.PathLike[str]) -> Iterator[LogFile | Rejected]:
    """The logs in a file: itself, or what is in it. Raises SourceError where there is no such file."""
    where = os.fspath(path)
    if not Path(where).is_file():
        raise SourceError("not a file", where=where, fix="name a log file, an archive or a folder that exists")
    log = Log(where, lambda: Path(where).open("rb"), where)  # noqa: SIM115  (whoever asked for it closes it)
    try:
        log.head()
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", where=where, fix="check its permissions") from error
    yield from _logs(log, 0, 0)


def kind_of(head: bytes, name: str) -> str:
    """'gz', 'bz2', 'xz', 'zst', 'zip', 'tar' or '': by content, not by name."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[257:262] == b"ustar" or (name.endswith(".tar") and _old_tar(head)):
        return "tar"
    return next((kind for magic, kind in _REFUSED if head.startswith(magic)), "")


def _old_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head[:512], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _logs(log: Log, level: int, layers: int) -> Iterator[LogFile | Rejected]:
    kind = kind_of(log.head(), log.name.lower())
    if not kind:
        yield log
    elif kind in ("7z", "rar"):
        yield Rejected(f"{log.name}#0", f"{kind} archives are not read: unpack it, or pack it as zip or tar.gz")
    elif kind in ("zip", "tar"):
        if level >= MAX_LEVELS:
            yield Rejected(f"{log.name}#0", "an archive within an archive within an archive is not opened")
            return
        yield from (_zip(log, level + 1) if kind == "zip" else _tar(log, level + 1))
    elif layers >= MAX_LEVELS:
        yield Rejected(f"{log.name}#0", "compressed more than twice: not opened")
    else:
        yield from _compressed(log, kind, level, layers + 1)


def _compressed(log: Log, kind: str, level: int, layers: int) -> Iterator[LogFile | Rejected]:
    def opener() -> BinaryIO:
        inner.account.taken = inner.account.given = 0
        inner.account.damage = ""
        return unpacked(kind, log.open(), inner.account)

    inner = Log(log.name, opener)
    inner.modified = log.modified
    yield from _logs(inner, level, layers)
    if inner.account.damage:
        yield Rejected(f"{log.name}#{inner.account.given}", inner.account.damage)


def _skipped(name: str) -> bool:
    """Members that carry a file system's notes and no log."""
    parts = name.replace("\\", "/").split("/")
    return "__MACOSX" in parts or parts[-1].startswith("._") or parts[-1] == ".DS_Store"


def _zip(log: Log, level: int) -> Iterator[LogFile | Rejected]:
    try:
        # Not closed here: the logs that it yields may outlive this generator, and hold it open themselves.
        archive = zipfile.ZipFile(log.path if log.path else _spool(log))
        members = [m for m in archive.infolist() if not m.is_dir() and not _skipped(m.filename)]
    except (*DAMAGE, SourceError) as error:
        yield Rejected(f"{log.name}#0", f"a damaged zip archive: {error}")
        return
    total = Account()
    total.taken = sum(m.compress_size for m in members)
    if log.path:
        total.taken = min(total.taken, Path(log.path).stat().st_size)
    for member in members[:MAX_MEMBERS]:
        name = f"{log.name}!{member.filename}"
        if (why := _refused(member)) or (why := total.refusal()):
            yield Rejected(f"{name}#0", why)
            continue
        inner = _member(archive, member, name, total)
        yield from _logs(inner, level, 0)
        if inner.account.damage:
            yield Rejected(f"{name}#{inner.account.given}", inner.account.damage)
    if len(members) > MAX_MEMBERS:
        yield Rejected(f"{log.name}#{MAX_MEMBERS}", f"more than {MAX_MEMBERS} members; the others are not read")


def _refused(member: zipfile.ZipInfo) -> str:
    if member.flag_bits & 0x1:
        return "encrypted: unpack it with its password first"
    if member.file_size > MAX_OUTPUT:
        return f"refused: unpacks to more than {MAX_OUTPUT >> 30} GiB"
    if member.file_size > FREE_OUTPUT and member.file_size > MAX_RATIO * max(member.compress_size, 1):
        return f"refused: unpacks to more than {MAX_RATIO} times its size, as a bomb does"
    return ""


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, total: Account) -> Log:
    def opener() -> BinaryIO:
        inner.account.taken, inner.account.given, inner.account.damage = member.compress_size, 0, ""
        try:
            stream = archive.open(member)
        except DAMAGE as error:
            return guarded(_Broken(error), inner.account)
        return guarded(stream, inner.account)

    inner = Log(name, opener)
    inner.modified = _told(member)
    inner.account.parents = (total,)
    return inner


def _told(member: zipfile.ZipInfo) -> float | None:
    """When a member was last written, as the archive says, its local time taken as UTC; None where that is no time."""
    try:
        moment = datetime(*member.date_time, tzinfo=UTC)
    except ValueError:
        return None
    return moment.timestamp() if moment.year > 1980 else None


class _Broken:
    """A stream that could not even be opened: it says so when it is read."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def read(self, size: int) -> bytes:
        raise self.error

    def close(self) -> None: ...


class _Streamed(Log):
    """A member of a tar archive: read in passing where it is asked for once, by a second pass otherwise."""

    def __init__(self, name: str, stream: BinaryIO, again: Callable[[], BinaryIO]) -> None:
        super().__init__(name, again)
        self._now: BinaryIO | None = stream
        self._head = read_full(stream, HEAD)

    def open(self) -> BinaryIO:
        if self._now is None:
            return self._opener()
        stream, self._now = self._now, None
        return guarded(_Rejoined(self.head(), stream), self.account)


class _Rejoined:
    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self.first, self.rest = head, rest

    def read(self, size: int) -> bytes:
        if self.first:
            data, self.first = self.first[:size], self.first[size:]
            return data
        return self.rest.read(size)

    def close(self) -> None: ...


def _tar(log: Log, level: int) -> Iterator[LogFile | Rejected]:
    with log.open() as stream:
        members = 0
        try:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for number, member in enumerate(archive):
                    if not member.isfile() or _skipped(member.name):
                        continue
                    name = f"{log.name}!{member.name}"
                    members += 1
                    if members > MAX_MEMBERS or member.size > MAX_OUTPUT:
                        yield Rejected(f"{name}#0", "refused: too many members, or one of more than 64 GiB")
                        continue
                    inner = _Streamed(name, _extracted(archive, member), lambda n=number: _again(log, n))  # type: ignore[misc]
                    inner.modified = float(member.mtime) or None
                    yield from _logs(_reread(inner), level, 0)
                    if inner.account.damage:
                        yield Rejected(f"{name}#{inner.account.given}", inner.account.damage)
        except DAMAGE as error:
            yield Rejected(f"{log.name}#0", f"a damaged tar archive: {error}")


def _reread(log: Log) -> Log:
    """A member that is packed itself will be opened several times: from a temporary copy, not from a new pass."""
    if not kind_of(log.head(), log.name.lower()):
        return log
    copy = _spool(log)

    def opener() -> BinaryIO:
        copy.seek(0)
        return cast(BinaryIO, io.BufferedReader(_Kept(copy)))

    kept = Log(log.name, opener)
    kept.modified = log.modified
    return kept


class _Kept(io.RawIOBase):
    """A view of a file that leaves it open."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _extracted(archive: tarfile.TarFile, member: tarfile.TarInfo) -> BinaryIO:
    stream = archive.extractfile(member)
    if stream is None:
        raise tarfile.TarError(f"{member.name} has no content")
    return stream  # type: ignore[return-value]


def _again(log: Log, number: int) -> BinaryIO:
    """The content of a tar's member, from a new pass over the archive."""
    archive = tarfile.open(fileobj=log.open(), mode="r|")  # noqa: SIM115  (the stream returned holds it open)
    for n, member in enumerate(archive):
        if n == number:
            return _extracted(archive, member)
    raise SourceError("the archive has changed while it was read", where=log.name, fix="read it again")


def _spool(log: LogFile) -> BinaryIO:
    """The content as a seekable temporary file, which vanishes when it is closed."""
    spooled = tempfile.TemporaryFile(prefix="vizsla-")  # noqa: SIM115
    with log.open() as stream:
        while data := stream.read(1 << 20):
            if spooled.tell() + len(data) > MAX_SPOOL:
                raise SourceError(
                    f"needs more than {MAX_SPOOL >> 30} GiB of temporary space", where=log.name, fix="unpack it first"
                )
            spooled.write(data)
    spooled.seek(0)
    return spooled


@contextmanager
def seekable(file: LogFile) -> Iterator[BinaryIO | str]:
    """For formats that must seek: the path of a plain file, or a temporary copy of a streamed one.

    Raises SourceError where the copy would take more than 16 GiB.
    """
    if file.path is not None:
        yield file.path
        return
    with _spool(file) as spooled:
        yield spooled

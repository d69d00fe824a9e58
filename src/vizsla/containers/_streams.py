"""Uncompressed streams that neither fill memory nor raise on damage: what could be read is read."""

from __future__ import annotations

import bz2
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, cast

CHUNK = 256 << 10
FREE_OUTPUT = 64 << 20  # below this, any ratio is believed
MAX_RATIO = 200
MAX_OUTPUT = 64 << 30
DAMAGE = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
    NotImplementedError,
    ValueError,
    RuntimeError,
)


class Account:
    """What became of one stream: bytes taken in and given out, and why it ended early, where it did."""

    def __init__(self) -> None:
        self.taken = 0
        self.given = 0
        self.damage = ""
        self.parents: tuple[Account, ...] = ()

    def refusal(self) -> str:
        """Why no more is unpacked, or ''."""
        if self.given > MAX_OUTPUT:
            return f"refused: unpacks to more than {MAX_OUTPUT >> 30} GiB"
        if self.given > FREE_OUTPUT and self.given > MAX_RATIO * max(self.taken, 1):
            return f"refused: unpacks to more than {MAX_RATIO} times its size, as a bomb does"
        return ""


class Guarded(io.RawIOBase):
    """A stream that ends where its content is damaged or unpacks beyond all measure, and says so in its account."""

    def __init__(self, source: Any, account: Account) -> None:
        self.source, self.account = source, account

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        account = self.account
        if account.damage:
            return 0
        try:
            data = self.source.read(len(buffer))
        except DAMAGE as error:
            account.damage = " ".join(str(error).split())[:300] or type(error).__name__
            return 0
        account.given += len(data)
        for parent in account.parents:
            parent.given += len(data)
        account.damage = next((why for a in (account, *account.parents) if (why := a.refusal())), "")
        if account.damage:
            return 0
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self.source.close()
        super().close()


def guarded(source: Any, account: Account) -> BinaryIO:
    """`source` (anything with `read` and `close`) as a buffered, guarded stream."""
    return cast(BinaryIO, io.BufferedReader(Guarded(source, account), CHUNK))


class Unpacked:
    """The uncompressed content of a gz, bz2 or xz stream, of one or several members."""

    def __init__(self, stream: BinaryIO, make: Callable[[], Any], account: Account) -> None:
        self.stream, self.make, self.account = stream, make, account
        self.unpacker = make()
        self.pending = b""
        self.begun = False  # within a member

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none only at the end. Raises EOFError where the stream ends within a member."""
        while True:
            if self.unpacker.eof:
                self.pending = self.unpacker.unused_data.lstrip(b"\0") or self._more().lstrip(b"\0")
                if not self.pending:
                    return b""
                self.unpacker, self.begun = self.make(), False
            data = self.pending
            if not data and getattr(self.unpacker, "needs_input", True):
                data = self._more()
                if not data:
                    if self.begun:
                        raise EOFError("the compressed data is cut off")
                    return b""
            self.begun = True
            out = cast(bytes, self.unpacker.decompress(data, size))
            self.pending = getattr(self.unpacker, "unconsumed_tail", b"")
            if out:
                return out

    def _more(self) -> bytes:
        data = self.stream.read(CHUNK)
        self.account.taken += len(data)
        return data

    def close(self) -> None:
        self.stream.close()


class Zstd:
    """The uncompressed content of a zstd stream."""

    def __init__(self, stream: BinaryIO, account: Account) -> None:
        import pyarrow as pa

        self.stream, self.account = _Counted(stream, account), account
        self.unpacked = pa.CompressedInputStream(pa.PythonFile(self.stream, mode="r"), "zstd")

    def read(self, size: int) -> bytes:
        return cast(bytes, self.unpacked.read(min(size, CHUNK)))

    def close(self) -> None:
        self.unpacked.close()
        self.stream.close()


class _Counted(io.RawIOBase):
    def __init__(self, stream: BinaryIO, account: Account) -> None:
        self.stream, self.account = stream, account

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.stream.read(len(buffer))
        buffer[: len(data)] = data
        self.account.taken += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self.stream.close()
        super().close()


def _inflater() -> Any:
    """A gzip decompressor: isal's, several times as fast, where it is installed."""
    try:
        from isal import isal_zlib  # type: ignore[import-not-found]
    except ImportError:
        return zlib.decompressobj(wbits=31)
    return isal_zlib.decompressobj(wbits=31)


def unpacked(kind: str, stream: BinaryIO, account: Account) -> BinaryIO:
    """The uncompressed content of `stream`; `kind`: 'gz', 'bz2', 'xz' or 'zst'."""
    if kind == "zst":
        return guarded(Zstd(stream, account), account)
    make: dict[str, Callable[[], Any]] = {"gz": _inflater, "bz2": bz2.BZ2Decompressor, "xz": lzma.LZMADecompressor}
    return guarded(Unpacked(stream, make[kind], account), account)

"""Text in the encodings that exporters write, as UTF-8."""

from __future__ import annotations

import codecs
import io
from typing import BinaryIO

BOMS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
BLOCK = 1 << 16


def as_utf8(head: bytes) -> bytes:
    """The head of a file as UTF-8; as it is unless it begins with UTF-16's byte order mark."""
    encoding = BOMS.get(head[:2])
    return head if encoding is None else head[2:].decode(encoding, "ignore").encode()


def utf8_stream(stream: BinaryIO) -> BinaryIO:
    """The stream as UTF-8, without a byte order mark; what is no text in UTF-16 becomes U+FFFD."""
    start = stream.read(3)
    if encoding := BOMS.get(start[:2]):
        return io.BufferedReader(_Recoded(stream, start[2:], encoding), BLOCK)  # type: ignore[type-var]
    return io.BufferedReader(_Recoded(stream, b"" if start == codecs.BOM_UTF8 else start, None), BLOCK)  # type: ignore[type-var]


class _Recoded(io.RawIOBase):
    """What was read ahead and the rest of a stream, decoded and encoded anew where it has an encoding."""

    def __init__(self, stream: BinaryIO, start: bytes, encoding: str | None) -> None:
        self.stream = stream
        self.decoder = codecs.getincrementaldecoder(encoding)("replace") if encoding else None
        self.held = self._recoded(start, False)

    def readable(self) -> bool:
        return True

    def _recoded(self, data: bytes, last: bool) -> bytes:
        return data if self.decoder is None else self.decoder.decode(data, last).encode("utf-8", "replace")

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        while not self.held:
            data = self.stream.read(BLOCK)
            if not data:
                self.held = self._recoded(b"", True)
                self.decoder = None
                break
            self.held = self._recoded(data, False)
        count = min(len(buffer), len(self.held))
        buffer[:count] = self.held[:count]
        self.held = self.held[count:]
        return count

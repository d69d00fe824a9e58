"""Compressed and packed logs: streamed, never unpacked under their own names, bombs refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import time
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from vizsla.containers import head_of, open_logs, seekable
from vizsla.errors import SourceError
from vizsla.source import Rejected

TEXT = b"".join(b"line %d of a log\n" % n for n in range(20_000))


def opened(path: Path) -> list[tuple[str, bytes | str]]:
    """(name, content) of each log, (name, reason) of what is refused."""
    found: list[tuple[str, bytes | str]] = []
    for log in open_logs(path):
        if isinstance(log, Rejected):
            found.append((log.place.rpartition("#")[0].removeprefix(str(path)), log.reason))
            continue
        head = head_of(log)
        with log.open() as stream:
            content = stream.read()
        assert content.startswith(head)
        found.append((log.name.removeprefix(str(path)), content))
    return found


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(members: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "packed",
    [TEXT, gzip.compress(TEXT), gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:]), bz2.compress(TEXT),
     lzma.compress(TEXT), zstd(TEXT), gzip.compress(TEXT) + b"\0" * 512],
    ids=["plain", "gz", "gz in members", "bz2", "xz", "zst", "gz padded"],
)  # fmt: skip
def test_content_is_the_same_however_compressed(packed: bytes, tmp_path: Path) -> None:
    path = tmp_path / "misnamed.bin"
    path.write_bytes(packed)
    assert opened(path) == [("", TEXT)]


@pytest.mark.parametrize(
    ("packed", "names"),
    [
        (zipped({"a.log": TEXT, "d/": b"", "d/b.log": b"b"}), ["!a.log", "!d/b.log"]),
        (tarred({"a.log": TEXT, "b.log": b"b"}), ["!a.log", "!b.log"]),
        (tarred({"a.log": TEXT, "b.log": b"b"}, "w:gz"), ["!a.log", "!b.log"]),
        (zipped({"a.log.gz": gzip.compress(TEXT), "b.log": b"b"}), ["!a.log.gz", "!b.log"]),
        (tarred({"a.gz": gzip.compress(TEXT), "b.log": b"b"}, "w:xz"), ["!a.gz", "!b.log"]),
        (zipped({"in.zip": zipped({"a.log": TEXT, "b.log": b"b"})}), ["!in.zip!a.log", "!in.zip!b.log"]),
        (tarred({"in.zip": zipped({"a.log": TEXT, "b.log": b"b"})}), ["!in.zip!a.log", "!in.zip!b.log"]),
        (zipped({"in.tgz": tarred({"a.log": TEXT, "b.log": b"b"}, "w:gz")}), ["!in.tgz!a.log", "!in.tgz!b.log"]),
    ],
    ids=["zip", "tar", "tar.gz", "gz in zip", "gz in tar.xz", "zip in zip", "zip in tar", "tar.gz in zip"],
)
def test_members_of_archives(packed: bytes, names: list[str], tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(packed)
    assert opened(path) == [(names[0], TEXT), (names[1], b"b")]


def test_file_systems_notes_are_passed_over_and_names_cannot_escape(tmp_path: Path) -> None:
    path = tmp_path / "in" / "a.zip"
    path.parent.mkdir()
    path.write_bytes(zipped({"__MACOSX/._a.log": b"x", "d/._a.log": b"x", ".DS_Store": b"x", "../../a.log": b"a"}))
    assert opened(path) == [("!../../a.log", b"a")]
    assert [p.name for p in tmp_path.rglob("*")] == ["in", "a.zip"]


def test_a_fresh_stream_each_time(tmp_path: Path) -> None:
    for packed in (gzip.compress(TEXT), zipped({"a": TEXT}), tarred({"z": b"z", "a": TEXT}, "w:gz")):
        path = tmp_path / "x"
        path.write_bytes(packed)
        for log in open_logs(path):
            assert not isinstance(log, Rejected)
            with log.open() as first:
                one = first.read()
            with log.open() as second:
                assert second.read() == one


def test_a_cut_stream_gives_what_it_holds_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(TEXT)[:-2000])
    (_, content), (_, reason) = opened(path)
    assert isinstance(content, bytes)
    assert TEXT.startswith(content)
    assert len(content) > len(TEXT) / 2
    assert "cut off" in str(reason)
    path.write_bytes(gzip.compress(TEXT)[:-9])
    assert [told for _, told in opened(path)] == [TEXT, "the compressed data is cut off"]


def test_a_cut_zstd_stream_is_told(tmp_path: Path) -> None:
    path = tmp_path / "cut"
    path.write_bytes(zstd(TEXT)[:-200])
    assert isinstance(opened(path)[-1][1], str)


@pytest.mark.parametrize("make", [gzip.compress, bz2.compress, lzma.compress])
def test_a_damaged_stream_is_told(make: object, tmp_path: Path) -> None:
    assert callable(make)
    data = bytearray(make(TEXT))
    data[len(data) // 2] ^= 0xFF
    path = tmp_path / "damaged"
    path.write_bytes(data)
    found = opened(path)
    assert len(found) == 2
    assert isinstance(found[1][1], str)
    assert found[1][1]


def test_encrypted_members_are_refused_and_others_read(tmp_path: Path) -> None:
    data = bytearray(zipped({"secret.log": TEXT, "open.log": b"o"}))
    data[6] |= 1  # the flag in the local header
    directory = data.rindex(b"PK\x01\x02", 0, data.rindex(b"PK\x01\x02"))
    data[directory + 8] |= 1
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    (name, reason), rest = opened(path)
    assert (name, rest) == ("!secret.log", ("!open.log", b"o"))
    assert "encrypted" in str(reason)


def test_a_zip_whose_sums_are_wrong_is_told(tmp_path: Path) -> None:
    data = zipped({"a.log": TEXT, "b.log": b"b"})
    at = data.index(b"PK\x01\x02") + 16
    path = tmp_path / "a.zip"
    path.write_bytes(data[:at] + struct.pack("<I", 12345) + data[at + 4 :])
    found = opened(path)
    assert any("CRC" in str(told) for _, told in found)
    assert found[-1] == ("!b.log", b"b")
    path.write_bytes(data[: len(data) // 2])
    ((_, reason),) = opened(path)
    assert "damaged zip" in str(reason)


def bomb(megabytes: int) -> bytes:
    pack = __import__("zlib").compressobj(9, wbits=31)
    return b"".join([*(pack.compress(bytes(1 << 20)) for _ in range(megabytes)), pack.flush()])


def test_bombs_are_refused_in_bounded_time(tmp_path: Path) -> None:
    begun = time.monotonic()
    packed = bomb(600)
    cases = {
        "gz": packed,
        "gz in zip": zipped({"a.gz": packed}),
        "gz twice": gzip.compress(packed),
        "zip": zipped({"a.log": bytes(200 << 20), "b.log": b"b"}),
        "tar": gzip.compress(tarred({"a": bytes(150 << 20)})),
    }
    for name, data in cases.items():
        path = tmp_path / "bomb"
        path.write_bytes(data)
        given, reasons = 0, []
        for log in open_logs(path):
            if isinstance(log, Rejected):
                reasons.append(log.reason)
                continue
            with log.open() as stream:
                while part := stream.read(1 << 20):
                    given += len(part)
        assert given <= 80 << 20, name
        assert any("bomb" in reason or "damaged tar" in reason for reason in reasons), (name, reasons)
    assert time.monotonic() - begun < 60


def test_many_members_that_share_their_data_are_a_bomb(tmp_path: Path) -> None:
    """Each member is below every limit: together they are not."""
    members = {f"{n}.log": bytes(40 << 20) for n in range(6)}
    path = tmp_path / "a.zip"
    path.write_bytes(zipped(members))
    told = [told for _, told in opened(path)]
    assert sum(len(t) for t in told if isinstance(t, bytes)) <= 120 << 20
    assert any("bomb" in t for t in told if isinstance(t, str))


def test_nesting_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"b.zip": zipped({"c.zip": zipped({"d.log": b"d"})})}))
    ((_, reason),) = opened(path)
    assert "is not opened" in str(reason)
    path.write_bytes(gzip.compress(gzip.compress(gzip.compress(b"d"))))
    ((_, reason),) = opened(path)
    assert "more than twice" in str(reason)


@pytest.mark.parametrize("magic", [b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07\x00"])
def test_what_is_not_opened_says_what_to_do(magic: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(magic + bytes(100))
    ((_, reason),) = opened(path)
    assert "pack it as zip" in str(reason)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not a file"):
        list(open_logs(tmp_path / "none"))
    with pytest.raises(SourceError):
        list(open_logs(tmp_path))


def test_seekable_gives_the_path_or_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(TEXT)
    (log,) = open_logs(path)
    assert not isinstance(log, Rejected)
    with seekable(log) as content:
        assert content == str(path)
    path.write_bytes(gzip.compress(TEXT))
    (log,) = open_logs(path)
    assert not isinstance(log, Rejected)
    with seekable(log) as content:
        assert not isinstance(content, str)
        content.seek(len(TEXT) - 5)
        assert content.read() == TEXT[-5:]

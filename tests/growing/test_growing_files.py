"""Which log a file is: rotated, compressed, truncated, or another one under its name."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest

from growing_samples import (
    FORMATS,
    hush,
    log_of,
    pairs,
    read,
    sums,
    sysmon,
    whole,
    written,
)
from lake_samples import ids, rows
from vizsla.growing import head_digests
from vizsla.lake import Lake


@pytest.mark.parametrize("kind", FORMATS)
def test_rotation_by_rename_and_compression(lake: Lake, tmp_path: Path, taken: list[int], kind: str) -> None:
    content, later = log_of(kind, range(300)), log_of(kind, range(1000, 1200))
    folder = tmp_path / "logs"
    folder.mkdir()
    log = folder / "app.log"
    read(lake, written(log, content[: len(content) // 2]), folder)
    known = taken[-1]
    log.write_bytes(content)  # it grew before it was rotated
    log.rename(folder / "app.log.1")
    written(log, later[: len(later) // 2])
    read(lake, folder)
    second = taken[-1]
    one, two = whole(tmp_path / "one", content), whole(tmp_path / "two", later)
    half = whole(tmp_path / "half", later[: later.rfind(b"\n", 0, len(later) // 2) + 1])
    assert second == one[1][0] - known + half[1][0]
    (folder / "app.log.2.gz").write_bytes(gzip.compress((folder / "app.log.1").read_bytes()))
    log.write_bytes(later)
    log.rename(folder / "app.log.1")
    report = read(lake, folder)
    assert taken[-1] == two[1][0] - half[1][0]
    assert ids(lake) == {table: sorted(one[0][table] + two[0][table]) for table in one[0]}
    assert sums(report)[2] == one[1][2] + two[1][2]


def test_compressed_before_its_last_lines_were_read(lake: Lake, tmp_path: Path, taken: list[int]) -> None:
    content = log_of("zeek_tsv", range(3000))
    path = written(tmp_path / "conn.log", content[: len(content) // 2])
    read(lake, path)
    path.unlink()
    for name, packed in (("conn.log.gz", gzip.compress(content)), ("conn.log.xz", lzma.compress(content))):
        (tmp_path / name).write_bytes(packed)
    read(lake, tmp_path / "conn.log.gz")
    expected, account = whole(tmp_path / "whole", content)
    assert taken[0] + taken[1] == account[0]
    assert ids(lake) == expected
    read(lake, tmp_path / "conn.log.xz")
    assert ids(lake) == expected
    assert sorted(rows(lake, "zeek_conn").column("_origin").to_pylist())[-1].startswith(str(tmp_path / "conn.log.gz#"))


def test_copytruncate(lake: Lake, tmp_path: Path, taken: list[int]) -> None:
    content, later = log_of("windows_json", range(300)), log_of("windows_json", range(500, 520))
    log, copy = tmp_path / "app.log", tmp_path / "app.log.1"
    read(lake, written(log, content[:30_000]))
    known = taken[-1]
    copy.write_bytes(content)
    written(log, later)
    read(lake, log, copy)
    second = taken[-1]
    one, two = whole(tmp_path / "one", content), whole(tmp_path / "two", later)
    assert second == one[1][0] - known + two[1][0]
    assert ids(lake)["windows_sysmon"] == sorted(one[0]["windows_sysmon"] + two[0]["windows_sysmon"])


@pytest.mark.parametrize("head", [2, 150])
def test_another_file_of_the_same_name_and_greater_length(lake: Lake, tmp_path: Path, head: int) -> None:
    """Whether it differs in its first bytes or, later, before the place where the other ended."""
    path = tmp_path / "app.log"
    same = [sysmon(n) for n in range(head)]
    one = "".join(line + "\n" for line in [*same, *(sysmon(n) for n in range(1000, 1100))]).encode()
    two = "".join(line + "\n" for line in [*same, *(sysmon(n) for n in range(2000, 2300))]).encode()
    read(lake, written(path, one))
    assert sums(read(lake, written(path, two))) == (300, head, 0)
    assert lake.count("windows_sysmon") == head + 400


def test_a_truncated_file(lake: Lake, tmp_path: Path, taken: list[int]) -> None:
    content = log_of("zeek_json", range(300))
    path = written(tmp_path / "app.log", content)
    read(lake, path)
    expected = ids(lake)
    cut = content.rfind(b"\n", 0, len(content) // 2) + 1
    assert sums(read(lake, written(path, content[:cut])))[0] == 0
    read(lake, written(path, content))
    assert taken[-1] == 0 or taken[-1] < 160
    assert ids(lake) == expected


def test_a_changed_middle_of_the_same_length_is_read_again(lake: Lake, tmp_path: Path) -> None:
    lines = [pairs(n) for n in range(100, 400)]
    path = written(tmp_path / "app.log", ("\n".join(lines) + "\n").encode())
    read(lake, path)
    lines[150] = lines[150].replace("login", "LOGIN")
    hush(written(path, ("\n".join(lines) + "\n").encode()))
    assert sums(read(lake, path)) == (1, 299, 0)


def test_logs_are_known_by_as_much_of_their_beginning_as_they_have() -> None:
    assert [size for size, _ in head_digests(b"x" * 5000)] == [4096, 1024, 256, 64]
    assert [size for size, _ in head_digests(b"x" * 300)] == [256, 64]
    assert head_digests(b"x" * 63) == []

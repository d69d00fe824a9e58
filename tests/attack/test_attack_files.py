"""Files that are no logs, damaged logs, archives that mean harm, and what is no lake: said in words, and counted."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from attack.attack_tools import HOSTILE, event, lines, rejected, run, spawned, stored, take
from vizsla.explore import query
from vizsla.faces.python import open_lake

GOOD = b"".join(json.dumps(event(i)).encode() + b"\n" for i in range(20))


def png() -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)
    rows = (b"\0" + b"\xff" * 6) * 2
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def zipped(*members: tuple[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return held.getvalue()


def encrypted() -> bytes:
    data = bytearray(zipped(("a.json", GOOD)))
    data[6] |= 1
    data[data.find(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "content", "code", "says"),
    [
        ("empty.json", b"", 0, "of unknown kind"),
        ("cut.json.gz", gzip.compress(GOOD)[:-40], 3, "the compressed data is cut off"),
        ("head.json.gz", b"\x1f\x8b\x08", 3, "the compressed data is cut off"),
        ("bomb.zip", zipped(("a.json", b"\n" * (100 << 20))), 3, "as a bomb does"),
        ("locked.zip", encrypted(), 3, "encrypted"),
        ("deep.zip", zipped(("b.zip", zipped(("c.zip", zipped(("a.json", GOOD)))))), 3, "not opened"),
        ("in.zip", zipped(("b.zip", zipped(("a.json", GOOD)))), 0, "20 stored"),
    ],
)
def test_each_file_is_read_or_said_why_not(tmp_path: Path, name: str, content: bytes, code: int, says: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    ran = run("ingest", file, "--lake", tmp_path / "lake")
    assert (ran.code, says in " ".join(ran.said.split())) == (code, True), ran.said


def test_an_empty_folder_and_pictures_are_no_logs(tmp_path: Path) -> None:
    folder = tmp_path / "holiday"
    folder.mkdir()
    assert "no file to read" in run("ingest", folder, "--lake", tmp_path / "one").said
    for n in range(3):
        (folder / f"{n}.png").write_bytes(png())
    ran = run("hunt", folder, width=200)
    assert ran.code == 0
    assert ran.said.count("no source recognises its content") == 3
    assert "nothing to learn from" in ran.said


@pytest.mark.parametrize("path", ["", "/no/such/place", HOSTILE, "x" * 5000, "a\0b"])
@pytest.mark.parametrize("command", ["hunt", "ingest", "learn"])
def test_a_path_that_is_not_there(path: str, command: str) -> None:
    ran = run(command, path)
    assert ran.code == 2
    assert "no such file or folder" in ran.err


def test_links_pipes_and_names_that_are_no_text(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    os.mkfifo(folder / "pipe.evtx")
    (folder / "zero.evtx").symlink_to("/dev/zero")
    (folder / "again").symlink_to(folder)
    (folder / "nowhere").symlink_to("nothing")
    with open(os.fsencode(folder) + b"/\xff\x1b[2J.json", "wb") as file:  # noqa: PTH123
        file.write(GOOD)
    report = take(tmp_path / "lake", folder)
    assert stored(report) == 20
    assert len(report.unknown_files) == 3
    assert run("hunt", folder).code == 0


def test_archives_write_nowhere(tmp_path: Path) -> None:
    names = ("../../escaped.json", f"{tmp_path}/absolute.json", "C:\\x.json", HOSTILE.replace("/", ""), "y" * 60_000)
    (tmp_path / "a.zip").write_bytes(zipped(*((name, GOOD) for name in names)))
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as archive:
        for name in names[:2]:
            member = tarfile.TarInfo(name)
            member.size = len(GOOD)
            archive.addfile(member, io.BytesIO(GOOD))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            member = tarfile.TarInfo("link")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    before = {p.name for p in tmp_path.iterdir()}
    report = take(tmp_path / "lake", tmp_path / "a.zip", tmp_path / "b.tar.gz")
    assert {p.name for p in tmp_path.iterdir()} == before | {"lake"}
    assert not (tmp_path.parent.parent / "escaped.json").exists()
    assert stored(report) == 20
    assert sum(r.known for r in report.readings) == 20 * 6
    assert run("ingest", tmp_path / "a.zip", "--lake", tmp_path / "other").code == 0


def test_500_same_lines_stay_500_and_come_once(tmp_path: Path) -> None:
    line = json.dumps(event()).encode() + b"\n"
    (tmp_path / "a.json").write_bytes(line * 500)
    assert stored(take(tmp_path / "lake", tmp_path / "a.json")) == 500
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(line * 500))
    assert stored(take(tmp_path / "lake", tmp_path / "b.json.gz", tmp_path / "a.json")) == 0


@pytest.mark.parametrize(
    "content", ['{"format": 99}', '{"format": 0}', "[]", "", "\0", '{"format": 1e400}', "{" * 9999]
)
def test_a_lake_of_another_time(tmp_path: Path, content: str) -> None:
    log = lines(tmp_path / "a.json", [event()])
    take(tmp_path / "lake", log)
    (tmp_path / "lake" / "vizsla.json").write_text(content)
    for command in (["ingest", log], ["hunt"], ["views"], ["query", "select 1"], ["learn"], ["baseline", "list"]):
        ran = run(*command, "--lake", tmp_path / "lake")
        assert ran.code == 2
        assert "upgrade Vizsla" in ran.err if "99" in content else "damaged" in ran.err


@pytest.mark.parametrize("place", ["/etc/passwd", "/usr", "/dev/null", "/proc/1"])
def test_what_is_no_lake(tmp_path: Path, place: str) -> None:
    log = lines(tmp_path / "a.json", [event()])
    for command in (["ingest", log], ["hunt"], ["coverage"], ["show", "x"], ["stack", "process", "process.name"]):
        assert run(*command, "--lake", place).code == 2


CHUNK = 65_536
WIPED = 4096 + 2 * CHUNK


@pytest.fixture(scope="module")
def capture(real_data: Path) -> bytes:
    return (real_data / "evtx" / "Command and Control" / "bits_openvpn.evtx").read_bytes()


def evtx(tmp_path: Path, content: bytes) -> Any:
    file = tmp_path / "a.evtx"
    file.write_bytes(content)
    return take(tmp_path / "lake", file)


def test_a_record_whose_mark_was_wiped_hides_nothing_in_silence(capture: bytes, tmp_path: Path) -> None:
    whole = stored(evtx(tmp_path, capture))
    at = capture.find(b"**\0\0", WIPED + 5000)
    report = evtx(
        tmp_path / "x" if (tmp_path / "x").mkdir() is None else tmp_path, capture[:at] + b"\0" * 4 + capture[at + 4 :]
    )
    assert (stored(report), report.rejections) == (whole, {})  # all that follows is searched for, and found
    found = query(
        open_lake(tmp_path / "x" / "lake"), "SELECT Recovered, count(*) AS n FROM windows_bits_client GROUP BY 1"
    )
    marked = {row["Recovered"]: row["n"] for row in found.to_pylist()}
    assert marked["damage"] > 0
    assert sum(marked.values()) == whole


def test_a_cut_evtx_is_damaged(capture: bytes, tmp_path: Path) -> None:
    for size in (100, 4096, 5000, 4096 + 3 * CHUNK + 1000):
        (tmp_path / f"{size}.evtx").write_bytes(capture[:size])
        ran = run("ingest", tmp_path / f"{size}.evtx", "--lake", tmp_path / "lake")
        assert ran.code == 3, ran.said


def test_a_damaged_chunk_costs_its_records(capture: bytes, tmp_path: Path) -> None:
    report = evtx(tmp_path, capture[:WIPED] + b"A" * CHUNK + capture[WIPED + CHUNK :])
    assert rejected(report) == 1
    assert stored(report) > 1400


MEASURED = """
import resource, sys
from vizsla.cli.main import app
try:
    app(sys.argv[1:])
except SystemExit as left:
    # Not RUSAGE_SELF: what a process was before exec, here the whole of pytest, counts there too.
    own = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print("peak", max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) // 1024, left.code)
"""


@pytest.mark.slow
def test_a_line_of_a_gigabyte_in_bounded_memory(tmp_path: Path) -> None:
    log, piece = tmp_path / "a.json", b"x" * (1 << 20)
    with log.open("wb") as file:
        file.write(GOOD + b'{"EventID":1,"a":"')
        for _ in range(1024):
            file.write(piece)
        file.write(b'"}\n' + json.dumps(event(99)).encode() + b"\n")
    command = [sys.executable, "-c", MEASURED, "ingest", str(log), "--lake", str(tmp_path / "lake")]
    ran = subprocess.run(command, capture_output=True, timeout=550, check=True)
    log.unlink()
    said = ran.stdout.decode()
    peak, code = said.rpartition("peak ")[2].split()
    assert int(peak) < 500
    assert code == "3"
    assert "21 stored" in said
    assert b"Traceback" not in ran.stderr


def test_an_array_that_only_opens_is_read_in_one_pass(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'[\n{"EventID":1,"Channel":"Security"},\n{"EventID":2,"a":' + b"[" * (24 << 20))
    report = take(tmp_path / "lake", tmp_path / "a.json")
    assert (stored(report), rejected(report)) == (1, 1)


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    import resource

    log = lines(tmp_path / "a.json", [event(i, CommandLine=os.urandom(500).hex()) for i in range(400)])

    def small() -> None:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    ran = spawned("ingest", log, "--lake", tmp_path / "lake", preexec_fn=small)
    assert ran.returncode == 2, ran.stderr
    assert b"Traceback" not in ran.stderr
    assert b"a defect in Vizsla" not in ran.stderr
    assert b"what to do" in ran.stderr
    assert stored(take(tmp_path / "lake", log)) == 400

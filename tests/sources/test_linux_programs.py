# ruff: noqa: E501  (lines of logs, and what is expected of them, stand side by side)
"""What the programs of a Linux host say, taken apart; the same from syslog and from the journal; views over it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ibis
import pytest
from source_samples import NOW, events, items, stamped, totals, written

from vizsla.reading import Stamped, read_file
from vizsla.sources._linux import route
from vizsla.sources._linux_net import packet, verdict
from vizsla.view import views
from vizsla.views.project import project

LINES: list[tuple[str, str, str, dict[str, str]]] = [
    ("sshd", "Accepted publickey for ada from 192.0.2.7 port 50122 ssh2: ED25519 SHA256:abc", "linux_auth",
     {"action": "logon", "outcome": "success", "method": "publickey", "user": "ada", "source_ip": "192.0.2.7", "source_port": "50122", "key": "ED25519 SHA256:abc"}),
    ("sshd", "Failed password for invalid user a b from fe80::1 port 22 ssh2", "linux_auth",
     {"action": "logon", "outcome": "failure", "user": "a b", "source_ip": "fe80::1", "reason": "unknown user"}),
    ("sshd-session", "Connection closed by authenticating user root 192.0.2.7 port 5 [preauth]", "linux_auth",
     {"action": "disconnect", "user": "root", "source_ip": "192.0.2.7", "source_port": "5"}),
    ("sshd", "Received disconnect from 192.0.2.7 port 22:11: disconnected by user", "linux_auth",
     {"action": "disconnect", "code": "11", "reason": "disconnected by user", "source_port": "22"}),
    ("sshd", "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=a.example.com  user=root", "linux_auth",
     {"action": "pam-authentication", "outcome": "failure", "user": "root", "source_host": "a.example.com", "tty": "ssh"}),
    ("systemd", "pam_unix(systemd-user:session): session opened for user ada(uid=1000) by (uid=0)", "linux_auth",
     {"action": "session-opened", "user": "ada", "target_uid": "1000", "service": "systemd-user", "pam_module": "unix"}),
    ("sudo", "     ada : TTY=pts/0 ; PWD=/home/ada ; USER=root ; COMMAND=/usr/bin/cat /etc/shadow", "linux_auth",
     {"action": "privileged-command", "outcome": "success", "user": "ada", "target_user": "root", "command": "/usr/bin/cat /etc/shadow"}),
    ("sudo", "   eve : user NOT in sudoers ; TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/bin/sh", "linux_auth",
     {"action": "privileged-command", "outcome": "failure", "reason": "user NOT in sudoers", "command": "/bin/sh"}),
    ("su", "FAILED SU (to root) ada on pts/1", "linux_auth", {"action": "user-switched", "outcome": "failure", "user": "ada", "target_user": "root"}),
    ("su", "+ /dev/pts/0 ada:root", "linux_auth", {"action": "user-switched", "outcome": "success", "user": "ada", "target_user": "root"}),
    ("useradd", "new user: name=eve, UID=1001, GID=1001, home=/home/eve, shell=/bin/bash, from=/dev/pts/0", "linux_auth",
     {"action": "user-created", "user": "eve", "uid": "1001", "shell": "/bin/bash", "tty": "/dev/pts/0"}),
    ("usermod", "add 'eve' to group 'sudo'", "linux_auth", {"action": "group-member-added", "user": "eve", "group": "sudo"}),
    ("groupadd", "group added to /etc/group: name=ops, GID=1002", "linux_auth", {"action": "group-created", "group": "ops", "gid": "1002"}),
    ("passwd", "pam_unix(passwd:chauthtok): password changed for eve", "linux_auth", {"action": "password-changed", "user": "eve"}),
    ("systemd-logind", "New session 4 of user ada.", "linux_auth", {"action": "session-opened", "session": "4", "user": "ada"}),
    ("CRON", "(root) CMD (run-parts /etc/cron.hourly)", "linux_cron", {"action": "command-run", "user": "root", "command": "run-parts /etc/cron.hourly"}),
    ("crontab", "(ada) REPLACE (ada)", "linux_cron", {"action": "crontab", "operation": "REPLACE"}),
    ("systemd", "Started ssh.service - OpenBSD Secure Shell server.", "linux_syslog",
     {"action": "service-started", "unit": "ssh.service", "unit_description": "OpenBSD Secure Shell server"}),
    ("systemd", "x.service: Failed with result 'exit-code'.", "linux_syslog", {"action": "service-failed", "unit": "x.service"}),
    ("kernel", "[ 12.5] [UFW BLOCK] IN=eth0 OUT= MAC=0a:0b SRC=203.0.113.9 DST=192.0.2.1 LEN=60 ID=0 DF PROTO=TCP SPT=5555 DPT=22 SYN URGP=0", "linux_firewall",
     {"action": "denied", "prefix": "[UFW BLOCK]", "SRC": "203.0.113.9", "DPT": "22", "flags": "DF SYN", "uptime": "12.5", "IN": "eth0"}),
    ("kernel", "usb 1-1: new device", "linux_syslog", {"message": "usb 1-1: new device"}),
    ("dnsmasq", "query[A] www.example.com from 192.0.2.7", "dns_dnsmasq", {"action": "dns-query", "query": "www.example.com", "qtype": "A", "requester": "192.0.2.7"}),
    ("dnsmasq", "7 192.0.2.7/5353 reply www.example.com is 203.0.113.1", "dns_dnsmasq", {"action": "dns-answer", "answer": "203.0.113.1", "client": "192.0.2.7"}),
    ("dnsmasq-dhcp", "DHCPACK(eth0) 192.0.2.7 00:11:22:33:44:55 pc7", "dhcp_dnsmasq",
     {"operation": "ACK", "interface": "eth0", "address": "192.0.2.7", "mac": "00:11:22:33:44:55", "client_name": "pc7"}),
    ("dhcpd", "DHCPACK on 192.0.2.7 to 00:11:22:33:44:55 (pc7) via eth0", "dhcp_dhcpd",
     {"operation": "ACK", "address": "192.0.2.7", "mac": "00:11:22:33:44:55", "client_name": "pc7", "interface": "eth0"}),
    ("named", "client @0x7f 192.0.2.7#53211 (www.example.com): query: www.example.com IN A +E(0)K (192.0.2.53)", "dns_bind",
     {"action": "dns-query", "query": "www.example.com", "qtype": "A", "client": "192.0.2.7", "client_port": "53211", "server": "192.0.2.53"}),
]  # fmt: skip


def syslog(number: int, program: str, message: str) -> str:
    return f"2024-02-05T10:{number // 60:02d}:{number % 60:02d}Z Web1 {program}[{number}]: {message}\n"


def journal(number: int, program: str, message: str) -> str:
    at = 1707127200000000 + number * 1_000_000
    entry = {"__REALTIME_TIMESTAMP": str(at), "_HOSTNAME": "Web1", "SYSLOG_IDENTIFIER": program, "_PID": str(number), "MESSAGE": message,
             "PRIORITY": "6", "_UID": "0"}  # fmt: skip
    return json.dumps(entry) + "\n"


@pytest.mark.parametrize("write", [syslog, journal])
def test_each_program_goes_to_its_table(write: Any, tmp_path: Path) -> None:
    text = "".join(write(n, program, message) for n, (program, message, _, _) in enumerate(LINES))
    found = items(written(tmp_path, text.encode()))
    assert totals(found) == (len(LINES), 0)
    rows = {row["pid"]: (table, row) for table, held in stamped(found).items() for row in held}
    for n, (program, message, expected, values) in enumerate(LINES):
        table, row = rows[str(n)]
        assert (table, {name: row.get(name) for name in values}) == (expected, values), message
        assert (row["program"], row["message"], row["_host"]) == (program, message, "web1")
        assert row["_time"].timestamp() == 1707127200 + n


def test_the_journal_keeps_its_own_fields_and_what_is_no_text(tmp_path: Path) -> None:
    entry = {
        "__REALTIME_TIMESTAMP": "1707127200000001",
        "MESSAGE": [104, 105, 255],
        "_COMM": "app",
        "_EXE": ["/a", "/b"],
        "PRIORITY": "3",
        "SYSLOG_FACILITY": "10",
    }
    found = items(
        written(tmp_path, (json.dumps(entry) + '\n{"a": 1}\n{"__REALTIME_TIMESTAMP": null}\n').encode()), "journald"
    )
    assert totals(found) == (2, 1)
    row = next(row for row in stamped(found)["linux_syslog"] if "program" in row)
    assert (row["message"], row["program"], row["_EXE"], row["severity"], row["facility"]) == (
        "hi\\xff",
        "app",
        '["/a","/b"]',
        "err",
        "authpriv",
    )
    assert row["_time"].microsecond == 1


def test_packets_of_icmp_errors_keep_the_inner_packet() -> None:
    names, values = packet(
        "DROP: IN= OUT=eth0 SRC=192.0.2.1 DST=192.0.2.2 PROTO=ICMP TYPE=3 [SRC=192.0.2.2 DST=192.0.2.1 PROTO=UDP SPT=1 DPT=2 ] MARK=0x1"
    )
    row = dict(zip(names, values, strict=True))
    assert (row["SRC"], row["inner_SRC"], row["inner_DPT"], row["MARK"], row["action"]) == (
        "192.0.2.1",
        "192.0.2.2",
        "2",
        "0x1",
        "denied",
    )
    assert (verdict("[UFW ALLOW]"), verdict("forward: "), verdict("nft-REJECT")) == ("allowed", "", "denied")


def test_routes() -> None:
    assert route("/usr/sbin/cron") == ("linux_cron", "cron")
    assert route("gdm-password]") == ("linux_auth", "login")
    assert route("vsftpd(pam_unix)") == ("linux_auth", "pam")
    assert route("") == route("anything") == ("linux_syslog", "")


def test_audit_records_and_sysmon_within_syslog(tmp_path: Path) -> None:
    xml = ('<Event><System><Provider Name="Linux-Sysmon" Guid="{a}"/><EventID>1</EventID><TimeCreated SystemTime="2024-02-05T10:00:01.5Z"/>'
           '<Computer>web1</Computer></System><EventData><Data Name="Image">/bin/sh</Data><Data Name="CommandLine">sh -c &quot;a &amp;&amp; b&quot;</Data>'
           "</EventData></Event>")  # fmt: skip
    text = (
        syslog(0, "audispd", 'node=db1 type=CWD msg=audit(1707127200.5:9): cwd="/"')
        + syslog(1, "sysmon", xml)
        + syslog(2, "sysmon", "starting")
        + syslog(3, "audispd", "queue is full")
    )
    tables = stamped(items(written(tmp_path, text.encode())))
    (audit,) = tables["linux_audit"]
    assert (audit["cwd"], audit["_host"], audit["syslog_hostname"], audit["node"], audit["syslog_pid"]) == (
        "/",
        "db1",
        "Web1",
        "db1",
        "0",
    )
    event, other = sorted(tables["linux_sysmon"], key=lambda row: row["pid"])
    assert (event["CommandLine"], event["EventID"], event["_time"].microsecond) == ('sh -c "a && b"', "1", 500000)
    assert ("Message" in event, other["Message"]) == (False, "starting")
    assert [row["message"] for row in tables["linux_syslog"]] == ["queue is full"]


def test_logs_of_name_and_address_servers(tmp_path: Path) -> None:
    bind = b"05-Feb-2024 10:00:00.123 queries: info: client @0x7f 192.0.2.7#5 (a.example): query: a.example IN AAAA + (192.0.2.53)\nnonsense\n"
    found = items(written(tmp_path, bind, "query.log"), "bind")
    assert totals(found) == (1, 1)
    (row,) = stamped(found)["dns_bind"]
    assert (row["query"], row["qtype"], row["category"], row["_time"].isoformat()) == (
        "a.example",
        "AAAA",
        "queries",
        "2024-02-05T10:00:00.123000+00:00",
    )
    dhcp = (b"\t\tMicrosoft DHCP Service Activity Log\r\n\r\n00\tThe log was started.\r\n\r\nID,Date,Time,Description,IP Address,Host Name,MAC Address\r\n"
            b'10,02/05/24,10:00:01,Assign,192.0.2.7,"pc,7",0011223344AA\r\nx,y\r\n')  # fmt: skip
    found = items(written(tmp_path, dhcp, "DhcpSrvLog-Mon.log"))
    assert totals(found) == (1, 1)
    (row,) = stamped(found)["dhcp_windows"]
    assert (row["IP Address"], row["Host Name"], row["operation"], row["_time"].isoformat()) == (
        "192.0.2.7",
        "pc,7",
        "ACK",
        "2024-02-05T10:00:01+00:00",
    )


def test_the_unified_log_of_macos(tmp_path: Path) -> None:
    entry = {"timestamp": "2024-02-05 10:00:00.123456-0800", "machTimestamp": 1, "eventMessage": "m", "processImagePath": "/usr/libexec/x",
             "traceID": 5, "processID": 7, "backtrace": {"frames": []}}  # fmt: skip
    (row,) = events(written(tmp_path, json.dumps(entry).encode() + b"\n"))
    assert (row["eventMessage"], row["processID"], row["_time"].isoformat()) == (
        "m",
        "7",
        "2024-02-05T18:00:00.123456+00:00",
    )


def _view(name: str, table: str, path: Path) -> list[dict[str, Any]]:
    batches = [item.events for item in read_file(path, NOW) if isinstance(item, Stamped) and item.table == table]
    rows = project(ibis.memtable(batches[0]), views()[name], table)
    return list(ibis.duckdb.connect().to_pyarrow(rows).to_pylist())


def test_views(tmp_path: Path) -> None:
    path = written(
        tmp_path, "".join(syslog(n, program, message) for n, (program, message, _, _) in enumerate(LINES)).encode()
    )
    logon = next(row for row in _view("authentication", "linux_auth", path) if row["event.outcome"] == "success")
    assert (logon["event.action"], logon["source.ip"], logon["user.name"], logon["authentication.method"]) == (
        "logon",
        "192.0.2.7",
        "ada",
        "publickey",
    )
    assert {row["user.target.name"] for row in _view("iam", "linux_auth", path)} == {"eve", None}
    (sudo, refused) = sorted(_view("process", "linux_auth", path), key=lambda row: row["user.name"])
    assert (sudo["process.command_line"], refused["event.outcome"]) == ("/usr/bin/cat /etc/shadow", "failure")
    (blocked,) = _view("network", "linux_firewall", path)
    assert (
        blocked["source.ip"],
        blocked["destination.port"],
        blocked["event.outcome"],
        blocked["network.transport"],
    ) == ("203.0.113.9", 22, "failure", "tcp")
    (query,) = _view("dns", "dns_bind", path)
    assert (query["dns.question.name"], query["source.ip"], query["destination.ip"]) == (
        "www.example.com",
        "192.0.2.7",
        "192.0.2.53",
    )
    assert {row["service.name"] for row in _view("service", "linux_syslog", path)} == {"ssh.service", "x.service"}

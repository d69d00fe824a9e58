"""Findings in words."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from triage_samples import SYSTEM32, T0, event, evidence, reason

from vizsla.nouns import EventRef, Usual
from vizsla.safe import visible
from vizsla.source import Batch
from vizsla.sources.windows_json import WindowsJson
from vizsla.triage.template import FILTERS, parse
from vizsla.triage.titles import (
    MAX_TITLE,
    describe,
    field_words,
    load,
    rarity,
    reason_text,
    subject,
    summary,
    title,
    words,
)

TASK = "<Task><Exec><Command>cmd.exe</Command><Arguments>/c &quot;x&quot;</Arguments></Exec></Task>"
PIPELINE = (
    "Pipeline execution details for command line: whoami /all . \n\nContext Information: \n\tHostApplication=p.exe\n"
)
RUN_KEY = "HKLM\\Software\\Microsoft\\Windows\\CurrentVersion\\Run\\Updater"
PS = SYSTEM32 + "WindowsPowerShell\\v1.0\\powershell.exe"


@pytest.mark.parametrize(
    ("kind", "native", "wanted"),
    [
        (
            "windows_sysmon:1",
            {
                "Image": SYSTEM32 + "wbem\\WMIC.exe",
                "ParentImage": PS,
                "CommandLine": f'"{SYSTEM32}wbem\\WMIC.exe" /node:x process call create y',
            },
            "powershell.exe on ws5 started WMIC.exe: WMIC.exe /node:x process call create y",
        ),
        (
            "windows_sysmon:1",
            {"Image": PS, "ParentImage": "-", "User": "CORP\\ann"},
            "powershell.exe started on ws5 as CORP\\ann",
        ),
        (
            "windows_sysmon:3",
            {"Image": PS, "DestinationIp": "10.0.0.9", "DestinationPort": "443", "DestinationHostname": "-"},
            "powershell.exe on ws5 connected to 10.0.0.9:443",
        ),
        (
            "windows_sysmon:10",
            {
                "SourceImage": "C:\\t\\mimikatz.exe",
                "SourceProcessId": "1648",
                "TargetImage": SYSTEM32 + "lsass.exe",
                "GrantedAccess": "0x1010",
                "Computer": "WORKSTATION5.corp.example",
            },
            "mimikatz.exe (pid 1648) opened lsass.exe on WORKSTATION5 with 0x1010",
        ),
        (
            "windows_sysmon:13",
            {"Image": "C:\\a\\reg.exe", "TargetObject": RUN_KEY, "Details": "c:\\x.exe"},
            "reg.exe on ws5 set Run\\Updater to c:\\x.exe",
        ),
        (
            "windows_sysmon:12",
            {"Image": "C:\\a\\reg.exe", "TargetObject": "HKLM\\A\\B", "EventType": "CreateKey"},
            "reg.exe on ws5 created registry key A\\B",
        ),
        (
            "windows_sysmon:12",
            {"Image": "C:\\a\\reg.exe", "TargetObject": "HKLM\\A\\B", "EventType": "INFO"},
            "reg.exe on ws5 touched registry key A\\B",
        ),
        (
            "windows_system:7045",
            {"ServiceName": "Updater Service", "ImagePath": "%COMSPEC% /c x"},
            "service Updater Service installed on ws5 (%COMSPEC% /c x)",
        ),
        (
            "windows_security:4624",
            {
                "LogonType": "3",
                "TargetUserName": "ann",
                "IpAddress": "::ffff:172.18.39.5",
                "AuthenticationPackageName": "NTLM",
            },
            "network logon of ann to ws5 from 172.18.39.5 (NTLM)",
        ),
        (
            "windows_security:4624",
            {"LogonType": "3", "TargetUserName": "ann", "IpAddress": "-", "WorkstationName": "WS9"},
            "network logon of ann to ws5 from WS9",
        ),
        (
            "windows_security:4624",
            {"LogonType": "10", "TargetUserName": "ann", "IpAddress": "10.1.1.1"},
            "remote desktop logon of ann to ws5 from 10.1.1.1",
        ),
        (
            "windows_security:4624",
            {
                "LogonType": "2",
                "TargetUserName": "ann",
                "IpAddress": "127.0.0.1",
                "ProcessName": SYSTEM32 + "winlogon.exe",
            },
            "interactive logon of ann to ws5 by winlogon.exe",
        ),
        (
            "windows_security:4719",
            {
                "SubjectUserName": "ann",
                "SubcategoryGuid": "{0cce922b-69ae-11d9-bed3-505054503030}",
                "AuditPolicyChanges": "%%8448, %%8450",
            },
            "audit policy changed on ws5 by ann: 'Process Creation' success auditing removed, failure auditing removed",
        ),
        (
            "windows_security:4698",
            {"TaskName": "\\Update", "SubjectUserName": "ann", "TaskContent": TASK},
            'new scheduled task \\Update on ws5 by ann: cmd.exe /c "x"',
        ),
        ("windows_security:1102", {"SubjectUserName": "ann"}, "Security log cleared on ws5 by ann"),
        (
            "windows_security:4690",
            {"SourceProcessId": "0x1f4", "TargetProcessId": "0x4"},
            "handle of process 500 duplicated to 4 on ws5",
        ),
        (
            "windows_powershell:4103",
            {"ContextInfo": " Command Name = Get-Date\n User = CORP\\ann\n", "Payload": "-"},
            "PowerShell ran Get-Date on ws5 as CORP\\ann",
        ),
        ("windows_powershell_classic:800", {"Message": PIPELINE}, "PowerShell on ws5 ran whoami /all ."),
        (
            "windows_sysmon:1/unusual",
            {"Image": PS, "ParentImage": "C:\\a\\b.exe"},
            "b.exe on ws5 started powershell.exe",
        ),
        (
            "zeek_conn",
            {
                "id.orig_h": "10.0.0.1",
                "id.resp_h": "8.8.8.8",
                "id.resp_p": "53",
                "orig_bytes": "2500000",
                "duration": "3.14159",
            },
            "10.0.0.1 connected to 8.8.8.8:53, 2.5 MB sent, 3.14 s",
        ),
        (
            "zeek_http",
            {"id.orig_h": "10.0.0.1", "method": "GET", "host": "evil.example", "uri": "/a", "id.resp_h": "1.2.3.4"},
            "10.0.0.1 GET evil.example/a",
        ),
    ],
)
def test_what_happened(kind, native, wanted):
    assert describe(event(kind, **native), kind) == wanted


@pytest.mark.parametrize(
    ("kind", "native", "wanted"),
    [
        (
            "linux_auth:logon",
            {
                "program": "sshd",
                "user": "fztu",
                "outcome": "success",
                "method": "password",
                "source_ip": "119.137.62.142",
            },
            "SSH logon of fztu to ws5 from 119.137.62.142 with password",
        ),
        (
            "linux_auth:logon",
            {"program": "sshd", "user": "root", "outcome": "failure", "source_ip": "192.0.2.9"},
            "failed SSH logon of root to ws5 from 192.0.2.9",
        ),
        (
            "linux_auth:logon",
            {"program": "klogind", "outcome": "failure", "source_ip": "192.0.2.9", "reason": "Permission denied "},
            "failed klogind logon to ws5 from 192.0.2.9: Permission denied",
        ),
        (
            "linux_auth:unknown-user",
            {"program": "sshd", "user": "boot"},
            "SSH logon of unknown account boot tried on ws5",
        ),
        (
            "linux_auth:pam-authentication",
            {
                "program": "sshd(pam_unix)",
                "service": "sshd",
                "user": "uucp",
                "outcome": "failure",
                "source_ip": "192.0.2.9",
            },
            "failed SSH authentication of uucp on ws5 from 192.0.2.9",
        ),
        ("linux_auth:session-opened", {"program": "su(pam_unix)", "user": "news"}, "su session of news opened on ws5"),
        (
            "linux_auth:privileged-command",
            {"user": "ada", "target_user": "root", "command": "/usr/bin/id"},
            "ada ran /usr/bin/id as root on ws5",
        ),
        ("linux_auth", {"program": "sshd", "message": "Server  listening"}, "sshd on ws5: Server listening"),
        ("linux_syslog:ftpd", {"program": "ftpd", "message": "ANONYMOUS FTP"}, "ftpd on ws5: ANONYMOUS FTP"),
        (
            "linux_audit:process-started",
            {"exe": "/usr/sbin/arp", "command_line": "arp -a", "auid_name": "ada"},
            "arp started on ws5 by ada: arp -a",
        ),
        (
            "linux_audit:file-deleted",
            {"exe": "/bin/rm", "action": "file-deleted", "file_path": "/var/log/auth.log"},
            "rm on ws5: file deleted, /var/log/auth.log",
        ),
        (
            "linux_sysmon:3",
            {"Image": "/usr/bin/curl", "DestinationIp": "192.0.2.9", "DestinationPort": "80"},
            "curl on ws5 connected to 192.0.2.9:80",
        ),
        (
            "web_access:GET",
            {"method": "GET", "uri": "/manager", "remote_host": "192.0.2.9", "status": "302"},
            "GET /manager from 192.0.2.9 on ws5, answered with 302",
        ),
        (
            "w3c_iis:POST",
            {
                "cs-method": "POST",
                "cs-uri-stem": "/t.aspx",
                "cs-uri-query": "-",
                "c-ip": "192.0.2.9",
                "sc-status": "200",
            },
            "POST /t.aspx from 192.0.2.9 on ws5, answered with 200",
        ),
        (
            "suricata_alert:2403385",
            {"alert.signature": "ET CINS group 86", "src_ip": "192.0.2.9", "dest_ip": "10.0.0.5", "dest_port": "8090"},
            "Suricata alert: ET CINS group 86, 192.0.2.9 to 10.0.0.5:8090",
        ),
        (
            "suricata_fileinfo",
            {"fileinfo.filename": "/HNAP1/", "src_ip": "192.0.2.9", "dest_ip": "10.0.0.5", "app_proto": "http"},
            "file /HNAP1/ went from 192.0.2.9 to 10.0.0.5 by http",
        ),
        (
            "suricata_krb5",
            {"event_type": "krb5", "src_ip": "192.0.2.9", "dest_ip": "10.0.0.5"},
            "krb5 of 192.0.2.9 with 10.0.0.5",
        ),
        (
            "aws_cloudtrail:GetObject",
            {
                "eventName": "GetObject",
                "eventSource": "s3.amazonaws.com",
                "userIdentity.arn": "arn:aws:sts::1:assumed-role/Banking/i-0317",
                "sourceIPAddress": "192.0.2.9",
                "errorCode": "AccessDenied",
            },
            "i-0317 called GetObject of s3.amazonaws.com from 192.0.2.9, refused: AccessDenied",
        ),
        (
            "cisco_asa:106023",
            {"outcome": "failure", "source_ip": "192.0.2.9", "destination_ip": "10.0.0.5", "destination_port": "22"},
            "Cisco firewall ws5 denied 192.0.2.9 to 10.0.0.5:22",
        ),
    ],
)
def test_what_happened_elsewhere_than_on_windows(kind, native, wanted):
    assert describe(event(kind, **native), kind) == wanted


def test_title_says_how_rare():
    piece = evidence(
        "windows_sysmon:1",
        reason("Image", surprisal=1.0),
        reason("CommandLine", surprisal=9.0),
        Image=PS,
        ParentImage=PS,
    )
    assert title([piece]) == "powershell.exe on ws5 started powershell.exe; command line never seen; 0 of 312,441"
    seen = evidence("windows_sysmon:1", reason("CommandLine", seen=1), Image=PS, ParentImage=PS)
    assert title([seen], 12).endswith("; command line seen 1 of 312,441; 12 instances")
    given = evidence("windows_sysmon:1", reason(given="c:\\windows\\a.exe", of=7), Image=PS, ParentImage=PS)
    assert title([given]).endswith("; command line with a.exe never seen; 0 of 7")


def test_title_is_of_the_strongest():
    weak = evidence("windows_sysmon:5", bits=1.0, Image=PS, ProcessId="7")
    strong = evidence("windows_security:1102", bits=8.0, SubjectUserName="ann")
    assert title([weak, strong]).startswith("Security log cleared")
    assert title([]) == "finding without evidence"


def test_fallback_names_the_event_and_the_most_surprising_field():
    piece = evidence("windows_application:11724", reason("param1", raw="Agent"), reason("param2", raw="b", surprisal=1))
    assert subject(piece) == "windows_application event ID 11724 on ws5: first value Agent"
    odd = evidence("custom_table", reason("Colour", raw="red"))
    assert subject(odd) == "custom table on ws5: colour red"
    assert subject(replace(odd, events=())) == "custom table: colour red"
    word = evidence("some_product:user/added", reason("Colour", raw="red"))
    assert subject(word) == "user/added (some product) on ws5: colour red"
    number = evidence("some_product:4711", reason("Colour", raw="red"))
    assert subject(replace(number, events=())) == "4711 (some product): colour red"


def test_summary_tells_what_is_usual():
    piece = evidence(
        "windows_sysmon:1",
        reason("CommandLine", raw="x -enc AAAA", given="powershell.exe", usual=(Usual("x -file", 1200),)),
        reason("User", raw="ann", surprisal=2.0, seen=3, hosts=1),
        Image=PS, ParentImage=PS,
    )  # fmt: skip
    assert summary(replace(piece, count=4)) == (
        "powershell.exe on ws5 started powershell.exe (4 events alike): "
        "command line x -enc AAAA with powershell.exe never seen in 312,441 events, on 0 of 5 hosts; "
        "usual: x -file (1,200); account ann seen 3 times in 312,441 events, on 1 of 5 hosts"
    )
    alone = reason("User", raw="ann", seen=1, of=1, hosts=1, of_hosts=1)
    assert reason_text(alone) == "account ann seen 1 time in 1 event, on 1 of 1 host"
    assert reason_text(reason(text="said\nalready")) == "said already"
    assert rarity(evidence("windows_sysmon:1")) == ""


def test_field_words():
    assert field_words("commandline") == "command line"
    assert field_words("QueryStatus") == "query status"
    assert field_words("id.resp_p") == "port"


HOSTILE = st.text(st.characters(), max_size=400)
NAMES = (
    "Image", "ParentImage", "CommandLine", "User", "TargetUserName", "LogonType", "IpAddress", "TaskContent",
    "ServiceName", "ImagePath", "Message", "Computer", "param1", "Properties", "SubcategoryGuid", "orig_bytes",
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([*words().titles, "windows_x:1", "a", "a:b:c/d"]),
    st.dictionaries(st.sampled_from(NAMES), HOSTILE, max_size=8),
    HOSTILE,
    st.integers(0, 10**12),
)
def test_titles_are_short_visible_and_never_fail(kind, native, raw, instances):
    piece = evidence(kind, reason("CommandLine", raw=raw), events=(event(kind, on=raw[:300], **native),))
    for text, longest in ((title([piece], instances), MAX_TITLE), (summary(piece), 600), (subject(piece, 60), 60)):
        assert 0 < len(text) <= longest
        assert visible(text) == text


def test_long_values_keep_both_ends():
    line = "tool.exe " + "a" * 500 + " --end"
    said = title([evidence("windows_sysmon:1", reason(), Image="C:\\tool.exe", ParentImage=PS, CommandLine=line)])
    assert len(said) <= MAX_TITLE and "…" in said and "--end" in said and "0 of 312,441" in said


@pytest.mark.parametrize("bad", ["{a|nofilter}", "{|base}", "a [b", "{a,}"])
def test_bad_templates_are_named(bad):
    with pytest.raises(ValueError, match="windows_x:1"):
        load(f"titles: {{'windows_x:1': '{bad}'}}\nwords: {{}}")


def test_every_shipped_kind_has_one_spelling():
    for kind in words().titles:
        table, _, event_id = kind.partition(":")
        assert table == table.lower() and not event_id.endswith("*")
        assert event_id.isdecimal() if table.startswith("windows_") else not event_id.isdecimal()


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(FILTERS)), HOSTILE)
def test_filters_never_fail(name, text):
    assert isinstance(FILTERS[name](text), str)


def test_templates_leave_out_what_is_missing():
    one = parse("{A} x[ by {B}][ at {C,D|base}]@K=1")
    made = event("x", A="a", K="1", D="c:\\f\\g.exe")
    from vizsla.triage.native import fields_of

    assert one.fill(made, fields_of(made), 100, 50) == "a x at g.exe"
    other = event("x", A="a", K="2")
    assert one.fill(other, fields_of(other), 100, 50) == ""


@pytest.mark.real_data
def test_real_events_are_named(real_data: Path):
    """Every kind of event of three captures: few need the last resort, and all fit."""
    seen: dict[str, str] = {}
    for kind, ref in one_of_each_kind(real_data / "mordor", 3):
        piece = evidence(kind, reason(), events=(ref,))
        said = title([piece])
        assert len(said) <= MAX_TITLE and visible(said) == said
        seen[kind] = describe(ref, kind)
    named = [kind for kind, said in seen.items() if said]
    assert len(seen) >= 50 and len(named) >= 0.75 * len(seen)


def one_of_each_kind(folder: Path, captures: int) -> Iterator[tuple[str, EventRef]]:
    met: set[str] = set()
    for path in sorted(folder.glob("*.zip"))[:captures]:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                for batch in WindowsJson().read(Member(name, archive.read(name))):
                    if not isinstance(batch, Batch):
                        continue
                    for row, event_id in enumerate(batch.events.column("EventID").to_pylist()):
                        kind = f"{batch.table}:{event_id}"
                        if kind not in met:
                            met.add(kind)
                            fields = batch.events.slice(row, 1).to_pylist()[0]
                            native = {k: v for k, v in fields.items() if isinstance(v, str) and not k.startswith("_")}
                            yield kind, event(kind, on=fields["_host"], time=fields["_time"], **native)


class Member:
    """A member of an archive, as sources read it."""

    path = None

    def __init__(self, name: str, data: bytes) -> None:
        self.name, self.data = name, data

    def open(self) -> io.BytesIO:
        return io.BytesIO(self.data)


def test_the_event_of_the_line_s_own_kind_is_told() -> None:
    """A line that hits share begins with whichever event came first."""
    early = T0 - timedelta(seconds=1)
    asked = event("windows_sysmon:22", time=early, Image="C:\\x\\edge.exe", QueryName="a.example")
    met = event("zeek_conn", **{"id.orig_h": "10.1.1.7", "id.resp_h": "192.0.2.9", "id.resp_p": "443", "proto": "tcp"})
    alone, beside = (evidence("zeek_conn", events=found) for found in ((met,), (asked, met)))
    assert "192.0.2.9" in title([alone]) and title([beside]) == title([alone])
    other = event(
        "windows_sysmon:3", time=T0 - timedelta(seconds=1), Image="C:\\x\\edge.exe", DestinationIp="192.0.2.9"
    )
    asks, both = (evidence("windows_sysmon:22", events=found) for found in ((asked,), (other, asked)))
    assert "a.example" in title([asks]) and title([both]) == title([asks])

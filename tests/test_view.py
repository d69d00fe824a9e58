"""Values of views for events written by hand, as written down beside them, on every engine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import ibis
import pyarrow as pa
import pytest

from vizsla.errors import ViewError
from vizsla.lake import Lake
from vizsla.view import epoch, named, read, view_table, views
from vizsla.views.compile import Compiler
from vizsla.views.grammar import parse

NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)
ENDS = {"id.orig_h": "10.0.0.5", "id.orig_p": "50000", "id.resp_h": "10.0.0.9", "id.resp_p": "445", "uid": "Cx"}
ZEEK = {"source.ip": "10.0.0.5", "source.port": 50000, "destination.ip": "10.0.0.9", "destination.port": 445}

# (view, table, native columns, fields as they must come out)
EVENTS: list[tuple[str, str, dict[str, str], dict[str, object]]] = [
    (
        "process",
        "windows_sysmon",
        {
            "EventID": "1",
            "Image": "C:\\Windows\\System32\\cmd.exe",
            "CommandLine": "cmd /c dir",
            "User": "CORP\\ann",
            "ProcessId": "4711",
            "ProcessGuid": "{365ABB72-AA00-5C67-0000-0010E0811500}",
            "Hashes": "MD5=AB12,SHA256=CD34,IMPHASH=EF",
            "ParentImage": "C:/odd/path/explorer.exe",
            "ParentProcessId": "-",
            "LogonId": "0x3E7",
        },
        {
            "event.action": "process-started",
            "event.code": "1",
            "process.executable": "C:\\Windows\\System32\\cmd.exe",
            "process.name": "cmd.exe",
            "process.command_line": "cmd /c dir",
            "process.pid": 4711,
            "process.entity_id": "365abb72-aa00-5c67-0000-0010e0811500",
            "process.hash.sha256": "cd34",
            "process.hash.md5": "ab12",
            "process.parent.name": "explorer.exe",
            "process.parent.pid": None,
            "user.name": "ann",
            "user.domain": "CORP",
            "winlog.logon.id": "0x3e7",
        },
    ),
    (
        "process",
        "windows_sysmon",
        {"EventID": "10", "SourceImage": "C:\\a.exe", "SourceProcessGUID": "{AB}", "TargetImage": "C:\\lsass.exe"}
        | {"GrantedAccess": "0x1410", "SourceProcessId": "5"},
        {
            "event.action": "process-accessed",
            "process.name": "a.exe",
            "process.entity_id": "ab",
            "process.target.name": "lsass.exe",
            "process.target.granted_access": "0x1410",
            "process.pid": 5,
            "process.command_line": None,
        },
    ),
    (
        "process",
        "windows_security",
        {"EventID": "4688", "NewProcessName": "C:\\b.exe", "NewProcessId": "0x1A2b", "ProcessId": "0xffffffff"}
        | {"SubjectUserName": "ann", "TargetUserName": "-", "ParentProcessName": ""},
        {
            "event.action": "process-started",
            "process.pid": 6699,
            "process.parent.pid": 4294967295,
            "user.name": "ann",
            "user.effective.name": None,
            "process.parent.name": None,
        },
    ),
    (
        "network",
        "windows_sysmon",
        {"EventID": "3", "SourceIp": "::FFFF:10.0.0.5", "DestinationIp": "fe80::1", "DestinationPort": "443"}
        | {"Protocol": "TCP", "Initiated": "true", "Image": "C:\\x.exe"},
        {
            "source.ip": "10.0.0.5",
            "destination.ip": "fe80::1",
            "destination.port": 443,
            "network.transport": "tcp",
            "network.direction": "outbound",
            "process.name": "x.exe",
        },
    ),
    (
        "network",
        "windows_security",
        {"EventID": "5156", "Direction": "%%14592", "Protocol": "17", "DestPort": "53", "ProcessID": "8"},
        {
            "event.outcome": "success",
            "network.direction": "inbound",
            "network.transport": "udp",
            "destination.port": 53,
            "process.pid": 8,
        },
    ),
    ("network", "zeek_conn", {**ENDS, "proto": "tcp", "orig_bytes": "12"}, {**ZEEK, "source.bytes": 12}),
    (
        "dns",
        "windows_sysmon",
        {"EventID": "22", "QueryName": "Example.org", "QueryStatus": "9003"},
        {"dns.question.name": "Example.org", "dns.response_code": "NXDOMAIN"},
    ),
    ("dns", "zeek_dns", {**ENDS, "query": "a.b", "qtype_name": "A"}, {**ZEEK, "dns.question.type": "A"}),
    (
        "http",
        "zeek_http",
        {**ENDS, "host": "Example.ORG", "status_code": "404", "user_agent": "curl/8"},
        {**ZEEK, "url.domain": "example.org", "http.response.status_code": 404, "user_agent.original": "curl/8"},
    ),
    (
        "tls",
        "zeek_ssl",
        {**ENDS, "established": "T", "resumed": "F", "server_name": "A.example"},
        {**ZEEK, "tls.established": True, "tls.resumed": False, "tls.client.server_name": "a.example"},
    ),
    (
        "file",
        "windows_sysmon",
        {"EventID": "11", "TargetFilename": "C:\\Users\\ann\\naïve\U0001f600\\x.ps1"},
        {
            "event.action": "file-created",
            "file.name": "x.ps1",
            "file.directory": "C:\\Users\\ann\\naïve\U0001f600",
        },
    ),
    (
        "file",
        "windows_security",
        {"EventID": "4663", "ObjectType": "File", "ObjectName": "C:\\secret.txt", "AccessMask": "0x1"},
        {"event.action": "file-opened", "file.name": "secret.txt", "file.access": "0x1"},
    ),
    (
        "registry",
        "windows_sysmon",
        {"EventID": "13", "EventType": "SetValue", "TargetObject": "HKLM\\Run\\evil", "Details": "x.exe"},
        {
            "event.action": "registry-value-changed",
            "registry.key": "HKLM\\Run",
            "registry.value": "evil",
            "registry.data.strings": "x.exe",
        },
    ),
    (
        "registry",
        "windows_security",
        {"EventID": "4657", "OperationType": "%%1904", "ObjectName": "\\REGISTRY\\X", "ObjectValueName": "v"},
        {"event.action": "registry-value-created", "registry.path": "\\REGISTRY\\X\\v"},
    ),
    (
        "library",
        "windows_sysmon",
        {"EventID": "7", "Image": "C:\\a.exe", "ImageLoaded": "C:\\evil.dll", "Signed": "false"},
        {"file.name": "evil.dll", "process.name": "a.exe", "file.code_signature.signed": False},
    ),
    (
        "driver",
        "windows_sysmon",
        {"EventID": "6", "ImageLoaded": "C:\\d.sys", "Signed": "True", "Signature": "Me"},
        {"file.name": "d.sys", "file.code_signature.signed": True, "file.code_signature.subject_name": "Me"},
    ),
    ("pipe", "windows_sysmon", {"EventID": "18", "PipeName": "\\psexesvc"}, {"event.action": "pipe-connected"}),
    (
        "pipe",
        "zeek_dce_rpc",
        {**ENDS, "named_pipe": "\\pipe\\svcctl", "operation": "CreateServiceW"},
        {**ZEEK, "pipe.name": "\\pipe\\svcctl", "pipe.operation": "CreateServiceW"},
    ),
    (
        "share",
        "windows_security",
        {"EventID": "5145", "ShareName": "\\\\*\\C$", "RelativeTargetName": "x", "IpAddress": "::1", "IpPort": "0"},
        {"share.name": "\\\\*\\C$", "share.target": "x", "source.ip": "::1", "source.port": 0},
    ),
    (
        "authentication",
        "windows_security",
        {"EventID": "4624", "TargetUserName": "ann", "LogonType": "10", "IpAddress": "-", "TargetLogonId": "0xAB"},
        {
            "event.action": "logon",
            "event.outcome": "success",
            "winlog.logon.type": "RemoteInteractive",
            "winlog.logon.id": "0xab",
            "source.ip": None,
            "user.name": "ann",
        },
    ),
    (
        "authentication",
        "windows_security",
        {"EventID": "4648", "SubjectUserName": "ann", "TargetUserName": "admin", "TargetServerName": "dc"},
        {"user.name": "ann", "user.effective.name": "admin", "destination.domain": "dc"},
    ),
    (
        "authentication",
        "windows_security",
        {"EventID": "4769", "Status": "0x1b", "ServiceName": "krbtgt"},
        {"event.outcome": "failure", "winlog.logon.package": "Kerberos", "winlog.kerberos.service": "krbtgt"},
    ),
    ("authentication", "windows_security", {"EventID": "4776", "Status": "0x0"}, {"event.outcome": "success"}),
    ("authentication", "zeek_ssh", {**ENDS, "auth_success": "F"}, {**ZEEK, "event.outcome": "failure"}),
    (
        "service",
        "windows_system",
        {"EventID": "7045", "ServiceName": "PSEXESVC", "ImagePath": "%SystemRoot%\\PSEXESVC.exe"},
        {"event.action": "service-installed", "service.executable": "%SystemRoot%\\PSEXESVC.exe"},
    ),
    (
        "scheduled_task",
        "windows_taskscheduler",
        {"EventID": "140", "TaskName": "\\evil", "UserName": "CORP\\ann"},
        {"event.action": "task-updated", "scheduled_task.name": "\\evil", "user.name": "ann"},
    ),
    (
        "script",
        "windows_powershell",
        {"EventID": "4104", "ScriptBlockText": "iex 1", "MessageNumber": "2", "MessageTotal": "3"},
        {"script.content": "iex 1", "script.part": 2, "script.parts": 3},
    ),
    (
        "script",
        "windows_sysmon",
        {"EventID": "19", "Name": "f", "Query": "select *", "EventNamespace": "root"},
        {"event.action": "wmi-filter-registered", "script.content": "select *", "script.id": "f"},
    ),
]
IGNORED = [
    ("process", "windows_sysmon", {"EventID": "999"}),
    ("file", "windows_security", {"EventID": "4663", "ObjectType": "Key", "ObjectName": "\\REGISTRY\\Y"}),
]


def made(root: Path) -> Lake:
    tables: dict[str, list[tuple[str, dict[str, str]]]] = {}
    for number, (_, table, native, *_) in enumerate([*EVENTS, *IGNORED]):
        tables.setdefault(table, []).append((f"{number:032x}", native))
    lake = Lake.open(root, create=True)
    for table, rows in tables.items():
        folded: dict[str, str] = {}  # names that differ in case alone are one column, as in a lake
        for _, native in rows:
            for name in native:
                folded.setdefault(name.lower(), name)
        ours = [("_id", pa.string()), ("_time", pa.timestamp("us", tz="UTC")), ("_host", pa.string())]
        schema = pa.schema([*ours, ("_day", pa.string()), *((name, pa.string()) for name in folded.values())])
        events = [
            {folded[k.lower()]: v for k, v in native.items()}
            | {"_id": key, "_time": NOON, "_host": "ws1", "_day": "2026-05-06"}
            for key, native in rows
        ]
        lake.append({table: [pa.RecordBatch.from_pylist(events, schema)]})
    return lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return made(tmp_path_factory.mktemp("views") / "lake")


def test_values_are_as_written_down(lake, each_engine):
    found = {name: each_engine.collect(view_table(each_engine, lake, name)).to_pylist() for name in views()}
    rows = {(name, row["_id"]): row for name in found for row in found[name]}
    for number, (name, table, _, expected) in enumerate(EVENTS):
        row = rows[name, f"{number:032x}"]
        assert (row["_table"], row["_time"], row["_host"]) == (table, NOON, "ws1")
        assert {field: row[field] for field in expected} == expected
    for number, (name, *_) in enumerate(IGNORED, len(EVENTS)):
        assert (name, f"{number:032x}") not in rows


TEXTS = [
    "C:\\a\\b.EXE", "/usr/bin/x", "plain", "", "-", None, "DOM\\user", "0x1A2b", "0x0000000000001f", "123", "-5",
    "12.5", "9" * 20, "1.5e-07", "1E+5", "+3", ".", "1e", "1e400", "1.2.3", "1-2", "1d", "inf", "NaN", "5.", ".5",
    "ada@example.org", "@", "a@b@c", "ec2.amazonaws.com", "LOCAL", "fe80::1%eth0", "1.2.3.4:80",
    "::ffff:10.0.0.1", "fe80::1", "{AB-cd}", "MD5=AA,SHA256=BBcc,IMPHASH=0", "SHA256=", "True", "f", "1",
    "İÄß", "\\", "a\\", "\\a", "x/y\\z/", "naïve\U0001f600\\d\U0001f600e", "0x", "0xfffffffff", "0xffffffff",
    "0x0fffffffffffffff", "0xffffffffffffffff", "0X1F", "a\nb\\c\n", "%'\"", "\u202ereversed\\\u202e",
    "/a/b?q=1&r=/x:2", "http://user:pw@Host.Example:8080/p?q", "https://[2001:db8::1]:443/", "host:443", "[::1]:80",
    "*", "10.0.0.1:2817", "http://h", "http://h?q", "?", "a?", "::1:33317", "[", "[:", "]:", "://", ":", "/:",
]  # fmt: skip
WORDS = [
    "basename(s)", "dirname(s)", "user(s)", "domain(s)", "number(s)", "boolean(s)", "lower(s)", "ip(s)", "guid(s)",
    "hash(s, SHA256)", "join(s, s)", "lookup(s, t)", "lookup(s, t, other)", "first(none, s)",
    "decimal(s)", "account(s)", "realm(s)",
    "address(s)", "port(s)", "peer(s)", "peer_port(s)", "url_path(s)", "url_query(s)", "url_domain(s)", "`s`",
]  # fmt: skip


def computed(engine):
    table = ibis.memtable(pa.table({"i": range(len(TEXTS)), "s": pa.array(TEXTS, pa.string())}))
    compiler = Compiler(table, {"t": {"123": "one", "f": "eff"}})
    shown = table.select("i", **{word: compiler(parse(word, "test")) for word in WORDS})
    return engine.collect(shown.order_by("i")).to_pylist()


@pytest.mark.spark
def test_every_word_of_mappings_means_the_same_on_both_engines(duckdb_engine, spark_engine):
    for ours, theirs, text in zip(computed(duckdb_engine), computed(spark_engine), TEXTS, strict=True):
        assert ours == theirs, text


def test_numbers_are_read_whichever_way_they_are_written(duckdb_engine):
    numbers = {text: row["number(s)"] for text, row in zip(TEXTS, computed(duckdb_engine), strict=True)}
    read_ = {text: number for text, number in numbers.items() if number is not None}
    assert read_ == {
        "0x1A2b": 0x1A2B,
        "0x0000000000001f": 0x1F,
        "123": 123,
        "1": 1,
        "0xfffffffff": 0xFFFFFFFFF,
        "0xffffffff": 0xFFFFFFFF,
        "0x0fffffffffffffff": 0x0FFFFFFFFFFFFFFF,
        "0X1F": 0x1F,
    }


def test_numbers_with_a_fraction_principals_and_what_is_no_address(duckdb_engine):
    found = dict(zip(TEXTS, computed(duckdb_engine), strict=True))
    numbers = {
        "12.5": 12.5,
        "-5": -5.0,
        "1.5e-07": 1.5e-07,
        "1E+5": 100000.0,
        "+3": 3.0,
        "5.": 5.0,
        ".5": 0.5,
        "123": 123.0,
    }
    for text in (".", "1e", "1e400", "1.2.3", "1-2", "1d", "inf", "NaN", "0X1F", "plain", "-", None):
        numbers[text] = None
    assert {text: found[text]["decimal(s)"] for text in numbers} == numbers
    whole = {
        "ada@example.org": ("ada", "example.org"),
        "plain": ("plain", None),
        "@": (None, None),
        "a@b@c": ("a", "c"),
    }
    assert {text: (found[text]["account(s)"], found[text]["realm(s)"]) for text in whole} == whole
    addresses = {"::ffff:10.0.0.1": "10.0.0.1", "fe80::1": "fe80::1", "fe80::1%eth0": "fe80::1%eth0", "LOCAL": None,
                 "ec2.amazonaws.com": None, "1.2.3.4:80": None, "plain": None}  # fmt: skip
    assert {text: found[text]["ip(s)"] for text in addresses} == addresses


def test_urls_and_ends_of_connections_are_taken_apart(duckdb_engine):
    found = dict(zip(TEXTS, computed(duckdb_engine), strict=True))
    expected = {
        "/a/b?q=1&r=/x:2": ("/a/b", "q=1&r=/x:2", None),
        "http://user:pw@Host.Example:8080/p?q": ("/p", "q", "host.example"),
        "https://[2001:db8::1]:443/": ("/", None, "2001:db8::1"),
        "http://h": ("/", None, "h"),
        "http://h?q": ("/", "q", "h"),
        "host:443": (None, None, "host"),
        "*": (None, None, None),
    }
    for text, values in expected.items():
        assert tuple(found[text][f"url_{part}(s)"] for part in ("path", "query", "domain")) == values, text
    ends = {"10.0.0.1:2817": ("10.0.0.1", 2817), "[::1]:80": ("::1", 80), "fe80::1": ("fe80::1", None)}
    for text, end in ends.items():
        assert (found[text]["address(s)"], found[text]["port(s)"]) == end, text


def test_a_view_of_nothing_is_typed_and_empty(tmp_path, duckdb_engine):
    lake = Lake.open(tmp_path / "lake", create=True)
    table = duckdb_engine.collect(view_table(duckdb_engine, lake, "process"))
    assert table.num_rows == 0
    assert table.schema.field("process.pid").type == pa.int64()


def test_unknown_views_are_named():
    with pytest.raises(ViewError, match=r"(?s)'proces'.*process"):
        named("proces")


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ({"nosuch.field": "Image"}, "no field of views"),
        ({"process.pid": "Image"}, "process.pid is long"),
        ({"process.name": "number(Image)"}, "its mapping gives long"),
        ({"source.ip": "SourceIp"}, "source.ip is ip"),
        ({"process.name": "nosuch(Image)"}, "no function 'nosuch'"),
        ({"process.name": "basename(Image"}, "not closed"),
        ({"process.name": "basename(Image) more"}, "goes on"),
        ({"process.name": "basename()"}, "missing"),
        ({"process.name": "hash(Hashes)"}, "does not take"),
        ({"process.name": "a; drop"}, "cannot read"),
    ],
)
def test_a_mapping_that_is_wrong_is_named(mapping, says):
    content = {"doc": "x.", "tables": {"windows_sysmon": {"events": [{"fields": mapping}]}}}
    with pytest.raises(ViewError, match=says) as caught:
        read("made", content)
    assert "made.yaml, windows_sysmon" in str(caught.value)


def test_seconds_are_those_that_have_passed(each_engine):
    whole = 1_770_000_000
    micros = [0, 1, 499_999, 500_000, 999_999]
    times = pa.table({"at": pa.array([whole * 1_000_000 + more for more in micros], pa.timestamp("us", tz="UTC"))})
    events = ibis.memtable(times)
    found = each_engine.collect(events.select(seconds=epoch(events["at"])))
    assert found["seconds"].to_pylist() == [whole] * len(micros)

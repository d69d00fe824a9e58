"""Indicators against events, beside a naive second implementation that asks every indicator of every value."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from match_samples import events_of, hits, slow, table_of
from vizsla.engines import connect
from vizsla.intel.apart import fours
from vizsla.intel.columns import Looked, looked
from vizsla.intel.match import WITHIN, IndicatorMatcher, prepare
from vizsla.intel.runs import codes_of, runs
from vizsla.intel.wanted import load
from vizsla.lake import Lake

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SYSMON = Looked(
    "CommandLine",
    frozenset(("process", "md5", "sha256")),
    frozenset(
        (
            "ipv4",
            "ipv6",
            "cidr",
            "domain",
            "url",
            "email",
            "file_path",
            "file_name",
            "registry_key",
            "pipe",
            "cve",
            "bitcoin",
        )
    ),
)


def look(tmp_path: Path, indicators, values, column: Looked = SYSMON, table: str = "windows_sysmon"):
    """What indicators are met in a column: (row, type, value, what stood there)."""
    folder = prepare(table_of(indicators), tmp_path / "wanted")
    batch = pa.record_batch({column.name: pa.array(values, pa.string())})
    met = IndicatorMatcher(table, (column,), (folder,)).start()(batch)
    known = dict(zip(table_of(indicators)["id"].to_pylist(), indicators, strict=True))
    within = [dict(k)[WITHIN] if k else None for k in met.keys.to_pylist()]
    return [(int(r), *known[by], w) for r, by, w in zip(met.row, met.by.to_pylist(), within, strict=True)]


def store(tmp_path: Path, tables: dict[str, list[dict]]) -> Lake:
    """A lake of a few events."""
    lake = Lake.open(tmp_path / "lake", create=True)
    for name, rows in tables.items():
        columns = {key: [row.get(key) for row in rows] for key in dict.fromkeys(k for row in rows for k in row)}
        n = len(rows)
        lake.append(
            {
                name: [
                    pa.record_batch(
                        {
                            "_id": pa.array([f"{abs(hash((name, i))):032x}"[:32] for i in range(n)]),
                            "_time": pa.array([WHEN] * n, pa.timestamp("us", tz="UTC")),
                            "_host": pa.array(["pc1"] * n),
                            "_origin": pa.array(["x"] * n),
                            "_day": pa.array(["2026-01-02"] * n),
                            **{key: pa.array(values, pa.string()) for key, values in columns.items()},
                        }
                    )
                ]
            }
        )
    return lake


MD5, SHA256 = "0cc175b9c0f1b6a831c399e269772661", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
TEXT = [
    # the indicator, and values that hold it, and others that do not
    (
        ("ipv4", "198.51.100.7"),
        ["ping 198.51.100.7", "198.51.100.7:443", "[::ffff:198.51.100.7]", "x=198.51.100.7."],
        ["ping 198.51.100.70", "1.198.51.100.7", "198.51.100.7.evil.com", "198.51.100.7-rc"],
    ),
    (
        ("ipv6", "2001:db8::1"),
        ["ping 2001:DB8::1", "2001:0db8:0:0:0:0:0:1", "[2001:db8::1]:80"],
        ["2001:db8::10", "12:34:56 2001:db8::", "2001:db8::1:0"],
    ),
    (("cidr", "198.51.100.0/24"), ["a 198.51.100.255", "198.51.100.0"], ["198.51.101.0", "198.51.100.256"]),
    (("cidr", "2001:db8::/32"), ["x 2001:db8:ffff::9"], ["2001:db9::"]),
    (
        ("domain", "evil.com"),
        ["ping evil.com", "http://a.b.EVIL.com/x", r"\\evil.com\share", "evil.com.", "bob@evil.com"],
        ["notevil.com", "evil.com.au", r"c:\x\evil.com", "/usr/bin/evil.com", "evil.command", "evil_com"],
    ),
    (
        ("domain", "xn--bcher-kva.example"),
        ["ping bücher.example", "www.xn--bcher-kva.example", "www.BÜCHER.example"],
        ["bucher.example"],
    ),
    (("md5", MD5), [f"x {MD5.upper()}", f"MD5={MD5},SHA1=0", f"/files/{MD5}.exe", f"a-{MD5}"], [f"{MD5}0", f"f{MD5}"]),
    (("sha256", SHA256), [f"SHA256={SHA256.upper()}"], [SHA256[:-1]]),
    (
        ("url", "http://evil.com/gate.php"),
        ["curl HTTP://EVIL.com:80/gate.php", "'http://evil.com/gate.php?id=1'", "see http://evil.com/gate.php."],
        ["http://evil.com/gate.php5", "http://evil.com/", "https://evil.com/gate.php"],
    ),
    (("url", "*://evil.com/a/*"), ["curl https://evil.com/a/b?c"], ["https://evil.com/b", "https://a.evil.com/a/b"]),
    (
        ("email", "bob@evil.com"),
        ["to:Bob@Evil.com,", "'bob@evil.com'", "<bob@evil.com>"],
        ["jbob@evil.com", "bob@evil.com.au"],
    ),
    (
        ("file_name", "evil.exe"),
        [r'"C:\x y\EVIL.exe" -a', "evil.exe", "./evil.exe;ls", "start evil.exe /b"],
        ["notevil.exe", "evil.exe.txt", "my-evil.exe"],
    ),
    (("file_name", "evil file.exe"), [r'"C:\x\evil file.exe" -a'], ["file.exe", "evil.exe"]),
    (
        ("file_path", r"%userprofile%\appdata\local\temp\e.exe"),
        [r'"C:\Users\bob\AppData\Local\Temp\e.exe" /x', r"cmd /c %TEMP%\e.exe"],
        [r"C:\Temp\e.exe", r"C:\Users\bob\AppData\Local\Temp\e.exe.bak"],
    ),
    (
        ("registry_key", r"hklm\software\evilcorp"),
        [r"reg add HKLM\Software\EvilCorp /v x", r'reg add "HKEY_LOCAL_MACHINE\SOFTWARE\evilcorp\sub"'],
        [r"reg add HKCU\Software\EvilCorp"],
    ),
    (("pipe", "evilpipe"), [r"type \\.\pipe\evilpipe"], [r"type \\.\pipe\evilpipe2", "evilpipe"]),
    (("cve", "CVE-2021-44228"), ["exploit for cve-2021-44228!"], ["CVE-2021-442281"]),
    (
        ("bitcoin", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
        ["pay 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"],
        ["pay 1a1zp1ep5qgefi2dmptftl5slmv7divfna"],
    ),
]


@pytest.mark.parametrize(("indicator", "good", "bad"), TEXT, ids=lambda v: v[1][:24] if isinstance(v, tuple) else "")
def test_within_text(tmp_path, indicator, good, bad):
    met = look(tmp_path, [indicator], [*good, None, *bad])
    assert [row for row, *_ in met] == list(range(len(good)))


WHOLE = [
    (
        "windows_sysmon",
        "TargetObject",
        ("registry_key", r"hklm\software\evil\run"),
        [r"HKLM\SOFTWARE\Evil\Run", r"HKLM\SOFTWARE\Wow6432Node\Evil\Run\x"],
        [r"HKLM\SOFTWARE\Evil\Run2", r"HKU\S-1-5-18\Software\Evil\Run"],
    ),
    (
        "windows_sysmon",
        "TargetObject",
        ("registry_key", r"hkcu\software\evil"),
        [r"HKU\S-1-5-21-1-2-3-1001\Software\Evil"],
        [r"HKU\.DEFAULT\Software\Evil"],
    ),
    (
        "windows_sysmon",
        "Image",
        ("file_name", "evil*.exe"),
        [r"C:\x\Evil1.exe", "evil.exe"],
        [r"C:\x\devil.exe", r"C:\evil1.exe\x"],
    ),
    (
        "windows_sysmon",
        "Image",
        ("file_path", r"c:\windows\*\evil.exe"),
        [r"C:\Windows\a\b\evil.exe"],
        [r"C:\Windows\evil.exe"],
    ),
    ("windows_sysmon", "Image", ("file_name", "x"), [r"C:\a\x"], [r"C:\x\a"]),
    ("windows_sysmon", "PipeName", ("pipe", r"msagent_*"), [r"\MSagent_1f"], [r"\agent_1f"]),
    ("windows_security", "ServiceName", ("service", "evil service"), ["Evil Service"], ["evil service 2"]),
    ("zeek_http", "user_agent", ("user_agent", "mozilla/4.0 (evil)"), ["Mozilla/4.0 (Evil)"], ["Mozilla/4.0 (Evil) x"]),
    ("zeek_x509", "certificate.serial", ("certificate_serial", "1f2e3d"), ["001F2E3D", "1f:2e:3d"], ["1F2E3D00"]),
    ("zeek_x509", "fingerprint", ("certificate_fingerprint", MD5), [MD5.upper()], [MD5[1:]]),
    ("zeek_ssl", "ja3", ("ja3", MD5), [MD5], ["x" + MD5]),
    ("zeek_ssl", "server_name", ("domain", "evil.co.uk"), ["a.evil.co.uk", "EVIL.co.uk"], ["co.uk", "xevil.co.uk"]),
    ("foo", "src_ip", ("ipv4", "192.0.2.1"), ["192.0.2.1"], ["192.0.2.11"]),
]


@pytest.mark.parametrize(("table", "column", "indicator", "good", "bad"), WHOLE)
def test_whole_columns(tmp_path, table, column, indicator, good, bad):
    (held,) = looked(table, [column], {indicator[0]})
    met = look(tmp_path, [indicator], [*good, *bad], held, table)
    assert [row for row, *_ in met] == list(range(len(good)))


def test_a_bare_suffix_is_never_met(tmp_path):
    assert (
        look(
            tmp_path,
            [("domain", "co.uk"), ("domain", "com"), ("domain", "github.io"), ("domain", "foo.ck")],
            ["ping a.co.uk b.com x.github.io a.foo.ck"],
        )
        == []
    )


def test_what_stood_there_is_told(tmp_path):
    assert look(tmp_path, [("domain", "evil.com")], ["ping a.Evil.com", "evil.com"]) == [
        (0, "domain", "evil.com", "a.Evil.com"),
        (1, "domain", "evil.com", None),
    ]


def test_host_and_target_in_two_columns(tmp_path):
    rows = [
        {"host": "evil.com", "uri": "/gate.php?x=1"},
        {"host": "evil.com", "uri": "/"},
        {"host": "good.com", "uri": "/gate.php"},
        {"host": "evil.com", "uri": "http://evil.com/gate.php"},
    ]
    lake = store(tmp_path, {"zeek_http": rows})
    with connect() as engine:
        found = hits(engine, lake, [("url", "http://evil.com/gate.php"), ("url", "*://evil.com/")], tmp_path / "w")
    ids = [event["_id"] for event in events_of(lake.scan("zeek_http"), [])]
    gate, root = (table_of([("url", v)])["id"][0].as_py() for v in ("http://evil.com/gate.php", "*://evil.com/"))
    assert {(i, by) for _, i, by in found} == {(ids[0], gate), (ids[3], gate), (ids[1], root)}


PIECES = st.sampled_from(
    [
        "evil.com",
        "a.evil.com",
        "b.a.evil.com",
        "notevil.com",
        "198.51.100.7",
        "198.51.100.77",
        "198.51.100",
        "2001:db8::1",
        MD5,
        SHA256,
        MD5[:-1],
        "http://evil.com/a",
        "http://evil.com/a?b",
        "bob@evil.com",
        "x.exe",
        "evil.exe",
        "my evil.exe",
        "co.uk",
        "evil.co.uk",
        "ß",
        "bücher.example",
        "İ",
    ]
)
JOINTS = st.sampled_from([" ", "\\", "/", "//", "=", ",", ".", "-", "_", "@", '"', "'", ":", "|", "\t", "", "(", ";"])
VALUES = st.lists(st.tuples(JOINTS, PIECES, JOINTS), min_size=0, max_size=5).map(lambda p: "".join(map("".join, p)))
ASKED = [
    ("domain", "evil.com"),
    ("domain", "a.evil.com"),
    ("domain", "evil.co.uk"),
    ("ipv4", "198.51.100.7"),
    ("cidr", "198.51.100.64/26"),
    ("md5", MD5),
    ("sha256", SHA256),
    ("file_name", "evil.exe"),
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(VALUES, min_size=1, max_size=8))
def test_as_the_naive_way_says(tmp_path, values):
    from match_samples import holds

    met = {(row, type, value) for row, type, value, _ in look(tmp_path, ASKED, values)}
    naive = {
        (row, type, value)
        for row, text in enumerate(values)
        for type, value in ASKED
        if holds(type, value, text, SYSMON)
    }
    assert met == naive


@given(st.lists(st.text(max_size=60), max_size=20))
def test_a_run_has_the_code_of_its_text(values):
    array = pa.array(values, pa.string())
    found = runs(array)
    texts = [
        bytes(found.text[s : s + n]).decode("utf-8", "replace") for s, n in zip(found.start, found.length, strict=True)
    ]
    clean = [i for i, t in enumerate(texts) if "\ufffd" not in t and t.lower() == t]
    assert np.array_equal(found.code[clean], codes_of(pa.array([texts[i] for i in clean], pa.string())))


@given(st.lists(st.ip_addresses(v=4).map(str) | st.from_regex(r"\A[0-9]{1,3}(\.[0-9]{1,4}){2,4}\Z"), min_size=1))
def test_addresses_are_read_as_ipaddress_reads_them(words):
    import ipaddress

    cut = runs(pa.array(words, pa.string()))
    at, numbers = fours(cut.text, cut.start, cut.length, cut.code)
    whole = {}
    for run, number in zip(at, numbers, strict=True):
        whole[bytes(cut.text[cut.start[run] : cut.start[run] + cut.length[run]]).decode()] = int(number)
    for word in words:
        try:
            number = int(ipaddress.IPv4Address(word))
        except ValueError:
            number = None
        assert whole.get(word) == number


def test_equal_numbers_are_no_hit(tmp_path, monkeypatch):
    """Where two texts have one number, the texts decide."""
    same = lambda *arguments: (np.full(len(arguments[-1]), 7, np.uint64),) * 2  # noqa: E731
    monkeypatch.setattr("vizsla.intel.runs._coded", same)
    monkeypatch.setattr("vizsla.intel.wanted.codes_of", lambda texts: np.full(len(texts), 7, np.uint64))
    met = look(tmp_path, [("domain", "evil.com"), ("md5", MD5)], ["good.com", "evil.com", "x" + MD5])
    assert [row for row, *_ in met] == [1]


@pytest.mark.parametrize("sign", [".", "-", "_", "-."])
def test_rows_of_signs_hide_nothing(tmp_path, sign):
    row = sign * 500
    values = [f"{row}evil.com{row}", f"x {row} a.evil.com{row}", f"evil.com{row}x", row, "evil.com"]
    assert [n for n, *_ in look(tmp_path, [("domain", "evil.com")], values)] == [0, 1, 4]


def test_what_looks_like_a_number_is_found_all_the_same(tmp_path):
    asked = [("domain", "1234.xn--p1ai"), ("file_name", "2024.report1"), ("mutex", "12345"), ("ipv4", "10.0.0.1")]
    column = Looked("ObjectName", frozenset(t for t, _ in asked), frozenset())
    values = ["1234.xn--p1ai", "c:/x/2024.report1", "12345", "10.0.0.1", "123456"]
    met = look(tmp_path, asked, values, column, "windows_security")
    assert {(row, value) for row, _, value, _ in met} == {(n, v) for n, (_, v) in enumerate(asked)}


def test_prepared_once(tmp_path):
    first = prepare(table_of([("domain", "evil.com"), ("cidr", "10.0.0.0/8")]), tmp_path)
    again = prepare(table_of([("domain", "evil.com"), ("cidr", "10.0.0.0/8")]), tmp_path)
    assert first == again and load(first).size == 2
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".new")]


def test_both_engines_and_the_naive_way(tmp_path):
    rows = [
        {
            "CommandLine": f"ping {n}.evil.com -n {n}",
            "Image": rf"C:\x\{n % 3}evil.exe",
            "DestinationIp": f"10.0.{n}.1",
            "Hashes": f"MD5={MD5 if n == 5 else n:0>32},IMPHASH=0",
        }
        for n in range(40)
    ]
    dns = [{"query": f"h{n}.bad.co.uk", "answers": f"192.0.2.{n},2001:db8::{n:x}"} for n in range(30)]
    lake = store(tmp_path, {"windows_sysmon": rows, "zeek_dns": dns})
    asked = [
        ("domain", "evil.com"),
        ("domain", "7.evil.com"),
        ("file_name", "1evil.exe"),
        ("file_name", "?evil.exe"),
        ("cidr", "10.0.8.0/21"),
        ("md5", MD5),
        ("domain", "bad.co.uk"),
        ("ipv4", "192.0.2.9"),
        ("ipv6", "2001:db8::a"),
        ("domain", "co.uk"),
    ]
    expected = slow(lake, [pair for pair in asked if pair != ("domain", "co.uk")])
    assert len(expected) == 40 + 1 + 13 + 40 + 8 + 1 + 30 + 1 + 1
    with connect() as engine:
        assert hits(engine, lake, asked, tmp_path / "w") == expected


@pytest.mark.spark
def test_spark_gives_the_same(tmp_path):
    rows = [{"CommandLine": f"ping {n}.evil.com", "Image": rf"C:\x\{n % 3}evil.exe"} for n in range(50)]
    lake = store(tmp_path, {"windows_sysmon": rows})
    asked = [("domain", "evil.com"), ("file_name", "1evil.exe"), ("cidr", "10.0.0.0/8"), ("ipv6", "::1")]
    with connect() as engine:
        here = hits(engine, lake, asked, tmp_path / "w")
    with connect("spark", master="local[2]") as engine:
        assert hits(engine, lake, asked, tmp_path / "w") == here
    assert len(here) == 67


LONG = [
    ("domain", "evil.example.com"), ("ipv4", "203.0.113.9"), ("cidr", "198.51.100.0/24"), ("ipv6", "2001:db8::1"),
    ("file_name", "dropper kit.exe"), ("file_path", "c:\\odd folder\\loader one.dll"),
    ("registry_key", "hkcu\\software\\12345678"),
    ("url", "http://bad.example.net/gate.php"), ("email", "who@odd.example.org"), ("sha256", "ab" * 32),
]  # fmt: skip
PLANTED = [
    "http://evil.example.com/x", "203.0.113.9", "198.51.100.77", "[2001:DB8::1]:80", "c:\\t\\dropper kit.exe",
    "\"C:\\Odd Folder\\Loader One.dll\"", "HKCU\\Software\\12345678\\Run", "http://bad.example.net/gate.php",
    "who@odd.example.org", "AB" * 32, "a 2001:db8::1 b 2001:db8::1", "Ünïcode EVIL.example.com",
]  # fmt: skip


@pytest.mark.parametrize("keeping", [False, True])
def test_many_long_values_are_told_apart_by_words_and_nothing_changes(tmp_path, monkeypatch, keeping):
    from vizsla.intel import match
    from vizsla.intel.match import Looking
    from vizsla.intel.seen import Seen
    from vizsla.intel.wordwise import Words

    last = [PLANTED[i // 7 % len(PLANTED)] if i % 7 == 0 else "plain" for i in range(6_000)]
    lines = [f"C:\\Windows\\System32\\tool.exe --first --second  --number {i} {x} -q" for i, x in enumerate(last)]
    assert Words.of(pa.array(lines)) is not None
    folder = prepare(table_of(LONG), tmp_path / "wanted")
    batch = pa.record_batch({SYSMON.name: pa.array(lines, pa.string())})
    told = []
    for few in (match.FEW, 100_000):
        monkeypatch.setattr(match, "FEW", few)
        seen = Seen() if keeping else None
        met = Looking(IndicatorMatcher("windows_sysmon", (SYSMON,), (folder,)), seen).look(batch)
        kept = [row for part in seen.told() for row in part.to_pylist()] if seen else []
        told.append((met.row.tolist(), met.by.to_pylist(), met.value.to_pylist(), met.keys.to_pylist(), kept))
    assert told[0] == told[1]
    assert set(told[0][1]) == set(table_of(LONG)["id"].to_pylist())


def test_very_many_that_share_a_common_run_cost_nothing_where_they_cannot_stand(tmp_path, monkeypatch):
    """Their names are like numbers, so that they are looked up by what all of them share."""
    from vizsla.intel import match

    agents = [("user_agent", f"mozilla/5.0 ({n:08})") for n in range(2_000)]
    folder = prepare(table_of([*agents, ("domain", "evil.example.com")]), tmp_path / "wanted")
    counted = []
    monkeypatch.setattr(
        match, "_owned", lambda *given, own=match._owned: [counted.append(len(a)) or (a, b) for a, b in own(*given)]
    )
    values = [f"run Mozilla/5.0 {n} evil.example.com" for n in range(500)]
    batch = pa.record_batch({SYSMON.name: pa.array(values)})
    met = IndicatorMatcher("windows_sysmon", (SYSMON,), (folder,)).start()(batch)
    assert len(met.row) == 500
    assert sum(counted) == 500
    agent = Looked("user_agent", frozenset(("user_agent",)), frozenset())
    assert look(tmp_path, agents, ["Mozilla/5.0 (00000007)", "Mozilla/5.0 (7)"], agent, "zeek_http") == [
        (0, "user_agent", "mozilla/5.0 (00000007)", None)
    ]

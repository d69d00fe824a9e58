# ruff: noqa: E501  (log lines stand as they are written)
"""Web servers', proxies' and load balancers' logs: real samples with counts taken by other tools, and hostile lines."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from source_samples import events, items, refusals, stamped, totals, written

from vizsla.containers import head_of, open_logs
from vizsla.errors import SourceError
from vizsla.reading import Done, Stamped
from vizsla.source import Batch, Rejected
from vizsla.sources import find
from vizsla.sources._declared import samples
from vizsla.sources._mapped import Mapped

COMBINED = '10.0.0.9 - ada [10/Oct/2000:13:55:36 -0700] "{}" 200 2326 "http://w.example/?q=1" "curl/8 (x; \\"y\\")"\n'
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


OURS = ("access_log", "apache_error", "aws_alb", "aws_elb", "aws_nlb", "aws_s3_access", "caddy", "haproxy",
        "nginx_error", "squid", "traefik", "w3c")  # fmt: skip


def one(tmp_path: Path, text: str, source: str | None = None) -> dict[str, Any]:
    (event,) = events(written(tmp_path, text.encode("utf-8", "surrogateescape"), "x.log"), source)
    return event


def test_tomcat(real_data: Path) -> None:
    path = real_data / "weblog" / "tomcat_webshell_access.log"
    found = items(path)
    assert totals(found) == (2661, 0)  # wc -l
    rows = stamped(found)["web_access"]
    # grep -aoE '" [0-9]{3} ', and the one line whose request is no text
    expected = {
        "404": 1484,
        "200": 981,
        "400": 154,
        "302": 15,
        "401": 8,
        "505": 6,
        "500": 6,
        "501": 2,
        "405": 2,
        "403": 2,
    }
    assert Counter(row["status"] for row in rows) == {**expected, "101": 1}
    assert sum(row.get("user") == "admin" for row in rows) == 37
    assert sum("cmd.jsp" in row.get("uri", "") for row in rows) == 21
    assert rows[0]["_time"] == datetime(2018, 7, 11, 5, 41, 28, tzinfo=UTC)
    assert (rows[0]["remote_host"], rows[0]["uri"], rows[0]["bytes"]) == ("192.168.105.83", "/", "11444")
    nul = [row for row in rows if row.get("uri") == "/\\x00.jsp"]
    assert {(row["method"], row["protocol"]) for row in nul} == {("GET", "HTTP/1.1")}
    (tls,) = [row for row in rows if row.get("request", "").startswith("\x16\x03\x01")]
    assert "\\xea" in tls["request"]


def test_iis(real_data: Path) -> None:
    found = items(real_data / "weblog" / "iis_tunna_tunnel.log")
    assert totals(found) == (4298, 0)  # 4,308 lines, 9 that begin with '#', one blank
    rows = stamped(found)["w3c_iis"]
    assert Counter((row["cs-method"], row["sc-status"]) for row in rows) == {
        ("GET", "200"): 2561,
        ("POST", "200"): 1737,
    }
    first, last = rows[0], rows[-1]
    assert first["cs-uri-query"] == "proxy&port=3389&ip=127.0.0.1"
    assert (first["c-ip"], first["_host"], "cs-username" in first) == ("10.0.2.17", "10.0.2.15", False)
    assert first["_time"] == datetime(2019, 9, 3, 10, 13, 36, tzinfo=UTC)
    assert last["_time"] == datetime(2019, 9, 3, 11, 8, 51, tzinfo=UTC)


def test_nothing_else_is_taken_for_a_web_log(real_data: Path) -> None:
    taken = []
    for folder in ("cloud", "linux", "sequence", "suricata", "syslog", "weblog", "zeek"):
        for path in (real_data / folder).rglob("*"):
            logs = open_logs(path) if path.is_file() else ()
            for log in logs:
                if not isinstance(log, Rejected):
                    head = head_of(log)
                    taken += [(path.name, name) for name in OURS if find(name).sniff(head, log.name) > 0]
    assert sorted(taken) == [("iis_tunna_tunnel.log", "w3c"), ("tomcat_webshell_access.log", "access_log")]


@pytest.mark.parametrize("name", ["iis_tunna_tunnel.log", "tomcat_webshell_access.log"])
def test_no_other_source_takes_them(name: str, real_data: Path) -> None:
    (done,) = [item for item in items(real_data / "weblog" / name) if isinstance(item, Done)]
    assert done.source == ("w3c" if "iis" in name else "access_log")


@pytest.mark.parametrize(
    ("request_line", "parts"),
    [
        ("GET /a?b=%22c HTTP/1.1", ("GET", "/a?b=%22c", "HTTP/1.1", None)),
        ("GET /a b  c HTTP/1.1", ("GET", "/a b  c", "HTTP/1.1", None)),
        ("CONNECT h:443 HTTP/1.0", ("CONNECT", "h:443", "HTTP/1.0", None)),
        ("PRI * HTTP/2.0", ("PRI", "*", "HTTP/2.0", None)),
        ("GET /", (None, None, None, "GET /")),
        ("\\x16\\x03\\x01", (None, None, None, "\\x16\\x03\\x01")),
        ('GET /\\"><script> HTTP/1.1', ("GET", '/\\"><script>', "HTTP/1.1", None)),
        ('GET /"" HTTP/1.1', ("GET", '/""', "HTTP/1.1", None)),
        ("-", (None, None, None, None)),
        ("", (None, None, None, None)),
        (" HTTP/1.1", (None, None, None, " HTTP/1.1")),
        ("GET  HTTP/1.1", (None, None, None, "GET  HTTP/1.1")),
        ("GET /\udcff HTTP/1.1", ("GET", "/\\xff", "HTTP/1.1", None)),
    ],
)
def test_requests(request_line: str, parts: tuple[str | None, ...], tmp_path: Path) -> None:
    event = one(tmp_path, COMBINED.replace("{}", request_line))
    assert tuple(event.get(name) for name in ("method", "uri", "protocol", "request")) == parts
    assert event["user_agent"] == 'curl/8 (x; \\"y\\")'
    assert (event["status"], event["referer"]) == ("200", "http://w.example/?q=1")


VARIANTS = {
    '2001:db8::1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 404 -': {"remote_host": "2001:db8::1"},
    'w.example:443 10.0.0.9 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 404 5 "-" "-"': {
        "vhost": "w.example:443"
    },
    'w.example 10.0.0.9 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 404 5': {"vhost": "w.example"},
    '10.0.0.9 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 404 5 "-" "a" "10.1.1.1"': {
        "x_forwarded_for": "10.1.1.1"
    },
    '10.0.0.9 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 404 5 "-" "a" 0.003 .': {"rest": "0.003 ."},
    '10.0.0.9 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 404 5 1234': {"rest": "1234"},
    '10.0.0.9 - ada of w [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 404 5': {"user": "ada of w"},
    '10.0.0.9 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 404 5 "-" "a "quoted" b"': {
        "user_agent": 'a "quoted" b'
    },
}


@pytest.mark.parametrize("line", VARIANTS)
def test_variants(line: str, tmp_path: Path) -> None:
    event = one(tmp_path, line + "\n")
    assert event["status"] == "404"
    assert event["_time"] == datetime(2000, 10, 10, 20, 55, 36, tzinfo=UTC)
    assert {name: event.get(name) for name in VARIANTS[line]} == VARIANTS[line]


def test_all_variants_in_one_file_keep_their_order(tmp_path: Path) -> None:
    lines = list(VARIANTS) * 40 + [COMBINED.replace("{}", "GET / HTTP/1.1").strip()] * 300
    found = items(written(tmp_path, ("\r\n".join(lines) + "\r\n\r\n").encode(), "a.log"))
    assert totals(found) == (len(lines), 0)
    rows = stamped(found)["web_access"]
    assert [int(row["_origin"].rpartition("#")[2]) for row in rows] == sorted(
        int(row["_origin"].rpartition("#")[2]) for row in rows
    )
    assert [row.get("vhost") for row in rows[:8]] == [None, "w.example:443", "w.example", None, None, None, None, None]


def test_damaged_lines_are_told_and_cost_nothing_else(tmp_path: Path) -> None:
    good = COMBINED.replace("{}", "GET / HTTP/1.1")
    content = (good * 20 + "no such line\n" + good + good[:40]).encode() + b"\n\0\xff\n"
    found = items(written(tmp_path, content, "a.log"))
    assert totals(found) == (21, 3)
    assert set(refusals(found)) == {"the line has not the layout of this format"}


def test_compressed_and_plain_give_the_same(tmp_path: Path) -> None:
    content = "".join(COMBINED.replace("{}", f"GET /{n % 7} HTTP/1.1") for n in range(2000)).encode()
    (tmp_path / "a.log").write_bytes(content)
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(content))
    ids = [[row["_id"] for row in events(path)] for path in (tmp_path / "a.log", tmp_path / "b.log.gz")]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2000


WORD = st.text(st.characters(codec="utf-8", exclude_characters='\n\r\0 "[]\\'), min_size=1, max_size=12)
PHRASE = st.text(st.characters(codec="utf-8", exclude_characters='\n\r\0"\\'), max_size=20)


@SLOW
@given(st.lists(st.tuples(WORD, WORD, PHRASE, PHRASE, PHRASE), min_size=1, max_size=8))
def test_combined_round_trip(tmp_path: Path, rows: list[tuple[str, ...]]) -> None:
    text = "".join(
        f'{host} - {user} [10/Oct/2000:13:55:36 +0000] "{request}" 200 5 "{referer}" "{agent}"\n'
        for host, user, request, referer, agent in rows
    )
    found = events(written(tmp_path, text.encode(), "a.log"), "access_log")
    for (host, user, request, referer, agent), event in zip(rows, found, strict=True):
        expected = {"remote_host": host, "user": user, "referer": referer, "user_agent": agent}
        assert {n: event.get(n) for n in expected} == {n: None if v in ("", "-") else v for n, v in expected.items()}
        if "method" in event:
            assert f"{event['method']} {event['uri']} {event['protocol']}" == request
        else:
            assert event.get("request") == (None if request in ("", "-") else request)


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0\t "), min_size=1, max_size=8)


@SLOW
@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=6), st.sampled_from(" \t"))
def test_w3c_round_trip(tmp_path: Path, rows: list[list[str]], separator: str) -> None:
    rows = [["2024-05-01", "10:00:00", f"x{row[0]}", *row[1:]] for row in rows]
    text = "#Version: 1.0\n#Fields: date time c-ip a b(C)\n" + "".join(separator.join(row) + "\n" for row in rows)
    found = events(written(tmp_path, text.replace("2024-05-01", "2024-05-01").encode(), "a.log"), "w3c")
    for row, event in zip(rows, found, strict=True):
        assert [event.get(name) for name in ("c-ip", "a", "b(C)")] == [None if c == "-" else c for c in row[2:]]


W3C = """#Software: {}
#Version: 1.0
#Date: 2024-05-01 10:00:00
"""


def test_w3c_directives_change_in_mid_file(tmp_path: Path) -> None:
    iis = W3C.format("Microsoft Internet Information Services 10.0")
    text = f"{iis}#Fields: date time c-ip sc-status\n2024-05-01 10:00:01 10.0.0.1 200\n2024-05-01 10:00:02 10.0.0.1\n"
    text += f"{iis}#Fields: time sc-status c-ip s-computername\n10:00:03 404 10.0.0.2 WEB1\n"
    found = items(written(tmp_path, text.encode(), "u_ex.log"))
    assert refusals(found) == ["3 fields where #Fields names 4"]
    one, two = stamped(found)["w3c_iis"]
    assert (one["sc-status"], two["sc-status"], two["c-ip"], two["_host"]) == ("200", "404", "10.0.0.2", "web1")
    assert two["_time"] == datetime(2024, 5, 1, 10, 0, 3, tzinfo=UTC)
    assert totals(items(written(tmp_path, b"#Version: 1.0\nx y\n" + text.encode(), "v.log"))) == (2, 2)


@pytest.mark.parametrize(
    ("software", "fields", "line", "table"),
    [
        ("", "date time x-edge-location c-ip", "2024-05-01\t10:00:00\tFRA2\t10.0.0.1", "aws_cloudfront"),
        ("Microsoft Windows Firewall", "date time action protocol src-ip", "2024-05-01 10:00:00 DROP TCP 10.0.0.1", "windows_firewall"),
        ("Microsoft HTTP API 2.0", "date time c-ip s-reason s-queuename", "2024-05-01 10:00:00 10.0.0.1 BadRequest -", "w3c_httperr"),
        ("SGOS 6.7.5.3", "date time c-ip cs-host", "2024-05-01 10:00:00 10.0.0.1 w.example", "w3c_bluecoat"),
        ("Some Thing 1.0", "date time c-ip", "2024-05-01 10:00:00 10.0.0.1", "w3c_some_thing_1_0"),
        ("Microsoft Exchange Server", "date-time,client-ip,subject", '2024-05-01T10:00:00Z,10.0.0.1,"a, ""b"""', "w3c_exchange"),
    ],
)  # fmt: skip
def test_w3c_of_other_products(software: str, fields: str, line: str, table: str, tmp_path: Path) -> None:
    text = W3C.format(software) + f"#Fields: {fields}\n{line}\n"
    found = stamped(items(written(tmp_path, text.encode(), "x.log"), "w3c"))
    assert list(found) == [table]
    assert found[table][0]["_time"] == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert found[table][0].get("subject") == ('a, "b"' if "exchange" in table else None)


def mapped(**options: Any) -> Mapped:
    content = {"reader": "layout", "table": "web_access", "time": [{"column": "time", "format": "clf"}]}
    return Mapped("mine", {**content, "options": options})


def rows_of(source: Mapped, path: Path) -> list[dict[str, Any]]:
    log = type("Log", (), {"name": str(path), "path": str(path), "open": lambda self: path.open("rb")})()
    found = []
    for item in source.read(log):
        assert isinstance(item, Batch), item
        found += item.events.to_pylist()
    return found


@pytest.mark.parametrize(
    "options",
    [
        {"apache": '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %D "%{X-Request-Id}o"'},
        {"apache": 'LogFormat "%h %l %u %t \\"%r\\" %>s %b \\"%{Referer}i\\" \\"%{User-Agent}i\\" %D \\"%{X-Request-Id}o\\"" mine'},
        {"nginx": '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $duration_us "$out_x_request_id"'},
        {"nginx": "log_format main '$remote_addr - ${remote_user} [$time_local] \"$request\" '\n'$status $body_bytes_sent \"$http_referer\" '\n'\"$http_user_agent\" $duration_us \"$out_x_request_id\"';"},
        {"layouts": ['{remote_host} - {user} [{time}] "{request:request}" {status} {bytes} "{referer}" "{user_agent}" {duration_us} "{out_x_request_id}"']},
    ],
)  # fmt: skip
def test_formats_as_users_say_them(options: dict[str, Any], tmp_path: Path) -> None:
    line = '10.0.0.9 - ada [10/Oct/2000:13:55:36 +0000] "GET /x HTTP/1.1" 200 5 "-" "curl" 1234 "ab-1"\n'
    (event,) = rows_of(mapped(**options), written(tmp_path, line.encode(), "x.log"))
    expected = {"remote_host": "10.0.0.9", "user": "ada", "method": "GET", "uri": "/x", "status": "200", "bytes": "5",
                "user_agent": "curl", "duration_us": "1234", "out_x_request_id": "ab-1"}  # fmt: skip
    assert {name: event.get(name) for name in expected} == expected
    assert event["_time"] == datetime(2000, 10, 10, 13, 55, 36, tzinfo=UTC)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"layouts": ["{a}{b}"]}, "nothing stands between 'a' and the value after it"),
        ({"layouts": ["{a:odd} x"]}, "a value cannot be odd"),
        ({"layouts": ["none"]}, "no value stands in the layout"),
        ({}, "no layout is given"),
        ({"apache": "%h %Y"}, "LogFormat has no %Y"),
        ({"latouts": []}, "no option latouts"),
    ],
)
def test_formats_that_cannot_be_are_told(options: dict[str, Any], says: str) -> None:
    with pytest.raises(SourceError, match=re.escape(says)):
        mapped(**options)


SAID = {
    "haproxy": ("web_haproxy", {"client": "10.0.1.2:33317", "backend": "static", "server": "srv1", "status": "200",
                "request_headers": "1wt.eu", "uri": "/index.html"}, "2009-02-06T12:14:14.655"),
    "aws_alb": ("aws_alb", {"client": "10.0.0.9:2817", "elb_status_code": "200", "conn_trace_id": "TID_1",
                "uri": "https://www.example.com:443/x?y=1"}, "2024-05-01T10:00:00.100000"),
    "aws_elb": ("aws_elb", {"client": "10.0.0.9:2817", "user_agent": "curl/7.38.0"}, "2015-05-13T23:39:43.945958"),
    "aws_nlb": ("aws_nlb", {"domain_name": "my.example.com", "tls_protocol_version": "tlsv12"}, "2018-12-20T02:59:30"),
    "aws_s3_access": ("aws_s3_access", {"operation": "REST.GET.VERSIONING", "requester": "arn:aws:iam::1:user/ada",
                      "http_status": "200", "uri": "/bucket1?versioning"}, "2019-02-06T00:00:38"),
    "squid": ("proxy_squid", {"result": "TCP_MISS", "status": "200", "duration": "55", "user": "ada",
              "peer": "203.0.113.7", "url": "http://www.example.com/x?y=1"}, "2003-10-13T09:10:50.129"),
    "apache_error": ("web_error", {"level": "core:error", "client": "10.0.0.9:53951", "pid": "35708",
                     "message": "File does not exist: /var/www/x"}, "2011-09-09T10:42:29.902022"),
    "nginx_error": ("web_error", {"level": "error", "client_ip": "10.0.0.9", "uri": "/x", "rest": 'host: "w"',
                    "message": 'open() "/srv/x" failed (2: No such file)'}, "2024-05-01T10:00:00"),
    "traefik": ("web_traefik", {"RequestMethod": "GET", "ClientHost": "10.0.0.9"}, "2024-05-01T10:00:00.123456"),
    "caddy": ("web_caddy", {"request.uri": "/x?y=1", "status": "200"}, "2022-03-09T21:30:01.524102"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_what_samples_say(name: str, tmp_path: Path) -> None:
    table, expected, moment = SAID[name]
    found = stamped(items(written(tmp_path, samples()[name], "x.log")))
    assert list(found) == [table]
    (event,) = found[table]
    assert {column: event.get(column) for column in expected} == expected
    assert abs((event["_time"] - datetime.fromisoformat(moment).replace(tzinfo=UTC)).total_seconds()) < 2e-6


HAPROXY = '10.0.1.2:33317 [06/Feb/2009:12:14:14.655] '  # fmt: skip


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Feb  6 12:14:14 lb1 haproxy[14389]: " + HAPROXY + 'in s/<NOSRV> 0/-1/-1/-1/0 400 187 - - PR-- 0/0/0/0/0 0/0 "<BADREQ>"',
         {"_host": "lb1", "program": "haproxy[14389]", "request": "<BADREQ>", "server": "<NOSRV>", "syslog_day": "6"}),
        ("<134>Feb 16 12:14:14 lb1 haproxy[1]: " + HAPROXY + 'in s/a 0/0/0/1/1 200 5 - - ---- 1/1/0/0/0 0/0 {a|b c} "GET / HTTP/1.1"',
         {"_host": "lb1", "priority": "134", "request_headers": "a|b c", "method": "GET"}),
        (HAPROXY + "fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0",
         {"frontend": "fnt", "timers": "0/0/5007", "bytes": "212", "termination": "--"}),
        (HAPROXY + "fe/1: SSL handshake failure", {"frontend": "fe", "bind": "1", "message": "SSL handshake failure"}),
    ],
)  # fmt: skip
def test_haproxy(line: str, expected: dict[str, str], tmp_path: Path) -> None:
    event = one(tmp_path, f"{line}\n", "haproxy")
    assert {name: event.get(name) for name in expected} == expected
    assert event["_time"] == datetime(2009, 2, 6, 12, 14, 14, 655_000, tzinfo=UTC)


def test_squid_in_its_other_formats(tmp_path: Path) -> None:
    common = (
        '10.0.0.9 - ada [10/Oct/2000:13:55:36 +0000] "GET http://w.example/ HTTP/1.1" 200 5 {}TCP_MISS:HIER_DIRECT\n'
    )
    for more in ("", '"-" "curl/8" '):
        (event,) = stamped(items(written(tmp_path, common.replace("{}", more).encode(), "x.log")))["proxy_squid"]
        assert (event["result"], event["hierarchy"], event["uri"]) == ("TCP_MISS", "HIER_DIRECT", "http://w.example/")


@pytest.mark.parametrize("name", ["access_log", "w3c", "haproxy", "squid", "aws_s3_access", "apache_error"])
@SLOW
@given(data=st.data())
def test_damage_never_stops_a_reader(name: str, tmp_path: Path, data: st.DataObject) -> None:
    sample = bytearray(samples()[name] * 3)
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(sample) - 1))
        sample[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    assume(sample[:2] not in (b"\xff\xfe", b"\xfe\xff"))  # then it would be UTF-16
    path = written(tmp_path, bytes(sample), "x.log")
    log = type("Log", (), {"name": str(path), "path": str(path), "open": lambda self: path.open("rb")})()
    count = 0
    for item in find(name).read(log):
        count += 1 if isinstance(item, Rejected) else item.events.num_rows
    lines = [line for line in bytes(sample).split(b"\n") if line.decode("utf-8", "replace").strip()]
    assert count == sum(not (name == "w3c" and line.startswith(b"#")) for line in lines)


def test_batches_are_bounded(tmp_path: Path) -> None:
    line = COMBINED.replace("{}", "GET / HTTP/1.1").encode()
    found = [item for item in items(written(tmp_path, line * 60_000, "a.log")) if isinstance(item, Stamped)]
    assert len(found) > 2
    assert sum(item.events.num_rows for item in found) == 60_000


def test_the_host_of_an_access_log(tmp_path: Path) -> None:
    line = COMBINED.format("GET / HTTP/1.1")
    assert one(tmp_path, line).get("_host") is None
    assert one(tmp_path, f"Shop.example:443 {line}")["_host"] == "shop.example"
    folder = tmp_path / "WEB1" / "C" / "Windows"
    folder.mkdir(parents=True)
    assert one(folder, line)["_host"] == "web1"
    assert one(folder, f"shop.example {line}")["_host"] == "shop.example"

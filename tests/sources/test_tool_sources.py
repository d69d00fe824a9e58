"""CEF, LEEF, osquery, and measurements: written in the format, read back; values written down by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapped_samples import tables_of, viewed

from vizsla.sources import registry
from vizsla.sources._unfold import struct
from vizsla.sources.cef import parse as cef
from vizsla.sources.leef import parse as leef

KEYS = st.from_regex(r"[a-zA-Z][a-zA-Z0-9]{0,8}", fullmatch=True)
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20).map(str.strip)


def rows(source: str, content: str) -> list[dict[str, Any]]:
    tables, refused = tables_of(source, content)
    assert not refused
    return [{**row, "_table": name} for name, table in tables.items() for row in table.to_pylist()]


def escaped(text: str, signs: str) -> str:
    for sign in signs:
        text = text.replace(sign, f"\\{sign}")
    return text.replace("\n", "\\n").replace("\r", "\\r")


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXT, min_size=5, max_size=5), st.dictionaries(KEYS, TEXT, max_size=5))
def test_cef_comes_back_as_it_was_written(header: list[str], fields: dict[str, str]) -> None:
    told = "|".join(escaped(part, "\\|") for part in header)
    pairs = " ".join(f"{key}={escaped(value, chr(92) + '=')}" for key, value in fields.items())
    found = cef(f"CEF:0|{told}|5|{pairs}")
    assert not isinstance(found, str)
    _, names, values = found
    assert values[1:6] == header
    assert dict(zip(names[7:], values[7:], strict=True)) == fields


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(KEYS, TEXT.filter(lambda t: "\t" not in t), min_size=1, max_size=5),
    st.sampled_from(["^", "\t", "|"]),
)
def test_leef_comes_back_as_it_was_written(fields: dict[str, str], sign: str) -> None:
    if any(sign in value for value in fields.values()):
        return
    named = {"^": "2.0|Acme|Wall|1|7|^|", "\t": "1.0|Acme|Wall|1|7|", "|": "2.0|Acme|Wall|1|7|x7C|"}[sign]
    found = leef(f"LEEF:{named}" + sign.join(f"{key}={value}" for key, value in fields.items()))
    assert not isinstance(found, str)
    table, names, values = found
    assert table == "leef_wall"
    assert dict(zip(names[5:], values[5:], strict=True)) == fields


@pytest.mark.parametrize(("line", "time", "host"), [
    ("CEF:0|A|B|1|2|n|3|rt=1714557600123 dvchost=FW9", "2024-05-01T10:00:00.123000+00:00", "fw9"),
    ("<134>May  1 10:00:00 FW1 CEF:0|A|B|1|2|n|3|src=10.0.0.1", "2024-05-01T10:00:00+00:00", "fw1"),
    ("<134>1 2024-05-01T12:00:00+02:00 FW1 app 1 - - CEF:0|A|B|1|2|n|3|src=1", "2024-05-01T10:00:00+00:00", "fw1"),
    ("CEF:0|A|B|1|2|n|3|rt=May 01 2024 10:00:00.500 UTC", "2024-05-01T10:00:00.500000+00:00", None),
    ("CEF:0|A|B|1|2|n|3|msg=no time", None, None),
])  # fmt: skip
def test_cef_alone_and_within_syslog(line: str, time: str | None, host: str | None) -> None:
    [row] = rows("cef", line + "\n")
    assert row["_time"] is None if time is None else row["_time"].isoformat() == time
    assert (row["_host"], row["_table"], row["signature_id"]) == (host, "cef_b", "2")


def test_lines_that_hold_no_record_are_refused_where_they_stand() -> None:
    tables, refused = tables_of("cef", "CEF:0|A|B|1|2|n|3|src=1\nhello\n\nCEF:0|A|B\n")
    assert sum(table.num_rows for table in tables.values()) == 1
    assert [one.place for one in refused] == ["log#24", "log#31"]


def test_a_cef_alarm_in_the_view() -> None:
    tables, _ = tables_of(
        "cef", "CEF:0|A|IDS|1|100|scan|8|src=10.0.0.1 dst=10.0.0.2 dpt=22 suser=CORP\\\\ada act=blocked\n"
    )
    [row] = viewed("alert", "cef_ids", tables["cef_ids"])
    assert (row["rule.name"], row["event.severity"], row["user.name"]) == ("scan", 8.0, "ada")
    assert (row["source.ip"], row["destination.port"], row["event.provider"]) == ("10.0.0.1", 22, "IDS")


def test_osquery_in_all_its_formats() -> None:
    about = {"name": "pack/x", "hostIdentifier": "WEB1", "unixTime": "1714557600"}
    text = "".join(json.dumps(document) + "\n" for document in (
        {**about, "action": "added", "columns": {"name": "sshd", "pid": "7"}},
        {**about, "diffResults": {"removed": [{"name": "a"}], "added": [{"name": "b"}, {"name": "c"}]}},
        {**about, "action": "snapshot", "snapshot": [{"name": "d"}, {"name": "e"}]},
    ))  # fmt: skip
    found = rows("osquery", text)
    assert [(row["action"], row["columns.name"]) for row in found] == [
        ("added", "sshd"), ("removed", "a"), ("added", "b"), ("added", "c"), ("snapshot", "d"), ("snapshot", "e"),
    ]  # fmt: skip
    assert {(row["_host"], row["name"], row["_table"]) for row in found} == {("web1", "pack/x", "osquery_pack_x")}


NANOS = "1714557600000000000"
OTEL = {"resourceMetrics": [{
    "resource": {"attributes": [{"key": "host.name", "value": {"stringValue": "WEB1"}}]},
    "scopeMetrics": [{"metrics": [
        {"name": "cpu", "unit": "1", "gauge": {"dataPoints": [
            {"timeUnixNano": NANOS, "asDouble": 0.25, "attributes": [{"key": "c", "value": {"intValue": "0"}}]},
            {"timeUnixNano": "1714557660000000000", "asInt": "3"}]}},
        {"name": "requests", "sum": {"isMonotonic": True, "dataPoints": [{"timeUnixNano": NANOS, "asInt": "9"}]}},
        {"name": "latency", "unit": "ms", "histogram": {"dataPoints": [
            {"timeUnixNano": NANOS, "count": "4", "sum": 10.5, "bucketCounts": ["1", "3"]}]}},
    ]}],
}]}  # fmt: skip
SADF = {
    "sysstat": {
        "hosts": [
            {
                "nodename": "WEB1",
                "statistics": [
                    {
                        "timestamp": {"date": "2024-05-01", "time": "10:00:00", "utc": 1, "interval": 60},
                        "cpu-load": [{"cpu": "all", "user": 1.5}],
                        "network": {"net-dev": [{"iface": "eth0", "rxpck": 2.0}]},
                        "io": {"tps": 3},
                    }
                ],
            }
        ]
    }
}
SAR = """Linux 5.15.0-1 (WEB1) \t05/01/2024 \t_x86_64_\t(2 CPU)

09:00:00 AM     CPU     %user     %idle
10:00:00 AM     all      1,50     98.50
11:50:00 PM     all      2.50     97.50
12:00:00 AM     all      3.50     96.50
Average:        all      2.50     97.50

09:00:00 AM     IFACE   rxpck/s
10:00:00 AM      eth0      7.00
"""
PDH = (
    '"(PDH-CSV 4.0) (GMT Standard Time)(-60)","\\\\WS1\\Processor(_Total)\\% Processor Time",'
    '"\\\\WS1\\Network Interface(eth (x))\\Bytes Total/sec"\r\n'
    '"05/01/2024 11:00:00.500","12.5"," "\r\n"05/01/2024 11:00:01.500","1","2"\r\n'
)
PROMETHEUS = {"status": "success", "data": {"resultType": "matrix", "result": [
    {"metric": {"__name__": "up", "instance": "web1:9100", "job": "node"},
     "values": [[1714557600, "1"], [1714557660.25, "NaN"]]},
]}}  # fmt: skip
BEAT = {
    "@timestamp": "2024-05-01T10:00:00Z",
    "metricset": {"name": "diskio"},
    "event": {"module": "system", "duration": 5},
    "host": {"name": "WEB1", "cpu": {"usage": 0.5}},
    "system": {"diskio": {"name": "sda", "read": {"bytes": 7}, "busy": True}},
}

# source, text, table, (entity, name, value, unit, type) of every measurement, in order
MEASURED: list[tuple[str, str, str, list[tuple[object, ...]]]] = [
    ("otel_metrics", json.dumps(OTEL), "otel_metrics", [
        ("WEB1", "cpu", 0.25, "1", "gauge"), ("WEB1", "cpu", 3.0, "1", "gauge"),
        ("WEB1", "requests", 9.0, None, "counter"), ("WEB1", "latency", 10.5, "ms", "histogram")]),
    ("sysstat", json.dumps(SADF, indent=1), "sysstat", [
        ("WEB1/all", "cpu-load.user", 1.5, None, None), ("WEB1/eth0", "network.net-dev.rxpck", 2.0, None, None),
        ("WEB1", "io.tps", 3.0, None, None)]),
    ("sysstat", "# hostname;interval;timestamp;CPU;%user\nWEB1;60;2024-05-01 10:00:00 UTC;-1;1,5\n"
     "# hostname;interval;timestamp;IFACE;rxpck/s\nWEB1;60;2024-05-01 10:00:00 UTC;eth0;2.00\n", "sysstat", [
        ("WEB1/all", "%user", 1.5, "percent", None), ("WEB1/eth0", "rxpck/s", 2.0, "1/s", None)]),
    ("sysstat", SAR, "sysstat", [
        ("WEB1/all", "%user", 1.5, "percent", None), ("WEB1/all", "%idle", 98.5, "percent", None),
        ("WEB1/all", "%user", 2.5, "percent", None), ("WEB1/all", "%idle", 97.5, "percent", None),
        ("WEB1/all", "%user", 3.5, "percent", None), ("WEB1/all", "%idle", 96.5, "percent", None),
        ("WEB1/all", "%user.average", 2.5, "percent", None), ("WEB1/all", "%idle.average", 97.5, "percent", None),
        ("WEB1/eth0", "rxpck/s", 7.0, "1/s", None)]),
    ("pdh_csv", PDH, "windows_performance", [
        ("WS1", "Processor\\% Processor Time", 12.5, "percent", None),
        ("WS1", "Processor\\% Processor Time", 1.0, "percent", None),
        ("WS1/eth (x)", "Network Interface\\Bytes Total/sec", 2.0, "bytes/s", None)]),
    ("prometheus", json.dumps(PROMETHEUS), "prometheus_metrics", [
        ("web1", "up", 1.0, None, None), ("web1", "up", None, None, None)]),
    ("metricbeat", json.dumps(BEAT), "metricbeat", [("WEB1/sda", "system.diskio.read.bytes", 7.0, "bytes", None)]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "text", "table", "meant"), MEASURED, ids=[f"{m[0]}-{n}" for n, m in enumerate(MEASURED)]
)
def test_a_row_is_a_measurement(source: str, text: str, table: str, meant: list[tuple[object, ...]]) -> None:
    sure = {name: one.sniff(text.encode(), "export") for name, one in registry().items()}
    assert max(sure, key=lambda name: sure[name]) == source, sorted(sure.items(), key=lambda item: -item[1])[:3]
    tables, refused = tables_of(source, text)
    assert not refused
    names = ("metric.entity", "metric.name", "metric.value", "metric.unit", "metric.type")
    found = [tuple(row.get(name) for name in names) for row in viewed("metric", table, tables[table])]
    assert found == meant
    assert {str(host) for host in tables[table]["_host"].to_pylist()} <= {"web1", "ws1"}
    first = tables[table]["_time"][0].as_py()
    assert first.isoformat()[:16] == "2024-05-01T10:00"


def test_sar_goes_on_after_midnight() -> None:
    times = [row["_time"].isoformat()[:16] for row in rows("sysstat", SAR)]
    assert times == ["2024-05-01T10:00"] * 2 + ["2024-05-01T23:50"] * 2 + ["2024-05-02T00:00"] * 4 + [
        "2024-05-01T10:00"
    ]


def test_a_damaged_row_of_counters_is_refused() -> None:
    tables, refused = tables_of("pdh_csv", PDH + '"yesterday","1","2"\r\n"05/01/2024 11:00:02.500","1","2","3"\r\n')
    assert tables["windows_performance"].num_rows == 3
    assert ["no time" in one.reason or "header names" in one.reason for one in refused] == [True, True]


VALUES = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=6).filter(
    lambda t: t != "null"
)
STRUCTS = st.recursive(VALUES, lambda inner: st.dictionaries(KEYS, inner, min_size=1, max_size=3), max_leaves=8)


def written(value: Any) -> str:
    return value if isinstance(value, str) else "{" + ", ".join(f"{k}={written(v)}" for k, v in value.items()) + "}"


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(KEYS, STRUCTS, min_size=1, max_size=4))
def test_structs_come_back_as_athena_writes_them(record: dict[str, Any]) -> None:
    assert struct(written(record)) == record


@pytest.mark.parametrize("text", ["", "{", "{}", "{a}", "{a=1", "{a=1}}", "a=1", "{a={b=1}", "{a=1,b=2} "])
def test_what_is_no_struct_stays_text(text: str) -> None:
    assert struct(text) is None

# ruff: noqa: E501  (records on one line)
"""Records that say less or more than usual, and the views that other tools' traffic fills: values written by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mapped_samples import tables_of, viewed

SAR = """Linux 6.1.0 (web1) \t05/02/2024 \t_x86_64_\t(2 CPU)

10:00:01        CPU     %user     %idle
10:10:01        all      2.00     98.00
10:20:01        all      3.00     97.00
Average:        all      2.50     97.50

10:00:01        IFACE   rxpck/s
10:10:01         eth0      4.00
Average:        IFACE   rxpck/s
Average:         eth0      4.00
Average:         eth0      4.00     1.00
"""


def test_averages_of_sar_are_measurements_of_their_own() -> None:
    tables, refused = tables_of("sysstat", SAR)
    rows = tables["sysstat"].to_pylist()
    found = [
        (r["entity"], r["metric"], r["value"], r["_time"].isoformat()) for r in rows if r["metric"].endswith(".average")
    ]
    assert found == [
        ("web1/all", "%user.average", "2.50", "2024-05-02T10:20:01+00:00"),
        ("web1/all", "%idle.average", "97.50", "2024-05-02T10:20:01+00:00"),
        ("web1/eth0", "rxpck/s.average", "4.00", "2024-05-02T10:10:01+00:00"),
    ]
    assert len(rows) == 2 * 2 + 2 + 1 + 1
    assert [r.reason for r in refused] == ["an average of 3 values where the header names 2"]


def test_a_metric_without_data_points_is_told() -> None:
    metrics = [{"name": "empty", "gauge": {"dataPoints": []}}, {"name": "none"},
               {"name": "held", "sum": {"dataPoints": [{"timeUnixNano": "1714557600000000000", "asInt": "3"}]}}]  # fmt: skip
    tables, refused = tables_of(
        "otel_metrics", json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]})
    )
    assert [r.reason for r in refused] == ["metric 'empty' has no data points", "metric 'none' has no data points"]
    assert tables["otel_metrics"]["metric"].to_pylist() == ["held"]


def test_an_odd_sample_of_prometheus_is_told() -> None:
    result = [
        {"metric": {"__name__": "up"}, "values": [[1714557600, "1"], [1714557660], "x"]},
        {"metric": {"__name__": "h"}, "histogram": [1, {}]},
    ]
    answer = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    tables, refused = tables_of("prometheus", json.dumps(answer))
    assert tables["prometheus_metrics"]["value"].to_pylist() == ["1"]
    assert [r.reason[:17] for r in refused] == ["result 0: 2 of it", "result 1: 1 of it"]


@pytest.mark.parametrize(("client", "address", "port"), [
    ("::1:33317", "::1", 33317), ("10.0.1.2:33317", "10.0.1.2", 33317), ("2001:db8::7:80", "2001:db8::7", 80), ("unix:1", None, 1),
    ("::ffff:10.0.1.2:5000", "10.0.1.2", 5000),
])  # fmt: skip
def test_clients_of_haproxy(client: str, address: str | None, port: int) -> None:
    line = f'{client} [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 "GET /i HTTP/1.1"\n'
    tables, refused = tables_of("haproxy", line)
    assert not refused
    for view in ("web", "network"):
        [row] = viewed(view, "web_haproxy", tables["web_haproxy"])
        assert (row.get("source.ip"), row["source.port"]) == (address, port)


@pytest.mark.parametrize(("enabled", "wanted"), [("enabled", True), ("disabled", False), ("", None)])
def test_what_autoruns_lists_is_switched_on_or_not(enabled: str, wanted: bool | None) -> None:
    head = "Time,Entry Location,Entry,Enabled,Category,Profile,Description,Signer,Company,Image Path,Version,Launch String,MD5,SHA-1,PESHA-1,PESHA-256,SHA-256,IMP"
    tables, _ = tables_of(
        "autoruns",
        f"{head}\n20250304-101112,HKLM\\Run,Updater,{enabled},Logon,System-wide,x,y,Maker,c:\\up.exe,1.0,c:\\up.exe,,,,,,\n",
    )
    [row] = viewed("inventory", "autoruns", tables["autoruns"])
    assert row.get("inventory.enabled") is wanted


def test_leases_tie_addresses_to_hardware() -> None:
    log = ("Microsoft DHCP Service Activity Log\n\nID,Date,Time,Description,IP Address,Host Name,MAC Address\n"
           "10,02/05/24,10:00:01,Assign,192.0.2.7,pc7.example.com,0011223344AA\n11,02/05/24,10:00:02,Renew,192.0.2.7,pc7,0011223344AA\n"
           "12,02/05/24,10:00:03,Release,192.0.2.7,pc7,0011223344AA\n")  # fmt: skip
    tables, _ = tables_of("windows_dhcp", log)
    rows = viewed("network", "dhcp_windows", tables["dhcp_windows"])
    assert [(r["event.action"], r["source.ip"], r["source.mac"]) for r in rows] == [
        ("dhcp-lease", "192.0.2.7", "0011223344aa"), ("dhcp-lease", "192.0.2.7", "0011223344aa"), ("dhcp-lease-ended", "192.0.2.7", "0011223344aa"),
    ]  # fmt: skip
    tables, _ = tables_of("syslog", "Feb  5 10:00:00 gw dhcpd[7]: DHCPACK on 192.0.2.7 to 00:11:22:33:44:aa (pc7) via eth0\n"
                                    "Feb  5 10:00:01 gw dnsmasq-dhcp[7]: DHCPACK(eth0) 192.0.2.8 00:11:22:33:44:bb pc8\n")  # fmt: skip
    [one], [two] = (viewed("network", t, tables[t]) for t in ("dhcp_dhcpd", "dhcp_dnsmasq"))
    assert (one["source.ip"], one["source.mac"], one["source.domain"]) == ("192.0.2.7", "00:11:22:33:44:aa", "pc7")
    assert (two["source.ip"], two["event.action"]) == ("192.0.2.8", "dhcp-lease")


@pytest.mark.parametrize(("source", "line", "count", "outcome"), [
    ("cef", "CEF:0|A|Wall|1|2|n|3|src=10.0.0.5 dst=192.0.2.9 spt=5 dpt=443 act=Blocked proto=TCP in=7", 1, "failure"),
    ("cef", "CEF:0|A|Wall|1|2|n|3|src=10.0.0.5 dst=192.0.2.9 msg=no verdict", 0, None),
    ("cef", "CEF:0|A|Wall|1|2|n|3|act=Blocked fname=x.exe", 0, None),
    ("leef", "LEEF:1.0|A|Wall|1|deny|src=10.0.0.5\tdst=192.0.2.9\tdstPort=443\taction=deny\tproto=TCP", 1, "failure"),
])  # fmt: skip
def test_traffic_of_other_tools_is_traffic(source: str, line: str, count: int, outcome: str | None) -> None:
    tables, _ = tables_of(source, line + "\n")
    [(table, native)] = tables.items()
    rows = viewed("network", table, native)
    assert len(rows) == count
    for row in rows:
        wanted: dict[str, Any] = {
            "source.ip": "10.0.0.5",
            "destination.ip": "192.0.2.9",
            "destination.port": 443,
            "network.transport": "tcp",
        }
        assert {name: row.get(name) for name in wanted} == wanted
        assert row.get("event.outcome") == outcome
    assert len(viewed("alert", table, native)) == 1


def test_what_apparmor_denied_is_an_alert() -> None:
    line = ('Feb  5 10:00:00 web1 kernel: [  12.345678] audit: type=1400 audit(1707127200.123:45): apparmor="DENIED" operation="open" '
            'profile="/usr/sbin/named" name="/etc/shadow" pid=811 comm="named" requested_mask="r" denied_mask="r" fsuid=0 ouid=0\n')  # fmt: skip
    tables, _ = tables_of("syslog", line + "Feb  5 10:00:01 web1 kernel: [  13.0] usb 1-1: new device\n")
    native = tables["linux_syslog"]
    assert native["action"].to_pylist() == ["apparmor-denied", None]
    [row] = viewed("alert", "linux_syslog", native)
    assert (row["rule.name"], row["file.path"], row["process.pid"], row["event.outcome"]) == (
        "/usr/sbin/named",
        "/etc/shadow",
        811,
        "failure",
    )

"""Cloud, identity and security tools: records as the providers document them, and what must come of them."""

from __future__ import annotations

import json
from typing import Any

import pyarrow.compute as pc
import pytest
from cloud_cases import CASES, KEY, RULE, line
from mapped_samples import tables_of, viewed

from vizsla.sources import registry


@pytest.mark.parametrize(("source", "text", "table", "view", "meant"), CASES, ids=[f"{c[0]}-{c[3]}" for c in CASES])
def test_a_record_means_what_its_provider_says(
    source: str, text: str, table: str, view: str, meant: dict[str, object]
) -> None:
    sure = {name: one.sniff(text.encode(), "export") for name, one in registry().items()}
    assert max(sure, key=lambda name: sure[name]) == source, sorted(sure.items(), key=lambda item: -item[1])[:3]
    tables, refused = tables_of(source, text)
    assert not refused
    assert list(tables) == [table]
    assert tables[table]["_time"][0].as_py().isoformat()[:10] == "2024-05-01"
    row = viewed(view, table, tables[table])[0]
    assert {name: row.get(name) for name in meant} == meant


def test_a_trail_keeps_what_was_asked_as_one_column_and_lifts_what_matters() -> None:
    tables, _ = tables_of("aws_cloudtrail", line(**KEY))
    row = tables["aws_cloudtrail"].to_pylist()[0]
    assert json.loads(row["requestParameters"]) == KEY["requestParameters"]
    assert row["requestParameters.userName"] == "bob"
    assert "requestParameters.rare.deep" not in row
    assert row["_host"] == "111122223333"


def test_digests_are_no_trail() -> None:
    digest = {
        "awsAccountId": "1",
        "digestStartTime": "2024-05-01T09:00:00Z",
        "digestEndTime": "2024-05-01T10:00:00Z",
        "digestS3Bucket": "b",
        "logFiles": [{"s3Bucket": "b", "newestEventTime": "2024-05-01T09:59:00Z"}],
    }
    text = json.dumps(digest, indent=1).encode()
    assert {n for n, s in registry().items() if s.sniff(text, "x.json") > 0} == {"aws_cloudtrail_digest"}
    tables, refused = tables_of("aws_cloudtrail_digest", text)
    assert (list(tables), tables["aws_cloudtrail_digest"].num_rows, refused) == (["aws_cloudtrail_digest"], 1, [])


def test_athena_exports_fill_the_same_columns() -> None:
    inner = "sessioncontext={attributes={mfaauthenticated=false}, sessionissuer={username=R}}"
    text = (
        '"eventversion","useridentity","eventtime","eventsource","eventname","awsregion","errorcode"\n'
        f'"1.08","{{type=AssumedRole, arn=arn:aws:sts::1:x, accountid=1, {inner}}}",'
        '"2024-05-01T10:00:00Z","s3.amazonaws.com","GetObject","eu-west-1","AccessDenied"\n'
    )
    tables, refused = tables_of("aws_cloudtrail_csv", text)
    assert not refused
    row = viewed("cloud", "aws_cloudtrail", tables["aws_cloudtrail"])[0]
    assert (row["event.action"], row["user.name"], row["user.id"]) == ("GetObject", "R", "arn:aws:sts::1:x")
    assert (row["event.outcome"], row["cloud.account.id"]) == ("failure", "1")


def test_the_portals_export_holds_the_record_in_a_column() -> None:
    inner = json.dumps({**RULE, "Operation": "Send", "Item": {"Subject": 'a "b", c'}}).replace('"', '""')
    header = "RecordId,CreationDate,RecordType,Operation,UserId,AuditData"
    text = f'{header}\ni,2024-05-01,1,Send,ada,"{inner}"\nj,x,1,Send,ada,none\n'
    tables, refused = tables_of("m365_audit_csv", text)
    assert not refused
    first, second = tables["m365_audit"].to_pylist()
    assert (first["Operation"], first["ExportOperation"], first["Item.Subject"]) == ("Send", "Send", 'a "b", c')
    assert (second["AuditData"], second["_time"]) == ("none", None)
    assert viewed("email", "m365_audit", tables["m365_audit"])[0]["email.subject"] == 'a "b", c'


def test_flow_logs_without_a_header_are_known_by_their_values() -> None:
    text = b"2 123456789012 eni-1 10.0.0.1 10.0.0.2 50000 443 6 20 4249 1714557600 1714557660 ACCEPT OK\n" * 3
    assert {n for n, s in registry().items() if s.sniff(text, "x") > 0} == {"aws_vpc_flow_plain"}
    tables, _ = tables_of("aws_vpc_flow_plain", text)
    assert tables["aws_vpc_flow"].num_rows == 3
    assert viewed("network", "aws_vpc_flow", tables["aws_vpc_flow"])[0]["destination.port"] == 443


@pytest.mark.parametrize(
    "record",
    [
        {"dns": {"type": "query", "rrname": "a.org", "rrtype": "A"}},
        {"dns": {"version": 3, "type": "request", "queries": [{"rrname": "a.org", "rrtype": "A"}]}},
    ],
)
def test_suricata_asks_alike_in_every_version(record: dict[str, Any]) -> None:
    text = line(timestamp="2024-05-01T10:00:00.000000+0000", event_type="dns", flow_id=1, src_ip="10.0.0.1", **record)
    tables, _ = tables_of("suricata_eve", text)
    row = viewed("dns", "suricata_dns", tables["suricata_dns"])[0]
    assert (row["event.action"], row["dns.question.name"], row["dns.question.type"]) == ("dns-query", "a.org", "A")


def test_a_real_sensor(real_data: Any) -> None:
    [path] = (real_data / "suricata").glob("*.json")
    tables, refused = tables_of("suricata_eve", path.read_bytes())
    assert not refused
    assert {name: table.num_rows for name, table in tables.items()} == {
        "suricata_flow": 3512,
        "suricata_alert": 745,
        "suricata_dns": 680,
        "suricata_http": 56,
        "suricata_fileinfo": 3,
        "suricata_anomaly": 3,
        "suricata_tls": 1,
    }
    answers = [r for r in viewed("dns", "suricata_dns", tables["suricata_dns"]) if r["event.action"] == "dns-answer"]
    assert len(answers) == 340
    [tls] = viewed("tls", "suricata_tls", tables["suricata_tls"])
    assert tls["tls.client.server_name"] == "www.myedimax.com"
    assert tls["tls.client.ja3"] == "b7202231ff2db28363c109cedc6d1642"
    assert tls["destination.port"] == 55443
    assert set(tables["suricata_flow"]["_host"].to_pylist()) == {"stratosphere.org"}
    alert = viewed("alert", "suricata_alert", tables["suricata_alert"])[0]
    assert (alert["rule.id"], alert["source.ip"], alert["event.severity"]) == ("2403388", "78.36.196.213", 2.0)
    [first, *_] = tables["suricata_alert"]["_time"].to_pylist()
    assert first.isoformat() == "2021-06-06T13:59:46.457984+00:00"


def test_a_real_trail(real_data: Any) -> None:
    [path] = (real_data / "cloud").glob("ec2_proxy*.json")
    tables, refused = tables_of("aws_cloudtrail", path.read_bytes())
    assert not refused
    [(name, native)] = tables.items()
    assert (name, native.num_rows) == ("aws_cloudtrail", 103)
    assert pc.sum(pc.equal(native["eventName"], "AssumeRole")).as_py() == 5
    rows = viewed("cloud", name, native)
    assert len(rows) == 103
    taken = [row for row in rows if row["event.action"] == "GetObject"]
    assert len(taken) == 2
    assert {row["user.name"] for row in taken} == {"MordorNginxStack-BankingWAFRole-9S3E0UAE1MM0"}
    assert taken[0]["cloud.resource.name"] == "arn:aws:s3:::mordors3stack-s3bucket-llp2yingx64a/ring.txt"
    assert "source.ip" not in next(row for row in rows if row["event.action"] == "AssumeRole")  # a service's name
    assert len(viewed("authentication", name, native)) == 5

"""Cloud, identity and security tools: records as the providers document them, and what must come of them."""

from __future__ import annotations

import json
from typing import Any

import pyarrow.compute as pc
import pytest
from mapped_samples import tables_of, viewed

from vizsla.sources import registry


def line(**record: Any) -> str:
    return json.dumps(record) + "\n"


KEY = {
    "eventVersion": "1.08",
    "eventSource": "iam.amazonaws.com",
    "eventName": "CreateAccessKey",
    "awsRegion": "us-east-1",
    "eventTime": "2024-05-01T10:00:00Z",
    "sourceIPAddress": "192.0.2.7",
    "userAgent": "aws-cli/2",
    "eventID": "e",
    "recipientAccountId": "111122223333",
    "requestParameters": {"userName": "bob", "rare": {"deep": 1}},
    "userIdentity": {"type": "IAMUser", "userName": "ada", "arn": "arn:aws:iam::111122223333:user/ada"},
}
LOGIN = {
    **KEY,
    "eventSource": "signin.amazonaws.com",
    "eventName": "ConsoleLogin",
    "requestParameters": None,
    "responseElements": {"ConsoleLogin": "Failure"},
    "errorMessage": "Failed authentication",
}
SIGNIN = {
    "createdDateTime": "2024-05-01T09:59:59Z",
    "userPrincipalName": "ada@example.org",
    "appDisplayName": "Mail",
    "ipAddress": "::ffff:192.0.2.1",
    "userAgent": "Firefox",
    "status": {"errorCode": 50126, "failureReason": "Invalid username or password"},
    "deviceDetail": {"displayName": "WS1"},
}
RULE = {
    "CreationTime": "2024-05-01T10:00:00",
    "Id": "i",
    "Operation": "New-InboxRule",
    "RecordType": 1,
    "ResultStatus": "True",
    "Workload": "Exchange",
    "ClientIP": "[2001:db8::1]:5000",
    "UserId": "ada@example.org",
    "OrganizationId": "o",
    "Parameters": [{"Name": "Name", "Value": "."}, {"Name": "ForwardTo", "Value": "e@x.net"}],
}
PROCESS = {
    "DeviceId": "d",
    "DeviceName": "WS1",
    "ActionType": "ProcessCreated",
    "FileName": "cmd.exe",
    "ReportId": 1,
    "FolderPath": "C:\\Windows\\System32\\cmd.exe",
    "ProcessCommandLine": "cmd /c dir",
    "ProcessId": 7,
    "InitiatingProcessFileName": "winword.exe",
    "AccountName": "ada",
    "Timestamp": "2024-05-01T10:00:00Z",
}

# source, text, table, view, the fields that must come out of its first row
CASES: list[tuple[str, str, str, str, dict[str, object]]] = [
    (
        "aws_cloudtrail",
        json.dumps({"Records": [KEY]}),
        "aws_cloudtrail",
        "iam",
        {
            "event.action": "CreateAccessKey",
            "user.name": "ada",
            "user.target.name": "bob",
            "cloud.provider": "aws",
            "cloud.account.id": "111122223333",
            "source.ip": "192.0.2.7",
            "event.outcome": "success",
        },
    ),
    (
        "aws_cloudtrail",
        line(**LOGIN),
        "aws_cloudtrail",
        "authentication",
        {"event.action": "logon", "event.outcome": "failure", "event.reason": "Failed authentication"},
    ),
    (
        "aws_cloudtrail",
        line(**KEY, errorCode="AccessDenied"),
        "aws_cloudtrail",
        "cloud",
        {"event.outcome": "failure", "error.code": "AccessDenied", "user_agent.original": "aws-cli/2"},
    ),
    (
        "aws_vpc_flow",
        "dstaddr srcaddr action bytes srcport dstport protocol end instance-id log-status flow-direction\n"
        "10.0.0.2 10.0.0.1 REJECT 40 50000 22 6 1714557660 i-1 OK ingress\n",
        "aws_vpc_flow",
        "network",
        {
            "source.ip": "10.0.0.1",
            "destination.port": 22,
            "network.transport": "tcp",
            "event.outcome": "failure",
            "source.bytes": 40,
            "network.direction": "inbound",
            "cloud.instance.id": "i-1",
        },
    ),
    (
        "aws_guardduty",
        json.dumps(
            {
                "Findings": [
                    {
                        "Type": "Recon:EC2/Portscan",
                        "Severity": 5.5,
                        "AccountId": "1",
                        "Service": {"DetectorId": "d"},
                        "UpdatedAt": "2024-05-01T10:00:00Z",
                        "Title": "t",
                    }
                ]
            }
        ),
        "aws_guardduty",
        "alert",
        {"rule.id": "Recon:EC2/Portscan", "event.severity": 5.5, "rule.name": "t", "event.action": "alert"},
    ),
    (
        "azure_activity",
        json.dumps(
            {
                "records": [
                    {
                        "time": "2024-05-01T10:00:00Z",
                        "resourceId": "/S/1",
                        "category": "Administrative",
                        "operationName": "MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/WRITE",
                        "resultType": "Success",
                        "callerIpAddress": "192.0.2.1",
                        "identity": {
                            "claims": {"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": "ada@example.org"}
                        },
                    }
                ]
            }
        ),
        "azure_activity",
        "iam",
        {"user.name": "ada", "user.domain": "example.org", "event.outcome": "success"},
    ),
    (
        "entra_signin",
        line(**SIGNIN),
        "entra_signin",
        "authentication",
        {
            "user.name": "ada",
            "user.domain": "example.org",
            "user.email": "ada@example.org",
            "source.ip": "192.0.2.1",
            "event.outcome": "failure",
            "error.code": "50126",
            "source.domain": "WS1",
            "cloud.application.name": "Mail",
        },
    ),
    (
        "entra_signin",
        line(
            time="2024-05-01T10:00:00Z",
            category="SignInLogs",
            operationName="Sign-in activity",
            resultType="0",
            properties={**SIGNIN, "status": {"errorCode": 0}},
        ),
        "entra_signin",
        "authentication",
        {"user.name": "ada", "event.outcome": "success", "event.action": "logon", "event.code": "SignInLogs"},
    ),
    (
        "entra_audit",
        line(
            activityDateTime="2024-05-01T10:00:00Z",
            activityDisplayName="Add member to role",
            result="success",
            initiatedBy={"user": {"userPrincipalName": "ada@example.org", "ipAddress": "192.0.2.1"}},
            targetResources=[{"id": "x", "userPrincipalName": "bob@example.org"}],
            additionalDetails=[{"key": "User-Agent", "value": "curl"}],
        ),
        "entra_audit",
        "iam",
        {"event.action": "Add member to role", "user.target.name": "bob", "user_agent.original": "curl"},
    ),
    (
        "m365_audit",
        line(**RULE),
        "m365_audit",
        "email",
        {
            "event.action": "New-InboxRule",
            "email.rule.name": ".",
            "email.rule.forward_to": "e@x.net",
            "source.ip": "2001:db8::1",
            "user.name": "ada",
            "event.outcome": "success",
        },
    ),
    (
        "gcp_audit",
        json.dumps(
            [
                {
                    "logName": "projects/p/logs/a",
                    "timestamp": "2024-05-01T10:00:00Z",
                    "insertId": "i",
                    "resource": {"type": "project", "labels": {"project_id": "p"}},
                    "protoPayload": {
                        "methodName": "SetIamPolicy",
                        "status": {"code": 7, "message": "denied"},
                        "authenticationInfo": {"principalEmail": "ada@example.org"},
                        "requestMetadata": {"callerIp": "192.0.2.1"},
                    },
                }
            ]
        ),
        "gcp_audit",
        "iam",
        {"event.outcome": "failure", "error.code": "7", "user.name": "ada", "cloud.account.id": "p"},
    ),
    (
        "okta_system_log",
        json.dumps(
            [
                {
                    "eventType": "user.session.start",
                    "published": "2024-05-01T10:00:00Z",
                    "uuid": "u",
                    "actor": {"alternateId": "ada@example.org"},
                    "client": {"ipAddress": "192.0.2.1"},
                    "outcome": {"result": "FAILURE", "reason": "INVALID_CREDENTIALS"},
                }
            ]
        ),
        "okta_system_log",
        "authentication",
        {
            "event.action": "logon",
            "event.outcome": "failure",
            "event.reason": "INVALID_CREDENTIALS",
            "user.name": "ada",
        },
    ),
    (
        "github_audit",
        line(
            **{
                "@timestamp": 1714557600000,
                "action": "org.add_member",
                "actor": "ada",
                "user": "bob",
                "org": "o",
                "actor_ip": "192.0.2.1",
                "_document_id": "d",
            }
        ),
        "github_audit",
        "iam",
        {"event.action": "org.add_member", "user.name": "ada", "user.target.name": "bob"},
    ),
    (
        "kubernetes_audit",
        line(
            kind="Event",
            apiVersion="audit.k8s.io/v1",
            auditID="a",
            stage="ResponseComplete",
            verb="create",
            requestURI="/api/v1/namespaces/d/pods/p/exec?command=sh",
            user={"username": "system:serviceaccount:d:x"},
            sourceIPs=["192.0.2.1", "10.0.0.1"],
            objectRef={"resource": "pods", "subresource": "exec", "namespace": "d", "name": "p"},
            responseStatus={"code": 403},
            requestReceivedTimestamp="2024-05-01T10:00:00.000001Z",
        ),
        "kubernetes_audit",
        "cloud",
        {
            "source.ip": "192.0.2.1",
            "event.outcome": "failure",
            "orchestrator.resource.type": "pods\\exec",
            "orchestrator.namespace": "d",
            "user.name": "system:serviceaccount:d:x",
        },
    ),
    (
        "defender_device",
        "Timestamp,DeviceId,DeviceName,ActionType,RemoteIP,RemotePort,LocalIP,InitiatingProcessFileName,ReportId\n"
        "2024-05-01T10:00:00Z,d,WS1,ConnectionSuccess,192.0.2.1,443,10.0.0.1,cmd.exe,1\n",
        "defender_device",
        "network",
        {"destination.ip": "192.0.2.1", "destination.port": 443, "source.ip": "10.0.0.1", "process.name": "cmd.exe"},
    ),
    (
        "defender_json",
        line(time="2024-05-01T10:00:01Z", category="AdvancedHunting-DeviceProcessEvents", properties=PROCESS),
        "defender_device",
        "process",
        {"process.name": "cmd.exe", "process.pid": 7, "process.parent.name": "winword.exe", "user.name": "ada"},
    ),
    (
        "crowdstrike_fdr",
        line(
            event_simpleName="NetworkConnectIP4",
            aid="a",
            timestamp="1714557600000",
            Protocol="6",
            LocalAddressIP4="10.0.0.1",
            RemoteAddressIP4="192.0.2.1",
            RemotePort="443",
        ),
        "crowdstrike_networkconnectip4",
        "network",
        {"destination.ip": "192.0.2.1", "destination.port": 443, "network.transport": "tcp"},
    ),
    (
        "ocsf",
        line(
            class_uid=3002,
            activity_id=1,
            category_uid=3,
            time=1714557600000,
            status="Failure",
            user={"name": "ada"},
            src_endpoint={"ip": "192.0.2.1"},
        ),
        "ocsf_3002",
        "authentication",
        {"event.action": "logon", "event.outcome": "failure", "user.name": "ada", "source.ip": "192.0.2.1"},
    ),
    (
        "ecs",
        line(
            **{
                "_index": "x",
                "_source": {
                    "@timestamp": "2024-05-01T10:00:00Z",
                    "ecs": {"version": "8.0"},
                    "event": {"category": ["process"], "type": ["start"], "dataset": "endpoint.process"},
                    "process": {"pid": 7, "name": "ls"},
                },
            }
        ),
        "ecs_endpoint_process",
        "process",
        {"event.action": "process-started", "process.pid": 7, "process.name": "ls"},
    ),
    (
        "wazuh_alerts",
        line(
            timestamp="2024-05-01T10:00:00.000+0000",
            rule={"level": 10, "description": "d", "id": "5716"},
            agent={"id": "1", "name": "WEB1"},
            manager={"name": "m"},
            data={"srcip": "192.0.2.1"},
        ),
        "wazuh_alerts",
        "alert",
        {"rule.id": "5716", "event.severity": 10.0, "source.ip": "192.0.2.1"},
    ),
]


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
    text = (
        '"eventversion","useridentity","eventtime","eventsource","eventname","awsregion","errorcode"\n'
        '"1.08","{type=AssumedRole, arn=arn:aws:sts::1:x, accountid=1, sessioncontext={attributes={mfaauthenticated=false},'
        ' sessionissuer={username=R}}}","2024-05-01T10:00:00Z","s3.amazonaws.com","GetObject","eu-west-1","AccessDenied"\n'
    )
    tables, refused = tables_of("aws_cloudtrail_csv", text)
    assert not refused
    row = viewed("cloud", "aws_cloudtrail", tables["aws_cloudtrail"])[0]
    assert (row["event.action"], row["user.name"], row["user.id"]) == ("GetObject", "R", "arn:aws:sts::1:x")
    assert (row["event.outcome"], row["cloud.account.id"]) == ("failure", "1")


def test_the_portals_export_holds_the_record_in_a_column() -> None:
    inner = json.dumps({**RULE, "Operation": "Send", "Item": {"Subject": 'a "b", c'}}).replace('"', '""')
    text = f'RecordId,CreationDate,RecordType,Operation,UserId,AuditData\ni,2024-05-01,1,Send,ada,"{inner}"\nj,x,1,Send,ada,none\n'
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

"""Records as providers document them, and what must come of them."""

from __future__ import annotations

import json
from typing import Any


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
            _index="x",
            _source={
                "@timestamp": "2024-05-01T10:00:00Z",
                "ecs": {"version": "8.0"},
                "event": {"category": ["process"], "type": ["start"], "dataset": "endpoint.process"},
                "process": {"pid": 7, "name": "ls"},
            },
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

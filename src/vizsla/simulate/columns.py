"""The columns of every simulated table, in order: one schema per table, whatever a day brings."""

from __future__ import annotations

from vizsla.simulate.frame import POWERSHELL, SECURITY, SYSMON, SYSTEM_FIELDS, SYSTEM_LOG, TASKS

_WHO = "RuleName UtcTime ProcessGuid ProcessId Image User"
_EVENT_FIELDS = {
    SYSMON: f"""{_WHO} FileVersion Description Product Company OriginalFileName CommandLine CurrentDirectory LogonGuid
        LogonId TerminalSessionId IntegrityLevel Hashes ParentProcessGuid ParentProcessId ParentImage
        ParentCommandLine ParentUser Protocol Initiated SourceIsIpv6 SourceIp SourceHostname SourcePort SourcePortName
        DestinationIsIpv6 DestinationIp DestinationHostname DestinationPort DestinationPortName ImageLoaded Signed
        Signature SignatureStatus SourceProcessGUID SourceProcessId SourceThreadId SourceImage TargetProcessGUID
        TargetProcessId TargetImage GrantedAccess CallTrace SourceUser TargetUser TargetFilename CreationUtcTime
        EventType TargetObject Details PipeName QueryName QueryStatus QueryResults IsExecutable Archived""",
    SECURITY: """SubjectUserSid SubjectUserName SubjectDomainName SubjectLogonId TargetUserSid TargetUserName
        TargetDomainName TargetLogonId LogonType LogonProcessName AuthenticationPackageName WorkstationName LogonGuid
        TransmittedServices LmPackageName KeyLength ProcessId ProcessName IpAddress IpPort ImpersonationLevel
        RestrictedAdminMode TargetOutboundUserName TargetOutboundDomainName VirtualAccount TargetLinkedLogonId
        ElevatedToken Status FailureReason SubStatus PrivilegeList NewProcessId NewProcessName TokenElevationType
        CommandLine ParentProcessName MandatoryLabel TargetSid CallerProcessId CallerProcessName
        TargetLogonGuid TargetServerName TargetInfo ServiceName
        ServiceSid ServiceFileName ServiceType ServiceStartType ServiceAccount TaskName TaskContent TicketOptions
        TicketEncryptionType PreAuthType CertIssuerName CertSerialNumber CertThumbprint PackageName Workstation
        ObjectType ShareName ShareLocalPath RelativeTargetName AccessMask AccessList AccessReason SamAccountName
        DisplayName UserPrincipalName HomeDirectory PrimaryGroupId OldUacValue NewUacValue""",
    SYSTEM_LOG: """param1 param2 param3 param4 param5 param6 param7 ServiceName ImagePath ServiceType StartType
        AccountName MajorVersion MinorVersion BuildVersion QfeVersion StartTime updateTitle updateGuid
        updateRevisionNumber serviceGuid""",
    POWERSHELL: "param1 param2 MessageNumber MessageTotal ScriptBlockText ScriptBlockId Path",
    TASKS: """TaskName Path ProcessID Priority UserContext UserName InstanceId ActionName TaskInstanceId
        ResultCode""",
}
_ENDS = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p"
_ZEEK = {
    "zeek_conn": f"""{_ENDS} proto service duration orig_bytes resp_bytes conn_state local_orig local_resp missed_bytes
        history orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes tunnel_parents""",
    "zeek_dns": f"""{_ENDS} proto trans_id rtt query qclass qclass_name qtype qtype_name rcode rcode_name AA TC RD RA Z
        answers TTLs rejected""",
    "zeek_http": f"""{_ENDS} trans_depth method host uri referrer version user_agent origin request_body_len
        response_body_len status_code status_msg info_code info_msg tags username password proxied orig_fuids
        orig_filenames orig_mime_types resp_fuids resp_filenames resp_mime_types""",
    "zeek_ssl": f"""{_ENDS} version cipher curve server_name resumed last_alert next_protocol established ssl_history
        subject issuer validation_status ja3 ja3s""",
}
ZEEK_TYPES = {
    "ts": "time", "uid": "string", "id.orig_h": "addr", "id.orig_p": "port", "id.resp_h": "addr", "id.resp_p": "port",
    "proto": "enum", "duration": "interval", "orig_bytes": "count", "resp_bytes": "count", "local_orig": "bool",
    "local_resp": "bool", "missed_bytes": "count", "orig_pkts": "count", "orig_ip_bytes": "count",
    "resp_pkts": "count", "resp_ip_bytes": "count", "tunnel_parents": "set[string]", "trans_id": "count",
    "rtt": "interval", "qclass": "count", "qtype": "count", "rcode": "count", "AA": "bool", "TC": "bool", "RD": "bool",
    "RA": "bool", "Z": "count", "answers": "vector[string]", "TTLs": "vector[interval]", "rejected": "bool",
    "trans_depth": "count", "request_body_len": "count", "response_body_len": "count", "status_code": "count",
    "info_code": "count", "tags": "set[enum]", "proxied": "set[string]", "orig_fuids": "vector[string]",
    "orig_filenames": "vector[string]", "orig_mime_types": "vector[string]", "resp_fuids": "vector[string]",
    "resp_filenames": "vector[string]", "resp_mime_types": "vector[string]", "resumed": "bool", "established": "bool",
}  # fmt: skip  # all others are strings
_OURS = ("_time", "_host", "_origin")
NATIVE: dict[str, tuple[str, ...]] = {
    **{table: (*SYSTEM_FIELDS, *names.split()) for table, names in _EVENT_FIELDS.items()},
    **{table: tuple(names.split()) for table, names in _ZEEK.items()},
}
EVENT_FIELDS = {table: tuple(names.split()) for table, names in _EVENT_FIELDS.items()}
_ALL = {table: (*names, *_OURS) for table, names in NATIVE.items()}


def table_columns(table: str) -> tuple[str, ...]:
    """All columns of a table: native ones, then ours."""
    return _ALL[table]

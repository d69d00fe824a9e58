"""Which time is an event's where its format holds several: when what it tells of began, not when that was written."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloud_cases import line
from mapped_samples import tables_of

from vizsla.errors import SourceError
from vizsla.sources._declared import samples
from vizsla.sources._placing import Clock

AT, LATER = "2024-05-01T10:00:00", "2024-05-01T10:07:00"
EPOCH, EPOCH_LATER = 1714557600, 1714558020
VPC = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
FLOW = f"2 123456789010 eni-1235b8ca 10.0.0.1 10.0.0.2 50000 443 6 20 4249 {EPOCH} {EPOCH_LATER} ACCEPT OK\n"
EVE = {"timestamp": LATER + ".000000+0000", "flow_id": 1, "src_ip": "10.0.0.1", "src_port": 1, "dest_ip": "10.0.0.2",
       "dest_port": 2, "proto": "TCP"}  # fmt: skip
BEGAN = {"start": AT + ".000000+0000", "end": LATER + ".000000+0000"}
ALERT = {"signature_id": 1, "signature": "s", "severity": 3, "category": "c"}
WAZUH = {"timestamp": LATER + ".000+0000", "rule": {"level": 3, "description": "d", "id": "1"}, "agent": {"id": "1"},
         "manager": {"name": "m"}}  # fmt: skip
AUDIT = {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "a", "verb": "get",
         "stage": "ResponseComplete", "requestURI": "/api", "user": {"username": "u"},
         "requestReceivedTimestamp": AT + ".000000Z", "stageTimestamp": LATER + ".000000Z"}  # fmt: skip
DEVICE = {"DeviceId": "d", "DeviceName": "WS1", "ActionType": "ProcessCreated", "ReportId": 1, "FileName": "cmd.exe"}

# Of each what its documentation calls the beginning says AT, what it calls end, record or receipt LATER.
BEGINS: list[tuple[str, str]] = [
    ("suricata_eve", line(**EVE, event_type="flow", flow=BEGAN)),
    ("suricata_eve", line(**EVE, event_type="netflow", netflow=BEGAN)),
    ("aws_vpc_flow", f"{VPC}\n{FLOW}"),
    ("aws_vpc_flow_plain", FLOW),
    ("aws_alb", samples()["aws_alb"].decode().replace("2024-05-01T10:00:00.186641Z", LATER + ".1Z")
     .replace("2024-05-01T10:00:00.100000Z", AT + ".000000Z")),
    ("aws_nlb", samples()["aws_nlb"].decode().replace("2018-12-20T02:59:40", LATER).replace("2018-12-20T02:59:30", AT)),
    ("aws_guardduty", line(service={"detectorId": "d", "eventFirstSeen": AT + "Z", "eventLastSeen": LATER + "Z"},
                           type="t", createdAt=LATER + "Z", updatedAt=LATER + "Z", accountId="1", severity=2)),
    ("aws_guardduty", json.dumps({"Findings": [{"Service": {"DetectorId": "d", "EventFirstSeen": AT + "Z"}, "Type": "t",
                                                "CreatedAt": LATER + "Z", "UpdatedAt": LATER + "Z"}]})),
    ("crowdstrike_fdr", line(event_simpleName="DnsRequest", aid="a", cid="c", timestamp=str(EPOCH_LATER * 1000),
                             ContextTimeStamp=f"{EPOCH}.000")),
    ("wazuh_alerts", line(**WAZUH, data={"win": {"system": {"systemTime": AT + ".0000000Z"}}})),
    ("kubernetes_audit", line(**AUDIT)),
    ("defender_json", line(category="AdvancedHunting-DeviceProcessEvents", time=LATER + "Z",
                           properties={**DEVICE, "Timestamp": AT + "Z"})),
    ("nfdump", f"ts,te,td,sa,da,sp,dp,pr\n{AT},{LATER},420,10.0.0.1,10.0.0.2,1,2,TCP\n".replace("T1", " 1")),
    ("cef", f"CEF:0|A|B|1|2|n|3|rt={EPOCH_LATER}000 end={EPOCH_LATER}000 start={EPOCH}000\n"),
    ("cef", f"CEF:0|A|B|1|2|n|3|rt={EPOCH_LATER}000 end={EPOCH}000\n"),
    ("fortinet", f'date=2024-05-01 time=10:07:00 devname="f" devid="F" logid="1" type="traffic" eventtime={EPOCH}\n'),
    ("zeek_json", line(_path="conn", _write_ts=LATER + "Z", ts=EPOCH, uid="C1", **{"id.orig_h": "10.0.0.1",
                       "id.orig_p": 1, "id.resp_h": "10.0.0.2", "id.resp_p": 2}, proto="tcp")),
]  # fmt: skip


@pytest.mark.parametrize(("source", "text"), BEGINS, ids=[source for source, _ in BEGINS])
def test_an_event_is_when_it_began(source: str, text: str) -> None:
    tables, refused = tables_of(source, text)
    assert not refused
    [table] = tables.values()
    assert {moment.replace(tzinfo=None).isoformat(timespec="seconds") for moment in table["_time"].to_pylist()} == {AT}


def test_other_records_of_suricata_are_not_when_their_flow_began() -> None:
    tables, _ = tables_of("suricata_eve", line(**EVE, event_type="alert", alert=ALERT, flow=BEGAN))
    [moment] = tables["suricata_alert"]["_time"].to_pylist()
    assert moment == datetime.fromisoformat(LATER).replace(tzinfo=UTC)


def test_a_real_sensor_s_flows(real_data: Any) -> None:
    [path] = (real_data / "suricata").glob("*.json")
    records = [json.loads(text) for text in path.read_text().splitlines()]
    tables, _ = tables_of("suricata_eve", path.read_bytes())
    flows = tables["suricata_flow"]
    starts = [datetime.fromisoformat(r["flow"]["start"]) for r in records if r["event_type"] == "flow"]
    assert len(starts) == 3512
    assert flows["_time"].to_pylist() == starts
    assert flows["timestamp"][0].as_py() == "2021-06-06T15:57:37.272281+0200"  # as written, beside it
    assert starts[0].astimezone(UTC).isoformat() == "2021-06-06T14:38:55.855844+00:00"
    alerts = [datetime.fromisoformat(r["timestamp"]) for r in records if r["event_type"] == "alert"]
    assert tables["suricata_alert"]["_time"].to_pylist() == alerts


def test_what_is_no_condition_is_told() -> None:
    with pytest.raises(SourceError, match="where"):
        Clock.of({"column": "a", "where": ["b"]}, "x")

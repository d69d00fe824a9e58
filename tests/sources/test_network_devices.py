# ruff: noqa: E501  (records are easier to compare with the reference on one line)
"""Firewalls, flows and name servers: lines made by the vendors' references, values written down by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapped_samples import tables_of, viewed

from vizsla.sources import registry
from vizsla.sources._cisco import pairs
from vizsla.sources._paloalto import TYPES, names
from vizsla.sources.windows_dns_debug import local_micros

MINE = ("cisco_asa", "paloalto", "paloalto_export", "fortinet", "nfdump", "argus", "silk", "windows_dns_debug")


def one(source: str, content: str) -> tuple[str, dict[str, Any]]:
    """The only row of the only table."""
    tables, refused = tables_of(source, content)
    assert not refused
    [(table, found)] = tables.items()
    [row] = found.to_pylist()
    return table, {name: value for name, value in row.items() if value is not None}


def seen(source: str, content: str, view: str) -> dict[str, Any]:
    """The only row of a view over the only table."""
    tables, refused = tables_of(source, content)
    assert not refused
    [(table, found)] = tables.items()
    [row] = viewed(view, table, found)
    return row


ASA = "<166>Feb  5 2024 10:00:00 FW1 : "
ENDS = {"source.ip": "10.0.0.5", "source.port": 50122, "destination.ip": "198.51.100.7", "destination.port": 443}


@pytest.mark.parametrize(("line", "view", "wanted"), [
    ("%ASA-6-302013: Built outbound TCP connection 811 for outside:198.51.100.7/443 (198.51.100.7/443) to inside:10.0.0.5/50122 (203.0.113.5/31000)",
     "network", {**ENDS, "event.action": "connection", "event.outcome": "success", "event.code": "302013", "network.transport": "tcp",
                 "network.direction": "outbound", "network.connection.id": "811", "source.nat.ip": "203.0.113.5", "source.nat.port": 31000,
                 "observer.ingress.zone": "inside", "observer.egress.zone": "outside"}),
    ("%ASA-6-302013: Built inbound TCP connection 812 for outside:10.0.0.5/50122 (10.0.0.5/50122) to dmz:198.51.100.7/443 (198.51.100.7/443)",
     "network", {**ENDS, "network.direction": "inbound", "observer.ingress.zone": "outside"}),
    ("%FTD-6-302014: Teardown TCP connection 811 for outside:198.51.100.7/443 to inside:10.0.0.5/50122 duration 0:00:30 bytes 5120 TCP FINs",
     "network", {**ENDS, "event.action": "connection-ended", "network.bytes": 5120, "network.connection.duration": "0:00:30",
                 "event.reason": "TCP FINs"}),
    ("%ASA-6-302016: Teardown UDP connection 9 for outside:198.51.100.7/443(LOCAL\\ada) to inside:10.0.0.5/50122 duration 0:02:01 bytes 77 (ada)",
     "network", {**ENDS, "network.transport": "udp", "user.name": "ada"}),
    ("%ASA-6-302020: Built inbound ICMP connection for faddr 192.0.2.9/4 gaddr 203.0.113.5/0 laddr 10.0.0.5/0 type 8 code 0",
     "network", {"source.ip": "192.0.2.9", "destination.ip": "10.0.0.5", "network.transport": "icmp"}),
    ("%ASA-6-305011: Built dynamic TCP translation from inside:10.0.0.5/50122 to outside:203.0.113.5/31000",
     "network", {"event.action": "translation", "source.nat.ip": "203.0.113.5", "source.nat.port": 31000, "source.ip": "10.0.0.5"}),
    ('%ASA-4-106023: Deny tcp src outside:10.0.0.5/50122 dst inside:198.51.100.7/443 by access-group "acl_in" [0x0, 0x0]',
     "network", {**ENDS, "event.outcome": "failure", "rule.ruleset": "acl_in", "observer.ingress.zone": "outside"}),
    ('%ASA-4-106023: Deny icmp src outside:10.1.0.162 dst INSIDE:10.20.50.110 (type 3, code 1) by access-group "out" [0x0, 0x0]',
     "network", {"source.ip": "10.1.0.162", "destination.ip": "10.20.50.110", "network.transport": "icmp", "event.outcome": "failure"}),
    ("%ASA-2-106001: Inbound TCP connection denied from 10.0.0.5/50122 to 198.51.100.7/443 flags SYN on interface outside",
     "network", {**ENDS, "event.outcome": "failure"}),
    ("%ASA-2-106006: Deny inbound UDP from 10.0.0.5/50122 to 198.51.100.7/443 on interface outside", "network", {**ENDS, "event.outcome": "failure"}),
    ("%ASA-6-106015: Deny TCP (no connection) from 10.0.0.5/50122 to 198.51.100.7/443 flags RST  on interface inside",
     "network", {**ENDS, "event.outcome": "failure", "event.reason": "no connection"}),
    ("%ASA-4-106100: access-list acl permitted tcp inside/10.0.0.5(50122) -> outside/198.51.100.7(443) hit-cnt 1 first hit [0x1, 0x0]",
     "network", {**ENDS, "event.outcome": "success", "rule.ruleset": "acl"}),
    ("%ASA-3-313001: Denied ICMP type=8, code=0 from 192.0.2.9 on interface outside", "network", {"source.ip": "192.0.2.9", "event.outcome": "failure"}),
    ("%ASA-3-710003: TCP access denied by ACL from 10.0.0.5/50122 to outside:198.51.100.7/443", "network", {**ENDS, "event.outcome": "failure"}),
    ("%ASA-6-113012: AAA user authentication Successful : local database : user = ada",
     "authentication", {"event.action": "logon", "event.outcome": "success", "user.name": "ada"}),
    ("%ASA-6-113004: AAA user authentication Successful : server =  10.1.1.1 : user = ada", "authentication", {"user.name": "ada", "event.outcome": "success"}),
    ("%ASA-6-113015: AAA user authentication Rejected : reason = Invalid password : local database : user = bob : user IP = 192.0.2.9",
     "authentication", {"user.name": "bob", "event.outcome": "failure", "event.reason": "Invalid password", "source.ip": "192.0.2.9"}),
    ("%ASA-6-113005: AAA user authentication Rejected : reason = AAA failure : server = 10.1.1.1 : user = bob : user IP = 192.0.2.9",
     "authentication", {"user.name": "bob", "event.outcome": "failure", "source.ip": "192.0.2.9"}),
    ('%ASA-6-605004: Login denied from 192.0.2.9/4000 to outside:203.0.113.5/ssh for user "bob"',
     "authentication", {"event.outcome": "failure", "user.name": "bob", "source.ip": "192.0.2.9", "source.port": 4000}),
    ('%ASA-6-605005: Login permitted from 10.0.0.9/4000 to inside:10.0.0.1/ssh for user "ada"', "authentication", {"event.outcome": "success"}),
    ("%ASA-6-611101: User authentication succeeded: IP address: 10.0.0.9, Uname: ada", "authentication", {"event.outcome": "success", "source.ip": "10.0.0.9"}),
    ("%ASA-6-716001: Group <Sales> User <ada> IP <192.0.2.9> WebVPN session started.",
     "authentication", {"event.action": "logon", "group.name": "Sales", "user.name": "ada", "source.ip": "192.0.2.9"}),
    ("%ASA-4-113019: Group = Sales, Username = ada, IP = 192.0.2.9, Session disconnected. Session Type: SSL, Duration: 0h:01m:02s, "
     "Bytes xmt: 10, Bytes rcv: 20, Reason: User Requested", "authentication", {"event.action": "logoff", "user.name": "ada", "event.reason": "User Requested"}),
    ("%ASA-5-111008: User 'enable_15' executed the 'configure term' command.", "process", {"user.name": "enable_15", "process.command_line": "configure term"}),
    ("%ASA-5-111010: User 'ada', running 'CLI' from IP 10.0.0.9, executed 'no logging'", "process", {"process.command_line": "no logging", "source.ip": "10.0.0.9"}),
    ("%ASA-4-733100: [ Scanning] drop rate-1 exceeded. Current burst rate is 1 per second, max configured rate is 10",
     "alert", {"rule.name": "Scanning", "rule.id": "733100"}),
])  # fmt: skip
def test_asa_messages(line: str, view: str, wanted: dict[str, Any]) -> None:
    found = seen("cisco_asa", f"{ASA}{line}\n", view)
    assert {name: found.get(name) for name in wanted} == wanted


def test_an_asa_message_of_any_other_number_keeps_its_text() -> None:
    table, row = one(
        "cisco_asa", "Feb  5 10:00:00 fw1 %ASA-vpn-5-713119: Group = g, IP = 192.0.2.9, PHASE 1 COMPLETED\n"
    )
    assert (table, row["message_id"], row["logging_class"], row["_host"]) == ("cisco_asa", "713119", "vpn", "fw1")
    assert (row["group"], row["source_ip"], row["reason"]) == ("g", "192.0.2.9", "PHASE 1 COMPLETED")
    assert row["_time"].isoformat() == "2024-02-05T10:00:00+00:00"  # the newest year before the log was last written
    _, row = one("cisco_asa", "%ASA-1-105005: (Primary) Lost Failover communications\n")
    assert (row["level"], row["message"]) == ("1", "(Primary) Lost Failover communications")
    assert "_time" not in row and "_host" not in row


def test_an_ftd_event_is_read_by_its_names() -> None:
    line = ("<113>2024-02-05T10:00:00Z ftd1  %FTD-1-430003: EventPriority: Low, AccessControlRuleAction: Block, SrcIP: 10.0.0.5, "
            "DstIP: 198.51.100.7, SrcPort: 50122, DstPort: 443, Protocol: tcp, User: No Authentication Required, InitiatorBytes: 12, "
            "ResponderBytes: 0, URL: https://x.example/a, b\n")  # fmt: skip
    found = seen("cisco_asa", line, "network")
    assert {name: found[name] for name in ENDS} == ENDS
    assert (found["event.outcome"], found["source.bytes"], found["url.original"]) == (
        "failure",
        12,
        "https://x.example/a, b",
    )
    assert pairs("A: 1, B: x, y, C: ") == (["A", "B", "C"], ["1", "x, y", ""])


def test_lines_without_a_message_are_refused_where_they_stand() -> None:
    tables, refused = tables_of("cisco_asa", f"hello\n{ASA}%ASA-6-609001: Built local-host inside:10.0.0.5\n\n")
    assert [(r.place, r.reason[:10]) for r in refused] == [("log#0", "no message")]
    assert tables["cisco_asa"]["source_ip"].to_pylist() == ["10.0.0.5"]


PAN = "<14>Feb  5 10:00:00 pa1 1,2024/02/05 10:00:00,0128,"
SESSION = "10.0.0.5,198.51.100.7,203.0.113.5,198.51.100.7,allow-web,acme\\ada,,ssl,vsys1,trust,untrust,e1,e2,fwd,2024/02/05 10:00:00,45,1,50122,443,40002,443,0x0,tcp"


def test_a_palo_alto_session() -> None:
    line = f"{PAN}TRAFFIC,end,2561,2024/02/05 09:59:59,{SESSION},allow,18532,6532,12000,40,2024/02/05 09:59:30,28,any,0,73,0x0,a,b,0,22,18,aged-out\n"
    table, row = one("paloalto", line)
    assert (table, row["_host"], row["_time"].isoformat()) == ("paloalto_traffic", "pa1", "2024-02-05T09:59:59+00:00")
    found = seen("paloalto", line, "network")
    wanted = {**ENDS, "source.nat.ip": "203.0.113.5", "source.nat.port": 40002, "user.name": "ada", "user.domain": "acme", "network.protocol": "ssl",
              "event.outcome": "success", "event.reason": "aged-out", "source.bytes": 6532, "destination.bytes": 12000, "network.bytes": 18532,
              "source.packets": 22, "destination.packets": 18, "rule.ruleset": "allow-web", "observer.ingress.zone": "trust",
              "network.connection.duration": "28"}  # fmt: skip
    assert {name: found.get(name) for name in wanted} == wanted


def test_palo_alto_threats_are_alerts_and_urls_are_requests() -> None:
    threat = f'{PAN}THREAT,vulnerability,2561,2024/02/05 10:00:00,{SESSION},reset-both,"a,b.php",Exploit(31234),any,high,client-to-server\n'
    found = seen("paloalto", threat, "alert")
    wanted = {
        **ENDS,
        "rule.name": "Exploit(31234)",
        "event.outcome": "failure",
        "url.original": "a,b.php",
        "event.code": "vulnerability",
    }
    assert {name: found.get(name) for name in wanted} == wanted
    url = f'{PAN}THREAT,url,2561,2024/02/05 10:00:00,{SESSION},alert,"x.example/a?b=1",(9999),business,informational,client-to-server\n'
    found = seen("paloalto", url, "http")
    assert (found["url.domain"], found["url.path"], found["url.query"]) == ("x.example", "/a", "b=1")


def test_palo_alto_log_ins_and_changes() -> None:
    gp = (f"{PAN}GLOBALPROTECT,0,2561,2024/02/05 10:00:00,vsys1,gateway-auth,login,LDAP,,acme\\bob,DE,LAPTOP1,192.0.2.9,,,,h,s,6.0,Windows,10,1,"
          ",bad password,failed,failure,,0,,0,gw1\n")  # fmt: skip
    found = seen("paloalto", gp, "authentication")
    wanted = {
        "event.action": "logon",
        "event.outcome": "failure",
        "user.name": "bob",
        "source.ip": "192.0.2.9",
        "authentication.method": "LDAP",
    }
    assert {name: found.get(name) for name in wanted} == wanted
    for change in (
        "set,ada,Web,Succeeded, deviceconfig system,7,0x0",
        "set,ada,Web,Succeeded, deviceconfig system,old,new,7,0x0",
    ):
        line = f"{PAN}CONFIG,0,2561,2024/02/05 10:00:00,10.0.0.9,,{change}\n"
        _, row = one("paloalto", line)
        assert (row["path"].strip(), row["seqno"], row["actionflags"]) == ("deviceconfig system", "7", "0x0")
        assert seen("paloalto", line, "iam")["user.name"] == "ada"
    system = f"{PAN}SYSTEM,auth,0,2024/02/05 10:00:00,,auth-fail,bob,0,0,general,medium,failed for bob,7,0x0\n"
    assert seen("paloalto", system, "authentication")["event.outcome"] == "failure"
    userid = (
        f"{PAN}USERID,login,2561,2024/02/05 10:00:00,vsys1,10.0.0.5,acme\\ada,agent,0,1,0,0,0,active-directory,,7,0x0\n"
    )
    assert seen("paloalto", userid, "authentication")["source.ip"] == "10.0.0.5"


def test_palo_alto_records_of_several_types_and_widths_in_one_log() -> None:
    short = f"{PAN}TRAFFIC,start,2561,2024/02/05 10:00:00,{SESSION},allow,1,1,0,1\n"
    long = short.rstrip() + ",2024/02/05 10:00:00,0,any\n"
    quoted = short.replace("allow-web", '"allow, web"')
    tables, refused = tables_of(
        "paloalto", short + long + "nothing\n" + quoted + f"{PAN}HIPMATCH,0,1,2024/02/05 10:00:00,x,y\n"
    )
    assert [r.place for r in refused] == [f"log#{len(short) + len(long)}"]
    assert tables["paloalto_traffic"].num_rows == 3
    assert sorted(tables["paloalto_traffic"]["rule"].to_pylist()) == ["allow, web", "allow-web", "allow-web"]
    assert tables["paloalto_hipmatch"]["field8"].to_pylist() == ["x"]


WORD = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp", "Cs")), max_size=12)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(WORD, min_size=1, max_size=40), min_size=1, max_size=5))
def test_palo_alto_values_come_back(records: list[list[str]]) -> None:
    lines, wanted = [], []
    for values in records:
        head = ["1", "2024/02/05 10:00:00", "0128", "TRAFFIC", "end", "1", "2024/02/05 10:00:00"]
        lines.append(",".join(head + ['"' + v.replace('"', '""') + '"' for v in values]))
        wanted.append(dict(zip(names("TRAFFIC", head + values), head + values, strict=True)))
    tables, refused = tables_of("paloalto", "\n".join(lines))
    assert not refused
    found = sorted(tables["paloalto_traffic"].to_pylist(), key=lambda row: int(row["_origin"].partition("#")[2]))
    for row, want in zip(found, wanted, strict=True):
        assert {k: v for k, v in row.items() if k in want and v is not None} == {k: v for k, v in want.items() if v}


def test_palo_alto_names_are_distinct() -> None:
    for kind, told in TYPES.items():
        assert len(set(told)) == len(told), kind
    assert TYPES["TRAFFIC"].index("bytes") == 31 and TYPES["THREAT"].index("severity") == 34


def test_an_export_of_palo_alto() -> None:
    head = ("Domain,Receive Time,Serial #,Type,Threat/Content Type,Config Version,Generate Time,Source address,Destination address,"
            "NAT Source IP,NAT Destination IP,Rule,Source User,Destination User,Application,Source Port,Destination Port,IP Protocol,Action")  # fmt: skip
    row = "1,2024/02/05 10:00:00,0128,TRAFFIC,end,1,2024/02/05 10:00:00,10.0.0.5,198.51.100.7,203.0.113.5,,allow-web,ada,,ssl,50122,443,tcp,deny"
    table, _ = one("paloalto_export", f"{head}\n{row}\n")
    found = seen("paloalto_export", f"{head}\n{row}\n", "network")
    assert table == "paloalto_traffic"
    assert {name: found[name] for name in ENDS} == ENDS and found["event.outcome"] == "failure"


FORTI = 'date=2024-02-05 time=11:00:00 devname="FGT-1" devid="FG1" tz="+0100" logid="0000000013" '


@pytest.mark.parametrize("eventtime", ["", "eventtime=1707127200 ", "eventtime=1707127200000000000 "])
@pytest.mark.parametrize("header", ["", "<189>", "<189>Feb  5 11:00:00 10.0.0.1 "])
def test_a_fortigate_session(header: str, eventtime: str) -> None:
    line = (f'{header}{FORTI}{eventtime}type="traffic" subtype="forward" srcip=10.0.0.5 srcport=50122 srcintf="lan" dstip=198.51.100.7 '
            'dstport=443 dstintf="wan1" proto=6 action="deny" policyname="No way" transip=203.0.113.5 transport=31000 sentbyte=840 '
            'rcvdbyte=1840 sentpkt=10 rcvdpkt=11 app="Some App" user="ada"\n')  # fmt: skip
    table, row = one("fortinet", line)
    assert (table, row["_host"], row["_time"].isoformat()) == ("fortinet_traffic", "fgt-1", "2024-02-05T10:00:00+00:00")
    found = seen("fortinet", line, "network")
    wanted = {**ENDS, "event.outcome": "failure", "source.nat.ip": "203.0.113.5", "source.nat.port": 31000, "source.bytes": 840,
              "destination.bytes": 1840, "network.transport": "tcp", "rule.ruleset": "No way", "observer.egress.zone": "wan1", "user.name": "ada"}  # fmt: skip
    assert {name: found.get(name) for name in wanted} == wanted


@pytest.mark.parametrize(("line", "view", "wanted"), [
    ('type="utm" subtype="ips" srcip=192.0.2.9 dstip=10.0.0.5 action="dropped" attack="Some.Backdoor" attackid=17 agent="x"',
     "alert", {"rule.name": "Some.Backdoor", "rule.id": "17", "event.outcome": "failure", "source.ip": "192.0.2.9"}),
    ('type="utm" subtype="webfilter" srcip=10.0.0.5 dstip=192.0.2.9 hostname="X.example" url="https://x.example/a" action="blocked"',
     "http", {"url.domain": "x.example", "url.original": "https://x.example/a", "event.outcome": "failure"}),
    ('type="utm" subtype="dns" eventtype="dns-query" srcip=10.0.0.5 qname="x.example" qtype="A"', "dns", {"dns.question.name": "x.example"}),
    ('type="event" subtype="system" action="login" status="failed" user="bob" srcip=192.0.2.9 msg="Administrator bob login failed"',
     "authentication", {"event.action": "logon", "event.outcome": "failure", "user.name": "bob", "source.ip": "192.0.2.9"}),
    ('type="event" subtype="vpn" action="tunnel-up" tunneltype="ssl-tunnel" remip=192.0.2.9 user="ada"',
     "authentication", {"event.action": "logon", "user.name": "ada", "source.ip": "192.0.2.9", "authentication.method": "ssl-tunnel"}),
])  # fmt: skip
def test_other_fortigate_records(line: str, view: str, wanted: dict[str, Any]) -> None:
    found = seen("fortinet", f"{FORTI}{line}\n", view)
    assert {name: found.get(name) for name in wanted} == wanted


@pytest.mark.parametrize(("source", "content", "time", "more"), [
    ("nfdump", "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt\n2024-02-05 10:00:00,2024-02-05 10:00:05,5.000,10.0.0.5,198.51.100.7,50122,443,"
               "TCP,...AP.SF,0,0,10,1200,8,6400\n", "2024-02-05T10:00:00+00:00", {"source.bytes": 1200, "destination.bytes": 6400, "source.packets": 10}),
    ("nfdump", "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows\n2024-02-05 10:00:00.123,1.000,6,10.0.0.5,50122,198.51.100.7,443,"
               "10,1200,1\n", "2024-02-05T10:00:00.123000+00:00", {"source.bytes": 1200, "network.connection.duration": "1.000"}),
    ("nfdump", "cnt,af,firstSeen,lastSeen,proto,srcAddr,srcPort,dstAddr,dstPort,srcAS,dstAS,input,output,flags,srcTos,packets,bytes\n"
               "1,2,1707127200123,1707127205000,6,10.0.0.5,50122,198.51.100.7,443,0,0,1,2,...AP.SF,0,10,1200\n", "2024-02-05T10:00:00.123000+00:00", {"source.packets": 10}),
    ("argus", "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes,Label\n2024/02/05 10:00:00.123456,1.02,tcp,"
              "10.0.0.5,50122,   ->,198.51.100.7,443,S_RA,0,0,4,276,156,flow=Background\n", "2024-02-05T10:00:00.123456+00:00",
              {"source.bytes": 156, "network.bytes": 276, "network.packets": 4}),
    ("silk", "             sIP|            dIP|sPort|dPort|pro|packets|bytes|flags|                  sTime|sen|\n"
             "        10.0.0.5|   198.51.100.7|50122|  443|  6|     10| 1200|FS PA|2024/02/05T10:00:00.123| S0|\n", "2024-02-05T10:00:00.123000+00:00", {"source.bytes": 1200}),
])  # fmt: skip
def test_flows(source: str, content: str, time: str, more: dict[str, Any]) -> None:
    _, row = one(source, content)
    assert row["_time"].isoformat() == time
    found = seen(source, content, "network")
    wanted = {**ENDS, "network.transport": "tcp", **more}
    assert {name: found.get(name) for name in wanted} == wanted


DNS = "2/5/2024 10:00:01 AM 0E70 PACKET  00000000033397A0 UDP "


@pytest.mark.parametrize(("line", "wanted"), [
    ("Rcv 10.0.0.5        5b47   Q [0001   D   NOERROR] A      (3)www(7)example(3)com(0)",
     {"event.action": "dns-query", "source.ip": "10.0.0.5", "dns.question.name": "www.example.com", "dns.question.type": "A"}),
    ("Snd 10.0.0.5        5b47 R Q [8385 A DR NXDOMAIN] AAAA   (1)x(0)",
     {"event.action": "dns-answer", "source.ip": "10.0.0.5", "dns.response_code": "NXDOMAIN", "dns.question.name": "x"}),
    ("Snd 198.51.100.7    5b47   Q [0000       NOERROR] A      (1)x(0)", {"event.action": "dns-query", "destination.ip": "198.51.100.7"}),
    ("Rcv 198.51.100.7    5b47 R Q [0581   D   REFUSED] A      (1)x(0)", {"event.action": "dns-answer", "dns.response_code": "REFUSED"}),
])  # fmt: skip
def test_windows_dns_packets(line: str, wanted: dict[str, Any]) -> None:
    found = seen("windows_dns_debug", f"{DNS}{line}\n", "dns")
    assert {name: found.get(name) for name in wanted} == wanted


def test_details_stay_with_their_packet() -> None:
    line = "Rcv 10.0.0.5        5b47   Q [0001   D   NOERROR] A      (1)x(0)\n"
    detail = "UDP question info at 00000000033397A0\n  Socket = 336\n  Remote addr 10.0.0.5, port 49495\n\n"
    event = "2/5/2024 10:00:02 AM 0E70 EVENT   The DNS server has started.\n"
    tables, refused = tables_of("windows_dns_debug", f"DNS Server log file\n\n{DNS}{line}{detail}{DNS}{line}{event}")
    assert not refused
    rows = tables["dns_windows"].to_pylist()
    assert [row["Context"] for row in rows] == ["PACKET", "PACKET", "EVENT"]
    assert rows[0]["details"].splitlines() == detail.rstrip().splitlines() and rows[1]["details"] is None
    assert rows[2]["Information"] == "The DNS server has started."


@pytest.mark.parametrize(("text", "iso"), [
    ("2/5/2024 10:00:01 AM", "2024-02-05T10:00:01"), ("2/5/2024 12:00:01 AM", "2024-02-05T00:00:01"), ("2/5/2024 1:00:01 PM", "2024-02-05T13:00:01"),
    ("05.02.2024 10:00:01", "2024-02-05T10:00:01"), ("05/02/2024 10:00:01", "2024-02-05T10:00:01"), ("02/25/2024 10:00:01", "2024-02-25T10:00:01"),
    ("2024/02/05 10:00:01", "2024-02-05T10:00:01"), ("20240205 10:00:01", "2024-02-05T10:00:01"),
])  # fmt: skip
def test_dates_of_servers_of_all_countries(text: str, iso: str) -> None:
    from datetime import UTC, datetime

    assert local_micros(text) == int(datetime.fromisoformat(iso).replace(tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.real_data
def test_no_other_log_is_taken(real_data: Path) -> None:
    """None of the real logs at hand is of these formats."""
    mine = [registry()[name] for name in MINE]
    for path in real_data.rglob("*"):
        if path.is_file() and path.suffix in (".log", ".json", ".csv", ".tsv", ".txt", ".md", ""):
            with path.open("rb") as file:
                head = file.read(65536)
            assert not [s.name for s in mine if s.sniff(head, path.name)], path

"""Hand-made results for tests of the faces: quiet ones, rich ones, and ones whose every text is hostile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from vizsla.nouns import (
    TIERS,
    Attack,
    Context,
    Cut,
    Entity,
    EventRef,
    Evidence,
    Finding,
    HuntResult,
    Pivot,
    ProcessNode,
    Reading,
    Reason,
    Run,
    RunReport,
    Unable,
    Usual,
)

START = datetime(2020, 9, 20, 21, 4, 11, 120000, tzinfo=UTC)
HOSTILE = (
    "[/b][bold red]not markup[/]",
    "\x1b[2J\x1b[31mcleared",
    "\x1b]8;;http://evil.example/\x1b\\click\x1b]8;;\x1b\\",
    "invoice\u202egpj.exe",
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">",
    "=cmd()|'/c calc'!A1",
    "a\u200bb\u2066c\u2069\ufeff\x00\x7f\x9b31m",
    "line one\nline two\r\ttab",
    ":smile: [link=http://evil.example]x[/link] {{ 7*7 }} {% raw %}",
    "\"'></td></style><style>*{display:none}</style><!-- -->",
    "\ud800 lone surrogate",
    "javascript:alert(1)",
)

Texts = Callable[[str], str]


def run(**changes: Any) -> Run:
    values: dict[str, Any] = {
        "version": "0.1.0",
        "baseline": "office@3",
        "learnt": "office@3",
        "learnt_from": START - timedelta(days=14),
        "learnt_to": START - timedelta(days=1),
        "hosts": 5,
        "host_days": 62,
        "claims": True,
    }
    return Run(**{**values, **changes})


def reason(field: str = "CommandLine", raw: str = "wmic.exe process list", *, seen: int = 0, t: Texts = str) -> Reason:
    return Reason(
        field=t(field),
        value=t(raw),
        raw=t(raw),
        surprisal=14.2,
        seen=seen,
        of=312_441,
        hosts=min(seen, 1),
        of_hosts=5,
        given=t("Image powershell.exe"),
        first=START - timedelta(days=3) if seen else None,
        last=START - timedelta(days=2) if seen else None,
        usual=(Usual(t("powershell.exe -File <path>"), 3120), Usual(t("powershell.exe"), 88)),
        text=t(f"{field} never seen with powershell.exe"),
    )


def event(number: int, host: str, *, t: Texts = str) -> EventRef:
    return EventRef(
        id=f"{number:032x}",
        table="windows_sysmon",
        host=t(host),
        time=START + timedelta(seconds=number),
        channel="Microsoft-Windows-Sysmon/Operational",
        record_id=str(9000 + number),
        file=t("logs/host.evtx"),
        offset=str(number),
        native={
            "EventID": "1",
            "Image": t(r"C:\Windows\System32\wbem\WMIC.exe"),
            "CommandLine": t('wmic /node:"FILE01" /password:Sommer2020! process call create calc.exe'),
            t("Odd field"): t("value"),
        },
    )


def evidence(number: int, host: str, bits: float, *, t: Texts = str) -> Evidence:
    return Evidence(
        analytic="rarity",
        family="rarity",
        kind="process_creation",
        bits=bits,
        alone_bits=bits + 1.5,
        why=t("powershell.exe started WMIC with a command line never seen"),
        reasons=(reason(t=t), reason("ParentImage", r"C:\Windows\explorer.exe", seen=3, t=t)),
        events=(event(number, host, t=t), event(number + 1, host, t=t)),
        count=2,
        surprisal=31.5,
        p=0.00012,
        relevance=1.5,
        pattern_id="p" * 16,
    )


def finding(
    rank: int = 1, *, t: Texts = str, claims: bool = True, host: str = "workstation5.theshire.local"
) -> Finding:
    bits = max(1.0, 24.0 - rank * 0.1)
    return Finding(
        rank=rank,
        id=f"{rank * 7919:08x}" + "ab" * 12,
        pattern_id=f"{rank:016x}",
        instances=1 if rank % 5 else 3,
        title=t(
            f"powershell.exe on {host.split('.')[0].upper()} spawned WMIC with a command line never seen; 1 of 312,441"
        ),
        tier=TIERS[min(4, (rank - 1) // 3)],
        bits=bits,
        expected_per_day=(0.025 * rank if claims else None),
        run=run(claims=claims) if claims else run(baseline="", learnt="folds by host", claims=False),
        entities=(
            Entity("host", t(host), "where"),
            Entity("user", t("THESHIRE\\pgustavo"), "account"),
            Entity("process", t(r"C:\Windows\System32\wbem\WMIC.exe"), "actor"),
            Entity("address", t("10.0.10.104"), "target"),
        ),
        attack=(Attack("T1047", "execution", "relevance table: process_creation"),),
        start=START + timedelta(minutes=rank * 7),
        end=START + timedelta(minutes=rank * 7 + 4),
        evidence=(evidence(rank * 10, host, bits - 4, t=t), evidence(rank * 10 + 5, host, 4.0, t=t)),
        speaks_against=(t("the parent is signed by Microsoft and usual on 5 of 5 hosts"),),
        context=context(t=t),
        next=(
            Pivot(
                t("the same command line anywhere"), t("vizsla stack process process.command_line --by host"), "vizsla"
            ),
            Pivot(t("the same in Splunk"), t('index=windows EventCode=1 Image="*wmic.exe"'), "spl"),
        ),
        surprisal=31.5,
        ledger=(
            (t("command line never seen with powershell.exe"), bits - 4),
            (t("network connection of WMIC"), 5.2),
            ("looked at 400 events", -1.2),
        ),
        instance_hosts=() if rank % 5 else tuple(t(f"workstation{n}") for n in (5, 6, 7)),
    )


def context(*, t: Texts = str) -> Context:
    tree = (
        ProcessNode("a", None, t(r"C:\Windows\explorer.exe"), t("explorer.exe"), t("pgustavo"), "4012", START),
        ProcessNode("b", "a", t(r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"),
                    t("powershell -enc SQBFAFgA"), t("pgustavo"), "6120", START + timedelta(seconds=4)),
        ProcessNode("c", "b", t(r"C:\Windows\System32\wbem\WMIC.exe"), t("wmic /node:FILE01 /password:Sommer2020! os"),
                    t("pgustavo"), "7044", START + timedelta(seconds=9), marked=True),
        ProcessNode("d", "b", t(r"C:\Windows\System32\whoami.exe"), t("whoami /all"), t("pgustavo"), "7100", None,
                    marked=True),
    )  # fmt: skip
    return Context(
        first_on_host=START,
        last_on_host=START + timedelta(minutes=4),
        other_hosts=(t("workstation6"),),
        parent_chain=(t("explorer.exe"), t("powershell.exe"), t("WMIC.exe")),
        logon_source=t("logon type 3 from 10.0.10.102"),
        nearby=(t("whoami.exe by the same user 12 s later"),),
        tree=tree,
    )


def report(*, t: Texts = str) -> RunReport:
    return RunReport(
        readings=[
            Reading(t("logs/host.evtx"), "evtx", records=1000, stored=900, known=90, rejected=10),
            Reading(t("logs/conn.log"), "zeek_tsv", records=500, stored=500),
            Reading(
                t("logs/cut.json.gz"), "windows_json", records=7, stored=7, damaged=t("the gzip stream ends early")
            ),
        ],
        unknown_files=[(t("logs/picture.png"), "no source knows this content")],
        rejections={(t("logs/host.evtx"), t("chunk 3: bad checksum")): 10},
        tables={"windows_sysmon": 907, "zeek_conn": 500},
        empty_views=["http", "tls"],
        unable=[Unable("beacon", "the view network with 24 hours of events")],
        notes=[t("Two hosts have under a day of logs.")],
    )


def traffic(*, t: Texts = str) -> pa.Table:
    begin = START.replace(minute=0, second=0, microsecond=0)
    rows = [
        {
            "time": begin + timedelta(hours=hour),
            "peer": t(f"10.0.10.{peer}").encode("utf-8", "backslashreplace").decode(),
            "connections": (hour * 7 + peer) % 23 + 1,
            "bytes": None if peer % 4 == 0 else (hour + 1) * (peer + 1) * 51_200,
        }
        for hour in range(48)
        for peer in range(14)
    ]
    columns = {
        "time": pa.timestamp("us", tz="UTC"),
        "peer": pa.string(),
        "connections": pa.int64(),
        "bytes": pa.int64(),
    }
    return pa.Table.from_pylist(rows, schema=pa.schema(list(columns.items())))


def result(count: int = 12, *, t: Texts = str, claims: bool = True, total: int | None = None) -> HuntResult:
    hosts = [
        "workstation5.theshire.local",
        "workstation6.theshire.local",
        "mordordc.theshire.local",
        "file01.theshire.local",
    ]
    found = tuple(finding(n, t=t, claims=claims, host=hosts[n % 4]) for n in range(1, count + 1))
    every = total if total is not None else count * 3
    return HuntResult(
        run=run() if claims else run(baseline="", learnt="folds by host", claims=False),
        findings=found,
        cut=Cut(
            len(found), every, found[-1].bits if found else None, ("--top 12: the rest is not shown.",) if found else ()
        ),
        report=report(t=t),
        scores=tuple(max(0.2, 24.0 - n * 0.1 * max(1, 240 / max(every, 1))) for n in range(1, every + 1)),
        traffic=traffic(t=t),
    )


def hostile(seed: int = 0) -> Texts:
    """A text factory: the text asked for, followed by the next hostile string."""
    state = [seed]

    def text(wanted: str) -> str:
        state[0] += 1
        return wanted + " " + HOSTILE[state[0] % len(HOSTILE)]

    return text


def leading_hostile(seed: int = 0) -> Texts:
    """The same, with the hostile string first: formulas only bite at the beginning of a cell."""
    state = [seed]

    def text(wanted: str) -> str:
        state[0] += 1
        return HOSTILE[state[0] % len(HOSTILE)] + " " + wanted

    return text

"""Ranks: a finding is the intruder's where at least half of its events are."""

from __future__ import annotations

from datetime import UTC, datetime

from vizsla.nouns import Context, EventRef, Evidence, Finding, Run
from vizsla.simulate import Truth, TruthRecord, rank_of

NOW = datetime(2026, 3, 2, tzinfo=UTC)
RUN = Run("0", "", "", None, None, 1, 1, False)


def ref(number: str, channel: str = "Security", host: str = "pc1") -> EventRef:
    return EventRef(f"{host}{channel}{number}", "windows_security", host, NOW, channel, number)


def zeek(uid: str) -> EventRef:
    return EventRef(uid, "zeek_conn", "10.0.0.1", NOW, native={"uid": uid})


def finding(rank: int, *events: EventRef) -> Finding:
    line = Evidence("rarity", "rarity", "process", 1.0, 1.0, "", (), events)
    return Finding(rank, str(rank), "", 1, "", "low", 1.0, None, RUN, (), (), None, None, (line,), (), Context(), ())


def record(number: str, stage: str, table: str = "windows_security", channel: str = "Security") -> TruthRecord:
    return TruthRecord(table, "PC1", channel, number, NOW, stage, "T1000")


TRUTH = Truth(
    (record("1", "phishing"), record("2", "discovery"), record("C9", "exfiltration", "zeek_conn", "conn")), {}
)


def test_the_first_finding_with_half_its_events_counts():
    findings = [finding(3, zeek("C9")), finding(1, ref("7"), ref("8"), ref("1")), finding(2, ref("2"), ref("9"))]
    rank = rank_of(findings, TRUTH)
    assert rank.first == 2 and rank.found == (2, 3) and rank.total == 3
    assert rank.stages == {"phishing": None, "discovery": 2, "exfiltration": 3}


def test_other_hosts_and_channels_are_not_the_intruders():
    findings = [finding(1, ref("1", host="pc2")), finding(2, ref("1", channel="System")), finding(3, zeek("C8"))]
    assert rank_of(findings, TRUTH).first is None


def test_an_event_that_stands_in_two_lines_counts_once():
    twice = finding(1, ref("1"), ref("1"), ref("7"), ref("8"))
    assert rank_of([twice], TRUTH).first is None


def test_nothing_to_find():
    rank = rank_of([finding(1, ref("1"))], Truth((), {}))
    assert rank.first is None and rank.stages == {} and rank.total == 1

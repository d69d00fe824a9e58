"""What speaks for a benign reading."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from triage_samples import SYSTEM32, event, evidence, finding, reason, run

from vizsla.nouns import Context, Entity
from vizsla.safe import visible
from vizsla.triage.against import MOST, speaks_against
from vizsla.triage.assets import Asset, Assets

NIGHT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)  # a Sunday
WS5 = (Entity("host", "WS5", "actor"),)


def bare(*pieces, **given):
    """A finding at night, of several events, with a large baseline: nothing speaks for it by itself."""
    many = pieces or (evidence("windows_sysmon:8", SourceImage="C:\\x\\a.exe", User="CORP\\ann"),)
    return finding(*(replace(p, count=3) for p in many), **{"start": NIGHT, "end": NIGHT, **given})


def test_last_resort():
    assert speaks_against(bare()) == (
        "Rare is not malicious: what is rare in 300 host-days of 10 hosts may be ordinary over a year.",
    )


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (bare(entities=WS5, instance_hosts=("ws5", "b")), "The same was seen on one other host: b."),
        (bare(context=Context(other_hosts=("b", "c"))), "The same was seen on 2 other hosts, such as b, c."),
        (
            bare(
                evidence(
                    "windows_sysmon:7",
                    ImageLoaded=SYSTEM32 + "a.dll",
                    Signed="true",
                    Signature="Microsoft Windows",
                    SignatureStatus="Valid",
                )
            ),
            "a.dll carries a valid signature of Microsoft, and lies in a folder of Windows.",
        ),
        (
            bare(
                evidence(
                    "windows_sysmon:7",
                    ImageLoaded="C:\\a.dll",
                    Signed="true",
                    Signature="ACME",
                    SignatureStatus="Valid",
                )
            ),
            "a.dll carries a valid signature of ACME.",
        ),
        (
            bare(evidence("windows_sysmon:1", Image=SYSTEM32 + "a.exe", Company="Microsoft Corporation")),
            "a.exe lies in a folder of Windows and names Microsoft as its maker (no proof).",
        ),
        (
            bare(
                evidence(
                    "windows_sysmon:1",
                    reason("CommandLine"),
                    reason("ParentImage", raw="C:\\e.exe", surprisal=0.5, seen=900, of=1000),
                )
            ),
            "Its parent, e.exe, is usual here: seen 900 of 1,000.",
        ),
        (
            bare(context=Context(parent_chain=("services.exe", "msiexec.exe"))),
            "msiexec.exe took part: software is installed or updated this way (and a name alone proves nothing).",
        ),
        (
            bare(evidence("windows_system:12")),
            "The host was starting at that time: start-up brings much that is seen only then.",
        ),
        (
            bare(context=Context(nearby=("07:07 1 × Windows started",))),
            "The host was starting at that time: start-up brings much that is seen only then.",
        ),
        (
            bare(
                evidence(
                    "windows_x:1", reason("a", surprisal=3, seen=2, hosts=1), reason("b", surprisal=5, seen=1, hosts=1)
                )
            ),
            "Rare, not new: even the rarest part (b) was seen once before on 1 of 5 hosts.",
        ),
        (
            bare(evidence("windows_x:1", SubjectUserName="WS5$")),
            "Only the computer's own accounts took part (WS5$): services work so all day.",
        ),
        (
            bare(evidence("windows_security:4624", IpAddress="::1")),
            "It came from the host itself, not over the network.",
        ),
        (
            finding(evidence("windows_x:1"), start=NIGHT),
            "It rests on a single event: nothing else of this episode stands out.",
        ),
        (
            bare(start=datetime(2026, 3, 3, 14, 5, tzinfo=UTC)),
            "It began on a Tuesday at 14:05 UTC, a working day (the host's own time zone is not in its logs).",
        ),
        (bare(run=run(host_days=4)), "The baseline holds only 4 host-days: what happens once a month was not in it."),
        (
            bare(run=run(claims=False, learnt="in-sample")),
            "No baseline of other days stands behind this (in-sample): rare here need not be rare at all.",
        ),
    ],
)
def test_rules(found, said):
    lines = speaks_against(found)
    assert said in lines
    assert not any(line.startswith("Rare is not malicious") for line in lines)


@pytest.mark.parametrize(
    ("found", "never"),
    [
        (
            bare(
                evidence(
                    "windows_sysmon:7",
                    ImageLoaded=SYSTEM32 + "a.dll",
                    Signed="true",
                    Signature="Microsoft Windows",
                    SignatureStatus="Expired",
                )
            ),
            "valid signature",
        ),
        (
            bare(
                evidence(
                    "windows_sysmon:7",
                    ImageLoaded=SYSTEM32 + "a.dll",
                    Signed="false",
                    Signature="Microsoft Windows",
                    SignatureStatus="Valid",
                )
            ),
            "valid signature",
        ),
        (bare(evidence("windows_sysmon:1", Image="C:\\Users\\a\\Windows\\System32\\a.exe")), "folder of Windows"),
        (bare(evidence("windows_sysmon:1", reason("ParentImage", seen=0))), "usual"),
        (bare(evidence("windows_x:1", reason("a", seen=5), reason("b", seen=0))), "not new"),
        (bare(evidence("windows_x:1", SubjectUserName="ann")), "own accounts"),
        (bare(evidence("windows_security:4624", IpAddress="10.0.0.1")), "itself"),
        (bare(entities=WS5, instance_hosts=("WS5",)), "other host"),
        (bare(), "single event"),
    ],
)
def test_what_is_not_in_the_data_is_not_said(found, never):
    assert not any(never in line for line in speaks_against(found))


def test_little_of_this_host_was_learnt():
    lines = speaks_against(bare(entities=WS5), learnt={"ws5": timedelta(minutes=12)})
    assert "Only 12 minutes of ws5 were learnt: much of what it always does is new here." in lines
    assert len(speaks_against(bare(entities=WS5), learnt={"ws5": timedelta(days=9)})) == 1


def test_the_team_knows_them():
    assets = Assets([Asset("user", "ann", role="administrator"), Asset("host", "WS5", criticality="low", role="kiosk")])
    lines = speaks_against(bare(entities=(*WS5, Entity("user", "CORP\\ann", "actor"))), assets)
    assert "The team lists CORP\\ann as administrator: such work may be theirs." in lines
    assert "The team rates ws5 low (kiosk)." in lines


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["windows_sysmon:1", "windows_sysmon:7", "zeek_conn", "x"]),
    st.dictionaries(
        st.sampled_from(["Image", "ImageLoaded", "Signature", "User", "IpAddress", "ParentImage", "Signed"]),
        st.text(max_size=80),
    ),
    st.text(max_size=50),
)
def test_always_says_something_visible(kind, native, host):
    piece = evidence(kind, reason(raw=host), events=(event(kind, on=host, **native),))
    lines = speaks_against(finding(piece, context=Context(other_hosts=(host,))))
    assert 1 <= len(lines) <= MOST
    assert all(line and visible(line) == line for line in lines)

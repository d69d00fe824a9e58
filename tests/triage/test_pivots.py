"""Queries for an analyst's next step: useful, and safe whatever the events hold."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from triage_samples import SYSTEM32, event, evidence, finding

from vizsla.safe import visible
from vizsla.triage.pivots import VIEWS, kql, needle, next_steps, shell, spl, sql, vql

HOSTILE = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
NASTY = ['"; drop', "a'b", "x | delete", "`macro`", "a\nb", "\x1b[2J", "\u202eevil", "\\", '\\"', "$(reboot)", "%00",
         "<script>", "[search x]", "*", "-rf", "\\\\srv\\c$", "'; --", "\U000e0041"]  # fmt: skip


def unquoted(text: str) -> str:
    """What a quoted literal with backslash escapes says; fails where it is not one whole literal."""
    assert re.fullmatch(r'"(?:[^"\\\n]|\\.)*"', text), text
    return ast.literal_eval(text)


@given(HOSTILE)
@example('"')
@example("\\")
def test_kql_says_the_value_and_ends_where_it_should(value):
    text = kql(value)
    # KQL writes characters beyond the BMP as two halves; ast reads those as surrogates.
    said = unquoted(text).encode("utf-16", "surrogatepass").decode("utf-16")
    assert said == value and visible(text) == text


@given(HOSTILE)
def test_vql_says_the_value_and_ends_where_it_should(value):
    text = vql(value)
    assert visible(text) == text and re.fullmatch(r'"(?:[^"\\]|\\["\\]|\\x[0-9a-f]{2})*"', text)
    said = re.sub(
        r"((?:\\x[0-9a-f]{2})+)|\\(.)",
        lambda m: m[2] or bytes.fromhex(m[1].replace("\\x", "")).decode(),
        text[1:-1],
    )
    assert said == value


@given(HOSTILE)
def test_spl_ends_where_it_should(value):
    text = spl(value)
    assert re.fullmatch(r'"(?:[^"\\]|\\["\\])*"', text)
    assert visible(text) == text and "`" not in text
    pattern = "".join("." if c == "*" else re.escape(c) for c in re.sub(r"\\(.)", r"\1", text[1:-1]))
    assert re.fullmatch(pattern, value, re.DOTALL)


@given(HOSTILE)
def test_sql_ends_where_it_should(value):
    assert re.fullmatch(r"'(?:[^']|'')*'", sql(value), re.DOTALL)


@given(HOSTILE)
def test_shell_word_is_one_word(value):
    word = shell(value)
    assert visible(word) == word
    if not word.startswith("$'"):
        assert shlex.split(word) == [value]


@pytest.mark.parametrize("value", [*NASTY, "", "plain", "a b", "é", "tab\there"])
def test_bash_reads_the_same(value):
    done = subprocess.run(["bash", "-c", f"printf %s {shell(value)}"], capture_output=True, check=True)
    assert done.stdout.decode() == value.replace("\x00", "")


@pytest.mark.parametrize("value", NASTY)
def test_hostile_values_in_every_place(value):
    piece = evidence(
        "windows_sysmon:1",
        events=(
            event("windows_sysmon:1", on=value, Image=f"C:\\{value}", CommandLine=value, User=value, ProcessGuid=value,
                  DestinationIp=value, Channel=value),
        ),
    )  # fmt: skip
    pivots = next_steps(finding(piece, id=value))
    assert {p.tool for p in pivots} == {"vizsla", "spl", "kql", "vql"}
    for pivot in pivots:
        assert visible(pivot.query) == pivot.query
        if pivot.tool == "vizsla":
            # A shell must see one command, as many words as we wrote, and no option but ours.
            words = as_bash_reads(pivot.query)
            assert len(words) in (4, 6) or (len(words) == 5 and any("=" in word for word in words)), words
            assert words[0] in ("show", "events")
            options = [word.partition("=")[0] for word in words[2:] if word.startswith("--")]
            assert options and set(options) <= {"--around", "--host", "--user", "--where"}, words
        else:
            bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", pivot.query)
            assert not [word for word in ("drop", "delete", "macro", "reboot", "script", "evil") if word in bare]


def as_bash_reads(query: str) -> list[str]:
    done = subprocess.run(
        ["bash", "-c", "vizsla() { printf '%s\\0' \"$@\"; }\n" + query], capture_output=True, check=True
    )
    return done.stdout.decode().split("\0")[:-1]


def test_what_is_offered():
    piece = evidence("windows_sysmon:3", Image=SYSTEM32 + "powershell.exe", DestinationIp="10.0.0.9", User="CORP\\ann",
                     ProcessGuid="{A-1}")  # fmt: skip
    said = {(p.tool, p.what): p.query for p in next_steps(finding(piece))}
    assert said["vizsla", "the finding in full, with its neighbours in time"] == "vizsla show 0badc0de --around 10m"
    assert said["vizsla", "network events of this host at that time"] == (
        "vizsla events network --host ws5.corp.example --around 2026-03-03T10:00:00Z"
    )
    assert said["vizsla", "logons of this user at that time"].startswith("vizsla events authentication --user ann ")
    assert 'DestinationIp="10.0.0.9"' in said["spl", "the same DestinationIp on every host"]
    assert said["kql", "which devices talk to this address"].startswith(
        'DeviceNetworkEvents | where RemoteIP == "10.0.0.9"'
    )
    assert "System.EventID.Value = 3" in said["vql", "the same events in the host's own log"]
    around = said["spl", "this kind of event on this host, then"]
    assert "earliest=1772531400 latest=1772532600" in around  # ten minutes to both sides


def test_zeek_asks_for_the_peer():
    piece = evidence("zeek_conn", **{"id.orig_h": "10.0.0.1", "id.resp_h": "8.8.8.8", "id.resp_p": "53"})
    said = {p.what: p.query for p in next_steps(finding(piece))}
    assert said["who else talks to this address"] == (
        'search index=* sourcetype="bro:conn:json" id.resp_h="8.8.8.8" | stats count sum(orig_bytes) by id.orig_h'
    )


def test_values_too_long_are_not_cut_into_another_meaning():
    piece = evidence("windows_sysmon:1", Image="C:\\a.exe", CommandLine="x" * 600)
    said = {p.what for p in next_steps(finding(piece))}
    assert "the same Image on every host" in said and "the same CommandLine on every host" not in said


def test_values_like_options_stay_values():
    piece = evidence("windows_sysmon:1", events=(event("windows_sysmon:1", on="--output=x", Image="C:\\a.exe"),))
    own = [p.query for p in next_steps(finding(piece)) if p.tool == "vizsla" and "--host" in p.query]
    assert own and all("--host=--output=x" in query for query in own)


def test_nothing_to_ask():
    assert next_steps(finding()) == ()
    bare = next_steps(finding(evidence("windows_x:1", events=()), start=None, end=None))
    assert [p.tool for p in bare][:1] == ["vizsla"]


def test_views_are_the_known_ones():
    assert set(VIEWS.values()) <= {
        "process", "network", "dns", "http", "tls", "file", "registry", "library", "authentication", "service",
        "scheduled_task", "script", "driver", "pipe", "share",
    }  # fmt: skip


@settings(max_examples=100)
@given(HOSTILE)
def test_needle_is_of_the_value(value):
    assert needle(value) in value


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["windows_sysmon:1", "windows_security:4624", "zeek_conn", "a:b", "windows_x:²"]),
    st.dictionaries(
        st.sampled_from(["Image", "CommandLine", "User", "DestinationIp", "id.resp_h", "ProcessGuid", "Channel"]),
        HOSTILE,
    ),
    HOSTILE,
)
def test_never_fails(kind, native, host):
    for pivot in next_steps(finding(evidence(kind, events=(event(kind, on=host, **native),)))):
        assert pivot.what and visible(pivot.query) == pivot.query

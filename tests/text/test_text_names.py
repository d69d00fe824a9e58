"""Names that are meant to be taken for others: near ones, look-alikes, hidden endings; bounded on hostile input."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizsla.text.names import LONGEST, Near, deletions, facts, one_edit, skeleton, spelling, split

NAME = st.text("abcd", min_size=1, max_size=7)


def distance(one: str, other: str) -> int:
    """Optimal string alignment: edits, and changes of places of neighbours."""
    table = [[i + j if i * j == 0 else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            cost = one[i - 1] != other[j - 1]
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + cost)
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


@given(NAME, NAME)
def test_one_edit_is_a_distance_of_one(one: str, other: str) -> None:
    assert one_edit(one, other) == (distance(one, other) == 1)


@given(NAME, NAME)
def test_names_one_edit_apart_share_a_deletion(one: str, other: str) -> None:
    if distance(one, other) == 1:
        assert deletions(one) & deletions(other)


@given(st.lists(st.text("abcde", min_size=4, max_size=7), max_size=12), st.text("abcde", min_size=4, max_size=7))
def test_near_names_are_those_one_edit_away(known: list[str], asked: str) -> None:
    near = [name for name in sorted(set(known)) if distance(name, asked) == 1]
    found, how = Near(known).of(asked)
    assert (found in near) if near else (found == "")
    assert how in ("", "is one edit from")


@pytest.mark.parametrize(
    ("name", "known", "how"),
    [
        ("svch0st.exe", "svchost.exe", "looks like"),
        ("scvhost.exe", "svchost.exe", "is one edit from"),
        ("svchosts.exe", "svchost.exe", "is one edit from"),
        ("lsаss.exe", "lsass.exe", "looks like"),  # the second letter of 'а' is Cyrillic
        ("isass.exe", "lsass.exe", "looks like"),
        ("exp1orer.exe", "explorer.exe", "looks like"),
        ("rundl132.exe", "rundll32.exe", "looks like"),
        ("csrss.exe", "", ""),  # itself
        ("agent2.exe", "", ""),  # a version of agent1.exe
        ("cnd.exe", "", ""),  # too short to tell
        ("teams.exe", "", ""),
    ],
)
def test_disguises(name: str, known: str, how: str) -> None:
    near = Near(["svchost.exe", "lsass.exe", "explorer.exe", "rundll32.exe", "csrss.exe", "agent1.exe", "cmd.exe"])
    assert near.of(name) == (known, how)


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("invoice.pdf.exe", "document"),
        ("invoice.pdf    .scr", "document"),
        ("annex\u202excod.exe", "turn the writing round"),
        ("svchost .exe", "blanks"),
        ("holiday            .exe", "blanks"),
        ("report.final.exe", ""),
        ("a.dll", ""),
        ("archive.tar.gz", ""),
    ],
)
def test_hidden_endings(name: str, hidden: str) -> None:
    assert hidden in spelling(name)
    assert bool(spelling(name)) == bool(hidden)


@pytest.mark.parametrize(
    "path",
    ["C:\\Windows\\System32\\smss.exe", "\\SystemRoot\\System32\\smss.exe", "\\??\\C:\\Windows\\system32\\smss.exe",
     "\\Device\\HarddiskVolume3\\Windows\\System32\\smss.exe", "%SystemRoot%\\system32\\SMSS.exe",
     "\\\\?\\C:\\Windows\\System32\\smss.exe", '"c:/windows/system32/smss.exe"'],
)  # fmt: skip
def test_a_place_is_one_however_it_is_written(path: str) -> None:
    assert split(path) == ("\\windows\\system32", "smss.exe")


def test_other_paths() -> None:
    assert split("/usr/bin/ls") == ("/usr/bin", "ls")
    assert split("svchost.exe") == ("", "svchost.exe")
    assert split("\\\\server\\share\\tool.exe") == ("\\\\server\\share", "tool.exe")


def test_facts_are_whole() -> None:
    places, parents = facts()
    assert set(parents) <= set(places)
    assert {parent for all_ in parents.values() for parent in all_} <= set(places)
    assert all(name == name.lower() for name in [*places, *parents])
    assert places["lsass.exe"] == ("\\windows\\system32",)


def test_hostile_names_cost_little() -> None:
    near = Near(["svchost.exe"])
    begin = time.process_time()
    for path in ("\\" * 1_000_000, "a" * 1_000_000 + ".exe", "C:\\" + "x. " * 300_000 + ".exe", "\u202e" * 500_000):
        name = split(path)[1]
        assert len(name) <= LONGEST
        near.of(name)
        spelling(name)
        skeleton(name)
    assert time.process_time() - begin < 2

"""Pairs that are counted, and what is said of programs and libraries that pass for others."""

from __future__ import annotations

from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizsla.text.given import Pairs, read
from vizsla.text.masks import NOTHING, Masks, directories

ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(1, 20)), max_size=12)
SYSTEM32 = "C:\\Windows\\System32\\"


@given(ROWS, ROWS)
def test_pairs_merge_and_survive_a_table(one, other) -> None:
    whole = Pairs.of(one, other)
    assert Pairs.of(Pairs.of(one).rows(), Pairs.of(other).rows()).rows() == whole.rows()
    assert Pairs.of(read(whole.table())).rows() == whole.rows()


@given(ROWS)
def test_probabilities_add_up_to_one(rows) -> None:
    pairs = Pairs.of(rows)
    if rows:
        assert sum(pairs.p(value) for value in [*pairs.values, "never seen"]) == pytest.approx(1)


@given(ROWS)
def test_the_surprise_is_that_of_smoothed_counts(rows) -> None:
    pairs = Pairs.of(rows)
    for given_, own in pairs.counts.items():
        for value in [*pairs.values, "never seen"]:
            placed = (own.get(value, 0) + len(own) * pairs.p(value)) / (sum(own.values()) + len(own))
            assert pairs.surprise(given_, value) == pytest.approx(max(0, log2(pairs.p(value) / placed)))
    assert pairs.surprise("never seen", "x") == 0


def program(masks: Masks, path: str, parent: str = "C:\\Windows\\explorer.exe") -> tuple[float, str, str]:
    return masks.program(path, parent, directories([path])[0])


def library(masks: Masks, path: str, signer: str) -> tuple[float, str, str]:
    return masks.library(path, signer, directories([path])[0])


def test_a_program_of_windows_in_a_place_of_its_own_needs_no_baseline() -> None:
    bits, says, pattern = program(Masks.of(), "C:\\Users\\ada\\AppData\\svchost.exe", SYSTEM32 + "services.exe")
    assert bits > 6
    assert says == (
        "svchost.exe lies in \\users\\<user>\\appdata: 0 of 0 times before, and not so on any Windows; "
        "usual: \\windows\\system32, \\windows\\syswow64"
    )
    assert pattern == "svchost.exe in \\users\\<user>\\appdata"
    assert program(Masks.of(), SYSTEM32 + "svchost.exe", SYSTEM32 + "services.exe")[0] < 1


def test_a_strange_parent_of_a_program_of_windows() -> None:
    bits, says, _ = program(Masks.of(), SYSTEM32 + "lsass.exe")
    assert bits > 4
    assert says.startswith("lsass.exe was started by explorer.exe: 0 of 0 times before, and not so on any Windows")


def test_what_a_house_does_often_is_usual_there() -> None:
    often = Masks.of(parents=[("svchost.exe", "agent.exe", 400)])
    seldom = Masks.of(parents=[("svchost.exe", "agent.exe", 1)])
    by_agent = [program(m, SYSTEM32 + "svchost.exe", "C:\\agent.exe")[0] for m in (often, seldom, Masks.of())]
    assert by_agent == sorted(by_agent)
    assert by_agent[0] < 0.5


def test_a_name_of_the_house_in_a_new_place() -> None:
    masks = Masks.of(places=[("agent.exe", "\\program files\\agent", 90), ("other.exe", "\\temp", 40)])
    bits, says, _ = program(masks, "D:\\Temp\\agent.exe")
    assert bits > 4
    assert says == "agent.exe lies in \\temp: 0 of 90 times before; usual: \\program files\\agent"
    assert program(masks, "C:\\Temp\\never seen.exe") == NOTHING


def test_names_near_to_known_ones_are_told_once_they_are_new() -> None:
    masks = Masks.of(places=[("agent.exe", "\\program files\\agent", 90)])
    bits, says, pattern = program(masks, "C:\\Program Files\\agent\\agemt.exe")
    assert bits > 6
    assert says == "agemt.exe, never seen before, is one edit from agent.exe, which lies in \\program files\\agent"
    assert pattern == "agemt.exe is one edit from agent.exe"
    assert program(masks, "C:\\Program Files\\agent\\agent.exe")[0] < 1
    assert "document" in program(masks, "C:\\Users\\ada\\offer.pdf.exe")[1]


def test_likeness_is_worth_less_where_names_are_alike_by_chance() -> None:
    alike = [(f"tool{letter}{other}.exe", "\\tools", 5) for letter in "abcdefgh" for other in "abcdefgh"]
    few = Masks.of(places=[("toolaa.exe", "\\tools", 5)])
    assert Masks.of(places=alike).chance["is one edit from"] < 3 < few.chance["is one edit from"]


def test_a_library_that_another_signs_than_always_or_nobody() -> None:
    masks = Masks.of(signers=[("a.dll", "Maker", 50), ("b.dll", "nobody", 20), ("c.dll", "Maker", 70)])
    bits, says, _ = library(masks, "C:\\x\\a.dll", "nobody")
    assert bits > 4
    assert says == "a.dll is signed by nobody: 0 of 50 times before; usual: Maker"
    assert library(masks, "C:\\x\\a.dll", "Maker")[0] == 0
    assert library(masks, "C:\\x\\b.dll", "nobody")[0] == 0
    assert library(masks, "C:\\x\\new.dll", "nobody")[0] == 0
    assert library(masks, "C:\\x\\d.dll", "")[0] == 0


def test_directories_that_are_one_place() -> None:
    paths = [SYSTEM32 + "cmd.exe", "C:\\Windows\\SysWOW64\\cmd.exe", "C:\\Windows\\SysWOW64\\version.dll",
             "C:\\Windows\\WinSxS\\amd64_x_1\\comctl32.dll", "C:\\Users\\ada\\a.exe",
             "D:\\Users\\ben\\a.exe"]  # fmt: skip
    assert directories(paths) == [
        "\\windows\\system32", "\\windows\\syswow64", "\\windows\\system32", "\\windows\\winsxs", "\\users\\<user>",
        "\\users\\<user>",
    ]  # fmt: skip

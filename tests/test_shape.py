"""Shapes of values: a table of examples, and what must hold of any value."""

from __future__ import annotations

import re
import time

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vizsla.shape import LONGEST, constants, shape, shapes

GUID = "8F5E3B2A-1C4D-4E6F-9A8B-0C1D2E3F4A5B"
ALL_CHANGES = "1131f6ad-9c07-11d1-f79f-00c04fc2dcd2"

EXAMPLES = {
    # GUIDs
    GUID: "<guid>",
    "{" + GUID + "}": "<guid>",
    f"\\Device\\{{{GUID}}}\\x": "\\device\\<guid>\\x",
    # but those that a specification assigns keep their meaning, however they are written
    "%%7688\r\n\t\t{" + ALL_CHANGES + "}\r\n\t{" + GUID + "}": "%%# <guid:ds-replication-get-changes-all> <guid>",
    ALL_CHANGES.upper(): "<guid:ds-replication-get-changes-all>",
    ALL_CHANGES.replace("1131", "1132"): "<guid>",
    "HKCR\\CLSID\\{9BA05972-F6A8-11CF-A442-00A0C90A8F39}\\x7": "hkcr\\clsid\\<guid:shell-windows>\\x#",
    GUID[:-1]: "<hex>-#c#d-#e#f-#a#b-<hex>",  # a digit short of one
    # SIDs: accounts differ from place to place, well-known ones mean something
    "S-1-5-21-1111111111-222222222-3333333333-1001": "<sid>",
    "HKU\\S-1-5-21-1-2-3-500_Classes\\x": "hku\\<sid>_classes\\x",
    "S-1-12-1-1-2-3-4": "<sid>",
    "S-1-5-18": "s-#-#-#",
    "S-1-5-32-544": "s-#-#-#-#",
    # user folders
    "C:\\Users\\alice\\x.exe": "c:\\users\\<user>\\x.exe",
    "C:\\Users\\John Smith\\AppData\\x.exe": "c:\\users\\<user>\\appdata\\x.exe",
    '"C:\\Users\\John Smith\\a b.exe" -k': '"c:\\users\\<user>\\a b.exe" -k',
    "C:\\Documents and Settings\\Jörg Müller\\x": "c:\\documents and settings\\<user>\\x",
    "C:\\Users\\Public\\x.exe": "c:\\users\\public\\x.exe",
    "dir c:\\users\\public": "dir c:\\users\\public",
    "C:\\Users\\Publicist\\x.exe": "c:\\users\\<user>\\x.exe",
    "C:\\Users\\alice": "c:\\users\\<user>",
    "copy C:\\Users\\alice D:\\y": "copy c:\\users\\<user> d:\\y",
    "copy C:\\Users\\alice \\\\srv\\y": "copy c:\\users\\<user> \\\\srv\\y",
    "/home/bob/.ssh/id_rsa": "/home/<user>/.ssh/id_rsa",
    "/Users/carol/x": "/users/<user>/x",
    # numbers
    "0x1234567890abcdef": "<hex>",
    "at 0x7ffe0000 of": "at <hex> of",
    "9f86d081884c7d659a2feaa0c55ad015": "<hex>",
    "tmp a1b2c3d4.x abcdef01.x abcdefa1.x": "tmp <hex>.x <hex>.x <hex>.x",
    "tmp feedfacecafe7": "tmp <hex>",
    "deadbeef effaced abc1234": "deadbeef effaced abc#",  # letters alone, or fewer than eight
    "port 12345 of 10": "port # of #",
    "123456": "#",
    "rundll32.exe": "rundll#.exe",
    # long encoded runs, and one just too short
    "-enc " + "SQBFAFgA" * 10: "-enc <encoded>",
    "x" * 40: "<encoded>",
    "x" * 39: "x" * 39,
    # short codes and addresses are categories
    "4624": "4624",
    "99999": "99999",
    "0x1fffff": "0x1fffff",
    "0x1FFFFF": "0x1fffff",
    "%%1936": "%%1936",
    "10.0.0.255": "10.0.0.255",
    "::1": "::1",
    "FE80::1234:5678:9ABC%12": "fe80::1234:5678:9abc%12",
    "::ffff:10.0.0.1": "::ffff:#.#.#.#",
    "10.0.0.255:443": "#.#.#.#:#",
    # the names that PowerShell tries its policy with
    "C:\\Windows\\Temp\\__PSScriptPolicyTest_abc0x1bz.q1w.ps1": "c:\\windows\\temp\\__psscriptpolicytest_<random>.ps#",
    # blanks, case, letters of all scripts
    "  A \t B\r\n C  ": "a b c",
    "": "",
    "   ": "",
    "-": "-",
    "ÄÖÜ ß ΣΑΣ ПРИВЕТ 日本": "äöü ß σασ привет 日本",
    "naïve\u202etxt.exe": "naïve\u202etxt.exe",
    "a\x00b": "a\x00b",
}


@pytest.mark.parametrize(("value", "expected"), EXAMPLES.items(), ids=[repr(v)[:30] for v in EXAMPLES])
def test_examples(value: str, expected: str) -> None:
    assert shape(value) == expected


def test_what_differs_each_time_has_one_shape() -> None:
    same = [
        "powershell.exe -File C:\\Users\\alice\\run-2024.ps1 {" + GUID + "}",
        "PowerShell.exe  -File c:\\users\\Bob B\\run-7.ps1 " + GUID.replace("8F5E", "0000"),
    ]
    assert shape(same[0]) == shape(same[1])
    assert shape("cmd /c whoami") != shape("cmd /c hostname")


def test_null_stays_null_and_an_empty_array_empty() -> None:
    assert shapes(pa.array([None, "A", None], pa.string())).to_pylist() == [None, "a", None]
    assert shapes(pa.array([], pa.string())).to_pylist() == []
    assert shapes(pa.array([None], pa.string())).to_pylist() == [None]


@pytest.mark.parametrize("unit", ["a", "1 ", "0x1 ", "C:\\Users\\a ", "%", "=A", "-1", "{", "\U0001f600", "s-1-5-21-"])
def test_a_megabyte_is_cut_and_quick(unit: str) -> None:
    value = unit * (1_000_000 // len(unit))
    began = time.process_time()
    found = shape(value)
    assert time.process_time() - began < 2.0
    assert found == shape(value[:LONGEST])
    assert shape(value + "tail") == found


VALUES = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.sampled_from([
            "0x", "a", "F", "1", "22", "-", "{", "}", "\\users\\", "\\users\\public", "<public>", "/home/",
            "/users/", " ", "\t", "\u00a0",
            "s-1-5-21-", "%%", ":", "::", ".", "<", ">", "#", "<user>", "İ", "__psscriptpolicytest_", "\\", "/", '"',
            "=" * 20, GUID, ALL_CHANGES, ALL_CHANGES.replace("1131", "7777"),
        ]),
        max_size=12,
    ).map("".join),
)  # fmt: skip


@given(VALUES)
@example("İ0x1")
@example("\\USERS\\/" + "0" * 39)
@example("\\USERS\\0/" + "0" * 40)
@example("/home/a/" + "0" * 40 + ".x/y")
@example("\\documents and settings\\/" + "a" * 50 + ".x \\users\\/" + "+" * 40 + "1/y")
@settings(max_examples=600, deadline=None)
def test_the_shape_of_a_shape_is_itself(value: str) -> None:
    once = shape(value)
    assert shape(once) == once


@given(st.lists(st.one_of(st.none(), VALUES), max_size=20))
@settings(max_examples=150, deadline=None)
def test_each_value_has_its_shape_whatever_stands_beside_it(values: list[str | None]) -> None:
    together = shapes(pa.array(values, pa.string())).to_pylist()
    assert together == [None if value is None else shape(value) for value in values]
    assert shapes(pa.array(["first", *values], pa.string()).slice(1)).to_pylist() == together


def test_constants_are_guids_with_names_of_their_own() -> None:
    """Names without digits: they must come through the rest of the shape untouched."""
    known = constants()
    assert len(set(known.values())) == len(known) > 40
    for guid, name in known.items():
        assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", guid), guid
        assert re.fullmatch("<guid:[a-z]+(-[a-z]+)*>", name), name
        assert shape("{" + guid.upper() + "}") == name == shape(name)


def test_a_constant_is_told_from_what_differs_in_digits_alone() -> None:
    """Values that differ in digits alone are shaped once: not so where the digits are a constant's."""
    others = [ALL_CHANGES.replace("1131", f"{n:04}") for n in range(1, 9)]
    found = shapes(pa.array([*others, ALL_CHANGES, *others], pa.string())).to_pylist()
    assert found == ["<guid>"] * 8 + ["<guid:ds-replication-get-changes-all>"] + ["<guid>"] * 8

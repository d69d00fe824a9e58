"""The table of relevance: well-formed, within its limits, and speaking of shapes as shapes are."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

import pytest
import yaml

from vizsla.shape import shape
from vizsla.triage import attack
from vizsla.triage.relevance import _rules, _shaped, relevance
from vizsla.view import views

TABLE: dict[str, Any] = yaml.safe_load(
    resources.files("vizsla.triage").joinpath("relevance.yaml").read_text(encoding="utf-8")
)
PLACED = [
    (row["name"], part, row["bits"])
    for row in TABLE["places"]
    for part in (*row.get("contains", ()), *row.get("ends", ()))
]
KNOWN = {table for view in views().values() for table in view.tables}
SYSTEM32 = "c:\\windows\\system#\\"


@pytest.mark.parametrize("kind", TABLE["kinds"])
def test_every_kind_is_a_plausible_table(kind: str) -> None:
    table, _, event = kind.partition(":")
    assert re.fullmatch(r"(windows|zeek)(_[a-z0-9]+)*", table)
    assert not event or (event.isdigit() and table.startswith("windows_"))
    if "_" in table and not event:
        assert any(name == table for name in KNOWN) or table in ("windows_system", "windows_dns_client", "zeek_weird")
    assert isinstance(TABLE["kinds"][kind], int | float)
    assert TABLE["limits"]["least"] <= TABLE["kinds"][kind] <= TABLE["limits"]["most"]


def test_every_tactic_is_attacks_and_all_that_rules_name_have_a_weight() -> None:
    tactics = {t for served in attack.table().tactics.values() for t in served}
    assert tactics <= set(TABLE["tactics"])
    assert all(isinstance(bits, int | float) and bits > 0 for bits in TABLE["tactics"].values())


@pytest.mark.parametrize("row", TABLE["places"], ids=lambda row: row["name"])
def test_every_place_is_well_formed_and_says_why(row: dict[str, Any]) -> None:
    assert set(row) <= {"name", "why", "contains", "ends", "bits"}
    assert row["why"]
    assert row["bits"]
    assert row.get("contains") or row.get("ends")


@pytest.mark.parametrize(("name", "part", "bits"), PLACED, ids=[part for _, part, _ in PLACED])
def test_every_place_is_a_shape_that_values_can_have(name: str, part: str, bits: float) -> None:
    """A part that no shape can hold would never count."""
    assert shape(part.replace("#", "32").replace("<user>", "alice")) == part
    found = relevance("windows_new:1", f"c:\\x{part}" if part.endswith(".exe") else f"c:{part}a.exe", {})
    assert f"place {name}" in {line.name for line in found.lines} or bits == 0


def test_limits() -> None:
    many = {
        "TargetImage": f"{SYSTEM32}lsass.exe",
        "SourceImage": "c:\\users\\<user>\\downloads\\a.exe",
        "GrantedAccess": "0x1010",
    }
    assert relevance("windows_sysmon:8", "c:\\users\\<user>\\downloads\\a.exe", many).bits <= TABLE["limits"]["most"]
    low = relevance("windows_security:5447", "c:\\windows\\winsxs\\tiworker.exe", {})
    assert sum(line.bits for line in low.lines) < TABLE["limits"]["least"]
    assert low.bits == TABLE["limits"]["least"]


def test_the_most_particular_kind_holds() -> None:
    assert relevance("windows_sysmon:10", "", {}).bits == 0
    assert relevance("windows_sysmon:77", "", {}).bits == TABLE["kinds"]["windows_sysmon"]
    assert relevance("windows_something_new:1", "", {}).bits == TABLE["kinds"]["windows"]
    assert relevance("zeek_new", "", {}).bits == TABLE["kinds"]["zeek"]
    assert relevance("linux_auth", "", {}) == relevance("linux_auth", "", {})
    assert relevance("linux_auth", "", {}).bits == 0


def test_a_technique_lifts_what_is_negative() -> None:
    plain = {"Image": "c:\\windows\\winsxs\\x\\tiworker.exe", "CommandLine": "tiworker.exe"}
    telling = {"Image": "c:\\windows\\winsxs\\x\\powershell.exe", "CommandLine": "powershell.exe -enc <encoded>"}
    before, after = (relevance("windows_sysmon:1", fields["Image"], fields) for fields in (plain, telling))
    assert before.bits < 0
    assert after.bits > 0
    assert all(line.bits > 0 for line in after.lines)
    assert any(line.name.startswith("technique ") for line in after.lines)
    dll = {"Image": f"{SYSTEM32}svchost.exe", "ImageLoaded": "c:\\x\\clean.dll"}
    assert relevance("windows_sysmon:7", dll["Image"], dll).bits == TABLE["kinds"]["windows_sysmon:7"]


@pytest.mark.parametrize(
    ("kind", "shapes", "rule"),
    [
        ("windows_sysmon:1", {"Image": "C:\\Windows\\System32\\rundll32.exe", "CommandLine": "rundll32.exe a.dll,x"},
         "rundll32"),
        ("windows_sysmon:1", {"Image": "C:\\Windows\\System32\\regsvr32.exe",
                              "CommandLine": "regsvr32 /s /u /i:http://x/a.sct scrobj.dll"}, "regsvr32"),
        ("windows_security:4624", {"LogonType": "3", "IpAddress": "10.0.0.9", "TargetUserName": "bob"},
         "logon-network"),
        ("windows_sysmon:1", {"Image": "C:\\x\\powershell.exe", "CommandLine": "powershell -w 1 -c x"},
         "powershell-hidden"),
        ("windows_sysmon:13", {"TargetObject": "HKU\\S-1-5-21-1-2-3-4_Classes\\CLSID\\{0E59F1D5-1FBE-11D0-8FF2-"
                               "00A0D10038BC}\\InprocServer32\\(Default)", "Details": "C:\\x.dll"}, "com-hijack"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_rules_know_shapes(kind: str, shapes: dict[str, str], rule: str) -> None:
    """What a rule finds in native values it finds in their shapes."""
    from vizsla.triage.native import Fields

    (wanted,) = {r.id: r for k in (kind, kind.partition(":")[0]) for r in _rules().get(k, ()) if r.id == rule}.values()
    (native,) = {
        r.id: r for k in (kind, kind.partition(":")[0]) for r in attack.table().rules.get(k, ()) if r.id == rule
    }.values()
    assert native.holds(Fields(shapes))
    assert wanted.holds(Fields({name: shape(value) for name, value in shapes.items()}))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_logon_from_the_computer_itself_is_no_lateral_movement(address: str) -> None:
    fields = {"LogonType": "3", "IpAddress": shape(address), "TargetUserName": "bob"}
    (rule,) = (r for r in _rules()["windows_security:4624"] if r.id == "logon-network")
    from vizsla.triage.native import Fields

    assert not rule.holds(Fields(fields))


@pytest.mark.parametrize(
    ("test", "wanted", "expected"),
    [
        ("base", "rundll32.exe", "rundll#.exe"), ("equals", "3", "3"), ("equals", "0x17", "0x17"),
        ("equals", "127.0.0.1", "127.0.0.1"),
        ("equals", "rundll32.exe", "rundll#.exe"), ("word", "1", "#"), ("contains", "win32_process", "win#_process"),
        ("mask", "4112", "4112"), ("prefix", "1|encodedcommand", "1|encodedcommand"), ("endswith", ".ps1", ".ps#"),
    ],
)  # fmt: skip
def test_what_rules_look_for_is_generalised_as_values_are(test: str, wanted: str, expected: str) -> None:
    assert _shaped(test, wanted) == expected


@pytest.mark.parametrize(
    ("user", "guid", "implied"),
    [
        ("ann", "1131F6AD-9C07-11D1-F79F-00C04FC2DCD2", True),
        ("ann", "1131f6aa-9c07-11d1-f79f-00c04fc2dcd2", True),
        ("ann", "bf967aba-0de6-11d0-a285-00aa003049e2", False),  # a user was looked at
        ("ann", "8f5e3b2a-1c4d-4e6f-9a8b-0c1d2e3f4a5b", False),
        ("DC1$", "1131f6ad-9c07-11d1-f79f-00c04fc2dcd2", False),  # controllers replicate all day
    ],
)
def test_replication_asked_for_by_a_person_is_dcsync(user: str, guid: str, implied: bool) -> None:
    properties = "%%7688\r\n\t\t{" + guid + "}\r\n\t{19195a5b-6da0-11d0-afd3-00c04fd930c9}\r\n"
    shapes = {"Properties": shape(properties), "SubjectUserName": shape(user)}
    found = relevance("windows_security:4662", shape(user), shapes)
    assert any("(dcsync)" in line.name for line in found.lines) == implied

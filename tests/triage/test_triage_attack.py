"""Techniques that evidence implies."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from triage_samples import SYSTEM32, event, evidence

from vizsla.intel import attack as framework
from vizsla.triage.attack import attack_of, attacks_of, load, table

PS = SYSTEM32 + "WindowsPowerShell\\v1.0\\powershell.exe"
CONTROL = "HKLM\\System\\CurrentControlSet\\Control\\"
DCSYNC = "%%7688\n\t\t{1131f6ad-9c07-11d1-f79f-00c04fc2dcd2}\n"


def process(image: str, command: str = "", parent: str = "C:\\Windows\\explorer.exe", **more: str) -> dict[str, str]:
    return {"Image": image, "CommandLine": command, "ParentImage": parent, **more}


CASES = [
    ("windows_sysmon:10", {"TargetImage": SYSTEM32 + "lsass.exe", "GrantedAccess": "0x1010"}, {"T1003.001"}, set()),
    ("windows_sysmon:10", {"TargetImage": SYSTEM32 + "lsass.exe", "GrantedAccess": "0x1000"}, set(), {"T1003.001"}),
    ("windows_sysmon:10", {"TargetImage": SYSTEM32 + "LSASS.EXE", "GrantedAccess": "0x1FFFFF"}, {"T1003.001"}, set()),
    ("windows_sysmon:10", {"TargetImage": SYSTEM32 + "svchost.exe", "GrantedAccess": "0x1010"}, set(), {"T1003.001"}),
    ("windows_sysmon:10", {"TargetImage": SYSTEM32 + "lsass.exe", "GrantedAccess": "junk"}, set(), {"T1003.001"}),
    ("windows_security:4662", {"Properties": DCSYNC, "SubjectUserName": "ann"}, {"T1003.006"}, set()),
    ("windows_security:4662", {"Properties": DCSYNC, "SubjectUserName": "DC01$"}, set(), {"T1003.006"}),
    ("windows_sysmon:8", {"SourceImage": "a.exe", "TargetImage": "b.exe"}, {"T1055"}, {"T1055.001"}),
    ("windows_security:1102", {}, {"T1070.001"}, set()),
    ("windows_security:4719", {}, {"T1562.002"}, set()),
    ("windows_sysmon:1", process(PS, "powershell -enc SQBFAFgA"), {"T1059.001", "T1027.010"}, set()),
    ("windows_sysmon:1", process(PS, "powershell /EncodedC SQBFAFgA"), {"T1027.010"}, set()),
    ("windows_sysmon:1", process(PS, "powershell -e SQBFAFgA"), {"T1027.010"}, set()),
    ("windows_sysmon:1", process(PS, "powershell -ExecutionPolicy Bypass -File a.ps1"), {"T1059.001"}, {"T1027.010"}),
    ("windows_sysmon:1", process(PS, "powershell -w hidden -c x"), {"T1564.003"}, set()),
    ("windows_sysmon:1", process(SYSTEM32 + "bitsadmin.exe", "bitsadmin /transfer"), {"T1197"}, set()),
    ("windows_sysmon:1", process(SYSTEM32 + "certutil.exe", "certutil -urlcache -f http://x y"), {"T1105"}, {"T1140"}),
    ("windows_sysmon:1", process(SYSTEM32 + "certutil.exe", "certutil -decode a b"), {"T1140"}, {"T1105"}),
    ("windows_sysmon:1", process(SYSTEM32 + "regsvr32.exe"), {"T1218.010"}, set()),
    ("windows_sysmon:1", process(SYSTEM32 + "rundll32.exe"), {"T1218.011"}, set()),
    ("windows_sysmon:1", process(SYSTEM32 + "mshta.exe"), {"T1218.005"}, set()),
    ("windows_sysmon:1", process(SYSTEM32 + "cmstp.exe"), {"T1218.003"}, set()),
    ("windows_sysmon:1", process("C:\\Windows\\Microsoft.NET\\MSBuild.exe"), {"T1127.001"}, set()),
    ("windows_sysmon:1", process(SYSTEM32 + "wbem\\WMIC.exe", "wmic os get /format:x.xsl"), {"T1047", "T1220"}, set()),
    (
        "windows_sysmon:1",
        process(SYSTEM32 + "cmd.exe", "cmd /c whoami", SYSTEM32 + "wbem\\WmiPrvSE.exe"),
        {"T1047", "T1059.003"},
        set(),
    ),
    (
        "windows_sysmon:1",
        process(SYSTEM32 + "cmd.exe", "cmd", SYSTEM32 + "wsmprovhost.exe"),
        {"T1021.006"},
        {"T1059.003"},
    ),
    (
        "windows_sysmon:1",
        process(PS, "x", SYSTEM32 + "mmc.exe", ParentCommandLine="mmc.exe -Embedding"),
        {"T1021.003"},
        set(),
    ),
    (
        "windows_sysmon:1",
        process("C:\\Temp\\a.exe", "a", OriginalFileName="PowerShell.EXE"),
        {"T1036.003", "T1059.001"},
        set(),
    ),
    ("windows_sysmon:1", process(PS, "x", OriginalFileName="PowerShell.EXE"), set(), {"T1036.003"}),
    ("windows_sysmon:1", process("C:\\Users\\a\\svchost.exe"), {"T1036.005"}, set()),
    ("windows_sysmon:1", process(SYSTEM32 + "svchost.exe"), set(), {"T1036.005"}),
    (
        "windows_security:4688",
        {"NewProcessName": SYSTEM32 + "net.exe", "CommandLine": "net user bob x /add"},
        {"T1136.001"},
        {"T1087.001"},
    ),
    (
        "windows_security:4688",
        {"NewProcessName": SYSTEM32 + "net.exe", "CommandLine": 'net group "Domain Admins" /dom'},
        {"T1069.002"},
        set(),
    ),
    ("windows_security:4688", {"NewProcessName": SYSTEM32 + "schtasks.exe"}, {"T1053.005"}, set()),
    ("windows_sysmon:13", {"TargetObject": CONTROL + "Terminal Server\\fDenyTSConnections"}, {"T1021.001"}, set()),
    (
        "windows_sysmon:13",
        {"TargetObject": "HKU\\S-1-5\\Software\\Microsoft\\Windows\\CurrentVersion\\Run\\x"},
        {"T1547.001"},
        set(),
    ),
    (
        "windows_sysmon:13",
        {"TargetObject": "HKU\\S-1-5_Classes\\CLSID\\{1}\\InprocServer32\\(Default)"},
        {"T1546.015"},
        set(),
    ),
    (
        "windows_sysmon:13",
        {"TargetObject": "HKLM\\Software\\Classes\\CLSID\\{1}\\InprocServer32\\(Default)"},
        set(),
        {"T1546.015"},
    ),
    (
        "windows_sysmon:13",
        {"TargetObject": "HKLM\\SYSTEM\\CurrentControlSet\\Services\\Foo\\ImagePath"},
        {"T1543.003"},
        set(),
    ),
    *[(f"windows_sysmon:{n}", {}, {"T1546.003"}, set()) for n in (19, 20, 21)],
    ("windows_wmi_activity:5861", {}, {"T1546.003"}, set()),
    (
        "windows_security:4624",
        {"LogonType": "3", "TargetUserName": "ann", "IpAddress": "10.0.0.1"},
        {"T1021.002"},
        set(),
    ),
    ("windows_security:4624", {"LogonType": "3", "TargetUserName": "WS1$"}, set(), {"T1021.002"}),
    ("windows_security:4624", {"LogonType": "9", "LogonProcessName": "seclogo"}, {"T1550.002"}, set()),
    ("windows_security:4624", {"LogonType": "10", "TargetUserName": "ann"}, {"T1021.001"}, set()),
    (
        "windows_security:5145",
        {"ShareName": "\\\\*\\ADMIN$", "RelativeTargetName": "x.exe"},
        {"T1021.002", "T1570"},
        set(),
    ),
    ("windows_security:5145", {"ShareName": "\\\\*\\IPC$", "RelativeTargetName": "svcctl"}, {"T1569.002"}, {"T1570"}),
    ("windows_security:4769", {"TicketEncryptionType": "0x17", "ServiceName": "sql"}, {"T1558.003"}, set()),
    ("windows_security:4769", {"TicketEncryptionType": "0x12", "ServiceName": "sql"}, set(), {"T1558.003"}),
    ("windows_security:4742", {"SubjectUserName": "ANONYMOUS LOGON", "PasswordLastSet": "1/1/2026"}, {"T1210"}, set()),
    ("windows_system:7045", {"ServiceName": "x", "ImagePath": "y"}, {"T1543.003"}, set()),
    ("windows_sysmon:7", {"Image": "a.exe", "ImageLoaded": "C:\\Users\\a\\version.dll"}, {"T1574.001"}, set()),
    ("windows_sysmon:7", {"Image": "a.exe", "ImageLoaded": SYSTEM32 + "version.dll"}, set(), {"T1574.001"}),
    (
        "windows_powershell:4104",
        {"ScriptBlockText": "IEX (New-Object Net.WebClient).DownloadString('x')"},
        {"T1059.001", "T1105"},
        set(),
    ),
    ("zeek_conn", {"id.resp_p": "5985"}, {"T1021.006"}, set()),
    ("zeek_dns", {"query": "x"}, set(), {"T1071.004"}),
    ("windows_sysmon:5", {"Image": PS}, set(), {"T1059.001"}),
]


@pytest.mark.parametrize(("kind", "native", "has", "has_not"), CASES)
def test_what_is_implied(kind, native, has, has_not):
    found = {attack.technique for attack in attack_of(evidence(kind, **native))}
    assert has <= found
    assert not has_not & found


def test_suffix_of_a_kind_does_not_matter_and_sources_name_rows():
    attack = attack_of(evidence("windows_security:1102/new"))[0]
    assert (attack.technique, attack.tactic, attack.source) == (
        "T1070.001",
        "defense-evasion",
        "attack.yaml: log-cleared",
    )


def test_of_a_finding_each_technique_once():
    pieces = [evidence("windows_security:1102"), evidence("windows_system:104"), evidence("windows_sysmon:8")]
    assert [a.technique for a in attacks_of(pieces)] == ["T1070.001", "T1055"]
    assert attack_of(evidence("windows_sysmon:1", events=())) == ()


def test_table_is_of_attack_at_hand():
    known = framework.load()
    assert len(table().tactics) >= 120
    for technique, tactics in table().tactics.items():
        assert set(tactics) == set(known.techniques[technique].tactics)
        assert len(set(tactics)) == len(tactics)


def by_rule(*tags):
    rule = {"id": "r", "tags": tags, "techniques": [t[7:].upper() for t in tags if t.startswith("attack.t")]}
    return attack_of(replace(evidence("zeek_x"), rule=rule))


def test_tactics_of_what_only_a_rule_names():
    assert "T1053.003" not in table().tactics
    assert [(a.technique, a.tactic, a.source) for a in by_rule("attack.t1053.003")] == [
        ("T1053.003", framework.load().techniques["T1053.003"].tactics[0], "rule r")
    ]
    assert by_rule("attack.persistence", "attack.t1053.003")[0].tactic == "persistence"
    assert by_rule("attack.privilege_escalation", "attack.t1053.003")[0].tactic == "privilege-escalation"
    assert by_rule("attack.t1086")[0].tactic == "execution"  # which PowerShell was called before
    assert by_rule("attack.t9999")[0].tactic == ""


def test_a_tactic_that_the_rule_names_comes_first():
    assert len(table().tactics["T1053.005"]) > 1
    for tactic in table().tactics["T1053.005"]:
        assert by_rule(f"attack.{tactic}", "attack.t1053.005")[0].tactic == tactic


GOOD = "techniques: {T1047: [execution]}\nrules:\n"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("- {id: a, kind: [x]}", "needs id, kind and techniques"),
        ("- {id: a, kind: [x], techniques: [T1], all: []}", "T1 is not among"),
        ("- {id: a, kind: [x], techniques: [T1047], al: []}", "unknown: \\['al'\\]"),
        ("- {id: a, kind: [x], techniques: [T1047], all: [{field: f, regex: x}]}", "one of"),
        ("- {id: a, kind: [x], techniques: [T1047], all: [{field: f, equals: x, word: y}]}", "one of"),
        ("- {id: a, kind: [x], techniques: [T1047], tactic: impact}", "no tactic"),
        ("- {id: a, kind: [x], techniques: [T1047]}\n- {id: a, kind: [x], techniques: [T1047]}", "two rules"),
    ],
)
def test_wrong_rules_are_named(rule, said):
    with pytest.raises(ValueError, match=said):
        load(GOOD + rule)


def test_own_table():
    mine = load(GOOD + "- {id: a, kind: [zeek_x], techniques: [T1047], any: [{field: f, present: true}]}", "mine.yaml")
    assert mine.of(evidence("zeek_x", f="1"))[0].source == "mine.yaml: a"
    assert mine.of(evidence("zeek_x", f="-")) == ()


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(table().rules)),
    st.dictionaries(
        st.sampled_from(
            ["Image", "CommandLine", "GrantedAccess", "TargetImage", "TargetObject", "Message", "ParentImage"]
        ),
        st.text(max_size=200),
    ),
)
def test_hostile_values_never_fail(kind, native):
    attack_of(evidence(kind, events=(event(kind, **native),)))


def test_time_is_linear_in_the_length():
    for text in ("a" * 5_000_000, "- " * 2_000_000, "\\" * 3_000_000):
        began = time.process_time()
        attack_of(evidence("windows_sysmon:1", Image=text, CommandLine=text, ParentImage=text))
        assert time.process_time() - began < 5

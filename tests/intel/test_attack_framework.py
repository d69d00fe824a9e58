"""ATT&CK at hand offline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vizsla.errors import FeedError
from vizsla.intel.attack import FILE, Named, current, forget, load, mentions, techniques_in, update
from vizsla.lake import Lake


def names(text: str) -> set[tuple[str, str, bool]]:
    return {(n.kind, n.name, n.named) for n in techniques_in(text)}


def test_what_ships() -> None:
    attack = load()
    assert attack.version
    assert "MITRE" in attack.notice
    assert len(attack.techniques) > 600
    assert len(attack.tactics) >= 14
    technique = attack.techniques["T1059.001"]
    assert (technique.name, technique.parent, technique.tactics) == ("PowerShell", "T1059", ("execution",))
    assert attack.full_name("T1059.001") == "Command and Scripting Interpreter: PowerShell"
    assert all(attack.data_components[d] for t in attack.techniques.values() for d in t.data_components)
    assert {t for a in attack.actors() for t in a.techniques} <= set(attack.techniques)
    assert all(tactic in attack.tactics for t in attack.techniques.values() for tactic in t.tactics)


def test_retired_ids_lead_to_what_took_their_place() -> None:
    attack = load()
    found = attack.technique("T1086")
    assert found is not None
    assert found.id == "T1059.001"
    assert attack.technique("T9999") is None


def test_who_uses_what() -> None:
    assert any(actor.name == "APT29" for actor in load().using("T1059"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("They used T1059.001 today.", ("technique", "T1059.001", True)),
        ("They used T1086 today.", ("technique", "T1059.001", True)),
        ("See https://attack.mitre.org/techniques/T1003/001/ for it.", ("technique", "T1003.001", True)),
        ("Persistence by Scheduled Task/Job was seen.", ("technique", "T1053", True)),
        ("The loader creates a scheduled task.", ("technique", "T1053.005", False)),
        ("It dumps LSASS with a driver.", ("technique", "T1003.001", False)),
        ("It relies on process  hollowing.", ("technique", "T1055.012", True)),
        ("The work of Cozy Bear, we think.", ("actor", "APT29", True)),
        ("It then loads Cobalt Strike.", ("malware", "Cobalt Strike", True)),
        ("Emotet's loader came first.", ("malware", "Emotet", True)),
        ("A Play ransomware note was left.", ("actor", "Play", True)),
        ("Mimikatz was run.", ("tool", "Mimikatz", True)),
        ("The group G0016 is back.", ("actor", "APT29", True)),
    ],
)
def test_what_texts_speak_of(text: str, expected: tuple[str, str, bool]) -> None:
    assert expected in names(text)


@pytest.mark.parametrize(
    "text",
    [
        "Children play in the snake pit, at the royal page, and run net use from cmd.",
        "The part number T12345 and T1059x are none, nor is XT1059.",
        "Many IP Addresses and Email Addresses of Social Media were listed.",
        "See emotet.example.com for more.",
    ],
)
def test_everyday_words_are_none(text: str) -> None:
    assert not names(text)


def test_named_beats_described_and_the_longer_name_the_shorter() -> None:
    found = techniques_in("It creates a scheduled task (T1053.005).")
    assert [(n.name, n.named) for n in found if n.kind == "technique"] == [("T1053.005", True)]
    assert names("Persistence by Scheduled Task/Job was seen.") == {("technique", "T1053", True)}


def test_mentions_carry_the_sentence() -> None:
    (one,) = mentions("It creates a scheduled task.", "feed", "report.md, line 3")
    assert (one.kind, one.name, one.named, one.context, one.source) == (
        "technique", "T1053.005", False, "It creates a scheduled task.", "report.md, line 3",
    )  # fmt: skip


def test_phrases_and_names_of_the_word_list_exist() -> None:
    from vizsla.intel._attack_speech import _words

    attack, words = load(), _words()
    assert all(attack.technique(id) for id in words["described"])
    known = {t.name.lower() for t in attack.techniques.values()}
    assert set(words["named"]) | set(words["never"]) <= known
    assert all(phrase == phrase.lower() for phrases in words["described"].values() for phrase in phrases)


def external(id: str) -> list[dict[str, str]]:
    return [{"source_name": "mitre-attack", "external_id": id}]


def bundle() -> dict[str, object]:
    return {
        "type": "bundle",
        "objects": [
            {"type": "x-mitre-collection", "id": "x-mitre-collection--1", "x_mitre_version": "99.1"},
            {"type": "x-mitre-tactic", "id": "x-mitre-tactic--1", "name": "Execution", "x_mitre_shortname": "execution",
             "external_references": external("TA0002")},
            {"type": "attack-pattern", "id": "attack-pattern--1", "name": "Frobnicate",
             "x_mitre_platforms": ["Windows"],
             "kill_chain_phases": [{"kill_chain_name": "mitre-attack", "phase_name": "execution"}],
             "external_references": external("T7001")},
            {"type": "attack-pattern", "id": "attack-pattern--2", "name": "Old", "revoked": True,
             "external_references": external("T7000")},
            {"type": "attack-pattern", "id": "attack-pattern--3", "name": "Gone", "x_mitre_deprecated": True,
             "external_references": external("T7002")},
            {"type": "intrusion-set", "id": "intrusion-set--1", "name": "Grue", "aliases": ["Grue", "Lurking Terror"],
             "external_references": external("G7001")},
            {"type": "malware", "id": "malware--1", "name": "Zorkmid", "x_mitre_aliases": ["Zorkmid"],
             "external_references": external("S7001")},
            {"type": "x-mitre-data-component", "id": "x-mitre-data-component--1", "name": "Process Creation",
             "external_references": external("DC0032")},
            {"type": "x-mitre-analytic", "id": "x-mitre-analytic--1",
             "x_mitre_log_source_references": [{"x_mitre_data_component_ref": "x-mitre-data-component--1"}]},
            {"type": "x-mitre-detection-strategy", "id": "x-mitre-detection-strategy--1",
             "x_mitre_analytic_refs": ["x-mitre-analytic--1"]},
            *(
                {"type": "relationship", "id": f"relationship--{i}", "relationship_type": kind, "source_ref": source,
                 "target_ref": target}
                for i, (kind, source, target) in enumerate([
                    ("uses", "intrusion-set--1", "attack-pattern--1"), ("uses", "intrusion-set--1", "malware--1"),
                    ("uses", "malware--1", "attack-pattern--1"),
                    ("revoked-by", "attack-pattern--2", "attack-pattern--1"),
                    ("detects", "x-mitre-detection-strategy--1", "attack-pattern--1"),
                ])
            ),
        ],
    }  # fmt: skip


def test_update_from_stix(tmp_path: Path) -> None:
    file, into = tmp_path / "enterprise-attack.json", tmp_path / "kept" / "attack.json"
    file.write_text(json.dumps(bundle()))
    update(file, into)
    attack = load(into)
    assert attack.version == "99.1"
    assert set(attack.techniques) == {"T7001"}
    assert attack.techniques["T7001"].data_components == ("DC0032",)
    assert attack.technique("T7000") == attack.techniques["T7001"]
    group = attack.groups["G7001"]
    assert (group.aliases, group.techniques, group.software) == (("Lurking Terror",), ("T7001",), ("S7001",))
    spoken = techniques_in("The Lurking Terror has Zorkmid and T7000.", attack)
    assert [(n.kind, n.name) for n in spoken] == [("actor", "Grue"), ("malware", "Zorkmid"), ("technique", "T7001")]
    assert isinstance(spoken[0], Named)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"objects": []}', '{"objects": [1, {"type": "malware"}]}', "[" * 100_000]
)
def test_what_is_no_attack_is_refused_and_nothing_is_lost(content: str, tmp_path: Path) -> None:
    file, into = tmp_path / "x.json", tmp_path / "attack.json"
    into.write_text("kept")
    file.write_text(content)
    with pytest.raises(FeedError):
        update(file, into)
    assert into.read_text() == "kept"
    with pytest.raises(FeedError):
        load(into)


def test_a_lake_that_is_opened_brings_its_own(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    file = tmp_path / "enterprise-attack.json"
    file.write_text(json.dumps(bundle()))
    text = "The Lurking Terror used T7000 and Zorkmid."
    assert not techniques_in(text)
    update(file, lake.root / FILE)
    assert current().version == load().version  # what is open stays as it is
    Lake.open(lake.root)
    Lake.open(tmp_path / "other", create=True)  # which has none: nothing changes
    assert current().version == "99.1"
    assert {m.name for m in mentions(text, "feed", "report.md")} == {"Grue", "Zorkmid", "T7001"}
    (lake.root / FILE).write_text("{}")
    with pytest.raises(FeedError):
        current()
    forget()
    assert current() is load()

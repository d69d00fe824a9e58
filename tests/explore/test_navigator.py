"""Coverage of techniques, and its layer for the ATT&CK Navigator: what it says, and that the Navigator can read it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from coverage_samples import SYSMON, lake_of, started, steady, ticks
from typer.testing import CliRunner

from vizsla.cli.main import app
from vizsla.explore.coverage import navigator
from vizsla.explore.coverage.techniques import fits, techniques
from vizsla.intel.attack import Attack, load
from vizsla.nouns.coverage import ComponentSeen, ImpliedSeen, RuleSeen, TechniqueSeen
from vizsla.sigma.book import RuleBook

ANALYTICS, DATA = navigator.ANALYTICS, navigator.DATA
NOW = datetime(2026, 11, 1, tzinfo=UTC)
RULES = {
    "dump": ("LSASS opened", "process_access", "TargetImage|endswith: '\\lsass.exe'", "attack.t1003.001", "high"),
    "task": ("A task \x1b[2J<b>", "process_creation", "Image|endswith: '\\schtasks.exe'", "attack.t1053.005", "low"),
    "dns": ("Odd name", "dns_query", "QueryName|endswith: '.zip'", "attack.t1071.004", "medium"),
    "shell": ("Old id", "process_creation", "Image|endswith: '\\powershell.exe'", "attack.t1086", "medium"),
}

# The properties of the layer format, version 4.5: name -> (JSON type, whether it must be there).
LAYER = {
    "versions": (dict, True), "name": (str, True), "description": (str, False), "domain": (str, True),
    "sorting": (int, False), "layout": (dict, False), "hideDisabled": (bool, False), "techniques": (list, False),
    "gradient": (dict, False), "legendItems": (list, False), "showTacticRowBackground": (bool, False),
    "tacticRowBackground": (str, False), "selectTechniquesAcrossTactics": (bool, False),
    "selectSubtechniquesWithParent": (bool, False), "selectVisibleTechniques": (bool, False),
    "metadata": (list, False), "links": (list, False), "filters": (dict, False), "customDataURL": (str, False),
}  # fmt: skip
TECHNIQUE = {
    "techniqueID": (str, True), "tactic": (str, False), "comment": (str, False), "enabled": (bool, False),
    "score": (int, False), "color": (str, False), "metadata": (list, False), "links": (list, False),
    "showSubtechniques": (bool, False),
}  # fmt: skip
LAYOUT = {
    "layout": ("side", "flat", "mini"), "aggregateFunction": ("average", "min", "max", "sum"),
    "expandedSubtechniques": ("none", "all", "annotated"), "showID": (True, False), "showName": (True, False),
    "showAggregateScores": (True, False), "countUnscored": (True, False),
}  # fmt: skip
COLOUR = re.compile("#[0-9a-f]{6}")


def check(properties, known):
    """Only known properties, all that must be there, each of its type."""
    assert set(properties) <= set(known)
    assert {name for name, (_, needed) in known.items() if needed} <= set(properties)
    for name, value in properties.items():
        assert type(value) is known[name][0], name


def check_metadata(rows):
    for row in rows:
        assert row == {"divider": True} or (set(row) == {"name", "value"} and all(type(v) is str for v in row.values()))


def check_layer(layer, attack: Attack):
    """What the format asks, and that it means techniques and tactics that there are."""
    check(layer, LAYER)
    assert set(layer["versions"]) == {"attack", "navigator", "layer"}
    assert layer["versions"]["layer"] == "4.5"
    assert tuple(map(int, layer["versions"]["navigator"].split("."))) >= (4, 9, 0)
    assert layer["versions"]["attack"].isdigit()
    assert layer["domain"] == "enterprise-attack"
    assert layer["sorting"] in range(4)
    assert all(value in LAYOUT[name] for name, value in layer["layout"].items())
    gradient = layer["gradient"]
    assert set(gradient) == {"colors", "minValue", "maxValue"}
    assert len(gradient["colors"]) >= 2
    assert gradient["minValue"] < gradient["maxValue"]
    legend = {item["color"] for item in layer["legendItems"]}
    assert all(set(item) == {"label", "color"} and COLOUR.fullmatch(item["color"]) for item in layer["legendItems"])
    assert len(legend) == len(layer["legendItems"])
    check_metadata(layer["metadata"])
    for one in layer["techniques"]:
        check(one, TECHNIQUE)
        assert one["tactic"] in attack.techniques[one["techniqueID"]].tactics
        check_metadata(one.get("metadata", ()))
        if one["enabled"]:
            assert gradient["minValue"] <= one["score"] <= gradient["maxValue"]
            assert one["color"] in legend
    placed = [(one["techniqueID"], one["tactic"]) for one in layer["techniques"]]
    assert len(placed) == len(set(placed)) == sum(len(t.tactics) for t in attack.techniques.values())


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """Processes started, one LSASS opened; four rules, of which one lacks its data."""
    home = tmp_path_factory.mktemp("navigator")
    opened = started(NOW, "a", 999, EventID="10", TargetImage="C:\\Windows\\lsass.exe", GrantedAccess="0x1010")
    rows = [*ticks("a", steady(1), CommandLine="cmd /c dir"), {**opened, "SourceImage": "C:\\x.exe"}]
    made = lake_of(home / "lake", {SYSMON: rows})
    folder = home / "rules"
    folder.mkdir()
    for number, (name, (title, category, test, tag, level)) in enumerate(RULES.items()):
        (folder / f"{name}.yml").write_text(
            f"title: {json.dumps(title)}\nid: 00000000-0000-4000-8000-00000000000{number}\nlevel: {level}\n"
            f"tags: [{tag}]\nlogsource: {{product: windows, category: {category}}}\n"
            f"detection: {{s: {{{test}}}, condition: s}}\n"
        )
    RuleBook(made).add(folder, now=NOW)
    return made


@pytest.fixture(scope="module")
def seen(lake, duckdb_engine):
    return {one.id: one for one in techniques(lake, engine=duckdb_engine)}


def test_rules_analytics_and_data_are_told_apart(seen):
    dumped = seen["T1003.001"]
    assert [(rule.title, rule.lacks) for rule in dumped.rules] == [("LSASS opened", "")]
    assert {row.name: row.events for row in dumped.implied}["lsass-opened"] == 1
    access = next(one for one in dumped.components if one.name == "Process Access")
    assert (access.events, access.tables) == (1, (SYSMON,))
    assert navigator.score(dumped) == 7
    (odd,) = seen["T1071.004"].rules
    assert odd.lacks  # nothing here tells of names that were asked for
    assert not seen["T1071.004"].by_rules
    assert navigator.score(seen["T1543.002"]) == 0  # systemd: events of Windows say nothing of it
    assert navigator.score(seen["T1059.003"]) in (DATA, ANALYTICS + DATA)


def test_sub_techniques_count_for_their_parent_and_retired_ids_for_todays(seen):
    assert [rule.title for rule in seen["T1003"].rules] == ["LSASS opened"]
    assert [rule.title for rule in seen["T1059.001"].rules] == ["Old id"]
    assert [rule.title for rule in seen["T1059"].rules] == ["Old id"]
    assert seen["T1059.003"].rules == ()


def test_what_is_missing_says_what_would_bring_it(seen):
    registry = next(c for c in seen["T1003.001"].components if c.name == "Windows Registry Key Modification")
    assert registry.events == 0
    assert SYSMON in registry.brings
    assert "would come with" in navigator.component(registry)
    unknown = next(c for c in seen["T1003.001"].components if c.name == "User Account Metadata")
    assert (unknown.view, unknown.brings) == ("", ())


def test_a_table_counts_for_its_own_platforms():
    assert fits("windows_sysmon", frozenset(("Windows", "Linux")))
    assert not fits("windows_sysmon", frozenset(("Linux",)))
    assert not fits("linux_auditd", frozenset(("Windows",)))
    assert fits("zeek_conn", frozenset(("Windows",)))


def test_the_layer_is_what_the_navigator_reads(lake, seen):
    attack = load()
    layer = json.loads(navigator.dumped(navigator.layer(tuple(seen.values()), attack)))
    check_layer(layer, attack)
    by_id = {(one["techniqueID"], one["tactic"]): one for one in layer["techniques"]}
    dumped = by_id["T1003.001", "credential-access"]
    assert dumped["comment"].startswith("Rules: 1 with data here. Analytics: ")
    assert {"name": "rule", "value": "high: LSASS opened"} in dumped["metadata"]
    assert by_id["T1053.005", "execution"]["metadata"][0]["value"] == "low: A task \\x1b[2J<b>"
    waiting = by_id["T1071.004", "command-and-control"]
    assert waiting["comment"].startswith("Rules: 0 with data here, 1 without.")
    assert by_id["T1595", "reconnaissance"]["enabled"] is False
    assert "score" not in by_id["T1595", "reconnaissance"]


def test_every_combination_has_a_score_and_a_colour_of_its_own():
    rule, row, data = (
        RuleSeen("r", "R", "low", ("T1",)),
        ImpliedSeen("x", ("T1",), ("k",), 1),
        ComponentSeen("D", "v", 1),
    )
    bare = TechniqueSeen("T1595", "n", ("reconnaissance",))
    colours = {}
    for rules in ((), (replace(rule, lacks="no data"),), (rule,)):
        for implied in ((), (replace(row, events=0),), (row,)):
            for components in ((), (data,)):
                one = replace(bare, rules=rules, implied=implied, components=components)
                (told,) = navigator._placed(one)
                expected = 4 * (rules == (rule,)) + 2 * (implied == (row,)) + bool(components)
                assert told["score"] == expected
                colours.setdefault(told["color"], set()).add((expected, bool(rules) if not expected else None))
    assert len(colours) == 9
    assert all(len(combinations) == 1 for combinations in colours.values())


def test_the_command_writes_the_same_layer_every_time(lake, tmp_path: Path):
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for file in files:
        words = ["coverage", "--lake", str(lake.root), "--format", "navigator", "--output", str(file)]
        assert CliRunner().invoke(app, words).exit_code == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    check_layer(json.loads(files[0].read_bytes()), load())

"""Rules as a hostile author writes them: what would break every hunt is refused, and says why to its end."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from attack_tools import HOSTILE, event, lines, run

from vizsla.findings import runs
from vizsla.lake import Lake
from vizsla.sigma.load import load

EVERY = """title: every
id: every
level: low
logsource: {product: windows, category: process_creation}
detection: {s: {Image|endswith: whoami.exe}, condition: s}
"""


def correlation(name: str, *rules: str) -> str:
    return (
        f"---\ntitle: {name}\nid: {name}\nlevel: high\ncorrelation: {{type: event_count, rules: [{', '.join(rules)}],"
        f" group-by: [User], timespan: 1h, condition: {{gte: 1}}}}\n"
    )


def hunted(tmp_path: Path, rules: str) -> str:
    """What a hunt with these rules says."""
    (tmp_path / "rules.yml").write_text(EVERY + rules, encoding="utf-8")
    log = lines(tmp_path / "log.jsonl", [event(n) for n in range(3)])
    ran = run("hunt", log, "--rules", tmp_path / "rules.yml", "--analytic", "sigma")
    assert ran.code == 0, ran.said
    return " ".join(ran.said.split())


def test_a_tower_of_correlations(tmp_path: Path) -> None:
    """A thousand, each over the one before: the first are used, the others refused."""
    tower = [correlation("c0", "every"), *(correlation(f"c{n}", f"c{n - 1}") for n in range(1, 1000))]
    said = hunted(tmp_path, "".join(tower))
    assert "12 deep and 200 ways down are the most" in said
    assert "1 rule, 1 event" in said


def test_correlations_that_share_what_is_below(tmp_path: Path) -> None:
    """Each over both of the two before: the ways down double with each level."""
    ladder = [correlation("a0", "every"), correlation("b0", "every")]
    for n in range(1, 11):
        ladder += [correlation(f"{side}{n}", f"a{n - 1}", f"b{n - 1}") for side in "ab"]
    said = hunted(tmp_path, "".join(ladder))
    assert "12 deep and 200 ways down are the most" in said
    assert "2 rules, 2 events" in said


def test_a_refusal_says_why_to_its_end(tmp_path: Path) -> None:
    """A long pattern does not push the reason out of the sentence."""
    pattern = "(" + "|".join(f"x{n}" for n in range(3000)) + ")("
    (tmp_path / "r.yml").write_text(EVERY.replace("Image|endswith: whoami.exe", f"CommandLine|re: '{pattern}'"))
    (refused,) = load([tmp_path / "r.yml"]).refused
    assert len(refused.reason) <= 400
    assert refused.reason.endswith("a regular expression of 16892 characters: 16384 are the most"), refused.reason


def test_what_the_author_says_is_shown(tmp_path: Path) -> None:
    """Id, tags and notes of a rule stand with its evidence, in full and harmless; a thousand rules fill no screen."""
    own = EVERY.replace("id: every", f"id: one\ndescription: {json.dumps(HOSTILE)}\ntags: [attack.t1059]").replace(
        "level: low", "level: high\nfalsepositives: [Administrators who look around]"
    )
    more = "".join("---\n" + EVERY.replace("every", f"more{n}") for n in range(100))
    (tmp_path / "rules.yml").write_text(own + more, encoding="utf-8")
    log = lines(tmp_path / "log.jsonl", [event(1)])
    lake, page = tmp_path / "lake", tmp_path / "r.html"
    found = run("hunt", log, "--lake", lake, "--rules", tmp_path / "rules.yml", "--analytic", "sigma", "-o", page)
    assert found.code == 0, found.said
    shown = run("show", "1", "--lake", lake)
    said = " ".join(shown.out.split())
    for text in ("id: one", "harmless where: Administrators who look around", "tags: attack.t1059"):
        assert text in said
        assert text in page.read_text(encoding="utf-8")
    assert "(low) and 97 more" in said
    assert "89 more reasons: `--json` has them" in said
    assert shown.out.count("(low) met Image") < 20
    assert "<script>alert" not in page.read_text(encoding="utf-8")


def test_a_lake_that_is_only_for_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evidence that nobody may write: what is found is told, and that it is not kept."""
    (tmp_path / "rules.yml").write_text(EVERY, encoding="utf-8")
    log = lines(tmp_path / "log.jsonl", [event(1)])
    hunting = ("hunt", "--lake", tmp_path / "lake", "--rules", tmp_path / "rules.yml", "--analytic", "sigma")
    first = run("hunt", log, *hunting[1:])
    assert first.code == 0 and "not kept" not in first.said
    monkeypatch.setattr(os, "access", lambda place, mode: False)  # whoever runs this may be root
    again = run(*hunting)
    assert again.code == 0
    said = " ".join(again.said.split())
    assert "Met: 1 rule, 1 event." in said
    assert "findings not kept" in said
    assert "the lake cannot be written: Permission denied" in said
    monkeypatch.undo()
    assert len(runs(Lake.open(tmp_path / "lake"))) == 1


def test_a_correlation_that_hushes_a_rule_is_told_of(tmp_path: Path) -> None:
    """Whoever adds a correlation takes the voice of the rules that it names: a hunt says so."""
    hushed = correlation("never", "every").replace("gte: 1", "gte: 1000")
    assert "rules that only correlations speak for, as they ask: 1; their own hits are not told" in hunted(
        tmp_path, hushed
    )
    assert "only correlations speak for" not in hunted(tmp_path, "")


def test_a_level_that_is_none_is_told_of(tmp_path: Path) -> None:
    """Whoever misspells a level learns that the rule counts as medium."""
    odd = EVERY.replace("every", "odd").replace("level: low", "level: sever")
    said = hunted(tmp_path, "---\n" + odd)
    assert "'sever' is no level: taken for medium" in said


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(a+)+$", "1 rule, 1 event"),
        ("((a*)*)*b|(a|aa)+$", "1 rule, 1 event"),
        ("(?:" + "|".join(f"x{n}" for n in range(200_000)) + ")", "16384 are the most"),
        ("(((((a{1,100}){1,100}){1,100}){1,100}){1,100})$", "not loaded"),
    ],
    ids=["nested", "twice", "alternations", "counted"],
)
def test_regular_expressions_that_explode(tmp_path: Path, pattern: str, said: str) -> None:
    """Linear time, or refused with the reason; the hunt goes on."""
    rule = EVERY.replace("Image|endswith: whoami.exe", f"CommandLine|re: '{pattern}'")
    (tmp_path / "rules.yml").write_text(rule, encoding="utf-8")
    log = lines(tmp_path / "log.jsonl", [{**event(1), "CommandLine": "a" * 20_000}])
    began = time.process_time()
    ran = run("hunt", log, "--rules", tmp_path / "rules.yml", "--analytic", "sigma")
    assert ran.code == 0
    assert said in " ".join(ran.said.split())
    assert time.process_time() - began < 30


def test_a_million_alternatives(tmp_path: Path) -> None:
    """A file of rules has its bound; what lies below it is looked for at once."""
    many = "\n".join(f"    - v{n:x}" for n in range(1_000_000))
    text = EVERY.replace("s: {Image|endswith: whoami.exe}", "s:\n   CommandLine|contains:\n" + many + "\n ")
    text = text.replace("detection: {", "detection:\n  ").replace(", condition: s}", " condition: s")
    (tmp_path / "rules.yml").write_text(text, encoding="utf-8")
    log = lines(tmp_path / "log.jsonl", [event(1)])
    ran = run("hunt", log, "--rules", tmp_path / "rules.yml", "--analytic", "sigma")
    assert ran.code == 0
    assert "larger than 4 MiB: no file of rules is" in " ".join(ran.said.split())

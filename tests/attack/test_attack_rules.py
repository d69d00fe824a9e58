"""Rules as a hostile author writes them: what would break every hunt is refused, and says why to its end."""

from __future__ import annotations

from pathlib import Path

from attack_tools import event, lines, run

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

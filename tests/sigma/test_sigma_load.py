"""Rules from files: every modifier and condition, metadata, what is refused and why, hostile files."""

from __future__ import annotations

import io
import time
import zipfile
from pathlib import Path

import pytest

from vizsla.errors import RuleError
from vizsla.sigma.documents import LARGEST, Text, documents
from vizsla.sigma.load import Loaded, load, of_texts, read_placeholders
from vizsla.sigma.rule import And, Condition, Correlation, LogSource, Not, Or, Test

HEAD = "title: t\nlogsource: {product: windows, service: security}\ndetection:\n"


def loaded(text: str, **options: object) -> Loaded:
    return of_texts([Text("r.yml", text.encode(), True)], **options)  # type: ignore[arg-type]


def asked(detection: str, **options: object) -> Condition:
    """The condition of a rule with this detection."""
    found = loaded(HEAD + "  " + detection.replace("\n", "\n  "), **options)
    assert not found.refused, found.refused
    condition = found.rules[0].condition
    assert condition is not None
    return condition


def why(text: str) -> str:
    found = loaded(text)
    assert not found.rules
    (refused,) = found.refused
    return refused.reason


def equal(field: str, *values: str) -> Condition:
    tests = tuple(Test(field, "equals", value) for value in values)
    return tests[0] if len(tests) == 1 else Or(tests)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("F: Text", Test("F", "equals", "text")),
        ("F: ''", Test("F", "equals", "")),
        ("F: null", Test("F", "null", "")),
        ("F: []", Test("F", "null", "")),
        ("F: 4624", Test("F", "number", "4624")),
        ("F: 1.5", Test("F", "number", "1.5")),
        ("F: true", Test("F", "equals", "true")),
        ("F: '*'", Test("F", "exists", "true")),
        ("F: 'a*'", Test("F", "startswith", "a")),
        ("F: '*a'", Test("F", "endswith", "a")),
        ("F: '**a*'", Test("F", "contains", "a")),
        (r"F: 'a\*b'", Test("F", "equals", "a*b")),
        (r"F: 'C:\\*'", Test("F", "startswith", "c:\\")),
        ("F: 'ab?cd'", Test("F", "like", "(?is)ab.cd", literals=("ab",))),
        ("F|contains: Text", Test("F", "contains", "text")),
        ("F|startswith: Text", Test("F", "startswith", "text")),
        ("F|endswith: Text", Test("F", "endswith", "text")),
        ("F|contains|all: [a, b]", And((Test("F", "contains", "a"), Test("F", "contains", "b")))),
        ("F|cased: Text", Test("F", "equals", "Text", True)),
        ("F|contains|cased: Text", Test("F", "contains", "Text", True)),
        ("F|base64: foobar", Test("F", "equals", "zm9vymfy")),
        (
            "F|base64offset|contains: foobar",
            Or(tuple(Test("F", "contains", value) for value in ("zm9vymfy", "zvb2jhc", "mb29iyx"))),
        ),
        ("F|wide|base64: ab", Test("F", "equals", "yqbiaa==")),
        ("F|utf16le|base64: ab", Test("F", "equals", "yqbiaa==")),
        ("F|utf16be|base64: ab", Test("F", "equals", "ageayg==")),
        ("F|utf16|base64: ab", Test("F", "equals", "//5hagia")),
        ("F|windash|contains: ' -x'", Or(tuple(Test("F", "contains", f" {dash}x") for dash in "-/–—―"))),
        ("F|re: 'a.c'", Test("F", "re", "a.c", True)),
        ("F|re|i|m|s: foo.bar", Test("F", "re", "(?ims)foo.bar", True, ("foo",))),
        ("F|cidr: 10.0.0.0/8", Test("F", "cidr", "10.0.0.0/8")),
        ("F|cidr: 'fe80::/10'", Test("F", "cidr", "fe80::/10")),
        ("F|lt: 5", Test("F", "lt", "5")),
        ("F|lte: 5", Test("F", "lte", "5")),
        ("F|gt: 5", Test("F", "gt", "5")),
        ("F|gte: 5.5", Test("F", "gte", "5.5")),
        ("F|neq: 5", Not(Test("F", "number", "5"))),
        ("F|contains|neq: [a, b]", Not(Or((Test("F", "contains", "a"), Test("F", "contains", "b"))))),
        ("F|exists: true", Test("F", "exists", "true")),
        ("F|exists: false", Test("F", "exists", "false")),
        ("F|fieldref: G", Test("F", "field", "G")),
        ("F|fieldref|startswith: G", Test("F", "field_startswith", "G")),
        ("F|fieldref|endswith: G", Test("F", "field_endswith", "G")),
        ("F|fieldref|contains: G", Test("F", "field_contains", "G")),
        ("F|hour: 3", Test("F", "hour", "3")),
        ("F|hour|gte: 3", Test("F", "hour", "3", than="gte")),
        ("F|minute|lt: 3", Test("F", "minute", "3", than="lt")),
        ("F|day: 3", Test("F", "day", "3")),
        ("F|week: 3", Test("F", "week", "3")),
        ("F|month: 3", Test("F", "month", "3")),
        ("F|year: 2026", Test("F", "year", "2026")),
    ],
)  # fmt: skip
def test_every_modifier(written, expected):
    assert asked(f"s:\n  {written}\ncondition: s") == expected


A, B, C = equal("X", "a"), equal("X", "b"), equal("Y", "c")
PARTS = "s_a: {X: a}\ns_b: {X: b}\nc: {Y: c}\n"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("c", C),
        ("s_a and s_b and c", And((A, B, C))),
        ("s_a or s_b and not c", Or((A, And((B, Not(C)))))),
        ("(s_a or s_b) and c", And((Or((A, B)), C))),
        ("1 of s_*", Or((A, B))),
        ("any of s_*", Or((A, B))),
        ("all of s_*", And((A, B))),
        ("all of them", And((A, B, C))),
        ("1 of them", Or((A, B, C))),
        ("c and not 1 of s_*", And((C, Not(Or((A, B)))))),
        ("not not c", Not(Not(C))),
        ("[s_a, 'all of s_*']", Or((A, And((A, B))))),
    ],
)
def test_every_form_of_condition(written, expected):
    assert asked(f"{PARTS}condition: {written}") == expected


def test_lists_of_maps_and_keywords():
    condition = asked("k: [Foo, 'b*r', 7]\nm:\n  - {X: a, Y|contains: c}\n  - {X: b}\ncondition: k or m")
    words = (Test("", "contains", "foo"), Test("", "like", "(?is).*b.*r.*"), Test("", "contains", "7"))
    assert condition == Or((*words, And((A, Test("Y", "contains", "c"))), B))
    assert asked("k: {'|all': [x, y]}\ncondition: k") == And((Test("", "contains", "x"), Test("", "contains", "y")))


def test_placeholders_take_their_values_from_a_file(tmp_path):
    (tmp_path / "p.yml").write_text("servers: [dc1, 'dc2*']\n'%one%': 5\n")
    values = read_placeholders(tmp_path / "p.yml")
    assert values == {"servers": ("dc1", "dc2*"), "one": ("5",)}
    assert asked("s: {F|expand: 'a%servers%'}\ncondition: s", placeholders=values) == Or(
        (Test("F", "equals", "adc1"), Test("F", "startswith", "adc2"))
    )
    assert "%servers%" in why(HEAD + "  s: {F|expand: '%servers%'}\n  condition: s")
    (tmp_path / "bad.yml").write_text("- a\n")
    with pytest.raises(RuleError):
        read_placeholders(tmp_path / "bad.yml")


def test_what_a_rule_says_of_itself():
    text = """
title: A title
id: 6F2B9A3E-1111-4111-8111-000000000001
name: a_rule
status: Stable
level: HIGH
tags: [attack.execution, attack.t1059.001]
author: me
date: 2024/01/02
modified: 2025-03-04
references: [https://example.org]
falsepositives: [Admins]
fields: [X]
logsource: {Category: no, category: Process_Creation, product: Windows}
detection: {s: {X: 1}, condition: s}
"""
    (rule,) = loaded(text).rules
    assert (rule.id, rule.title, rule.name) == ("6f2b9a3e-1111-4111-8111-000000000001", "A title", "a_rule")
    assert (rule.level, rule.status, rule.author, rule.date) == ("high", "stable", "me", "2025-03-04")
    assert rule.techniques == ("T1059.001",) and rule.falsepositives == ("Admins",) and rule.fields == ("X",)
    assert rule.logsource == LogSource("process_creation", "windows", "") and rule.file == "r.yml"


def test_a_rule_without_an_id_has_a_hash_that_stays():
    text = HEAD + "  s: {X: 1}\n  condition: s"
    assert loaded(text).rules[0].id == loaded(text + "\nmodified: 2025-01-01").rules[0].id
    assert loaded(text).rules[0].id != loaded(text.replace("X: 1", "X: 2")).rules[0].id
    assert loaded(text).rules[0].version == loaded(text.replace("title: t", "title: u")).rules[0].version


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "  s: {X: 1}", "condition"),
        (HEAD + "  s: {X: 1}\n  condition: q", "'q'"),
        (HEAD + "  s: {X: 1}\n  condition: 1 of q*", "q*"),
        (HEAD + "  s: {X: 1}\n  condition: s | count() > 3", "pipe"),
        (HEAD + "  s: {X: 1}\n  condition: s and", "Expected"),
        (HEAD + "  s: {X|nope: 1}\n  condition: s", "nope"),
        (HEAD + "  s: {X|re: '(a'}\n  condition: s", "(a"),
        (HEAD + "  s: {X|re: '(a)\\1'}\n  condition: s", "bounded time"),
        (HEAD + "  s: {X|cidr: 10.0.0.0/99}\n  condition: s", "CIDR"),
        (HEAD + "  s: {X|lt: a}\n  condition: s", "LessThan"),
        (HEAD + "  s: []\n  condition: s", "bound to a field|empty|Null|null"),
        (HEAD + "  condition: 1", "No detections"),
        ("title: t\ndetection: {s: {X: 1}, condition: s}", "logsource"),
        ("title: t\nlogsource: {}\ndetection: {s: {X: 1}, condition: s}", "log source"),
        ("title: t\nlogsource: a\ndetection: {s: {X: 1}, condition: s}", "logsource"),
        ("title: t\nlogsource: {product: a}\ndetection: 5", "'detection' must be a map"),
        ("title: t\nlogsource: {product: a}", "no rule"),
        ("- 1", "no rule"),
        ("a: [", "not YAML"),
        ("a: !!python/object/apply:os.system [x]", "not YAML"),
        ("a: 1\na: 2\ndetection: {}", "twice"),
        ("\x00", "not YAML"),
        ("action: explode\ntitle: t", "explode"),
    ],
)  # fmt: skip
def test_what_is_refused_says_why(text, said):
    import re

    assert re.search(said if "|" in said and "bound" in said else re.escape(said), why(text))


def test_one_bad_document_costs_that_one():
    rule = HEAD + "  s: {X: %d}\n  condition: s\n"
    text = "---\n".join([rule % 1, "x: [\n", rule % 2, "", rule.replace("X:", "X|nope:") % 3, rule % 4])
    found = loaded(text)
    assert [rule.file for rule in found.rules] == ["r.yml", "r.yml#8", "r.yml#21"]
    assert [(one.place, one.reason[:8]) for one in found.refused] == [("r.yml#6", "not YAML"), ("r.yml#15", "Unknown ")]


def test_duplicates_are_told():
    rule = "id: 6f2b9a3e-1111-4111-8111-000000000001\n" + HEAD + "  s: {X: %d}\n  condition: s\n"
    found = loaded("---\n".join([rule % 1, rule % 1, rule % 2]))
    assert len(found.rules) == 1
    assert "the same rule as in r.yml" in found.told[0].reason
    assert "is that of another rule, in r.yml" in found.refused[0].reason


def test_a_level_that_is_none_is_told():
    found = loaded("level: hgih\n" + HEAD + "  s: {X: 1}\n  condition: s\n")
    assert found.rules[0].level == "medium" and "'hgih' is no level" in found.told[0].reason


def test_documents_for_all_that_follow():
    text = """
action: global
title: t
logsource: {product: windows}
detection: {condition: s}
---
id: a
detection: {s: {X: a}}
---
action: repeat
id: b
detection: {s: {X: b}}
---
action: reset
---
id: c
detection: {s: {X: c}, condition: s}
"""
    found = loaded(text)
    assert {rule.id: rule.condition for rule in found.rules} == {"a": A, "b": B}
    assert "logsource" in found.refused[0].reason


def test_filters_narrow_the_rules_that_they_name():
    rule = """
title: {0}
name: {0}
logsource: {{product: windows, category: {1}}}
detection: {{s: {{X: {0}}}, condition: s}}
---
"""
    rules = rule.format("a", "process_creation") + rule.format("b", "file_event")
    one = "title: f\nlogsource: {product: windows}\nfilter: {rules: [%s], s: {Y: c}, condition: not s}\n"
    by_name = loaded(rules + one % "a")
    assert [rule.condition for rule in by_name.rules] == [And((A, Not(C))), B]
    assert by_name.filters == 1 and by_name.rules[0].version != loaded(rules).rules[0].version
    everyone = loaded(rules + (one % "").replace("[]", "any"))
    assert [rule.condition for rule in everyone.rules] == [And((A, Not(C))), And((B, Not(C)))]
    source = loaded(rules + (one % "").replace("[]", "any").replace("windows}", "windows, category: file_event}"))
    assert [rule.condition for rule in source.rules] == [A, And((B, Not(C)))]
    assert "fits none" in loaded(rules + one % "zz").told[0].reason


IDS = [f"6f2b9a3e-1111-4111-8111-00000000000{n}" for n in range(10)]
BASE = "".join(
    f"title: {name}\nname: {name}\nid: {IDS[n]}\nlogsource: {{product: windows}}\n"
    f"detection: {{s: {{X: {name}}}, condition: s}}\n---\n"
    for n, name in enumerate("abc")
)


def correlated(text: str, also: str = "") -> Correlation:
    found = loaded(f"{BASE}title: z\nid: {IDS[9]}\ncorrelation: {{{text}}}\n{also}")
    assert not found.refused, found.refused
    made = next(rule for rule in found.rules if rule.id == IDS[9]).correlation
    assert made is not None
    return made


def test_every_kind_of_correlation():
    assert correlated("type: event_count, rules: a, timespan: 5m, group-by: U, condition: {gte: 3}") == Correlation(
        "event_count", (IDS[0],), 300, ("U",), {}, (("gte", 3.0),)
    )
    assert correlated(
        f"type: value_count, rules: [{IDS[1].upper()}], timespan: 1h, condition: {{gt: 3, lte: 9, field: [V, W]}}"
    ) == Correlation("value_count", (IDS[1],), 3600, (), {}, (("gt", 3.0), ("lte", 9.0)), ("V", "W"))
    for kind in ("value_sum", "value_avg"):
        made = correlated(f"type: {kind}, rules: [a], timespan: 1d, condition: {{lt: 2.5, field: V}}")
        assert made == Correlation(kind, (IDS[0],), 86400, (), {}, (("lt", 2.5),), ("V",))
    percentile = correlated(
        "type: value_percentile, rules: [a], timespan: 1w, condition: {eq: 1, field: V, percentile: 95}"
    )
    assert (percentile.percentile, percentile.seconds) == (95.0, 604800)
    median = correlated("type: value_median, rules: [a], timespan: 1m, condition: {neq: 1, field: V}")
    assert (median.kind, median.percentile) == ("value_percentile", 50.0)
    ordered = correlated(
        "type: temporal_ordered, rules: [b, a], timespan: 9s, aliases: {u: {a: X, b: Y}}, group-by: [u]"
    )
    assert ordered == Correlation(
        "temporal_ordered", (IDS[1], IDS[0]), 9, ("u",), {"u": {IDS[0]: "X", IDS[1]: "Y"}}, (("gte", 2.0),)
    )
    extended = correlated("type: temporal, timespan: 1m, condition: '(a or b) and not c'")
    rule = [Test("rule", "equals", one, True) for one in IDS]
    assert extended.extended == And((Or((rule[0], rule[1])), Not(rule[2]))) and extended.rules == tuple(IDS[:3])


def test_correlations_of_correlations_come_after_what_they_speak_of():
    text = f"""{BASE}title: outer
id: {IDS[8]}
correlation: {{type: event_count, rules: [inner], timespan: 1h, condition: {{gte: 2}}}}
---
title: inner
id: {IDS[7]}
name: inner
correlation: {{type: event_count, rules: [a], timespan: 1m, condition: {{gte: 2}}, generate: true}}
"""
    found = loaded(text)
    assert [rule.id for rule in found.rules] == [*IDS[:3], IDS[7], IDS[8]]
    assert {rule.id for rule in found.rules if rule.silent} == {IDS[7]}, "a speaks on: generate"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("type: event_count, rules: [nowhere], timespan: 1m, condition: {gte: 1}", "not here: nowhere"),
        (f"type: event_count, rules: [{IDS[9]}], timespan: 1m, condition: {{gte: 1}}", "speaks of itself"),
        ("type: event_count, rules: [], timespan: 1m, condition: {gte: 1}", "at least one rule"),
        ("type: event_count, rules: [a], timespan: 1m", "condition"),
        ("type: event_count, rules: [a], timespan: 0m, condition: {gte: 1}", "greater than zero"),
        ("type: event_count, rules: [a], timespan: 9y, condition: {gte: 1}", "more than a year"),
        ("type: event_count, rules: [a], condition: {gte: 1}", "timespan"),
        ("type: nope, rules: [a], timespan: 1m, condition: {gte: 1}", "nope"),
        ("type: value_count, rules: [a], timespan: 1m, condition: {gte: 1}", "field"),
        ("type: value_percentile, rules: [a], timespan: 1m, condition: {gte: 1, field: V}", "percentile"),
        (
            "type: value_percentile, rules: [a], timespan: 1m, condition: {gte: 1, field: V, percentile: 101}",
            "percentile",
        ),
    ],
)
def test_correlations_that_cannot_be(text, said):
    found = loaded(f"{BASE}title: z\nid: {IDS[9]}\ncorrelation: {{{text}}}\n")
    assert len(found.rules) == 3 and not any(rule.silent for rule in found.rules)
    assert said in found.refused[0].reason


def test_folders_and_zips(tmp_path):
    rule = HEAD + "  s: {X: %s}\n  condition: s\n"
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (tmp_path / "b.yml").write_text(rule % 1)
    (tmp_path / "in" / "deep" / "a.YAML").write_text(rule % 2)
    (tmp_path / ".git" / "x.yml").write_text(rule % 3)
    (tmp_path / "note.yml").write_text("just: a file\n")
    (tmp_path / "c.txt").write_text(rule % 4)
    found = load([tmp_path])
    assert [Path(rule.file).name for rule in found.rules] == ["b.yml", "a.YAML"]
    assert found.passed == 1 and not found.refused
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x/a.yml", rule % 5)
        archive.writestr("../../etc/b.yml", rule % 6)
        archive.writestr("c.txt", "no")
    (tmp_path / "r.zip").write_bytes(packed.getvalue())
    assert [rule.file for rule in load([tmp_path / "r.zip"]).rules] == [
        f"{tmp_path}/r.zip!../../etc/b.yml",
        f"{tmp_path}/r.zip!x/a.yml",
    ]
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 no")
    assert "archive cannot be read" in load([tmp_path / "bad.zip"]).refused[0].reason
    assert len(load([tmp_path / "c.txt"]).rules) == 1, "a file that is named is read, whatever its name"
    with pytest.raises(RuleError):
        load([tmp_path / "nowhere"])


def test_links_that_lead_round_are_read_once(tmp_path):
    (tmp_path / "a.yml").write_text(HEAD + "  s: {X: 1}\n  condition: s\n")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone.yml").symlink_to(tmp_path / "nowhere")
    found = load([tmp_path])
    assert len(found.rules) == 1 and "cannot be read" in found.refused[0].reason


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {k: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 30)}]}}\n"
    for before, name in zip("abcdef", "bcdefg", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LAUGHS, "grows out of bounds"),
        (MERGES, "grows out of bounds"),
        ("a: &a [*a]", "holds itself"),
        ("a: " + "[" * 100_000, "nested deeper"),
        ("- " * 100_000 + "a", "nested deeper"),
        ("a: " + "{a: " * 1_000 + "1" + "}" * 1_000, "nested deeper"),
        ("a: [" + "1," * 300_000 + "]", "grows out of bounds"),
        ("a: " + "9" * 5_000, "cannot be read"),
        (HEAD + "  s: {X: 1}\n  condition: " + "(" * 200 + "s" + ")" * 200, "nested deeper"),
        (HEAD + "  s: {X: 1}\n  condition: " + "not " * 500 + "s", "nested deeper"),
        (HEAD + "  s: {X: 1}\n  condition: " + " or ".join(["s"] * 5_000), "characters"),
        (HEAD + "  s: {X: [" + "ab, " * 30_000 + "]}\n  condition: s", "values"),
        (HEAD + "  s: {X|windash: [" + "' -a -b -c', " * 1_000 + "]}\n  condition: s", "values"),
        (HEAD + "  s: {X: [" + "ab, " * 10_000 + "]}\n  condition: " + " or ".join(["s"] * 500), "too often"),
        (HEAD + "  s: {X|re: '" + "((((a{99}){99}){99}){99})" + "'}\n  condition: s", "bounded time"),
        (HEAD + "  s: {X: '" + "x" * 40_000 + "'}\n  condition: s", "value of more than"),
    ],
)  # fmt: skip
def test_hostile_files_are_refused_at_once(text, said):
    began = time.process_time()
    assert said in why(text)
    assert time.process_time() - began < 20  # seconds, on a machine that does other things too


def test_long_but_honest_rules_load():
    condition = " and ".join(["(a or not b)"] * 150)
    assert asked(f"a: {{X: a}}\nb: {{X: b}}\ncondition: {condition}") == Or((A, Not(B)))
    assert len(asked("s: {X: [" + ", ".join(f"v{n}" for n in range(5_000)) + "]}\ncondition: s").of) == 5_000


def test_files_are_bounded(tmp_path):
    (tmp_path / "big.yml").write_bytes(b"#" * (LARGEST + 1))
    assert "larger than" in load([tmp_path]).refused[0].reason
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.yml", b"#" * (LARGEST * 4))
    assert "larger than" in load([tmp_path / "bomb.zip"]).refused[0].reason
    many = Text("m.yml", b"---\na: 1\n" * 20_000)
    assert len(list(documents(many))) == 1


def test_kinds_of_one_event_of_auditd():
    text = "title: t\nlogsource: {product: linux, service: auditd}\ndetection: {s: {type: PATH}, condition: not s}\n"
    first = Test("type", "equals", "path")
    among = Test("types", "re", "(?i)(?:^|,)path(?:,|$)", True, ("path",))
    assert loaded(text).rules[0].condition == Not(Or((first, among)))


@pytest.mark.real_data
def test_all_of_sigmahq_loads_or_says_why(real_data):
    found = load([path for path in sorted((real_data / "sigma").iterdir()) if path.name.startswith("rules")])
    assert len(found.rules) > 3_700
    assert len(found.refused) < 0.01 * len(found.rules)
    assert all(one.reason for one in found.refused)
    named = {rule.id for rule in found.rules}
    assert len(named) == len(found.rules)

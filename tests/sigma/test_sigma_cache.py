"""Compiled rules on disk: the same as fresh ones, never out of date, harmless whatever stands there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizsla.errors import RuleError
from vizsla.sigma import cache as cached
from vizsla.sigma.cache import KEPT, load_cached
from vizsla.sigma.load import load
from vizsla.sigma.plain import HOWS, from_condition, from_rule, to_condition, to_rule
from vizsla.sigma.rule import And, Not, Or, Test

RULE = "title: t\nid: {id}\nlogsource: {{product: windows}}\ndetection: {{s: {{X|re: '{x}.y', Z: 1}}, condition: s}}\n"
MORE = """
title: f
logsource: {product: windows}
filter: {rules: any, s: {Y: c}, condition: not s}
---
title: c
correlation: {type: event_count, rules: [a], timespan: 1m, group-by: [U], condition: {gte: 2}, generate: true}
---
title: bad
detection: 5
---
title: odd
id: odd
level: nope
logsource: {product: windows}
detection: {s: {X: 5}, condition: s}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    for name in "ab":
        (folder / f"{name}.yml").write_text(RULE.format(id=name, x=name))
    (folder / "more.yml").write_text(MORE)
    return folder


def compiled_again(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The contents of the files that are compiled from now on."""
    seen: list[str] = []
    fresh = cached.unit
    monkeypatch.setattr(cached, "unit", lambda text, values=None: (seen.append(text.name), fresh(text, values))[1])
    return seen


def test_the_cache_gives_what_loading_gives(rules, tmp_path, monkeypatch):
    first = load_cached([rules], folder=tmp_path / "c")
    seen = compiled_again(monkeypatch)
    assert load_cached([rules], folder=tmp_path / "c") == first == load([rules])
    assert seen == []
    assert len(first.rules) == 4 and len(first.refused) == 1 and len(first.told) == 1 and first.filters == 1


def test_only_what_changed_is_compiled_again(rules, tmp_path, monkeypatch):
    load_cached([rules], folder=tmp_path / "c")
    seen = compiled_again(monkeypatch)
    (rules / "a.yml").write_text(RULE.format(id="a", x="changed"))
    again = load_cached([rules], folder=tmp_path / "c")
    assert [Path(name).name for name in seen] == ["a.yml"] and again == load([rules])
    moved = rules.rename(tmp_path / "moved")
    assert load_cached([moved], folder=tmp_path / "c") == load([moved])
    assert len(seen) == 1


def test_placeholders_and_code_are_part_of_the_key(rules, tmp_path, monkeypatch):
    (rules / "p.yml").write_text(RULE.format(id="p", x="p").replace("Z: 1", "'Z|expand': '%z%'"))
    assert len(load_cached([rules], folder=tmp_path / "c").refused) == 2
    with_values = load_cached([rules], folder=tmp_path / "c", placeholders={"z": ("1",)})
    assert len(with_values.refused) == 1
    seen = compiled_again(monkeypatch)
    monkeypatch.setattr(cached, "_code", lambda: b"another")
    load_cached([rules], folder=tmp_path / "c")
    assert len(seen) == 4


@pytest.mark.parametrize("harm", ["cut", "changed", "empty", "other"])
def test_a_damaged_cache_is_made_again(rules, tmp_path, harm):
    first = load_cached([rules], folder=tmp_path / "c")
    (file,) = (tmp_path / "c").glob("*.json")
    data = file.read_bytes()
    harmed = {"cut": data[:-9], "changed": data.replace(b'"re"', b'"xx"'), "empty": b"", "other": b"\x80\x04K\x01."}
    file.write_bytes(harmed[harm])
    assert load_cached([rules], folder=tmp_path / "c") == first
    assert file.read_bytes() == data


def resealed(file: Path, body: object) -> None:
    """What somebody who may write the folder can put there: content of their own, with a hash that fits."""
    raw = orjson.dumps(body)
    file.write_bytes(b"vizsla-rules " + hashlib.sha256(raw).hexdigest().encode() + b"\n" + raw)


@pytest.mark.parametrize(
    "value",
    [
        {"rules": [{"id": "x", "logsource": ["", "", ""], "condition": ["__import__", "os", "system"]}]},
        {"rules": [{"id": "x", "logsource": ["", "", ""], "condition": [["equals"], {}, 5]}]},
        {"rules": [{"id": "x", "logsource": ["", ""], "condition": ["equals", "a", "b"]}]},
        {"rules": [{"id": 5, "logsource": ["", "", ""], "condition": ["equals", "a", "b"]}]},
        {"rules": [{"id": "x", "logsource": ["", "", ""]}]},
        {"rules": 7},
        {"rules": [], "filters": [[1, 2, 3]]},
        {"rules": [], "refused": "no"},
        "text",
        5,
    ],
)
def test_a_poisoned_cache_becomes_rules_or_nothing(rules, tmp_path, value):
    first = load_cached([rules], folder=tmp_path / "c")
    (file,) = (tmp_path / "c").glob("*.json")
    keys = list(orjson.loads(file.read_bytes().partition(b"\n")[2]))
    resealed(file, dict.fromkeys(keys, value))
    assert load_cached([rules], folder=tmp_path / "c") == first
    resealed(file, value)
    assert load_cached([rules], folder=tmp_path / "c") == first


def test_a_condition_nested_without_end_is_refused():
    nested: list[object] = ["equals", "a", "b"]
    for _ in range(5_000):
        nested = ["not", nested]
    with pytest.raises(RuleError):
        from_condition(nested)


def test_a_folder_that_cannot_be_written_costs_only_time(rules, tmp_path):
    (tmp_path / "file").write_text("")
    assert load_cached([rules], folder=tmp_path / "file" / "c") == load([rules])


def test_few_caches_are_kept(rules, tmp_path):
    for n in range(KEPT + 4):
        (rules / "a.yml").write_text(RULE.format(id="a", x=f"v{n}"))
        load_cached([rules], folder=tmp_path / "c")
        for age, path in enumerate((tmp_path / "c").iterdir()):
            os.utime(path, (1_700_000_000 + age, 1_700_000_000 + age))
    assert len(list((tmp_path / "c").iterdir())) <= KEPT


def test_the_users_own_folder(monkeypatch, tmp_path, rules):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    load_cached([rules])
    (folder,) = (tmp_path / "own" / "vizsla").iterdir()
    assert folder.name == "rules" and len(list(folder.iterdir())) == 1
    assert folder.stat().st_mode & 0o077 == 0


WORDS = st.text(max_size=5)
TESTS = st.builds(
    Test, WORDS, st.sampled_from(sorted(HOWS)), WORDS, st.booleans(), st.lists(WORDS, max_size=2).map(tuple), WORDS
)
CONDITIONS = st.recursive(
    TESTS,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, max_size=3).map(tuple)),
    ),
)


@given(CONDITIONS)
def test_conditions_come_back_as_they_were(condition):
    assert from_condition(orjson.loads(orjson.dumps(to_condition(condition)))) == condition


def test_rules_come_back_as_they_were(rules):
    for rule in load([rules]).rules:
        assert from_rule(orjson.loads(orjson.dumps(to_rule(rule)))) == rule

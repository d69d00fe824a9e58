"""Rules kept beside a lake: copied with where they came from, read again, removed; and the commands for it."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from vizsla.cli.main import app
from vizsla.errors import RuleError
from vizsla.lake import Lake
from vizsla.sigma.book import RuleBook

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
RULE = """title: Rule {name}
id: {name}
status: {status}
level: {level}
tags: [attack.execution, {tag}]
logsource: {{product: {product}, service: {service}}}
detection: {{s: {{X: {value}}}, condition: s}}
"""


def written(path: Path, name: str, value: str = "1", **more: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    said = {"status": "test", "level": "high", "tag": "attack.t1059.001", "product": "windows", "service": "security"}
    path.write_text(RULE.format(name=name, value=value, **{**said, **more}))
    return path


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake", create=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written(tmp_path / "repo" / "rules" / "deep" / "a.yml", "a")
    written(tmp_path / "repo" / "rules" / "b.yaml", "b", level="low", status="stable")
    (tmp_path / "repo" / "LICENSE").write_text("# Licenses\n\nUnder the [Some Rule License (SRL) 1.1](https://x)\n")
    (tmp_path / "repo" / "rules" / "readme.txt").write_text("no rule")
    return tmp_path / "repo" / "rules"


def test_rules_are_copied_with_where_they_came_from(lake, folder):
    book = RuleBook(lake)
    added = book.add(folder, now=NOW)
    assert (added.new, added.changed, added.gone) == (2, 0, 0)
    (kept,) = book.collections()
    assert kept == added.collection
    assert (kept.name, kept.origin, kept.added, kept.updated, kept.files) == ("rules", str(folder), NOW, NOW, 2)
    assert kept.licence == "Some Rule License (SRL) 1.1"
    assert "Some Rule License" in (lake.root / "rules" / "rules" / "LICENSE").read_text()
    loaded = book.load()
    assert {rule.id: Path(rule.file).relative_to(lake.root).as_posix() for rule in loaded.rules} == {
        "a": "rules/rules/files/deep/a.yml",
        "b": "rules/rules/files/b.yaml",
    }


def test_an_update_reads_the_same_path_again(lake, folder):
    book = RuleBook(lake)
    book.add(folder, now=NOW)
    (folder / "b.yaml").unlink()
    written(folder / "deep" / "a.yml", "a", value="2")
    written(folder / "c.yml", "c")
    for again in (book.update("rules", now=LATER), book.add(folder, now=LATER)):
        assert (again.collection.added, again.collection.updated) == (NOW, LATER)
        assert {rule.id for rule in book.load().rules} == {"a", "c"}
    first = RuleBook(Lake.open(lake.root)).update("rules", now=LATER)
    assert (first.new, first.changed, first.gone) == (0, 0, 0)


def test_an_update_says_what_changed(lake, folder):
    book = RuleBook(lake)
    book.add(folder, now=NOW)
    (folder / "b.yaml").unlink()
    written(folder / "deep" / "a.yml", "a", value="2")
    written(folder / "c.yml", "c")
    added = book.update("rules", now=LATER)
    assert (added.new, added.changed, added.gone) == (1, 1, 1)


def test_what_is_kept_stays_where_its_source_is_gone_or_broken(lake, folder, tmp_path):
    book = RuleBook(lake)
    book.add(folder, now=NOW)
    moved = folder.rename(tmp_path / "moved")
    with pytest.raises(RuleError):
        book.update("rules", now=LATER)
    folder.mkdir()
    (folder / "bad.yml").write_text("detection: [\n")
    with pytest.raises(RuleError):
        book.update("rules", now=LATER)
    assert {rule.id for rule in book.load().rules} == {"a", "b"}
    assert [path.name for path in (lake.root / "rules").iterdir() if not path.name.startswith(".")] == ["rules"]
    assert moved.exists()


def test_names(lake, folder, tmp_path):
    book = RuleBook(lake)
    book.add(folder, now=NOW)
    other = tmp_path / "other" / "rules"
    written(other / "x.yml", "x")
    assert book.add(other, now=NOW).collection.name == "rules-2"
    assert book.add(other / "x.yml", now=NOW, name="mine").collection.name == "mine"
    with pytest.raises(RuleError, match="added from elsewhere"):
        book.add(folder / "b.yaml", now=NOW, name="mine")
    for wrong in ("", "../x", "A", ".hidden"):
        with pytest.raises(RuleError):
            book.add(folder, now=NOW, name=wrong)
    assert book.remove("rules").origin == str(folder)
    assert [one.name for one in book.collections()] == ["mine", "rules-2"] and folder.exists()
    with pytest.raises(RuleError, match="no rules are kept as"):
        book.remove("rules")


def test_archives_stay_within_their_folder(lake, tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, rule in (("../../../out.yml", "o"), ("/abs.yml", "p"), ("in/a b.yml", "q"), ("in/../a.yml", "r")):
            archive.writestr(name, written(tmp_path / "w.yml", rule).read_text())
    (tmp_path / "Some Rules.zip").write_bytes(packed.getvalue())
    book = RuleBook(lake)
    added = book.add(tmp_path / "Some Rules.zip", now=NOW)
    assert added.collection.name == "some-rules" and added.new == 4
    home = lake.root / "rules" / "some-rules" / "files"
    inside = sorted(path.relative_to(home).as_posix() for path in home.rglob("*.yml"))
    assert inside == ["abs.yml", "in/a b.yml", "in/a.yml", "out.yml"]
    assert {rule.id for rule in book.load().rules} == set("opqr")


def test_nothing_is_kept_of_what_holds_no_rule(lake, tmp_path):
    (tmp_path / "a.yml").write_text("a: 1\n")
    with pytest.raises(RuleError, match="no rule that can be used"):
        RuleBook(lake).add(tmp_path / "a.yml", now=NOW)
    assert RuleBook(lake).collections() == () and RuleBook(lake).load().rules == ()


def test_placeholders_are_kept_with_their_rules(lake, tmp_path):
    rule = written(tmp_path / "r" / "a.yml", "a")
    rule.write_text(rule.read_text().replace("X: 1", "'X|expand': '%servers%'"))
    (tmp_path / "p.yaml").write_text("servers: [dc1]\n")
    book = RuleBook(lake)
    with pytest.raises(RuleError, match="%servers%"):
        book.add(tmp_path / "r", now=NOW)
    book.add(tmp_path / "r", now=NOW, placeholders=tmp_path / "p.yaml")
    (tmp_path / "p.yaml").unlink()
    assert len(book.update("r", now=LATER).loaded.rules) == 1
    assert book.placeholders() == {"servers": ("dc1",)} and len(book.load().rules) == 1


def test_a_damaged_collection_is_told(lake, folder):
    book = RuleBook(lake)
    book.add(folder, now=NOW)
    (lake.root / "rules" / "rules" / "about.json").write_text("{}")
    with pytest.raises(RuleError, match="cannot be read"):
        book.load()


def vizsla(*args: str) -> Result:
    return CliRunner().invoke(app, list(args))


def test_the_commands(tmp_path, folder, monkeypatch):
    monkeypatch.setenv("VIZSLA_LAKE", str(tmp_path / "new-lake"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (folder / "bad.yml").write_text("title: bad\nlogsource: {product: a}\ndetection: {s: {X|no: 1}, condition: s}\n")
    added = vizsla("rules", "add", str(folder))
    assert added.exit_code == 0, added.output
    assert "rules: 2 rules (2 new, 0 changed, 0 gone)" in added.stdout
    assert "bad.yml: Unknown modifier 'no'" in added.stderr and "Some Rule License" in added.stderr
    every = vizsla("rules", "list", "--format", "jsonl")
    rows = [orjson.loads(line) for line in every.stdout.splitlines()]
    assert [(row["id"], row["level"], row["techniques"]) for row in rows] == [
        ("a", "high", "T1059.001"),
        ("b", "low", "T1059.001"),
    ]
    assert all(row["lacks"].startswith("no data here") for row in rows)
    assert "2 rules of 2, 0 with data here; 1 cannot be used (--refused)" in every.stderr
    for options, ids in (
        (("--level", "medium"), ["a"]),
        (("--status", "stable"), ["b"]),
        (("--status", "stable", "--status", "test"), ["a", "b"]),
        (("--tag", "T1059"), ["a", "b"]),
        (("--product", "linux"), []),
        (("--data",), []),
        (("--no-data",), ["a", "b"]),
    ):
        found = vizsla("rules", "list", "--format", "csv", *options)
        assert [row["id"] for row in csv.DictReader(io.StringIO(found.stdout))] == ids, options
    assert "Unknown modifier" in vizsla("rules", "list", "--refused", "--format", "csv").stdout
    assert str(folder) in vizsla("rules", "list", "--kept", "--format", "csv").stdout
    more = written(tmp_path / "more.yml", "more")
    assert '"more"' in vizsla("rules", "list", "--rules", str(more), "--format", "jsonl").stdout
    assert "2 rules (0 new, 0 changed, 0 gone)" in vizsla("rules", "update").stdout
    assert "Removed rules" in vizsla("rules", "remove", "rules").stdout
    assert "vizsla rules add PATH" in vizsla("rules", "list").stderr


def test_commands_that_cannot_be_meant(tmp_path, folder, monkeypatch):
    monkeypatch.setenv("VIZSLA_LAKE", str(tmp_path / "new-lake"))
    assert vizsla("rules", "add", str(tmp_path / "nowhere")).exit_code == 2
    assert vizsla("rules", "add", str(folder), str(folder / "b.yaml"), "--name", "x").exit_code == 2
    assert vizsla("rules", "list").exit_code == 2, "there is no lake yet"
    Lake.open(tmp_path / "new-lake", create=True)
    assert vizsla("rules", "update").exit_code == 2
    assert vizsla("rules", "update", "nothing").exit_code == 2
    assert vizsla("rules", "remove", "nothing").exit_code == 2
    assert vizsla("rules", "list", "--level", "highest").exit_code == 2

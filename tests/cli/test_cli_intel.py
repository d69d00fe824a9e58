"""`vizsla intel` from the command line: what it says, where, and with which exit code."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from intel_samples import claim, object_id
from vizsla import feeds
from vizsla.cli.main import app
from vizsla.errors import FeedError
from vizsla.feed import Read
from vizsla.intel import attack, kept, pull
from vizsla.intel.store import Store
from vizsla.lake import Lake
from vizsla.nouns.indicator import Claim, Refused

HOSTILE = "evil\x1b[2J\u202e.bad-name.com"


@dataclass(frozen=True)
class Lines:
    """A format for tests: a domain a line, '#bad' a refusal, '#torn' an error."""

    name: str = "lines"
    doc: str = "One domain a line."

    def sniff(self, head: bytes, name: str) -> float:
        return 1.0 if head.startswith(b"LINES") else 0.0

    def read(self, path: Path, feed: str) -> Iterator[Read]:
        for number, line in enumerate(path.read_text().splitlines()[1:], start=2):
            if line == "#torn":
                raise FeedError("torn in the middle", where=str(path))
            if line == "#bad":
                yield Refused(f"line {number}", "no \x1b[31mdomain")
            else:
                context = "=cmd|' /C calc'!A0"
                yield Claim("domain", line, feed, source=f"line {number}", context=context, tags=("=1+1",))


@pytest.fixture(autouse=True)
def one_format(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only the format above is known, and the lake is the test's own."""
    monkeypatch.setattr(feeds, "_loaded", lambda: SimpleNamespace(found={"lines": Lines()}, failed={}))
    monkeypatch.setenv("VIZSLA_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two feeds, one of them damaged, and a file of unknown kind."""
    home = tmp_path / "feeds"
    (home / "below").mkdir(parents=True)
    (home / "one.txt").write_text(f"LINES\na.bad-name.com\nb.bad-name.com\n#bad\n{HOSTILE}\n")
    (home / "below" / "two.txt").write_text("LINES\nb.bad-name.com\n#torn\nc.bad-name.com\n")
    (home / "cat.jpg").write_bytes(b"\xff\xd8\xff")
    return home


def run(*words: str, code: int = 0) -> Result:
    """A command that must end with this exit code."""
    result = CliRunner().invoke(app, ["intel", *words])
    assert result.exit_code == code, result.output
    return result


def rows(*words: str) -> list[dict[str, object]]:
    """What `list` says, as JSON lines."""
    return [json.loads(line) for line in run("list", "--format", "jsonl", *words).stdout.splitlines()]


def test_every_file_is_read_refused_or_of_unknown_kind(folder: Path) -> None:
    result = run("add", str(folder), code=3)
    assert "2 files read: 4 claims: 4 new, 0 changed, 0 known; 1 refused." in result.stdout
    assert "not read to its end" in result.stderr
    assert "two.txt: torn in the middle" in result.stderr
    assert "of unknown kind" in result.stderr
    assert "cat.jpg" in result.stderr
    assert "one.txt, line 4: no \\x1b[31mdomain" in result.stderr
    assert "\x1b" not in result.output
    assert "4 claims: 0 new, 0 changed, 4 known" in run("add", str(folder), code=3).stdout
    found = {row["value"]: row["feeds"] for row in rows()}
    assert found == {value: ["feeds"] for value in ("a.bad-name.com", "b.bad-name.com", HOSTILE)}
    assert [row["claims"] for row in rows("--value", "b.bad-name.com")] == [2]  # in two files of the feed


def test_options_of_add(folder: Path) -> None:
    run("add", str(folder / "one.txt"), "--feed", "mine", "--confidence", "70", "--tlp", "amber", "--valid-days", "5")
    (row,) = rows("--value", "a.*")
    assert (row["feeds"], row["confidence"], row["tlp"]) == (["mine"], 70.0, "amber")
    assert row["valid_until"] is not None
    assert "no format of intelligence is named 'magic'" in run("add", str(folder), "--format", "magic", code=2).stderr
    assert "no such file" in run("add", "nothing.txt", code=2).stderr
    run("add", str(folder), "--tlp", "purple", code=2)


def test_list_filters_and_formats(folder: Path) -> None:
    run("add", str(folder / "one.txt"), "--feed", "one")
    run("add", str(folder / "below" / "two.txt"), "--feed", "two", code=3)
    assert len(rows("--feed", "two")) == 1
    assert len(rows("--type", "domain")) == 3
    assert rows("--type", "md5") == []
    assert [row["value"] for row in rows("--value", "?.BAD-name.com", "--feed", "two")] == ["b.bad-name.com"]
    assert rows("--state", "expired") == []
    assert "no state is called 'odd'" in run("list", "--state", "odd", code=2).stderr
    assert "no type is called 'odd'" in run("list", "--type", "odd", code=2).stderr
    table = run("list", "--top", "1")
    assert "1 of 3" in table.stderr
    assert "\\x1b[2J\\u202e" in run("list").stdout
    text = run("list", "--format", "csv").stdout
    assert "\x1b" not in text
    assert "\u202e" not in text
    for row in csv.DictReader(io.StringIO(text)):
        assert not any(cell.startswith(("=", "+", "@")) for cell in row.values() if cell)


def test_show(folder: Path) -> None:
    run("add", str(folder / "one.txt"), "--confidence", "80")
    said = run("show", "hxxp://a[.]bad-name[.]com", code=2)
    assert "nothing is known of it" in said.stderr
    said = run("show", "a[.]bad-name[.]com")
    assert "domain  a.bad-name.com" in said.stdout
    assert "confidence  80 of 100, by 1 feed" in said.stdout
    assert "score 80 of 80; decays below 30 on" in said.stdout
    assert "worth       6.0 bits" in said.stdout
    assert "1 claim:" in said.stdout
    (row,) = rows("--value", "a.bad*")
    assert run("show", str(row["id"])).stdout == said.stdout
    assert json.loads(run("show", str(row["id"]), "--format", "jsonl").stdout)["value"] == "a.bad-name.com"
    assert "\\x1b" in run("show", str(rows("--value", "evil*")[0]["id"])).stdout


def test_allow_and_warning_lists(folder: Path, tmp_path: Path) -> None:
    run("add", str(folder / "one.txt"))
    run("allow", "a.bad-name.com", "--reason", "ours")
    said = run("show", "a.bad-name.com").stdout
    assert "dropped by allow list by hand" in said
    assert "why         ours" in said
    assert "a.bad-name.com" not in [row["value"] for row in rows()]
    assert [row["silenced_why"] for row in rows("--state", "silenced")] == ["ours"]
    assert "wider than" in run("allow", "0.0.0.0/0", code=2).stderr
    allowed = tmp_path / "allow.txt"
    allowed.write_text("b.bad-name.com\n/(/\n")
    assert "1 entry allowed" in run("allow", str(allowed), code=3).stdout
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "mine.json").write_text(
        json.dumps({"name": "my list", "type": "substring", "list": ["evil", "x"], "matching_attributes": ["domain"]})
    )
    (lists / "other.txt").write_text("hello")
    (lists / "torn.json").write_text('{"name": "torn", "list": [')
    result = run("warninglists", "add", str(lists), code=3)
    assert "my list: 1 entry" in result.stdout
    assert "shorter than 4 characters" in result.stderr
    assert "of unknown kind" in result.stderr
    assert "refused" in result.stderr
    assert rows() == []
    assert "my list" in run("warninglists", "list").stdout
    said = run("stats").stdout
    assert "warning list my list" in said
    run("warninglists", "remove", "my list")
    assert len(rows()) == 1
    run("warninglists", "remove", "my list", code=2)


def test_feeds_expire_and_export(folder: Path, tmp_path: Path) -> None:
    run("add", str(folder / "one.txt"), "--valid-days", "1")
    said = run("feeds").stdout
    assert "one.txt" in said
    assert "1.00" in said
    assert json.loads(run("feeds", "--format", "jsonl").stdout)["indicators"] == 3
    output = tmp_path / "out.json"
    assert "3 indicators written" in run("export", "-o", str(output)).stderr
    bundle = json.loads(output.read_text())
    assert [found["pattern_type"] for found in bundle["objects"]] == ["stix"] * 3
    assert f"[domain-name:value = '{HOSTILE}']" in [found["pattern"] for found in bundle["objects"]]
    assert "0 claims dropped" in run("expire").stdout
    run("expire", "--keep", "soon", code=2)


def test_without_a_lake_or_with_an_empty_one(tmp_path: Path) -> None:
    assert "there is no lake here" in run("list", code=2).stderr
    Lake.open(tmp_path / "lake", create=True)
    assert run("list").stdout.strip() == "no rows"
    assert "0 indicators" in run("stats").stdout
    assert run("feeds").stdout.strip() == "no rows"
    assert "no server was added" in run("pull", code=2).stderr
    assert json.loads(run("export").stdout)["objects"] == []


def test_a_server_is_remembered_and_not_asked() -> None:
    said = run("add", "https://taxii.bad-name.com/taxii2/", "--kind", "taxii", "--feed", "server")
    assert "nothing was fetched" in said.stdout
    assert "what answers at this address?" in run("add", "https://x.com/", code=2).stderr
    refused = run("add", "https://me:hunter2@x.com/", "--kind", "misp", code=2)
    assert "must not hold credentials" in refused.stderr
    assert "hunter2" not in refused.output
    assert "no address of a server" in run("add", "file:///etc/passwd", "--kind", "misp", code=2).stderr
    assert "server" in run("feeds").stdout


@dataclass
class Answer:
    """What a server of tests says."""

    said: list[Read]
    error: FeedError | None = None
    cursor: str = ""
    gone: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Read]:
        yield from self.said
        if self.error is not None:
            raise self.error


def test_pull_goes_on_from_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("add", "https://taxii.bad-name.com/taxii2/", "--kind", "taxii", "--feed", "server", "--confidence", "40")
    asked: list[tuple[str, str]] = []
    answers = [
        Answer([claim(feed="server", source=object_id(1))], cursor="1"),
        Answer([claim("n.bad-name.com", feed="server")], FeedError("went away", where="server"), "2"),
        Answer([], cursor="3"),
    ]

    def ask(feed: kept.Kept) -> Answer:
        asked.append((feed.addresses[0], feed.cursor))
        return answers[len(asked) - 1]

    monkeypatch.setattr(pull, "_servers", lambda store: {"taxii": ask})
    assert "server: 1 claim: 1 new" in run("pull").stdout
    torn = run("pull", "server", code=3)
    assert "1 new" in torn.stdout
    assert "went away" in torn.stderr
    store = Store(Lake.open(tmp_path / "lake"))
    assert "went away" in kept.load(store)["server"].state
    run("pull")
    assert [cursor for _, cursor in asked] == ["", "1", "2"]
    assert {row["value"]: row["confidence"] for row in rows()} == {"evil.bad-name.com": 40, "n.bad-name.com": 40}
    feed = kept.load(store)["server"]
    assert (feed.state, feed.cursor) == ("", "3")
    assert datetime.fromisoformat(feed.next) > datetime.now(UTC)
    assert "no server was added under this name" in run("pull", "other", code=2).stderr


def test_attack_that_is_kept_beside_the_lake_is_what_reports_speak_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the formats that ship
    monkeypatch.setenv("VIZSLA_LAKE", str(tmp_path / "own"))
    path = tmp_path / "no-attack.json"
    path.write_text("[]")
    assert "it is no STIX bundle" in run("attack", "update", str(path), code=2).stderr
    technique = {
        "type": "attack-pattern", "id": "attack-pattern--1", "name": "Frobnicate Widgets",
        "external_references": [{"source_name": "mitre-attack", "external_id": "T7001"}],
    }  # fmt: skip
    path.write_text(json.dumps({"objects": [technique]}))
    assert "1 technique" in run("attack", "update", str(path)).stdout
    report = tmp_path / "report.md"
    report.write_text("They used Frobnicate Widgets against 198.51.100.7.\n")
    attack.forget()  # as another process begins
    run("add", str(report))
    (row,) = rows()
    assert row["techniques"] == ["T7001"]

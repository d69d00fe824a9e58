"""The command line: options, exit codes, errors in words, clean pipes, quick help."""

from __future__ import annotations

import csv
import dataclasses
import errno
import io
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from faces import sample
from vizsla import findings
from vizsla.cli import guard, options
from vizsla.cli.explore import around_of
from vizsla.cli.hunt import budget_of
from vizsla.cli.main import app
from vizsla.errors import UsageError
from vizsla.lake import Lake
from vizsla.nouns import HuntRequest, HuntResult

COMMANDS = [
    "hunt", "ingest", "guess", "learn", "show", "stack", "events", "query", "views", "coverage", "doctor", "demo",
]  # fmt: skip
GROUPS = {
    "baseline": ["learn", "update", "list", "show", "diff", "rollback"],
    "assets": ["add", "list"],
    "rules": ["add", "update", "list", "remove"],
}


def vizsla(*args: str) -> Result:
    return CliRunner().invoke(app, list(args))


@pytest.fixture(autouse=True)
def no_lake_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("VIZSLA_LAKE", raising=False)
    monkeypatch.delenv("VIZSLA_DEBUG", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def hunts(monkeypatch: pytest.MonkeyPatch) -> list[HuntRequest]:
    """`vizsla hunt` answers with the sample; the requests that it was given."""
    import vizsla.faces.python

    asked: list[HuntRequest] = []

    def run(request: HuntRequest, *, progress: Any = None) -> HuntResult:
        asked.append(request)
        return sample.result(6, t=sample.hostile())

    monkeypatch.setattr(vizsla.faces.python, "run_hunt", run)
    return asked


@pytest.fixture
def logs(tmp_path: Path) -> str:
    folder = tmp_path / "logs"
    folder.mkdir()
    return str(folder)


def test_help_comes_in_under_half_a_second() -> None:
    """Of processor time: the clock on the wall also tells what else the machine does."""
    command = [sys.executable, "-m", "vizsla", "--help"]
    taken = []
    for _ in range(4):
        before = os.times()
        subprocess.run(command, check=True, capture_output=True)
        after = os.times()
        taken.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(taken) < 0.5


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, vizsla, vizsla.cli.main; "
        "print([m for m in ('pyarrow', 'ibis', 'duckdb', 'altair', 'deltalake', 'pyspark', 'numpy', 'rich.table') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_every_command_has_help() -> None:
    said = vizsla("--help").stdout
    for name in [*COMMANDS, *GROUPS]:
        assert f"  {name} " in said
    for command in [[c] for c in COMMANDS] + [[g, c] for g, cs in GROUPS.items() for c in cs]:
        done = vizsla(*command, "--help")
        assert done.exit_code == 0
        assert "Usage:" in done.stdout


def test_the_version() -> None:
    from vizsla import __version__

    assert vizsla("--version").stdout == f"vizsla {__version__}\n"


@pytest.mark.parametrize(
    ("args", "what"),
    [
        (["hunt", "nowhere"], "no such file or folder"),
        (["hunt"], "nothing to hunt in"),
        (["hunt", "{logs}", "--top", "0"], "--top must be 1 or more"),
        (["hunt", "{logs}", "--fdr", "1.5"], "between 0 and 1"),
        (["hunt", "{logs}", "--fdr", "nan"], "between 0 and 1"),
        (["hunt", "{logs}", "--analysts", "3"], "also needs --hours and --minutes"),
        (["hunt", "{logs}", "--hours", "3", "--minutes", "5"], "alone ask nothing"),
        (["hunt", "{logs}", "--analysts", "0", "--hours", "3", "--minutes", "5"], "must be above 0"),
        (["hunt", "{logs}", "--analysts", "1", "--hours", "-3", "--minutes", "5"], "must be above 0"),
        (["hunt", "{logs}", "--analysts", "1", "--hours", "1", "--minutes", "90"], "not one would be judged"),
        (["hunt", "{logs}", "--since", "2020-01-02", "--until", "2020-01-01"], "not before"),
        (["hunt", "{logs}", "--since", "yesterday"], "takes a time"),
        (["hunt", "{logs}", "--master", "spark://x:7077"], "Spark alone"),
        (["hunt", "{logs}", "--output", "{logs}"], "names a folder"),
        (["hunt", "{logs}", "--output", "{logs}/no/where.html"], "does not exist"),
        (["ingest", "nowhere"], "no such file or folder"),
        (["ingest", "a\x00b"], "no such file or folder"),
        (["show", "1"], "no lake"),
        (["stack", "process", ","], "no field"),
        (["events", "process", "--around", "soon"], "takes a time"),
        (["events", "process", "--around", "2020-01-01", "--since", "1d"], "says when already"),
        (["show", "1", "--around", "soon"], "length of time"),
        (["assets", "add", "nowhere.csv"], "no such file"),
    ],
)
def test_what_cannot_be_meant_is_said_with_what_to_do(args: list[str], what: str, logs: str) -> None:
    done = vizsla(*(a.replace("{logs}", logs) for a in args))
    assert done.exit_code == guard.USAGE, done.output
    assert what in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.output


def test_an_unknown_option_is_a_usage_error(logs: str) -> None:
    assert vizsla("hunt", logs, "--no-such").exit_code == guard.USAGE
    assert vizsla("hunt", logs, "--tier", "dreadful").exit_code == guard.USAGE


def test_the_options_reach_the_request(hunts: list[HuntRequest], logs: str) -> None:
    done = vizsla(
        "hunt", logs, "--lake", "here", "--baseline", "office", "--analytic", "rarity", "--view", "process", "--host",
        "dc01", "--user", "bob", "--since", "2020-01-01", "--until", "2020-02-01T08:00+02:00", "--by", "host", "--top",
        "9", "--tier", "high", "--fdr", "0.1", "--analysts", "3", "--hours", "12", "--minutes", "20", "--redact",
        "--format", "jsonl", "--engine", "spark", "--master", "local[2]",
    )  # fmt: skip
    assert done.exit_code == guard.DAMAGED, done.output  # the sample has a damaged file
    request = hunts[0]
    assert request.paths == (logs,)
    assert (request.lake, request.baseline, request.analytics, request.view) == (
        "here",
        "office",
        ("rarity",),
        "process",
    )
    assert (request.host, request.user, request.by, request.top, request.tier) == ("dc01", "bob", "host", 9, "high")
    assert request.since == datetime(2020, 1, 1, tzinfo=UTC)
    assert request.until == datetime(2020, 2, 1, 6, tzinfo=UTC)
    assert request.fdr == 0.1
    assert request.budget is not None
    assert (request.budget.analysts, request.budget.hours, request.budget.minutes) == (3, 12, 20)
    assert request.redact
    assert (request.engine, request.master) == ("spark", "local[2]")


def test_a_path_alone_hunts_in_a_temporary_lake(
    hunts: list[HuntRequest], logs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIZSLA_LAKE", "elsewhere")
    vizsla("hunt", logs)
    assert hunts[0].lake is None


def test_no_path_hunts_in_the_lake(hunts: list[HuntRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vizsla-lake").mkdir()
    vizsla("hunt")
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("VIZSLA_LAKE", str(tmp_path / "other"))
    vizsla("hunt")
    assert [r.lake for r in hunts] == ["vizsla-lake", str(tmp_path / "other")]


@pytest.mark.parametrize(("fail_above", "code"), [("critical", 1), ("informational", 1), ("", 3)])
def test_exit_codes(hunts: list[HuntRequest], logs: str, fail_above: str, code: int) -> None:
    extra = ["--fail-above", fail_above] if fail_above else []
    assert vizsla("hunt", logs, *extra).exit_code == code


def test_no_finding_of_the_tier_is_no_failure(logs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    weak = tuple(dataclasses.replace(f, tier="low") for f in sample.result(3).findings)
    result = dataclasses.replace(sample.result(3), findings=weak)
    result.report.readings.clear()
    monkeypatch.setattr("vizsla.faces.python.run_hunt", lambda request, progress=None: result)
    assert vizsla("hunt", logs, "--fail-above", "medium").exit_code == 0
    assert vizsla("hunt", logs, "--fail-above", "low").exit_code == 1
    assert vizsla("hunt", logs).exit_code == 0


@pytest.mark.parametrize("format", ["jsonl", "json", "csv", "html"])
def test_standard_output_holds_the_findings_alone(hunts: list[HuntRequest], logs: str, format: str) -> None:
    done = vizsla("hunt", logs, "--format", format)
    assert "Rests on" not in done.stdout or format == "html"
    assert "Rests on baseline office@3" in done.stderr
    if format == "jsonl":
        assert [orjson.loads(line)["rank"] for line in done.stdout.splitlines()] == [1, 2, 3, 4, 5, 6]
    elif format == "json":
        assert len(orjson.loads(done.stdout)) == 6
    elif format == "csv":
        assert len(list(csv.reader(io.StringIO(done.stdout)))) == 7
    else:
        assert done.stdout.startswith("<!doctype html>")


@pytest.mark.parametrize("name", ["out.jsonl", "out.json", "out.csv", "out.html", "out.txt"])
def test_the_output_files_name_says_the_format(hunts: list[HuntRequest], logs: str, tmp_path: Path, name: str) -> None:
    done = vizsla("hunt", logs, "--output", name)
    text = (tmp_path / name).read_text()
    assert done.stdout == ""
    starts = {"jsonl": '{"schema"', "json": "[", "csv": "rank,tier", "html": "<!doctype", "txt": "#"}
    assert text.startswith(starts[name.partition(".")[2]])
    assert not list(tmp_path.glob(".out*"))
    assert done.stderr.count("written: ") == 1


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from vizsla.cli import console

    target = tmp_path / "out"
    target.write_text("before")

    def dies() -> Any:
        yield b"half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        console.write(dies(), target)
    assert target.read_text() == "before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]
    console.write([b"after"], target)
    assert target.read_text() == "after"
    assert capsys.readouterr().err == f"written: {target}\n"


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    import vizsla.faces.python

    def run(request: HuntRequest, *, progress: Any = None) -> HuntResult:
        raise error

    monkeypatch.setattr(vizsla.faces.python, "run_hunt", run)


def test_a_defect_is_one_line_that_asks_for_a_report(logs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, RuntimeError("odd \x1b[2J thing"))
    done = vizsla("hunt", logs)
    assert done.exit_code == guard.BROKEN
    assert "RuntimeError: odd \\x1b[2J thing" in done.stderr
    assert "report" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    monkeypatch.setenv("VIZSLA_DEBUG", "1")
    assert "Traceback" in vizsla("hunt", logs).stderr


def test_an_error_shows_what_where_and_what_to_do_harmlessly(logs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, UsageError("no \x1b[2J good", where="file \u202ex", fix="do [/b] that"))
    done = vizsla("hunt", logs)
    assert done.exit_code == guard.USAGE
    assert done.stderr == "vizsla: no \\x1b[2J good\n  where: file \\u202ex\n  what to do: do [/b] that\n"


@pytest.mark.parametrize(("file", "where"), [(None, "temporary files: "), ("/lake/x.parquet", "/lake/x.parquet")])
def test_a_full_disk_is_no_defect(logs: str, monkeypatch: pytest.MonkeyPatch, file: str | None, where: str) -> None:
    failing(monkeypatch, OSError(errno.ENOSPC, "No space left on device", *([file] if file else [])))
    done = vizsla("hunt", logs)
    assert done.exit_code == guard.USAGE
    assert done.stderr.startswith(f"vizsla: no space is left on the disk\n  where: {where}")
    assert "TMPDIR" in done.stderr


def test_ctrl_c_says_where_it_stopped(logs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, KeyboardInterrupt())
    done = vizsla("hunt", logs)
    assert done.exit_code == guard.STOPPED
    assert "stopped while at: starting" in done.stderr


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    findings.save(lake, sample.result(1))
    code = (
        "import sys; from vizsla.cli import console, main, guard; import typer\n"
        "def flood():\n"
        "    while True: console.write([b'x' * 65536], None)\n"
        "app = typer.Typer(rich_markup_mode=None); app.command()(guard.guarded(flood)); main.app = app; main.main()\n"
    )
    first = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert first.stdout
    assert first.stderr
    first.stdout.read(10)
    first.stdout.close()
    said = first.stderr.read()
    assert first.wait(timeout=300) == guard.PIPE
    assert said == b""


def test_show_finds_what_a_hunt_kept(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "vizsla-lake", create=True)
    result = sample.result(4)
    run = findings.save(lake, result)
    assert run in vizsla("show").stdout
    assert result.findings[1].id in vizsla("show", "2").stdout
    assert "Sommer2020!" in vizsla("show", result.findings[0].id[:7]).stdout
    assert "Sommer2020!" not in vizsla("show", "1", "--redact").stdout
    assert orjson.loads(vizsla("show", "1", "--json").stdout)["id"] == result.findings[0].id
    assert vizsla("show", "zzz").exit_code == guard.USAGE
    assert vizsla("show", "3", "--output", "one.txt").exit_code == 0
    assert result.findings[2].id in (tmp_path / "one.txt").read_text()


def test_nothing_is_shown_that_a_terminal_would_obey(hunts: list[HuntRequest], logs: str) -> None:
    from vizsla.safe import hidden

    for format in ("table", "jsonl", "csv"):
        done = vizsla("hunt", logs, "--format", format)
        assert not any(hidden(c) for c in done.output if c not in "\r\n")


NOW = datetime(2026, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2020-01-02", datetime(2020, 1, 2, tzinfo=UTC)),
        ("2020-01-02T03:04", datetime(2020, 1, 2, 3, 4, tzinfo=UTC)),
        ("2020-01-02T03:04:05Z", datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2020-01-02T03:04+02:00", datetime(2020, 1, 2, 1, 4, tzinfo=UTC)),
        ("7d", NOW - timedelta(days=7)),
        ("90 m", NOW - timedelta(minutes=90)),
        (None, None),
    ],
)
def test_times(text: str | None, time: datetime | None) -> None:
    assert options.moment(text, "--since", now=NOW) == time


@pytest.mark.parametrize("text", ["", "x", "7", "d", "999999w", "-1d", "2020-13-01"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(UsageError):
        options.moment(text, "--since", now=NOW)


def test_around() -> None:
    middle = datetime(2020, 1, 2, 3, 0, tzinfo=UTC)
    assert around_of("2020-01-02T03:00") == (middle - timedelta(minutes=10), middle + timedelta(minutes=10))
    assert around_of("2020-01-02T03:00/1h") == (middle - timedelta(hours=1), middle + timedelta(hours=1))


def test_budgets_both_ways() -> None:
    assert budget_of(None, None, None, 5) is None
    by_top = budget_of(None, 12, 20, 100)
    assert by_top is not None
    assert by_top.analysts is None


def test_from_logs_to_findings(tmp_path: Path) -> None:
    """The real way, on a small hand-made log: ingest, look, learn, hunt, show."""
    log = tmp_path / "sysmon.json"
    programs = ["explorer.exe", "svchost.exe", "[b]<script>.exe"]
    with log.open("w") as stream:
        for host in range(3):
            for n in range(60):
                image = programs[2] if (host, n) == (1, 30) else programs[n % 2]
                event = {
                    "EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Hostname": f"ws{host}.corp",
                    "Computer": f"ws{host}.corp", "EventRecordID": n, "RecordNumber": n,
                    "SourceName": "Microsoft-Windows-Sysmon",
                    "@timestamp": f"2020-09-{20 + n // 30}T0{n % 9}:{n:02d}:00.000Z", "Image": f"C:\\Windows\\{image}",
                    "CommandLine": image, "ParentImage": "C:\\Windows\\explorer.exe", "User": f"CORP\\u{host}",
                    "ProcessGuid": f"{{{host:08x}-0000-0000-0000-{n:012x}}}", "ProcessId": str(1000 + n),
                }  # fmt: skip
                stream.write(orjson.dumps(event).decode() + "\n")
    env = {**os.environ, "COLUMNS": "100"}
    env.pop("VIZSLA_LAKE", None)

    def run(*args: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "vizsla", *args], capture_output=True, text=True, cwd=tmp_path, env=env,
            check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr + done.stdout
        assert "Traceback" not in done.stderr
        return done.stdout

    assert "180 records in 1 file: 180 stored, 0 known already, 0 rejected" in run("ingest", str(log))
    assert "0 stored, 180 known already" in run("ingest", str(log))
    assert "[b]<script>.exe" in run("stack", "process", "process.name", "--top", "1")
    assert "180" in run("query", "select count(*) as n from process")
    assert len(run("events", "process", "--host", "ws1.corp", "--format", "jsonl").splitlines()) == 60
    assert "process" in run("views")
    assert "windows_sysmon" in run("coverage")
    assert "engine duckdb" in run("doctor")
    assert "version 1" in run("learn", "--name", "office")
    assert "office" in run("baseline", "list")
    assert "windows_sysmon:1" in run("baseline", "show", "office")
    told = run("hunt", "--format", "jsonl")
    found = [orjson.loads(line) for line in told.splitlines()]
    assert "[b]<script>.exe" in found[0]["title"]
    assert found[0]["id"] in run("show", "1")
    assert "[b]<script>.exe" in run("hunt", str(log))
    assert run("hunt", str(log), "--format", "html").startswith("<!doctype html>")

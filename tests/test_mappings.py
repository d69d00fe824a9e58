"""Unknown logs: what is guessed, the mapping that is written, and reading with it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import feather, parquet
from typer.testing import CliRunner

from vizsla import mappings
from vizsla.cli.main import app
from vizsla.containers import open_logs
from vizsla.declared import from_yaml
from vizsla.errors import SourceError
from vizsla.faces.python import ingest, open_lake, view
from vizsla.source import Rejected
from vizsla.sources._guess import Guess, as_yaml, guess, table_name

CSV = """When;SrcIP;DstIP;Dst Port;User;Anything
2024-05-01 10:00:00;10.0.0.1;8.8.8.8;53;CORP\\ada;x
2024-05-01 10:00:01;10.0.0.2;8.8.4.4;53;CORP\\bob;y
"""


def guessed(path: Path) -> Guess:
    [log] = open_logs(path)
    assert not isinstance(log, Rejected)
    return guess(log)


def fields(found: Guess) -> dict[str, str]:
    return {column.name: column.field for column in found.columns if column.field}


def test_a_csv_is_guessed_by_names_and_values(tmp_path: Path) -> None:
    path = tmp_path / "fw-2024-05-01.csv"
    path.write_text(CSV)
    found = guessed(path)
    assert (found.reader, found.view, table_name(str(path))) == ("csv", "network", "fw")
    assert fields(found) == {
        "When": "time", "SrcIP": "source.ip", "DstIP": "destination.ip", "Dst Port": "destination.port",
        "User": "user.name",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "reader", "view"),
    [
        ('{"ts": 1714557600, "q": {"qname": "a.example"}, "client_ip": "10.0.0.1"}\n', "json", "dns"),
        ('{"items": [{"t": "2024-05-01T10:00:00Z", "cmdline": "id", "host": "A"}], "next": null}', "json", "process"),
        ("time=2024-05-01T10:00:00Z user=ada result=success\n", "keyvalue", "authentication"),
        ("date\tmethod\turl\n2024-05-01\tGET\t/x\n", "csv", "web"),
    ],
)
def test_other_forms_are_told_apart(tmp_path: Path, content: str, reader: str, view: str) -> None:
    path = tmp_path / "odd.log"
    path.write_text(content)
    found = guessed(path)
    assert (found.reader, found.view) == (reader, view)
    assert "time" in fields(found).values()
    mapping = from_yaml(as_yaml(found.mapping("odd"), "odd.log"))
    assert mappings.parsed(as_yaml(mapping, "odd.log"), "odd.yaml").name == "odd"


@pytest.mark.parametrize("kind", ["parquet", "feather", "stream"])
def test_columnar_files_are_read_with_a_guess(tmp_path: Path, kind: str) -> None:
    when = datetime(2024, 5, 1, 10, 0, 0, 250_000, tzinfo=UTC)
    rows = pa.table({"timestamp": pa.array([when], pa.timestamp("us", tz="UTC")), "pid": [7], "exe": ["/bin/sh"],
                     "tags": [["a", "b"]]})  # fmt: skip
    path = tmp_path / "procs.bin"
    if kind == "parquet":
        parquet.write_table(rows, path)
    elif kind == "feather":
        feather.write_feather(rows, str(path))
    else:
        with pa.ipc.new_stream(path, rows.schema) as writer:
            writer.write_table(rows)
    found = guessed(path)
    assert (found.reader, found.view) == ("arrow", "process")
    mapping = tmp_path / "procs.yaml"
    mapping.write_text(as_yaml(found.mapping("procs"), str(path)))
    lake = open_lake(tmp_path / "lake", create=True)
    report = ingest([path], lake, source=str(mapping))
    assert sum(log.stored for log in report.readings) == 1
    [event] = view("process", lake).to_pyarrow().to_pylist()
    assert (event["_time"], event["process.pid"], event["process.executable"]) == (when, 7, "/bin/sh")


def test_a_guessed_log_of_pairs_is_read_under_its_new_names(tmp_path: Path) -> None:
    log = tmp_path / "pairs.log"
    line = "ts=2025-05-01T10:00:0{}Z src-ip=10.0.0.{} dst-ip=10.0.0.9 user-name=ada host=web1\n"
    log.write_text("".join(line.format(n, n) for n in range(4)))
    found = guessed(log)
    assert found.mapping("pairs")["options"]["rename"]["src-ip"] == "src_ip"
    made = mappings.parsed(as_yaml(found.mapping("pairs"), "pairs.log"), "pairs.yaml")
    (opened,) = open_logs(log)
    assert not isinstance(opened, Rejected)
    (batch,) = made.read(opened)
    assert not isinstance(batch, Rejected)
    assert batch.events["src_ip"].to_pylist() == [f"10.0.0.{n}" for n in range(4)]
    assert "src-ip" not in batch.events.schema.names
    assert made.sniff(log.read_bytes(), "pairs.log") > 0


def test_what_cannot_be_guessed_says_so(tmp_path: Path) -> None:
    path = tmp_path / "prose.txt"
    path.write_text("This is a letter.\nIt holds no log.\n")
    with pytest.raises(SourceError, match="neither JSON"):
        guessed(path)


def test_on_the_command_line_from_an_unknown_log_to_a_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fw.csv").write_text(CSV)
    run = CliRunner().invoke
    unknown = run(app, ["ingest", "fw.csv", "--lake", "lake"])
    assert "vizsla guess" in unknown.stdout
    assert run(app, ["guess", "fw.csv"]).exit_code == 0
    assert run(app, ["guess", "fw.csv"]).exit_code == 2  # the mapping may have been corrected
    read = run(app, ["ingest", "fw.csv", "--lake", "lake", "--source", "fw.yaml"])
    assert "2 stored" in read.stdout
    Path("fw.yaml").unlink()
    mappings.adopt(Path("lake"))  # what another process does when it opens the lake
    shown = run(app, ["events", "network", "--lake", "lake", "--format", "csv"])
    assert "8.8.4.4" in shown.stdout
    assert "CORP" in shown.stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [("- a\n- b\n", "no mapping"), ("a: [", "no YAML"), ("reader: csv\ntable: x\nviews: {nowhere: {}}\n", "nowhere"),
     ("reader: csv\ntable: ../x\nverified: !!python/object:os.system x\n", "no YAML")],
)  # fmt: skip
def test_a_wrong_mapping_file_is_refused_in_words(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(text)
    (tmp_path / "log.csv").write_text(CSV)
    result = CliRunner().invoke(app, ["ingest", str(tmp_path / "log.csv"), "--lake", str(tmp_path / "l"), "--source",
                                      str(path)])  # fmt: skip
    assert result.exit_code == 2
    assert says in result.output


@pytest.mark.parametrize(
    "wrong",
    [
        "reader: []",
        "sniff: 3",
        "sniff: {match: {a: 5}}",
        "sniff: {confidence: x}",
        "options: 3",
        "options: {delimiter: [1]}",
        "columns: 5",
        "tables: 3",
        "time: 2025-13-45",
        "views: 3",
        "views: {network: {fw: 3}}",
        "views: {network: {fw: }}",
        "views: {network: {fw: {events: 3}}}",
        "views: {network: {fw: {events: [x]}}}",
        "views: {network: {fw: {fields: {source.ip: 5}}}}",
        "views: {network: {fw: {where: {EventID: 5}}}}",
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_in_words(wrong: str) -> None:
    text = "reader: csv\ntable: fw\nsniff: {all: [a]}\n"
    assert mappings.parsed(text, "fw.yaml").name == "fw"
    key = wrong.partition(":")[0]
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(key)) + wrong + "\n"
    with pytest.raises(SourceError) as refused:
        mappings.parsed(text, "fw.yaml")
    assert "fw.yaml" in str(refused.value)

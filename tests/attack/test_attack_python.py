"""What an intruder writes, on the Python face: what says something of findings and errors is safe to print."""

from __future__ import annotations

from pathlib import Path

import pytest

import vizsla
from attack.attack_tools import HOSTILE, RAW, lines, take
from attack.test_attack_faces import hostile_events


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("python")
    take(folder / "lake", lines(folder / "=cmd\x1b]8;;x\x07.json", hostile_events()))
    return folder / "lake"


@pytest.fixture(scope="module")
def result(lake: Path) -> vizsla.HuntResult:
    return vizsla.hunt(lake=lake)


def harmless(text: str) -> str:
    """The text, which no terminal and no notebook acts upon."""
    found = RAW.search(text)
    assert found is None, ascii(text[max(found.start() - 80, 0) : found.end() + 80])
    return text


def test_findings_are_safe_to_print(result: vizsla.HuntResult) -> None:
    assert "\\x1b[2J" in harmless(repr(result))
    harmless(str(result.report))
    for finding in result.findings:
        harmless(repr(finding))
        harmless(finding.title)
        for evidence in finding.evidence:
            harmless(evidence.why)
            for reason in evidence.reasons:
                harmless(reason.text)


def test_the_events_of_findings_are_what_was_logged(result: vizsla.HuntResult) -> None:
    native = [event.native for f in result.findings for e in f.evidence for event in e.events]
    assert any(HOSTILE in value for fields in native for value in fields.values())


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("view", ["process", "service", "scheduled_task", "windows_sysmon"])
def test_tables_are_data_and_shown_they_are_text(lake: Path, view: str, width: int) -> None:
    table = vizsla.events(view, lake=lake)
    assert RAW.search(str(table.to_pylist()[0].keys()) + "".join(map(str, table.to_pylist()))) is None  # repr escapes
    assert any(isinstance(v, str) and RAW.search(v) for row in table.to_pylist() for v in row.values())
    text = harmless(vizsla.shown(table, width=width))
    assert "\\x1b" in text
    assert max(map(len, text.splitlines())) <= width


def test_shown_tables_of_counts_and_of_nothing(lake: Path) -> None:
    stacked = vizsla.stack("process", ["process.executable", "process.command_line"], lake=lake)
    harmless(vizsla.shown(stacked))
    empty = vizsla.events("process", lake=lake, where="process.name = 'nonesuch'")
    assert "no rows" in vizsla.shown(empty)


def test_errors_show_what_was_said_harmlessly(lake: Path) -> None:
    asked = (
        lambda: vizsla.events(HOSTILE, lake=lake),
        lambda: vizsla.stack("process", [HOSTILE], lake=lake),
        lambda: vizsla.query(HOSTILE, lake=lake),
        lambda: vizsla.hunt(lake=lake, baseline=HOSTILE),
        lambda: vizsla.hunt(lake=lake, view=HOSTILE),
        lambda: vizsla.open_lake(lake / HOSTILE.replace("/", "")[:100]),
        lambda: vizsla.hunt(HOSTILE),
    )
    for ask in asked:
        with pytest.raises(vizsla.VizslaError) as told:
            ask()
        harmless(repr(told.value))
        harmless(str(told.value))

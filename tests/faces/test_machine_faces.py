"""CSV, Arrow tables, redaction, lineage."""

from __future__ import annotations

import csv
import dataclasses
import io
from datetime import UTC, datetime

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces import sample
from vizsla.faces import arrow
from vizsla.faces import csv as csv_face
from vizsla.faces.lineage import tree_rows
from vizsla.faces.record import to_record
from vizsla.faces.redact import redacted, redacted_result
from vizsla.faces.table import render
from vizsla.nouns import ProcessNode
from vizsla.safe import MASK, hidden


def parsed(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


@pytest.mark.parametrize("t", [str, sample.hostile(), sample.leading_hostile(5)])
def test_csv_has_one_row_a_finding_and_no_formula(t: sample.Texts) -> None:
    rows = parsed(b"".join(csv_face.rows(sample.result(13, t=t).findings)))
    assert rows[0] == list(csv_face.COLUMNS)
    assert len(rows) == 14
    for row in rows[1:]:
        assert len(row) == len(csv_face.COLUMNS)
        for cell in row:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
            assert not any(hidden(c) for c in cell)
    assert rows[1][0] == "1"
    assert float(rows[1][2]) == pytest.approx(23.9)


def test_a_formula_in_a_title_is_text() -> None:
    odd = dataclasses.replace(sample.finding(), title="=cmd()|'/c calc'!A1")
    assert parsed(b"".join(csv_face.rows([odd])))[1][4] == "'=cmd()|'/c calc'!A1"


def events() -> pa.Table:
    return pa.table(
        {
            "process.name": ["[/b]cmd.exe", "=1+1", "\x1b[2Jx"],
            "n": [1234567, 2, 3],
            "share": [0.5, None, 0.25],
            "time": pa.array([datetime(2020, 9, 20, 21, 4, tzinfo=UTC), None, None], pa.timestamp("us", tz="UTC")),
            "empty": pa.array([None, None, None], pa.string()),
            "list": [["a", "b"], [], None],
        }
    )


def test_an_arrow_table_on_a_terminal() -> None:
    text = render([arrow.renderable(events(), 100)], 100)
    for part in ("[/b]cmd.exe", "=1+1", r"\x1b[2Jx", "1,234,567", "2020-09-20 21:04:00", "a, b"):
        assert part in text
    assert "empty" not in text
    assert "\x1b" not in text


def test_many_columns_become_cards() -> None:
    wide = pa.table({f"column_{n}": [f"v{n}", None] for n in range(40)})
    text = render([arrow.renderable(wide, 80)], 80)
    assert "column_39: v39" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_no_rows_are_said() -> None:
    assert "no rows" in render([arrow.renderable(events().slice(0, 0), 80)], 80)


def test_columns_that_were_asked_for_stay_though_empty() -> None:
    table = pa.table({"parent": pa.array([None], pa.string()), "program": ["7za.exe"], "code": pa.array([None])})
    heads = render([arrow.renderable(table, 80, keep=["parent"])], 80).splitlines()[0].split()
    assert heads == ["parent", "program"]


def test_a_list_too_long_for_a_cell_loses_whole_items() -> None:
    names = [f"field.number.{n:03}" for n in range(40)]
    text = " ".join(render([arrow.renderable(pa.table({"view": ["x"], "fields": [names]}), 80)], 80).split())
    assert "…" not in text
    shown = [name for name in names if name in text]
    assert 10 < len(shown) < 40
    assert f"{shown[-1]} and {40 - len(shown)} more" in text


def test_an_arrow_table_for_pipes() -> None:
    lines = [orjson.loads(line) for line in b"".join(arrow.chunks(events(), "jsonl")).splitlines()]
    assert lines[0]["time"] == "2020-09-20T21:04:00Z"
    assert lines[2]["process.name"] == "\x1b[2Jx"
    assert orjson.loads(b"".join(arrow.chunks(events(), "json"))) == lines
    rows = parsed(b"".join(arrow.chunks(events(), "csv")))
    assert rows[0][0] == "process.name"
    assert rows[2][0] == "'=1+1"
    assert orjson.loads(b"".join(arrow.chunks(events().slice(0, 0), "json"))) == []


def test_redaction_masks_every_place_and_keeps_the_rest() -> None:
    finding = sample.finding()
    text = orjson.dumps(to_record(redacted(finding))).decode()
    assert "Sommer2020!" in orjson.dumps(to_record(finding)).decode()
    assert "Sommer2020!" not in text
    assert MASK in text
    assert redacted(finding).id == finding.id
    assert redacted(finding).context.tree[0] == finding.context.tree[0]
    assert redacted_result(sample.result(3)).cut == sample.result(3).cut


def test_a_field_named_password_is_masked_whole() -> None:
    finding = sample.finding()
    event = dataclasses.replace(finding.evidence[0].events[0], native={"NewPassword": "x y", "Image": "a.exe"})
    evidence = dataclasses.replace(finding.evidence[0], events=(event,))
    masked = redacted(dataclasses.replace(finding, evidence=(evidence,)))
    assert masked.evidence[0].events[0].native == {"NewPassword": MASK, "Image": "a.exe"}


def test_a_reason_on_a_password_field_is_masked() -> None:
    finding = sample.finding()
    reason = dataclasses.replace(finding.evidence[0].reasons[0], field="Password", raw="hunter2", value="hunter2")
    evidence = dataclasses.replace(finding.evidence[0], reasons=(reason,))
    masked = redacted(dataclasses.replace(finding, evidence=(evidence,)))
    assert masked.evidence[0].reasons[0].raw == MASK
    assert masked.evidence[0].reasons[0].value == MASK


def node(key: str, parent: str | None) -> ProcessNode:
    return ProcessNode(key, parent, f"{key}.exe", "", "", "", None)


def test_the_tree_is_drawn_top_down() -> None:
    rows = tree_rows([node("c", "b"), node("b", "a"), node("d", "b"), node("a", None)])
    assert [(r.node.key, r.depth) for r in rows] == [("a", 0), ("b", 1), ("c", 2), ("d", 2)]
    assert [r.prefix for r in rows] == ["", "└─ ", "   ├─ ", "   └─ "]


@given(st.lists(st.tuples(st.integers(0, 12), st.one_of(st.none(), st.integers(0, 14))), max_size=30))
def test_every_process_is_drawn_once_whatever_the_parents(pairs: list[tuple[int, int | None]]) -> None:
    nodes = [node(str(key), None if parent is None else str(parent)) for key, parent in pairs]
    rows = tree_rows(nodes)
    assert sorted(r.node.key for r in rows) == sorted({n.key for n in nodes})


def test_a_lineage_as_deep_as_it_likes() -> None:
    rows = tree_rows([node(str(n), str(n - 1) if n else None) for n in range(5000)])
    assert len(rows) == 5000
    assert max(len(r.prefix) for r in rows) < 300

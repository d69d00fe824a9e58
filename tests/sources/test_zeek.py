"""Zeek logs: TSV and JSON, every log by its header, the same columns either way."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from source_samples import events, items, refusals, stamped, totals, unknown, written

from vizsla.sources import zeek_tsv
from vizsla.sources._zeek import guessed_path

HEAD = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\t{path}\n#fields\t{fields}\n"
FIELDS = ["ts", "uid", "id.orig_h", "id.resp_p", "service", "tunnel_parents"]
ROW = ["1700000000.123456", "C1", "10.0.0.1", "53", "-", "(empty)"]


def tsv(rows: list[list[str]], fields: list[str] = FIELDS, path: str = "conn") -> str:
    return HEAD.format(path=path, fields="\t".join(fields)) + "".join("\t".join(row) + "\n" for row in rows)


def test_tsv(tmp_path: Path) -> None:
    found = stamped(items(written(tmp_path, tsv([ROW]).encode(), "conn.log")))
    (event,) = found["zeek_conn"]
    assert event["_time"] == datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)
    assert (event["_host"], event["id.resp_p"], event["tunnel_parents"]) == ("10.0.0.1", "53", "")
    assert "service" not in event


def test_tsv_and_json_give_the_same_table(tmp_path: Path) -> None:
    record = {"ts": 1700000000.123456, "uid": "C1", "id.orig_h": "10.0.0.1", "id.resp_p": 53}
    names = ["_id", "_time", "_host", "ts", "uid", "id.orig_h", "id.resp_p"]
    (one,) = events(written(tmp_path, tsv([ROW[:4]], FIELDS[:4]).encode(), "conn.log"))
    (two,) = events(written(tmp_path, json.dumps(record).encode() + b"\n", "conn.log"))
    assert {n: one[n] for n in names} == {n: two[n] for n in names}


@pytest.mark.parametrize(
    ("name", "path", "table"),
    [
        ("conn.log", "conn", "zeek_conn"),
        ("open_conn.00:00:00-01:00:00.log", "conn", "zeek_open_conn"),
        ("x.log", "open_conn", "zeek_open_conn"),
        ("any", "my-Own", "zeek_my_own"),
    ],
)
def test_tables_follow_the_header(name: str, path: str, table: str, tmp_path: Path) -> None:
    assert list(stamped(items(written(tmp_path, tsv([ROW], path=path).encode(), name)))) == [table]


@pytest.mark.parametrize(
    ("name", "fields", "path"),
    [
        ("a.zip!d/conn.16:00:00-17:00:00.log.gz", [], "conn"),
        ("ORIGINALdns.log", ["query", "qtype_name"], "dns"),
        ("http_20240101.log", [], "http"),
        ("sensor-7.log", ["ts", "conn_state"], "conn"),
        ("unheard_of.log", ["ts"], "unheard_of"),
    ],
)
def test_json_without_a_path_is_named_by_file_or_fields(name: str, fields: list[str], path: str) -> None:
    assert guessed_path(name, fields) == path


def test_json_by_its_own_path(tmp_path: Path) -> None:
    content = (
        b'{"_path":"dns","ts":"2023-11-14T22:13:20.5Z","uid":"C","id.orig_h":"A"}\n{"_path":"conn","ts":1,"uid":"D"}\n'
    )
    found = stamped(items(written(tmp_path, content, "mixed.json")))
    assert sorted(found) == ["zeek_conn", "zeek_dns"]
    assert found["zeek_dns"][0]["_time"].microsecond == 500_000
    assert found["zeek_dns"][0]["_host"] == "a"


def test_a_header_may_change_in_mid_file(tmp_path: Path) -> None:
    other = tsv([["1700000001.0", "x"]], ["ts", "name"], "weird")
    closed = tsv([ROW]) + "#close\t2023-11-14-23-00-00\n"
    found = stamped(items(written(tmp_path, (closed + other + closed).encode())))
    assert {table: len(rows) for table, rows in found.items()} == {"zeek_conn": 2, "zeek_weird": 1}
    assert found["zeek_weird"][0]["name"] == "x"


def test_damaged_lines_cost_only_themselves(tmp_path: Path) -> None:
    bad = "only\ttwo\n"
    text = tsv([ROW]) + bad + "\t".join(ROW) + "\n" + "\t".join(ROW) + "\t\n" + "\t".join(ROW)[:30]
    found = items(written(tmp_path, text.encode()))
    assert totals(found) == (3, 2)
    assert "2 fields where the header names 6" in refusals(found)
    headless = "#separator \\x09\n#path\tconn\n" + "\t".join(ROW) + "\n"
    assert "a line before any #fields header" in refusals(items(written(tmp_path, headless.encode())))


def test_other_separators_and_odd_bytes(tmp_path: Path) -> None:
    text = tsv([ROW]).replace("\t", ",").replace("\\x09", "\\x2c").replace("#set_separator,,", "#set_separator,;")
    (event,) = events(written(tmp_path, text.encode()))
    assert event["uid"] == "C1"
    (event,) = events(written(tmp_path, tsv([[*ROW[:4], "S", "x"]]).encode().replace(b"S\tx", b"\xff\tx")))
    assert event["service"] == "\\xff"
    (event,) = events(written(tmp_path, tsv([ROW]).replace("\n", "\r\n").encode()))
    assert event["uid"] == "C1"


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\t\n\0"), max_size=8)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=10))
def test_tsv_round_trip(tmp_path: Path, rows: list[list[str]]) -> None:
    rows = [[f"u{n}", *row[1:]] for n, row in enumerate(rows)]
    found = events(written(tmp_path, tsv(rows, ["uid", "a", "b"]).encode()))
    for row, event in zip(rows, found, strict=True):
        for name, cell in zip(("a", "b"), row[1:], strict=True):
            cell = cell.rstrip("\r") if name == "b" else cell
            assert event.get(name) == (None if cell == "-" else "" if cell == "(empty)" else cell)


def test_fast_and_thorough_readers_agree(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [real_data / "zeek/rita/valid_tsv/http.log.gz", *sorted(real_data.glob("zeek/rita/proxy/*.log"))]
    fast = [events(path) for path in paths]
    monkeypatch.setattr(zeek_tsv, "_fast", lambda run, header: None)
    assert [events(path) for path in paths] == fast


@pytest.mark.slow
@pytest.mark.real_data
def test_every_log_reads_whole(real_data: Path) -> None:
    total = 0
    for path in sorted((real_data / "zeek").rglob("*")):
        if not path.is_file():
            continue
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        found = items(path)
        if unknown(found):
            assert path.name.startswith(("conn-summary", "README")) or path.parent.name in ("text_file", "truncated")
            continue
        lines = [line for line in content.split(b"\n") if line.strip() and not line.startswith(b"#")]
        rows, refused = totals(found)
        assert rows + refused == len(lines), path
        assert refused == (path.parent.name in ("truncated", "has_unknown_field")), path
        total += rows
    assert total == 327_617

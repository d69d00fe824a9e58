"""Sources that are declared: recognised by content, read whole, every record accounted for."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizsla.declared import from_yaml
from vizsla.errors import SourceError
from vizsla.source import Batch, Rejected
from vizsla.sources import recognise
from vizsla.sources._mapped import Mapped


class Held:
    """A log in memory."""

    path = None

    def __init__(self, content: bytes, name: str = "log") -> None:
        self.content, self.name = content, name

    def open(self) -> io.BytesIO:
        return io.BytesIO(self.content)


def read(source: Mapped, content: bytes) -> tuple[list[dict[str, object]], list[Rejected]]:
    rows: list[dict[str, object]] = []
    refused = []
    for item in source.read(Held(content)):
        if isinstance(item, Batch):
            rows += [{**row, "_table": item.table} for row in pa.Table.from_batches([item.events]).to_pylist()]
        else:
            refused.append(item)
    return rows, refused


def mapped(reader: str, **content: object) -> Mapped:
    return Mapped("x", {"reader": reader, "table": "x", **content})


def test_the_template_is_a_whole_source() -> None:
    text = (files("vizsla.sources") / "_template.yaml").read_text("utf-8")
    source = Mapped("shop", from_yaml(text))
    record = {"when": "2024-05-01T10:00:00+02:00", "shop": "1", "shopper": {"name": "ada"}, "action": "login",
              "server": "WEB1"}  # fmt: skip
    line = json.dumps(record).encode()
    assert source.sniff(line + b"\n", "a.log") == 0.9
    assert source.sniff(line.replace(b"login", b"buy") + b"\n", "a.log") == 0
    [row], refused = read(source, line)
    assert not refused
    assert row["shopper.name"] == "ada"
    assert (row["_host"], row["_time"]) == ("web1", datetime(2024, 5, 1, 8, tzinfo=UTC))


def test_a_document_holds_its_records_under_a_name_and_what_stands_beside_them_is_repeated() -> None:
    source = mapped("json", options={"records": "Records", "keep": ["body"]})
    document = {"Records": [{"a": 1, "body": {"x": 1}}, {"a": {"b": "c"}}], "account": "7"}
    rows, refused = read(source, json.dumps(document).encode())
    assert not refused
    assert [(r["a"], r["body"], r["a.b"], r["account"]) for r in rows] == [
        ("1", '{"x":1}', None, "7"),
        (None, None, "c", "7"),
    ]


def test_tables_are_named_after_values_and_names_from_outside_stay_harmless() -> None:
    source = Mapped("x", {"reader": "json", "table": "x_{kind}"})
    rows, _ = read(source, b'{"kind":"DNS"}\n{"kind":"../../etc"}\n{"kind":null}\n')
    assert [row["_table"] for row in rows] == ["x_dns", "x_etc", "x_other"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [("1714557600", 0), ("1714557600000", 0), ("1714557600000000", 0), ("1714557600000000000", 0),
     ("1714557600.5", 500_000), ("2024-05-01T10:00:00Z", 0), ("2024-05-01 12:00:00.5+02:00", 500_000)],
)  # fmt: skip
def test_times_are_told_by_their_look(text: str, meant: int) -> None:
    [row], _ = read(mapped("json", time=["t"]), json.dumps({"t": text}).encode())
    assert row["_time"] == datetime(2024, 5, 1, 10, 0, 0, meant, tzinfo=UTC)


def test_a_time_of_two_columns_with_a_format() -> None:
    time = [{"columns": ["day", "clock"], "format": "%d/%m/%Y %H:%M"}]
    [row], _ = read(mapped("csv", time=time), b"day,clock\n01/05/2024,10:00\n")
    assert row["_time"] == datetime(2024, 5, 1, 10, tzinfo=UTC)


def test_rows_of_another_width_are_refused_where_they_stand() -> None:
    rows, refused = read(mapped("csv"), b'a,b\n1,2\n3\n"x\ny",4\n5,6,7\n8,9\n')
    assert [(row["a"], row["b"]) for row in rows] == [("1", "2"), ("x\ny", "4"), ("8", "9")]
    assert [one.place for one in refused] == ["log#8", "log#18"]
    assert [row["_origin"] for row in rows] == ["log#4", "log#10", "log#24"]


def test_a_byte_order_mark_and_sixteen_bits_are_read() -> None:
    text = "a;b\nä;2\n"
    for content in (text.encode("utf-16"), text.encode("utf-8-sig")):
        [row], refused = read(mapped("csv"), content)
        assert (row["a"], row["b"], refused) == ("ä", "2", [])


VALUES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r"), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=40), st.sampled_from(",;\t|"))
def test_csv_comes_back_as_it_was_written(rows: list[tuple[str, str, str]], delimiter: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(("a", "b", "c"))
    writer.writerows(rows)
    found, refused = read(mapped("csv", options={"delimiter": delimiter}), out.getvalue().encode())
    assert not refused
    assert [tuple(row.get(name) for name in "abc") for row in found] == [tuple(v or None for v in r) for r in rows]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True), VALUES, min_size=1, max_size=6))
def test_pairs_come_back_as_they_were_written(record: dict[str, str]) -> None:
    if any("\n" in value or "\\" in value for value in record.values()):
        return
    line = " ".join(f'{name}="{value.replace(chr(34), chr(92) + chr(34))}"' for name, value in record.items())
    found, refused = read(mapped("keyvalue"), line.encode())
    row = found[0] if any(record.values()) else {}
    assert not refused
    assert {name: row.get(name) or "" for name in record} == record


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(("json", "csv", "keyvalue")))
def test_no_bytes_are_lost_or_raise(content: bytes, reader: str) -> None:
    read(mapped(reader), content)
    read(mapped(reader), b"a,b\n" + content)


@pytest.mark.parametrize(
    ("content", "says"),
    [({"reader": "jsn", "table": "x"}, "no reader"), ({"reader": "json"}, "no table"),
     ({"reader": "json", "table": "x", "tabels": {}}, "tabels"),
     ({"reader": "csv", "table": "x", "options": {"delimiter": "ab"}}, "delimiter"),
     ({"reader": "json", "table": "x", "sniff": {"match": {"a": "("}}}, "regular expression")],
)  # fmt: skip
def test_a_wrong_mapping_says_what_is_wrong(content: dict[str, object], says: str) -> None:
    with pytest.raises(SourceError, match=says):
        Mapped("x", content)


def test_suricata_is_recognised_and_every_type_has_its_table(real_data: Path) -> None:
    path = real_data / "suricata" / "malware-capture.eve.json"

    class OnDisk(Held):
        pass

    log = OnDisk(path.read_bytes(), str(path))
    source = recognise(log)
    assert source is not None
    assert source.name == "suricata_eve"
    kinds = [json.loads(line)["event_type"] for line in path.read_text().splitlines()]
    found: dict[str, int] = {}
    for item in batches(source.read(log)):
        found[item.table] = found.get(item.table, 0) + item.events.num_rows
    assert found == {f"suricata_{kind}": kinds.count(kind) for kind in set(kinds)}


def batches(items: Iterator[Batch | Rejected]) -> list[Batch]:
    return [item for item in items if isinstance(item, Batch)]

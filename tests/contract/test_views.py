"""What holds of every view and every mapping."""

from __future__ import annotations

import re
from importlib.resources import files

import ibis
import pytest

from vizsla.view import TYPES, View, fields, lookups, views
from vizsla.views.grammar import Call, Expression, columns
from vizsla.views.project import project

EXPECTED = [
    "alert",
    "authentication",
    "cloud",
    "dns",
    "driver",
    "email",
    "execution",
    "file",
    "http",
    "iam",
    "inventory",
    "library",
    "metric",
    "mutex",
    "network",
    "pipe",
    "process",
    "registry",
    "scheduled_task",
    "script",
    "service",
    "share",
    "tls",
    "web",
]
OURS = {"_id": "string", "_time": "timestamp('UTC', 6)", "_host": "string", "_day": "string"}


def calls(tree: Expression) -> list[Call]:
    if not isinstance(tree, Call):
        return []
    return [tree, *(call for argument in tree.arguments for call in calls(argument))]


def expressions(view: View) -> list[Expression]:
    return [tree for mappings in view.mappings.values() for mapping in mappings for tree in mapping.fields.values()]


def test_the_views_are_those_promised():
    assert list(views()) == EXPECTED


@pytest.mark.parametrize("view", views().values(), ids=list(views()))
def test_a_view_says_what_it_is(view):
    assert view.doc.endswith(".")
    assert len(view.fields) > 4
    assert {"event.action"} <= {field.name for field in view.fields}


def test_one_name_has_one_type_and_one_meaning():
    seen: dict[str, object] = {}
    for view in views().values():
        for field in view.fields:
            assert field.type in TYPES
            assert field.doc.endswith("."), field
            assert seen.setdefault(field.name, field) == field
    assert set(seen) == set(fields()), "a field that no view uses"
    assert len({field.doc for field in fields().values()}) == len(fields()), "two fields of one meaning"


def test_every_lookup_is_there_and_used():
    used = {c.words[0] for v in views().values() for t in expressions(v) for c in calls(t) if c.function == "lookup"}
    in_rules = set(
        re.findall(r"lookup\([^(),]+, ?(\w+)", (files("vizsla.sigma") / "logsources.yaml").read_text("utf-8"))
    )
    assert used | in_rules == set(lookups())
    for table in lookups().values():
        assert all(isinstance(text, str) for pair in table.items() for text in pair)


@pytest.mark.parametrize("view", views().values(), ids=list(views()))
def test_every_mapping_compiles(view):
    for table, mappings in view.mappings.items():
        native = {name for m in mappings for tree in m.fields.values() for name in columns(tree)}
        native |= {name for m in mappings for name in m.where}
        for held in (native, set()):  # with every column, and with none but ours
            lies = ibis.table({**OURS, **dict.fromkeys(sorted(held), "string")}, name=table)
            projected = project(lies, view, table)
            schema = projected.schema()
            assert list(schema) == ["_id", "_time", "_host", "_table", *(f.name for f in view.fields)]
            for field in view.fields:
                assert str(schema[field.name]) == TYPES[field.type]
            for dialect in ("duckdb", "pyspark"):
                assert len(ibis.to_sql(projected, dialect=dialect)) < 200_000


def test_no_event_is_taken_twice():
    for view in views().values():
        for table, mappings in view.mappings.items():
            asked = [tuple(sorted(m.where.items())) for m in mappings]
            assert len(asked) == len(set(asked)), f"{view.name}, {table}"


def test_the_files_of_views_are_shipped():
    names = {f.name for f in files("vizsla.views").iterdir()}
    assert {f"{view}.yaml" for view in EXPECTED} | {"_fields.yaml", "_lookups.yaml"} <= names

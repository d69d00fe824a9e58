"""What docs/sigma-differences.md says of pySigma's SQLite backend, each with the smallest case that shows it."""

from __future__ import annotations

import sqlite3

import pyarrow as pa
import pytest
from benchmarks import sigma_naive, sigma_reference
from benchmarks.sigma_reference import Look
from sigma.backends.sqlite import sqliteBackend
from sigma.exceptions import SigmaFeatureNotSupportedByBackendError

from vizsla.nouns.event import ID
from vizsla.sigma.compile import detection
from vizsla.sigma.match import Binding, matcher
from vizsla.sigma.rule import LogSource, Rule

CASES = {
    # what: (selection, the field's text, Vizsla's answer, SQLite's)
    "an empty field is null": ({"f": None}, "", True, False),
    "letters beyond ASCII have no case": ({"f|endswith": "arrêté"}, "ARRÊTÉ", True, False),
    "a number, written otherwise": ({"f": 4624}, "4624.0", True, False),
    "numbers compare as texts": ({"f|gt": 9}, "10", True, False),
    "what is no number is none": ({"f|gt": 9}, "many", False, True),
    "networks are the beginnings of texts": ({"f|cidr": "10.0.0.0/8"}, "10.example.org", False, True),
    "addresses have many spellings": ({"f|cidr": "2001:db8::/32"}, "2001:0DB8:0:0::1", True, False),
    "true is also 1": ({"f": True}, "1", False, True),
    "weeks begin elsewhere": ({"f|week": 18}, "2025-05-01T10:00:00Z", True, False),
    "lists are texts": ({"f": "b"}, '["a","b"]', True, False),
    # and what both have alike
    "a pattern's signs": ({"f|contains": "50%_"}, "up to 50%_ off", True, True),
    "a pattern's signs stand for themselves": ({"f|contains": "50%_"}, "up to 5000 off", False, False),
    "a field beside another": ({"f|fieldref": "g"}, "other", True, True),
    "case where it matters": ({"f|cased": "Ab"}, "aB", False, False),
}


@pytest.mark.parametrize("what", CASES)
def test_both_answers(what: str) -> None:
    selection, text, ours, theirs = CASES[what]
    document = {"title": "t", "id": "r", "logsource": {"product": "p"},
                "detection": {"selection": selection, "condition": "selection"}}  # fmt: skip
    batch = pa.RecordBatch.from_pydict({ID: ["e"], "f": [text], "g": ["OTHER"]})
    rule = Rule("r", "1", "t", "high", "", LogSource(product="p"), detection(document["detection"]))
    mine, _ = matcher("t", [Binding(rule)], ["f", "g"])
    assert mine is not None
    assert bool(len(mine.start()(batch).row)) is ours
    queries, failed = sigma_reference.queries({"r": {**document, "id": None}}, [Look("r", "t")])
    assert failed == {}
    store = sigma_reference.Store()
    store.load("t", [batch], queries)
    assert bool(store.run(queries).pairs) is theirs
    if what != "lists are texts":  # which is ours alone
        plain = sigma_reference.parsed({**document, "id": None}, {})
        assert sigma_naive.holds(plain, {"f": text, "g": "OTHER"}) is ours


def test_keywords_and_columns_that_are_not_there_are_errors_without_help() -> None:
    def rule(selection: object) -> object:
        return sigma_reference.parsed(
            {"title": "t", "logsource": {"product": "p"}, "detection": {"s": selection, "condition": "s"}}, {}
        )

    with pytest.raises(SigmaFeatureNotSupportedByBackendError):
        sqliteBackend().convert_rule(rule(["word"]))
    store = sqlite3.connect(":memory:")
    store.execute("CREATE TABLE logs (f)")
    with pytest.raises(sqlite3.OperationalError, match="no such column"):
        store.execute(sqliteBackend().convert_rule(rule({"elsewhere": "x"}))[0])
    with pytest.raises(sqlite3.OperationalError, match="REGEXP"):
        store.execute(sqliteBackend().convert_rule(rule({"f|re": "x"}))[0])

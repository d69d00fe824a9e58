"""A finding as JSON: the published schema holds, and what was written is read back."""

from __future__ import annotations

import dataclasses
from typing import Any

import jsonschema
import orjson
import pytest

from faces import sample
from vizsla.errors import VizslaError
from vizsla.faces import jsonl
from vizsla.faces.record import NATIVE, TEXT, from_record, schema, to_record
from vizsla.nouns import Context, Finding
from vizsla.safe import hidden

TEXTS = [str, sample.hostile(), sample.leading_hostile(3)]
# The fields that the design promises, at every level; everything else is an addition.
PROMISED = {
    "": "schema rank id pattern_id instances title tier bits expected_per_day run entities attack time evidence "
    "speaks_against context next",
    "run": "version baseline learnt_from learnt_to hosts host_days",
    "entities": "type value role",
    "attack": "technique tactic source",
    "time": "start end",
    "evidence": "analytic family kind bits alone_bits why reasons rule indicator events",
    "evidence.reasons": "field value raw surprisal seen of hosts of_hosts first last usual text",
    "evidence.reasons.usual": "value count",
    "evidence.events": "id table host time channel record_id file offset native",
    "context": "first_on_host other_hosts parent_chain logon_source",
    "next": "what query for",
}


@pytest.fixture(scope="module")
def validator() -> Any:
    published = schema()
    jsonschema.Draft202012Validator.check_schema(published)
    return jsonschema.Draft202012Validator(published, format_checker=jsonschema.FormatChecker())


def bare() -> Finding:
    """A finding with everything empty that may be."""
    return dataclasses.replace(
        sample.finding(claims=False), entities=(), attack=(), start=None, end=None, evidence=(), speaks_against=(),
        context=Context(), next=(), ledger=(), instance_hosts=(),
    )  # fmt: skip


@pytest.mark.parametrize("t", TEXTS)
def test_every_line_holds_to_the_published_schema(validator: Any, t: sample.Texts) -> None:
    for finding in sample.result(6, t=t).findings:
        validator.validate(orjson.loads(jsonl.line(finding)))


def test_a_bare_finding_holds_to_the_published_schema(validator: Any) -> None:
    validator.validate(orjson.loads(jsonl.line(bare())))


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "vizsla.finding/2"},
        {"rank": 0},
        {"tier": "dreadful"},
        {"bits": "9"},
        {"time": {"start": None}},
        {"evidence": [{}]},
        {"title": None},
    ],
)
def test_the_schema_refuses_what_is_wrong(validator: Any, change: dict[str, Any]) -> None:
    record = to_record(sample.finding()) | change
    assert not validator.is_valid(record)


@pytest.mark.parametrize("place", PROMISED)
def test_the_promised_fields_are_there(place: str) -> None:
    value: Any = to_record(sample.finding())
    for step in filter(None, place.split(".")):
        value = value[step]
        value = value[0] if isinstance(value, list) else value
    assert set(PROMISED[place].split()) <= set(value)


def test_every_field_written_is_described(validator: Any) -> None:
    published = schema()

    def described(value: Any, part: dict[str, Any], place: str) -> None:
        if "$ref" in part:
            part = published["$defs"][part["$ref"].rpartition("/")[2]]
        if isinstance(value, dict) and "properties" in part:
            assert set(value) == set(part["properties"]), place
            for name, inner in value.items():
                described(inner, part["properties"][name], f"{place}.{name}")
        elif isinstance(value, list) and value:
            described(value[0], part["items"], place)

    described(to_record(sample.finding()), published, "finding")


@pytest.mark.parametrize("t", TEXTS[:1])
def test_a_line_is_read_back_as_the_same_finding(t: sample.Texts) -> None:
    for finding in (*sample.result(6, t=t).findings, bare()):
        assert jsonl.read(jsonl.line(finding)) == finding


def test_hostile_text_comes_back_character_by_character() -> None:
    for text in sample.HOSTILE:
        if text.isprintable() or not any(0xD800 <= ord(c) <= 0xDFFF for c in text):
            finding = dataclasses.replace(sample.finding(), title=text)
            assert jsonl.read(jsonl.line(finding)).title == text


def test_a_lone_surrogate_becomes_text() -> None:
    finding = dataclasses.replace(sample.finding(), title="\ud800")
    assert jsonl.read(jsonl.line(finding)).title == "\\ud800"


@pytest.mark.parametrize("t", TEXTS)
def test_a_line_shows_nothing_hidden(t: sample.Texts) -> None:
    for finding in sample.result(4, t=t).findings:
        line = jsonl.line(finding).decode()
        assert "\n" not in line
        assert not any(hidden(c) for c in line)


def test_characters_beyond_the_basic_plane_survive() -> None:
    finding = dataclasses.replace(sample.finding(), title="\U000e0041 tag \U0001f600")
    assert jsonl.read(jsonl.line(finding)).title == finding.title


def test_an_array_is_json() -> None:
    found = sample.result(3).findings
    assert [from_record(r) for r in orjson.loads(b"".join(jsonl.array(found)))] == list(found)
    assert orjson.loads(b"".join(jsonl.array([]))) == []


def test_another_schema_is_refused_with_what_to_do() -> None:
    with pytest.raises(VizslaError, match=r"vizsla\.finding/9") as caught:
        from_record(to_record(sample.finding()) | {"schema": "vizsla.finding/9"})
    assert caught.value.fix


@pytest.mark.parametrize("field", ["title", "run", "time", "context"])
def test_a_record_that_lacks_a_field_is_refused_in_words(field: str) -> None:
    record = to_record(sample.finding())
    del record[field]
    with pytest.raises(VizslaError, match="schema"):
        from_record(record)


def test_long_texts_are_cut_with_their_length_wherever_they_are_repeated() -> None:
    """A megabyte in a field: its copies stay small, the event that holds it whole is named."""
    huge = "A" * (1 << 20)
    whole = sample.finding()
    event = dataclasses.replace(whole.evidence[0].events[0], native={"CommandLine": huge, huge: "v"})
    reason = dataclasses.replace(whole.evidence[0].reasons[0], raw=huge, value=huge, text=huge)
    finding = dataclasses.replace(
        whole, evidence=(dataclasses.replace(whole.evidence[0], events=(event,), reasons=(reason,), why=huge),)
    )
    record = to_record(finding)
    line = record["evidence"][0]
    assert line["why"] == line["reasons"][0]["raw"] == "A" * TEXT + "… (cut: 1,048,576 characters)"
    native = line["events"][0]["native"]
    assert native["CommandLine"] == "A" * NATIVE + "… (cut: 1,048,576 characters)"
    assert max(map(len, native)) < TEXT + 50
    assert (line["events"][0]["id"], line["events"][0]["table"]) == (event.id, event.table)
    assert len(jsonl.line(finding)) < 100_000
    assert to_record(from_record(record)) == record  # what was cut is not cut again

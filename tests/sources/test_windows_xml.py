"""Windows events as XML: the same columns as from EVTX, and nothing that a hostile document could do."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import evtx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from source_samples import events, items, refusals, stamped, totals, unknown, written

from vizsla.sources.windows_xml import SOURCE

SPACE = "http://schemas.microsoft.com/win/2004/08/events/event"
SYSTEM = (
    "<System><Provider Name='Microsoft-Windows-Sysmon' Guid='{5770385f-c22a-43e0-bf4c-06f5698ffbd9}'/>"
    "<EventID>1</EventID><Version>5</Version><Level>4</Level><Task>1</Task><Opcode>0</Opcode>"
    "<Keywords>0x8000000000000000</Keywords><TimeCreated SystemTime='2025-03-04T10:11:12.1312345Z'/>"
    "<EventRecordID>77</EventRecordID><Correlation/><Execution ProcessID='2000' ThreadID='3000'/>"
    "<Channel>Microsoft-Windows-Sysmon/Operational</Channel><Computer>WS1.corp.example</Computer>"
    "<Security UserID='S-1-5-18'/></System>"
)


def event(data: str = "<EventData><Data Name='Image'>C:\\a.exe</Data></EventData>", more: str = "") -> str:
    return f"<Event xmlns='{SPACE}'>{SYSTEM}{data}{more}</Event>"


def xml_of(path: Path) -> list[str]:
    return [
        re.sub(r"^<\?xml.*?\?>", "", r["data"]) for r in evtx.PyEvtxParser(str(path), number_of_threads=1).records()
    ]


def native(row: dict[str, Any]) -> dict[str, Any]:
    """What a row holds but empty values and where it was read; control characters are escapes in XML."""
    return {
        k: re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f]", lambda c: f"\\x{ord(c.group()):02x}", v) if isinstance(v, str) else v
        for k, v in row.items()
        if k not in ("_id", "_origin") and v != ""
    }


def test_the_same_as_from_evtx(real_data: Path, tmp_path: Path) -> None:
    total = 0
    for path in sorted((real_data / "evtx").rglob("*.evtx"))[::3]:
        documents = xml_of(path)
        found = items(written(tmp_path, f"<Events>{''.join(documents)}</Events>".encode(), "t.xml"))
        assert totals(found) == (len(documents), 0), path
        told = stamped(found)
        for table, rows in stamped(items(path)).items():
            assert list(map(native, told[table])) == list(map(native, rows)), (path, table)
            total += len(rows)
    assert total > 2500


@pytest.mark.parametrize(
    ("encoding", "begin", "between", "end"),
    [
        ("utf-8", "", "", ""),  # wevtutil qe: one after the other
        ("utf-8", "", "\r\n", "\r\n"),  # ToXml(), one a line
        ("utf-8-sig", "<?xml version='1.0' encoding='utf-8' standalone='yes'?>\r\n<Events>", "", "</Events>"),
        ("utf-16", "<?xml version='1.0' encoding='utf-16'?><Events>", "\r\n", "</Events>"),  # PowerShell's > of it
        ("utf-8", "<Events>\n  <!-- saved -->\n", "\n\n", "\n</Events>\n"),
    ],
)
def test_every_way_of_writing_them(tmp_path: Path, encoding: str, begin: str, between: str, end: str) -> None:
    content = begin + between.join([event()] * 3) + end
    path = written(tmp_path, content.encode(encoding), "events.xml")
    found = items(path)
    assert totals(found) == (3, 0)
    row = events(path)[0]
    assert (row["EventID"], row["Image"], row["ExecutionProcessID"]) == ("1", "C:\\a.exe", "2000")
    assert (row["Provider_Name"], row["UserID"], row["_host"]) == (
        "Microsoft-Windows-Sysmon",
        "S-1-5-18",
        "ws1.corp.example",
    )
    assert row["_time"].isoformat() == "2025-03-04T10:11:12.131234+00:00"


def test_rendered_words_have_columns_of_their_own(tmp_path: Path) -> None:
    words = (
        "<RenderingInfo Culture='en-US'><Message>Process Create:&#xD;\nx</Message><Level>Information</Level>"
        "<Task>Process Create (rule: ProcessCreate)</Task><Opcode>Info</Opcode><Channel></Channel>"
        "<Keywords><Keyword>Audit Success</Keyword><Keyword>Classic</Keyword></Keywords></RenderingInfo>"
    )
    row = events(written(tmp_path, event(more=words).encode(), "x.xml"))[0]
    assert (row["Level"], row["LevelName"]) == ("4", "Information")
    assert row["Message"] == "Process Create:\r\nx"
    assert row["KeywordNames"] == "Audit Success; Classic"
    assert row["RenderingInfo_Culture"] == "en-US"


def test_user_data_and_unnamed_data(tmp_path: Path) -> None:
    data = (
        "<UserData><Operation xmlns='http://x'><ProviderName>P</ProviderName><Code>0x0</Code>"
        "<Inner><Level>deep</Level></Inner></Operation></UserData>"
    )
    row = events(written(tmp_path, event(data).encode(), "x.xml"))[0]
    assert (row["ProviderName"], row["Code"], row["UserData_Level"], row["Level"]) == ("P", "0x0", "deep", "4")
    row = events(written(tmp_path, event("<EventData><Data>a</Data><Data>b</Data></EventData>").encode(), "x.xml"))[0]
    assert (row["param1"], row["param2"]) == ("a", "b")


LAUGHS = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 12))


@pytest.mark.parametrize(
    ("declared", "entity"),
    [
        (f"[<!ENTITY l0 'ha'>{LAUGHS}]", "&l11;"),
        ("[<!ENTITY x SYSTEM 'file:///etc/passwd'>]", "&x;"),
        ("SYSTEM 'http://127.0.0.1:1/x.dtd'", "&y;"),
    ],
    ids=["laughs", "file", "address"],
)
def test_entities_are_refused(tmp_path: Path, declared: str, entity: str) -> None:
    hostile = f"<!DOCTYPE Events {declared}><Events>" + event(f"<EventData><Data Name='a'>{entity}</Data></EventData>")
    begun = time.process_time()
    found = items(written(tmp_path, (hostile + event() + "</Events>").encode(), "x.xml"), "windows_xml")
    assert time.process_time() - begun < 2
    assert totals(found) == (1, 2)
    assert "entities are not expanded" in refusals(found)[0]
    assert "undefined entity" in refusals(found)[1]
    assert "root:" not in str(found)


def test_a_declaration_within_an_event_is_refused(tmp_path: Path) -> None:
    inside = event("<!DOCTYPE a [<!ENTITY b 'c'>]><EventData><Data>&b;</Data></EventData>")
    found = items(written(tmp_path, (event() + inside + event()).encode(), "x.xml"))
    assert totals(found) == (2, 1)


def test_damage_costs_its_event(tmp_path: Path) -> None:
    cut = event()[:400]
    odd = event("<EventData><Data Name='a'>x</Dat></EventData>")
    content = event() + cut + event() + odd + "some words" + event() + cut
    found = items(written(tmp_path, content.encode(), "x.xml"))
    rows, refused = totals(found)
    assert rows == 3
    assert refused == 4
    assert sum("cut off" in reason for reason in refusals(found)) == 2


def test_what_xml_forbids_is_shown(tmp_path: Path) -> None:
    data = "<EventData><Data Name='a'>x&#x0;&#1;y\x02\udcffz&#xD;</Data></EventData>"
    row = events(written(tmp_path, event(data).encode("utf-8", "surrogateescape"), "x.xml"))[0]
    assert row["a"] == "x\\x00\\x01y\\x02\\xffz\r"


@pytest.mark.parametrize("levels", [100, 200_000])
def test_deep_nesting_is_refused_and_fast(tmp_path: Path, levels: int) -> None:
    begun = time.process_time()
    deep = event("<UserData>" + "<a>" * levels + "</a>" * levels + "</UserData>")
    found = items(written(tmp_path, (deep + event()).encode(), "x.xml"))
    assert totals(found) == (1, 1)
    assert time.process_time() - begun < 5


def test_openings_without_end_are_fast(tmp_path: Path) -> None:
    begun = time.process_time()
    found = items(written(tmp_path, b"<Event><System><EventID>" * 200_000, "x.xml"), "windows_xml")
    assert totals(found)[0] == 0
    assert time.process_time() - begun < 10


def test_other_xml_is_unknown(tmp_path: Path, real_data: Path) -> None:
    for text in ("<Events></Events>", "<html><Event/></html>", "<Event>party</Event>", f"see {event()}"):
        assert unknown(items(written(tmp_path, text.encode(), "x.xml")))
    for path in sorted((real_data / "intel").rglob("*.xml")):
        assert SOURCE.sniff(path.read_bytes()[:65536], path.name) == 0


VALUES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00\ufffe\uffff"), max_size=30).filter(
    lambda t: not re.search("[\x01-\x08\x0b\x0c\x0e-\x1f]", t) and not (t[:1] == "\n" and t.isspace())
)
NAMES = st.text("abcdefgXYZ", min_size=3, max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.dictionaries(NAMES, VALUES, max_size=6))
def test_what_is_written_is_read(tmp_path: Path, data: dict[str, str]) -> None:
    data = {k: v for n, (k, v) in enumerate(data.items()) if k.lower() not in [o.lower() for o in list(data)[:n]]}
    body = "".join(f"<Data Name={quoteattr(k)}>{escape(v, {chr(13): '&#13;'})}</Data>" for k, v in data.items())
    row = events(written(tmp_path, event(f"<EventData>{body}</EventData>").encode(), "x.xml"))[0]
    assert {k: v for k, v in data.items() if v} == {k: v for k in data if (v := row.get(k))}

"""OpenIOC and STIX 1: what conditions mean arrives; XML that does harm is refused."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vizsla import feeds
from vizsla.errors import FeedError
from vizsla.feed import Read
from vizsla.feeds import _xml
from vizsla.nouns.indicator import Claim, Mention, Refused

IOC = """<?xml version="1.0"?>
<ioc xmlns="http://schemas.mandiant.com/2010/ioc" id="i1" last-modified="2024-01-02T00:00:00">
<short_description>Night</short_description><description>of a group</description><keywords>apt x</keywords>
<authored_date>2024-01-01T00:00:00Z</authored_date>
<links><link rel="threatgroup">APT0</link><link rel="family">Duqu</link></links>
<definition><Indicator operator="OR" id="o">{}</Indicator></definition></ioc>"""
PACKAGE = """<stix:STIX_Package xmlns:stix="http://stix.mitre.org/stix-1" xmlns:xsi="x" xmlns:="malformed"
 version="1.1.1"><stix:STIX_Header><stix:Title>Night</stix:Title>
<stix:Handling><m:Marking_Structure color="AMBER"/></stix:Handling></stix:STIX_Header>
{}
<stix:TTPs><stix:TTP id="t1"><ttp:Behavior>
<ttp:Malware><ttp:Malware_Instance><ttp:Name>Duqu</ttp:Name></ttp:Malware_Instance></ttp:Malware>
<ttp:Attack_Patterns><ttp:Attack_Pattern><ttp:Title>DNS T1071.004</ttp:Title></ttp:Attack_Pattern>
</ttp:Attack_Patterns></ttp:Behavior>
<et:Vulnerability><et:CVE_ID>CVE-2021-44228</et:CVE_ID></et:Vulnerability></stix:TTP></stix:TTPs>
<stix:Campaigns><stix:Campaign id="c1"><campaign:Title>Dark</campaign:Title></stix:Campaign></stix:Campaigns>
<stix:Threat_Actors><stix:Threat_Actor id="a1">
<ta:Identity><x:Name>APT0</x:Name></ta:Identity></stix:Threat_Actor></stix:Threat_Actors>
</stix:STIX_Package>"""
INDICATOR = """<stix:Indicator id="i{0}" timestamp="2024-01-02T03:04:05Z"><indicator:Title>one</indicator:Title>
<indicator:Type>File Hash Watchlist</indicator:Type>
<indicator:Valid_Time_Position><i:Start_Time>2024-01-01T00:00:00Z</i:Start_Time></indicator:Valid_Time_Position>
<indicator:Indicated_TTP><c:TTP idref="t1"/></indicator:Indicated_TTP>
<indicator:Confidence><c:Value>High</c:Value></indicator:Confidence>{1}</stix:Indicator>"""


def ioc(*items: str) -> str:
    return IOC.format("".join(items))


def item(term: str, value: str, condition: str = "is", more: str = "") -> str:
    return (
        f'<IndicatorItem id="5d9b516c-e5f0-4e7c-a958-5d8c0a019371" condition="{condition}" {more}>'
        f'<Context document="x" search="{term}"/><Content type="string">{value}</Content></IndicatorItem>'
    )


def observable(kind: str, inner: str, more: str = "") -> str:
    held = f'<cybox:Properties xsi:type="X:{kind}ObjectType" {more}>{inner}</cybox:Properties>'
    return f"<indicator:Observable><cybox:Object>{held}</cybox:Object></indicator:Observable>"


def read(tmp_path: Path, name: str, content: str) -> list[Read]:
    path = tmp_path / "a.xml"
    path.write_text(content, "utf-8")
    assert feeds.sniffed(path) is feeds.find(name)
    return list(feeds.find(name).read(path, "mine"))


def pairs(found: list[Read]) -> list[tuple[str, str, bool]]:
    return [(one.type, one.value, one.to_ids) for one in found if isinstance(one, Claim)]


def test_openioc_says_this_of_a_value(tmp_path: Path) -> None:
    claim, *mentions = sorted(read(tmp_path, "openioc", ioc(item("Network/DNS", "Evil[.]example.com"))), key=str)
    assert claim == Claim(
        "domain",
        "evil.example.com",
        "mine",
        "Evil[.]example.com",
        "ioc i1",
        "Night: of a group",
        created=datetime(2024, 1, 1, tzinfo=UTC),
        modified=datetime(2024, 1, 2, tzinfo=UTC),
        malware=("Duqu",),
        actors=("APT0",),
        tags=("apt", "x"),
    )
    assert {(one.kind, one.name) for one in mentions if isinstance(one, Mention)} == {
        ("malware", "Duqu"),
        ("actor", "APT0"),
    }


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (item("FileItem/FileName", "evil", "contains"), ("file_name", "*evil*")),
        (item("FileItem/FileName", "e_l", "contains"), ("pattern", "[file:name MATCHES 'e_l']")),
        (item("FileItem/FileName", "a.exe", "isnot"), ("pattern", "[file:name NOT = 'a.exe']")),
        (item("FileItem/FileName", "a.exe", more='negate="true"'), ("pattern", "[file:name NOT = 'a.exe']")),
        (item("FileItem/SizeInBytes", "5 TO 9"), ("pattern", "[file:size >= 5 AND file:size <= 9]")),
        (item("FileItem/SizeInBytes", "5", "greater-than"), ("pattern", "[file:size > 5]")),
        (item("RegistryItem/Path", "HKLM\\Software\\x"), ("registry_key", r"hklm\software\x")),
        (
            '<Indicator operator="AND">'
            + item("FileItem/FileName", "a.exe")
            + item("FileItem/SizeInBytes", "5")
            + item("PortItem/remoteIP", "192.0.2.1")
            + "</Indicator>",
            ("pattern", "[file:name = 'a.exe' AND file:size = 5] AND [ipv4-addr:value = '192.0.2.1']"),
        ),
        (
            '<Indicator operator="AND">'
            + item("ProcessItem/HandleList/Handle/Type", "Mutant")
            + item("ProcessItem/HandleList/Handle/Name", "Global\\M")
            + "</Indicator>",
            ("mutex", "m"),
        ),
        # An exporter that leaves Content empty, and writes the value as the id.
        (
            '<IndicatorItem id="192.0.2.1" condition="is"><Context search="PortItem/remoteIP"/><Content type="IP"/>'
            "</IndicatorItem>",
            ("ipv4", "192.0.2.1"),
        ),
    ],
)
def test_openioc_conditions(tmp_path: Path, content: str, expected: tuple[str, str]) -> None:
    found = read(tmp_path, "openioc", ioc(content))
    assert [one[:2] for one in pairs(found)] == [expected]
    assert not [one for one in found if isinstance(one, Refused)]


def test_openioc_a_bad_item_costs_no_other(tmp_path: Path) -> None:
    both = '<Indicator operator="AND">' + item("FileItem/Md5sum", "a" * 32) + item("Never/Heard", "x") + "</Indicator>"
    found = read(
        tmp_path,
        "openioc",
        ioc(
            item("Never/Heard", "x"),
            item("FileItem/Md5sum", "no hash"),
            item("FileItem/Md5sum", ""),
            item("FileItem/FileName", "x", "sounds-like"),
            both,
            '<Indicator operator="AND"></Indicator>',
            item("FileItem/Md5sum", "A" * 32),
        ),
    )
    assert len([one for one in found if isinstance(one, Refused)]) == 6
    assert pairs(found) == [("md5", "a" * 32, True)]


def test_stix1_says_this_of_a_value(tmp_path: Path) -> None:
    one = INDICATOR.format(1, observable("DomainName", "<D:Value condition='Equals'>Evil.example.com</D:Value>"))
    found = read(tmp_path, "stix1", PACKAGE.format(f"<stix:Indicators>{one}</stix:Indicators>"))
    (claim,) = (said for said in found if isinstance(said, Claim))
    assert claim == Claim(
        "domain",
        "evil.example.com",
        "mine",
        "Evil.example.com",
        "Indicator i1",
        "Night: one",
        85,
        "amber",
        valid_from=datetime(2024, 1, 1, tzinfo=UTC),
        modified=datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
        techniques=("T1071.004",),
        malware=("Duqu",),
        tags=("File Hash Watchlist",),
    )
    assert {(said.kind, said.name) for said in found if isinstance(said, Mention)} == {
        ("malware", "Duqu"),
        ("technique", "T1071.004"),
        ("vulnerability", "CVE-2021-44228"),
        ("campaign", "Dark"),
        ("actor", "APT0"),
    }


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (
            observable(
                "File",
                "<F:File_Name>A.exe</F:File_Name><F:Hashes><c:Hash><c:Type>MD5</c:Type><c:Simple_Hash_Value>"
                + "A" * 32
                + "</c:Simple_Hash_Value></c:Hash><c:Hash><c:Simple_Hash_Value>"
                + "B" * 40
                + "</c:Simple_Hash_Value></c:Hash></F:Hashes>",
            ),
            [("md5", "a" * 32, True), ("sha1", "b" * 40, True), ("file_name", "a.exe", False)],
        ),
        (observable("File", "<F:File_Name condition='StartsWith'>ev</F:File_Name>"), [("file_name", "ev*", True)]),
        (
            observable(
                "Address", "<A:Address_Value>192.0.2.1##comma##192.0.2.2</A:Address_Value>", 'category="ipv4-addr"'
            ),
            [("ipv4", "192.0.2.1", True), ("ipv4", "192.0.2.2", True)],
        ),
        (
            observable(
                "EmailMessage", "<E:Header><E:From><A:Address_Value>a@b.com</A:Address_Value></E:From></E:Header>"
            ),
            [("email", "a@b.com", True)],
        ),
        (
            observable("WindowsRegistryKey", r"<R:Key>Software\x</R:Key><R:Hive>HKEY_LOCAL_MACHINE</R:Hive>"),
            [("registry_key", r"hklm\software\x", True)],
        ),
        (observable("Pipe", r"<P:Name>\\.\pipe\x</P:Name>"), [("pipe", "x", True)]),
        (
            observable("HTTPSession", "<H:Parsed_Header><H:User_Agent>Evil  1</H:User_Agent></H:Parsed_Header>"),
            [("user_agent", "evil 1", True)],
        ),
        (
            "<indicator:Observable><cybox:Observable_Composition operator='AND'>"
            + observable("Address", "<A:Address_Value>192.0.2.1</A:Address_Value>", 'category="ipv4-addr"')
            + observable("Mutex", "<M:Name>m</M:Name>")
            + "</cybox:Observable_Composition></indicator:Observable>",
            [("pattern", "[ipv4-addr:value = '192.0.2.1'] AND [mutex:name = 'm']", True)],
        ),
    ],
)
def test_stix1_observables(tmp_path: Path, held: str, expected: list[tuple[str, str, bool]]) -> None:
    found = read(tmp_path, "stix1", PACKAGE.format(INDICATOR.format(1, held)))
    assert pairs(found) == expected
    assert not [one for one in found if isinstance(one, Refused)]


def test_stix1_observables_apart_and_bad_ones(tmp_path: Path) -> None:
    meant = (
        '<cybox:Observable id="o1"><cybox:Object>'
        '<cybox:Properties xsi:type="Mutex:MutexObjectType"><M:Name>m</M:Name></cybox:Properties></cybox:Object>'
        "</cybox:Observable>"
    )
    alone = meant.replace("o1", "o2").replace(">m<", ">n<")
    content = PACKAGE.format(
        f"<stix:Observables>{meant}{alone}</stix:Observables>"
        + INDICATOR.format(1, '<indicator:Observable idref="o1"/>')
        + INDICATOR.format(2, "")
        + INDICATOR.format(3, observable("Never", "<x:y>z</x:y>"))
        + INDICATOR.format(4, observable("DomainName", "<D:Value>com</D:Value>"))
        + INDICATOR.format(5, '<indicator:Observable idref="nowhere"/>')
    )
    found = read(tmp_path, "stix1", content)
    assert pairs(found) == [("mutex", "n", False), ("mutex", "m", True)]
    assert len([one for one in found if isinstance(one, Refused)]) == 4


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {chr(98 + n)} "{("&" + chr(97 + n) + ";") * 10}">' for n in range(9)
)
HOSTILE = [
    LAUGHS + "]>{}",
    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>{}',
    '<!DOCTYPE x SYSTEM "http://192.0.2.1/x.dtd">{}',
    '<!DOCTYPE x [<!ENTITY % a SYSTEM "http://192.0.2.1/x"> %a;]>{}',
]


@pytest.mark.parametrize("name", ["openioc", "stix1"])
@pytest.mark.parametrize("head", HOSTILE)
def test_declarations_are_refused(tmp_path: Path, name: str, head: str) -> None:
    path = tmp_path / "a.xml"
    content = ioc(item("Network/DNS", "&j;")) if name == "openioc" else PACKAGE.format("&j;")
    path.write_text(head.replace("{}", content.partition("?>")[2] or content), "utf-8")
    began = time.process_time()
    with pytest.raises(FeedError, match="declares"):
        list(feeds.find(name).read(path, "mine"))
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "content",
    [
        "<ioc>" + "<Indicator>" * 5000,
        "<ioc>" + "x" * (_xml.TEXT + 1) + "</ioc>",
        "<ioc>" + "<a/>" * (_xml.NODES + 1) + "</ioc>",
        "<ioc>&undefined;</ioc>",
        "<ioc><a></ioc>",
        "<ioc",
        "",
        "<html/>",
    ],
)
def test_what_is_too_much_or_no_xml_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.ioc"
    path.write_text(content, "utf-8")
    with pytest.raises(FeedError):
        list(feeds.find("openioc").read(path, "mine"))


def test_a_tag_without_end_is_refused_before_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_xml, "TAG", 200_000)
    path = tmp_path / "a.ioc"
    for size, refused in ((150_000, False), (5_000_000, True)):
        path.write_text('<ioc><a b="' + "x" * size + '"/></ioc>', encoding="utf-8")
        if refused:
            with pytest.raises(FeedError, match="a tag of more than"):
                list(_xml.elements(path, ("a",)))
        else:
            assert len(list(_xml.elements(path, ("a",)))) == 1
    path.write_text("<ioc>" + "<a>some text</a>" * 60_000 + "x" * 500_000 + "</ioc>", encoding="utf-8")
    assert len(list(_xml.elements(path, ("a",)))) == 60_000

"""Tables and plain lists."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizsla.errors import FeedError
from vizsla.feed import Claims, InBulk
from vizsla.feeds import find, sniffed
from vizsla.feeds._cells import FEW
from vizsla.feeds._rows import time_of
from vizsla.nouns.indicator import Claim, Refused

SHA1 = "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed"
MD5 = "5eb63bbbe01eeed093cb22bb8f5acdc3"

THREATFOX = f'''################
# "first_seen_utc","ioc_id","ioc_value","ioc_type","threat_type","malware_printable","last_seen_utc","confidence_level","reference","tags"
"2024-05-01 10:00:00", "1", "198.51.100.7:4444", "ip:port", "botnet_cc", "XWorm", "", "100", "https://example.com/x", "xworm,rat"
"2024-05-01 10:00:00", "2", "evil.example.com", "domain", "botnet_cc", "XWorm", "2024-05-02 10:00:00", "75", "", "xworm"
"2024-05-01 10:00:00", "3", "{SHA1}", "sha1_hash", "payload", "XWorm", "", "75", "", ""
# Number of entries: 3
'''  # noqa: E501
MISP = f"""uuid,event_id,category,type,value,comment,to_ids,date
a,1,Network activity,domain|ip,"evil.example.com|198.51.100.7","C2",1,20240501
b,1,Payload delivery,filename|sha1,"a.exe|{SHA1}","",1,20240501
c,1,Network activity,ip-dst,"198.51.100.8","victim",0,20240501
d,1,Attribution,text,"Some name","",0,20240501
"""


def claims(path: Path) -> list[Claim]:
    form = sniffed(path)
    assert form is not None
    return [c for c in form.read(path, "feed") if isinstance(c, Claim)]


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_types_by_column_comments_as_names_and_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path, "threatfox.csv", THREATFOX)
    assert sniffed(path) is find("table")
    first, second, third = claims(path)
    assert [(c.type, c.value) for c in (first, second, third)] == [
        ("ipv4", "198.51.100.7"), ("domain", "evil.example.com"), ("sha1", SHA1),
    ]  # fmt: skip
    assert (first.confidence, first.malware, first.tags) == (100, ("XWorm",), ("xworm", "rat"))
    assert first.first_seen == first.valid_from == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert second.last_seen == datetime(2024, 5, 2, 10, tzinfo=UTC)
    assert second.source == "threatfox.csv, line 4"


def test_misp_exports(tmp_path: Path) -> None:
    path = write(tmp_path, "iocs.csv", MISP)
    form = sniffed(path)
    assert form is find("table")
    read = list(form.read(path, "feed"))
    found = {(c.type, c.value): c for c in read if isinstance(c, Claim)}
    assert set(found) == {
        ("domain", "evil.example.com"), ("ipv4", "198.51.100.7"), ("file_name", "a.exe"), ("sha1", SHA1),
        ("ipv4", "198.51.100.8"),
    }  # fmt: skip
    assert found["ipv4", "198.51.100.8"].to_ids is False
    assert found["domain", "evil.example.com"].context == "Network activity; C2"
    assert [r for r in read if isinstance(r, Refused)] == [
        Refused("iocs.csv, line 5", "'Some name' is of no type that can be matched")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IP\tCountry\tComment\tConfidence\n198.51.100.3\tDE\tscanner\thigh\n",
         [("ipv4", "198.51.100.3", "scanner", 85)]),
        ("Indikator;Beschreibung\nevil.example.com;C2 of X\nbad.example.com;Loader\n",
         [("domain", "evil.example.com", "Beschreibung: C2 of X", None),
          ("domain", "bad.example.com", "Beschreibung: Loader", None)]),
        (f"# Listingdate,SHA1,Listingreason\n2024-05-01 10:00:00,{SHA1},X C&C\n2024-05-02 10:00:00,{SHA1[::-1]},Y\n",
         [("sha1", SHA1, "Listingreason: X C&C", None), ("sha1", SHA1[::-1], "Listingreason: Y", None)]),
        (f"# ja3_md5,Firstseen,Lastseen,Listingreason\n{MD5},2017-07-14 18:08:15,2019-07-27 20:42:54,Dridex\n"
         f"{MD5[::-1]},2017-07-14 18:08:15,2019-07-27 20:42:54,Dridex\n",
         [("ja3", MD5, "Listingreason: Dridex", None), ("ja3", MD5[::-1], "Listingreason: Dridex", None)]),
        ("evil.example.com,198.51.100.3,x\nbad.example.com,198.51.100.4,y\nill.example.com,198.51.100.5,z\n", None),
    ],
)  # fmt: skip
def test_columns_are_guessed(
    tmp_path: Path, text: str, expected: list[tuple[str, str, str, int | None]] | None
) -> None:
    found = [(c.type, c.value, c.context, c.confidence) for c in claims(write(tmp_path, "list.csv", text))]
    if expected is None:
        assert len(found) == 6
        assert {kind for kind, *_ in found} == {"domain", "ipv4"}
    else:
        assert found == expected


def test_links_to_reading_are_no_indicators(tmp_path: Path) -> None:
    text = (
        "# id,dateadded,url,url_status,threat,tags,urlhaus_link,reporter\n"
        '"3","2024-05-01 10:00:00","http://198.51.100.9/bin.sh","online","malware_download","elf","https://example.org/3/","x"\n'
        '"4","2024-05-01 10:00:01","http://evil.example.net/a.exe","offline","malware_download","exe","https://example.org/4/","y"\n'
    )
    found = claims(write(tmp_path, "urls.csv", text))
    assert [c.value for c in found] == ["http://198.51.100.9/bin.sh", "http://evil.example.net/a.exe"]


def test_a_table_without_indicators_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "people.csv", "name,age\nJane,7\nJoe,8\n")
    assert find("table").sniff(path.read_bytes(), path.name) == 0
    with pytest.raises(FeedError, match="no column"):
        list(find("table").read(path, "feed"))


def test_a_damaged_row_takes_no_other_with_it(tmp_path: Path) -> None:
    good = "".join(f"evil{i}.example.com,x\n" for i in range(20))
    text = f'domain,comment\n{good}{"y" * 200_000},z\nnothing at all,z\n"open,z\nbad.example.com,z\n'
    path = write(tmp_path, "damaged.csv", text)
    read = list(find("table").read(path, "feed"))
    assert len([c for c in read if isinstance(c, Claim)]) >= 20
    assert any(isinstance(r, Refused) and "line 23" in r.place for r in read)


def test_plain_lists(tmp_path: Path) -> None:
    text = (
        "# C2 of May\nevil[.]example[.]com\nhxxp://bad.example[.]org/x\n198.51.100.1-198.51.100.6\n||ads.example.net^\n"
        "address=/dns.example.net/0.0.0.0\n\n203.0.113.0/24 ; SBL1\n2001:db8::5 # six\nwhat is this line even about\n"
    )
    path = write(tmp_path, "list.txt", text)
    assert sniffed(path) is find("plain")
    read = list(find("plain").read(path, "feed"))
    found = [(c.type, c.value, c.context) for c in read if isinstance(c, Claim)]
    assert found == [
        ("domain", "evil.example.com", "C2 of May"), ("url", "http://bad.example.org/x", "C2 of May"),
        ("ipv4", "198.51.100.1", "C2 of May"), ("cidr", "198.51.100.2/31", "C2 of May"),
        ("cidr", "198.51.100.4/31", "C2 of May"), ("ipv4", "198.51.100.6", "C2 of May"),
        ("domain", "ads.example.net", "C2 of May"), ("domain", "dns.example.net", "C2 of May"),
        ("cidr", "203.0.113.0/24", "SBL1"), ("ipv6", "2001:db8::5", "six"),
    ]  # fmt: skip
    assert [r.place for r in read if isinstance(r, Refused)] == ["list.txt, line 10"]


def test_many_lines_at_once_say_what_each_says_alone(tmp_path: Path) -> None:
    texts = [
        "evil.example.com", "fab-cafe.de", "198.51.100.1", "198.51.100.1-198.51.100.2", "2001:db8::5", "d" * 32,
        "D" * 40, "hxxp://bad.example[.]org/x", "http://bad.example.org:8080/a?b=c&d=%20", "bad.example.org/gate",
        "203.0.113.0/24", "me@example.com", "0.0.0.0 ill.example.com", "||ads.example.net^", "word", "a.b", "1.2.3",
        "evil.example.com:443", "-", "none", "x.exe", "EVIL.Example.COM", "CVE-2024-1234", "AS64496", "v1.2.3.4-5",
    ]  # fmt: skip
    assert len(texts) < FEW  # alone they are asked one by one
    single = [
        (c.type, c.value, c.raw, f"line {number}")
        for number, text in enumerate(texts * 20, 1)
        for c in find("plain").read(write(tmp_path, "one.txt", text), "feed")
        if isinstance(c, Claim)
    ]
    plain = find("plain")
    assert isinstance(plain, InBulk)
    path = write(tmp_path, "many.txt", "\n".join(texts * 20))
    many = [c for claims in plain.in_bulk(path, "feed") if isinstance(claims, Claims) for c in claims]
    assert [(c.type, c.value, c.raw, c.source.removeprefix("many.txt, ")) for c in many] == single
    assert ("domain", "fab-cafe.de") in {(c.type, c.value) for c in many}


def test_hosts_files(tmp_path: Path) -> None:
    text = (
        "127.0.0.1 localhost\n::1 ip6-localhost\n0.0.0.0 evil.example.com bad.example.com\n"
        "0.0.0.0 ill.example.com # phishing\n"
    )
    path = write(tmp_path, "hosts", text)
    assert sniffed(path) is find("plain")
    assert [c.value for c in claims(path)] == ["evil.example.com", "bad.example.com", "ill.example.com"]


@pytest.mark.parametrize("line", ["0.0.0.0-255.255.255.254", "9.9.9.9-1.1.1.1", "1.1.1.1-2001:db8::1"])
def test_ranges_are_bounded(tmp_path: Path, line: str) -> None:
    path = write(tmp_path, "ranges.txt", f"{line}\n198.51.100.1\n198.51.100.2\n198.51.100.3\n")
    read = list(find("plain").read(path, "feed"))
    assert len([c for c in read if isinstance(c, Claim)]) <= 67
    assert any(isinstance(r, Refused) for r in read)


def test_refusals_are_bounded(tmp_path: Path) -> None:
    path = write(tmp_path, "long.txt", "evil.example.com\n" + "no indicator at all\n" * 5_000)
    read = list(find("plain").read(path, "feed"))
    assert len(read) == 1_002
    assert read[-1] == Refused("long.txt", "4000 more lines hold no indicator")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("November 7th, 2014", (2014, 11, 7)), ("20240501", (2024, 5, 1)), ("2024-05-01T10:00:00Z", (2024, 5, 1)),
        ("1714557600", (2024, 5, 1)), ("3 May 2024", (2024, 5, 3)),
    ],
)  # fmt: skip
def test_times(text: str, expected: tuple[int, int, int]) -> None:
    found = time_of(text)
    assert found is not None
    assert (found.year, found.month, found.day) == expected
    assert time_of("soon") is None


def test_yara_and_snort_are_recognised_and_refused(tmp_path: Path) -> None:
    yara = write(
        tmp_path,
        "x.yar",
        '// made\nimport "pe"\nrule one : tag {\n strings: $a = "evil.example.com"\n condition: $a\n}\n'
        "rule two\n{\n}\n",
    )
    snort = write(tmp_path, "x.rules", 'alert tcp any any -> 198.51.100.7 80 (msg:"x"; content:"evil"; sid:7;)\n')
    for path, count in ((yara, 2), (snort, 1)):
        form = sniffed(path)
        assert form is find("detections")
        read = list(form.read(path, "feed"))
        assert len(read) == count
        assert all(isinstance(r, Refused) and r.reason for r in read)


def test_json_of_any_shape(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "x.json",
        '{"block": ["evil.example.com"], "rows": [{"sha1": "' + SHA1 + '", "comment": "loader"}], "id": "a.b.com"}',
    )
    assert sniffed(path) is find("json_values")
    assert [(c.type, c.value, c.context) for c in claims(path)] == [
        ("domain", "evil.example.com", "block"), ("sha1", SHA1, "loader"),
    ]  # fmt: skip
    deep = write(tmp_path, "deep.json", "[" * 100_000)
    with pytest.raises(FeedError):
        list(find("json_values").read(deep, "feed"))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "x.csv"
    path.write_text(text, "utf-8", errors="surrogatepass")
    for name in ("table", "plain", "report", "detections", "json_values"):
        try:
            for one in find(name).read(path, "feed"):
                assert not isinstance(one, Claim) or one.value
        except FeedError:
            continue

"""Warning lists: real ones drop what they should, hostile ones are bounded, and what is dropped says by whom."""

from __future__ import annotations

import ipaddress
import json
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intel_samples import NOW, claim, new_store
from vizsla.errors import FeedError
from vizsla.intel import lists
from vizsla.intel.active import active, standing
from vizsla.intel.silence import Silencer
from vizsla.intel.warninglists import WarningList, allowed, checked, general, read


def says(silencer: Silencer, *indicators: tuple[str, str]) -> list[str | None]:
    """Who silences each."""
    types, texts = zip(*indicators, strict=True)
    by, _ = silencer.why(silencer.silenced(pa.array(types), pa.array(texts)))
    found: list[str | None] = by.to_pylist()
    return found


def one(kind: Any, *entries: str, types: tuple[str, ...] = (), origin: Any = "warning") -> Silencer:
    """A silencer of one list."""
    kept, refused = checked(kind, entries)
    assert not refused
    return Silencer([WarningList("it", kind, kept, types, "why", origin)])


def written(path: Path, **said: Any) -> Path:
    """A warning list as a file."""
    path.write_text(json.dumps({"name": "it", "type": "string", "list": [], **said}))
    return path


def test_real_lists_drop_what_they_should(tmp_path: Path, real_data: Path) -> None:
    kept = new_store(tmp_path / "lake")
    files = sorted((real_data / "intel" / "warninglists").glob("*.json"))
    assert len(files) > 20
    refused = []
    for path in files:
        assert lists.may_be(path)
        made, bad = lists.add(kept, path)
        said = json.loads(path.read_text())
        assert len(made.entries) + len(bad) <= len(said["list"])
        refused += bad
    assert [one.reason.partition(": ")[2] for one in refused] == ["no host name"]  # 'corona helden'
    silencer = lists.silencer(kept)
    found = says(
        silencer,
        ("ipv4", "8.8.8.8"),
        ("domain", "www.google.com"),
        ("domain", "api.ipify.org"),
        ("url", "https://bit.ly/"),
        ("url", "https://bit.ly/3abcdef"),
        ("email", "someone@0-mail.com"),
        ("md5", "d41d8cd98f00b204e9800998ecf8427e"),
        ("ipv4", "104.16.0.1"),
        ("cidr", "104.16.0.0/16"),
        ("cidr", "104.0.0.0/8"),
        ("domain", "notgoogle.com.bad-name.ru"),
    )
    assert [name is not None for name in found] == [True] * 4 + [False] + [True] * 4 + [False] * 2
    assert found[0] == "warning list List of known IPv4 public DNS resolvers"
    assert found[6] == "general list hashes of nothing"  # what is always on speaks first


def test_every_entry_of_real_lists_is_dropped_by_some_list(tmp_path: Path, real_data: Path) -> None:
    kept = new_store(tmp_path / "lake")
    rows: list[tuple[str, str]] = []
    for name in ("rfc1918", "cloudflare", "alexa", "empty-hashes", "whats-my-ip", "wikimedia", "sinkholes"):
        made, _ = lists.add(kept, real_data / "intel" / "warninglists" / f"{name}.json")
        for entry in made.entries:
            if made.kind == "cidr":
                network = ipaddress.ip_network(entry)
                rows += [("cidr", entry), (f"ipv{network.version}", str(network[-1]))]
            else:
                rows.append((made.types[0], entry))
    assert len(rows) > 1000
    found = says(lists.silencer(kept), *rows)
    assert [row for row, name in zip(rows, found, strict=True) if name is None] == []


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(5, 32)), min_size=1, max_size=8), st.data())
def test_networks_are_as_the_plain_way_has_them(networks: list[tuple[int, int]], data: st.DataObject) -> None:
    entries = [str(ipaddress.ip_network((start, bits), strict=False)) for start, bits in networks]
    near = [int(net[edge]) + by for net in map(ipaddress.IPv4Network, entries) for edge in (0, -1) for by in (-1, 0, 1)]
    address = ipaddress.IPv4Address(data.draw(st.sampled_from(near) | st.integers(0, 2**32 - 1)) % 2**32)
    expected = any(address in ipaddress.ip_network(entry) for entry in entries)
    assert (says(one("cidr", *entries), ("ipv4", str(address))) != [None]) == expected


@given(st.lists(st.tuples(st.integers(0, 2**128 - 1), st.integers(7, 128)), min_size=1, max_size=5), st.data())
def test_networks_of_version_6_too(networks: list[tuple[int, int]], data: st.DataObject) -> None:
    entries = [str(ipaddress.ip_network((start, bits), strict=False)) for start, bits in networks if start >= 2**32]
    near = [int(net[edge]) + by for net in map(ipaddress.IPv6Network, entries) for edge in (0, -1) for by in (-1, 0, 1)]
    address = ipaddress.IPv6Address(data.draw(st.sampled_from([1, *near]) | st.integers(0, 2**128 - 1)) % 2**128)
    if entries:
        expected = any(address in ipaddress.ip_network(entry) for entry in entries)
        assert (says(one("cidr", *entries), ("ipv6", str(address))) != [None]) == expected


def test_host_names_and_all_below_them() -> None:
    ready = one("hostname", "good.com", ".Below.net", types=("domain", "url"))
    names = [("domain", name) for name in ("good.com", "a.b.good.com", "notgood.com", "below.net", "com")]
    assert [name is not None for name in says(ready, *names)] == [True, True, False, True, False]
    assert says(ready, ("email", "a@good.com")) == [None]  # the list does not speak of mail addresses


def test_what_lies_on_a_host_is_not_the_host_but_for_the_teams_own() -> None:
    urls = [("url", text) for text in ("http://good.com/", "http://good.com/x.exe", "http://u:p@sub.good.com:81")]
    urls.append(("url", "http://10.1.2.3/x.exe"))
    others, own = one("hostname", "good.com"), one("hostname", "good.com", origin="allow")
    assert [name is not None for name in says(others, *urls)] == [True, False, True, False]
    assert [name is not None for name in says(own, *urls)] == [True, True, True, False]
    assert [name is not None for name in says(Silencer(general()), *urls)] == [False, False, False, True]


def test_substrings_patterns_and_strings() -> None:
    assert says(one("substring", "any.run"), ("domain", "app.any.run.evil.com"), ("domain", "anyrun.com")) != [
        None,
        None,
    ]
    regex = one("regex", r"/^ns\d+\.GOOD\.com$/i", r"^x{2,5}y$")
    found = says(regex, ("domain", "ns12.good.com"), ("domain", "ns.good.com"), ("mutex", "xxxy"))
    assert [name is not None for name in found] == [True, False, True]
    assert (
        says(one("string", ".google.ad"), ("domain", "www.google.ad"), ("mutex", ".google.ad"))
        == ["warning list it"] * 2
    )


def test_hostile_lists_are_bounded() -> None:
    for kind, entry in (
        ("hostname", "com"),
        ("hostname", ""),
        ("hostname", "a b"),
        ("substring", "a"),
        ("cidr", "0.0.0.0/0"),
        ("cidr", "::/0"),
        ("cidr", "128.0.0.0/1"),
        ("cidr", "no network"),
        ("regex", ".*"),
        ("regex", ""),
        ("regex", "("),
        ("regex", "(?=x)y"),
        ("regex", "((a{500}){500}){500}"),
        ("regex", "[^z]+"),
        ("string", "x" * 5000),
    ):
        kept, refused = checked(kind, [entry])
        assert (kept, len(refused)) == ((), 1), (kind, entry)
        assert refused[0].place == "entry 1"
    many = [f"^a{number}$" for number in range(3000)]
    kept, refused = checked("regex", many)
    assert (len(kept), len(refused)) == (2000, 1000)


def test_a_pattern_built_to_explode_takes_no_time() -> None:
    ready = one("regex", r"^(a+)+$", r"^(a|aa)+b$")
    started = time.process_time()
    assert says(ready, ("mutex", "a" * 50_000 + "!")) == [None]
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"list": []}', '{"name": "x", "list": 3}', '{"name": "x", "list": [], "type": "magic"}']
)
def test_what_is_no_list_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "list.json"
    path.write_text(text)
    with pytest.raises(FeedError):
        read(path)


def test_kinds_of_attribute(tmp_path: Path) -> None:
    made, refused = read(written(tmp_path / "a.json", matching_attributes=["domain|ip", "new-thing"], list=["x.com"]))
    assert made.types == ("none",)  # MISP's pair of both, of which there are no indicators here
    assert [one.place for one in refused] == ["matching_attributes"]
    made, _ = read(written(tmp_path / "b.json", list=["X.com", "x.com "]))
    assert (made.types, made.entries) == ((), ("x.com",))
    assert says(Silencer([made]), ("domain", "x.com"), ("mutex", "x.com")) == ["warning list it"] * 2


def test_allow_lists() -> None:
    made, refused = allowed(
        "value,reason\n# ours\n10.9.0.0/16,office\n*.ours.com\nmail.ours.net , relay\nintranet\n"
        + "D41D8CD98F00B204E9800998ECF8427E\n/^svc-[a-z]+$/\n0.0.0.0/0\nhxxp://partner[.]com/feed\n",
        "allow.csv",
        "added",
    )
    assert [(one.place, one.reason.partition(": ")[2]) for one in refused] == [
        ("line 9", "wider than a tenth of the internet")
    ]
    ready = Silencer(made)
    rows = [
        ("ipv4", "10.9.8.7"),
        ("domain", "ours.com"),
        ("url", "https://a.ours.com/x"),
        ("domain", "mail.ours.net"),
        ("domain", "host.intranet"),
        ("md5", "d41d8cd98f00b204e9800998ecf8427e"),
        ("account", "svc-backup"),
        ("url", "http://partner.com/feed"),
        ("domain", "partner.com"),
    ]
    places = ready.silenced(pa.array([row[0] for row in rows]), pa.array([row[1] for row in rows]))
    _, why = ready.why(places)
    assert why.to_pylist() == ["office", "added", "added", "relay", "added", "added", "added", "added", None]


def test_what_is_silenced_is_not_looked_for_and_says_by_whom(tmp_path: Path) -> None:
    kept = new_store(tmp_path / "lake")
    kept.add([claim("192.168.7.7", "ipv4"), claim("a.partner.com"), claim("b.bad-name.com")], "alpha", now=NOW)
    assert lists.allow_value(kept, "partner.com", "our partner", NOW) == []
    assert lists.allow_value(kept, "other.com", "", NOW) == []
    rows = {row["value"]: (row["silenced_by"], row["silenced_why"]) for row in standing(kept, NOW).to_pylist()}
    assert rows["a.partner.com"] == ("allow list by hand", "our partner")
    assert rows["192.168.7.7"][0] == "general list addresses that are nobody's on the internet"
    assert active(kept.lake, NOW).column("value").to_pylist() == ["b.bad-name.com"]
    assert lists.remove(kept, "by hand")
    assert not lists.remove(kept, "by hand")
    assert active(kept.lake, NOW).num_rows == 2


def test_a_list_of_the_same_name_is_replaced(tmp_path: Path) -> None:
    kept = new_store(tmp_path / "lake")
    lists.add(kept, written(tmp_path / "l.json", list=["a.com"], version=1))
    lists.add(kept, written(tmp_path / "l.json", list=["b.com"], version=2))
    (own,) = [made for made in lists.kept(kept) if made.origin == "warning"]
    assert (own.entries, own.version) == (("b.com",), "2")


def test_a_million_indicators_take_seconds() -> None:
    entries = [f"h{number}.good.com" for number in range(50_000)]
    networks = [f"10.{number >> 8}.{number & 255}.0/24" for number in range(20_000)]
    ready = Silencer(
        [
            WarningList("names", "hostname", tuple(entries), ("domain",)),
            WarningList("nets", "cidr", tuple(networks), ("ipv4",)),
        ]
    )
    count = 200_000
    texts = pa.array(
        [f"x.y.h{number}.good.com" for number in range(count)]
        + [f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in range(count)]
    )
    types = pa.array(["domain"] * count + ["ipv4"] * count)
    started = time.process_time()
    found = ready.silenced(types, texts)
    assert time.process_time() - started < 12
    assert int((found == 0).sum()) == 50_000
    assert int((found == 1).sum()) == count

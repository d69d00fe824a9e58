"""The list: what was asked for through proxies, what counts once, what stands above what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from beacon_samples import bursts, conn, every, lake_of
from vizsla.beacon.listed import LIST, beacons, bounded, lasting
from vizsla.beacon.places import place
from vizsla.beacon.run import run
from vizsla.beacon.weigh import REGULAR, Known, strength, traits
from vizsla.beacon.words import every as every_words
from vizsla.engine import Engine
from vizsla.errors import UsageError
from vizsla.hunt.scope import scans_of

PROXY = "10.0.0.2"


def http(
    at: float, source: str, method: str, uri: str, host: str | None, target: str = PROXY, port: int = 3128
) -> dict[str, object]:
    named = {} if host is None else {"host": host}
    return dict(conn(at, source, target, port, method=method, uri=uri, **named))


ASKED = [
    ("CONNECT", "c0.example:443", "c0.example"),
    ("CONNECT", "C1.example:443", "www.google.com"),
    ("CONNECT", "c2.example:443", "c2.example:443"),
    ("GET", "http://c3.example/a?b=http://x.example/", "c3.example"),
    ("GET", "http://c4.example:8080/", "www.google.com"),
    ("POST", "HTTPS://user@c5.example/x", None),
    ("GET", "/x", "c6.example:8080"),
]


def test_a_proxied_beacon_is_of_the_name_that_was_asked_for(each_engine: Engine, tmp_path: Path) -> None:
    """However it is asked for; and the proxy's own address is told of by names."""
    requests = []
    for number, (method, uri, host) in enumerate(ASKED):
        at = every(300, 100, 0.2, number, lost=0.1)
        requests += [http(t, f"10.0.1.{number}", method, uri, host) for t in at]
    connections = [conn(float(str(row["at"])), str(row["id.orig_h"]), PROXY, 3128) for row in requests]
    news = "http://news.example/"
    others = [http(t, f"10.0.0.{n}", "GET", news, "news.example") for n in (7, 8) for t in bursts(5, n)]
    lake = lake_of(tmp_path / "lake", http=[*requests, *others], conn=connections)
    found = beacons(each_engine, scans_of(lake, each_engine)).to_pylist()
    top = {row["source"]: row for row in found[: len(ASKED)]}
    for number in range(len(ASKED)):
        row = top[f"10.0.1.{number}"]
        assert (row["destination"], row["via"]) == (f"c{number}.example", "http")
        assert row["period_s"] == pytest.approx(300, rel=0.1)
        assert row["count"] == sum(one["id.orig_h"] == row["source"] for one in requests)
    assert PROXY not in {row["destination"].partition(":")[0] for row in found}


def test_a_name_told_of_by_two_logs_is_one_line(duckdb_engine: Engine, tmp_path: Path) -> None:
    at = every(300, 100, 0.1, 1)
    lake = lake_of(
        tmp_path / "lake",
        http=[http(t, "10.0.0.5", "CONNECT", "c2.example:443", None) for t in at],
        ssl=[conn(t + 0.05, "10.0.0.5", PROXY, 3128, server_name="c2.example") for t in at],
        conn=[conn(t - 0.05, "10.0.0.5", PROXY, 3128) for t in at],
    )
    found = beacons(duckdb_engine, scans_of(lake, duckdb_engine))
    assert found.schema == LIST
    assert found["destination"].to_pylist() == ["c2.example"]


def test_an_address_without_names_stays(duckdb_engine: Engine, tmp_path: Path) -> None:
    lake = lake_of(
        tmp_path / "lake",
        conn=[conn(t, "10.0.0.5", "203.0.113.9", 8443) for t in every(300, 100, 0.1, 1)],
        ssl=[conn(t, "10.0.0.5", "203.0.113.9", 443, server_name="shop.example") for t in bursts(5, 1)],
    )
    found = beacons(duckdb_engine, scans_of(lake, duckdb_engine), 1).to_pylist()
    assert found[0]["destination"] == "203.0.113.9:8443"


def test_an_implant_stands_above_services_and_people(duckdb_engine: Engine, tmp_path: Path) -> None:
    rows = []
    for host in range(10, 30):
        start = host * 7.0
        rows += [conn(t, f"10.0.0.{host}", "203.0.113.1", 123) for t in every(1024, 240, 0.01, host, start=start)]
        rows += [conn(t, f"10.0.0.{host}", "198.51.100.2", 443) for t in every(300, 800, 0.02, host, start=start)]
        rows += [conn(t, f"10.0.0.{host}", "192.0.2.77", 443) for t in bursts(6, host)]
    rows += [conn(t, "10.0.0.10", "10.0.0.99", 9100) for t in every(60, 3000, 0.0, 1)]
    rows += [conn(t, "10.0.0.12", "203.0.113.66", 443) for t in every(1800, 80, 0.4, 2, 0.1, start=90_000.0)]
    lake = lake_of(tmp_path / "lake", conn=rows)
    found = beacons(duckdb_engine, scans_of(lake, duckdb_engine)).to_pylist()
    assert (found[0]["source"], found[0]["destination"]) == ("10.0.0.12", "203.0.113.66:443")
    assert "1 of 20 hosts reach it" in found[0]["why"]
    assert "began 1.1 days after its host" in found[0]["why"]
    assert found[0]["bits"] > found[1]["bits"] + 3
    assert all(row["regular_bits"] > 0 for row in found)


def test_a_computer_that_is_off_at_night_does_not_hide_its_beacon(duckdb_engine: Engine, tmp_path: Path) -> None:
    """A few visits in four days, give or take almost half, some lost: the nights between them tell nothing."""
    beacon = [t for t in every(8_000, 50, 0.45, 5, 0.1) if 8 <= t / 3600 % 24 < 18 and t < 4 * 86_400]
    rows = [conn(t, "10.0.0.12", "203.0.113.66") for t in beacon]
    for host in range(12, 20):
        rows += [conn(t, f"10.0.0.{host}", f"192.0.2.{n}") for n in range(4) for t in bursts(6, host * 9 + n, days=4)]
    rows += [conn(1_800.0 * n, "10.0.0.10", f"198.51.100.{n}") for n in range(200)]  # a server, day and night
    lake = lake_of(tmp_path / "lake", conn=rows)
    found = beacons(duckdb_engine, scans_of(lake, duckdb_engine)).to_pylist()
    assert (found[0]["source"], found[0]["destination"]) == ("10.0.0.12", "203.0.113.66:443")
    assert (found[0]["count"], found[0]["regular_bits"] > 6) == (len(beacon), True)
    assert found[0]["period_s"] == pytest.approx(8_000, rel=0.2)


def test_everybody_is_no_pair_and_strangers_count_little(duckdb_engine: Engine, tmp_path: Path) -> None:
    rows = [
        conn(t, "10.0.0.5", target, 5353)
        for target in ("224.0.0.251", "10.0.0.255", "ff02::fb")
        for t in every(60, 99, 0, 1)
    ]
    rows += [conn(t, "45.0.0.9", "10.0.0.5", 22) for t in every(60, 99, 0.2, 1)]
    rows += [conn(t, "10.0.0.5", "45.0.0.10", 443) for t in every(60, 99, 0.2, 1)]
    lake = lake_of(tmp_path / "lake", conn=rows)
    found = beacons(duckdb_engine, scans_of(lake, duckdb_engine)).to_pylist()
    assert [row["destination"] for row in found] == ["45.0.0.10:443", "10.0.0.5:22"]
    assert "it comes from outside" in found[1]["why"]


def test_traits_and_their_limit() -> None:
    one, no = np.ones(1), np.zeros(1, dtype=bool)
    alone = Known(np.array([1]), np.array([200]), one * 86_400, one, one, no, no, no)
    told = traits(np.array([317.0]), np.array([0.2]), alone)
    assert told["rarity"][0] == pytest.approx(np.log2(200))
    assert strength(np.array([3.0]), told)[0] == 6.0  # no trait vouches for what regularity does not
    assert strength(np.array([900.0]), told)[0] == pytest.approx(
        REGULAR + min(REGULAR, sum(v[0] for v in told.values()))
    )
    shared = Known(np.array([200]), np.array([200]), one * 0, one, one, ~no, ~no, ~no)
    assert strength(np.array([900.0]), traits(np.array([60.0]), np.array([0.0]), shared))[0] < 8
    assert lasting(np.array([1.0, 100.0]), np.array([1.0, 100.0])) == pytest.approx([0.4, 101 / 104])


def test_places() -> None:
    inside = ("10.1.2.3", "[fe80::1]", "fe80::1%eth0", "fd00::1", "100.64.1.1")
    outside = ("8.8.8.8", "2606:4700::1", "203.0.113.9")
    everybody = ("224.0.0.1", "192.168.1.255", "255.255.255.255", "ff02::fb")
    kinds = dict.fromkeys(("c2.example", ""), "name")
    kinds |= dict.fromkeys(inside, "inside") | dict.fromkeys(outside, "outside") | dict.fromkeys(everybody, "everybody")
    assert {text: place(text) for text in kinds} == kinds


def test_words_and_bounds() -> None:
    assert every_words(30) == "every 30 s"
    assert every_words(251.8) == "every 4.2 minutes"
    assert every_words(14_400) == "every 4 hours"
    from vizsla.beacon.sketch import merged

    assert len(bounded(merged([]))) == 0


def test_a_lake_without_connections_is_told(tmp_path: Path) -> None:
    lake_of(tmp_path / "lake", weird=[conn(1, "10.0.0.5", "10.0.0.6")])
    with pytest.raises(UsageError, match="nothing here tells of connections"):
        run((), tmp_path / "lake")


@pytest.mark.parametrize("engine", ["duckdb"])
def test_the_proxied_beacon_of_public_logs(real_data: Path, engine: str) -> None:
    found = run([str(real_data / "zeek" / "rita" / "proxy")], engine=engine).to_pylist()
    assert found[0]["destination"] == "www.honestimnotevil.com"
    assert found[0]["source"] == "10.136.0.18"
    assert found[0]["count"] == 397
    assert 240 < found[0]["period_s"] < 265

"""Beacons, tunnels, strobes and rare signatures as analytics: what they find, and what the baseline makes usual."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beacon_samples import Row, bursts, conn, every, lake_of
from vizsla.analytic import Analytic
from vizsla.analytics import registry
from vizsla.analytics.long_connection import seconds
from vizsla.beacon.tunnel import carried, domain_of
from vizsla.engine import Engine
from vizsla.hunt.observed import observe
from vizsla.hunt.scope import scans_of
from vizsla.testing import check_analytic


def analytic(name: str) -> Analytic:
    found = registry()[name]
    assert isinstance(found, Analytic)
    return found


def found(
    engine: Engine, name: str, base: Path, hunt: Path, **tables: tuple[Sequence[Row], Sequence[Row]]
) -> list[dict[str, Any]]:
    """Observations of the second of each table's rows by what was learnt of the first, the strongest first."""
    one = lake_of(base, **{table: rows[0] for table, rows in tables.items()})
    other = lake_of(hunt, **{table: rows[1] for table, rows in tables.items()})
    own = analytic(name)
    state = own.learn(engine, scans_of(one, engine))
    rows = observe(engine, scans_of(other, engine), own, state).to_pylist()
    return sorted(rows, key=lambda row: -float(row["score"]))


def test_a_new_beacon_stands_above_a_known_one(duckdb_engine: Engine, tmp_path: Path) -> None:
    known = [conn(t, f"10.0.0.{n}", "198.51.100.5") for n in range(5, 15) for t in every(300, 280, 0.02, n)]
    people = [conn(t, "10.0.0.5", "192.0.2.10") for t in bursts(8, 3)]
    new = [conn(t, "10.0.0.7", "203.0.113.9") for t in every(600, 120, 0.4, 4, lost=0.1)]
    rows = found(duckdb_engine, "beacon", tmp_path / "a", tmp_path / "b", conn=(known + people, known + people + new))
    assert rows[0]["destination"] == "203.0.113.9"
    assert "0 of 10 hosts reached it before" in rows[0]["why"]
    assert rows[0]["picture"].startswith('{"chart": "intervals"')
    assert rows[0]["score"] > 18
    assert all(row["score"] < 6 for row in rows if row["destination"] == "198.51.100.5")
    assert check_analytic(
        analytic("beacon"), duckdb_engine, scans_of(lake_of(tmp_path / "c", conn=known[:900]), duckdb_engine)
    )


def dns(at: float, source: str, name: str, kind: str = "A") -> Row:
    return dict(conn(at, source, "10.0.0.1", 53, query=name, qtype_name=kind))


def test_names_that_carry_data(duckdb_engine: Engine, tmp_path: Path) -> None:
    rng = random.Random(4)
    usual = [dns(60 * n, f"10.0.0.{5 + n % 4}", f"www{n % 9}.shop{n % 30}.example.com") for n in range(800)]
    scanner = [dns(30 * n, "10.0.0.6", f"{rng.randbytes(20).hex()}.av.example.net", "TXT") for n in range(300)]
    tunnel = [dns(7 * n, "10.0.0.7", f"{rng.randbytes(30).hex()}.{n:04x}.t.c2.example.org", "TXT") for n in range(400)]
    tables = (usual + scanner, usual + scanner + tunnel)
    rows = found(duckdb_engine, "dns_tunnel", tmp_path / "a", tmp_path / "b", dns=tables)
    assert rows[0]["destination"] == "example.org"
    assert "400 distinct names below example.org" in rows[0]["why"]
    assert "400 for TXT, NULL, CNAME or MX" in rows[0]["why"]
    assert rows[0]["score"] > rows[1]["score"] + 5


def test_what_a_name_can_carry() -> None:
    bits, lengths = carried(["", "aaaaaaaa", "abcdefgh", "ab" * 5])
    assert bits.tolist() == pytest.approx([0, 0, 24, 10])
    assert lengths.tolist() == [0, 8, 8, 10]
    assert domain_of("x.y.evil.co.uk") == "evil.co.uk"
    assert domain_of("1.0.0.10.in-addr.arpa") is None
    assert domain_of("com") is None


def test_a_connection_that_lasts_and_a_strobe(duckdb_engine: Engine, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    usual = [
        conn(t, f"10.0.0.{5 + n % 6}", f"198.51.100.{n % 7}", duration=f"{rng.exponential(60):.6f}")
        for n, t in enumerate(np.sort(rng.uniform(0, 86_000, 600)))
    ]
    long = [conn(500, "10.0.0.5", "203.0.113.9", duration="41000.25")]
    strobe = [conn(1000 + t / 2, "10.0.0.6", "203.0.113.77", 8443) for t in range(5000)]
    odd = [conn(900, "10.0.0.5", "203.0.113.50", duration="n/a")]
    tables = (usual, usual + long + strobe + odd)
    rows = found(duckdb_engine, "long_connection", tmp_path / "a", tmp_path / "b", conn=tables)
    assert {row["destination"] for row in rows[:2]} == {"203.0.113.9", "203.0.113.77"}
    said = {row["destination"]: row["why"] for row in rows}
    assert "for 11.4 hours" in said["203.0.113.9"]
    assert "5,000 times within an hour" in said["203.0.113.77"]
    assert rows[2]["score"] < rows[1]["score"] - 2


def test_signatures_of_few_hosts(duckdb_engine: Engine, tmp_path: Path) -> None:
    hosts = [f"10.0.0.{n}" for n in range(5, 21)]
    usual = [conn(60 * n, host, "198.51.100.2", ja3="aa") for n, host in enumerate(hosts)]
    own = [conn(99, hosts[0], "198.51.100.2", ja3="bb")]
    new = [conn(999, hosts[1], "203.0.113.9", ja3="cc")]
    rows = found(duckdb_engine, "rare_signature", tmp_path / "a", tmp_path / "b", ssl=(usual + own, usual + own + new))
    assert (rows[0]["pattern"], rows[0]["destination"]) == ("TLS client fingerprint cc", "203.0.113.9")
    assert "0 of 16 hosts used it before" in rows[0]["why"]
    assert rows[1]["score"] < rows[0]["score"] - 3
    agents = [dict(row, user_agent=f"Tool/{n}.1") for n, row in enumerate(usual)]
    odd = [dict(new[0], user_agent="Gopher/1")]
    rows = found(duckdb_engine, "rare_agent", tmp_path / "c", tmp_path / "d", http=(agents, agents + odd))
    assert rows[0]["pattern"] == "user agent Gopher/0"
    assert len({row["pattern"] for row in rows}) == 3  # a version of one or of two digits, and the other tool


def test_durations_are_read_alike(each_engine: Engine) -> None:
    import ibis

    said = {"12.345": 12, "0.9": 0, "77": 77, ".5": None, "1e3": None, "-": None, "1234567890.1": None, "3.1.2": 3}
    texts = ibis.memtable({"text": list(said)})
    found = each_engine.collect(texts.select("text", n=seconds(texts["text"]))).to_pylist()
    assert {row["text"]: row["n"] for row in found} == said

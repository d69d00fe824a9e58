"""Indicators drawn from real events are found in them, all of them and nothing else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from match_samples import events_of, hits, holds, table_of
from vizsla.engines import connect
from vizsla.ingest import ingest
from vizsla.intel.columns import looked, texts
from vizsla.intel.normal import normal
from vizsla.intel.search import search
from vizsla.intel.sightings import sightings
from vizsla.lake import Lake
from vizsla.nouns.indicator import indicator_id

pytestmark = pytest.mark.real_data
# table, column, type: what indicators are drawn from
DRAWN = [
    ("windows_sysmon", "DestinationIp", "ipv4"), ("windows_sysmon", "TargetObject", "registry_key"),
    ("windows_sysmon", "PipeName", "pipe"), ("windows_sysmon", "TargetFilename", "file_path"),
    ("windows_sysmon", "Image", "file_path"), ("windows_sysmon", "QueryName", "domain"),
    ("zeek_conn", "id.resp_h", "ipv4"), ("zeek_dns", "query", "domain"), ("zeek_ssl", "ja3", "ja3"),
    ("zeek_ssl", "server_name", "domain"), ("zeek_http", "user_agent", "user_agent"), ("zeek_http", "host", "domain"),
]  # fmt: skip
EACH = 3
AWAY = [("domain", "no.such.evil-name.net"), ("md5", "f" * 32), ("ipv4", "203.0.113.250"), ("file_name", "no-such.exe")]


def drawn(lake: Lake, rng: random.Random) -> list[tuple[str, str]]:
    found: dict[tuple[str, str], None] = {}
    for table, column, kind in DRAWN:
        if table not in lake.tables():
            continue
        values = sorted({row[column] for row in events_of(lake.scan(table), [column]) if row.get(column)})
        rng.shuffle(values)
        made = 0
        for value in values:
            try:
                found[(kind, normal(kind, value))] = None
            except ValueError:
                continue
            made += 1
            if made == EACH:
                break
    hashed = sorted({row["Hashes"] for row in events_of(lake.scan("windows_sysmon"), ["Hashes"]) if row.get("Hashes")})
    for text in rng.sample(hashed, min(EACH, len(hashed))):
        for part in text.split(","):
            kind, _, value = part.partition("=")
            found[(kind.lower(), value.lower())] = None
    return [*found, *AWAY]


@pytest.fixture(scope="module")
def lake(real_data: Path, tmp_path_factory) -> Lake:
    held = Lake.open(tmp_path_factory.mktemp("real") / "lake", create=True)
    captures = sorted(real_data.glob("mordor/*.zip"), key=lambda path: path.stat().st_size)[:2]
    ingest([*captures, real_data / "zeek" / "rita" / "valid_tsv", real_data / "zeek" / "rita" / "proxy"], held)
    return held


def test_all_and_nothing_else(lake: Lake, tmp_path):
    asked = drawn(lake, random.Random(11))
    expected: set[tuple[str, str, str]] = set()
    for table in lake.tables():
        scan = lake.scan(table)
        columns = looked(table, texts(scan.schema), {kind for kind, _ in asked})
        known: dict[tuple[str, str], list[str]] = {}
        for event in events_of(scan, [column.name for column in columns]):
            for column in columns:
                given = event.get(column.name)
                if not given:
                    continue
                met = known.get((column.name, given))
                if met is None:
                    met = known[column.name, given] = [
                        indicator_id(kind, value)
                        for kind, value in asked
                        if column.holds(kind) and holds(kind, value, given, column)
                    ]
                expected |= {(table, event["_id"], by) for by in met}
    with connect() as engine:
        found = hits(engine, lake, asked, tmp_path / "wanted")
        assert found == expected
        met = {by for _, _, by in found}
        lost = [pair for pair in asked if pair not in AWAY and indicator_id(*pair) not in met]
        assert not lost and len(asked) > 20 and not met & {indicator_id(*pair) for pair in AWAY}
        half = len(asked) // 2
        search(engine, lake, table_of(asked[:half]))
        search(engine, lake, table_of(asked))
    kept = sightings(lake)
    assert {
        (t, e, i) for t, e, i in zip(*(kept[n].to_pylist() for n in ("table", "_id", "indicator")), strict=True)
    } == expected and len(kept) == len(expected)

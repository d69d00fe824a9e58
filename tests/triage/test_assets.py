"""Reading, keeping and looking up what the team knows of hosts and users."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from vizsla.errors import UsageError
from vizsla.lake import Lake
from vizsla.nouns import Entity
from vizsla.triage.assets import Asset, Assets, add, load, read_assets

NOW = datetime(2026, 3, 3, tzinfo=UTC)
CSV = """type,name,role,owner,criticality,groups,addresses
host,DC01.corp.example,domain controller,IT,crown,tier0;servers,10.0.0.1
user,CORP\\ann,administrator,,high,Domain Admins,
host,KIOSK1,kiosk,,low,,
"""
RECORDS = [
    {"host": "DC01.corp.example", "role": "domain controller", "owner": "IT", "criticality": "crown",
     "groups": ["tier0", "servers"], "addresses": "10.0.0.1"},
    {"user": "CORP\\ann", "role": "administrator", "criticality": "High", "groups": "Domain Admins"},
    {"type": "host", "name": "KIOSK1", "role": "kiosk", "criticality": "low"},
]  # fmt: skip
YAML = """
hosts:
  - {name: DC01.corp.example, role: domain controller, owner: IT, criticality: crown, groups: [tier0, servers],
     addresses: [10.0.0.1]}
  - {name: KIOSK1, role: kiosk, criticality: low}
users:
  - {name: 'CORP\\ann', role: administrator, criticality: high, groups: Domain Admins}
"""


@pytest.fixture
def assets(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text(CSV)
    return Assets(read_assets(file)[0])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", CSV),
        ("a.csv", "\ufeff" + CSV.replace("tier0;servers", "tier0|servers").replace(",", ";")),
        ("a.json", json.dumps(RECORDS)),
        ("a.jsonl", "\n\n".join(json.dumps(row) for row in RECORDS)),
        ("a.yaml", YAML),
        ("a.json", json.dumps({"hosts": [RECORDS[0], RECORDS[2]], "users": [RECORDS[1]]})),
    ],
)
def test_all_formats_say_the_same(tmp_path, name, text):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    found, refused = read_assets(file)
    assert not refused
    by_name = {asset.name: asset for asset in found}
    assert set(by_name) == {"DC01.corp.example", "CORP\\ann", "KIOSK1"}
    dc = by_name["DC01.corp.example"]
    assert (dc.type, dc.criticality, dc.groups, dc.addresses) == ("host", "crown", ("tier0", "servers"), ("10.0.0.1",))
    assert (dc.owner, dc.role) == ("IT", "domain controller")
    assert by_name["CORP\\ann"].type == "user" and by_name["CORP\\ann"].criticality == "high"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"host": "A", "criticality": "huge"}, "criticality must be one of"),
        ({"role": "x"}, "neither a host nor a user"),
        ({"type": "printer", "name": "x"}, "host or user"),
        ({"host": "A", "colour": "red"}, "unknown field 'colour'"),
        ({"host": "A", "addresses": "10.0.0.999"}, "'10.0.0.999' is no address"),
        ({"host": "A", "role": {"x": 1}}, "role must be one value"),
        ({"host": "A", "owner": "x" * 2000}, "owner is longer"),
        ({"type": "host", "role": "x"}, "has no name"),
        ("text", "named fields"),
        (["a"], "named fields"),
    ],
)
def test_one_bad_record_costs_one_record(tmp_path, row, reason):
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join(json.dumps(r) for r in [{"host": "OK"}, row, {"user": "ok"}]))
    found, refused = read_assets(file)
    assert [a.name for a in found] == ["OK", "ok"]
    assert [r.line for r in refused] == [2] and reason in refused[0].reason


def test_broken_lines(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text('{"host": "A"}\n{broken\n{"host": "B"}\n' + "[" * 100_000)
    found, refused = read_assets(file)
    assert len(found) == 2 and [r.line for r in refused] == [2, 4]
    csv = tmp_path / "a.csv"
    csv.write_text("host,role\nA,x\nB,y,z,too many\nC,w\n")
    found, refused = read_assets(csv)
    assert [a.name for a in found] == ["A", "C"] and refused[0].line == 3 and "more values" in refused[0].reason


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b"host,role"), ("a.json", b"{broken"), ("a.json", b"\xff\xfe"), ("a.yaml", b"a: ["),
        ("a.json", b'"text"'), ("a.yaml", b"things: []"), ("a.json", b"[" * 100_000),
        ("a.yaml", b"!!python/object/apply:os.system ['true']"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_read(tmp_path, name, content):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(UsageError) as error:
        read_assets(file)
    assert str(file) in str(error.value) and error.value.fix


def test_missing_file(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_assets(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("entity", "bits"),
    [
        (Entity("host", "dc01", "actor"), 2.0), (Entity("host", "DC01.CORP.EXAMPLE", "actor"), 2.0),
        (Entity("host", "dc01.other.example", "actor"), 0.0), (Entity("host", "kiosk1.corp.example", "actor"), -1.0),
        (Entity("user", "ann", "actor"), 1.0), (Entity("user", "CORP\\ANN", "actor"), 1.0),
        (Entity("user", "ann@corp.example", "actor"), 1.0), (Entity("user", "OTHER\\ann", "actor"), 0.0),
        (Entity("address", "10.0.0.1", "target"), 2.0), (Entity("address", "::ffff:10.0.0.1", "target"), 2.0),
        (Entity("address", "10.0.0.2", "target"), 0.0), (Entity("process", "dc01", "actor"), 0.0),
    ],
)  # fmt: skip
def test_weight(assets, entity, bits):
    assert assets.weight(entity) == bits


def test_ambiguous_short_names_mean_nobody():
    two = Assets([Asset("host", "a.x.example", criticality="crown"), Asset("host", "a.y.example")])
    assert two.host("a") is None
    assert two.host("a.x.example").criticality == "crown"


def test_ledger_counts_the_weightiest_once(assets):
    line = assets.ledger((Entity("user", "ann", "actor"), Entity("host", "dc01", "target")))
    assert line == (("asset: DC01.corp.example is crown (domain controller, owner IT)", 2.0),)
    assert assets.ledger((Entity("host", "kiosk1", "actor"),)) == (("asset: KIOSK1 is low (kiosk)", -1.0),)
    assert assets.ledger((Entity("host", "unknown", "actor"),)) == ()


def test_kept_in_the_lake(tmp_path):
    lake = Lake.open(tmp_path / "lake", create=True)
    file = tmp_path / "a.csv"
    file.write_text(CSV + "host,,x,,,,\n")
    first = add(lake, file, NOW)
    assert first.stored == 3 and len(first.refused) == 1 and not first.known
    assert add(lake, file, NOW + timedelta(seconds=1)).known
    kept = load(lake)
    assert len(kept) == 3
    dc = kept.host("dc01")
    assert (dc.source, dc.line, dc.added) == (str(file), 2, NOW.isoformat())

    file.write_text("host,criticality\nDC01.corp.example,low\n")
    assert add(lake, file, NOW + timedelta(seconds=2)).stored == 1
    assert load(lake).host("dc01").criticality == "low" and len(load(lake)) == 3
    file.write_text(CSV)
    assert add(lake, file, NOW + timedelta(seconds=3)).stored == 3
    assert load(lake).host("dc01").criticality == "crown"


def test_nothing_kept(tmp_path):
    assert len(load(Lake.open(tmp_path / "lake", create=True))) == 0


def test_damaged_store_says_where(tmp_path):
    lake = Lake.open(tmp_path / "lake", create=True)
    file = tmp_path / "a.csv"
    file.write_text(CSV)
    add(lake, file, NOW)
    kept = next(lake.room("assets").glob("*.jsonl"))
    kept.write_text(kept.read_text() + "{\n")
    with pytest.raises(UsageError) as error:
        load(lake)
    assert f"{kept}:4" in str(error.value)

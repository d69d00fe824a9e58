"""Live stores: everything comes, once, also after an interruption; credentials stand nowhere."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fake_stores import Elastic, Fake, Splunk, serving

from vizsla.errors import StoreError, UsageError
from vizsla.faces.python import ingest, open_lake, view
from vizsla.lake import Lake
from vizsla.nouns import RunReport
from vizsla.secrets import credentials
from vizsla.store import Store, parsed
from vizsla.stores import _search, registry

START = datetime(2026, 5, 1, tzinfo=UTC)


def beat(number: int) -> dict[str, Any]:
    """A document as winlogbeat 8 ships it."""
    time = (START + timedelta(seconds=number)).isoformat()
    return {"_index": "winlogbeat-8", "_id": f"id{number}", "_source": {
        "@timestamp": time, "host": {"name": "WS1"},
        "winlog": {"channel": "Security", "event_id": "4688", "computer_name": "WS1", "record_id": number,
                   "event_data": {"NewProcessName": f"C:\\x{number % 7}.exe"}},
    }}  # fmt: skip


def other(number: int) -> dict[str, Any]:
    time = (START + timedelta(seconds=number)).isoformat()
    return {"_index": "app-1", "_id": f"a{number}", "_source": {"@timestamp": time, "message": "the same"}}


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VIZSLA_TOKEN", "VIZSLA_USER", "VIZSLA_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")


@pytest.fixture(params=["elasticsearch", "opensearch"])
def engine(request: pytest.FixtureRequest) -> str:
    pytest.importorskip("elasticsearch")
    pytest.importorskip("opensearchpy")
    return str(request.param)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_search, "PAGE", 50)
    monkeypatch.setattr(_search, "SEGMENT", 20_000)


def pulled(report: RunReport) -> tuple[int, int]:
    return sum(r.stored for r in report.readings), sum(r.known for r in report.readings)


def ids(lake: Lake) -> set[tuple[str, str]]:
    from vizsla.explore import query

    found = query(lake, "SELECT elastic_index, elastic_id FROM windows_security UNION ALL "
                        "SELECT elastic_index, elastic_id FROM elastic_app_1")  # fmt: skip
    return {(row["elastic_index"], row["elastic_id"]) for row in found.to_pylist()}


@pytest.mark.usefixtures("small_pages")
def test_every_document_comes_once_in_its_own_shape(engine: str, tmp_path: Path) -> None:
    documents = [beat(n) for n in range(700)] + [other(n) for n in range(300)]
    lake = open_lake(tmp_path / "lake", create=True)
    with serving(Elastic, documents) as fake:
        address = f"{engine}+http://{fake.url}/logs-*?slices=3"
        report = ingest([address], lake)
        assert pulled(report) == (1000, 0)
        assert len(ids(lake)) == 1000
        assert {body["slice"]["id"] for body in fake.asked} == {0, 1, 2}
        assert fake.closed  # nothing is left open on the server
        fake.documents += [other(n) for n in range(300, 320)]
        again = ingest([address], lake)
        assert pulled(again)[0] == 20
    assert view("process", lake).count().to_pyarrow().as_py() == 700


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("after", [1, 4, 9, 15])
def test_an_interruption_loses_and_doubles_nothing(engine: str, tmp_path: Path, after: int) -> None:
    documents = [beat(n) for n in range(700)] + [other(n) for n in range(300)]
    lake = open_lake(tmp_path / "lake", create=True)
    with serving(Elastic, documents) as fake:
        address = f"{engine}+http://{fake.url}/logs-*?slices=2"
        fake.fail_after, fake.status = after, 500
        with pytest.raises(StoreError, match="made to fail"):
            ingest([address], lake)
        fake.fail_after = None
        asked = len(fake.asked)
        ingest([address], lake)
        assert len(ids(lake)) == 1000
        if after > 10:
            assert len(fake.asked) - asked < 24  # it went on where it stopped


@pytest.mark.usefixtures("small_pages")
def test_a_point_in_time_that_ended_is_opened_anew(engine: str, tmp_path: Path) -> None:
    lake = open_lake(tmp_path / "lake", create=True)
    with serving(Elastic, [beat(n) for n in range(400)] + [other(0)]) as fake:
        address = f"{engine}+http://{fake.url}/logs-*?slices=1"
        fake.fail_after, fake.status = 5, 500
        with pytest.raises(StoreError):
            ingest([address], lake)
        fake.fail_after = None
        fake.pits.clear()  # as after ten minutes
        ingest([address], lake)
        assert len(ids(lake)) == 401


def test_shards_that_do_not_answer_are_no_end(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fake_stores

    real = fake_stores.search

    def torn(fake: Fake, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        status, answer = real(fake, body)
        answer["_shards"] = {"total": 5, "failed": 2}
        return status, answer

    monkeypatch.setattr(fake_stores, "search", torn)
    with serving(Elastic, [beat(1)]) as fake, pytest.raises(StoreError, match="2 of 5 shards"):
        ingest([f"{engine}+http://{fake.url}/logs-*"], tmp_path / "lake")


def test_credentials_reach_the_server_and_nothing_else(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIZSLA_USER", "hunter")
    monkeypatch.setenv("VIZSLA_PASSWORD", "s3cr3t-of-mine")
    with serving(Elastic, [beat(1)]) as fake:
        report = ingest([f"{engine}+http://{fake.url}/logs-*"], tmp_path / "lake")
        assert any(header.startswith("Basic ") for header in fake.authorization)
    said = f"{report}{capsys.readouterr()}{credentials('x')!r}"
    files = b"".join(path.read_bytes() for path in (tmp_path / "lake").rglob("*") if path.is_file())
    assert "s3cr3t-of-mine" not in said
    assert b"s3cr3t-of-mine" not in files


def test_an_address_with_a_password_is_refused() -> None:
    with pytest.raises(UsageError, match="password") as caught:
        parsed("elasticsearch://ada:geheim@es.example:9200/logs")
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("address", ["elasticsearch+http://127.0.0.1:1/logs", "opensearch+http://127.0.0.1:1/logs"])
def test_a_server_that_is_not_there_says_so(address: str, tmp_path: Path) -> None:
    pytest.importorskip("elasticsearch")
    pytest.importorskip("opensearchpy")
    with pytest.raises(StoreError, match="search"):
        ingest([address], tmp_path / "lake")


@pytest.mark.parametrize(
    ("address", "says"),
    [("nosuch://x/y", "no store"), ("elasticsearch://h/", "no index"), ("elasticsearch://h/i?nonsense=1", "nonsense"),
     ("splunk://h/i?query=|stats count", "command"), ("ibis+sqlite:///x.db", "no table")],
)  # fmt: skip
def test_a_wrong_address_teaches(address: str, says: str, tmp_path: Path) -> None:
    pytest.importorskip("elasticsearch")
    pytest.importorskip("splunklib")
    with pytest.raises(UsageError, match=says):
        ingest([address], tmp_path / "lake")


def spl(number: int) -> dict[str, Any]:
    time = (START + timedelta(minutes=number)).isoformat()
    return {"_time": time, "_raw": f"login {number % 3}", "_cd": f"1:{number}",
            "host": "Web1", "source": "/var/log/app", "sourcetype": "app:log", "index": "main"}  # fmt: skip


def test_splunk_comes_in_windows_and_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("splunklib")
    monkeypatch.setenv("VIZSLA_TOKEN", "abc")
    lake = open_lake(tmp_path / "lake", create=True)
    until = (START + timedelta(hours=10)).isoformat().replace("+", "%2B")
    with serving(Splunk, [spl(n) for n in range(300)]) as fake:
        address = f"splunk+http://{fake.url}/main?query=login&until={until}"
        fake.fail_after, fake.status = 4, 503
        with pytest.raises(StoreError):
            ingest([address], lake)
        fake.fail_after = None
        ingest([address], lake)
        assert lake.count("splunk_app_log") == 300
        fake.documents += [spl(n) for n in range(300, 310)]
        assert pulled(ingest([address], lake))[0] == 0  # what is late beyond an hour is not asked for again
        fake.documents += [{**spl(599), "_cd": "2:1"}]
        assert pulled(ingest([address], lake))[0] == 1
        searches = [body for body in fake.asked if "search" in body]
        assert all(body["search"].startswith("search index=main login") for body in searches)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "warehouse.db")
    connection.execute("CREATE TABLE logons (ts TEXT, computer TEXT, account TEXT, address TEXT)")
    connection.executemany("INSERT INTO logons VALUES (?, ?, ?, ?)", [
        ("2026-05-01 10:00:00", "WS1", "CORP\\ada", "10.0.0.1"),
        ("2026-05-01 10:00:00", "WS1", "CORP\\ada", "10.0.0.1"),  # twice the same is two events
        ("2026-05-01 11:00:00", "WS2", "CORP\\bob", "10.0.0.2"),
    ])  # fmt: skip
    connection.commit()
    yield connection
    connection.close()


def test_a_table_of_a_database_becomes_a_table_of_the_lake(warehouse: sqlite3.Connection, tmp_path: Path) -> None:
    lake = open_lake(tmp_path / "lake", create=True)
    address = f"ibis+sqlite://{tmp_path}/warehouse.db?table=logons&time=ts&host=computer"
    assert pulled(ingest([address], lake)) == (3, 0)
    warehouse.execute("INSERT INTO logons VALUES ('2026-05-01 12:00:00', 'WS3', 'eve', '10.0.0.3')")
    warehouse.commit()
    assert pulled(ingest([address], lake)) == (1, 1)  # from the last time on
    rows = lake.scan("logons").rows
    assert rows == 4


def test_a_mapping_says_what_views_a_table_fills(warehouse: sqlite3.Connection, tmp_path: Path) -> None:
    mapping = tmp_path / "logons.yaml"
    mapping.write_text("reader: arrow\ntable: logons\ntime: [ts]\nhost: [computer]\nviews: {authentication: {logons: "
                       "{fields: {user.name: user(account), source.ip: ip(address)}}}}\n")  # fmt: skip
    lake = open_lake(tmp_path / "lake", create=True)
    ingest([f"ibis+sqlite://{tmp_path}/warehouse.db?table=logons&mapping={mapping}"], lake)
    found = view("authentication", lake).to_pyarrow().to_pylist()
    assert sorted((row["_host"], row["user.name"]) for row in found) == [("ws1", "ada"), ("ws1", "ada"), ("ws2", "bob")]


def test_every_store_says_what_it_is() -> None:
    for scheme, store in registry().items():
        assert isinstance(store, Store)
        assert scheme in store.schemes
        assert 20 < len(store.doc) < 120

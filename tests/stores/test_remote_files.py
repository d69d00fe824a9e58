"""Files that lie elsewhere: found, brought, known again, named by where they lie."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from vizsla.errors import StoreError
from vizsla.explore import query
from vizsla.faces.python import ingest, open_lake

EVENT = b'{"EventID": 4688, "Channel": "Security", "Hostname": "A", "EventRecordID": %d}\n'


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 server on loopback; what it yields is its address."""
    pytest.importorskip("s3fs")
    server_of = pytest.importorskip("moto.server")
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def test_objects_below_a_prefix_are_read_once(bucket: str, tmp_path: Path) -> None:
    import s3fs

    system = s3fs.S3FileSystem(client_kwargs={"endpoint_url": bucket})
    system.mkdir("logs")
    for number in range(20):
        system.pipe(f"logs/day/{number:02}.json.gz", gzip.compress(EVENT % number + EVENT % (100 + number)))
    system.pipe("logs/other/x.json", EVENT % 999)
    lake = open_lake(tmp_path / "lake", create=True)
    address = f"s3://logs/day?endpoint={bucket}"
    report = ingest([address], lake)
    assert [(r.path, r.records, r.stored) for r in report.readings] == [("s3://logs/day", 40, 40)]
    assert ingest([address], lake).readings == []  # nothing is new
    system.pipe("logs/day/07.json.gz", gzip.compress(EVENT % 7 + EVENT % 107 + EVENT % 777))
    again = ingest([address], lake)
    assert [(r.records, r.stored, r.known) for r in again.readings] == [(3, 1, 2)]
    origins = query(lake, "SELECT DISTINCT _origin AS o FROM windows_security ORDER BY 1").to_pylist()
    assert origins[0]["o"].startswith("s3://logs/day/00.json.gz#")


def test_a_bucket_that_is_not_there_says_so(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="s3"):
        ingest([f"s3://nowhere/x?endpoint={bucket}"], tmp_path / "lake")


def test_a_file_of_a_web_server(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "a.json").write_bytes(EVENT % 1)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "www"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        report = ingest([f"http://127.0.0.1:{server.server_address[1]}/a.json"], tmp_path / "lake")
    finally:
        server.shutdown()
        server.server_close()
    assert sum(r.stored for r in report.readings) == 1

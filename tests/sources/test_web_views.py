# ruff: noqa: E501  (a record and its fields stand side by side)
"""What the views say of web servers', proxies' and load balancers' records."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from vizsla.lake import Lake
from vizsla.reading import Stamped, read_file
from vizsla.sources._declared import samples
from vizsla.view import view_table

NOW = datetime(2026, 1, 15, tzinfo=UTC)
NAMES = ("access_log", "w3c", "haproxy", "aws_alb", "aws_elb", "aws_nlb", "aws_s3_access", "squid", "apache_error",
         "nginx_error", "traefik", "caddy")  # fmt: skip

# (view, table): fields as the sample of that table's source says them
EXPECTED: dict[tuple[str, str], dict[str, Any]] = {
    ("web", "web_access"): {"source.ip": "10.0.0.9", "user.name": "ada", "http.request.method": "GET",
                            "url.original": "/x.html?a=1", "url.path": "/x.html", "url.query": "a=1",
                            "http.response.status_code": 200, "http.response.body.bytes": 2326,
                            "http.request.referrer": "http://www.example.com/", "user_agent.original": "Mozilla/4.08 [en]"},
    ("http", "web_access"): {"source.ip": "10.0.0.9", "url.path": "/x.html"},
    ("web", "w3c_iis"): {"source.ip": "10.0.0.9", "destination.ip": "10.0.0.5", "destination.port": 443,
                         "user.name": "ada", "user.domain": "CORP", "url.path": "/index.html",
                         "user_agent.original": "Mozilla/5.0+(X11)"},
    ("web", "web_haproxy"): {"source.ip": "10.0.1.2", "source.port": 33317, "url.path": "/index.html",
                             "http.response.status_code": 200, "destination.domain": "srv1"},
    ("network", "web_haproxy"): {"source.ip": "10.0.1.2", "network.transport": "tcp", "destination.bytes": 2750},
    ("web", "aws_alb"): {"source.ip": "10.0.0.9", "source.port": 2817, "destination.ip": "10.0.1.5",
                         "destination.port": 80, "url.domain": "www.example.com", "url.path": "/x", "url.query": "y=1"},
    ("web", "aws_elb"): {"source.ip": "10.0.0.9", "url.domain": "www.example.com", "url.path": "/"},
    ("network", "aws_nlb"): {"source.ip": "10.0.0.9", "destination.port": 443, "source.bytes": 98},
    ("tls", "aws_nlb"): {"tls.client.server_name": "my.example.com", "tls.version": "tlsv12"},
    ("web", "aws_s3_access"): {"user.name": "ada", "user.id": "arn:aws:iam::1:user/ada", "url.path": "/bucket1",
                               "url.query": "versioning", "event.code": "REST.GET.VERSIONING"},
    ("web", "proxy_squid"): {"source.ip": "10.0.0.9", "url.domain": "www.example.com", "url.path": "/x",
                             "url.query": "y=1", "http.response.mime_type": "text/html", "event.reason": "TCP_MISS"},
    ("http", "proxy_squid"): {"url.original": "http://www.example.com/x?y=1", "user.name": "ada"},
    ("web", "web_traefik"): {"source.ip": "10.0.0.9", "source.port": 4711, "url.domain": "w.example", "user.name": None},
    ("web", "web_caddy"): {"source.ip": "10.0.0.9", "url.path": "/x", "url.domain": "w.example",
                           "http.response.status_code": 200},
}  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    folder = tmp_path_factory.mktemp("web")
    lake = Lake.open(folder / "lake", create=True)
    for name in NAMES:
        path = folder / f"{name}.log"
        path.write_bytes(samples()[name])
        for item in read_file(path, NOW):
            if isinstance(item, Stamped):
                assert item.source == name
                lake.append({item.table: [item.events]})
    return lake


@pytest.mark.parametrize(("view", "table"), list(EXPECTED))
def test_values(view: str, table: str, lake: Lake, duckdb_engine: Any) -> None:
    told = view_table(duckdb_engine, lake, view)
    (row,) = duckdb_engine.collect(told.filter(told["_table"] == table)).to_pylist()
    expected = EXPECTED[view, table]
    assert {field: row[field] for field in expected} == expected


def test_errors_are_told_with_their_client(lake: Lake, duckdb_engine: Any) -> None:
    told = view_table(duckdb_engine, lake, "web")
    rows = duckdb_engine.collect(told.filter(told["_table"] == "web_error")).to_pylist()
    assert {row["source.ip"] for row in rows} == {"10.0.0.9"}
    assert {row["event.action"] for row in rows} == {"http-error"}
    assert {row["source.port"] for row in rows} == {53951, None}
    assert {row["url.path"] for row in rows} == {None, "/x"}

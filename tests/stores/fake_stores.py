"""Servers on loopback that answer as Elasticsearch, OpenSearch and Splunk do, as far as their documentation says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


class Fake:
    """What a server holds, what it was asked, and how it fails: `fail_after` answers, with a status."""

    def __init__(self, documents: list[dict[str, Any]]) -> None:
        self.documents = documents
        self.asked: list[dict[str, Any]] = []
        self.authorization: set[str] = set()
        self.pits: dict[str, list[dict[str, Any]]] = {}
        self.closed: list[str] = []
        self.fail_after: int | None = None
        self.status = 503
        self.url = ""
        self.port = 0

    def failing(self) -> bool:
        if self.fail_after is None:
            return False
        self.fail_after -= 1
        return self.fail_after < 0


def millis(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


def search(fake: Fake, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    held = fake.pits.get(body["pit"]["id"])
    if held is None:
        return 404, {"error": {"type": "search_context_missing_exception", "reason": "No search context found"},
                     "status": 404}  # fmt: skip
    chosen = []
    part = body.get("slice", {"id": 0, "max": 1})
    for shard_doc, hit in enumerate(held):
        if shard_doc % part["max"] != part["id"]:
            continue
        at = millis(hit["_source"]["@timestamp"])
        bounds = [f["range"]["@timestamp"] for f in body["query"]["bool"]["filter"] if "range" in f]
        if any("gte" in b and at < (b["gte"] if isinstance(b["gte"], int) else millis(b["gte"])) for b in bounds):
            continue
        chosen.append({**hit, "sort": [at, shard_doc]})
    chosen.sort(key=lambda hit: hit["sort"])
    after = body.get("search_after")
    rest = [hit for hit in chosen if after is None or hit["sort"] > after][: body["size"]]
    return 200, {
        "pit_id": body["pit"]["id"],
        "timed_out": False,
        "_shards": {"total": 1, "failed": 0},
        "hits": {"hits": rest},
    }


class Elastic(BaseHTTPRequestHandler):
    fake: Fake

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self) -> dict[str, Any]:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.fake.authorization.add(self.headers.get("Authorization", ""))
        found: dict[str, Any] = json.loads(data or b"{}")
        return found

    def do_POST(self) -> None:
        body, path = self.body(), self.path.partition("?")[0]
        fake = self.fake
        if path.endswith(("/_pit", "/_search/point_in_time")):
            name = f"pit{len(fake.pits)}-{len(fake.closed)}"
            fake.pits[name] = list(fake.documents)
            self.answer(200, {"id": name, "pit_id": name})
        elif path == "/_search":
            fake.asked.append(body)
            if fake.failing():
                self.answer(fake.status, {"error": {"type": "x", "reason": "made to fail"}, "status": fake.status})
            else:
                self.answer(*search(fake, body))
        else:
            self.answer(400, {"error": f"no such path {path}", "status": 400})

    def do_DELETE(self) -> None:
        body = self.body()
        names = body.get("pit_id") or [body.get("id")]
        for name in names:
            self.fake.pits.pop(name, None)
            self.fake.closed.append(name)
        self.answer(200, {"succeeded": True})

    def do_GET(self) -> None:
        self.answer(200, {"version": {"number": "9.0.0", "build_flavor": "default"}, "tagline": "You Know, for Search"})


class Splunk(BaseHTTPRequestHandler):
    fake: Fake

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        asked = {name: values[0] for name, values in parse_qs(data).items()}
        self.fake.asked.append({**asked, "path": self.path})
        self.fake.authorization.add(self.headers.get("Authorization", ""))
        if self.fake.failing():
            self.send_response(self.fake.status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start, stop = (
            float(asked.get(name, bound)) for name, bound in (("earliest_time", "0"), ("latest_time", "9e12"))
        )
        found = [d for d in self.fake.documents if start <= millis(d["_time"]) / 1000 < stop]
        if "head 1" in asked["search"]:
            found = sorted(found, key=lambda d: d["_time"])[:1]
        lines = [json.dumps({"preview": False, "offset": n, "result": d}) for n, d in enumerate(found)]
        content = ("\n".join(lines) + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        """What the client asks first: the server's version, as an Atom entry."""
        content = (
            b'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xmlns:s="http://dev.splunk.com/ns/rest">'
            b'<title>server-info</title><entry><title>server-info</title><content type="text/xml"><s:dict>'
            b'<s:key name="version">9.3.1</s:key><s:key name="build">1</s:key></s:dict></content></entry></feed>'
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], documents: list[dict[str, Any]]) -> Iterator[Fake]:
    """A server on a free port of loopback."""
    fake = Fake(documents)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), {"fake": fake}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    fake.port = server.server_address[1]
    fake.url = f"127.0.0.1:{fake.port}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()

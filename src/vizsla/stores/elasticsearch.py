"""Elasticsearch 7.12 and newer, through its official client.

    elasticsearch://HOST:9200/INDEX-PATTERN?query=LUCENE&since=…&until=…&slices=4     (over TLS)
    elasticsearch+http://…                                                            (without: only inside a lab)
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vizsla.secrets import credentials
from vizsla.store import Address, Cursor, Segment
from vizsla.stores import _search, client_library


class Elasticsearch:
    """Elasticsearch: indices and data streams."""

    schemes = ("elasticsearch", "elasticsearch+http")
    doc = "Elasticsearch: an index pattern, by a point in time in slices; goes on where it was interrupted"

    def segments(self, address: Address, cursor: Cursor | None) -> Iterator[Segment]:
        """See Store."""
        library: Any = client_library("elasticsearch", "elasticsearch")
        try:
            yield from _search.read(_Client(library, address), address, cursor)
        except (library.TransportError, library.ApiError) as error:
            raise _search.failed("Elasticsearch", error, address) from None


class _Client:
    def __init__(self, library: Any, address: Address) -> None:
        held = credentials(address.place)
        how: dict[str, Any] = {}
        if held.token:
            how["api_key"] = held.token
        elif held.user:
            how["basic_auth"] = (held.user, held.password)
        scheme = "http" if address.scheme.endswith("+http") else "https"
        if scheme == "https" and address.options.get("verify") == "no":
            how |= {"verify_certs": False, "ssl_show_warn": False}
        self.client = library.Elasticsearch(
            f"{scheme}://{address.host}:{address.port or 9200}",
            request_timeout=60, retry_on_timeout=True, max_retries=5, **how,
        )  # fmt: skip

    def open(self, index: str) -> str:
        return str(self.client.open_point_in_time(index=index, keep_alive=_search.KEPT)["id"])

    def search(self, body: dict[str, Any]) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self.client.search(**body)
        return answer

    def close(self, pit: str) -> None:
        self.client.close_point_in_time(id=pit)


STORE = Elasticsearch()

"""OpenSearch 2.4 and newer, through its official client: as Elasticsearch, `opensearch://HOST:9200/INDEX-PATTERN?…`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vizsla.secrets import credentials
from vizsla.store import Address, Cursor, Segment
from vizsla.stores import _search, client_library


class OpenSearch:
    """OpenSearch: indices and data streams."""

    schemes = ("opensearch", "opensearch+http")
    doc = "OpenSearch: an index pattern, by a point in time in slices; goes on where it was interrupted"

    def segments(self, address: Address, cursor: Cursor | None) -> Iterator[Segment]:
        """See Store."""
        library: Any = client_library("opensearchpy", "opensearch-py")
        try:
            yield from _search.read(_Client(library, address), address, cursor)
        except library.OpenSearchException as error:
            raise _search.failed("OpenSearch", error, address) from None


class _Client:
    def __init__(self, library: Any, address: Address) -> None:
        held = credentials(address.place)
        how: dict[str, Any] = {}
        if held.token:
            how["headers"] = {"Authorization": f"Bearer {held.token}"}
        elif held.user:
            how["http_auth"] = (held.user, held.password)
        secure = not address.scheme.endswith("+http")
        verify = secure and address.options.get("verify") != "no"
        self.client = library.OpenSearch(
            hosts=[{"host": address.host, "port": address.port or 9200}], use_ssl=secure, verify_certs=verify,
            ssl_show_warn=False, timeout=60, retry_on_timeout=True, max_retries=5, **how,
        )  # fmt: skip

    def open(self, index: str) -> str:
        return str(self.client.create_pit(index=index, params={"keep_alive": _search.KEPT})["pit_id"])

    def search(self, body: dict[str, Any]) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self.client.search(body=body)
        return answer

    def close(self, pit: str) -> None:
        self.client.delete_pit(body={"pit_id": [pit]})


STORE = OpenSearch()

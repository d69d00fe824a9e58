"""Who reached whom, when: one Ibis expression over the views that tell of connections, addresses and names apart.

A request through a proxy is a contact of the name that was asked for, not of the proxy: the target of CONNECT, the
host of an absolute URI, and else the host that the request names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vizsla.analytic import Need
from vizsla.nouns.event import HOST, ID, TIME
from vizsla.view import TABLE, epoch, view_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from vizsla.engine import Engine
    from vizsla.lake import Scan

ANY = Need(("network", "tls", "http", "dns"))  # any of these views will do
NO_PORT = -1
TENTHS = 10  # of a second: the unit of time here
ICMP = ("icmp", "icmp6", "icmpv6", "ipv6-icmp")
COLUMNS = ("host", "source", "destination", "port", "via", "at", "sent", "id", "guid", "process", "table", "code",
           "server", "server_port")  # fmt: skip
_COMMON = ("source.ip", "event.code", "process.entity_id", "process.name")
_REACHED = ("destination.ip", "destination.port")


def contacts(engine: Engine, scans: Sequence[Scan]) -> ir.Table:
    """One row per connection, handshake, request or look-up of a process, with COLUMNS.

    `destination`: an address (with `port`), or a name (`port` is NO_PORT); null where the event tells of none. `via`:
    the view; `at`: tenths of a second since 1970; `sent`: bytes, null where unknown; `server`, `server_port`: the
    address behind a name.
    """
    import ibis

    return ibis.union(_network(engine, scans), _tls(engine, scans), _http(engine, scans), _dns(engine, scans))


def named(engine: Engine, scans: Sequence[Scan]) -> ir.Table:
    """The contacts of names alone, as `contacts` has them."""
    import ibis

    return ibis.union(_tls(engine, scans), _http(engine, scans))


def moment(time: ir.TimestampValue) -> ir.IntegerValue:
    """Tenths of a second since 1970, the same on every engine."""
    return epoch(time) * TENTHS + time.millisecond().cast("int64") // 100


def _network(engine: Engine, scans: Sequence[Scan]) -> ir.Table:
    """Connections that were begun here; of ICMP, whose ports are types and answers, only what has none of them."""
    fields = (*_COMMON, *_REACHED, "event.action", "network.direction", "network.transport", "source.bytes")
    seen = view_of(engine, scans, "network", fields)
    ours = (seen["event.action"] == "connection") & (seen["network.direction"].fill_null("outbound") != "inbound")
    seen = seen.filter(ours & ~seen["network.transport"].fill_null("").isin(ICMP))
    return _told(seen, "network", seen["destination.ip"], seen["destination.port"], seen["source.bytes"])


def _tls(engine: Engine, scans: Sequence[Scan]) -> ir.Table:
    seen = view_of(engine, scans, "tls", (*_COMMON, *_REACHED, "tls.client.server_name"))
    return _told(seen, "tls", seen["tls.client.server_name"], None, None)


def _http(engine: Engine, scans: Sequence[Scan]) -> ir.Table:
    asked = ("http.request.method", "http.request.body.bytes", "url.domain", "url.original")
    seen = view_of(engine, scans, "http", (*_COMMON, *_REACHED, *asked))
    name = asked_for(seen["http.request.method"], seen["url.original"], seen["url.domain"])
    return _told(seen, "http", name, None, seen["http.request.body.bytes"])


def _dns(engine: Engine, scans: Sequence[Scan]) -> ir.Table:
    """Look-ups that a process made; what a sensor sees of them is the resolver's cache as much as anybody's habit."""
    seen = view_of(engine, scans, "dns", (*_COMMON, "dns.question.name"))
    seen = seen.filter(seen["process.entity_id"].notnull())
    return _told(seen, "dns", seen["dns.question.name"], None, None)


def asked_for(method: ir.StringValue, target: ir.StringValue, named: ir.StringValue) -> ir.StringValue:
    """The host that a request is for, without port: CONNECT's target, an absolute URI's host, else the host named."""
    import ibis

    lowered = target.lower()
    absolute = lowered.startswith("http://") | lowered.startswith("https://")
    authority = ibis.cases((absolute, lowered.split("/")[2]), (method == "CONNECT", lowered), else_=named.lower())
    return _host_of(authority)


def _host_of(authority: ir.StringValue) -> ir.StringValue:
    """'a.example' of 'user@a.example:8080'; an address of version 6 keeps its brackets."""
    import ibis

    parts = authority.split("@")
    whole = parts[parts.length() - 1]
    bracketed = whole.startswith("[")
    host = ibis.cases((bracketed, whole.split("]")[0].concat("]")), else_=whole.split(":")[0])
    return host.nullif("").nullif("-")


def _told(
    seen: ir.Table, via: str, destination: ir.StringValue, port: ir.IntegerValue | None, sent: ir.IntegerValue | None
) -> ir.Table:
    """COLUMNS of a view's rows. Every field stands in the expression once, since engines are slow to read long ones."""
    import ibis

    held = set(seen.columns)

    def column(name: str, kind: str = "string") -> ir.Value:
        return seen[name].cast(kind) if name in held else ibis.null(kind)

    named = via != "network"
    columns = {
        "host": seen[HOST],
        "source": ibis.coalesce(column("source.ip"), seen[HOST]),
        "destination": destination.cast("string"),
        "port": ibis.literal(NO_PORT, "int64") if port is None else port.fill_null(NO_PORT).cast("int64"),
        "via": ibis.literal(via),
        "at": moment(seen[TIME]),
        "sent": ibis.null("int64") if sent is None else sent.cast("int64"),
        "id": seen[ID],
        "guid": column("process.entity_id"),
        "process": column("process.name"),
        "table": seen[TABLE],
        "code": column("event.code"),
        "server": column("destination.ip") if named else ibis.null("string"),
        "server_port": column("destination.port", "int64") if named else ibis.null("int64"),
    }
    return seen.filter(seen[HOST].notnull(), seen[TIME].notnull()).select(**columns)

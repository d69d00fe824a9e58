"""Sightings: which events met which indicators; read, told as STIX 2.1, and sent to MISP where somebody asks for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.errors import FeedError
from vizsla.hit import HITS, NAMED
from vizsla.intel.found import Found
from vizsla.intel.objects import indicator, made_id, observable, stamp
from vizsla.intel.state import ROOM
from vizsla.nouns.event import ID

if TYPE_CHECKING:
    from pymisp import PyMISP

    from vizsla.engine import Engine
    from vizsla.lake import Lake, Scan

_MOST = 1_000_000  # sightings sent to MISP at once
_SOURCE = "vizsla"  # who saw it, as MISP keeps it


def sightings(lake: Lake, indicators: Sequence[str] | None = None) -> pa.Table:
    """The sightings that `search.search` kept (SIGHTINGS), of all indicators or these, in no certain order."""
    filters = None if indicators is None else [("indicator", "in", list(indicators))]
    return Found(lake.room(ROOM) / "found", None, datetime.now(UTC)).read(filters=filters)


AT_ONCE = 5_000  # ids looked up by one query


def seen_in(engine: Engine, lake: Lake, scans: Sequence[Scan]) -> Iterator[pa.RecordBatch]:
    """The sightings that are kept of events in these scans, as HITS and NAMED."""
    for scan in scans:
        found = Found(lake.room(ROOM) / "found", None, datetime.now(UTC)).read(filters=[("table", "=", scan.table)])
        if not len(found):
            continue
        held = pc.unique(found.column("_id"))
        if _narrowed(scan) or scan.files != lake.scan(scan.table).files:
            held = _among(engine, scan, held.to_pylist())
            found = found.filter(pc.is_in(found.column("_id"), held))
        columns = {**{name: found.column(name) for name in found.column_names}, "by": found.column("indicator")}
        columns["keys"] = pa.nulls(len(found), HITS.field("keys").type)
        yield from pa.table([columns[f.name] for f in (*HITS, NAMED)], schema=HITS.append(NAMED)).to_batches()


def _narrowed(scan: Scan) -> bool:
    """Whether a scan leaves out rows of its files."""
    asked = (scan.days, scan.since, scan.until, scan.hosts, scan.only, scan.taken)
    return bool(scan.without) or any(one is not None for one in asked)


def _among(engine: Engine, scan: Scan, ids: list[str]) -> pa.Array:
    """Those of these events that a scan holds."""
    events, there = engine.table(scan).select(ID), []
    for begin in range(0, len(ids), AT_ONCE):
        there.append(engine.collect(events.filter(events[ID].isin(ids[begin : begin + AT_ONCE]))).column(ID))
    return pa.array([id for part in there for id in part.to_pylist()], pa.string())


def last_seen(lake: Lake) -> pa.Table:
    """Of each indicator that was seen: `id` and `last`, the newest event's time (UTC; null where none has a time)."""
    held = Found(lake.room(ROOM) / "found", None, datetime.now(UTC)).read(["indicator", "_time"])
    found = held.group_by("indicator").aggregate([("_time", "max")])
    return pa.table({"id": found.column("indicator"), "last": found.column("_time_max")})


def bundle(found: pa.Table, indicators: pa.Table, now: datetime | None = None) -> dict[str, Any]:
    """Sightings as a STIX 2.1 bundle: for each an indicator, what was observed, and the sighting that ties them.

    `found`: rows of SIGHTINGS; `indicators`: those that they name, as rows of the view, which are told as `vizsla intel
    export` tells them. Events of one host and value are one sighting with their number. Ids are the same whenever the
    same is told. Raises FeedError where an indicator that was seen is missing among `indicators`.
    """
    moment = stamp(now or datetime.now(UTC))
    named = {row["id"]: row for row in indicators.to_pylist()}
    reporter = {
        "type": "identity", "spec_version": "2.1", "id": made_id("identity", "identity"),
        "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z", "name": "Vizsla",
        "identity_class": "system",
    }  # fmt: skip
    objects: dict[str, dict[str, Any]] = {reporter["id"]: reporter}
    for group in _grouped(found):
        about = named.get(group["indicator"])
        if about is None:
            raise FeedError(f"no such indicator: {group['indicator']}", fix="give all indicators that were seen")
        for made in _objects(group, about, reporter["id"], moment):
            objects.setdefault(made["id"], made)
    content = "".join(sorted(objects))
    return {"type": "bundle", "id": made_id("bundle", content), "objects": list(objects.values())}


def _grouped(found: pa.Table) -> Iterator[dict[str, Any]]:
    """Events of one indicator, table, host, field and value as one: their number, first and last time."""
    keys = ["indicator", "table", "_host", "field", "value", "within"]
    grouped = found.group_by(keys).aggregate(
        [("_time", "min"), ("_time", "max"), ("matched", "min"), ([], "count_all")]
    )
    yield from grouped.sort_by([(key, "ascending") for key in keys]).to_pylist()


def _objects(
    group: Mapping[str, Any], about: Mapping[str, Any], reporter: str, moment: str
) -> Iterator[dict[str, Any]]:
    first = stamp(group["_time_min"] or group["matched_min"])
    last = stamp(group["_time_max"] or group["matched_min"])
    common = {"spec_version": "2.1", "created_by_ref": reporter, "created": moment, "modified": moment}
    told = indicator(about)
    key = json.dumps([group[name] for name in ("indicator", "table", "_host", "field", "value")])
    if about["type"] == "pattern":
        yield told
        yield {
            "type": "sighting", "id": made_id("sighting", f"{key}{first}{last}{group['count_all']}"), **common,
            "description": f"met by events that end in {group['table']} on {group['_host'] or 'an unknown host'}",
            "first_seen": first, "last_seen": last, "count": min(group["count_all"], 999_999_999),
            "sighting_of_ref": told["id"], "where_sighted_refs": [reporter],
        }  # fmt: skip
        return
    seen = observable(about["type"], group["within"] or group["value"], about["value"])
    observed = {
        "type": "observed-data", "id": made_id("observed-data", f"{key}{first}{last}{group['count_all']}"), **common,
        "first_observed": first, "last_observed": last, "number_observed": min(group["count_all"], 999_999_999),
        "object_refs": [seen["id"]],
    }  # fmt: skip
    sighting = {
        "type": "sighting", "id": made_id("sighting", f"{key}{first}{last}{group['count_all']}"), **common,
        "description": f"{group['table']}.{group['field']} on {group['_host'] or 'an unknown host'}",
        "first_seen": first, "last_seen": last, "count": min(group["count_all"], 999_999_999),
        "sighting_of_ref": told["id"], "observed_data_refs": [observed["id"]], "where_sighted_refs": [reporter],
    }  # fmt: skip
    yield from (told, seen, observed, sighting)


def push(found: pa.Table, indicators: pa.Table, address: str) -> int:
    """Send sightings to a MISP at `address` (https://…): one for each value and host, by the value as MISP knows it.

    The server is asked as `misp_api.connect` says: the key is the token of `secrets.credentials`, and redirects are
    refused. Returns how many MISP took. Raises FeedError where it cannot be asked, or refuses one for another reason
    than that it does not know the value.
    """
    from vizsla.intel._http import Limits, Spent
    from vizsla.intel.misp_api import connect

    return sum(1 for _ in _sent(found, indicators, connect(address, Spent(Limits(pages=_MOST))), address))


def _sent(found: pa.Table, indicators: pa.Table, misp: PyMISP, address: str) -> Iterator[dict[str, Any]]:
    values = dict(zip(indicators["id"].to_pylist(), indicators["value"].to_pylist(), strict=True))
    for group in _grouped(found):
        last = group["_time_max"] or group["matched_min"]
        sighting = {
            "values": [values.get(group["indicator"], group["within"] or group["value"])],
            "timestamp": int(last.timestamp()), "source": _SOURCE, "type": "0",
        }  # fmt: skip
        answer = misp.add_sighting(sighting)
        if isinstance(answer, dict) and answer.get("errors"):
            status = answer["errors"][0] if isinstance(answer["errors"], list | tuple) else 0
            if status in (400, 403, 404) and "attribute" in json.dumps(answer["errors"]).lower():
                continue  # MISP has no such value: nothing to be sighted
            raise FeedError(f"MISP refused a sighting: {answer['errors']}", where=address, fix="check the key's rights")
        yield sighting


def counted(found: pa.Table) -> pa.Table:
    """Of each indicator: how many events, on how many hosts, first and last; the most seen first."""
    told = found.group_by("indicator").aggregate(
        [("_id", "count"), ("_host", "count_distinct"), ("_time", "min"), ("_time", "max")]
    )
    names = ["indicator", "events", "hosts", "first", "last"]
    return told.rename_columns(names).sort_by([("events", "descending"), ("indicator", "ascending")])

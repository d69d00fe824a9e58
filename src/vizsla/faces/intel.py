"""Indicators, feeds and lists as tables that fit a terminal. Feeds are hostile: their text is data on every face."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.faces.words import counted, when
from vizsla.intel import decay
from vizsla.intel.weigh import Voice, hushed
from vizsla.safe import shortened, visible

_VALUE, _CONTEXT = 64, 160


def brief(found: pa.Table, voices: pa.Table | None = None) -> pa.Table:
    """Indicators (rows of `standing`) with what a terminal has room for."""
    rows = []
    for row in found.to_pylist():
        told = [*row["malware"], *row["actors"], *row["techniques"]]
        rows.append({
            "type": row["type"],
            "value": shortened(row["value"], _VALUE),
            "score": None if row["score"] is None else str(round(row["score"])),
            "feeds": shortened(", ".join(row["feeds"]), 40),
            "tlp": row["tlp"] or None,
            "until": None if row["valid_until"] is None else f"{row['valid_until']:%Y-%m-%d}",
            "about": shortened(", ".join(told), 40) or None,
            "state": state(row),
        })  # fmt: skip
    return pa.Table.from_pylist(rows) if rows else pa.table({"value": pa.array([], pa.string())})


def state(row: Mapping[str, Any]) -> str:
    """How an indicator stands, in words."""
    if row["silenced_by"]:
        return f"dropped by {row['silenced_by']}"
    if row["state"] == "live":
        return "decayed" if row["decayed"] else "live"
    return str({"context": "context only", "future": "not yet valid"}.get(row["state"], row["state"]))


def shown(
    row: Mapping[str, Any], claims: pa.Table, bits: float, exempt: bool, now: datetime, heard: Mapping[str, Voice]
) -> Iterator[str]:
    """An indicator with all that is said of it, line by line, safe to print. `heard`: the feeds' voices."""
    yield f"{row['type']}  {visible(row['value'])}"
    yield f"  id          {row['id']}"
    yield f"  state       {visible(state(row))}"
    if row["silenced_by"]:
        yield f"  why         {visible(row['silenced_why'] or '')}"
    stated = "none stated" if row["confidence"] is None else f"{row['confidence']:.0f} of 100"
    yield f"  confidence  {stated}, by {counted(len(row['feeds']), 'feed')}"
    for feed, voice in hushed(row["feeds"], heard).items():
        yield f"  voice       {visible(feed)}'s word counts {voice:.0%} here: `vizsla intel feeds` says why"
    yield f"  age         {_age(row, now)}"
    capped = "; exempt from the cap by how many hosts saw it" if exempt else ""
    yield f"  worth       {bits:.1f} bits before it is known how many hosts saw it{capped}"
    if row["tlp"]:
        yield f"  tlp         {visible(row['tlp'])}"
    for name, first, last in (("valid", "valid_from", "valid_until"), ("seen", "first_seen", "last_seen")):
        if row[first] or row[last]:
            yield f"  {name:<10}  {when(row[first]) or '…'} to {when(row[last]) or '…'}"
    for name in ("kill_chain", "techniques", "malware", "actors", "tags"):
        if row[name]:
            yield f"  {name.replace('_', ' '):<10}  {visible(', '.join(row[name]))}"
    yield ""
    yield f"{counted(claims.num_rows, 'claim')}:"
    for claim in claims.to_pylist():
        yield from _claim(claim)


def _claim(claim: Mapping[str, Any]) -> Iterator[str]:
    marks = [word for word, so in (("revoked", claim["revoked"]), ("context only", not claim["to_ids"])) if so]
    said = [] if claim["confidence"] is None else [f"confidence {claim['confidence']}"]
    changed = claim["modified"] or claim["created"]
    times = [f"changed {when(changed)}"] if changed else [f"added {when(claim['added'])}"]
    yield f"  {visible(claim['feed'])}: {visible(claim['source'])} ({', '.join([*marks, *said, *times])})"
    if claim["context"]:
        yield f"    “{shortened(visible(claim['context']), _CONTEXT)}”"
    elif claim["raw"] and claim["raw"] != claim["value"]:
        yield f"    written {shortened(visible(claim['raw']), _CONTEXT)}"


def _age(row: Mapping[str, Any], now: datetime) -> str:
    days = (now - row["confirmed"]).total_seconds() / 86_400
    said = f"last confirmed {when(row['confirmed'])}, {max(0.0, days):.0f} days ago"
    said += f"; score {row['score']:.0f} of {row['base']:.0f}"
    model = decay.parameters().models.get(row["type"])
    if model is None:
        return f"{said}; its type does not age"
    lasting = decay.lasting(row["type"], row["base"])
    end = row["confirmed"] + timedelta(days=lasting or 0.0)
    return f"{said}; decays below {decay.parameters().threshold:.0f} on {end.astimezone(UTC):%Y-%m-%d}"


def statistics(found: pa.Table) -> pa.Table:
    """How many indicators of each type stand how."""
    rows: dict[str, dict[str, Any]] = {}
    kinds = found.select(["type", "state", "decayed"]).append_column("off", pc.is_valid(found.column("silenced_by")))
    for one in kinds.group_by(["type", "state", "decayed", "off"]).aggregate([([], "count_all")]).to_pylist():
        row = rows.setdefault(one["type"], dict.fromkeys(("total", "live", "decayed", "silenced"), 0))
        row["total"] += one["count_all"]
        if one["off"]:
            row["silenced"] += one["count_all"]
        elif one["state"] != "live":
            row[one["state"]] = row.get(one["state"], 0) + one["count_all"]
        else:
            row["live"] += one["count_all"]
            row["decayed"] += one["count_all"] if one["decayed"] else 0
    names = ("total", "live", "decayed", "silenced", "future", "expired", "context", "revoked")
    made = [
        {"type": type, **{name: row.get(name, 0) for name in names if any(name in other for other in rows.values())}}
        for type, row in sorted(rows.items(), key=lambda item: (-item[1]["total"], item[0]))
    ]
    return pa.Table.from_pylist(made) if made else pa.table({"type": pa.array([], pa.string())})


def silenced(found: pa.Table) -> pa.Table:
    """How many indicators each list drops, the busiest first."""
    rows = pc.value_counts(found.column("silenced_by").drop_null()).to_pylist()
    rows.sort(key=lambda row: (-row["counts"], row["values"]))
    return pa.Table.from_pylist([{"dropped by": row["values"], "n": row["counts"]} for row in rows])


def sightings(met: pa.Table, known: pa.Table) -> pa.Table:
    """What was met how often. `met`: counts by indicator (`sightings.counted`); `known`: these, rows of the view."""
    named = {row["id"]: row for row in known.select(["id", "type", "value", "feeds"]).to_pylist()}
    rows = [
        {
            "type": named[row["indicator"]]["type"],
            "value": shortened(named[row["indicator"]]["value"], _VALUE),
            "events": f"{row['events']:,}",
            "hosts": f"{row['hosts']:,}",
            "first": when(row["first"]) or None,
            "last": when(row["last"]) or None,
            "feeds": shortened(", ".join(named[row["indicator"]]["feeds"]), 40),
        }
        for row in met.to_pylist()
    ]
    return pa.Table.from_pylist(rows) if rows else pa.table({"value": pa.array([], pa.string())})


def feeds(table: pa.Table) -> pa.Table:
    """The feeds as a terminal has room for them."""
    rows = [
        {
            "feed": row["feed"],
            "kind": row["kind"],
            "indicators": f"{row['indicators']:,}",
            "overlap": f"{row['overlap']:.0%}",
            "sightings": f"{row['sightings']:,}",
            "benign": f"{row['benign']:,}" + (f" of {row['judged']:,}" if row["judged"] else ""),
            "stale": f"{row['stale days']:.0f} days" if row["stale days"] else "",
            "voice": f"{row['voice']:.2f}",
            "pulled": (row["pulled"] or "")[:16].replace("T", " "),
            "state": "failed" if row["state"] else None,
        }
        for row in table.to_pylist()
    ]
    return pa.Table.from_pylist(rows) if rows else pa.table({"feed": pa.array([], pa.string())})

"""Logons of one account from places too far apart for the time between them, where a GeoIP file is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from math import log2
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from vizsla.analytic import Need, State, observed

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan
    from vizsla.ueba.geo import Locate, Place

PLACES = pa.schema([("user", pa.string()), ("place", pa.string()), ("days", pa.int64())])
FASTEST = 900.0  # km/h: an airliner
NEAR = 100.0  # km: what lies nearer is one place, since such files err
SHORTEST = 60.0  # seconds that are taken to lie between two logons at least
BACK = 24 * 3600 * 1_000_000  # microseconds within which an earlier logon counts
MICRO = pa.timestamp("us", tz="UTC")


class ImpossibleTravel:
    """How much faster than an airliner an account would have travelled, and how new the place is for it. The file that
    places addresses is named in the environment variable VIZSLA_GEOIP; without it nothing is looked at."""

    name = "impossible_travel"
    family = "travel"
    unit = "an account's logons from an address within an hour"
    doc = "Logons from places too far apart for the time between them; needs a GeoIP file in VIZSLA_GEOIP"
    needs = (Need(("authentication",), ("user.name", "source.ip", "event.action")),)

    def learn(self, engine: Engine, scans: Sequence[Scan]) -> State | None:
        """On how many days each account came from each place."""
        from vizsla.ueba.geo import locator
        from vizsla.ueba.logons import logons

        locate = locator()
        if locate is None:
            return {"places": PLACES.empty_table()}
        days: dict[tuple[str, str], set[int]] = {}
        for row in logons(engine, scans).select(["user", "ip", "hour"]).to_pylist():
            if (place := locate(row["ip"])) is not None:
                days.setdefault((row["user"], _named(place)), set()).add(row["hour"] // 24)
        rows = [{"user": user, "place": place, "days": len(at)} for (user, place), at in sorted(days.items())]
        return {"places": pa.Table.from_pylist(rows, PLACES)}

    def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
        """Every logon from an address whose place is known."""
        from dataclasses import replace
        from datetime import timedelta

        from vizsla.ueba.gathered import within
        from vizsla.ueba.geo import locator
        from vizsla.ueba.logons import logons

        locate = locator()
        if locate is None:
            return
        back = timedelta(microseconds=BACK)
        wide = [replace(s, hosts=None, since=None if s.since is None else s.since - back) for s in scans]
        found = logons(engine, wide)
        chosen = set(within(found, scans))
        places = (state or {}).get("places", PLACES.empty_table()).to_pylist()
        known = {(row["user"], row["place"]): row["days"] for row in places}
        rows = [row for row in _judged(found.to_pylist(), locate, known) if row["at"] in chosen]
        if rows:
            yield observed({
                "_host": [row["host"] for row in rows], "kind": [row["kind"] for row in rows],
                "_time": pa.array([row["first"] for row in rows], pa.int64()).cast(MICRO),
                "pattern": [f"travel of {row['user']}" for row in rows],
                "logon_id": pa.array([row["session"] or None for row in rows], pa.string()),
                "score": [row["bits"] for row in rows], "n": [row["n"] for row in rows],
                "why": [row["why"] for row in rows], "event_ids": [row["ids"] for row in rows],
            })  # fmt: skip


def _judged(
    rows: list[dict[str, Any]], locate: Locate, known: Mapping[tuple[str, str], int]
) -> Iterator[dict[str, Any]]:
    """Each logon with a place, and the bits and words of the fastest travel that it would end."""
    last: dict[str, list[tuple[dict[str, Any], Place]]] = {}
    for at, row in sorted(enumerate(rows), key=lambda item: (item[1]["first"], item[1]["id"])):
        place = locate(row["ip"])
        if place is None:
            continue
        before = [(other, there) for other, there in last.get(row["user"], ()) if row["first"] - other["first"] <= BACK]
        bits, why, ids = 0.0, f"{row['user']} came from {row['ip']}; no travel needed", [row["id"]]
        for other, there in before:
            gained = _travel(row, place, other, there, known)
            if gained > bits:
                bits, why, ids = gained, _said(row, place, other, there), [row["id"], other["id"]]
        last[row["user"]] = [*({_named(t): (o, t) for o, t in before} | {_named(place): (row, place)}).values()]
        yield row | {"at": at, "bits": round(bits, 9), "why": why, "ids": ids}


def _speed(row: dict[str, Any], place: Place, other: dict[str, Any], there: Place) -> tuple[float, float, float]:
    """Kilometres, hours and kilometres an hour between two logons."""
    from vizsla.ueba.geo import distance

    km = distance(place, there)
    hours = max(SHORTEST, (row["first"] - other["first"]) / 1e6) / 3600
    return km, hours, km / hours


def _travel(
    row: dict[str, Any], place: Place, other: dict[str, Any], there: Place, known: Mapping[tuple[str, str], int]
) -> float:
    """Bits: how much too fast, and how new both places are for the account (a VPN's gate is not)."""
    km, _, speed = _speed(row, place, other, there)
    if km < NEAR or speed <= FASTEST:
        return 0.0
    days = [known.get((row["user"], _named(spot)), 0) for spot in (place, there)]
    return log2(speed / FASTEST) / (1 + min(days)) + 4.0 / (1 + min(days))


def _said(row: dict[str, Any], place: Place, other: dict[str, Any], there: Place) -> str:
    km, hours, speed = _speed(row, place, other, there)
    first, then = (datetime.fromtimestamp(one["first"] / 1e6, UTC) for one in (other, row))
    return (
        f"{row['user']} came from {other['ip']} at {first:%H:%M} and from {row['ip']} at {then:%H:%M}: {km:,.0f} km in "
        f"{hours:,.1f} hours, {speed:,.0f} km/h"
    )


def _named(place: Place) -> str:
    """A place as a text, to a degree."""
    return f"{place[0]:.0f},{place[1]:.0f}"


ANALYTIC = ImpossibleTravel()

"""Logons of one account from places too far apart for the time between them, where a GeoIP file is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import log2
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytic import Need, State, observed
from vizsla.arrow import alike
from vizsla.ueba.told import behind, or_none, replaced

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
        found = logons(engine, scans)
        spots = _spots(found, locate)
        named = pa.array([None if spot is None else _named(spot) for spot in spots.each], pa.string())
        table = pa.table(
            {"user": found["user"], "place": named.take(pa.array(spots.of)), "day": found["hour"].to_numpy() // 24}
        )
        table = table.filter(pc.is_valid(table["place"]))
        once = table.group_by(["user", "place", "day"], use_threads=False).aggregate([])
        counted = once.group_by(["user", "place"], use_threads=False).aggregate([([], "count_all")])
        places = counted.rename_columns(PLACES.names).cast(PLACES)
        return {"places": places.sort_by([("user", "ascending"), ("place", "ascending")]).combine_chunks()}

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
        spots = _spots(found, locate)
        known = np.array([spot is not None for spot in spots.each], bool)
        places = np.array(within(found, scans), np.int64)
        places = places[known[spots.of[places]]]
        if not len(places):
            return
        days = (state or {}).get("places", PLACES.empty_table()).to_pylist()
        judged = _judged(_rows(found, spots), {(row["user"], row["place"]): row["days"] for row in days})
        at = dict(zip(places.tolist(), range(len(places)), strict=True))
        odd = {at[row["at"]]: row for row in judged if row["bits"] > 0 and row["at"] in at}
        chosen = found.take(pa.array(places))
        score = np.zeros(len(places))
        score[list(odd)] = [row["bits"] for row in odd.values()]
        why = pc.binary_join_element_wise(chosen["user"], " came from ", chosen["ip"], "; no travel needed", "")
        yield observed({
            "_host": chosen["host"], "kind": chosen["kind"], "_time": chosen["first"].cast(MICRO),
            "pattern": pc.binary_join_element_wise("travel of", chosen["user"], " "),
            "logon_id": or_none(chosen["session"]),
            "score": score, "n": chosen["n"], "why": replaced(why, {i: row["why"] for i, row in odd.items()}),
            "event_ids": behind(found["id"], places, {i: [row["at"], row["from"]] for i, row in odd.items()}),
        })  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spots:
    """Where logons came from. `each`: the place of each distinct address, or None; `of`: of each row, which of them."""

    each: list[Place | None]
    of: npt.NDArray[np.int64]


def _spots(found: pa.Table, locate: Locate) -> Spots:
    first, of = alike(found, ["ip"])
    return Spots([locate(ip) for ip in found["ip"].take(pa.array(first)).to_pylist()], of)


def _rows(found: pa.Table, spots: Spots) -> list[dict[str, Any]]:
    """The logons of accounts that came from more than one place: nobody else can have travelled."""
    codes = {spot: code for code, spot in enumerate(dict.fromkeys(spots.each))}
    place = np.array([-1 if spot is None else codes[spot] for spot in spots.each], np.int64)[spots.of]
    first, user = alike(found, ["user"])
    pairs = np.unique(np.stack([user, place])[:, place >= 0], axis=1)
    several = np.bincount(pairs[0], minlength=len(first)) > 1
    wanted = np.flatnonzero(several[user] & (place >= 0))
    rows = found.select(["user", "ip", "first", "id"]).take(pa.array(wanted)).to_pylist()
    return [row | {"at": at, "place": spots.each[spots.of[at]]} for row, at in zip(rows, wanted.tolist(), strict=True)]


def _judged(rows: list[dict[str, Any]], known: Mapping[tuple[str, str], int]) -> Iterator[dict[str, Any]]:
    """Each logon, with the bits, words and beginning (`from`) of the fastest travel that it would end."""
    last: dict[str, list[tuple[dict[str, Any], Place]]] = {}
    for row in sorted(rows, key=lambda row: (row["first"], row["id"])):
        place = row["place"]
        before = [(other, there) for other, there in last.get(row["user"], ()) if row["first"] - other["first"] <= BACK]
        bits, why, start = 0.0, "", row["at"]
        for other, there in before:
            gained = _travel(row, place, other, there, known)
            if gained > bits:
                bits, why, start = gained, _said(row, place, other, there), other["at"]
        last[row["user"]] = [*({_named(t): (o, t) for o, t in before} | {_named(place): (row, place)}).values()]
        yield row | {"bits": round(bits, 9), "why": why, "from": start}


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
    minutes = round(hours * 60)
    span = f"{hours:,.1f} hours" if minutes >= 60 else f"{minutes} minute{'s' * (minutes != 1)}"
    return (
        f"{row['user']} came from {other['ip']} at {first:%H:%M} and from {row['ip']} at {then:%H:%M}: {km:,.0f} km in "
        f"{span}, {speed:,.0f} km/h"
    )


def _named(place: Place) -> str:
    """A place as a text, to a degree."""
    return f"{place[0]:.0f},{place[1]:.0f}"


ANALYTIC = ImpossibleTravel()

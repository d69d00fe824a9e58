"""Where addresses are, by a file that the user has: MaxMind's format (with `maxminddb`), or CSV."""

from __future__ import annotations

import csv
import ipaddress
import os
from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from math import asin, cos, radians, sin, sqrt
from pathlib import Path
from typing import Any

from vizsla.errors import AnalyticError

SETTING = "VIZSLA_GEOIP"
EARTH = 6371.0  # km
Place = tuple[float, float]  # latitude, longitude, in degrees
Locate = Callable[[str], Place | None]


def distance(one: Place, other: Place) -> float:
    """Kilometres between two places along the earth's surface (haversine)."""
    (a, b), (c, d) = ((radians(x) for x in place) for place in (one, other))
    return 2 * EARTH * asin(min(1.0, sqrt(sin((c - a) / 2) ** 2 + cos(a) * cos(c) * sin((d - b) / 2) ** 2)))


def locator() -> Locate | None:
    """What tells where an address is; None where no file is named in VIZSLA_GEOIP. Raises AnalyticError where it
    cannot be read."""
    name = os.environ.get(SETTING)
    if not name:
        return None
    path = Path(name)
    if not path.is_file():
        raise AnalyticError("there is no such GeoIP file", where=f"{SETTING}={name}", fix="name an .mmdb or .csv file")
    return _mmdb(path) if path.suffix == ".mmdb" else _table(path, path.stat().st_mtime_ns)


def _mmdb(path: Path) -> Locate:
    try:
        maxminddb: Any = import_module("maxminddb")
    except ImportError as error:
        raise AnalyticError("MaxMind's files need maxminddb", where=str(path), fix="pip install maxminddb") from error
    try:
        reader = maxminddb.open_database(str(path))
    except (maxminddb.InvalidDatabaseError, OSError) as error:
        raise AnalyticError(f"no MaxMind database: {error}", where=str(path)) from error

    def locate(address: str) -> Place | None:
        try:
            found = reader.get(address)
        except ValueError:
            return None
        spot = found.get("location") if isinstance(found, dict) else None
        if not isinstance(spot, dict) or "latitude" not in spot or "longitude" not in spot:
            return None
        return float(spot["latitude"]), float(spot["longitude"])

    return locate


@lru_cache(maxsize=2)
def _table(path: Path, changed: int) -> Locate:
    """From CSV with the columns network, latitude, longitude. The most particular network holds."""
    del changed
    rows: dict[tuple[int, int], dict[int, Place]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            try:
                network = ipaddress.ip_network(row["network"].strip(), strict=False)
                place = float(row["latitude"]), float(row["longitude"])
            except (KeyError, ValueError, AttributeError, TypeError) as error:
                fix = "its columns are network, latitude and longitude"
                raise AnalyticError(f"no network with its place: {error}", where=f"{path}:{number}", fix=fix) from error
            rows.setdefault((network.version, network.prefixlen), {})[int(network.network_address)] = place
    begins = {key: sorted(found) for key, found in rows.items()}
    order = sorted(rows, key=lambda key: -key[1])

    def locate(address: str) -> Place | None:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return None
        for version, length in order:
            if version == ip.version:
                known = begins[version, length]
                place = bisect_right(known, int(ip)) - 1
                if place >= 0 and (int(ip) ^ known[place]) >> (ip.max_prefixlen - length) == 0:
                    return rows[version, length][known[place]]
        return None

    return locate

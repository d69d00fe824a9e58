"""Which host an address is, as logs tell it: computers log on by their own names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.arrow import alike
from vizsla.ueba.logons import machines

ADDRESSES = pa.schema([("ip", pa.string()), ("name", pa.string()), ("n", pa.int64())])


@lru_cache(maxsize=65_536)
def short(name: str) -> str:
    """A host's name without its domain; an address as it is."""
    address = ":" in name or name.replace(".", "").isdigit()
    return name if address else name.partition(".")[0]


def addresses(logons: pa.Table) -> pa.Table:
    """How often each address was told to be each computer: by computers' own logons."""
    told = logons.filter(_telling(logons))
    names = pc.utf8_rtrim(told["user"], "$")
    found = pa.table({"ip": told["ip"], "name": names, "n": told["n"]})
    counted = (
        found.group_by(["ip", "name"], use_threads=False).aggregate([("n", "sum")]).rename_columns(ADDRESSES.names)
    )
    return counted.cast(ADDRESSES).sort_by([("ip", "ascending"), ("name", "ascending")]).combine_chunks()


@dataclass(frozen=True, slots=True)
class Names:
    """Which computer an address is: on a day, as that day's logs tell, else as all before told."""

    ever: Mapping[str, str]
    by_day: Mapping[tuple[int, str], str]

    def of(self, day: int, ip: str) -> str:
        """The computer, or the address where nothing tells."""
        return self.by_day.get((day, ip)) or self.ever.get(ip, ip)


def names_of(logons: pa.Table, before: pa.Table) -> Names:
    """The names that these logons tell, and those that were told before (rows of ADDRESSES)."""
    told = logons.filter(_telling(logons))
    table = pa.table({
        "day": pc.divide(told["hour"], 24), "ip": told["ip"], "name": pc.utf8_rtrim(told["user"], "$"), "n": told["n"],
    })  # fmt: skip
    summed = table.group_by(["day", "ip", "name"], use_threads=False).aggregate([("n", "sum")])
    counted: dict[tuple[int, str], dict[str, int]] = {}
    for day, ip, name, n in zip(*(column.to_pylist() for column in summed.columns), strict=True):
        counted.setdefault((day, ip), {})[name] = n
    by_day = {key: min(of, key=lambda name: (-of[name], name)) for key, of in counted.items()}
    return Names(_ever(before), by_day)


def _telling(logons: pa.Table) -> pa.ChunkedArray:
    """Logons of computers from an address."""
    return pc.and_(machines(logons["user"]), pc.not_equal(logons["ip"], ""))


def _ever(table: pa.Table) -> dict[str, str]:
    """By address the computer that it most often was; of equals the first by name."""
    found: dict[str, tuple[int, str]] = {}
    for row in table.to_pylist():
        best = found.get(row["ip"])
        if best is None or row["n"] > best[0]:
            found[row["ip"]] = (row["n"], row["name"])
    return {ip: name for ip, (_, name) in found.items()}


def ends(logons: pa.Table, names: Names) -> tuple[pa.Array, pa.Array]:
    """Of each row of logons the host that it came from ('' where it is unknown, or the host itself) and the one that
    was logged on to."""
    days = logons.set_column(logons.column_names.index("hour"), "hour", pc.divide(logons["hour"], 24))
    keys = ["host", "ip", "name", "target", "hour"]
    first, sort = alike(days, keys)
    sources, targets = [], []
    columns = (column.to_pylist() for column in days.select(keys).take(pa.array(first)).columns)
    for host, ip, name, target, day in zip(*columns, strict=True):
        to = names.of(day, target) if target else short(names.of(day, host))
        source = names.of(day, ip) if ip else short(name)
        targets.append(to)
        sources.append("" if source == to else source)
    spread = pa.array(sort)
    return pa.array(sources, pa.string()).take(spread), pa.array(targets, pa.string()).take(spread)

"""The same traffic told twice counts once: an address behind names, and a name that several logs tell of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vizsla.beacon.bins import Floats
from vizsla.beacon.contacts import NO_PORT, named
from vizsla.beacon.sketch import DAY

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan

MOSTLY = 0.5  # of an address's connections: if names tell of so many, the names stand for it
SEP = "\x1f"


BEHIND = pa.schema([
    ("host", pa.string()), ("source", pa.string()), ("destination", pa.string()), ("day", pa.int64()),
    ("server", pa.string()), ("server_port", pa.int64()), ("events", pa.int64()),
])  # fmt: skip


def behind_names(engine: Engine, scans: Sequence[Scan], of_days: bool = False, least: int = 1) -> pa.Table:
    """Where names were reached, and how often: a table of BEHIND. `of_days`: per day, counted from 1970, else 0.

    `least`: what was reached less often is told of together, without its name, and left out where that is less, too.
    """
    import ibis

    seen = named(engine, scans)
    seen = seen.filter(seen["server"].notnull(), seen["destination"].notnull())
    ends = ["host", "source", "day", "server", "server_port"]
    seen = seen.mutate(day=seen["at"] // DAY if of_days else ibis.literal(0, "int64"))
    views = seen.group_by([*ends, "destination", "via"]).agg(events=seen.count())
    # A connection may be told of by its handshake and by its requests: the view that tells most is believed.
    found = views.group_by([*ends, "destination"]).agg(events=views["events"].max())
    if least > 1:
        often = ibis.cases((found["events"] >= least, found["destination"]), else_=ibis.literal(""))
        found = found.mutate(destination=often)
        found = found.group_by([*ends, "destination"]).agg(events=found["events"].sum())
        found = found.filter(found["events"] >= least)
    return engine.collect(found).select(BEHIND.names).cast(BEHIND)


def told_by_names(pairs: pa.Table, behind: pa.Table, of_days: bool = False) -> NDArray[np.bool_]:
    """Which pairs are addresses whose connections are mostly told of by names. `of_days`: pairs of a column `day`."""
    if not len(behind) or not len(pairs):
        return np.zeros(len(pairs), dtype=bool)
    more = ["day"] if of_days else []
    named = pa.table({"key": _key(behind["host"], behind["source"], behind["server"],
                                  _text(pc.fill_null(behind["server_port"], NO_PORT)),
                                  *(_text(behind[name]) for name in more)), "n": behind["events"]})  # fmt: skip
    summed = named.group_by("key").aggregate([("n", "sum")])
    of = dict(zip(summed["key"].to_pylist(), summed["n_sum"].to_pylist(), strict=True))
    own = _key(pairs["host"], pairs["source"], pairs["destination"], _text(pairs["port"]),
               *(_text(pairs[name]) for name in more))  # fmt: skip
    told = np.array([of.get(key, 0) for key in own.to_pylist()], dtype=np.float64)
    is_address = pc.equal(pairs["via"], "network").to_numpy()
    return np.asarray(is_address & (told >= MOSTLY * pairs["events"].to_numpy()))


def servers(pairs: pa.Table, behind: pa.Table) -> pa.Array:
    """The address behind each pair of a day: its own, or the only one that its name was reached at; else null."""
    named = pa.table({"key": _key(behind["host"], behind["source"], behind["destination"], _text(behind["day"])),
                      "server": behind["server"]})  # fmt: skip
    ends = named.group_by("key").aggregate([("server", "min"), ("server", "max")])
    rows = zip(ends["key"].to_pylist(), ends["server_min"].to_pylist(), ends["server_max"].to_pylist(), strict=True)
    one = {key: low for key, low, high in rows if low == high}
    own = _key(pairs["host"], pairs["source"], pairs["destination"], _text(pairs["day"])).to_pylist()
    by_name = pa.array([one.get(key) for key in own], pa.string())
    return pc.if_else(pc.equal(pairs["via"], "network"), pairs["destination"], by_name)


def strongest(pairs: pa.Table, bits: Floats) -> NDArray[np.bool_]:
    """Which pairs are the strongest of those of one source and one name, whichever logs tell of them."""
    named = pc.not_equal(pairs["via"], "network")
    via = pc.if_else(named, pa.scalar(""), _text(pairs["port"]))
    more = (_text(pairs["day"]),) if "day" in pairs.column_names else ()
    keys = _key(pairs["host"], pairs["source"], pairs["destination"], via, *more)
    codes = keys.combine_chunks().dictionary_encode() if isinstance(keys, pa.ChunkedArray) else keys.dictionary_encode()
    code = codes.indices.to_numpy() if isinstance(codes, pa.DictionaryArray) else codes.chunk(0).indices.to_numpy()
    rank = pc.rank(pairs["via"], sort_keys="ascending", tiebreaker="dense").to_numpy()
    order = np.lexsort((rank, -bits, code))
    kept = np.zeros(len(pairs), dtype=bool)
    kept[order[np.r_[True, code[order][1:] != code[order][:-1]]] if len(order) else order] = True
    return kept


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string())


def _key(*columns: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(*(pc.fill_null(column, "") for column in columns), SEP)

"""What need not be kept any longer: claims that ended, that were revoked, that age has left nothing of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.intel.store import Store
from vizsla.intel.view import COLUMNS, indicators

_TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Expired:
    """How many claims went, and how many indicators with them."""

    claims: int
    indicators: int


def expire(store: Store, now: datetime, *, keep: timedelta = timedelta(0), decayed: bool = False) -> Expired:
    """Drop claims that ended or were revoked before `now - keep`; with `decayed`, those of decayed indicators too.

    What is dropped comes back if its feed is added again. Readers keep what they opened for a week.
    """
    before = pa.scalar(now - keep, _TIME)
    with store.lake.writing():
        aged = _aged(store, now - keep) if decayed else pa.array([], pa.string())
        ids = _ids(store)

        def stays(batch: pa.RecordBatch) -> pa.Array:
            ended = pc.fill_null(pc.less_equal(batch.column("valid_until"), before), False)
            said = pc.coalesce(batch.column("modified"), batch.column("added"))
            revoked = pc.and_(batch.column("revoked"), pc.less_equal(said, before))
            gone = pc.or_(pc.or_(ended, revoked), pc.is_in(batch.column("id"), value_set=aged))
            return pc.invert(gone)

        claims = store.claims_table.rewrite(stays)
        store.mentions_table.rewrite()
        store.refused_table.rewrite()
        return Expired(claims, ids - _ids(store))


def _ids(store: Store) -> int:
    return int(pc.count_distinct(store.claims(columns=["id"]).column("id")).as_py())


def _aged(store: Store, at: datetime) -> pa.Array:
    found = indicators(store.claims(columns=COLUMNS), at, store.sighted())
    return pc.unique(found.filter(found.column("decayed")).column("id").combine_chunks())

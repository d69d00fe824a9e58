"""Logons by the hour: who, onto which host, from where and how. One group-by, whichever engine computes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.nouns.event import HOST, ID, TIME
from vizsla.view import TABLE, view_of
from vizsla.volume.counting import HOUR, SYSTEM, SYSTEM_LIKE

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan

VIEW = "authentication"
FIELDS = ("event.action", "event.code", "event.outcome", "user.name", "source.ip", "source.domain", "destination.ip",
          "winlog.logon.id", "winlog.logon.type")  # fmt: skip
ACTIONS = ("logon", "remote-desktop", "remote-shell")
KEYS = ("host", "user", "ip", "name", "target", "type", "hour")
LOGONS = pa.schema([
    ("host", pa.string()),  # that tells of it
    ("user", pa.string()),
    ("ip", pa.string()),  # where it came from: '' where unknown or the host itself
    ("name", pa.string()),  # the name of where it came from, as the log has it
    ("target", pa.string()),  # the address logged on to, '' where it is the host that tells
    ("type", pa.string()),
    ("hour", pa.int64()),  # since 1970, UTC
    ("n", pa.int64()),
    ("first", pa.int64()),  # microseconds
    ("id", pa.string()),  # of one of them, and its time, kind and session
    ("time", pa.int64()),
    ("kind", pa.string()),
    ("session", pa.string()),
])  # fmt: skip
LOCAL = ("127.0.0.1", "::1", "-", "0.0.0.0", "::")  # noqa: S104  (addresses that say nothing)


def logons(engine: Engine, scans: Sequence[Scan]) -> pa.Table:
    """Successful logons of all accounts but the system's own, a row for each that differs, in a total order."""
    if not any(scan.rows for scan in scans):
        return LOGONS.empty_table()
    events = view_of(engine, scans, VIEW, FIELDS)
    done = events["event.action"].isin(ACTIONS) & (events["event.outcome"].fill_null("success") != "failure")
    known = events["user.name"].notnull() & events[HOST].notnull() & events[TIME].notnull()
    not_own = events["winlog.logon.type"].fill_null("") != "Service"
    chosen = events.filter(done, known, not_own).select(
        ID, TIME,
        host=events[HOST], user=events["user.name"], ip=events["source.ip"].fill_null(""),
        name=events["source.domain"].fill_null(""), target=events["destination.ip"].fill_null(""),
        type=events["winlog.logon.type"].fill_null(""), hour=events[TIME].truncate("h"),
        kind=(events[TABLE] + ":" + events["event.code"]).fill_null(events[TABLE]),
        session=events["winlog.logon.id"].fill_null(""),
    )  # fmt: skip
    counted = chosen.group_by(list(KEYS)).agg(
        n=chosen.count(), first=chosen[TIME].min(), id=chosen[ID].min(), time=chosen[TIME].argmin(chosen[ID]),
        kind=chosen["kind"].argmin(chosen[ID]), session=chosen["session"].argmin(chosen[ID]),
    )  # fmt: skip
    return _plain(engine.collect(counted))


def _plain(found: pa.Table) -> pa.Table:
    """In one case, times as numbers, without the system's own accounts."""
    columns: dict[str, Any] = {name: found[name] for name in found.column_names}
    for name in ("user", "name", "ip", "target"):
        columns[name] = pc.utf8_lower(columns[name])
    columns["hour"] = pc.divide(found["hour"].cast(pa.int64()), HOUR)
    for name in ("first", "time"):
        columns[name] = found[name].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    for name in ("ip", "name", "target"):
        columns[name] = pc.if_else(pc.is_in(columns[name], pa.array(LOCAL)), "", columns[name])
    table = pa.table({field.name: columns[field.name] for field in LOGONS}).cast(LOGONS)
    own = pc.is_in(table["user"], pa.array(SYSTEM))
    for begin in SYSTEM_LIKE:
        own = pc.or_(own, pc.starts_with(table["user"], begin))
    table = table.filter(pc.invert(own))
    return table.sort_by([(name, "ascending") for name in (*KEYS, "id")]).combine_chunks()


def machines(user: Any) -> Any:
    """Which accounts are computers'."""
    return pc.ends_with(user, "$")

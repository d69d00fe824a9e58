"""Verdicts as a table and as JSON lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vizsla.faces.jsonl import dumps
from vizsla.faces.record import stamp

if TYPE_CHECKING:
    import pyarrow as pa

    from vizsla.verdicts import Kept

_SHORT = 12  # digits of a finding's id


def table(kept: Sequence[Kept]) -> pa.Table:
    """One row a verdict, as it is to be read: verdict, judged, finding, reach, until, by, reason, state, title."""
    import pyarrow as pa

    rows = []
    for one in kept:
        verdict = one.verdict
        named = {"pattern+host": verdict.hosts, "pattern+user": verdict.users}.get(verdict.reach, ())
        reach = " ".join((verdict.reach, ", ".join(named), *map(str, verdict.where))).strip()
        rows.append({
            "verdict": verdict.id,
            "given": f"{verdict.at:%Y-%m-%d %H:%M}",
            "judged": verdict.judgement,
            "finding": verdict.finding[:_SHORT],
            "reaches": reach,
            "until": f"{verdict.until:%Y-%m-%d}" if verdict.until else "",
            "by": verdict.by,
            "state": one.state,
            "reason": verdict.reason,
            "title": verdict.title,
        })  # fmt: skip
    return pa.Table.from_pylist(rows)


def lines(kept: Sequence[Kept]) -> Iterator[bytes]:
    """One line of JSON a verdict."""
    for one in kept:
        verdict = one.verdict
        record = {
            "id": verdict.id,
            "verdict": verdict.judgement,
            "at": stamp(verdict.at),
            "by": verdict.by,
            "scope": verdict.reach,
            "hosts": list(verdict.hosts),
            "users": list(verdict.users),
            "where": list(map(str, verdict.where)),
            "until": stamp(verdict.until),
            "reason": verdict.reason,
            "state": one.state,
            "since": stamp(one.since),
            "finding": verdict.finding,
            "pattern_id": verdict.pattern_id,
            "title": verdict.title,
        }
        yield dumps(record) + b"\n"

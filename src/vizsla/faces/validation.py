"""What a validation found: a table, and JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vizsla.faces import words
from vizsla.faces.jsonl import dumps
from vizsla.faces.record import stamp

if TYPE_CHECKING:
    import pyarrow as pa

    from vizsla.validate.run import Outcome, Validation

NEAR = (1, 10, 100)


def table(found: Validation) -> pa.Table:
    """One row an imitation, in the order of the library."""
    import pyarrow as pa

    return pa.Table.from_pylist([
        {
            "rank": "-" if o.rank is None else str(o.rank),
            "bits": words.bits(o.finding.bits) if o.finding else "",
            "tier": o.finding.tier if o.finding else "",
            "technique": o.technique.technique,
            "tactic": o.technique.tactic,
            "imitated": o.technique.title,
            "on": o.host,
            "seen by": ", ".join(o.seen_by),
            "not logged": ", ".join(o.unlogged),
        }
        for o in found.outcomes
    ])  # fmt: skip


def lines(found: Validation) -> list[str]:
    """What it comes to, in sentences that are not yet safe to show."""
    could = [o for o in found.outcomes if o.events]
    blind = len(found.outcomes) - len(could)
    told = [
        f"{len(found.outcomes)} techniques imitated among the events of {_span(found)}; "
        + ", ".join(f"{sum(o.rank is not None and o.rank <= n for o in could)} within {_lines(n)}" for n in NEAR)
        + f", {sum(o.rank is None for o in could)} not within {found.looked}."
    ]
    if blind:
        told.append(f"{blind} leave no event that these logs record: nothing that looks at them can see these.")
    told.append(f"Ranks count the {found.own:,} findings of the own events alone. Nothing was written into the lake.")
    return [*told, *found.says]


def records(found: Validation) -> Iterator[bytes]:
    """One line of JSON an imitation."""
    for o in found.outcomes:
        yield dumps(_record(o)) + b"\n"


def _record(o: Outcome) -> dict[str, object]:
    finding = o.finding
    return {
        "technique": o.technique.technique,
        "tactic": o.technique.tactic,
        "title": o.technique.title,
        "rank": o.rank,
        "bits": finding.bits if finding else None,
        "tier": finding.tier if finding else None,
        "expected_per_day": finding.expected_per_day if finding else None,
        "found_as": finding.title if finding else None,
        "seen_by": list(o.seen_by),
        "events": o.events,
        "not_logged": list(o.unlogged),
        "host": o.host,
        "user": o.user,
        "time": stamp(o.at),
    }


def _span(found: Validation) -> str:
    if found.since is None and found.until is None:
        return "all days"
    return " to ".join(f"{t:%Y-%m-%d %H:%M}" if t else "the end" for t in (found.since, found.until))


def _lines(n: int) -> str:
    return "the first line" if n == 1 else f"{n} lines"

"""A template for a new analytic. Copy it to `analytics/<yours>.py`, and change what the comments point at.

It tells how unusual the hour of day is at which a user logs on, and is complete: tests run it. Modules whose names
begin with an underscore are not registered; yours is, by being there. Nothing else need be touched: `vizsla learn`,
`vizsla hunt`, `vizsla doctor` and the contract tests find it by themselves. A package of your own does the same
through an entry point in the group `vizsla.analytics` that names its ANALYTIC.

To try it as it stands: cp src/vizsla/analytics/_template.py src/vizsla/analytics/hour_of_logon.py
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import log2
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from vizsla.analytic import Need, State, observed
from vizsla.nouns.event import HOST, ID, TIME
from vizsla.view import TABLE, view_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from vizsla.engine import Engine
    from vizsla.lake import Scan

VIEW = "authentication"
FIELDS = ("event.action", "event.code", "event.outcome", "user.name", "winlog.logon.id", "winlog.logon.type")
OWN = 10.0  # logons of a user at which their own habit weighs as much as everybody's


class HourOfLogon:
    """How unusual the hour of day is at which a user logs on. It holds nothing between calls."""

    name = "hour_of_logon"  # how a user names it: `vizsla hunt --analytic hour_of_logon`
    # Evidence of one family does not add up. Name a family of your own where nothing else looks at what you look at;
    # name one of rarity's (analytics/rarity/fields.yaml) where you look at the same fields in another way.
    family = "hour_of_logon"
    unit = "a logon"
    doc = "The hour of day at which a user logs on, against their own habit and everybody's"  # `vizsla doctor`
    # Where the lake lacks this the analytic does not run, and the hunt says so.
    needs = (Need((VIEW,), ("user.name", "event.action")),)

    def learn(self, engine: Engine, scans: Sequence[Scan]) -> State | None:
        """Logons by user and hour: plain data, which the framework saves. In a total order, so that it is the same
        whichever engine counted."""
        logons = self._logons(engine, scans)
        counted = logons.group_by(["user", "hour"]).agg(n=logons.count())
        return {"logons": engine.collect(counted.order_by(["user", "hour"]))}

    def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
        """Every logon with its score. Yield the usual ones too: they say what is unusual."""
        habits = Habits((state or {}).get("logons"))
        for batch in engine.batches(self._logons(engine, scans)):
            rows = batch.to_pylist()
            yield observed({
                "_host": [row[HOST] for row in rows],
                "_time": [row[TIME] for row in rows],
                # What kind of event it is: relevance, titles and techniques go by it.
                "kind": [f"{row[TABLE]}:{row['code']}" if row["code"] else row[TABLE] for row in rows],
                # Equal where it is the same story elsewhere: findings of one pattern become instances of one finding.
                "pattern": [f"logon at hour {row['hour']}" for row in rows],
                "logon_id": [row["logon"] for row in rows],  # ties it to the session's episode
                "score": [habits.surprisal(row["user"], row["hour"]) for row in rows],  # any scale; higher: rarer
                "n": [1] * len(rows),
                "why": [habits.why(row["user"], row["hour"]) for row in rows],
                "event_ids": [[row[ID]] for row in rows],
            })  # fmt: skip

    def _logons(self, engine: Engine, scans: Sequence[Scan]) -> ir.Table:
        """Successful logons of people: one Ibis expression, which every engine computes alike."""
        events = view_of(engine, scans, VIEW, FIELDS)
        person = events["user.name"].notnull() & ~events["user.name"].endswith("$")
        person &= events["winlog.logon.type"].fill_null("") != "Service"
        done = (events["event.action"] == "logon") & (events["event.outcome"].fill_null("") != "failure")
        return events.filter(person, done, events[TIME].notnull()).select(
            ID, HOST, TIME, TABLE,
            code=events["event.code"],
            user=events["user.name"],
            logon=events["winlog.logon.id"],
            hour=events[TIME].hour().cast("int64"),  # UTC, as all times here
        )  # fmt: skip


class Habits:
    """Who logged on at which hour, how often."""

    def __init__(self, logons: pa.Table | None) -> None:
        rows: list[dict[str, Any]] = [] if logons is None else logons.to_pylist()
        self.own: Counter[tuple[str, int]] = Counter()
        self.of: Counter[str] = Counter()
        self.all: Counter[int] = Counter()
        for row in rows:
            self.own[row["user"], row["hour"]] += row["n"]
            self.of[row["user"]] += row["n"]
            self.all[row["hour"]] += row["n"]
        self.total = sum(self.all.values())

    def surprisal(self, user: str, hour: int) -> float:
        """-log2 P(hour | user), in bits: the user's own habit, backed off to everybody's; hours beside count half."""
        everybody = (_near(self.all, hour) + 1) / (2 * self.total + 24)
        own = _near({h: self.own[user, h] for h in range(24)}, hour)
        return -log2((own + OWN * everybody) / (2 * self.of[user] + OWN))

    def why(self, user: str, hour: int) -> str:
        """The numbers it rests on, in a sentence."""
        own, everybody = self.own[user, hour], self.all[hour]
        return (
            f"{user} logged on at {hour:02}h UTC: {own:,} of {self.of[user]:,} times before "
            f"(everybody: {everybody:,} of {self.total:,})"
        )


def _near(counts: Counter[int] | dict[int, int], hour: int) -> float:
    """Logons in an hour, and half of those in the hours beside it: summed over the day, twice the logons."""
    return counts[hour] + (counts[(hour - 1) % 24] + counts[(hour + 1) % 24]) / 2


ANALYTIC = HourOfLogon()

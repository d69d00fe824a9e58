"""A baseline that grows: the counts of what came since are added to what was counted, which is not read again.

What came since is told by the lake's own versions, not by times: a log of last year that was read today is new.
The outcome is that of learning all at once: counts, tails and replay are computed from the tally, and tallies add up.
Where the lake now holds so many more events that fewer host-days are replayed, the replay keeps the same ones. Only
analytics that others wrote learn from all events again: what they learnt is theirs, and cannot be added to.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from vizsla import analytics
from vizsla.analytic import Builtin
from vizsla.analytics.rarity import model as rarity
from vizsla.baseline import Baseline, BaselineStore, growth
from vizsla.baseline.growth import Growth, Scope
from vizsla.engine import Engine
from vizsla.engines import connect
from vizsla.errors import BaselineError
from vizsla.hunt.knowledge import knowledge
from vizsla.hunt.known import fired, look
from vizsla.hunt.learning import Learnt, learn, modelled, says, share_of
from vizsla.hunt.scope import Progress, scans_of, steps
from vizsla.ingest import ingest
from vizsla.lake import Lake, Scan
from vizsla.nouns import RunReport


def update(
    paths: Sequence[str],
    lake: Lake,
    name: str = "default",
    *,
    host: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    rules: Sequence[str] = (),
    engine: str = "duckdb",
    master: str | None = None,
    progress: Progress | None = None,
) -> Learnt:
    """Add what the lake got since a baseline was learnt (`paths` are read into it first), as its next version.

    It stays about the host and the times that it was about; a later `until` takes in what lies between. Any other
    host or time, or a lake that can no longer tell what is new, means learning from all events again, and is said.
    Where nothing is new the baseline stays as it is. Raises BaselineError where there is none of this name.
    """
    store = BaselineStore(lake)
    before = store.load(name)
    had = before.grows.scope if before.grows else Scope()
    asked = Scope(host or had.host, since or had.since, until or had.until)
    with connect(engine, master) as computing:
        report = ingest(paths, lake, engine=computing, progress=progress) if paths else RunReport()
        found = _Fresh.of(lake, computing, before, asked)
        parts: list[rarity.Tallied] = []
        if isinstance(found, _Fresh):
            try:
                parts = store.tallies(name, found.grows)
            except BaselineError as error:
                found = error.what
        if isinstance(found, _Fresh):
            return _grown(store, before, found, parts, rules, computing, report, progress)
    learnt = learn(
        (), lake, name, host=asked.host, since=asked.since, until=asked.until, rules=rules,
        engine=engine, master=master, progress=progress,
    )  # fmt: skip
    report.unable += learnt.report.unable
    return replace(learnt, report=report, says=(f"learnt from all events again: {found}", *learnt.says))


@dataclass(frozen=True, slots=True)
class _Fresh:
    """What is to be counted, all scans that the baseline is then about, and how far it will have gone."""

    scans: Sequence[Scan]
    whole: Sequence[Scan]
    grows: Growth

    @classmethod
    def of(cls, lake: Lake, engine: Engine, before: Baseline, asked: Scope) -> _Fresh | str:
        """What is new to a baseline in a lake; or why all must be read again."""
        if before.grows is None:
            return "an earlier Vizsla made this baseline, and kept no counts that can be added to"
        had = before.grows.scope
        if (asked.host, asked.since) != (had.host, had.since) or not _goes_on(had.until, asked.until):
            return "it was about another host or another time"
        whole = scans_of(lake, engine, host=asked.host, since=asked.since, until=asked.until)
        fresh: list[Scan] = []
        for scan in whole:
            known = before.grows.tables.get(scan.table)
            if known is None:
                fresh.append(scan)
                continue
            if had.until != asked.until:  # what lay beyond its end, whenever it came
                fresh.append(replace(scan, since=had.until))
            later = lake.later(replace(scan, until=had.until), known)
            if later is None:
                return f"the lake cannot tell any more what {scan.table} got since"
            fresh.append(later)
        tables = {**before.grows.tables, **{scan.table: scan.version for scan in whole}}
        share = min(before.grows.share, share_of(whole))
        return cls([scan for scan in fresh if scan.files], whole, Growth(asked, tables, share, before.grows.parts))


def _goes_on(had: datetime | None, asked: datetime | None) -> bool:
    """Whether a period that ended at `had` may end at `asked` without anything to take away or to look for again."""
    return had == asked or (had is not None and asked is not None and had < asked)


def _grown(
    store: BaselineStore,
    before: Baseline,
    found: _Fresh,
    parts: Sequence[rarity.Tallied],
    rules: Sequence[str],
    engine: Engine,
    report: RunReport,
    progress: Progress | None,
) -> Learnt:
    fresh = rarity.tally(engine, found.scans, found.grows.share, steps(progress, found.scans, "learning"))
    others = {name for name, analytic in analytics.chosen().items() if not isinstance(analytic, Builtin)}
    if not fresh.events and others == set(before.analytics):
        return Learnt(before, report, (f"nothing new for it{_waiting(found.grows.scope)}: it stays", *says(before)))
    tallied = growth.together([*parts, fresh], before.model.words, found.grows.share)
    with tempfile.TemporaryDirectory(prefix="vizsla-hits-") as folder:
        # Rules may have come or changed since: what they meet in all events is looked for again.
        looking = knowledge(store.lake, analytics.chosen(), Path(folder), rules=rules)
        met = [look(engine, found.whole, known, Path(folder), progress) for known in looking]
        model, played, seen = modelled(engine, found.whole, tallied, met, progress)
    report.unable += seen.unable
    saved = store.save(before.name, model, played, seen.learnt, (found.grows, fresh), fired(met))
    told = f"{fresh.events:,} events added to the {before.model.events:,} of version {before.version}"
    again = f"; learnt from all of them: {', '.join(sorted(seen.learnt))}" if seen.learnt else ""
    return Learnt(saved, report, (told + again, *says(saved)))


def _waiting(scope: Scope) -> str:
    return f" before {scope.until:%Y-%m-%d %H:%M} (--until takes in what came later)" if scope.until else ""

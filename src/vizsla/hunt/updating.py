"""A baseline that grows: the counts of what came since are added to what was counted, which is not read again.

What came since is told by the lake's own versions, not by times: a log of last year that was read today is new.
The outcome is that of learning all at once: counts, tails and replay are computed from the tally, and tallies add up.
Where the lake now holds so many more events that fewer host-days are replayed, the replay keeps the same ones. Only
analytics that others wrote learn from all events again: what they learnt is theirs, and cannot be added to.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from vizsla import analytics
from vizsla.analytic import Builtin
from vizsla.analytics.rarity import model as rarity
from vizsla.analytics.rarity.tally import SLICE
from vizsla.baseline import Baseline, BaselineStore, growth
from vizsla.baseline.drift import drifts
from vizsla.baseline.fading import NEVER, Fading
from vizsla.baseline.growth import Growth, Part, Scope
from vizsla.baseline.rule_hits import RuleHits
from vizsla.baseline.withheld import places, slots
from vizsla.engine import Engine
from vizsla.engines import connect
from vizsla.errors import BaselineError
from vizsla.hunt.guarding import Guarded, counted, guarded
from vizsla.hunt.knowledge import knowledge
from vizsla.hunt.known import fired
from vizsla.hunt.lasting import Grown, look_in
from vizsla.hunt.learning import Learnt, learn, modelled, says, share_of
from vizsla.hunt.scope import Progress, scans_of, steps
from vizsla.ingest import ingest
from vizsla.lake import Lake, Scan
from vizsla.nouns import RunReport

DRIFTS = 5  # that are told


def update(
    paths: Sequence[str],
    lake: Lake,
    name: str = "default",
    *,
    host: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    rules: Sequence[str] = (),
    learn_all: bool = False,
    fading: Fading | None = None,
    engine: str = "duckdb",
    master: str | None = None,
    progress: Progress | None = None,
) -> Learnt:
    """Add what the lake got since a baseline was learnt (`paths` are read into it first), as its next version.

    It stays about the host and the times that it was about; a later `until` takes in what lies between. Any other
    host or time, or a lake that can no longer tell what is new, means learning from all events again, and is said.
    Where nothing is new the baseline stays as it is. Findings that stand out in what is new are not learnt, unless
    `learn_all`: see `guarding`. `fading`: how what is old is forgotten (None: as the baseline has it).

    Raises BaselineError where there is none of this name.
    """
    store = BaselineStore(lake)
    before = store.load(name)
    about = before.grows.scope if before.grows else Scope()
    faded = before.grows.fading if before.grows else NEVER
    asked = Scope(host or about.host, since or about.since, until or about.until)
    with connect(engine, master) as computing:
        report = ingest(paths, lake, engine=computing, progress=progress) if paths else RunReport()
        found = _Fresh.of(lake, computing, before, asked)
        had: _Had | None = None
        if isinstance(found, _Fresh):
            try:
                had = _Had(before, store.tallies(name, found.grows), store.rule_hits(before))
            except BaselineError as error:
                found = error.what
        if isinstance(found, _Fresh) and had is not None:
            grows = replace(found.grows, fading=found.grows.fading if fading is None else fading)
            found = replace(found, grows=grows)
            return _grown(store, had, found, rules, computing, report, progress, learn_all=learn_all)
    learnt = learn(
        (), lake, name, host=asked.host, since=asked.since, until=asked.until, rules=rules, fading=fading or faded,
        engine=engine, master=master, progress=progress,
    )  # fmt: skip
    report.unable += learnt.report.unable
    return replace(learnt, report=report, says=(f"learnt from all events again: {found}", *learnt.says))


@dataclass(frozen=True, slots=True)
class _Had:
    """A baseline with all that it was learnt from: its tallies, and what rules met."""

    baseline: Baseline
    parts: Sequence[rarity.Tallied]
    hits: RuleHits


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
        grows = replace(before.grows, scope=asked, tables=tables, share=share)
        return cls([scan for scan in fresh if scan.files], whole, grows)


def _goes_on(had: datetime | None, asked: datetime | None) -> bool:
    """Whether a period that ended at `had` may end at `asked` without anything to take away or to look for again."""
    return had == asked or (had is not None and asked is not None and had < asked)


def _grown(
    store: BaselineStore,
    had: _Had,
    found: _Fresh,
    rules: Sequence[str],
    engine: Engine,
    report: RunReport,
    progress: Progress | None,
    *,
    learn_all: bool,
) -> Learnt:
    before, parts = had.baseline, had.parts
    with tempfile.TemporaryDirectory(prefix="vizsla-hits-") as folder:
        looking = knowledge(store.lake, analytics.chosen(), Path(folder), rules=rules)
        guard = Guarded(free=found.grows.withheld)
        if not learn_all:
            guard = guarded(engine, store.lake, before, found.scans, looking, Path(folder), progress)
        found = replace(found, grows=replace(found.grows, withheld=guard.held))
        new = _new(found, guard)
        fresh = rarity.tally(engine, new, found.grows.share, steps(progress, new, "learning"))
        others = {name for name, analytic in analytics.chosen().items() if not isinstance(analytic, Builtin)}
        settled = before.grows is not None and before.grows.fading == found.grows.fading and not guard.new
        if not fresh.events and others == set(before.analytics) and settled:
            stays = f"nothing new for it{_waiting(found.grows.scope)}: it stays"
            return Learnt(before, report, (stays, *guard.says, *says(before)))
        share, fading = found.grows.share, found.grows.fading
        since = fading.since([*parts, fresh])
        tallied = growth.together([*parts, fresh], before.model.words, share, fading)
        held = places(guard.held)
        new, whole = _from(new, since), [replace(scan, without=slots(held)) for scan in _from(found.whole, since)]
        met, hits = look_in(engine, Grown(whole, new, had.hits, since, held), looking, Path(folder), progress)
        model, played, seen = modelled(engine, whole, rarity.counted([tallied]), met, progress)
    report.unable += seen.unable
    played = counted(played, guard.held)
    with Part() as part:
        part.add(fresh)
        saved = store.save(before.name, model, played, seen.learnt, (found.grows, part), fired(met), hits)
    added = f"{fresh.events:,} events added to the {before.model.events:,} of version {before.version}"
    again = f"; learnt from all of them: {', '.join(sorted(seen.learnt))}" if seen.learnt else ""
    drifted = [drift.says() for drift in drifts(fading.left([*parts, fresh]), tallied.words)[:DRIFTS]]
    told = [added + again, *guard.says, *_unlearnt(guard, before), *drifted, *_faded(fading, since)]
    return Learnt(saved, report, (*told, *says(saved)))


def _unlearnt(guard: Guarded, before: Baseline) -> Iterator[str]:
    """What cannot be taken out of what was learnt any more."""
    last = before.model.last
    late = [one for one in guard.new if one.why == "judged malicious"
            and any(number * SLICE <= last for numbers in one.slices.values() for number in numbers)]  # fmt: skip
    if late:
        yield (
            f"judged malicious after it may have been learnt: {len(late):,} findings; `vizsla learn --name "
            f"{before.name}` learns without them"
        )


def _new(found: _Fresh, guard: Guarded) -> list[Scan]:
    """What is new, without what is withheld; and what was withheld before and is so no more."""
    held, freed = places(guard.held), places(guard.free)
    fresh = [replace(scan, without=slots(held | freed)) for scan in found.scans]
    back = slots(freed - held)
    if not back:
        return fresh
    first, last = min(since for _, since, _ in back), max(until for _, _, until in back)
    freely = [replace(scan, only=back, until=min(scan.until or last, last)) for scan in _from(found.whole, first)]
    return fresh + freely


def _from(scans: Sequence[Scan], since: datetime | None) -> list[Scan]:
    return [replace(scan, since=_later(scan.since, since)) for scan in scans]


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one and other else one or other


def _faded(fading: Fading, since: datetime | None) -> Iterator[str]:
    if since is not None:
        yield f"a window of {fading.window:g} days: what was before {since:%Y-%m-%d} is forgotten"
    if fading.half_life is not None:
        yield f"a half-life of {fading.half_life:g} days: of older days, so long ago, half of the host-days are left"


def _waiting(scope: Scope) -> str:
    return f" before {scope.until:%Y-%m-%d %H:%M} (--until takes in what came later)" if scope.until else ""

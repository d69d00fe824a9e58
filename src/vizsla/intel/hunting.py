"""Intelligence-driven hunts: reports in; hypotheses, sightings and ranked findings out.

What a report says is looked for in all that the lake holds: its indicators, the rules and rows of evidence that name
its techniques, and what is unusual. Each technique becomes a hypothesis that says how it can be told, and if it can.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vizsla.errors import FeedError
from vizsla.explore.coverage.techniques import attack_of, techniques
from vizsla.hunt import hunt as run_hunt
from vizsla.intel.columns import group, looked
from vizsla.intel.hypotheses import Extent, judged, of_indicators, of_technique, touching, whose
from vizsla.intel.reported import Gathered, Spoken, gather
from vizsla.nouns import Hit, HuntRequest, HuntResult
from vizsla.nouns.event import DAY, EXTRA, HOST, TIME, UNKNOWN_DAY
from vizsla.nouns.hypothesis import Hypothesis, IntelHunt, Sought

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.intel.attack import Attack
    from vizsla.lake import Lake
    from vizsla.sigma.rule import Rule

ANALYTICS = ("intel", "sigma", "rarity")
ORDER = {"traces found": 0, "not found": 1, "nothing looks for it": 2, "cannot be told": 3}
_HASHES = re.compile("hash|md5|sha1|sha256|sha512|ja[34]", re.IGNORECASE)
Progress = Callable[[int, int, str], None]


def hunt(
    paths: Sequence[str],
    lake: Lake,
    *,
    baseline: str | None = None,
    rules: Sequence[str] = (),
    actors: bool | None = None,
    top: int | None = None,
    engine: str = "duckdb",
    master: str | None = None,
    progress: Progress | None = None,
) -> IntelHunt:
    """Hunt in all of a lake for what reports say. Findings are kept in the lake, as every hunt's are.

    baseline: what is normal; in the days that it learnt indicators and rules are looked for, too. rules: beside those
    that the lake keeps. actors: also the techniques that ATT&CK ties to the groups and software named; None: where the
    reports name no technique themselves. Raises FeedError where no report could be read, UsageError where there is no
    such path.
    """
    from vizsla.engines import connect

    attack = attack_of(lake)
    if progress:
        progress(0, 0, "reading reports")
    gathered = gather(paths, attack)
    if not any(report.format for report in gathered.reports):
        why = next((report.why for report in gathered.reports if report.why), "of no known format")
        raise FeedError(f"no report could be read: {why}", where=", ".join(paths), fix="vizsla intel add --help")
    wanted, left_out = _wanted(gathered, attack, actors)
    with connect(engine, master=master) as computing:
        known = _loaded(lake, rules)
        seen = {
            one.id: one for one in techniques(lake, engine=computing, attack=attack, rules=known, progress=progress)
        }
        extents = _extents(computing, lake)
    silenced = _without_silenced(gathered, lake)
    who = whose(gathered)
    sought = _sought(gathered, lake)
    drafts = [of_indicators(who, sought, extents)] if sought else []
    drafts += [of_technique(who, spoken, seen[id], extents) for id, spoken in wanted.items()]
    request = HuntRequest(
        lake=str(lake.root), baseline=baseline, analytics=ANALYTICS, rules=tuple(rules), top=top,
        intel=tuple(paths) if sought else (), engine=engine, master=master,
    )  # fmt: skip
    every: HuntResult | None = None
    if baseline is not None:  # its own days are no longer hunted in, and are history all the same
        every = run_hunt(replace(request, baseline=None, analytics=("intel", "sigma"), top=None), progress)
    result = run_hunt(request, progress)
    whole = sum(extents.values(), Extent())
    return _told(IntelHunt(
        title=who.removeprefix("the actors of "),
        reports=tuple(gathered.reports),
        subjects=tuple(gathered.subjects.values()),
        sought=sought,
        hypotheses=tuple(drafts),
        result=result,
        met=tuple(_own(every or result, gathered)),
        rules_met=tuple(hit for hit in (every or result).hits if hit.analytic == "sigma"),
        touches=touching(result, gathered.ids, wanted),
        silenced=silenced,
        left_out=left_out,
        first=whole.first, last=whole.last, events=whole.events, hosts=len(whole.hosts),
    ))  # fmt: skip


def _told(plan: IntelHunt) -> IntelHunt:
    """With what became of each hypothesis: those with traces first, the indicators' before the techniques'."""
    told = [judged(one, plan.met, plan.rules_met, plan.touches) for one in plan.hypotheses]
    rank = {finding.id: finding.rank for finding in plan.result.findings}

    def order(one: Hypothesis) -> tuple[bool, int, int, str]:
        best = min((rank[id] for id in one.findings), default=len(rank) + 1)
        return bool(one.technique), ORDER[one.outcome], best, one.technique

    return replace(plan, hypotheses=tuple(sorted(told, key=order)))


def _own(result: HuntResult, gathered: Gathered) -> list[Hit]:
    """What the reports' own indicators met; what else the lake keeps may have met something, too."""
    return [hit for hit in result.hits if hit.analytic == "intel" and hit.id in gathered.ids]


def _loaded(lake: Lake, rules: Sequence[str]) -> Sequence[Rule] | None:
    """The rules of the lake and those at these paths; None: the lake's alone."""
    if not rules:
        return None
    from vizsla.sigma.book import RuleBook

    return RuleBook(lake).load(rules).rules


def _wanted(gathered: Gathered, attack: Attack, actors: bool | None) -> tuple[dict[str, Spoken], int]:
    """The techniques to look for, in order of id, and how many more are known of whom the reports name."""
    own = dict(gathered.techniques)
    more: dict[str, Spoken] = {}
    for actor in gathered.actors.values():
        for id in actor.techniques:
            technique = attack.technique(id)
            if technique is not None and technique.id not in own:
                more.setdefault(technique.id, Spoken("known of its actors", f"ATT&CK: used by {actor.name}", actor.id))
    if actors or (actors is None and not own):
        own |= more
        more = {}
    return dict(sorted(own.items())), len(more)


def _without_silenced(gathered: Gathered, lake: Lake) -> tuple[tuple[str, str], ...]:
    """Takes out what the lake's allow and warning lists, or the general ones, say is no indicator; gives it."""
    import pyarrow as pa

    from vizsla.intel.lists import silencer
    from vizsla.intel.silence import Silencer
    from vizsla.intel.store import ROOM, Store
    from vizsla.intel.warninglists import general

    ready = silencer(Store(lake)) if (lake.root / ROOM).is_dir() else Silencer(general())
    ids = list(gathered.ids)
    types, values = (pa.array([gathered.ids[id][side] for id in ids], pa.string()) for side in (0, 1))
    by, _ = ready.why(ready.silenced(types, values))
    told = {id: says for id, says in zip(ids, by.to_pylist(), strict=True) if says is not None}
    return tuple((gathered.ids.pop(id)[1], says) for id, says in told.items())


def _sought(gathered: Gathered, lake: Lake) -> tuple[Sought, ...]:
    """The indicators by type, and the tables that have columns for them."""
    types = gathered.types
    tables: dict[str, list[str]] = {type: [] for type in types}
    for table in lake.tables():
        names = lake.scan(table).schema.names
        held = {type for type in types if type == "pattern"}
        for column in looked(table, [name for name in names if name != EXTRA], types):
            held |= column.whole | column.within
        if not any(_HASHES.search(name) for name in names):
            held -= group("hash")  # looked for in every column, and yet nothing there tells hashes
        for type in held:
            tables[type].append(table)
    return tuple(Sought(type, n, tuple(tables[type])) for type, n in sorted(types.items(), key=lambda t: (-t[1], t[0])))


def _extents(engine: Engine, lake: Lake) -> dict[str, Extent]:
    """Of each table its events, hosts and span."""
    found = {}
    for name in lake.tables():
        scan = lake.scan(name)
        if not scan.files:
            continue
        events = engine.table(scan)
        timed = events.filter(events[DAY] != UNKNOWN_DAY)
        rows = engine.collect(
            timed.group_by(host=timed[HOST]).aggregate(first=timed[TIME].min(), last=timed[TIME].max())
        ).to_pylist()
        hosts = frozenset(row["host"] for row in rows if row["host"])
        firsts, lasts = ([row[side] for row in rows if row[side]] for side in ("first", "last"))
        found[name] = Extent(scan.rows, hosts, min(firsts, default=None), max(lasts, default=None))
    return found

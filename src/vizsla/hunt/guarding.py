"""The guard of a baseline that grows: what stands out in the new events is not learnt until someone says so.

New events are first hunted in with the baseline as it is. Withheld are findings that quiet days bring less than once
in ten days (or, of a small baseline, stronger than all that its own days brought); as many more as are far more than
quiet days bring, a QUIET share of them being theirs at most (Benjamini & Hochberg 1995, as `triage.budget`); and all
that was judged malicious. What is withheld still counts where it is asked how strong findings quiet days bring: else
every update would make the next findings look rarer than they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path

import numpy as np

from vizsla import analytics
from vizsla.analytics.rarity.model import host_days
from vizsla.analytics.rarity.tally import SLICE
from vizsla.baseline import Baseline
from vizsla.baseline.withheld import Why, Withheld
from vizsla.engine import Engine
from vizsla.errors import UsageError
from vizsla.hunt.excepting import excepting
from vizsla.hunt.explain import bare, explain
from vizsla.hunt.known import Known
from vizsla.hunt.rank import Stage, staged
from vizsla.hunt.scope import Progress
from vizsla.lake import Lake, Scan
from vizsla.nouns import Cut, Finding, HuntResult, RunReport
from vizsla.nouns.verdict import Verdict
from vizsla.triage import assemble
from vizsla.triage.budget import false_among
from vizsla.triage.replay import Replay
from vizsla.triage.shown import shown_of, traits_of
from vizsla.verdicts import VerdictStore

CUT = 0.1  # findings a day that quiet days bring
QUIET = 0.25  # of the findings withheld, the share that as many quiet days are expected to have brought
TOLD = 200  # withheld findings that are explained, and kept to be judged


@dataclass(frozen=True, slots=True)
class Guarded:
    """What is withheld now, of it what is new, what was let go, and what to tell of it."""

    held: tuple[Withheld, ...] = ()
    new: tuple[Withheld, ...] = ()
    free: tuple[Withheld, ...] = ()
    says: tuple[str, ...] = field(default=())


def guarded(
    engine: Engine, lake: Lake, before: Baseline, scans: Sequence[Scan], looking: Sequence[Known], folder: Path,
    progress: Progress | None = None,
) -> Guarded:  # fmt: skip
    """What is to be withheld of these new scans, and what of the withheld is let go by now."""
    standing = VerdictStore(lake).standing()
    had = before.grows.withheld if before.grows else ()
    stays, free = _parted(lake, had, standing)
    new = [one for one in judged(lake, standing) if one.finding not in {held.finding for held in stays}]
    kept: tuple[Finding, ...] = ()
    if any(scan.rows for scan in scans):
        stage = staged(engine, scans, before, analytics.chosen(), looking, folder, progress)
        stage, _ = excepting(engine, scans, stage, [v for v in standing if v.judgement == "benign"])
        found = _standing_out(stage)
        new += [held(stage, p, "above the cut") for p in found if p.id not in {one.finding for one in new}]
        kept = _explained(engine, scans, stage, found[:TOLD])
        new = [replace(one, title=title) if (title := _title(kept, one.finding)) else one for one in new]
        if kept:
            _save(lake, stage, kept)
    known = {one.finding: one for one in stays}
    for one in new:
        known[one.finding] = _joined(known[one.finding], one) if one.finding in known else one
    return Guarded(tuple(known.values()), tuple(new), free, tuple(_says(tuple(known.values()), new, free)))


def judged(lake: Lake, standing: Iterable[Verdict]) -> list[Withheld]:
    """What was judged malicious, by the events that the findings kept in the lake name."""
    from vizsla.findings import load

    found = []
    for verdict in standing:
        if verdict.judgement != "malicious":
            continue
        try:
            finding = load(lake, verdict.finding)
        except UsageError:  # its run is gone: nothing says when it was
            continue
        slices: dict[str, set[int]] = defaultdict(set)
        for event in (event for line in finding.evidence for event in line.events):
            if event.time is not None and event.host:
                slices[event.host].add(int(event.time.timestamp() * 1e6) // SLICE)
        if slices:
            found.append(_withheld(finding.id, finding.pattern_id, finding.title, finding.bits, finding.surprisal,
                                   "judged malicious", slices))  # fmt: skip
    return found


def held(stage: Stage, pattern: assemble.Pattern, why: Why) -> Withheld:
    """A finding with all its instances as what is withheld: the ten minutes in which their evidence stands."""
    lit, ties, words = stage.ranked.lit, stage.ranked.ties, stage.words
    windows = stage.ranked.episodes.window[np.array(pattern.episodes)]
    own = lit.at[np.isin(lit.window, windows) & (lit.value > 0)]
    slices: dict[str, set[int]] = defaultdict(set)
    for host, number in set(zip(ties.host[own].tolist(), ties.slice[own].tolist(), strict=True)):
        slices[words.get(host, "")].add(number)
    return _withheld(pattern.id, pattern.pattern_id, "", pattern.bits, pattern.surprisal, why, slices)


def counted(replay: Replay, held: Iterable[Withheld]) -> Replay:
    """The replay with what was withheld among its findings, but for what was judged malicious."""
    more = [one for one in held if one.why == "above the cut"]
    if not more:
        return replay
    bits = np.concatenate([replay.bits, [one.bits for one in more]])
    surprisal = np.concatenate([replay.surprisal, [one.surprisal for one in more]])
    order = np.lexsort((-surprisal, -bits))
    return replace(replay, bits=bits[order], surprisal=surprisal[order])


def _standing_out(stage: Stage) -> list[assemble.Pattern]:
    """The findings that are above the cut, the strongest first."""
    floor = stage.hosts_a_day / (1 + stage.replay.host_days)
    days = host_days(stage.heard) / stage.hosts_a_day
    every = assemble.patterns(stage.ranked, stage.words)
    a_day = (stage.replay.expected(p.bits, p.surprisal, stage.hosts_a_day) for p in every)
    return list(every[: above(a_day, len(every), days, max(CUT, floor) * (1 + 1e-9))])


def above(a_day: Iterable[float], findings: int, days: float, limit: float) -> int:
    """How many of so many findings are above the cut. `a_day`: how many as strong as each quiet days bring a day, the
    strongest first; `days`: how many days they are of; `limit`: findings a day up to which one is withheld for itself.
    """
    # What quiet days bring only grows from finding to finding: behind the first that cannot be above, none is.
    rates = list(takewhile(lambda rate: rate <= limit or rate * days <= QUIET * findings, a_day))
    alone = sum(rate <= limit for rate in rates)
    return max(alone, false_among(rates, QUIET, days)[0])


def _parted(
    lake: Lake, had: Sequence[Withheld], standing: Sequence[Verdict]
) -> tuple[list[Withheld], tuple[Withheld, ...]]:
    """What stays withheld of what was, and what is let go: judged benign since, or not malicious any more."""
    stays: list[Withheld] = []
    free: list[Withheld] = []
    malicious = {v.finding for v in standing if v.judgement == "malicious"}
    for one in had:
        if one.why == "judged malicious":
            (stays if one.finding in malicious else free).append(one)
            continue
        hosts = {host for host in one.slices if any(_frees(lake, v, one, host) for v in standing)}
        if one.finding in malicious:
            hosts = set()
        kept = {host: numbers for host, numbers in one.slices.items() if host not in hosts}
        if kept:
            stays.append(replace(one, slices=kept))
        if hosts:
            free.append(replace(one, slices={host: one.slices[host] for host in sorted(hosts)}))
    return stays, tuple(free)


def _frees(lake: Lake, verdict: Verdict, one: Withheld, host: str) -> bool:
    """Whether a verdict says that what was withheld on a host is benign."""
    if verdict.judgement != "benign":
        return False
    same = verdict.finding == one.finding
    if verdict.reach == "finding":
        return same and (len(one.slices) == 1 or host in verdict.hosts[:1])
    if verdict.pattern_id != one.pattern_id or (verdict.reach == "pattern+host" and host not in verdict.hosts):
        return False
    narrowed = bool(verdict.where) or verdict.reach == "pattern+user"
    return same or not narrowed or _reaches(lake, verdict, one)


def _reaches(lake: Lake, verdict: Verdict, one: Withheld) -> bool:
    from vizsla.findings import load
    from vizsla.verdicts.matching import reaches

    try:
        return reaches(verdict, load(lake, one.finding))
    except UsageError:
        return False


def _withheld(
    finding: str, pattern: str, title: str, bits: float, surprisal: float, why: Why, slices: Mapping[str, set[int]]
) -> Withheld:
    told = {host: tuple(sorted(numbers)) for host, numbers in sorted(slices.items())}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Withheld(finding, pattern, title, bits, surprisal, why, told, now)


def _joined(one: Withheld, more: Withheld) -> Withheld:
    """A finding that has grown since it was withheld."""
    hosts = sorted({*one.slices, *more.slices})
    slices = {h: tuple(sorted({*one.slices.get(h, ()), *more.slices.get(h, ())})) for h in hosts}
    return replace(one, slices=slices)


def _explained(
    engine: Engine, scans: Sequence[Scan], stage: Stage, found: Sequence[assemble.Pattern]
) -> tuple[Finding, ...]:
    by_id = {p.id: p for p in found}
    told = explain(engine, scans, stage, [bare(stage, p) for p in found], by_id)
    episodes = [p.episode for p in found]
    shown, traits = shown_of(stage.ranked, episodes), traits_of(stage.ranked, episodes)
    return tuple(
        replace(told[p.id], rank=rank, shown=shown[p.episode], traits=traits[p.episode])
        for rank, p in enumerate(found, 1)
    )


def _title(kept: Iterable[Finding], id: str) -> str:
    return next((finding.title for finding in kept if finding.id == id), "")


def _save(lake: Lake, stage: Stage, kept: tuple[Finding, ...]) -> None:
    """Kept as a hunt's findings are, so that they can be shown and judged."""
    from vizsla.findings import save

    save(lake, HuntResult(stage.run, kept, Cut(len(kept), len(kept), kept[-1].bits), RunReport()))


def _says(held: Sequence[Withheld], new: Sequence[Withheld], free: Sequence[Withheld]) -> Iterable[str]:
    def counts(some: Sequence[Withheld]) -> str:
        minutes = 10 * sum(len(numbers) for one in some for numbers in one.slices.values())
        hosts = {host for one in some for host in one.slices}
        findings = "1 finding" if len(some) == 1 else f"{len(some):,} findings"
        return f"{findings}, {minutes:,} minutes of {len(hosts):,} host{'s' * (len(hosts) != 1)}"

    if new:
        yield f"not learnt: {counts(new)} that stand out or were judged malicious"
        for one in sorted(new, key=lambda w: -w.bits)[:5]:
            yield f"  {one.finding[:12]}, {one.bits:.1f} bits, {one.why}: {one.title or 'see `vizsla show`'}"
        yield "  `vizsla verdict ID benign` lets the next update learn one; `vizsla baseline update --learn-all` all"
    older = len(held) - len(new)
    if older > 0:
        yield f"still withheld from earlier: {older:,} findings"
    if free:
        yield f"learnt now, after it was judged: {counts(free)}"

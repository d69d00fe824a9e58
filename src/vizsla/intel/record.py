"""A feed's record here: how many of its indicators were seen, and what the team's verdicts say of them.

What is counted is an indicator on a host, once, however often it was met there. It was judged where a verdict that
stands is of a finding on that host in which the indicator was evidence; and judged benign where no other such verdict
says malicious. Unsure judges nothing. What was taken back, replaced, or has ended counts no more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla import arrow
from vizsla.analytics.rarity.encode import code_of
from vizsla.intel.state import ROOM
from vizsla.lake import Lake
from vizsla.nouns.verdict import Verdict
from vizsla.triage.observed import analytic_of
from vizsla.verdicts.store import VerdictStore

ANALYTIC = "intel"
Hosts = frozenset[str]


@dataclass(frozen=True, slots=True)
class Record:
    """A feed's record here: its sightings, how many were judged benign, and how many were judged at all (None: all)."""

    sightings: int = 0
    benign: int = 0
    judged: int | None = None

    @property
    def of(self) -> int:
        """How many were judged."""
        return max(self.benign, self.sightings if self.judged is None else self.judged)


@dataclass(frozen=True, slots=True)
class _Said:
    """On which hosts an indicator was judged, and on which of them malicious."""

    judged: Hosts
    malicious: Hosts


def records(lake: Lake, now: datetime) -> dict[str, Record]:
    """By feed its record in this lake; feeds of which nothing was seen are left out.

    Raises LakeError where the lake's verdicts or sightings are damaged.
    """
    if not (lake.root / ROOM).is_dir():
        return {}
    from vizsla.intel.sightings import sightings

    return of_sightings(sightings(lake), VerdictStore(lake).standing(now))


def of_sightings(found: pa.Table, verdicts: Iterable[Verdict]) -> dict[str, Record]:
    """By feed its record: of sightings (`indicator`, `_host`, `feeds`) and the verdicts that stand."""
    places = found.select(["indicator", "_host"]).append_column("row", pa.array(np.arange(len(found))))
    firsts = places.group_by(["indicator", "_host"]).aggregate([("row", "min")]).column("row_min")
    once = found.take(firsts)
    judged, benign = _judged(once, _said(verdicts))
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    feeds = arrow.whole(once.column("feeds"))
    for place, mask in enumerate((None, judged, benign)):
        named = feeds if mask is None else feeds.filter(pa.array(mask))
        for row in pc.value_counts(pc.list_flatten(named)).to_pylist():
            counts[row["values"]][place] = row["counts"]
    return {feed: Record(seen, harmless, told) for feed, (seen, told, harmless) in counts.items()}


def _said(verdicts: Iterable[Verdict]) -> Mapping[int, _Said]:
    """By an indicator's code, where it was judged."""
    judged: dict[int, set[str]] = defaultdict(set)
    malicious: dict[int, set[str]] = defaultdict(set)
    for verdict in verdicts:
        if verdict.judgement == "unsure":
            continue
        for shown in verdict.shown:
            if analytic_of(shown.kind) == ANALYTIC:
                code = int(shown.code, 16)
                hosts = verdict.hosts or ("",)  # a finding of events that name no host
                judged[code].update(hosts)
                if verdict.judgement == "malicious":
                    malicious[code].update(hosts)
    return {code: _Said(frozenset(hosts), frozenset(malicious[code])) for code, hosts in judged.items()}


def _judged(once: pa.Table, said: Mapping[int, _Said]) -> tuple[np.ndarray, np.ndarray]:
    """Which sightings were judged at all, and which benign."""
    judged, benign = (np.zeros(len(once), dtype=bool) for _ in range(2))
    if not said:
        return judged, benign
    ids = pc.dictionary_encode(arrow.whole(once.column("indicator")))
    codes = [code_of(id) for id in ids.dictionary.to_pylist()]
    known = np.array([code in said for code in codes], dtype=bool)
    numbers = np.asarray(ids.indices)
    rows = np.flatnonzero(known[numbers]) if len(numbers) else numbers
    hosts = once.column("_host").take(pa.array(rows)).to_pylist()
    for row, host in zip(rows.tolist(), hosts, strict=True):
        own, name = said[codes[numbers[row]]], (host or "").lower()
        judged[row] = name in own.judged
        benign[row] = judged[row] and name not in own.malicious
    return judged, benign

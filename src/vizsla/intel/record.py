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
from itertools import product

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


def _said(verdicts: Iterable[Verdict]) -> dict[tuple[int, str], bool]:
    """By an indicator's code and a host whether it was judged malicious there; what nobody judged is left out."""
    malicious: dict[tuple[int, str], bool] = defaultdict(bool)
    for verdict in verdicts:
        if verdict.judgement == "unsure":
            continue
        codes = [int(shown.code, 16) for shown in verdict.shown if analytic_of(shown.kind) == ANALYTIC]
        for pair in product(codes, verdict.hosts or ("",)):  # '': a finding of events that name no host
            malicious[pair] |= verdict.judgement == "malicious"
    return malicious


def _judged(once: pa.Table, malicious: Mapping[tuple[int, str], bool]) -> tuple[np.ndarray, np.ndarray]:
    """Which sightings were judged at all, and which benign."""
    judged, benign = (np.zeros(len(once), dtype=bool) for _ in range(2))
    known = {code for code, _ in malicious}
    ids = pc.dictionary_encode(arrow.whole(once.column("indicator")))
    codes = [code_of(id) for id in ids.dictionary.to_pylist()] if known else []
    numbers = np.asarray(ids.indices)
    rows = np.flatnonzero(np.isin(numbers, [place for place, code in enumerate(codes) if code in known]))
    hosts = once.column("_host").take(pa.array(rows)).to_pylist()
    for row, host in zip(rows.tolist(), hosts, strict=True):
        pair = codes[numbers[row]], (host or "").lower()
        judged[row] = pair in malicious
        benign[row] = judged[row] and not malicious[pair]
    return judged, benign

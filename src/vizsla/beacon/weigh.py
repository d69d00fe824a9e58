"""What speaks for an intruder beside regularity, in bits: thousands of programs are regular, one of them is not ours.

The strength of a pair is `REGULAR` bits of regularity at most, and as much again, either way, of what else is known.
Each weight is a likelihood ratio set by judgement, written down here and nowhere else: how much more often an
implant's beacon has this trait than a periodic service of a company. None is from any data set that we rank.

    rarity      log2(H / h) where h of H hosts reach the destination: updaters, time and monitoring are
                many hosts', an implant's controller is one's or a few's
    new         3: it began later than its host did, by more than two periods and up to a day: services come once in
                many weeks, and an intruder within the days that are looked at
    lasting     -3 to 2, by the share of the host's active hours in which it ran, from its first visit to the end: a
                page that polls ends with its tab, an implant runs as long as its host
    alike       1 x the share of visits whose bytes lie within one narrow window
    jittered    2: intervals that spread by a tenth or more (nothing below 3 %): people write timers, implants hide
    scheduled   -2: tight, at a period that people write (60 s, 15 min, 1 h …); 1: tight at any other
    inside      -3: the destination is one of our own addresses
    common      -2: a port of the network's housekeeping (DNS, NTP, SNMP …)
    stranger    -6: it comes from outside to one of our hosts: a crawler, a scanner
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vizsla.beacon.bins import Floats, Ints

RAREST = 8.0  # bits: of thousands of hosts no more than of five hundred
REGULAR = 14.0  # bits of regularity that count: beyond, a faster clock would only win by being faster
NEW, ALIKE, JITTERED, SCHEDULED, ODD, INSIDE, COMMON, STRANGER = 3.0, 1.0, 2.0, -2.0, 1.0, -3.0, -2.0, -6.0
FLEETING, LASTING = -3.0, 2.0
LOOSE, TIGHT, WIDE = 0.03, 0.05, 0.10  # jitter: a timer's own, one that keeps its time, one that was put there
NEAR = 0.01  # of a period that people write
WRITTEN = np.array(
    [5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 600, 720, 900, 1200, 1800, 2700, 3600, 5400, 7200, 10800,
     14400, 21600, 28800, 43200, 86400], np.float64)  # fmt: skip
HOUR, DAY = 3_600.0, 86_400.0


@dataclass(frozen=True, slots=True)
class Known:
    """Of each pair: what is known beside its intervals. Times in seconds."""

    hosts: Ints  # that reach the destination
    of_hosts: Ints
    late: Floats  # from the host's first sight to the pair's; 0 where history is unknown
    lasting: Floats  # share of the host's active hours, from the pair's first visit on
    alike: Floats  # share of visits with like bytes
    inside: NDArray[np.bool_]
    common: NDArray[np.bool_]
    stranger: NDArray[np.bool_]


def scheduled(period: Floats) -> NDArray[np.bool_]:
    """Whether a period (seconds) is one that people write."""
    period = np.asarray(period, np.float64)
    near = np.abs(period[:, None] / WRITTEN[None, :] - 1.0).min(axis=1) if len(period) else period
    return np.asarray(near <= NEAR)


def traits(period: Floats, jitter: Floats, known: Known) -> dict[str, Floats]:
    """The bits of every trait, by name."""
    with np.errstate(divide="ignore", invalid="ignore"):
        late = np.where(known.late > 2 * period, np.minimum(known.late / DAY, 1.0), 0.0)
    tight = jitter < TIGHT
    return {
        "rarity": np.minimum(np.log2(np.maximum(known.of_hosts, 1) / np.maximum(known.hosts, 1)), RAREST),
        "new": NEW * late,
        "lasting": FLEETING + (LASTING - FLEETING) * known.lasting,
        "alike": ALIKE * known.alike,
        "jittered": JITTERED * np.clip((jitter - LOOSE) / (WIDE - LOOSE), 0.0, 1.0),
        "scheduled": np.where(tight, np.where(scheduled(period), SCHEDULED, ODD), 0.0),
        "inside": INSIDE * known.inside,
        "common": COMMON * known.common,
        "stranger": STRANGER * known.stranger,
    }


def strength(regular: Floats, told: dict[str, Floats]) -> Floats:
    """Bits of a pair: regularity, and all traits together as far as regularity vouches for them; never below 0."""
    vouched = np.minimum(np.asarray(regular, np.float64), REGULAR)
    more = np.sum(list(told.values()), axis=0)
    found: Floats = np.maximum(vouched + np.clip(more, -vouched, vouched), 0.0)
    return found

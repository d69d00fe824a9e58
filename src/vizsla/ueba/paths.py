"""Lateral movement: new edges of the logon graph that follow one another from host to host within hours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vizsla.calibration import Floats

WITHIN = 8 * 3_600_000_000  # microseconds within which one step follows another
LONGEST = 5  # steps of a path
NEW = 2.0  # bits from which on an edge is new enough to be a step
LATEST = 64  # steps before that may have led to one, the latest


@dataclass(frozen=True, slots=True)
class Step:
    """A logon from one host ('': at the host itself, or unknown) onto another by an account, with the bits of its
    newest edge."""

    source: str
    target: str
    user: str
    time: int
    bits: float


def before(steps: Sequence[Step]) -> tuple[Floats, list[int]]:
    """For each step the bits of the best path that ends with it, and the place of the step before it (-1: none).

    A path goes from host to host, forward in time, each step new and within WITHIN of the last. That it was picked
    among several costs the logarithm of their number. Steps that are not new have no bits, and carry none on.
    """
    order = sorted(range(len(steps)), key=lambda i: (steps[i].time, steps[i].source, steps[i].target, steps[i].user))
    bits, came_from, length = np.zeros(len(steps)), [-1] * len(steps), [1] * len(steps)
    arrived: dict[str, list[int]] = {}
    for i in order:
        step = steps[i]
        if step.bits < NEW:
            continue
        bits[i] = step.bits
        options = [
            j for j in arrived.get(step.source, ())[-LATEST:]
            if 0 < step.time - steps[j].time <= WITHIN and length[j] < LONGEST and steps[j].source != step.target
        ]  # fmt: skip
        if options and step.source:
            best = max(options, key=lambda j: (bits[j], -steps[j].time))
            gained = bits[best] - np.log2(len(options))
            if gained > 0:
                bits[i] += gained
                came_from[i], length[i] = best, length[best] + 1
        arrived.setdefault(step.target, []).append(i)
    return bits, came_from


def path(last: int, came_from: Sequence[int]) -> list[int]:
    """The places of a path's steps, from the first to `last`."""
    found = [last]
    while came_from[found[-1]] >= 0:
        found.append(came_from[found[-1]])
    return found[::-1]


def newest(account: Floats, hosts: Floats, comes_from: Floats, away: npt.NDArray[np.bool_]) -> Floats:
    """Of steps, the bits of the newest edge: the account's, and where it comes from another host (`away`) the hosts',
    or where the account comes from."""
    return np.maximum(account, np.where(away, np.maximum(hosts, comes_from), 0.0))

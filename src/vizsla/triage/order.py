"""The order in which findings are read: by finding, by host or by user; total, so that every engine gives the same.

A host or a user ranks by its strongest finding, plus what the others add as the sum of their e-values would:

    bits = b1 + min(3, log2(1 + sum of 2^(bi - b1) over the others))

so many equally strong findings lift a host by three bits at most, and many weak ones by next to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from vizsla.nouns import Finding, Order
from vizsla.triage.native import hosts_of, plain_user, users_of

MOST_OTHERS = 3.0  # bits that all other findings of a host or user add at most
DIGITS = 9  # bits are compared to 1e-9, as far as engines agree
NOBODY = "(none)"


def order_key(finding: Finding) -> tuple[float, float, str]:
    """The total order of findings: bits, then surprisal beyond the calibration's floor, then id."""
    return (-round(finding.bits, DIGITS), -round(finding.surprisal, DIGITS), finding.id)


def rank(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings best first, `rank` counted from 1."""
    return tuple(replace(f, rank=n) for n, f in enumerate(sorted(findings, key=order_key), 1))


def names(finding: Finding, by: Order) -> tuple[str, ...]:
    """The hosts or users that a finding counts for, in one spelling each; `(none)` where it names nobody."""
    if by == "finding":
        return (finding.id,)
    found = (*hosts_of(finding), *(h.lower() for h in finding.instance_hosts)) if by == "host" else users_of(finding)
    plain = (name.lower() if by == "host" else plain_user(name) for name in found)
    return tuple(dict.fromkeys(name for name in plain if name)) or (NOBODY,)


def together(bits: Sequence[float]) -> float:
    """The bits of several findings of one host or user: the strongest, and a capped share of the others."""
    if not bits:
        return 0.0
    first, *others = sorted(bits, reverse=True)
    return first + min(MOST_OTHERS, math.log2(1.0 + math.fsum(2.0 ** (b - first) for b in others)))


def ranking(findings: Iterable[Finding], by: Order) -> tuple[tuple[str, float, int], ...]:
    """(host or user, bits, findings), most suspicious first; ties by name. Empty by finding."""
    if by == "finding":
        return ()
    bits: dict[str, list[float]] = {}
    for finding in findings:
        for name in names(finding, by):
            bits.setdefault(name, []).append(finding.bits)
    rows = [(name, together(values), len(values)) for name, values in bits.items()]
    return tuple(sorted(rows, key=lambda row: (-round(row[1], DIGITS), row[0])))


def order(findings: Iterable[Finding], by: Order = "finding") -> tuple[Finding, ...]:
    """Findings in reading order, `rank` counted from 1: by strength, or host by host (user by user), best first.

    A finding of several hosts stands with the first of them in the ranking, once.
    """
    ranked = rank(findings)
    if by == "finding":
        return ranked
    place = {name: n for n, (name, _, _) in enumerate(ranking(ranked, by))}
    grouped = sorted(ranked, key=lambda f: (min(place[name] for name in names(f, by)), f.rank))
    return tuple(replace(f, rank=n) for n, f in enumerate(grouped, 1))

"""What was said of a finding, or of its like, before."""

from __future__ import annotations

from collections.abc import Iterable

from vizsla.nouns import Finding
from vizsla.nouns.verdict import Judged, Same, Verdict

MOST = 5


def judged(finding: Finding, verdicts: Iterable[Verdict]) -> tuple[Judged, ...]:
    """The verdicts on this finding, then those on its pattern; the latest of each first, MOST at most."""
    found: list[tuple[bool, Verdict, Same]] = []
    for verdict in verdicts:
        if verdict.finding == finding.id:
            found.append((False, verdict, "finding"))
        elif verdict.pattern_id == finding.pattern_id:
            found.append((True, verdict, "pattern"))
    found.sort(key=lambda one: (one[0], -one[1].at.timestamp(), one[1].id))
    return tuple(Judged(v.id, v.judgement, v.at, v.by, v.reach, same, v.reason, v.until) for _, v, same in found[:MOST])

"""A verdict on a finding: how far it reaches where nobody said, and whether it can be meant."""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from vizsla.errors import UsageError
from vizsla.nouns import Finding
from vizsla.nouns.verdict import Judgement, Reach, Shown, Verdict
from vizsla.triage.native import hosts_of, users_of
from vizsla.triage.observed import SPLIT
from vizsla.verdicts.matching import conditions, reaches
from vizsla.verdicts.store import new_id

# What is harmless on one host need not be on another; what is malicious is a fact about one finding.
DEFAULT: dict[Judgement, Reach] = {"malicious": "finding", "benign": "pattern+host", "unsure": "finding"}
BY = "VIZSLA_ANALYST"


def verdict_on(
    finding: Finding,
    judgement: Judgement,
    *,
    reach: Reach | None = None,
    where: Sequence[str] = (),
    reason: str = "",
    until: datetime | None = None,
    by: str | None = None,
    at: datetime | None = None,
) -> Verdict:
    """The verdict, not yet kept. Raises UsageError where it could not reach even this finding."""
    moment = at or datetime.now(UTC)
    if until is not None and until <= moment:
        raise UsageError(
            f"it would have ended before it was given, on {until:%Y-%m-%d %H:%M}",
            where="--until",
            fix="a date to come, or a length of time from now: 90d",
        )
    if where and judgement != "benign":
        raise UsageError(
            "--where narrows what a benign verdict hides, and this one hides nothing", where="--where",
            fix="leave it out",
        )  # fmt: skip
    made = Verdict(
        id=new_id(),
        at=moment,
        by=by or analyst(),
        judgement=judgement,
        reach=reach or DEFAULT[judgement],
        finding=finding.id,
        pattern_id=finding.pattern_id,
        title=finding.title,
        bits=finding.bits,
        hosts=tuple(dict.fromkeys((*hosts_of(finding), *(host.lower() for host in finding.instance_hosts)))),
        users=users_of(finding),
        where=conditions(where),
        reason=reason,
        until=until,
        shown=shown_by(finding),
        traits=dict(finding.traits),
        techniques=tuple(attack.technique for attack in finding.attack),
    )
    _check(made, finding)
    return made


def shown_by(finding: Finding) -> tuple[Shown, ...]:
    """What a finding shows; of one that an earlier Vizsla kept, the lead of each line of its evidence."""
    if finding.shown:
        return finding.shown
    return tuple(
        Shown(e.kind if e.analytic == "rarity" else e.analytic + SPLIT + e.kind, e.pattern_id, e.bits)
        for e in finding.evidence
        if e.pattern_id
    )


def analyst() -> str:
    """Who judges: $VIZSLA_ANALYST, or the account's name."""
    try:
        return os.environ.get(BY) or getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in containers
        return "unknown"


def _check(verdict: Verdict, finding: Finding) -> None:
    if verdict.judgement != "benign":
        return
    if not verdict.shown:
        raise UsageError(
            "this finding does not say what its evidence is, so that nothing could be hidden by it",
            where=finding.id, fix="hunt again, and judge it then",
        )  # fmt: skip
    if verdict.reach == "pattern+user" and not verdict.users:
        raise UsageError(
            "this finding names no user", where="--scope pattern+user", fix="choose pattern+host, pattern or finding"
        )
    missed = [c for c in verdict.where if not reaches(replace(verdict, reach="pattern", where=(c,)), finding)]
    if missed:
        raise UsageError(
            f"the finding itself does not meet {missed[0]}, in every event that has the field",
            where="--where",
            fix=f"`vizsla show {finding.id[:12]}` shows its native fields",
        )

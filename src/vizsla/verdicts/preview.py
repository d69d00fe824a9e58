"""What an exception would hide of what was found before: told before it is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from vizsla.nouns import Finding
from vizsla.nouns.verdict import Shown, Verdict
from vizsla.triage.native import hosts_of
from vizsla.triage.observed import is_hit, split
from vizsla.verdicts.give import shown_by
from vizsla.verdicts.matching import STRONGER, reaches
from vizsla.verdicts.store import VerdictStore

if TYPE_CHECKING:
    from vizsla.lake import Lake

How = Literal["whole", "partly", "not"]


@dataclass(frozen=True, slots=True)
class Preview:
    """What an exception would hide: past findings, those of them that were judged malicious, validated techniques.

    `partly`: findings that hold more than the exception reaches, and would stand with the rest.
    """

    findings: tuple[Finding, ...] = ()
    partly: tuple[Finding, ...] = ()
    malicious: tuple[Verdict, ...] = ()
    techniques: tuple[Finding, ...] = ()

    @property
    def dangerous(self) -> bool:
        """Whether it would hide what was judged malicious."""
        return bool(self.malicious)


def preview(lake: Lake, verdict: Verdict) -> Preview:
    """What a benign verdict would hide of all that this lake keeps."""
    from vizsla.findings import every
    from vizsla.validate.kept import validated

    lead = lead_of(verdict.shown)
    past = list(every(lake, having=lead.code if lead else None))
    how = {finding.id: hides(verdict, finding) for finding in past}
    return Preview(
        findings=tuple(f for f in past if how[f.id] == "whole"),
        partly=tuple(f for f in past if how[f.id] == "partly"),
        malicious=tuple(_malicious(VerdictStore(lake).standing(), verdict, how)),
        techniques=tuple(f for f in validated(lake) if hides(verdict, f) != "not"),
    )


def lead_of(shown: Sequence[Shown]) -> Shown | None:
    """The strongest evidence that a verdict is about; a hit only where there is nothing else."""
    own = [one for one in shown if not is_hit(one.kind)]
    return next(iter(own or shown), None)


def hides(verdict: Verdict, finding: Finding) -> How:
    """Whether an exception would hide a finding, as far as what is kept of it says."""
    return _hides(verdict, shown_by(finding), hosts_of(finding), finding)


def hides_like(exception: Verdict, other: Verdict) -> How:
    """Whether an exception would hide findings like the one that another verdict was given of."""
    return _hides(replace(exception, reach="pattern") if exception.reach == "pattern+user" else exception,
                  other.shown, other.hosts, None)  # fmt: skip


def _hides(verdict: Verdict, shown: Sequence[Shown], hosts: Iterable[str], finding: Finding | None) -> How:
    lead = lead_of(verdict.shown)
    known = {(one.kind, one.code) for one in shown}
    if lead is None or (lead.kind, lead.code) not in known:
        return "not"
    if verdict.reach == "finding" and (finding is None or finding.id != verdict.finding):
        return "not"
    if finding is not None and not reaches(verdict, finding):
        return "not"
    own = set(hosts)
    if verdict.reach == "pattern+host" and not own & set(verdict.hosts):
        return "not"
    most = {(s.kind, s.code): s.bits + STRONGER if split(s.kind) and not is_hit(s.kind) else None
            for s in verdict.shown}  # fmt: skip
    covered = all((s.kind, s.code) in most and _within(s.bits, most[s.kind, s.code]) for s in shown)
    inside = verdict.reach != "pattern+host" or own <= set(verdict.hosts)
    return "whole" if covered and inside else "partly"


def _within(bits: float, most: float | None) -> bool:
    return most is None or bits <= most


def _malicious(standing: Iterable[Verdict], verdict: Verdict, how: dict[str, How]) -> Iterator[Verdict]:
    """Malicious verdicts on what would be hidden, even in part; of findings not kept, by what verdicts remember."""
    for other in standing:
        if other.judgement != "malicious":
            continue
        known = how.get(other.finding)
        if known is None:
            known = _hides(verdict, other.shown, other.hosts, None)
        if known != "not":
            yield other

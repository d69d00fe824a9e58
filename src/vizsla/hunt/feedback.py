"""What a lake's verdicts mean for a hunt in it: exceptions, what they teach, and what is told of earlier ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from vizsla.hunt.excepting import Excepted
from vizsla.hunt.explain import Gain
from vizsla.hunt.rank import Stage
from vizsla.lake import Lake
from vizsla.nouns import Finding, HuntRequest
from vizsla.nouns.verdict import Verdict
from vizsla.triage import assemble
from vizsla.triage.shown import shown_of, traits_of
from vizsla.verdicts import Kept, VerdictStore
from vizsla.verdicts.earlier import judged
from vizsla.verdicts.learning import MOST, Taught, learn

ENDED = timedelta(days=30)  # how long it is told that an exception ended


@dataclass(frozen=True, slots=True)
class Feedback:
    """The verdicts that a hunt heeds. `exceptions`: those that hide; `earlier`: those that are told of."""

    exceptions: tuple[Verdict, ...] = ()
    taught: Taught = field(default_factory=Taught)
    earlier: tuple[Verdict, ...] = ()
    ended: tuple[Verdict, ...] = ()
    left_out: int = 0  # exceptions that were not to be heeded

    @property
    def most(self) -> float:
        """Bits that verdicts add or take at most."""
        return MOST if self.taught.model else 0.0

    def gains(self, stage: Stage, patterns: Sequence[assemble.Pattern]) -> dict[str, Gain]:
        """By finding, what verdicts taught of it."""
        model = self.taught.model
        if model is None or not patterns:
            return {}
        count = self.taught.malicious + self.taught.benign
        traits = traits_of(stage.ranked, [p.episode for p in patterns])
        own = [traits[p.episode] for p in patterns]
        found = {}
        for pattern, traits_, bits in zip(patterns, own, model.gains(own).tolist(), strict=True):
            loud = ", ".join(model.because(traits_))
            found[pattern.id] = Gain(bits, f"what {count} verdicts taught" + (f": {loud}" if loud else ""))
        return found

    def told(
        self, stage: Stage, findings: Sequence[Finding], by_id: Mapping[str, assemble.Pattern], excepted: Excepted
    ) -> list[Finding]:
        """Findings with what a verdict on them must know, and with what was said of them before."""
        episodes = [by_id[f.id].episode for f in findings]
        shown, traits = shown_of(stage.ranked, episodes), traits_of(stage.ranked, episodes)
        done = []
        for finding, episode in zip(findings, episodes, strict=True):
            window = int(stage.ranked.episodes.window[episode])
            against = tuple(self._excused(id) for id in excepted.partly.get(window, ()))
            done.append(replace(finding, shown=shown[episode], traits=traits[episode],
                                judged=judged(finding, self.earlier), speaks_against=against))  # fmt: skip
        return done

    def _excused(self, id: str) -> str:
        verdict = next(v for v in self.exceptions if v.id == id)
        reason = f": {verdict.reason}" if verdict.reason else ""
        return (
            f"evidence beside it was judged benign on {verdict.at:%Y-%m-%d} and is not counted (verdict {id}{reason})"
        )

    def says(self, excepted: Excepted) -> Iterator[str]:
        """What the end of the run must tell."""
        if excepted.hidden:
            found = "1 finding" if excepted.hidden == 1 else f"{excepted.hidden:,} findings"
            by = "1 exception" if len(excepted.by) == 1 else f"{len(excepted.by):,} exceptions"
            yield f"{found} hidden by {by}; --no-exceptions shows them, `vizsla verdict list` lists the exceptions."
        if excepted.partly:
            yield (
                f"{len(excepted.partly):,} episodes hold evidence that was judged benign and more: they are ranked by "
                "the rest."
            )
        if excepted.instances:
            yield f"{excepted.instances:,} instances of findings shown are hidden by exceptions."
        if excepted.unseen:
            yield f"{excepted.unseen:,} episodes were too many to look into for exceptions: they are shown."
        if self.left_out:
            yield f"{self.left_out:,} exceptions were not heeded (--no-exceptions)."
        for verdict in self.ended:
            yield f"Exception {verdict.id} ended on {verdict.until:%Y-%m-%d}: what it hid is shown again."
        yield from self.taught.says


def feedback(lake: Lake, request: HuntRequest, now: datetime | None = None) -> Feedback:
    """What the verdicts of this lake mean for this hunt. Raises LakeError where they are damaged."""
    moment = now or datetime.now(UTC)
    kept = VerdictStore(lake).all(moment)
    standing = [k.verdict for k in kept if k.state == "stands"]
    benign = tuple(v for v in standing if v.judgement == "benign")
    held = [k.verdict for k in kept if k.state in ("stands", "ended")]
    return Feedback(
        exceptions=benign if request.exceptions else (),
        taught=learn(held) if request.taught else Taught(),
        earlier=tuple(held),
        ended=tuple(k.verdict for k in kept if _just_ended(k, moment)),
        left_out=0 if request.exceptions else len(benign),
    )


def _just_ended(kept: Kept, now: datetime) -> bool:
    verdict = kept.verdict
    ended = kept.state == "ended" and verdict.judgement == "benign" and verdict.until is not None
    return ended and verdict.until is not None and now - verdict.until <= ENDED

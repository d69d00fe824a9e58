"""What a baseline has not learnt, so that nobody teaches it an intrusion: the events of findings that stood out.

Withheld are the ten minutes of a host in which a finding's evidence stands, whole: who is at work there does more
than what stood out. They are learnt when somebody says that the finding is benign, or that all is to be learnt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from vizsla.analytics.rarity.tally import SLICE
from vizsla.lake import Slot

Why = Literal["above the cut", "judged malicious"]


@dataclass(frozen=True, slots=True)
class Withheld:
    """A finding whose events are not learnt. `slices`: by host, numbers of ten minutes since 1970."""

    finding: str  # its id
    pattern_id: str
    title: str
    bits: float
    surprisal: float
    why: Why
    slices: Mapping[str, tuple[int, ...]]
    since: str  # when it was withheld, RFC 3339

    def said(self) -> dict[str, Any]:
        """For saving, as JSON."""
        slices = {host: list(numbers) for host, numbers in self.slices.items()}
        return {"finding": self.finding, "pattern_id": self.pattern_id, "title": self.title, "bits": self.bits,
                "surprisal": self.surprisal, "why": self.why, "slices": slices, "since": self.since}  # fmt: skip

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Withheld:
        """From what was saved. Raises LookupError, TypeError or ValueError where it is damaged."""
        slices = {str(host): tuple(int(n) for n in numbers) for host, numbers in said["slices"].items()}
        return cls(said["finding"], said["pattern_id"], said["title"], float(said["bits"]), float(said["surprisal"]),
                   said["why"], slices, said["since"])  # fmt: skip


def places(held: Iterable[Withheld]) -> set[tuple[str, int]]:
    """All hosts and ten minutes that are withheld."""
    return {(host, number) for one in held for host, numbers in one.slices.items() for number in numbers}


def slots(chosen: Iterable[tuple[str, int]]) -> tuple[Slot, ...]:
    """Hosts and ten minutes as spans of time, neighbours joined."""
    found: list[list[Any]] = []
    for host, number in sorted(chosen):
        if found and found[-1][0] == host and found[-1][2] == number:
            found[-1][2] = number + 1
        else:
            found.append([host, number, number + 1])
    return tuple((host, _moment(first), _moment(end)) for host, first, end in found)


def _moment(number: int) -> datetime:
    return datetime.fromtimestamp(number * SLICE / 1e6, UTC)

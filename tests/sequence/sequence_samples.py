"""Sessions for tests, and a second, slow implementation of the Markov model."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import log2

END, BEGIN, NEW = "END", "BEGIN", "NEW"
Steps = tuple[str, ...]


class NaiveMarkov:
    """Interpolated Witten-Bell by dictionaries, one probability at a time."""

    def __init__(self, sessions: Sequence[Steps], order: int) -> None:
        self.order = order
        self.followed: dict[Steps, Counter[str]] = defaultdict(Counter)
        for session in sessions:
            for before, step in self.places(session):
                for k in range(len(before) + 1):
                    self.followed[before[len(before) - k :]][step] += 1
        self.symbols = [*sorted({END, *(step for session in sessions for step in session)}), NEW]

    def places(self, session: Steps) -> list[tuple[Steps, str]]:
        """Every step with what stands before it: no more than `order`, from the beginning on."""
        marked = (BEGIN, *session, END)
        return [(marked[max(0, i - self.order) : i], marked[i]) for i in range(1, len(marked))]

    def p(self, before: Steps, step: str) -> float:
        """The probability of a step after these, whole or unknown."""
        lower = self.p(before[1:], step) if before else 1 / len(self.symbols)
        seen = self.followed.get(before)
        if not seen:
            return lower
        return (seen[step] + len(seen) * lower) / (sum(seen.values()) + len(seen))

    def steps(self, session: Steps) -> list[tuple[float, float]]:
        """Of every step: -log2 of its probability, and of that of all at most as likely."""
        found = []
        for before, step in self.places(session):
            own = self.p(before, step if step in self.symbols else NEW)
            tail = sum(p for p in (self.p(before, other) for other in self.symbols) if p <= own * (1 + 1e-9))
            found.append((-log2(own), -log2(min(tail, 1.0))))
        return found

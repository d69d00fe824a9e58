"""How much likelier a name is to have been drawn at random than to have been made by people, in bits.

People make names of words, and of pieces of the names that they know. A variable-order Markov model of characters,
learnt from a baseline's own names beside a list of common words, tells how likely people are to make a name; letters,
digits and hyphens drawn alike tell how likely a generator is to. Names that a generator makes of whole words look like
people's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np

from vizsla.calibration import Floats
from vizsla.sequence.markov import Grams, Markov
from vizsla.sequence.sessions import Sessions, summed

ORDER = 3
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-"
LONGEST = 63  # characters of a name: those of a label of a domain
SHORTEST = 6  # shorter names say too little
_CODES = {letter: place + 1 for place, letter in enumerate(ALPHABET)}
_OTHER = _CODES["-"]


def as_sessions(names: Iterable[str], weights: Sequence[int] | None = None) -> Sessions:
    """Names as sequences of characters, in lower case; what is no letter or digit counts as a hyphen."""
    listed = [name.lower()[:LONGEST] for name in names]
    flat = np.array([_CODES.get(letter, _OTHER) for name in listed for letter in name], np.uint64)
    made = Sessions.flat(flat, np.array([len(name) for name in listed], np.int64))
    return made if weights is None else Sessions(made.steps, made.starts, np.asarray(weights, np.int64))


@lru_cache(maxsize=1)
def words() -> tuple[str, ...]:
    """The common words."""
    lines = (files("vizsla.text") / "words.txt").read_text("utf-8").splitlines()
    return tuple(word for line in lines if not line.startswith("#") for word in line.split())


@lru_cache(maxsize=1)
def prior() -> Grams:
    """Counts of the common words, each once."""
    return Grams.of(as_sessions(words()), ORDER)


def counted(names: Iterable[str]) -> Grams:
    """Counts of names, each as often as it is given; merged with others by `Grams.merged`."""
    return Grams.of(as_sessions(names), ORDER)


@dataclass(frozen=True)
class Characters:
    """What names look like."""

    model: Markov

    @classmethod
    def of(cls, grams: Grams | None = None) -> Characters:
        """The model of these counts beside the common words."""
        return cls(Markov.of(prior() if grams is None else prior().merged(grams)))

    def random(self, names: Sequence[str]) -> Floats:
        """Bits by which a draw of letters, digits and hyphens is a likelier origin of each name than people are.

        Below 0 where people are likelier; 0 for names shorter than SHORTEST.
        """
        asked = as_sessions(names)
        steps = self.model.steps(asked)
        inner = steps.bits.copy()
        inner[steps.sessions.starts[1:] - 1] = 0.0  # where a name ends says nothing: both may end anywhere
        bits = summed(inner, steps.sessions) - asked.lengths * np.log2(len(ALPHABET))
        return np.asarray(np.where(asked.lengths >= SHORTEST, bits, 0.0))

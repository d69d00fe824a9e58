"""The hunt, end to end: events in a lake, against a baseline or against themselves, to a ranked list of findings."""

from vizsla.hunt.learning import Learnt, learn
from vizsla.hunt.run import hunt
from vizsla.hunt.updating import update

__all__ = ["Learnt", "hunt", "learn", "update"]

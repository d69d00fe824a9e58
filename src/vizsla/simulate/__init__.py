"""A simulated company: native Windows and Zeek logs of ordinary days, and an intruder that can be left out."""

from vizsla.simulate.bench import process_events
from vizsla.simulate.company import Chunk, Company
from vizsla.simulate.files import demo, write
from vizsla.simulate.rank import Rank, rank_of
from vizsla.simulate.truth import STAGES, Truth, TruthRecord

__all__ = [
    "STAGES",
    "Chunk",
    "Company",
    "Rank",
    "Truth",
    "TruthRecord",
    "demo",
    "process_events",
    "rank_of",
    "write",
]

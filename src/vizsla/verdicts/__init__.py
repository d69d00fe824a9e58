"""What analysts say of findings: kept, never edited; what was judged benign is hidden, and all of it teaches."""

from vizsla.verdicts.store import Kept, VerdictStore

__all__ = ["Kept", "VerdictStore"]

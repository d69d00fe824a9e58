"""Baselines: what was learnt to be normal, saved as data, versioned."""

from vizsla.baseline.store import Baseline, BaselineStore

__all__ = ["Baseline", "BaselineStore"]

"""How grave a rule's author, or an indicator's feeds, say that a hit is."""

from __future__ import annotations

LEVELS = ("informational", "low", "medium", "high", "critical")
"""From the least grave."""
GRAVEST_FIRST = LEVELS[::-1]

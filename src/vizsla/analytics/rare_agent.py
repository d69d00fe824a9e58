"""User agents that few hosts show. Rarity's family of HTTP: it looks at the same values."""

from __future__ import annotations

from vizsla.beacon.signature import Signatures

ANALYTIC = Signatures(
    "rare_agent", "http", "http", "user_agent.original", "user agent",
    "User agents, whatever their version, by how many hosts show them",
)  # fmt: skip

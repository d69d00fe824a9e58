"""Fingerprints of TLS clients (JA3, JA4) that few hosts show. Rarity's family of TLS: it looks at the same values."""

from __future__ import annotations

from vizsla.beacon.signature import Signatures

ANALYTIC = Signatures(
    "rare_signature", "tls", "tls", "tls.client.ja3", "TLS client fingerprint",
    "Fingerprints of TLS clients (JA3, JA4), by how many hosts show them",
    instead=("tls.client.ja4",),
)  # fmt: skip

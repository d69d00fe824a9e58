"""Logs into the lake: files are read side by side, their events appended here, and every record is accounted for."""

from vizsla.ingest.everything import ingest

__all__ = ["ingest"]

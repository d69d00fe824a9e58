"""Vizsla, a threat-hunting workbench: logs in, one ranked list of explained findings out."""

__version__ = "0.1.0"

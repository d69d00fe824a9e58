"""The lake: every event table as a Delta Lake table on disk. `scan` is the only reader, `append` the only writer."""

from vizsla.lake.lake import Appended, Lake, Scan, Slot, Taken

__all__ = ["Appended", "Lake", "Scan", "Slot", "Taken"]

"""Memory that is free goes back to the system."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

import pyarrow as pa


def give_back() -> None:
    """Give the system what was freed here. C's allocator keeps what threads freed for these threads: after a day of
    nine million events was tallied by two of them that was 1.6 GiB, three times what was still in use."""
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library than GNU's
            ctypes.CDLL(None).malloc_trim(0)

"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The public data sets: VIZSLA_REAL_DATA, or `../shared/data` beside the project.

    Skips where they are missing; fails instead where VIZSLA_REQUIRE_REAL_DATA=1.
    """
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("VIZSLA_REAL_DATA") or beside)
    if folder.is_dir():
        return folder
    message = f"the public data sets are not in {folder}: set VIZSLA_REAL_DATA to where they are"
    if os.environ.get("VIZSLA_REQUIRE_REAL_DATA") == "1":
        pytest.fail(message)
    pytest.skip(message)

from __future__ import annotations

from pathlib import Path

import pytest
from engine_samples import SCHEMA, rows, write


@pytest.fixture(scope="session")
def lake_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parent = tmp_path_factory.mktemp("lake")
    write(parent / "t", rows(), SCHEMA)
    return parent.rename(parent.with_name("lake [odd*name?]")) / "t"

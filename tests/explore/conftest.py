from __future__ import annotations

import pytest
from explore_samples import company, make

from vizsla.lake import Lake


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return make(tmp_path_factory.mktemp("explore") / "lake", company())

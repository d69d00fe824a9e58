"""One small company for all tests that only look at it."""

from __future__ import annotations

import pyarrow as pa
import pytest
from company_samples import DAYS, HOSTS, SEED, gather

from vizsla.simulate import Company


@pytest.fixture(scope="session")
def company() -> Company:
    return Company(HOSTS, DAYS, SEED)


@pytest.fixture(scope="session")
def events(company: Company) -> dict[str, pa.Table]:
    return gather(company)


@pytest.fixture(scope="session")
def truth(company: Company) -> list:
    return [record for chunk in company.chunks() for record in chunk.truth]

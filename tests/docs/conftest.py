"""A folder as the pages have it: `logs` to hunt in, quieter `quiet` ones, and a table of assets."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vizsla.simulate import demo

HOSTS_CSV = """\
type,name,role,owner,criticality,groups
host,dc01,domain controller,IT,crown,tier0
user,anna.ricci,administrator,IT,high,
"""


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated company of two hosts: `logs`, one day with an intruder; `quiet`, the day before; `hosts.csv`."""
    folder = tmp_path_factory.mktemp("company")
    demo(folder / "simulated", hosts=2, days=2, seed=7)
    (folder / "simulated" / "hunt").rename(folder / "logs")
    (folder / "simulated" / "baseline").rename(folder / "quiet")
    shutil.rmtree(folder / "simulated")
    (folder / "hosts.csv").write_text(HOSTS_CSV)
    return folder


@pytest.fixture
def workplace(company: Path, tmp_path: Path) -> Path:
    """A fresh copy of the company's logs, to run a page's commands in."""
    return Path(shutil.copytree(company, tmp_path / "workplace"))

"""The reference pages say what the code says, and miss nothing that a user can name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vizsla import docs

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "reference"


@pytest.mark.parametrize("name", docs.PAGES)
def test_a_reference_page_is_up_to_date(name: str) -> None:
    """`make docs` writes them; nobody edits them by hand."""
    assert (FOLDER / name).read_text(encoding="utf-8") == docs.page(name), "run `make docs` and commit what it wrote"


def test_no_page_is_left_over() -> None:
    """A page that is written no more is removed."""
    assert {p.name for p in FOLDER.iterdir()} == set(docs.PAGES)


def test_every_source_view_analytic_and_command_is_told() -> None:
    """Registered is documented."""
    from typer.main import get_command

    from vizsla.analytics import registry as analytics
    from vizsla.cli.main import app
    from vizsla.sources import registry as sources
    from vizsla.view import views

    told = {name: docs.page(name) for name in docs.PAGES}
    for names, page in ((sources(), "sources.md"), (views(), "views.md"), (analytics(), "analytics.md")):
        missing = [name for name in names if f"`{name}`" not in told[page] and f"## {name}\n" not in told[page]]
        assert not missing, f"{page} lacks {missing}"

    def leaves(command: Any, name: str) -> Iterator[str]:
        below = getattr(command, "commands", None)
        if not below:
            yield name
        for sub in below or ():
            yield from leaves(below[sub], f"{name} {sub}")

    names = list(leaves(get_command(app), "vizsla"))
    assert "vizsla intel attack update" in names
    assert [name for name in names if f"## {name}\n" not in told["commands.md"]] == []


def test_every_option_says_what_it_does() -> None:
    """No option or argument without help."""
    empty = [
        line for line in docs.page("commands.md").splitlines() if line.startswith("| `") and line.split(" | ")[1] == ""
    ]
    assert not empty


def test_writing_again_changes_nothing(tmp_path: Path) -> None:
    """The pages depend on the code alone: not on the clock, not on the order of a set."""
    assert len(docs.write(tmp_path)) == len(docs.PAGES)
    assert docs.write(tmp_path) == []


def test_usage_is_told() -> None:
    """Without a folder nothing is written."""
    assert docs.main([]) == docs.main(["--help"]) == 2

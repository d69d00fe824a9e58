"""How implementations are found: whatever is wrong with one of them stops none of the others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from vizsla.errors import AnalyticError
from vizsla.plugin import Loading


@dataclass(frozen=True)
class Thing:
    name: str


class Point:
    """An entry point that gives a thing, or fails."""

    def __init__(self, value: str, gives: object) -> None:
        self.value, self.gives = value, gives

    def load(self) -> object:
        if isinstance(self.gives, BaseException):
            raise self.gives
        return self.gives


def loading() -> Loading[Thing]:
    return Loading("things", lambda one: "" if isinstance(one, Thing) else "it is no thing", AnalyticError)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "plugged_in"
    home.mkdir()
    (home / "__init__.py").write_text("")
    (home / "b.py").write_text("from test_plugin import Thing\nTHING = Thing('b')\n")
    (home / "a.py").write_text("from test_plugin import Thing\nTHING = Thing('a')\n")
    (home / "none.py").write_text("THING = None\n")
    (home / "wrong.py").write_text("THING = 5\n")
    (home / "broken.py").write_text("raise RuntimeError('not today')\n")
    (home / "_template.py").write_text("raise RuntimeError('never asked')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return home


def test_modules_are_found_in_order_and_what_is_wrong_is_told(package: Path) -> None:
    loaded = loading()
    loaded.modules([str(package)], "plugged_in", "THING")
    assert list(loaded.found) == ["a", "b"]
    assert loaded.failed == {"plugged_in.wrong": "it is no thing", "plugged_in.broken": "RuntimeError: not today"}


def test_entry_points_are_taken_and_what_is_wrong_is_told() -> None:
    loaded = loading()
    loaded.points([Point("x:A", Thing("a")), Point("x:B", ImportError("gone")), Point("x:C", "c")])  # type: ignore[list-item]
    assert list(loaded.found) == ["a"]
    assert loaded.failed == {"x:B": "ImportError: gone", "x:C": "it is no thing"}


def test_two_of_one_name_are_an_error_that_names_both() -> None:
    loaded = loading()
    loaded.take("here", Thing("a"))
    with pytest.raises(AnalyticError, match="two things are named 'a'") as raised:
        loaded.take("there", Thing("a"))
    assert "here and there" in str(raised.value)

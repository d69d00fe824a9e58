"""The charts that analytics bring: each draws what its docstring promises, and refuses what it cannot draw."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vizsla.charts import draw, pictures, svg

POINTS = [[f"2026-01-01T{hour:02}:00:00Z", float(hour), 0.0, 10.0] for hour in range(24)]
SERIES: dict[str, Any] = {"chart": "series", "measure": "logons an hour", "points": POINTS}


def test_a_series_shows_its_band_and_what_lies_outside() -> None:
    says, chart = draw(SERIES)
    assert "band" in says
    rows = (
        chart.to_dict()["data"]["values"]
        if "data" in chart.to_dict()
        else chart.to_dict()["layer"][0]["data"]["values"]
    )
    assert sum(row["outside"] for row in rows) == 13
    assert svg(chart).startswith("<svg")


def test_a_series_without_an_expectation_is_drawn() -> None:
    _, chart = draw(SERIES | {"points": [["2026-01-01T00:00:00Z", 1, None, None]]})
    assert "<svg" in svg(chart)


@pytest.mark.parametrize(
    "picture",
    [
        {},
        {"chart": 5},
        {"chart": "../drawing"},
        {"chart": "__init__"},
        {"chart": "series"},
        {"chart": "series", "points": []},
        {"chart": "series", "points": "abc"},
        {"chart": "series", "points": [[1, 2, 3, 4]]},
        {"chart": "series", "points": [["2026-01-01", "1", None, None]]},
        {"chart": "series", "points": [["2026-01-01", float("inf"), None, None]]},
        {"chart": "series", "points": [["not a time", 1, None, None]]},
        {"chart": "series", "points": POINTS * 100},
    ],
)
def test_what_cannot_be_drawn_is_refused(picture: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        draw(picture)


@pytest.mark.parametrize("name", sorted(pictures.names()))
def test_every_chart_says_what_it_shows_and_refuses_nonsense(name: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        draw({"chart": name, "points": {"a": 1}})


def test_text_from_events_is_drawn_as_text() -> None:
    _, chart = draw(SERIES | {"measure": "<script>alert(1)</script>\x1b[2J"})
    drawn = svg(chart)
    assert "<script" not in drawn
    assert "\x1b" not in drawn
    json.dumps(chart.to_dict())

"""The charts that analytics bring: each draws what its docstring promises, and refuses what it cannot draw."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from vizsla.charts import draw, pictures, svg
from vizsla.charts.drawing import ACCENT, INK

POINTS = [[f"2026-01-01T{hour:02}:00:00Z", float(hour), 0.0, 10.0] for hour in range(24)]
SERIES: dict[str, Any] = {"chart": "series", "measure": "logons an hour", "points": POINTS}


def words(picture: dict[str, Any]) -> list[str]:
    """The texts of a drawing."""
    return ["".join(e.itertext()) for e in ET.fromstring(svg(draw(picture)[1])).iter() if e.tag.endswith("text")]


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


def test_a_series_says_what_was_measured_and_over_years_which_year() -> None:
    assert "logons an hour" in words(SERIES)
    assert "2026" not in " ".join(words(SERIES))
    years = [[f"20{year}-07-01T00:00:00Z", 1.0, 0.0, 2.0] for year in range(19, 22)]
    assert any("2020" in word for word in words(SERIES | {"points": years}))


def test_the_texts_of_a_graph_read_on_any_ground_and_its_unusual_edges_stand_out() -> None:
    long = "a-host-with-a-long-name.corp.example.org"
    edges = [["svc", "srv0", 1, True], ["ann", "srv0", 90, False], ["ann", "srv1", 9, False], ["srv0", long, 9, False]]
    drawing = svg(draw({"chart": "graph", "edges": edges})[1])
    root = ET.fromstring(drawing)
    texts = [e for e in root.iter() if e.tag.endswith("text")]
    assert {t.get("fill") for t in texts} == {INK}
    lines = [e for e in root.iter() if e.tag.endswith("line")]
    widths = {colour: [float(e.get("stroke-width", 1)) for e in lines if e.get("stroke") == colour]
              for colour in (INK, ACCENT)}  # fmt: skip
    assert min(widths[ACCENT]) > min(widths[INK])
    assert lines[-1].get("stroke") == ACCENT  # over the others
    place = next(g for g in root.iter() if long in "".join(g.itertext()) and g.tag.endswith("text")).get(
        "transform", ""
    )
    right = float(place.removeprefix("translate(").partition(",")[0])
    assert right + 3.2 * len(long) < float(root.get("viewBox", "").split()[2])


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

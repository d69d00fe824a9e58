"""The picture of a beacon's intervals, and data that cannot be drawn."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vizsla.analytics.beacon import picture
from vizsla.charts import draw, svg

START = 17_400_000_000  # tenths of a second


def test_arrivals_are_drawn_and_missed_periods_divided_out() -> None:
    shown = json.loads(picture(START + 6000 * np.array([0, 1, 2, 4, 5]), 600.0))
    says, chart = draw(shown)
    assert "the line is the period" in says
    values = chart.to_dict()["layer"][0]["data"]["values"]
    assert [row["seconds"] for row in values] == pytest.approx([600.0] * 4)
    assert svg(chart).startswith("<svg")


def test_many_arrivals_are_thinned() -> None:
    shown = json.loads(picture(START + 600 * np.arange(5000), 60.0))
    assert len(shown["at"]) <= 200


@pytest.mark.parametrize(
    "broken",
    [
        {"at": [[1.0], [2.0]], "period": 0},
        {"at": [[1.0]], "period": 60},
        {"at": [[1e300], [2.0]], "period": 60},
        {"at": [["a"], [2.0]], "period": 60},
        {"at": [[1.0, 2.0]], "period": 60},
        {"period": 60},
    ],
)
def test_what_cannot_be_drawn_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        draw({"chart": "intervals", **broken})

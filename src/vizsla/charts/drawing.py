"""What all charts share: colours, bins of time, and drawing to SVG without a browser or a network."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from vizsla.nouns import Tier
from vizsla.safe import shortened, visible

if TYPE_CHECKING:
    import altair as alt

WIDTH, HEIGHT = 560, 180
INK = "#7d8590"  # reads on white and on black
ACCENT = "#c2410c"
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"  # as wide as what drawings are measured with
COLOURS: dict[Tier, str] = {
    "critical": "#b91c1c",
    "high": "#ea580c",
    "medium": "#d9a406",
    "low": "#0891b2",
    "informational": "#94a3b8",
}
_LABEL = 42
_MONTHS = timedelta(days=60)
_FEW = 8  # counts that are all written on an axis
_SVG = "{http://www.w3.org/2000/svg}"
_ELEMENTS = frozenset(
    (
        "svg",
        "g",
        "path",
        "text",
        "tspan",
        "line",
        "rect",
        "circle",
        "defs",
        "clipPath",
        "linearGradient",
        "stop",
        "title",
    )
)
_NEVER = ("href", "src", "style", "class")


def data(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Rows as inline data: no data frame, no file, no URL."""
    import altair as alt

    return alt.Data(values=[dict(row) for row in rows])  # type: ignore[no-untyped-call]


def label(text: str) -> str:
    """Event text as a label: visible and short."""
    return shortened(visible(text), _LABEL)


def utc(time: datetime) -> datetime:
    """The time in UTC; one without a zone is taken as UTC."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def bin_of(times: Sequence[datetime], most: int = 96) -> timedelta:
    """A bin so that the span of `times` falls into at most `most`: an hour, or more hours or days."""
    if not times:
        return timedelta(hours=1)
    span = max(times) - min(times)
    for hours in (1, 3, 6, 12, 24, 7 * 24, 28 * 24):
        if span / timedelta(hours=hours) <= most:
            return timedelta(hours=hours)
    return timedelta(days=364)


def floored(time: datetime, step: timedelta) -> datetime:
    """The beginning of the bin that a time lies in."""
    epoch = datetime(1970, 1, 5, tzinfo=UTC)  # a Monday, so that weeks begin on one
    return epoch + (utc(time) - epoch) // step * step


def iso(time: datetime) -> str:
    """A time as Vega reads it."""
    return utc(time).strftime("%Y-%m-%dT%H:%M:%SZ")


def count_axis(most: float, values: Sequence[float] | None = None) -> Any:
    """The axis of counts up to `most`: whole numbers, each once. (Vega's own, from two on, says 0, 1, 1, 2, 2.)"""
    import altair as alt

    if values is None and most <= _FEW:
        values = [float(n) for n in range(int(most) + 1)]
    return alt.Axis(format=",d", values=list(values) if values is not None else alt.Undefined)


def time_axis(channel: str, times: Collection[datetime]) -> Any:
    """The axis of these times: UTC, the 24-hour clock, few labels; over months the year in place of the hour."""
    import altair as alt

    long = bool(times) and max(times) - min(times) > _MONTHS
    axis = alt.Axis(
        format="%d %b %Y" if long else "%d %b %H:%M",
        tickCount=6,
        labelOverlap=True,
        labelSeparation=12,
        labelFlush=True,
    )
    return alt.X(channel, title="time (UTC)", scale=alt.Scale(type="utc"), axis=axis)


def finish(chart: alt.Chart | alt.LayerChart | alt.FacetChart, *, width: int = WIDTH, height: int = HEIGHT) -> Any:
    """Size and look, on a transparent ground so that it sits on light and dark pages."""
    return (
        chart.properties(width=width, height=height, background="transparent")
        # The page describes the picture as a whole; a label for each bar is half a megabyte.
        .configure(aria=False, font=FONT)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=INK, titleColor=INK, gridColor=INK, gridOpacity=0.18, domainColor=INK, tickColor=INK,
            labelFontSize=11, titleFontSize=11, titleFontWeight="normal", labelLimit=240,
        )
        .configure_legend(labelColor=INK, titleColor=INK, labelFontSize=11, titleFontSize=11, labelLimit=260)
        .configure_title(color=INK)
    )  # fmt: skip


def svg(chart: Any) -> str:
    """A chart as an SVG element for a page: drawn here, and then rebuilt from what a picture needs and nothing else."""
    import vl_convert

    drawn = vl_convert.vegalite_to_svg(json.dumps(chart.to_dict()), allowed_base_urls=[])
    return picture(drawn)


def picture(drawn: str) -> str:
    """An SVG with shapes and text alone: elements and attributes that could load or run something are left out."""
    ET.register_namespace("", "http://www.w3.org/2000/svg")
    root = ET.fromstring(drawn)  # noqa: S314  (drawn in this process, from a specification of ours; no DTD in it)
    _clean(root)
    width, height = root.get("width"), root.get("height")
    if width and height and not root.get("viewBox"):
        root.set("viewBox", f"0 0 {width} {height}")
    root.set("role", "img")
    return ET.tostring(root, encoding="unicode")


def _clean(element: ET.Element) -> None:
    for name in list(element.attrib):
        plain = name.rpartition("}")[2].lower()
        if plain.startswith("on") or plain in _NEVER or "}" in name:
            del element.attrib[name]
    for child in list(element):
        if not isinstance(child.tag, str) or child.tag.removeprefix(_SVG) not in _ELEMENTS:
            element.remove(child)
        else:
            _clean(child)

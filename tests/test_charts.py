"""Charts: drawn offline, from nouns, and hostile text stays text."""

from __future__ import annotations

import dataclasses
import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from faces import sample
from vizsla import charts
from vizsla.charts.drawing import bin_of, floored, picture
from vizsla.charts.ledger import ledger_rows
from vizsla.charts.place_and_hour import MOST_HOSTS, _names
from vizsla.charts.traffic import OTHERS, _columns
from vizsla.nouns import Context, Cut, Finding, HuntResult

DRAWN: dict[str, Callable[[HuntResult], Any]] = {
    "scores": lambda r: charts.score_distribution(r.scores, r.cut),
    "over time": lambda r: charts.findings_over_time(r.findings),
    "host × hour": lambda r: charts.host_hours(r.findings),
    "traffic": lambda r: charts.traffic_by_peer(r.traffic),
    "tree": lambda r: charts.process_tree(r.findings[0]),
    "ledger": lambda r: charts.evidence_ledger(r.findings[0]),
}


def rows(chart: Any) -> list[dict[str, Any]]:
    """The data of a chart's first layer that has any."""
    spec = chart.to_dict()
    sets = spec.get("datasets", {})
    for part in [spec, *spec.get("layer", [])]:
        data = part.get("data", {})
        if "values" in data:
            return list(data["values"])
        if data.get("name") in sets:
            return list(sets[data["name"]])
    raise AssertionError("no data")


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("t", [str, sample.hostile(), sample.leading_hostile(4)])
def test_every_chart_draws_and_holds_shapes_and_text_alone(name: str, t: sample.Texts) -> None:
    drawn = charts.svg(DRAWN[name](sample.result(9, t=t)))
    root = ET.fromstring(drawn)
    elements = list(root.iter())
    assert len(elements) > 3
    for element in elements:
        assert element.tag.rpartition("}")[2] not in ("script", "image", "foreignObject", "a", "style", "use", "iframe")
        assert not any(a.lower().startswith("on") or "href" in a.lower() for a in element.attrib)
    assert not re.search(r"<(script|img|style)\b", drawn)
    assert "\x1b" not in drawn
    assert "\u202e" not in drawn


@pytest.mark.parametrize("name", ["host × hour", "traffic", "ledger", "tree"])
def test_hostile_text_stays_text(name: str) -> None:
    def marked(wanted: str) -> str:
        return f"{wanted[:4]}<b>&"

    drawn = charts.svg(DRAWN[name](sample.result(9, t=marked)))
    assert "&lt;b&gt;" in drawn
    assert "<b>" not in drawn


@pytest.mark.parametrize("name", DRAWN)
def test_no_chart_names_a_place_to_fetch_from(name: str) -> None:
    spec = DRAWN[name](sample.result(3)).to_dict()

    def keys(value: Any) -> set[str]:
        if isinstance(value, dict):
            return set(value) | {k for v in value.values() for k in keys(v)}
        return {k for v in value for k in keys(v)} if isinstance(value, list) else set()

    assert "url" not in keys(spec)


def test_the_scores_are_all_counted_and_the_cut_is_marked() -> None:
    scores = [float(n % 30) for n in range(10_000)]
    chart = charts.score_distribution(scores, Cut(50, 10_000, 28.0))
    assert sum(r["findings"] for r in rows(chart)) == 10_000
    assert len(rows(chart)) <= 40
    assert "shown from 28.0 bits up" in charts.svg(chart)
    assert "shown from" not in charts.svg(charts.score_distribution(scores, Cut(10_000, 10_000, 0.0)))


@pytest.mark.parametrize("scores", [(), (3.0,), (3.0, 3.0), (-1.0, 0.0)])
def test_few_scores_draw(scores: tuple[float, ...]) -> None:
    assert charts.svg(charts.score_distribution(scores)).startswith("<svg")


def test_every_finding_with_a_time_is_counted() -> None:
    findings = sample.result(20).findings
    counted = rows(charts.findings_over_time(findings))
    assert sum(r["findings"] for r in counted) == 20
    late = dataclasses.replace(findings[0], start=None)
    assert sum(r["findings"] for r in rows(charts.findings_over_time([late, *findings[1:]]))) == 19


def test_the_heat_map_sums_bits_by_host_and_hour() -> None:
    one = dataclasses.replace(sample.finding(1), instance_hosts=())
    cells = rows(charts.host_hours([one, dataclasses.replace(one, rank=2, id="other")]))
    assert len(cells) == 1
    assert cells[0]["bits"] == pytest.approx(2 * one.bits, abs=0.01)
    assert cells[0]["from"] == "2020-09-20T21:00:00Z"


def test_the_heat_map_shows_the_strongest_hosts() -> None:
    many = [
        dataclasses.replace(sample.finding(n, host=f"host{n}"), bits=float(n), instance_hosts=()) for n in range(1, 60)
    ]
    hosts = {r["host"] for r in rows(charts.host_hours(many))}
    assert len(hosts) == MOST_HOSTS
    assert "host59" in hosts
    assert "host1" not in hosts


def test_labels_leave_out_the_domain_unless_it_tells_hosts_apart() -> None:
    assert set(_names(["ws1.corp.example", "dc.a.example", "dc.b.example", "10.0.0.1"]).values()) == {
        "ws1", "dc.a.example", "dc.b.example", "10.0.0.1",
    }  # fmt: skip


def test_counts_are_whole_and_times_stand_apart() -> None:
    drawn = charts.svg(charts.score_distribution((1.0, 2.0, 2.01)))
    assert re.findall(r">(\d)</text>", drawn) == ["0", "1", "2"]
    one = sample.result(1).findings[0]
    begins = [one.start + timedelta(hours=h) for h in range(0, 48, 5)]
    drawn = charts.svg(charts.findings_over_time([dataclasses.replace(one, start=at) for at in begins]))
    assert re.findall(r">(\d)</text>", drawn) == ["0", "1"]
    # Twelve letters take some 70 pixels; none begins before the one to its left has ended.
    texts = [e for e in ET.fromstring(drawn).iter() if re.match(r"\d\d \w{3} ", "".join(e.itertext()))]
    before = {"start": 0.0, "middle": 35.0, "end": 70.0}
    labels = [e for e in texts if e.tag.endswith("text") and e.get("opacity") != "0"]
    places = [float(e.get("transform", "").removeprefix("translate(").partition(",")[0]) for e in labels]
    begins_at = sorted(x - before[e.get("text-anchor", "start")] for x, e in zip(places, labels, strict=True))
    assert len(begins_at) > 1
    assert all(later - earlier > 75 for earlier, later in itertools.pairwise(begins_at))


def test_a_legend_takes_no_room_from_the_bars() -> None:
    spec = charts.traffic_by_peer(sample.result(3).traffic).to_dict()
    assert spec["encoding"]["color"]["legend"]["orient"] == "top"
    assert _columns(["x" * 42]) == 1
    assert _columns(["10.0.0.1"]) > 3


def test_hosts_that_look_alike_when_shortened_stay_apart() -> None:
    alike = [
        dataclasses.replace(sample.finding(n, host="a" * 60 + str(n) + "b" * 60), instance_hosts=()) for n in (1, 2)
    ]
    assert len({r["host"] for r in rows(charts.host_hours(alike))}) == 2


def test_no_byte_of_the_traffic_is_lost() -> None:
    table = sample.traffic()
    drawn = rows(charts.traffic_by_peer(table))
    assert sum(r["amount"] for r in drawn) == sum(b or 0 for b in table.column("bytes").to_pylist())
    assert OTHERS in {r["peer"] for r in drawn}
    assert len({r["peer"] for r in drawn}) == 9


def test_connections_are_drawn_where_no_bytes_are_known() -> None:
    import pyarrow as pa

    table = sample.traffic()
    blank = table.set_column(3, "bytes", pa.nulls(table.num_rows, pa.int64()))
    chart = charts.traffic_by_peer(blank)
    assert sum(r["amount"] for r in rows(chart)) == sum(table.column("connections").to_pylist())


def test_the_ledger_ends_at_the_findings_bits() -> None:
    finding = sample.finding(1)
    lines = ledger_rows(finding)
    assert lines[-1]["to"] == finding.bits
    assert lines[-2]["to"] == pytest.approx(finding.bits)
    assert [r["kind"] for r in lines] == ["adds", "adds", "takes", "together"]


def test_a_finding_without_ledger_or_tree_draws() -> None:
    bare: Finding = dataclasses.replace(sample.finding(), ledger=(), evidence=(), context=Context())
    assert charts.svg(charts.evidence_ledger(bare)).startswith("<svg")
    assert charts.svg(charts.process_tree(bare)).startswith("<svg")


def test_bins_of_time() -> None:
    start = sample.START
    assert bin_of([]) == timedelta(hours=1)
    assert bin_of([start, start + timedelta(hours=50)]) == timedelta(hours=1)
    assert bin_of([start, start + timedelta(days=40)]) == timedelta(hours=12)
    assert bin_of([start, start + timedelta(days=40_000)]) == timedelta(days=364)
    assert floored(start, timedelta(hours=3)).hour == 21
    assert floored(start, timedelta(days=7)).weekday() == 0


def test_a_drawing_is_rebuilt_without_what_could_run() -> None:
    evil = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="5" height="6" '
        'onload="x()"><script>x()</script><image xlink:href="http://evil"/><a href="http://evil"><text>t</text></a>'
        '<g style="background:url(http://evil)"><path d="M0 0" onclick="x()"/><foreignObject/></g></svg>'
    )
    clean = picture(evil)
    for word in ("script", "evil", "onload", "onclick", "image", "foreignObject", "style"):
        assert word not in clean
    assert 'viewBox="0 0 5 6"' in clean

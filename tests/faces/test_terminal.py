"""What the terminal shows: it fits, it says everything, and event text is text."""

from __future__ import annotations

import dataclasses
import io
from datetime import timedelta
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from faces import sample
from vizsla.faces import detail, footer, table, words
from vizsla.nouns import Cut, HuntResult, Reading, RunReport, Unable
from vizsla.safe import hidden

WIDTHS = [60, 80, 100, 140, 200]


def coloured(parts: list[Any], width: int) -> str:
    """As a terminal with colours gets it."""
    stream = io.StringIO()
    console = Console(
        file=stream, width=width, force_terminal=True, color_system="standard", markup=False, emoji=False,
        highlight=False, legacy_windows=False,
    )  # fmt: skip
    for part in parts:
        console.print(part)
    return stream.getvalue()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("t", [str, sample.hostile(), sample.leading_hostile(5)])
def test_the_table_fits_and_hides_nothing(width: int, t: sample.Texts) -> None:
    text = table.text(sample.result(12, t=t), width)
    for line in text.splitlines():
        assert cell_len(line) <= width
        assert not any(hidden(c) for c in line)


@pytest.mark.parametrize("t", [sample.hostile(), sample.leading_hostile(2)])
def test_event_text_brings_no_escape_sequence_of_its_own(t: sample.Texts) -> None:
    import re

    for text in (
        coloured(table.parts(sample.result(6, t=t), 100), 100),
        coloured(detail.parts(sample.finding(5, t=t), 100), 100),
    ):
        bare = re.sub(r"\x1b\[[0-9;]*m", "", text)  # the colours are ours
        assert "\x1b" not in bare
        assert r"\x1b" in bare
        assert not any(hidden(c) for c in bare if c != "\n")


def test_markup_and_emoji_names_stay_as_they_stood() -> None:
    result = sample.result(1)
    odd = dataclasses.replace(result.findings[0], title="[bold]x[/bold] :smile: [/nothing] [link=http://x]y[/link]")
    text = table.text(dataclasses.replace(result, findings=(odd,)), 140)
    assert "[bold]x[/bold] :smile: [/nothing] [link=http://x]y[/link]" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_the_table_says_what_a_reader_needs(width: int) -> None:
    text = " ".join(table.text(sample.result(12), width).split())
    for part in ("critical", "23.9", "1 in 40 d", "powershell.exe on WORKSTATION6", "workstation6", "3 instances"):
        assert part in text


def test_the_footer_says_everything() -> None:
    text = "\n".join(footer.lines(sample.result(12)))
    for part in (
        "baseline office@3",
        "5 hosts, 62 host-days",
        "12 of 36 findings",
        "--top 12",
        "1,507 records in 3 files: 1,407 stored, 90 known already, 10 rejected",
        "the gzip stream ends early",
        "10 × chunk 3: bad checksum",
        "logs/picture.png: no source knows this content",
        "Empty views: http, tls",
        "beacon, which lacks the view network",
        "Two hosts have under a day of logs.",
    ):
        assert part in text


def test_analytics_that_lack_the_same_share_a_line() -> None:
    report = RunReport(
        tables={"zeek_conn": 3},
        unable=[Unable("volume", "two days"), Unable("beacon", "the view network"), Unable("sequence", "two days")],
    )
    lines = footer.report_lines(report)
    assert "Could not run: volume, sequence, which lack two days." in lines
    assert "Could not run: beacon, which lacks the view network." in lines


def test_a_hunt_in_no_event_says_so_in_place_of_all_that_is_missing() -> None:
    report = RunReport(empty_views=["http"], unable=[Unable("volume", "two days")], notes=["A note."])
    assert footer.report_lines(report, hunted=True) == ["Hunted: no event.", "A note."]
    assert len(footer.report_lines(report)) == 3


def test_without_a_baseline_the_footer_says_what_cannot_be_seen() -> None:
    result = sample.result(3, claims=False)
    text = "\n".join(footer.lines(result))
    assert "what was there all along cannot be seen" in text
    assert "folds by host" in text
    assert "No rate is claimed" in text
    shown = table.text(result, 140)
    assert "expected" not in shown.splitlines()[0]
    assert "1 in" not in shown


def test_no_finding_is_said() -> None:
    result = sample.result(0)
    assert "No finding." in table.text(result, 80)


def test_many_files_of_unknown_kind_are_counted_not_poured_out() -> None:
    report = RunReport(unknown_files=[(f"{n}.png", "no source") for n in range(1000)])
    lines = footer.report_lines(report)
    assert len(lines) < 15
    assert "992 more files" in "\n".join(lines)


def test_rejections_beyond_a_few_are_counted() -> None:
    report = RunReport(
        readings=[Reading("a", "evtx", 100, 50, 0, 50)], rejections={(f"{n}", "reason"): 1 for n in range(50)}
    )
    assert "42 more, for 42 other reasons" in "\n".join(footer.report_lines(report))


def test_a_cut_without_loss_is_said_plainly() -> None:
    assert footer.cut_lines(Cut(4, 4, 3.0)) == ["Shown: all 4 findings."]


def test_the_ranking_by_host_is_shown() -> None:
    result = dataclasses.replace(sample.result(2), ranking=(("dc01", 31.5, 4), ("[/b]ws", 2.0, 1)))
    text = table.text(result, 80)
    assert "dc01" in text
    assert "[/b]ws" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_a_finding_in_full(width: int) -> None:
    finding = sample.finding(5)
    text = detail.text(finding, width)
    assert all(cell_len(line) <= width for line in text.splitlines())
    flat = " ".join(text.split())
    for part in (
        finding.id,
        "about one in 8 days here",
        "T1047 execution",
        "never in 312,441 events on 5 hosts",
        "3 of 312,441 events on 1 of 5 hosts",
        "usual instead: powershell.exe -File <path> (3,120)",
        "together",
        "-1.2 looked at 400 events",
        "└─",
        "WMIC.exe [7044]",
        "logon type 3 from 10.0.10.102",
        "EventID: 1",
        "record 9050",
        "the parent is signed by Microsoft",
        "vizsla stack process process.command_line --by host",
    ):
        assert part in flat, part


def test_the_timeline_is_in_order_and_each_event_once() -> None:
    finding = sample.finding(1)
    doubled = dataclasses.replace(finding, evidence=(*reversed(finding.evidence), finding.evidence[0]))
    events = detail.timeline(doubled)
    assert len({e.id for e in events}) == len(events) == 4
    times = [e.time for e in events if e.time]
    assert times == sorted(times)


def test_nothing_against_is_said() -> None:
    assert "nothing that the data shows" in detail.text(dataclasses.replace(sample.finding(), speaks_against=()))


@pytest.mark.parametrize(
    ("expected", "said", "short"),
    [
        (None, "", ""),
        (0.0, "not once in the days replayed", "never seen"),
        (0.025, "about one in 40 days", "1 in 40 d"),
        (1 / 1234, "about one in 1,200 days", "1 in 1,200 d"),
        (1.0, "about one a day", "1 a day"),
        (0.8, "about one a day", "1 a day"),
        (0.5, "about one in 2 days", "1 in 2 d"),
        (3.2, "about 3 a day", "3 a day"),
        (12345.0, "about 12,345 a day", "12,345 a day"),
    ],
)
def test_how_often(expected: float | None, said: str, short: str) -> None:
    assert words.how_often(expected) == said
    assert words.often(expected) == short


def test_periods_say_the_day_once() -> None:
    start = sample.START
    assert words.period(start, start + timedelta(minutes=5)) == "2020-09-20 21:04:11 to 21:09:11"
    assert words.period(start, start) == "2020-09-20 21:04:11"
    assert words.period(None, None) == "time unknown"
    assert words.period(start, start + timedelta(days=1)) == "2020-09-20 21:04:11 to 2020-09-21 21:04:11"


def test_sizes() -> None:
    assert [words.size(n) for n in (5, 2048, 3 * 2**30, 5 * 2**40)] == ["5 B", "2.0 KiB", "3.0 GiB", "5.0 TiB"]


def test_a_result_of_nothing_at_all(width: int = 80) -> None:
    nothing = HuntResult(
        run=sample.run(baseline="", learnt="", learnt_from=None, learnt_to=None, hosts=0, host_days=0, claims=False),
        findings=(),
        cut=Cut(0, 0, None),
        report=RunReport(),
    )
    assert "No finding." in table.text(nothing, width)


def test_a_long_list_is_cut_on_a_terminal_and_says_so() -> None:
    text = table.render(table.parts(sample.result(40), 100, most=30), 100)
    assert "Listed: the first 30 of 40; --top N lists more." in text
    assert "\n30 " in text
    assert "\n31 " not in text


def test_look_closer_names_the_lake_that_holds_the_finding() -> None:
    """The last line can be typed as it stands, whatever the lake's folder is called."""
    result = sample.result(1)
    assert "vizsla show" in table.text(result)
    assert "--lake" not in table.text(result)
    assert "--lake 'my lake'" in table.text(result, lake="my lake")

from __future__ import annotations

import pytest

from vizsla.sources import _spans, find
from vizsla.sources._layouts import layout_of
from vizsla.sources._read_layout import held
from vizsla.sources._spans import Block, read_block

LAYOUT = layout_of('{host} [{time}] "{request}" {status}')


@pytest.mark.parametrize(
    ("line", "may"),
    [
        ('a [b] "c" 200', True),
        ('a [b] "c "d" e" 200', True),
        ("a [b] c 200", False),
        ('a b] [ "c" 200', False),
        ("", False),
    ],
)
def test_a_line_could_be_of_a_layout_whose_text_it_holds_in_order(line: str, may: bool) -> None:
    assert LAYOUT.could_be(line) is may
    fits = len(read_block(Block(line.encode()), [LAYOUT])[1]) == 1
    assert fits <= may


def test_layouts_without_text_that_may_stand_in_values_need_no_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    assert layout_of("{a} {b} {c}").plain
    assert not LAYOUT.plain
    monkeypatch.setattr(_spans, "_by_pattern", lambda *given: pytest.fail("a pattern was used"))
    columns, rows, bad = read_block(Block(b"1 2 3\n1 2\n4 5 6 7\n"), [layout_of("{a} {b} {c}")])
    assert columns["c"].to_pylist() == ["3"]
    assert (rows.tolist(), bad.tolist()) == ([0], [1, 2])


@pytest.mark.parametrize("name", ["haproxy", "access_log", "aws_alb", "squid", "nginx_error", "apache_error"])
def test_other_logs_are_told_apart_without_reading_a_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = find(name)
    monkeypatch.setattr("vizsla.sources._read_layout.read_block", lambda *given: pytest.fail("lines were read"))
    head = b"".join(b"Field one;field two;%d;x\n" % n for n in range(60))
    assert source.sniff(head, "any.log") == 0.0


def test_a_few_odd_lines_do_not_hide_a_log() -> None:
    source = find("access_log")
    good = b'10.0.0.9 - ada [10/Oct/2000:13:55:36 -0700] "GET /x HTTP/1.1" 200 2326\n'
    assert source.sniff(good * 9 + b"what is this\n", "access.log") > 0.5
    assert source.sniff(good * 3 + b"what is this\n" * 2, "access.log") == 0.0
    assert held(b"", next(iter(source.signs)), (LAYOUT,)) == 0.0  # type: ignore[attr-defined]

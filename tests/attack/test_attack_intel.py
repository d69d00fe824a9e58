"""Intelligence as a hostile or careless author writes it."""

from __future__ import annotations

from pathlib import Path

from vizsla.feeds.report import FORMAT
from vizsla.nouns.indicator import Claim


def test_a_report_pasted_from_a_terminal(tmp_path: Path) -> None:
    """Colours within and around an indicator do not change it; the target of a terminal's link counts."""
    report = tmp_path / "report.txt"
    report.write_text(
        "The server \x1b[31mevil-colours[.]com\x1b[0m and \x1b[1;32mhalf\x1b[0m-coloured[.]net answered.\n"
        "See \x1b]8;;hxxp://evil-link[.]org/a\x1b\\here\x1b]8;;\x1b\\ and \x1b]8;;hxxp://evil-bell[.]org/b\x07here.\n",
        encoding="utf-8",
    )
    found = {(c.type, c.value) for c in FORMAT.read(report, "f") if isinstance(c, Claim)}
    assert found == {
        ("domain", "evil-colours.com"),
        ("domain", "half-coloured.net"),
        ("url", "http://evil-link.org/a"),
        ("url", "http://evil-bell.org/b"),
    }

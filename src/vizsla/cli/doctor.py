"""`vizsla doctor`: what is there, what could run, what is broken, and why."""

from __future__ import annotations

from vizsla.cli import console, guard
from vizsla.cli.options import LakeOption, lake_path


def doctor(lake: LakeOption = None) -> None:
    """What works, what is broken, and why."""
    guard.doing("examining")
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from vizsla.faces.checks import checks
    from vizsla.safe import visible

    view = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for name in ("what", "state", "more"):
        view.add_column(name, overflow="fold", no_wrap=name == "state")
    colours = {"ok": "green", "absent": "yellow", "broken": "bold red"}
    for check in checks(lake_path(lake)):
        view.add_row(
            Text(visible(check.what)), Text(check.state, style=colours[check.state]), Text(visible(check.more))
        )
    console.show(view)

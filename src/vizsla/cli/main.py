"""`vizsla`: the command line. Every command imports what it needs when it runs, so that help comes at once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from vizsla.cli import guard
from vizsla.cli.assets import app as assets_app
from vizsla.cli.baseline import app as baseline_app
from vizsla.cli.baseline import learn
from vizsla.cli.beacons import beacons
from vizsla.cli.demo import demo
from vizsla.cli.doctor import doctor
from vizsla.cli.explore import coverage, events, query, stack, views
from vizsla.cli.gold import gold
from vizsla.cli.guess import guess
from vizsla.cli.hunt import hunt
from vizsla.cli.ingest import ingest
from vizsla.cli.intel import app as intel_app
from vizsla.cli.outliers import outliers
from vizsla.cli.rules import app as rules_app
from vizsla.cli.show import show
from vizsla.cli.validate import validate
from vizsla.cli.verdict import app as verdict_app

app = typer.Typer(
    name="vizsla",
    help="Reads the logs you hold, learns what is normal, and points at what is not.\n\n"
    "Start with: vizsla hunt PATH\n\nExit codes: 0 done, 1 findings at the tier of --fail-above, 2 usage or an error, "
    "3 a recognised file was damaged.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: a third of the time to start
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
_COMMANDS: tuple[Callable[..., None], ...] = (
    hunt, ingest, guess, learn, show, stack, events, query, views, coverage, beacons, gold, outliers, doctor, validate,
    demo,
)  # fmt: skip
for _command in _COMMANDS:
    app.command()(guard.guarded(_command))
app.add_typer(baseline_app, name="baseline")
app.add_typer(assets_app, name="assets")
app.add_typer(intel_app, name="intel")
app.add_typer(rules_app, name="rules")
app.add_typer(verdict_app, name="verdict")


def _version(wanted: bool) -> None:
    if wanted:
        from vizsla import __version__

        print(f"vizsla {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of `vizsla` itself."""


def main() -> None:
    """The entry point: standard output is UTF-8 whatever the locale, and a reader that goes away is no error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(encoding="utf-8", errors="backslashreplace")
    code: object = guard.DONE
    try:
        app()
    except SystemExit as left:
        code = left.code
    if guard.unread():
        code = guard.PIPE
    raise SystemExit(code)

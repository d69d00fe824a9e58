"""`vizsla intel sightings`: which indicators were met here; as a table, as STIX, and sent to a MISP where asked."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from vizsla.cli import console, guard
from vizsla.cli.intel_feeds import the_store
from vizsla.cli.options import LakeOption, OutputOption


class SightingsFormat(StrEnum):
    """How sightings are written."""

    TABLE = "table"
    STIX = "stix"


def sightings(
    format: Annotated[
        SightingsFormat,
        typer.Option("--format", help="stix: a STIX 2.1 bundle of indicators, what was seen, and when."),
    ] = SightingsFormat.TABLE,
    misp: Annotated[
        str | None, typer.Option("--misp", metavar="URL", help="Send them to this MISP; the key is VIZSLA_TOKEN.")
    ] = None,
    output: OutputOption = None,
    lake: LakeOption = None,
) -> None:
    """Which of the indicators that are kept were met in the lake, the most often met first."""
    import pyarrow.compute as pc

    from vizsla.faces import intel as face
    from vizsla.faces.arrow import renderable, text
    from vizsla.faces.words import counted
    from vizsla.intel import sightings as kept
    from vizsla.intel.active import standing

    store = the_store(lake)
    found = kept.sightings(store.lake)
    known = standing(store, None, pc.unique(found.column("indicator")))
    told = found.filter(pc.is_in(found.column("indicator"), known.column("id")))
    if misp is not None:
        guard.doing("sending sightings")
        print(f"{counted(kept.push(told, known, misp), 'sighting')} taken by the server.")
        return
    if format is SightingsFormat.STIX:
        import orjson

        console.write([orjson.dumps(kept.bundle(told, known), option=orjson.OPT_INDENT_2), b"\n"], output)
    else:
        shown = face.sightings(kept.counted(told), known)
        if output is not None:
            console.write([text(shown).encode()], output)
        else:
            console.show(renderable(shown, console.width()))
    if told.num_rows < found.num_rows:
        console.say(f"{found.num_rows - told.num_rows:,} more are of indicators that are no longer kept")

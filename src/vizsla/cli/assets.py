"""`vizsla assets`: hosts and users, their roles, owners and criticality."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vizsla.cli import console, guard
from vizsla.cli.options import LakeOption, existing, lake_path

app = typer.Typer(
    help="Hosts and users: roles, owners, criticality, groups.", no_args_is_help=True, rich_markup_mode=None
)


def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, JSON, JSON lines or YAML: type, name, role, …")],
    lake: LakeOption = None,
) -> None:
    """Add or change hosts and users from a file; what it leaves out stays."""
    existing([str(file)])
    from datetime import UTC, datetime

    from vizsla.faces.python import open_lake
    from vizsla.faces.words import counted
    from vizsla.safe import visible
    from vizsla.triage import assets

    added = assets.add(open_lake(lake_path(lake), create=True), file, datetime.now(UTC))
    if added.known:
        print("This very file had been added before; nothing changed.")
    else:
        print(f"{counted(added.stored, 'host or user', 'hosts and users')} added or changed.")
    for refused in added.refused:
        console.say(f"refused: line {refused.line}: {visible(refused.reason)}")
    raise typer.Exit(guard.DAMAGED if added.refused else guard.DONE)


def list_(lake: LakeOption = None) -> None:
    """The hosts and users that are known."""
    import pyarrow as pa

    from vizsla.faces.arrow import renderable
    from vizsla.faces.python import open_lake
    from vizsla.triage import assets

    rows = [
        {
            "type": a.type,
            "name": a.name,
            "role": a.role,
            "owner": a.owner,
            "criticality": a.criticality,
            "groups": ", ".join(a.groups),
            "addresses": ", ".join(a.addresses),
        }
        for a in assets.load(open_lake(lake_path(lake)))
    ]
    table = pa.Table.from_pylist(rows) if rows else pa.table({"name": pa.array([], pa.string())})
    console.show(renderable(table, console.width()))


app.command("add")(guard.guarded(add))
app.command("list")(guard.guarded(list_))

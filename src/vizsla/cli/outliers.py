"""`vizsla outliers`: the unusual rows of any table."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vizsla.cli import console, guard
from vizsla.cli.options import OutputOption

SHOWN = 20  # rows of a table for people


class OutliersFormat(StrEnum):
    """How outliers are written."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"


def outliers(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="A CSV, Parquet, npy or npz file.")],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="NAME",
            help="auto combines six detectors; or isolation_forest, extended_forest, knn, sampled_neighbours, lof, "
            "ocsvm, elliptic_envelope, clusters, hdbscan, histogram, ecod, copod, pca, autoencoder, "
            "deep_autoencoder, lstm_autoencoder (with --window); or pyod:NAME for any detector of PyOD.",
        ),
    ] = "auto",
    top: Annotated[
        int | None,
        typer.Option("--top", metavar="N", help="At most N rows. Default: 20 as a table, else all.", min=1),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="FIELD", help="Leave this field out, such as a label; repeatable."),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            metavar="FIELD=KIND",
            help="What a field is: number, category, text or time. Default: what its values say. Repeatable.",
        ),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(
            "--window",
            metavar="N",
            help="Judge each row together with the N-1 rows before it. Default: by itself.",
        ),
    ] = None,
    along: Annotated[
        str | None,
        typer.Option("--along", metavar="FIELD", help="The time or number that orders rows. Default: as they stand."),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option("--by", metavar="FIELD", help="Whose a row is: windows do not mix; repeatable."),
    ] = None,
    array: Annotated[
        str | None, typer.Option("--array", metavar="NAME", help="Which array of a npz. Default: X, or the only one.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="For what is drawn by chance.", min=0)] = 0,
    format: Annotated[
        OutliersFormat | None, typer.Option("--format", help="Default: table, or what --output ends in.")
    ] = None,
    output: OutputOption = None,
) -> None:
    """Rank the rows of any table by how unusual they are, each with its reasons.

    No guess of how many are outliers is asked for. Bits say how far a row stands out among these rows: 7 bits is one
    in ten thousand.
    """
    if output is not None:
        console.check_output(output)
    chosen = _format(format, output)
    from vizsla.faces import arrow
    from vizsla.faces import outliers as face
    from vizsla.outlier.features import declared
    from vizsla.outlier.score import as_table, score
    from vizsla.safe import visible

    kinds = declared(kind or [])
    guard.doing(f"scoring {table}")
    most = top if top is not None or chosen is not OutliersFormat.TABLE else SHOWN
    found = score(
        as_table(table, array), model, top=most, kinds=kinds, without=without or [], seed=seed,
        window=window, along=along, by=by or (),
    )  # fmt: skip
    for text in found.said:
        console.say(f"vizsla: {visible(text)}")
    if chosen is OutliersFormat.JSONL:
        console.write(face.lines(found.ranked(most)), output)
    elif chosen is OutliersFormat.CSV:
        console.write(face.rows(found.ranked(most)), output)
    elif output is None:
        console.show(arrow.renderable(face.short(found.ranked(most)), console.width()))
    else:
        console.write([arrow.text(face.short(found.ranked(most))).encode()], output)


def _format(format: OutliersFormat | None, output: Path | None) -> OutliersFormat:
    if format is not None or output is None:
        return format or OutliersFormat.TABLE
    endings = {f".{f.value}": f for f in OutliersFormat}
    return endings.get(output.suffix.lower(), OutliersFormat.TABLE)

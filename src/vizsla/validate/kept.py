"""The findings that the latest validation of a lake brought: kept beside the lake, for the preview of exceptions."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from vizsla.errors import LakeError
from vizsla.nouns import Finding

if TYPE_CHECKING:
    from vizsla.lake import Lake

ROOM, FILE = "validation", "found.jsonl"


def keep(lake: Lake, findings: Iterable[Finding]) -> None:
    """What imitations were found as, in the place of what an earlier validation left. No event goes into the lake."""
    from vizsla.faces.jsonl import lines

    home = lake.room(ROOM)
    draft = home / f".{FILE}.{os.getpid()}"
    try:
        draft.write_bytes(b"".join(lines(findings)))
        draft.replace(home / FILE)
    except OSError as error:
        raise LakeError(f"the lake cannot be written: {error.strerror}", where=str(home)) from error


def validated(lake: Lake) -> list[Finding]:
    """What the latest validation found of its imitations; none where there was no validation."""
    from vizsla.faces.jsonl import read

    path = Path(lake.root) / ROOM / FILE
    try:
        return [read(line) for line in path.read_bytes().splitlines() if line]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise LakeError(f"the last validation is damaged: {error}", where=str(path), fix="delete that file") from error

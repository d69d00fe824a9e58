"""The lake's folder: what makes it a lake, which format it has, and which names may stand in it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from vizsla import __version__
from vizsla.errors import LakeError, UsageError

FORMAT = 1  # raised when an older Vizsla could no longer read or safely write the lake
MARK = "vizsla.json"
EVENTS = "events"
LEDGER, LEDGER_FILE = "ledger", "files.jsonl"  # the room that says which files were ingested in whole
READINGS_FILE, PACKS = "readings.jsonl", "ordinals"  # and in it, how far growing logs were read

_TABLE = re.compile(r"[a-z][a-z0-9_]{0,127}")
_ROOM = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}")
_UNSTORABLE = re.compile(r"[\[\]|^\\\x00-\x1f\x7f\ud800-\udfff]")


def table_name(name: str) -> str:
    """The name, if a table may bear it: lower-case letters, digits and underscores, a letter first."""
    if not _TABLE.fullmatch(name):
        raise LakeError(
            f"no table can be called {name[:80]!r}",
            fix="table names are lower-case letters, digits and underscores, a letter first, 128 at most",
        )
    return name


def room_name(name: str) -> str:
    """The name, if a room may bear it: as a table's, and hyphens."""
    if not _ROOM.fullmatch(name) or name == EVENTS:
        raise UsageError(
            f"no room of a lake can be called {name[:80]!r}",
            fix="use lower-case letters, digits, underscores and hyphens, a letter first, 64 at most",
        )
    return name


def open_folder(root: Path, *, create: bool) -> None:
    """Check that `root` is a lake of a format this version knows; make it one where `create` and it is empty."""
    _check_path(root.as_posix())
    if root.exists() and not root.is_dir():
        raise LakeError("a lake is a folder, and this is a file", where=str(root), fix="name another folder")
    mark = root / MARK
    if not mark.exists():
        if not create:
            _refuse(root)
        _create(root, mark)
    _check(mark)


def _check_path(path: str) -> None:
    """Refuse, before anything is written, what the storage library cannot take: it makes an address of the path.

    Some characters it stops at, others it takes for something else, and so would write beside the lake.
    """
    if _ESCAPED.search(path):
        raise LakeError(
            "a lake's path cannot hold a percent sign followed by two hex digits",
            where=path,
            fix="choose another folder: the storage library would take it for an escaped character",
        )
    odd = sorted({character for character in path if _UNSTORABLE.match(character)})
    if odd:
        named = ", ".join(character if character.isprintable() else f"U+{ord(character):04X}" for character in odd)
        raise LakeError(
            f"a lake's path cannot hold {named}",
            where=path,
            fix="choose another folder: the storage library takes no brackets, no | ^ and \\, no control characters "
            "and no bytes that are not UTF-8",
        )


def _refuse(root: Path) -> None:
    if not root.exists():
        raise LakeError("there is no lake here", where=str(root), fix="make one: vizsla ingest PATH --lake DIR")
    raise LakeError(
        f"this folder is not a lake: it has no {MARK}",
        where=str(root),
        fix="name the lake's own folder, or make a lake: vizsla ingest PATH --lake DIR",
    )


def _create(root: Path, mark: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        if any(not child.name.startswith(".") for child in root.iterdir()):
            raise LakeError(
                "a new lake needs an empty folder, and this one holds other files",
                where=str(root),
                fix="name an empty folder or one that does not exist yet",
            )
        fresh = root / f".{MARK}.{os.getpid()}"
        fresh.write_text(json.dumps({"format": FORMAT, "made_by": __version__}) + "\n", encoding="utf-8")
        fresh.replace(mark)  # in one step: a lake is there or it is not
    except OSError as error:
        raise LakeError(
            f"the lake cannot be made: {error.strerror}", where=str(root), fix="check the path and its permissions"
        ) from error


def _check(mark: Path) -> None:
    try:
        said = json.loads(mark.read_text(encoding="utf-8"))
        found = said["format"]
        if type(found) is not int or found < 1:
            raise ValueError("format is no number from 1 on")
    except OSError as error:
        raise LakeError(
            f"the lake cannot be read: {error.strerror}", where=str(mark), fix="check the folder's permissions"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise LakeError(
            "the lake's format file is damaged",
            where=str(mark),
            fix=f'if you know that this lake is of format {FORMAT}, write {{"format": {FORMAT}}} into it',
        ) from error
    if found > FORMAT:
        raise LakeError(
            f"this lake has format {found}, written by Vizsla {said.get('made_by', 'of a later version')}; "
            f"this is Vizsla {__version__}, which knows format {FORMAT}",
            where=str(mark.parent),
            fix="upgrade Vizsla (pip install --upgrade vizsla), or ingest the logs into a new lake",
        )

"""Documents of stores as lines of JSON, whatever whoever wrote them put in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vizsla.sources._rows import as_text


def json_line(record: Mapping[str, Any]) -> bytes:
    """A document in one line: integers of any length, lone surrogates and any depth too.

    One document that cannot be written down would else end every reading of its index, at the same place.
    """
    return str(as_text(dict(record))).encode("utf-8", "backslashreplace")  # '\ud800' is how JSON spells it

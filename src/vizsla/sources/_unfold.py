"""Columns of a delimited file that hold JSON objects: their fields become columns beside the others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from vizsla.sources._flatten import Flattener
from vizsla.sources._json import loads
from vizsla.sources._rows import Rows


def unfolded(columns: Mapping[str, pa.Array], options: Mapping[str, Any]) -> dict[str, pa.Array]:
    """The columns with those of `options['unfold']` (JSON) and `options['structs']` replaced by their objects' fields.

    A value that is no object stays what it is. A field that is named as another column is told apart by `_2`.
    """
    readers = dict.fromkeys(options.get("unfold") or (), _object)
    readers |= dict.fromkeys(options.get("structs") or (), struct)
    folded = [name for name in readers if name in columns]
    if not folded:
        return dict(columns)
    flat = Flattener({**options, "rename": {}})  # of the file's own columns
    others = [name for name in columns if name not in folded]
    rows = Rows()
    plain = [columns[name].to_pylist() for name in others]
    texts = [columns[name].to_pylist() for name in folded]
    for place in range(len(next(iter(columns.values())))):
        names, values = list(others), [column[place] for column in plain]
        for name, column in zip(folded, texts, strict=True):
            held = readers[name](column[place])
            if held is None:
                names.append(name)
                values.append(column[place])
            else:
                inner, fields = flat({name: held} if readers[name] is struct else held)
                names += inner
                values += fields
        rows.add(tuple(names), values, place)
    return rows.columns()


_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
_SIGN = re.compile(r"[{}]|, (?=[A-Za-z_][A-Za-z0-9_]*=)")


def struct(text: str | None) -> dict[str, Any] | None:
    """The fields of `{a=1, b={c=2}}`; None for what is no such text. Values are text; `null` is none."""
    if not text or text[0] != "{" or text[-1] != "}":
        return None
    stack: list[dict[str, Any]] = [{}]
    at = 1
    while at < len(text):
        if name := _NAME.match(text, at):
            at = name.end()
            if text[at : at + 1] == "{":
                inner: dict[str, Any] = {}
                stack[-1][name[1]] = inner
                stack.append(inner)
                at += 1
                continue
            sign = _SIGN.search(text, at)
            if sign is None:
                return None
            value = text[at : sign.start()]
            stack[-1][name[1]] = None if value == "null" else value
            at = sign.start()
        if text.startswith(", ", at):
            at += 2
        elif text.startswith("}", at):
            whole = stack.pop()
            at += 1
            if not stack:
                return whole if at == len(text) and whole else None
        else:
            return None
    return None


def _object(text: str | None) -> dict[str, Any] | None:
    if not text or text[:1] != "{":
        return None
    try:
        value = loads(text.encode("utf-8", "surrogatepass"))
    except ValueError:
        return None
    return value if isinstance(value, dict) and value else None

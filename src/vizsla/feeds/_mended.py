"""JSON with damage in it: all that can be read, without the records that cannot.

A record is an object that stands in a list: an attribute of MISP, an object of STIX, a tag. One that is no JSON (a byte
that is no text, a number that is none, a comma too many) is left out and told; what holds it is read without it. Of an
object that holds such lists, values that are none are read as null.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import orjson

from vizsla.nouns.indicator import Refused

DEEPEST = 200  # levels
TOLD = 10_000  # records of one document that are told one by one
_LEFT_OUT = "\x00left out"  # the key of what stands for a record that was left out
# A bracket outside of strings. A string without an end on its line ends with it: it costs no more than its own record.
_MARK = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\\n]|\\.)*+["\n])*+([{}\[\]])', re.DOTALL)


@dataclass(slots=True)
class _Node:
    """An object: where it stands, and those in it."""

    start: int
    listed: bool  # stands in a list
    end: int = 0
    children: list[_Node] = field(default_factory=list)


class Broken(ValueError):
    """Nothing of the document can be read."""


def mended(content: bytes, name: str) -> tuple[Any, list[Refused]]:
    """The value of a text that is no JSON, without its bad records, and these. Raises Broken where none is left."""
    found = _Mender(content, name)
    text = found.text(found.root(), "")
    if text is None:
        raise Broken(found.why)
    held = _without(orjson.loads(text))
    if found.more:
        found.refused.append(Refused(name, f"{found.more} more records that are no JSON"))
    return held, found.refused


class _Mender:
    def __init__(self, content: bytes, name: str) -> None:
        self.content, self.name = content, name
        self.refused: list[Refused] = []
        self.more = 0
        self.why = "it is no JSON"

    def root(self) -> _Node:
        """All objects as a tree; above them the document itself."""
        top = _Node(0, listed=False, end=len(self.content))
        stack: list[_Node | None] = []  # None: a list
        at = 0
        while mark := _MARK.match(self.content, at):
            at, sign = mark.end(), mark[1]
            if sign in b"{[":
                if len(stack) >= DEEPEST:
                    raise Broken("it is nested too deeply")
                node = _Node(mark.start(1), listed=bool(stack) and stack[-1] is None) if sign == b"{" else None
                if node is not None:
                    above = next((one for one in reversed(stack) if one is not None), top)
                    above.children.append(node)
                stack.append(node)
                continue
            if not stack or (stack[-1] is None) != (sign == b"]"):
                raise Broken("it is no JSON: brackets do not match")
            closed = stack.pop()
            if closed is not None:
                closed.end = at
        if stack:
            raise Broken("it is no JSON: it ends in the middle")
        return top

    def text(self, node: _Node, above: str) -> bytes | None:
        """JSON of an object without its bad records; None where it is bad itself."""
        whole = self.content[node.start : node.end]
        try:
            orjson.loads(whole)
        except orjson.JSONDecodeError as error:
            self.why = f"it is no JSON: {_short(error)}"
            why = _short(error)
        else:
            return whole
        parts, at = [], node.start
        for child in node.children:
            text = self.text(child, above)
            if text is None and not child.listed:
                return None
            parts += [self.content[at : child.start], text if text is not None else self._left_out(child)]
            at = child.end
        parts.append(self.content[at : node.end])
        again = b"".join(parts)
        try:
            orjson.loads(again)
        except orjson.JSONDecodeError as error:
            self.why = f"it is no JSON: {_short(error)}"
        else:
            return again
        if not any(child.listed for child in node.children):
            return None
        # It holds records: one value that is none must not cost them all.
        try:
            held = json.loads(again.decode("utf-8", "replace"), strict=False, parse_constant=lambda _: None)
            text = orjson.dumps(_texts(held))
        except (ValueError, RecursionError, TypeError):
            return None
        self._tell(node, f"read without what is no JSON in it: {why}")
        return text

    def _left_out(self, node: _Node) -> bytes:
        self._tell(node, self.why)
        return orjson.dumps({_LEFT_OUT: True})

    def _tell(self, node: _Node, why: str) -> None:
        if len(self.refused) >= TOLD:
            self.more += 1
            return
        line = self.content.count(b"\n", 0, node.start) + 1 if len(self.refused) < 100 else 0
        place = f"line {line}, byte {node.start}" if line > 1 else f"byte {node.start}"
        self.refused.append(Refused(f"{self.name}, {place}", why))


def _short(error: Exception) -> str:
    return str(error).partition(": line ")[0]


def _texts(held: Any) -> Any:
    """Values without halves of characters, which are no text."""
    if isinstance(held, str):
        return held.encode("utf-8", "replace").decode()
    if isinstance(held, dict):
        return {_texts(key): _texts(value) for key, value in held.items()}
    if isinstance(held, list):
        return [_texts(one) for one in held]
    return held if not isinstance(held, int) or abs(held) < 1 << 63 else float(held)


def _without(held: Any) -> Any:
    """A value without what was left out."""
    if isinstance(held, dict):
        return {key: _without(value) for key, value in held.items()}
    if isinstance(held, list):
        return [_without(one) for one in held if not (isinstance(one, dict) and _LEFT_OUT in one)]
    return held

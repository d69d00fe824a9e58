"""The words of a mapping: `column`, `function(argument, …)`, parsed into a tree; and which arguments each takes.

A column whose name holds brackets, blanks or other signs stands in backquotes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vizsla.errors import ViewError

TOKEN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_.:-]*|[0-9]+|[(),]|`[^`]+`)")
# function: how many arguments are expressions (None: any number), and how many plain words follow
FUNCTIONS: dict[str, tuple[int | None, tuple[int, int]]] = {
    "first": (None, (0, 0)),  # the first that is not null
    "basename": (1, (0, 0)),  # after the last slash or backslash
    "dirname": (1, (0, 0)),  # before it
    "user": (1, (0, 0)),  # of 'DOMAIN\user'
    "domain": (1, (0, 0)),
    "account": (1, (0, 0)),  # of 'account@realm'
    "realm": (1, (0, 0)),
    "number": (1, (0, 0)),  # decimal, or hexadecimal of 32 bits behind 0x
    "decimal": (1, (0, 0)),  # 12, -0.5, 1.5e-07: a number with a fraction
    "boolean": (1, (0, 0)),  # true, T, yes, 1, and their opposites
    "lower": (1, (0, 0)),  # ASCII letters alone: engines differ on the others
    "ip": (1, (0, 0)),  # IPv4 in IPv6 unmapped
    "guid": (1, (0, 0)),  # without braces, lower case
    "hash": (1, (1, 1)),  # hash(Hashes, SHA256) of 'MD5=…,SHA256=…'
    "join": (None, (0, 0)),  # with backslashes between
    "address": (1, (0, 0)),  # of 'address:port', brackets round IPv6 taken off
    "port": (1, (0, 0)),
    "peer": (1, (0, 0)),  # of 'address:port' where a port is always there: of ::1:80 too
    "peer_port": (1, (0, 0)),
    "url_path": (1, (0, 0)),  # of a URL or of a request's target
    "url_query": (1, (0, 0)),
    "url_domain": (1, (0, 0)),  # lower case
    "lookup": (1, (1, 2)),  # lookup(column, table[, for all others])
}
LONG = {"number", "port", "peer_port"}
BOOLEAN = {"boolean"}
DOUBLE = {"decimal"}


@dataclass(frozen=True, slots=True)
class Column:
    """A native column."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """Text that stands in the mapping itself."""

    value: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function over expressions, and the plain words that follow them."""

    function: str
    arguments: tuple[Expression, ...]
    words: tuple[str, ...] = ()


Expression = Column | Constant | Call


def parse(text: str, where: str) -> Expression:
    """The tree of an expression. Raises ViewError, naming `where`, for what the grammar does not hold."""
    tokens: list[str] = []
    at = 0
    while at < len(text.rstrip()):
        match = TOKEN.match(text, at)
        if match is None:
            raise ViewError(f"cannot read {text!r} from {text[at:]!r} on", where=where)
        tokens.append(match[1])
        at = match.end()
    tree, rest = _expression(tokens, where)
    if rest:
        raise ViewError(f"{text!r} goes on after its end: {' '.join(rest)}", where=where)
    return tree


def _expression(tokens: list[str], where: str) -> tuple[Expression, list[str]]:
    if not tokens or tokens[0] in "(),":
        raise ViewError("a column or a function is missing", where=where)
    name, rest = tokens[0], tokens[1:]
    if name.startswith("`"):
        return Column(name[1:-1]), rest
    if not rest or rest[0] != "(":
        return Column(name), rest
    arguments: list[Expression] = []
    rest = [",", *rest[1:]]
    while rest and rest[0] == ",":
        argument, rest = _expression(rest[1:], where)
        arguments.append(argument)
    if not rest or rest[0] != ")":
        raise ViewError(f"{name}( is not closed", where=where)
    return _call(name, arguments, where), rest[1:]


def _call(name: str, arguments: list[Expression], where: str) -> Call:
    if name not in FUNCTIONS:
        raise ViewError(f"there is no function {name!r}", where=where, fix=f"use one of: {', '.join(FUNCTIONS)}")
    expressions, (least, most) = FUNCTIONS[name]
    count = len(arguments) if expressions is None else expressions
    words = [a.name for a in arguments[count:] if isinstance(a, Column)]
    if len(arguments) < count or not least <= len(words) <= most or len(words) != len(arguments) - count:
        raise ViewError(f"{name} was given {len(arguments)} arguments, which it does not take", where=where)
    return Call(name, tuple(arguments[:count]), tuple(words))


def kind(tree: Expression) -> str:
    """The type that an expression has: keyword, long, double or boolean (addresses are ip)."""
    if isinstance(tree, Call) and tree.function in LONG:
        return "long"
    if isinstance(tree, Call) and tree.function in BOOLEAN:
        return "boolean"
    if isinstance(tree, Call) and tree.function in DOUBLE:
        return "double"
    if isinstance(tree, Call) and tree.function == "first":
        return kind(tree.arguments[0])
    if isinstance(tree, Call) and tree.function == "ip":
        return "ip"
    return "keyword"


def columns(tree: Expression) -> tuple[str, ...]:
    """The native columns that an expression reads."""
    if isinstance(tree, Column):
        return (tree.name,)
    if isinstance(tree, Constant):
        return ()
    return tuple(name for argument in tree.arguments for name in columns(argument))

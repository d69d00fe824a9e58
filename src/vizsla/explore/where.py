"""Conditions that a person writes, as Ibis: a small grammar, parsed, never pasted into SQL.

    condition  := all ('or' all)*           all  := part ('and' part)*
    part       := 'not' part | '(' condition ')' | test
    test       := field ('=' | '!=' | '<>' | '<' | '<=' | '>' | '>=') value
                | field ['not'] 'like' text | field ['not'] 'in' '(' value (',' value)* ')'
                | field 'is' ['not'] 'null'

`like` knows % (any text), takes all else as it stands, and ignores the case of ASCII letters. Words ignore case.
Fields may stand in double quotes; text stands in single quotes, '' within it for one.
"""

from __future__ import annotations

import operator
import re
from datetime import UTC, datetime

import ibis
import ibis.expr.types as ir

from vizsla.errors import UsageError
from vizsla.views.compile import lower

TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*')|(?P<quoted>"[^"]+")|(?P<number>-?\d+(?:\.\d+)?(?![\w.]))"""
    r"""|(?P<name>[A-Za-z_][\w.]*)|(?P<sign><=|>=|!=|<>|[=<>(),]))"""
)
COMPARE = {
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
DEPTH = 50  # parentheses and nots within each other
Token = tuple[str, str]


def condition(text: str, table: ir.Table) -> ir.BooleanValue:
    """The condition that `text` says of a table's rows. Raises UsageError where it cannot be understood."""
    return _Parser(text, table).whole()


def mentioned(text: str) -> set[str]:
    """The names that stand in a condition: its fields, and its words."""
    return {word for kind, word in _tokens(text) if kind in ("name", "quoted")}


class _Parser:
    def __init__(self, text: str, table: ir.Table) -> None:
        self.text, self.table = text, table
        self.tokens = list(_tokens(text))
        self.depth = 0

    def whole(self) -> ir.BooleanValue:
        found = self._any()
        if self.tokens:
            raise self._wrong(f"{self.tokens[0][1]!r} is one too many")
        return found

    def _wrong(self, why: str) -> UsageError:
        return UsageError(
            f"the condition cannot be read: {why}",
            where=self.text,
            fix="write such as: process.name = 'cmd.exe' and not (destination.port > 1024 or user.name like 'adm%')",
        )

    def _next(self, *words: str) -> bool:
        """Takes the next token where it is one of these words or signs."""
        if self.tokens and self.tokens[0][0] in ("name", "sign") and self.tokens[0][1].lower() in words:
            self.tokens.pop(0)
            return True
        return False

    def _need(self, word: str) -> None:
        if not self._next(word):
            raise self._wrong(f"{word!r} is missing")

    def _any(self) -> ir.BooleanValue:
        found = self._all()
        while self._next("or"):
            found = found | self._all()
        return found

    def _all(self) -> ir.BooleanValue:
        found = self._part()
        while self._next("and"):
            found = found & self._part()
        return found

    def _part(self) -> ir.BooleanValue:
        self.depth += 1
        if self.depth > DEPTH:
            raise self._wrong("it is nested too deeply")
        try:
            if self._next("not"):
                return ~self._part()
            if self._next("("):
                found = self._any()
                self._need(")")
                return found
            return self._test()
        finally:
            self.depth -= 1

    def _test(self) -> ir.BooleanValue:
        column = self._column()
        if self._next("is"):
            negated = self._next("not")
            self._need("null")
            return column.notnull() if negated else column.isnull()
        negated = self._next("not")
        if self._next("like"):
            found = _like(column, self._token("text"))
            return ~found if negated else found
        if self._next("in"):
            self._need("(")
            values = [self._value(column)]
            while self._next(","):
                values.append(self._value(column))
            self._need(")")
            found = column.isin(values)
            return ~found if negated else found
        if negated or not self.tokens or self.tokens[0][1] not in COMPARE:
            raise self._wrong("a comparison is missing")
        return COMPARE[self.tokens.pop(0)[1]](column, self._value(column))

    def _column(self) -> ir.Value:
        if not self.tokens or self.tokens[0][0] not in ("name", "quoted"):
            raise self._wrong("a field is missing")
        name = self.tokens.pop(0)[1]
        if name not in self.table.columns:
            raise UsageError(
                f"there is no field {name!r} here", where=self.text, fix=f"fields here: {', '.join(self.table.columns)}"
            )
        return self.table[name]

    def _token(self, kind: str) -> str:
        if not self.tokens or self.tokens[0][0] != kind:
            raise self._wrong(f"a {kind} is missing")
        return self.tokens.pop(0)[1]

    def _value(self, column: ir.Value) -> ir.Value:
        if not self.tokens:
            raise self._wrong("a value is missing")
        kind, word = self.tokens.pop(0)
        said = word.lower() if kind == "name" else ""
        try:
            if column.type().is_boolean() and said in ("true", "false"):
                return ibis.literal(said == "true")
            if kind in ("text", "number") and column.type().is_string():
                return ibis.literal(word)
            if kind in ("text", "number") and column.type().is_integer():
                return ibis.literal(_whole_number(word), "int64")
            if kind == "text" and column.type().is_timestamp():
                moment = datetime.fromisoformat(word)
                return ibis.literal(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        except ValueError as error:
            raise self._wrong(f"{word!r} is no {column.type()}") from error
        raise self._wrong(f"{column.get_name()} is a {column.type()} and cannot be compared with {word}")


def _whole_number(word: str) -> int:
    """Raises ValueError for what is none, or more than a column can hold."""
    number = int(word)
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError("beyond 64 bits")
    return number


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise UsageError(f"the condition cannot be read from {text[at : at + 20]!r} on", where=text)
        kind, word = match.lastgroup, match[match.lastgroup]
        if kind == "text":
            word = word[1:-1].replace("''", "'")
        if kind == "quoted":
            word = word[1:-1]
        found.append((kind, word))
        at = match.end()
    return found


def _like(column: ir.Value, pattern: str) -> ir.BooleanValue:
    """By searching: engines differ on how LIKE escapes, and paths are full of backslashes."""
    text = lower(column.cast("string"))
    first, *rest = ibis_lower(pattern).split("%")
    if not rest:
        return text == first
    last = rest.pop()
    found = text.startswith(first) & (text.length() >= len(first) + len(last))
    left = text.substr(len(first))
    for piece in rest:
        if piece:
            at = left.find(piece)
            found = found & (at >= 0)
            left = ibis.cases((at >= 0, left.substr(at + len(piece))), else_="")
    return found & left.endswith(last)


def ibis_lower(text: str) -> str:
    """ASCII letters of a Python text in lower case, as `lower` does in an engine."""
    return "".join(c.lower() if c.isascii() else c for c in text)

"""Expressions of mappings as Ibis values that come out the same on every engine.

No regular expressions and no engine's own idea of case: DuckDB, Java and Python differ there. What is used is
splitting, searching, translating single characters and comparing, which a test holds equal.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping

import ibis
import ibis.expr.types as ir

from vizsla.views.grammar import Call, Column, Constant, Expression

MARK = "\x1f"
HEX = "0123456789abcdef..........ABCDEF"  # a digit stands at its value, or 16 after it
TRUE, FALSE = ("true", "t", "yes", "1"), ("false", "f", "no", "0")
Lookups = Mapping[str, Mapping[str, str]]


class Compiler:
    """Compiles expressions over one table; columns are found whatever their case, null where there are none."""

    def __init__(self, table: ir.Table, lookups: Lookups) -> None:
        self.table, self.lookups = table, lookups
        self._folded = {name.lower(): name for name in table.columns}

    def raw(self, name: str) -> ir.StringValue:
        """A native column as it stands."""
        held = name if name in self.table.columns else self._folded.get(name.lower())
        return ibis.null("string") if held is None else self.table[held]

    def __call__(self, tree: Expression) -> ir.Value:
        if isinstance(tree, Constant):
            return ibis.literal(tree.value)
        if isinstance(tree, Column):
            return self.raw(tree.name).nullif("").nullif("-")  # logs write '-' for nothing
        if not self._held(tree):
            return ibis.null(_KINDS.get(tree.function, "string"))
        values = [self(argument) for argument in tree.arguments]
        if tree.function == "lookup":
            return _lookup(values[0], self.lookups[tree.words[0]], *tree.words[1:])
        if tree.function == "hash":
            return _hash(values[0], tree.words[0])
        if tree.function == "first":
            return ibis.coalesce(*values)
        if tree.function == "join":
            return _join(*values)
        return _UNARY[tree.function](values[0])

    def _held(self, tree: Call) -> bool:
        """Whether the table holds any column of the call: a function of nothing is null, and costs nothing."""
        from vizsla.views.grammar import columns

        return any(name.lower() in self._folded for name in columns(tree))


def lower(text: ir.StringValue) -> ir.StringValue:
    """ASCII letters in lower case; all others as they are."""
    return text.translate(string.ascii_uppercase, string.ascii_lowercase)


def _split(text: ir.StringValue, separators: str) -> ir.ArrayValue:
    """The parts between separators. Split at a character that means nothing to regular expressions: Spark's are."""
    return text.translate(separators, MARK * len(separators)).split(MARK)


def _base(text: ir.StringValue) -> ir.StringValue:
    parts = _split(text, "\\/")
    return parts[parts.length() - 1]


def _basename(text: ir.StringValue) -> ir.StringValue:
    return _base(text).nullif("")


def _dirname(text: ir.StringValue) -> ir.StringValue:
    kept = text.length() - _base(text).length() - 1
    return ibis.cases((kept > 0, text.substr(0, kept)), else_=ibis.null("string"))


def _user(text: ir.StringValue) -> ir.StringValue:
    parts = _split(text, "\\")
    return parts[parts.length() - 1].nullif("")


def _domain(text: ir.StringValue) -> ir.StringValue:
    parts = _split(text, "\\")
    return ibis.cases((parts.length() > 1, parts[0].nullif("")), else_=ibis.null("string"))


def _account(text: ir.StringValue) -> ir.StringValue:
    return _split(text, "@")[0].nullif("")


def _realm(text: ir.StringValue) -> ir.StringValue:
    parts = _split(text, "@")
    return ibis.cases((parts.length() > 1, parts[parts.length() - 1].nullif("")), else_=ibis.null("string"))


def _only(text: ir.StringValue, allowed: str) -> ir.BooleanValue:
    """Whether a text is of allowed characters alone."""
    return text.translate(allowed, "") == ""


def _number(text: ir.StringValue) -> ir.IntegerValue:
    decimal = _only(text, string.digits) & text.length().between(1, 18)
    short = text.length().between(3, 17) | ((text.length() == 18) & (text.substr(2, 1) == "0"))
    hexadecimal = text.substr(0, 2).isin(("0x", "0X")) & _only(text.substr(2), HEX.replace(".", "")) & short
    return ibis.cases(
        (decimal, ibis.cases((decimal, text), else_=ibis.null("string")).cast("int64")),
        (hexadecimal, _hexadecimal(text)),
        else_=ibis.null("int64"),
    )


def _hexadecimal(text: ir.StringValue) -> ir.IntegerValue:
    """The value of up to 16 hexadecimal digits behind '0x', of which 15 count at most: no engine reads them alike.

    Digit by digit, in a function over the places, so that the text stands in the expression but once.
    """
    digits = text.substr(2).lpad(16, "0")
    weights = ibis.literal([0, *(16 ** (14 - place) for place in range(15))], "array<int64>")
    value = ibis.range(0, 16).map(lambda i: (ibis.literal(HEX).find(digits.substr(i, 1)) % 16) * weights[i])
    return value.sums()


def _decimal(text: ir.StringValue) -> ir.FloatingValue:
    """A number as Python and JSON write it; engines disagree on all else that they take for one."""
    at = lower(text).find("e")
    front = ibis.cases((at >= 0, text.substr(0, at)), else_=text)
    power = ibis.cases((at >= 0, text.substr(at + 1)), else_=ibis.literal("0"))
    mantissa = _unsigned(front)
    exponent = _unsigned(power)
    figures = mantissa.replace(".", "")
    sound = (
        figures.length().between(1, 40)
        & (mantissa.length() - figures.length() <= 1)
        & _only(figures, string.digits)
        & exponent.length().between(1, 2)
        & _only(exponent, string.digits)
    )
    number = ibis.cases((sound, text), else_=ibis.null("string")).cast("float64")
    return ibis.cases((sound, number), else_=ibis.null("float64"))


def _unsigned(text: ir.StringValue) -> ir.StringValue:
    return ibis.cases((text.startswith("-") | text.startswith("+"), text.substr(1)), else_=text)


def _boolean(text: ir.StringValue) -> ir.BooleanValue:
    word = lower(text)
    return ibis.cases((word.isin(TRUE), True), (word.isin(FALSE), False), else_=ibis.null("boolean"))


def _ip(text: ir.StringValue) -> ir.StringValue:
    """An address, lower case; null for a name or a word in its place."""
    address = lower(text)
    mapped = address.startswith("::ffff:") & address.contains(".")
    sound = ibis.cases(
        (_colons(address) > 1, _only(_split(address, "%")[0], HEX[:16] + ":.")),
        else_=address.contains(".") & _only(address, string.digits + "."),
    )
    return ibis.cases((~sound, ibis.null("string")), (mapped, address.substr(7)), else_=address)


def _named(value: ir.Value, use: Callable[[ir.Value], ir.Value]) -> ir.Value:
    """`use` of a value, that stands in the expression but once however often it is used."""
    return ibis.array([value]).map(use)[0]


def _last(text: ir.StringValue, separator: str) -> ir.StringValue:
    """What follows the last separator; the whole where there is none."""
    return _named(_split(text, separator), lambda parts: parts[parts.length() - 1])


def _address(text: ir.StringValue) -> ir.StringValue:
    def address(whole: ir.StringValue) -> ir.StringValue:
        one = whole.substr(0, whole.find(":"))
        bracketed = _split(whole, "]")[0].substr(1)
        return ibis.cases((whole.startswith("["), bracketed), (_colons(whole) == 1, one), else_=whole)  # more: IPv6

    return _named(text, address).nullif("")


def _port(text: ir.StringValue) -> ir.IntegerValue:
    def port(whole: ir.StringValue) -> ir.StringValue:
        said = whole.startswith("[") | (_colons(whole) == 1)
        return ibis.cases((said, _last(whole, ":")), else_=ibis.null("string"))

    return _named(_named(text, port), _number)


def _peer(text: ir.StringValue) -> ir.StringValue:
    def peer(whole: ir.StringValue) -> ir.StringValue:
        port = _last(whole, ":")
        before = whole.substr(0, whole.length() - port.length() - 1)
        bracketed = _split(whole, "]")[0].substr(1)
        return ibis.cases((whole.startswith("["), bracketed), (whole.contains(":"), before), else_=whole)

    return _named(text, peer).nullif("")


def _peer_port(text: ir.StringValue) -> ir.IntegerValue:
    return _named(_last(text, ":"), _number)


def _colons(text: ir.StringValue) -> ir.IntegerValue:
    return text.length() - text.replace(":", "").length()


def _base_of(text: ir.StringValue, use: Callable[[ir.StringValue], ir.StringValue]) -> ir.StringValue:
    """`use` of a URL without its query."""
    return _named(_split(text, "?")[0], use)


def _url_path(text: ir.StringValue) -> ir.StringValue:
    def after(rest: ir.StringValue) -> ir.StringValue:
        return ibis.cases((rest.contains("/"), rest.substr(rest.find("/"))), else_=ibis.literal("/"))

    def path(base: ir.StringValue) -> ir.StringValue:
        whole = _named(base.substr(base.find("://") + 3), after)
        return ibis.cases((base.startswith("/"), base), (base.contains("://"), whole), else_=ibis.null("string"))

    return _base_of(text, path)


def _url_query(text: ir.StringValue) -> ir.StringValue:
    def query(whole: ir.StringValue) -> ir.StringValue:
        rest = whole.substr(whole.find("?") + 1).nullif("")
        return ibis.cases((whole.contains("?"), rest), else_=ibis.null("string"))

    return _named(text, query)


def _url_domain(text: ir.StringValue) -> ir.StringValue:
    def authority(base: ir.StringValue) -> ir.StringValue:
        plain = ~base.contains("/") & (base.find(":") > 0)  # of CONNECT
        begin = ibis.cases((base.contains("://"), base.find("://") + 3), else_=0)
        rest = _last(_split(base.substr(begin), "/")[0], "@")
        named = ~base.startswith("/") & (base.contains("://") | plain)
        return ibis.cases((named, rest), else_=ibis.null("string"))

    return lower(_address(_base_of(text, authority)))


def _guid(text: ir.StringValue) -> ir.StringValue:
    return lower(text.replace("{", "").replace("}", ""))


def _hash(text: ir.StringValue, algorithm: str) -> ir.StringValue:
    mark = f"{algorithm}="
    at = text.find(mark)
    found = text.substr(at + len(mark)).split(",")[0]
    return ibis.cases((at >= 0, lower(found).nullif("")), else_=ibis.null("string"))


def _join(*texts: ir.StringValue) -> ir.StringValue:
    whole = texts[0]
    for text in texts[1:]:
        whole = ibis.cases((text.isnull(), whole), else_=whole + "\\" + text)
    return whole


def _lookup(text: ir.StringValue, table: Mapping[str, str], other: str | None = None) -> ir.StringValue:
    rest = ibis.null("string") if other is None else ibis.cases((text.notnull(), other), else_=ibis.null("string"))
    return ibis.cases(*((text == key, value) for key, value in table.items()), else_=rest)


_KINDS = {"number": "int64", "port": "int64", "peer_port": "int64", "decimal": "float64", "boolean": "boolean"}
_UNARY: dict[str, Callable[[ir.StringValue], ir.Value]] = {
    "basename": _basename,
    "dirname": _dirname,
    "user": _user,
    "domain": _domain,
    "account": _account,
    "realm": _realm,
    "number": _number,
    "decimal": _decimal,
    "boolean": _boolean,
    "lower": lower,
    "ip": _ip,
    "address": _address,
    "port": _port,
    "peer": _peer,
    "peer_port": _peer_port,
    "url_path": _url_path,
    "url_query": _url_query,
    "url_domain": _url_domain,
    "guid": _guid,
}

"""The expressions of mappings, worked out in Python over distinct values: the same as the engines make of them.

A column within a function is absent where it holds '' or '-', as in the views; alone it is what the log said.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable

from vizsla.views.grammar import Call, Column, Constant, Expression

Text = str | None
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_SPLIT = re.compile(r"[\\/]")
_DECIMAL = re.compile(r"[0-9]{1,18}")
_HEXADECIMAL = re.compile(r"0[xX]([0-9a-fA-F]{1,16})")
_FLOAT = re.compile(r"[+-]?([0-9]*\.?[0-9]*)(?:[eE][+-]?[0-9]{1,2})?")
_TRUE, _FALSE = ("true", "t", "yes", "1"), ("false", "f", "no", "0")


def of_one(tree: Call) -> Callable[[str], Text]:
    """The function that a call of one column is, from the column's text to its own."""
    return lambda text: _value(tree, lambda _: _filled(text))


def of_many(tree: Expression, texts: dict[str, Text]) -> Text:
    """The expression's value where its columns hold `texts`."""
    return _value(tree, lambda name: _filled(texts.get(name)))


def _filled(text: Text) -> Text:
    return None if text in (None, "", "-") else text


def _value(tree: Expression, column: Callable[[str], Text]) -> Text:
    if isinstance(tree, Constant):
        return tree.value
    if isinstance(tree, Column):
        return column(tree.name)
    if tree.function == "first":
        return next((v for v in (_value(a, column) for a in tree.arguments) if v is not None), None)
    values = [_value(argument, column) for argument in tree.arguments]
    if tree.function == "join":
        return None if values[0] is None else "\\".join(v for v in values if v is not None)
    text = values[0]
    if text is None:
        return None
    if tree.function == "hash":
        return _hash(text, tree.words[0])
    if tree.function == "lookup":
        return _lookup(text, *tree.words)
    return _UNARY[tree.function](text)


def _lower(text: str) -> str:
    return text.translate(_LOWER)


def _hash(text: str, algorithm: str) -> Text:
    _, sign, rest = text.partition(f"{algorithm}=")
    return _lower(rest.split(",")[0]) or None if sign else None


def _lookup(text: str, table: str, other: Text = None) -> Text:
    from vizsla.view import lookups  # read where a mapping asks for it

    return lookups()[table].get(text, other)


def _dirname(text: str) -> Text:
    kept = len(text) - len(_SPLIT.split(text)[-1]) - 1
    return text[:kept] if kept > 0 else None


def _domain(text: str) -> Text:
    first, sign, _ = text.partition("\\")
    return first or None if sign else None


def _realm(text: str) -> Text:
    _, sign, last = text.rpartition("@")
    return last or None if sign else None


def _number(text: str) -> Text:
    if _DECIMAL.fullmatch(text):
        return str(int(text))
    found = _HEXADECIMAL.fullmatch(text)
    if found is None or (len(text) == 18 and text[2] != "0"):
        return None
    return str(int(found[1], 16))


def _decimal(text: str) -> Text:
    found = _FLOAT.fullmatch(text)
    figures = found[1].replace(".", "") if found else ""
    return repr(float(text)) if 1 <= len(figures) <= 40 else None


def _boolean(text: str) -> Text:
    word = _lower(text)
    return "true" if word in _TRUE else "false" if word in _FALSE else None


def _ip(text: str) -> Text:
    address = _lower(text)
    if address.count(":") > 1:
        sound = not set(address.split("%")[0]) - set("0123456789abcdef:.")
    else:
        sound = "." in address and not set(address) - set("0123456789.")
    if not sound:
        return None
    return address[7:] if address.startswith("::ffff:") and "." in address else address


def _address(text: str) -> Text:
    if text.startswith("["):
        return text.split("]")[0][1:] or None
    return (text.split(":")[0] if text.count(":") == 1 else text) or None


def _port(text: str) -> Text:
    said = text.startswith("[") or text.count(":") == 1
    return _number(text.rpartition(":")[2]) if said else None


def _peer(text: str) -> Text:
    if text.startswith("["):
        return text.split("]")[0][1:] or None
    return (text.rpartition(":")[0] if ":" in text else text) or None


def _peer_port(text: str) -> Text:
    return _number(text.rpartition(":")[2])


def _url_path(text: str) -> Text:
    base = text.split("?")[0]
    if base.startswith("/"):
        return base
    _, sign, rest = base.partition("://")
    if not sign:
        return None
    return rest[rest.index("/") :] if "/" in rest else "/"


def _url_query(text: str) -> Text:
    return text.partition("?")[2] or None


def _url_domain(text: str) -> Text:
    base = text.split("?")[0]
    _, sign, rest = base.partition("://")
    plain = "/" not in base and base.find(":") > 0
    if base.startswith("/") or not (sign or plain):
        return None
    authority = (rest if sign else base).split("/")[0].rpartition("@")[2]
    address = _address(authority)
    return None if address is None else _lower(address)


_UNARY: dict[str, Callable[[str], Text]] = {
    "basename": lambda text: _SPLIT.split(text)[-1] or None,
    "dirname": _dirname,
    "user": lambda text: text.rpartition("\\")[2] or None,
    "domain": _domain,
    "account": lambda text: text.split("@")[0] or None,
    "realm": _realm,
    "number": _number,
    "decimal": _decimal,
    "boolean": _boolean,
    "lower": _lower,
    "ip": _ip,
    "address": _address,
    "port": _port,
    "peer": _peer,
    "peer_port": _peer_port,
    "url_path": _url_path,
    "url_query": _url_query,
    "url_domain": _url_domain,
    "guid": lambda text: _lower(text.replace("{", "").replace("}", "")),
}

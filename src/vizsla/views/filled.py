"""Whether an event fills a field: the same as asking whether its value is null, without working the value out."""

from __future__ import annotations

import string

import ibis
import ibis.expr.types as ir

from vizsla.views.compile import HEX, Compiler, _colons, _only, _split
from vizsla.views.grammar import Call, Column, Constant, Expression

_AS_ARGUMENT = frozenset({"lower", "guid", "join"})  # null exactly where their first argument is
_DIGITS = HEX.replace(".", "")


def filled(compiler: Compiler, tree: Expression) -> ir.BooleanValue:
    """True where the expression's value is not null; else false or null."""
    if isinstance(tree, Constant):
        return ibis.literal(True)
    if isinstance(tree, Column):
        return ~compiler.raw(tree.name).isin(["", "-"])
    if tree.function in _AS_ARGUMENT or _names_the_rest(tree):
        return filled(compiler, tree.arguments[0])
    if tree.function == "first":
        return ibis.or_(*(filled(compiler, argument) for argument in tree.arguments))
    if tree.function == "ip":
        return _is_ip(compiler(tree.arguments[0]))
    if tree.function == "number":
        return _is_number(compiler(tree.arguments[0]))
    return compiler(tree).notnull()


def filling(tree: Expression) -> tuple[str, ...] | None:
    """The columns any of which fills the expression where it holds a value; None where that takes more than a look."""
    if isinstance(tree, Column):
        return (tree.name,)
    if isinstance(tree, Constant):
        return None
    if tree.function in _AS_ARGUMENT or _names_the_rest(tree):
        return filling(tree.arguments[0])
    if tree.function != "first":
        return None
    parts = [filling(argument) for argument in tree.arguments]
    return None if None in parts else tuple(dict.fromkeys(name for part in parts for name in part or ()))


def _names_the_rest(tree: Call) -> bool:
    return tree.function == "lookup" and len(tree.words) == 2


def _is_ip(text: ir.StringValue) -> ir.BooleanValue:
    longer = _only(_split(text, "%")[0], _DIGITS + ":.")
    return ibis.cases((_colons(text) > 1, longer), else_=text.contains(".") & _only(text, string.digits + "."))


def _is_number(text: ir.StringValue) -> ir.BooleanValue:
    decimal = _only(text, string.digits) & text.length().between(1, 18)
    short = text.length().between(3, 17) | ((text.length() == 18) & (text.substr(2, 1) == "0"))
    return decimal | (text.substr(0, 2).isin(("0x", "0X")) & _only(text.substr(2), _DIGITS) & short)

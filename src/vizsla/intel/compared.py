"""One comparison of a STIX pattern with one value of an event."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_network
from typing import Any

from vizsla.intel.fragments import fragments
from vizsla.intel.normal import normal
from vizsla.intel.pattern import Constant, Term, kind

Value = str | int | float | bool
Test = Callable[[Value], bool]
_ANY_CASE = frozenset((
    "domain", "email", "file_name", "file_path", "registry_key", "pipe", "service", "process", "account", "user_agent",
))  # fmt: skip
_ADDRESSES = ("ipv4", "ipv6")


def test_of(term: Term) -> Test:
    """What tells whether a value is as a comparison asks, NOT left aside. Raises ValueError where nothing can."""
    known = kind(term.path)
    match term.operator:
        case "EXISTS":
            return lambda _: True
        case "=" | "!=" | "IN":
            tests = [_equal(known, constant) for constant in term.values]
            same: Test = lambda value: any(test(value) for test in tests)  # noqa: E731
            return same if term.operator != "!=" else lambda value: not same(value)
        case "LIKE":
            return _matching(_like(str(term.values[0])), known, whole=True)
        case "MATCHES":
            return _matching(str(term.values[0]), known, whole=False)
        case "ISSUBSET" | "ISSUPERSET":
            return _network(str(term.values[0]), inside=term.operator == "ISSUBSET")
        case _:
            return _ordered(term.operator, term.values[0])


test_of.__test__ = False  # type: ignore[attr-defined]  # no test case, whatever pytest takes its name for


def _equal(known: str | None, constant: Constant) -> Test:
    if isinstance(constant, bool):
        return lambda value: value is constant or str(value).lower() == str(constant).lower()
    if isinstance(constant, int | float):
        return lambda value: _number(value) == float(constant)
    if isinstance(constant, datetime):
        return lambda value: _moment(value) == constant
    text = constant.decode("latin-1") if isinstance(constant, bytes) else constant
    kinds = _ADDRESSES if known in _ADDRESSES else (known,) if known else ()
    for one in kinds:  # an address stands where a pattern says IPv4 and the object path does not tell
        try:
            wanted = normal(one, text)
        except ValueError:
            continue
        return lambda value: wanted in _forms(one, str(value))
    return lambda value: str(value) == text


def _forms(known: str, given: str) -> set[str]:
    """The normal forms that a value has: of a list of names or addresses those of each, of names not their parents."""
    if known != "domain":
        return set(fragments(known, given, False))
    found = set()
    for word in re.split(r"[\s,;]+", given):
        try:
            found.add(normal(known, word))
        except ValueError:
            continue
    return found


def _like(pattern: str) -> str:
    return "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)


def _matching(pattern: str, known: str | None, *, whole: bool) -> Test:
    import re2

    options = re2.Options()
    options.dot_nl, options.log_errors, options.case_sensitive = True, False, known not in _ANY_CASE
    try:
        ready: Any = re2.compile(pattern, options)
    except re2.error as error:
        raise ValueError(f"this regular expression is not for RE2, which takes linear time: {error}") from None

    def test(value: Value) -> bool:
        forms = {str(value), *(fragments(known, str(value), False) if known else ())}
        return any((ready.fullmatch(form) if whole else ready.search(form)) is not None for form in forms)

    return test


def _network(text: str, *, inside: bool) -> Test:
    wanted = ip_network(text, strict=False)

    def test(value: Value) -> bool:
        given = str(value)
        for found in {given, *fragments("ipv4", given, False), *fragments("ipv6", given, False)}:
            try:
                net = ip_network(found, strict=False)
            except ValueError:
                continue
            if net.version == wanted.version:
                within: Any = (net, wanted) if inside else (wanted, net)
                if within[0].subnet_of(within[1]):
                    return True
        return False

    return test


def _ordered(operator: str, constant: Constant) -> Test:
    compare: dict[str, Callable[[Any, Any], bool]] = {
        "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    }  # fmt: skip
    hold = compare[operator]
    if isinstance(constant, datetime):
        return lambda value: (found := _moment(value)) is not None and hold(found, constant)
    if isinstance(constant, int | float):
        return lambda value: (found := _number(value)) is not None and hold(found, float(constant))
    return lambda value: hold(str(value), str(constant))


def _number(value: Value) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


@lru_cache(4_096)
def _moment(value: Value) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)

"""Public suffixes: under which names people register theirs ('com', 'co.uk', 'github.io'). The list is the one that
comes with the package `publicsuffixlist`; nothing is fetched.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Suffixes:
    """The list's rules, in lower case and punycode."""

    plain: frozenset[str]  # 'co.uk'
    below: frozenset[str]  # 'ck': every name directly below it is a suffix
    except_: frozenset[str]  # 'www.ck': but these are not


@lru_cache(maxsize=1)
def suffixes() -> Suffixes:
    """All rules: those of registries, and those of hosts that give names away (its 'private' part)."""
    from publicsuffixlist import PSLFILE

    plain, below, except_ = set(), set(), set()
    for line in Path(PSLFILE).read_text("utf-8").splitlines():
        rule = line.strip()
        if not rule or rule.startswith("//"):
            continue
        rule = ascii_name(rule.lower())
        if rule.startswith("!"):
            except_.add(rule[1:])
        elif rule.startswith("*."):
            below.add(rule[2:])
        else:
            plain.add(rule)
    return Suffixes(frozenset(plain), frozenset(below), frozenset(except_))


def ascii_name(name: str) -> str:
    """`name`, its labels that are not ASCII as punycode ('xn--…'). It must be mapped (UTS 46) already."""
    if name.isascii():
        return name
    return ".".join(
        label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii") for label in name.split(".")
    )


def public_suffix(domain: str) -> str:
    """The part of a domain (lower case, punycode) under which people register: 'co.uk' of 'www.a.co.uk'.

    Of a name under no known suffix ('printer.local') the last label.
    """
    rules = suffixes()
    labels = domain.split(".")
    for start in range(len(labels)):
        name = ".".join(labels[start:])
        if name in rules.except_:
            return ".".join(labels[start + 1 :])
        if name in rules.plain or ".".join(labels[start + 1 :]) in rules.below:
            return name
    return labels[-1]


def registrable(domain: str) -> str | None:
    """What was registered: 'a.co.uk' of 'www.a.co.uk'; None of a public suffix itself."""
    suffix = public_suffix(domain)
    if domain == suffix:
        return None
    return domain[: -len(suffix) - 1].rpartition(".")[2] + "." + suffix


def known_tld(domain: str) -> bool:
    """Whether its last label is a top-level domain of the public suffix list: not so of 'x.exe', 'printer.local'."""
    last = domain.rpartition(".")[2]
    return last in suffixes().plain or last in suffixes().below

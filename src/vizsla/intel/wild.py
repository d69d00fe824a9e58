"""Whether what stands in an event is what an indicator names: equal to it, below it, or by its wildcards."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

from vizsla.intel.fragments import Found

WILD = frozenset(
    ("url", "file_name", "file_path", "registry_key", "mutex", "pipe", "service", "process", "user_agent", "account")
)
"""Types whose values may hold * (any text) and ? (one character; not so in URLs)."""


@lru_cache(16_384)
def pattern(type: str, value: str) -> Any:
    """An RE2 pattern for a value with wildcards; None for one without."""
    marks = "*" if type == "url" else "*?"
    plain = value[4:] if type == "url" and value.startswith("*://") else value
    if type not in WILD or not any(mark in plain for mark in marks):
        return None
    import re2

    parts = [".*" if char == "*" else "." if char == "?" and type != "url" else re.escape(char) for char in plain]
    tail = r"(?:\\.*)?" if type == "registry_key" else ""
    head = "[a-z*][a-z0-9+.-]*://" if plain is not value else ""
    options = re2.Options()
    options.dot_nl, options.log_errors = True, False
    return re2.compile(f"{head}{''.join(parts)}{tail}", options)


def standing(type: str, value: str, found: Found) -> str | None:
    """What of these fragments an indicator of this type and value is; None where none is."""
    if value in found:
        return found[value]
    if type == "cidr":
        net = ip_network(value, strict=False)
        return next((text for normal, text in found.items() if ip_address(normal) in net), None)
    if type == "url":
        return _url(value, found)
    wild = pattern(type, value)
    if wild is not None:
        return next((text for normal, text in found.items() if wild.fullmatch(normal)), None)
    if type == "registry_key":
        return next((text for normal, text in found.items() if normal.startswith(value + "\\")), None)
    return None


def _url(value: str, found: Found) -> str | None:
    wild = pattern("url", value)
    for normal, text in found.items():
        for form in dict.fromkeys((normal, normal.partition("?")[0] if "?" not in value else normal)):
            if wild is not None:
                if wild.fullmatch(form):
                    return text
            elif form == value or (
                form.partition("://")[2] == value.partition("://")[2] and "*" in (form[:1], value[:1])
            ):
                return text
    return None

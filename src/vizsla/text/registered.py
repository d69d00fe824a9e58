"""What somebody registered: the label of a domain that was chosen and paid for."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from vizsla.intel.suffix import known_tld

LONGEST = 253  # characters of a domain


@lru_cache(maxsize=1)
def _registries() -> Any:
    """The suffixes of registries alone: below those of hosters ('cloudfront.net') names are given out by machines."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(only_icann=True)


def registered(domain: str) -> str:
    """'example' of 'www.example.co.uk', in lower case; '' of names without a known top-level domain, and of '.arpa'."""
    name = domain.strip().rstrip(".").lower()
    if not name or len(name) > LONGEST or not known_tld(name) or name.endswith(".arpa"):
        return ""
    found = _registries().privatesuffix(name)
    return str(found).partition(".")[0] if found else ""

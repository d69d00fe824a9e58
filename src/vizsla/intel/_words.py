"""The lists of `extract.yaml`."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

from vizsla.declared import from_yaml


@lru_cache(maxsize=1)
def _lists() -> dict[str, frozenset[str]]:
    content = from_yaml(resources.files("vizsla.intel").joinpath("extract.yaml").read_text("utf-8"))
    return {name: frozenset(str(word) for word in words) for name, words in content.items()}


def word_list(name: str) -> frozenset[str]:
    """The words of a list, in lower case."""
    return _lists()[name]

"""What stands in `sources/*.yaml`: mapped sources, and what goes with a source written in Python.

Every file may hold `verified` (what stands behind the format), `views` (by view, the tables that fill it), `rarity`
(by table, what is compared) and a `sample`, so that a new format is one file, or two where it needs code.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from vizsla.declared import from_yaml


@cache
def _loaded() -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    found: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    for file in sorted(files("vizsla.sources").iterdir(), key=lambda f: f.name):
        name, dot, ending = file.name.rpartition(".")
        if not dot or ending != "yaml" or name.startswith("_"):
            continue
        try:
            content = from_yaml(file.read_text("utf-8"))
        except yaml.YAMLError as error:
            failed[file.name] = f"no YAML: {error}"
            continue
        if isinstance(content, dict):
            found[name] = content
        else:
            failed[file.name] = "no mapping of keys to values: see sources/_template.yaml"
    return found, failed


def declared() -> dict[str, dict[str, Any]]:
    """All declarations by the source's name, which is the file's."""
    return _loaded()[0]


def failures() -> dict[str, str]:
    """Files that declare nothing, and why."""
    return dict(_loaded()[1])


def verified(name: str) -> str:
    """What stands behind a source's understanding of its format, in a sentence; '' where nothing does."""
    return str(declared().get(name, {}).get("verified") or "")


def samples() -> dict[str, bytes]:
    """By source, a small made-up log in its format: what the contract tests read."""
    return {name: str(content["sample"]).encode() for name, content in declared().items() if content.get("sample")}


def view_tables(view: str) -> Mapping[str, Any]:
    """The tables that sources say fill a view: as `tables` of the view's own file."""
    return {
        table: spec
        for content in declared().values()
        for table, spec in (content.get("views") or {}).get(view, {}).items()
    }


def rarity_tables() -> Mapping[str, Any]:
    """What rarity compares in sources' tables: as `tables` of rarity's own file."""
    return {table: spec for content in declared().values() for table, spec in (content.get("rarity") or {}).items()}

"""What Vizsla declares in YAML beside its code: tables of fields, views, techniques, weights."""

from __future__ import annotations

from typing import Any

import yaml

# The C loader is ten times as fast, and every start reads some thousand lines; it is missing in some builds.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def from_yaml(text: str) -> Any:
    """YAML text as plain data. Raises yaml.YAMLError where it is none; builds no objects, runs nothing."""
    return yaml.load(text, Loader=_LOADER)  # noqa: S506  (both loaders are the safe ones)

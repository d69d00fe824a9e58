"""Credentials masked in a whole result: every text of every finding goes through `mask_credentials`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TypeVar

from vizsla.nouns import HuntResult, Reason
from vizsla.safe import MASK, mask_credentials

T = TypeVar("T")
_NEVER = frozenset({"id", "pattern_id", "key", "parent", "tier", "table", "query_id", "code"})  # ours, and joined on
# Fields whose whole value is a secret, whatever it looks like.
_SECRET_FIELDS = ("password", "passwd", "pwd", "secret", "apikey", "privatekey", "credential")


def redacted(noun: T) -> T:
    """A finding, or any part of one, with its credentials masked."""
    return _masked(noun)


def redacted_result(result: HuntResult) -> HuntResult:
    """The result with the credentials of its findings masked."""
    return dataclasses.replace(result, findings=tuple(redacted(f) for f in result.findings))


def _masked(value: T) -> T:
    """`value` with every string in it masked, however deep."""
    if isinstance(value, str):
        return mask_credentials(value)  # type: ignore[return-value]
    if isinstance(value, tuple):
        return tuple(_masked(v) for v in value)  # type: ignore[return-value]
    if isinstance(value, list):
        return [_masked(v) for v in value]  # type: ignore[return-value]
    if isinstance(value, Mapping):
        return {k: _secret(str(k), v) for k, v in value.items()}  # type: ignore[return-value]
    if isinstance(value, Reason) and tells_a_secret(value.field):
        return dataclasses.replace(value, value=MASK, raw=MASK, usual=(), text="")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {f.name: _masked(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name not in _NEVER}
        return dataclasses.replace(value, **changes)
    return value


def _secret(key: str, value: object) -> object:
    if isinstance(value, str) and value and tells_a_secret(key):
        return MASK
    return _masked(value)


def tells_a_secret(field: str) -> bool:
    """Whether a field holds a secret whatever its value looks like, by its name."""
    return field.lower().replace("_", "").replace("-", "").endswith(_SECRET_FIELDS)

"""What is known and can be looked for in a hunt: rules and indicators, those named and those that the lake keeps."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from vizsla.hunt.known import Known
from vizsla.lake import Lake


def knowledge(
    lake: Lake, asked: Collection[str], *, rules: Sequence[str] = (), intel: Sequence[str] = (), kept: bool = True
) -> list[Known]:
    """Of each analytic asked that needs such knowledge, what there is of it; none where there is none."""
    return []

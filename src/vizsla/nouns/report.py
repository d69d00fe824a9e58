"""What a run read, stored, refused and could not do: printed at the end of every run."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Reading:
    """One file's account. records = stored + known + rejected, always."""

    path: str
    source: str
    records: int = 0
    stored: int = 0
    known: int = 0
    rejected: int = 0
    damaged: str = ""  # why reading stopped early, where it did


@dataclass(frozen=True, slots=True)
class Unable:
    """An analytic that could not run, and what it lacks."""

    analytic: str
    missing: str


@dataclass(slots=True)
class RunReport:
    """The honest end of a run. `rejections` counts by (log, reason); `examples` names the first places of each."""

    readings: list[Reading] = field(default_factory=list)
    unknown_files: list[tuple[str, str]] = field(default_factory=list)  # (path, why)
    rejections: dict[tuple[str, str], int] = field(default_factory=dict)
    examples: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    tables: dict[str, int] = field(default_factory=dict)  # events hunted, per table
    empty_views: list[str] = field(default_factory=list)
    unable: list[Unable] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def damaged(self) -> bool:
        """Whether a recognised file was damaged (exit code 3)."""
        return any(r.rejected or r.damaged for r in self.readings)

"""One root error. Every error says what happened, where, and what to do about it."""

from __future__ import annotations


class VizslaError(Exception):
    """The root of all errors that Vizsla raises on purpose.

    `what` happened, `where` (a file, a record, a setting), and `fix`: what the reader can do.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.fix = what, where, fix

    def __str__(self) -> str:
        from vizsla.safe import visible  # only where an error is shown

        place = f" ({visible(self.where)})" if self.where else ""
        advice = f"\n  what to do: {visible(self.fix)}" if self.fix else ""
        return f"{visible(self.what)}{place}{advice}"


class UsageError(VizslaError):
    """An argument, an option or a setting that cannot be meant."""


class SourceError(VizslaError):
    """A log file that cannot be opened or read at all. A damaged record is no error: it is a `Rejected`."""


class LakeError(VizslaError):
    """A lake that is missing, in use, damaged, or written by a newer Vizsla."""


class EngineError(VizslaError):
    """An engine that is not installed, not reachable, or of another version than this one."""


class BaselineError(VizslaError):
    """A baseline that is missing, damaged or too small for what was asked of it."""


class ViewError(VizslaError):
    """A view or mapping that is unknown or does not say what it must."""


class AnalyticError(VizslaError):
    """An analytic that breaks its contract: what it yields, what it learns, or its name."""


class StoreError(VizslaError):
    """A live store that cannot be reached, or does not answer as it must."""


class RuleError(VizslaError):
    """Rules that cannot be read at all. One rule that cannot be used is listed, and the others are."""


class FeedError(VizslaError):
    """Intelligence that cannot be read or fetched as a whole. What of it cannot be used comes as `Refused`."""

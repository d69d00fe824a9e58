"""The contract of an outlier detector: it is fitted on a matrix, and says how unusual each row of another is.

Implementations stand in `detectors/`, one file each, registered by being there. A detector is its parameters; what
it has fitted holds no more than it needs to score, and is never saved: a saved model is the training matrix, the
parameters and the seed, fitted again when it is loaded (see `model.py`).

Matrices are float64, finite, a row per thing looked at. Columns come standardised (see `features.py`): mean near 0
and variance at most 1 on the training rows, so that distances mean something. No detector takes a contamination
parameter: nobody knows how many outliers there are.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from vizsla.errors import UsageError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
CHUNK = 4_000_000  # distances held at once: 32 MB


class Fitted(Protocol):
    """What was fitted."""

    def score(self, rows: Floats) -> Floats:
        """How unusual each row is: (n, d) to (n,), finite, higher is more unusual, on any scale.

        A row's score depends on that row alone, not on the others scored with it. A row that was trained on is
        not vouched for by its own copy.
        """
        ...


@runtime_checkable
class Explained(Protocol):
    """A fitted detector whose score is a sum over columns."""

    def parts(self, rows: Floats) -> Floats:
        """What each column adds: (n, d) to (n, d); the rows' sums are their scores."""
        ...


class Summed:
    """What was fitted, of which every score is the sum of its parts: what explains it cannot differ from it."""

    __slots__ = ()

    def parts(self, rows: Floats) -> Floats:
        """What each column adds: (n, d) to (n, d)."""
        raise NotImplementedError

    def score(self, rows: Floats) -> Floats:
        """The sums of the rows' parts."""
        scores: Floats = self.parts(rows).sum(axis=1)
        return scores


@runtime_checkable
class Stepped(Protocol):
    """A detector that must know how many rows a window has: its rows are windows, (n, steps x d), the oldest first."""

    @property
    def steps(self) -> int:
        """Rows of a window; set when the window is known."""
        ...


@runtime_checkable
class Detector(Protocol):
    """A frozen dataclass of parameters, with defaults for all of them; they are plain data."""

    name: ClassVar[str]
    doc: ClassVar[str]

    def fit(self, rows: Floats, seed: int) -> Fitted:
        """Fitted on training rows (n, d) with n >= 2; the same rows and seed give the same."""
        ...


def parameters(detector: Detector) -> dict[str, Any]:
    """A detector's parameters as plain data."""
    return asdict(detector)  # type: ignore[call-overload,no-any-return]


def with_parameters(kind: type[Detector], given: dict[str, Any]) -> Detector:
    """A detector of a kind with these parameters. Raises UsageError where it has no such parameter."""
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    unknown = [name for name in given if name not in known]
    if unknown:
        has = ", ".join(known) or "none"
        raise UsageError(f"{kind.name} has no parameter {unknown[0]!r}", where=kind.name, fix=f"its parameters: {has}")
    return kind(**given)


def distances(rows: Floats, others: Floats) -> Floats:
    """Euclidean distances: (n, d) and (m, d) to (n, m). Equal rows are at exactly 0."""
    squares = (rows * rows).sum(axis=1)[:, None] + (others * others).sum(axis=1)[None, :]
    far = squares - 2.0 * (rows @ others.T)
    # What is left of two large squares is rounding error: below that, equal.
    np.copyto(far, 0.0, where=far <= squares * 1e-13)
    found: Floats = np.sqrt(far)
    return found


def chunks(n: int, width: int) -> list[slice]:
    """Slices of n rows such that a row times `width` numbers fit into what is held at once."""
    step = max(1, CHUNK // max(1, width))
    return [slice(start, min(n, start + step)) for start in range(0, n, step)]


def drawn(n: int, most: int, seed: int) -> Ints:
    """At most `most` of n rows, without replacement, ascending."""
    if n <= most:
        return np.arange(n, dtype=np.int64)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False)).astype(np.int64)

"""Runs the analytics that others write: learns, calibrates, finds, and says of each that could not run why.

An analytic's scores mean nothing by themselves. So the days are cut into two halves; each half is judged by what was
learnt on the other, and those scores are the reference that a hunt's scores are held against (cross-conformal).
What is used for hunting is learnt on all days. An analytic that fails is listed with its error; the hunt goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytic import OBSERVED, Analytic, Builtin, State, lacking
from vizsla.analytics.rarity.model import HOURS_A_DAY, Counted
from vizsla.analytics.rarity.reference import Columns
from vizsla.analytics.rarity.tally import DAY, sampled
from vizsla.baseline.states import Calibrated, checked
from vizsla.calibration import Tail
from vizsla.engine import Engine
from vizsla.errors import AnalyticError
from vizsla.hunt.scope import Progress
from vizsla.lake import Scan
from vizsla.nouns import Unable
from vizsla.nouns.event import TIME
from vizsla.triage.observed import SCORE, Observed, believable, host_codes, observations, together, units_of

SHORT = "events on two days or more, to learn on one half and calibrate on the other"
ADVICE = "docs/analytics.md says what an analytic yields"
AGAIN = "a place in the baseline: learn again, with it installed and from two days or more"


@dataclass(frozen=True, slots=True)
class Seen:
    """What analytics learnt (by name) and observed, and those that could not run."""

    learnt: Mapping[str, Calibrated] = field(default_factory=dict)
    observed: Observed = field(default_factory=Observed)
    unable: tuple[Unable, ...] = ()

    @property
    def tails(self) -> dict[str, Tail]:
        """The reference scores of each analytic."""
        return {name: found.tail for name, found in self.learnt.items()}

    def beside(self, more: Sequence[Observed]) -> Seen:
        """With more observations, such as hits."""
        return replace(self, observed=together([self.observed, *more])) if more else self


def middle(heard: Mapping[str, Columns]) -> datetime | None:
    """The midnight that cuts the days with events into halves; None where there is one day only."""
    hours = [columns["hour"][columns["hour"] >= 0] for columns in heard.values()]
    days = np.unique(np.concatenate(hours) // HOURS_A_DAY) if hours else np.zeros(0, np.int64)
    return datetime.fromtimestamp(int(days[len(days) // 2]) * DAY / 1e6, UTC) if len(days) > 1 else None


def learn(
    engine: Engine,
    scans: Sequence[Scan],
    asked: Mapping[str, Analytic | Builtin],
    found: Counted,
    progress: Progress | None = None,
) -> Seen:
    """Every analytic learnt on these scans, and what it observed on them with what it learnt elsewhere."""
    edge = middle(found.heard)

    def one(name: str, analytic: Analytic) -> tuple[Calibrated, Observed]:
        if edge is None:
            raise _Lacking(SHORT)
        table = _crossed(engine, scans, analytic, edge, found.sample.share)
        timed, _ = believable(table)
        scores = [units[SCORE] for units in units_of(name, timed).values()] if len(timed) else [np.zeros(0)]
        tail = Tail.of(np.concatenate(scores))
        state = checked(name, analytic.learn(engine, scans))
        return Calibrated(analytic.family, state, tail), observations(name, table, tail)

    return _each(asked, scans, one, progress)


def find(
    engine: Engine,
    scans: Sequence[Scan],
    asked: Mapping[str, Analytic | Builtin],
    learnt: Mapping[str, Calibrated],
    progress: Progress | None = None,
) -> Seen:
    """What every analytic observes in these scans by what it learnt before."""

    def one(name: str, analytic: Analytic) -> tuple[Calibrated, Observed]:
        known = learnt.get(name)
        if known is None or known.family != analytic.family:
            raise _Lacking(AGAIN)
        return known, observations(name, observe(engine, scans, analytic, known.state), known.tail)

    return _each(asked, scans, one, progress)


class _Lacking(Exception):
    """Why an analytic cannot run on what is there."""


def _each(
    asked: Mapping[str, Analytic | Builtin],
    scans: Sequence[Scan],
    one: Callable[[str, Analytic], tuple[Calibrated, Observed]],
    progress: Progress | None,
) -> Seen:
    """`one` of every analytic that others wrote; what any of them raises is told, and stops none of the others."""
    learnt: dict[str, Calibrated] = {}
    parts: list[Observed] = []
    unable: list[Unable] = []
    for name, analytic in asked.items():
        if isinstance(analytic, Builtin):
            continue
        if progress:
            progress(0, 0, name)
        missing = lacking(analytic.needs, scans)
        try:
            if missing:
                raise _Lacking(missing)
            learnt[name], part = one(name, analytic)
            parts.append(part)
        except _Lacking as error:
            unable.append(Unable(name, str(error)))
        except Exception as error:  # noqa: BLE001  (a plug-in's own mistake: told in the report)
            unable.append(Unable(name, f"working code: {type(error).__name__}: {error}"))
    return Seen(learnt, together(parts), tuple(unable))


def _crossed(engine: Engine, scans: Sequence[Scan], analytic: Analytic, edge: datetime, share: float) -> pa.Table:
    """Observations of either half by what was learnt on the other, of the host-days in the sample."""
    early = [replace(scan, until=min(edge, scan.until or edge)) for scan in scans]
    late = [replace(scan, since=max(edge, scan.since or edge)) for scan in scans]
    tables = [
        observe(engine, half, analytic, checked(analytic.name, analytic.learn(engine, other)))
        for half, other in ((early, late), (late, early))
    ]
    table = pa.concat_tables(tables)
    if share >= 1 or not len(table):
        return table
    days = pc.fill_null(table[TIME].cast(pa.int64()), 0).to_numpy() // DAY
    return table.filter(pa.array(sampled(host_codes(table), days, share)))


def observe(engine: Engine, scans: Sequence[Scan], analytic: Analytic, state: State | None) -> pa.Table:
    """All that an analytic finds. Raises AnalyticError where it breaks its schema."""
    batches = []
    for batch in analytic.find(engine, scans, state):
        if not isinstance(batch, pa.RecordBatch) or not batch.schema.equals(OBSERVED):
            raise AnalyticError("what it finds is no batch of OBSERVED", where=analytic.name, fix=ADVICE)
        for name in (f.name for f in OBSERVED if not f.nullable):
            if batch.column(name).null_count:
                raise AnalyticError(f"an observation without {name}", where=analytic.name, fix=ADVICE)
        if not pc.all(pc.is_finite(batch.column(SCORE)), min_count=0).as_py():
            raise AnalyticError("a score that is no finite number", where=analytic.name, fix=ADVICE)
        batches.append(batch)
    return pa.Table.from_batches(batches, OBSERVED)

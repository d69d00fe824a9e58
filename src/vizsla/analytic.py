"""The contract of an analytic: anything that turns events into evidence. Implementations stand in `analytics/`.

An author writes what is looked at (`needs`), what is normal (`learn`) and how unusual each thing is (`find`), on a
scale of their own. The framework does the rest: it keeps the state as data, turns scores into p-values and bits by
learning on one half of the baseline's days and finding on the other, ties observations to their episodes, ranks,
explains and fetches events. See docs/analytics.md, and `analytics/_template.py`, which runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import pyarrow as pa

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan

State = Mapping[str, Any]
"""What an analytic has learnt, as plain data: by name, numbers, strings, lists and dicts of these, or Arrow tables."""

OBSERVED = pa.schema([
    pa.field("_host", pa.string()),
    pa.field("_time", pa.timestamp("us", tz="UTC")),  # without a time it is counted, but in no finding
    pa.field("kind", pa.string(), nullable=False),  # the kind of event, as relevance.yaml has it: 'windows_sysmon:1'
    pa.field("pattern", pa.string(), nullable=False),  # equal for the same behaviour, on whichever host
    # What ties it to its episode, the first that is known: its process, its logon session, its connection pair.
    pa.field("process_guid", pa.string()),
    pa.field("pid", pa.string()),
    pa.field("logon_id", pa.string()),
    pa.field("source", pa.string()),
    pa.field("destination", pa.string()),
    pa.field("score", pa.float64(), nullable=False),  # higher is more unusual, on any scale
    pa.field("n", pa.int64(), nullable=False),  # events
    pa.field("why", pa.string(), nullable=False),  # one sentence for a reader, with the numbers it rests on
    pa.field("event_ids", pa.list_(pa.string()), nullable=False),  # `_id` of the first few of them
    # JSON of what to draw, as a file in charts/pictures/ has it: {"chart": "series", …}; of what is unusual alone.
    pa.field("picture", pa.string()),
])  # fmt: skip
"""The columns of what `find` yields."""


@dataclass(frozen=True, slots=True)
class Need:
    """Views or tables, any one of which will do if it has all of `fields` (ECS names of a view, columns of a table)."""

    any_of: tuple[str, ...]
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        what = " or ".join(self.any_of)
        return f"{what} with {', '.join(self.fields)}" if self.fields else what


class Described(Protocol):
    """What everything in the registry says of itself."""

    @property
    def name(self) -> str:
        """How a user names it: an identifier in lower case."""
        ...

    @property
    def family(self) -> str:
        """What it is evidence of: within ten minutes of an episode only the strongest of a family counts.

        '*': of what the event behind each observation is evidence of.
        """
        ...

    @property
    def unit(self) -> str:
        """What is scored: 'an event', or a key and a window in words."""
        ...

    @property
    def doc(self) -> str:
        """One sentence, shown by `vizsla doctor`."""
        ...

    @property
    def needs(self) -> tuple[Need, ...]:
        """What it cannot do without; all of these."""
        ...


@dataclass(frozen=True, slots=True)
class Builtin:
    """An analytic that the hunt runs in a way of its own (`rarity`, in one pass over all events).

    `hits`: it names events that something known met (a rule, an indicator), and its strength is in bits already.
    """

    name: str
    family: str
    unit: str
    doc: str
    needs: tuple[Need, ...] = ()
    hits: bool = False


@runtime_checkable
class Analytic(Described, Protocol):
    """Learns what is normal, and says how unusual things are.

    It holds nothing between calls. Over whole units the order and the batching of events change no score, and
    finding changes no state.
    """

    def learn(self, engine: Engine, scans: Sequence[Scan]) -> State | None:
        """What is normal in these scans, as plain data; None where there is nothing to learn."""
        ...

    def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
        """Batches of OBSERVED: every unit that was looked at, the usual ones too, since they say what is unusual."""
        ...


def observed(columns: Mapping[str, Any]) -> pa.RecordBatch:
    """A batch of OBSERVED from lists or arrays of one length; columns that may be null may be left out."""
    size = len(columns["kind"])
    unknown = sorted(set(columns) - set(OBSERVED.names))
    if unknown:
        raise ValueError(f"no column of observations: {', '.join(unknown)}")
    arrays = []
    for field in OBSERVED:
        if field.name not in columns and field.nullable:
            arrays.append(pa.nulls(size, field.type))
            continue
        values = columns[field.name]
        values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        arrays.append(values.cast(field.type) if isinstance(values, pa.Array) else pa.array(values, field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=OBSERVED)


def lacking(needs: Sequence[Need], scans: Sequence[Scan]) -> str:
    """What these scans lack of what is needed, in words; '' where nothing."""
    columns = {scan.table: frozenset(scan.schema.names) for scan in scans}
    return "; ".join(str(need) for need in needs if not any(_has(name, need.fields, columns) for name in need.any_of))


def _has(name: str, fields: Sequence[str], columns: Mapping[str, frozenset[str]]) -> bool:
    """Whether a table has all the columns, or some table of a view can fill all the fields."""
    from vizsla.view import OURS, views
    from vizsla.views.grammar import columns as read_by

    if name in columns:
        return columns[name].issuperset(fields)
    view = views().get(name)
    if view is None:
        return False
    for table in view.among(columns):
        trees = [(field, tree) for mapping in view.of(table) for field, tree in mapping.fields.items()]
        filled = {field for field, tree in trees if not read_by(tree) or columns[table] & set(read_by(tree))}
        if filled.union(OURS).issuperset(fields):
            return True
    return False

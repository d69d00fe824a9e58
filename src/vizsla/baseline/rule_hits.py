"""What rules met in the events that a baseline was learnt from: kept, so that an update looks at new events only.

hits/ties.parquet    what each met, by host, ten minutes and episode
hits/parts.parquet   the events that correlations put together, as HITS
hits/said.json       what was looked for, from when on, and the texts behind the codes

What correlations make of several events is not kept: it is made anew of the parts, which may lie on both sides of an
update.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vizsla.analytics.rarity.encode import U64, code_of, mixed
from vizsla.analytics.rarity.reference import Columns
from vizsla.analytics.rarity.tally import SLICE, chosen_of
from vizsla.errors import BaselineError
from vizsla.hit import HITS
from vizsla.nouns.event import TIME
from vizsla.triage.observed import host_codes

ROOM = "hits"


@dataclass(frozen=True, slots=True)
class RuleHits:
    """What rules met. `asked`: by rule, all that decides what is kept of its hits; `answered`: those that some table
    could answer.

    `ties` as `triage.known` makes them ({}: none), `names` the ids and hosts behind their codes. `since`: what was
    before was not looked at.
    """

    asked: Mapping[str, str] = field(default_factory=dict)
    answered: frozenset[str] = frozenset()
    since: datetime | None = None
    ties: Columns = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)
    kinds: frozenset[str] = frozenset()
    parts: pa.Table = field(default_factory=HITS.empty_table)

    def left(self, rules: Collection[str], since: datetime | None, held: Collection[tuple[str, int]]) -> RuleHits:
        """Those of these rules, from `since` on, outside the hosts and ten minutes `held`."""
        asked = {rule: told for rule, told in self.asked.items() if rule in rules}
        first = int(since.timestamp() * 1e6) if since else None
        taken = _places(
            np.array([code_of(host) for host, _ in held], dtype=np.uint64),
            np.array([number for _, number in held], dtype=np.int64),
        )
        ties = dict(self.ties)
        if ties:
            wanted = np.array([code_of(rule) for rule in asked], dtype=np.uint64)
            keep = np.isin(ties["pattern"], wanted) & _stays(ties["host"], ties["time"], first, taken)
            ties = chosen_of(ties, np.flatnonzero(keep))
        times = self.parts[TIME].cast(pa.int64()).to_numpy()
        own = pc.is_in(self.parts["by"], pa.array(sorted(asked), pa.string())).to_numpy()
        parts = self.parts.filter(pa.array(own & _stays(host_codes(self.parts), times, first, taken)))
        return RuleHits(asked, self.answered & asked.keys(), since, ties, self.names, self.kinds, parts)


def _places(host: U64, number: npt.NDArray[np.int64]) -> U64:
    return mixed(host, number.astype(np.uint64))


def _stays(host: U64, times: npt.NDArray[np.int64], first: int | None, taken: U64) -> npt.NDArray[np.bool_]:
    keep = np.ones(len(times), dtype=bool) if first is None else times >= first
    return keep & ~np.isin(_places(host, times // SLICE), taken) if len(taken) else keep


def write(folder: Path, hits: RuleHits) -> None:
    """Below a version's folder."""
    home = folder / ROOM
    home.mkdir()
    if hits.ties:
        pq.write_table(pa.table(dict(hits.ties)), home / "ties.parquet", compression="zstd")
    pq.write_table(hits.parts, home / "parts.parquet", compression="zstd")
    said = {
        "asked": dict(hits.asked),
        "answered": sorted(hits.answered),
        "since": hits.since and hits.since.isoformat(),
        "kinds": sorted(hits.kinds),
        "names": {str(code): text for code, text in sorted(hits.names.items())},
    }
    (home / "said.json").write_text(json.dumps(said), encoding="utf-8")


def read(folder: Path) -> RuleHits:
    """From a version's folder; nothing where an earlier Vizsla wrote it. Raises BaselineError where it is damaged."""
    home = folder / ROOM
    if not home.is_dir():
        return RuleHits()
    try:
        said = json.loads((home / "said.json").read_text(encoding="utf-8"))
        ties: dict[str, np.ndarray] = {}
        if (home / "ties.parquet").exists():
            table = pq.read_table(home / "ties.parquet")
            ties = {name: table[name].to_numpy() for name in table.column_names}
        return RuleHits(
            {str(rule): str(told) for rule, told in said["asked"].items()},
            frozenset(map(str, said["answered"])),
            datetime.fromisoformat(said["since"]) if said["since"] else None,
            ties,
            {int(code): str(text) for code, text in said["names"].items()},
            frozenset(map(str, said["kinds"])),
            pq.read_table(home / "parts.parquet").select(HITS.names).cast(HITS),
        )
    except (OSError, pa.ArrowException, LookupError, TypeError, ValueError, AttributeError) as error:
        raise BaselineError(f"damaged: {type(error).__name__}, {error}", where=str(home), fix="learn it anew") from None

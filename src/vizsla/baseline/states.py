"""What analytics learnt, in a baseline's folder: JSON and Parquet, nothing that could run.

analytics/NAME/state.json      what it learnt, and under `tables` which of its parts are tables; `family`
analytics/NAME/KEY.parquet     a part that is a table
analytics/NAME/tail.parquet    n, score, at_least: its scores on days that it had not learnt from
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vizsla.analytic import State
from vizsla.calibration import Tail
from vizsla.errors import AnalyticError, BaselineError

ROOM = "analytics"
ADVICE = "docs/analytics.md says what an analytic may learn"
_OURS = frozenset(("state", "tail"))


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What an analytic learnt, and the scores that it gave to what it had not learnt from."""

    family: str
    state: State | None
    tail: Tail


def checked(name: str, state: object) -> State | None:
    """The state if it is plain data: what is loaded again is then what was saved. Raises AnalyticError."""
    if state is None:
        return None
    if not isinstance(state, dict) or not all(isinstance(key, str) and key.isidentifier() for key in state):
        raise AnalyticError("what it learnt is no dict with identifiers as keys", where=name, fix=ADVICE)
    for key, value in state.items():
        if key in _OURS:
            raise AnalyticError(f"{key!r} is a name of ours", where=name, fix="choose another key")
        if not isinstance(value, pa.Table):
            _plain(value, f"{name}, {key}")
    return state


def _plain(value: object, where: str) -> None:
    if value is None or type(value) in (bool, int, float, str):
        return
    if type(value) is list:
        for item in value:
            _plain(item, where)
    elif type(value) is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise AnalyticError(f"a dict's key is {type(key).__name__}", where=where, fix="keys are strings")
            _plain(item, where)
    else:
        raise AnalyticError(
            f"what it learnt holds a {type(value).__name__}",
            where=where,
            fix="numbers, strings, lists, dicts and Arrow tables are kept",
        )


def write(folder: Path, learnt: Mapping[str, Calibrated]) -> None:
    """All of it below a baseline's folder."""
    for name, found in learnt.items():
        home = folder / ROOM / name
        home.mkdir(parents=True)
        state = None if found.state is None else dict(found.state)
        tables = {key: value for key, value in (state or {}).items() if isinstance(value, pa.Table)}
        plain = None if state is None else {key: value for key, value in state.items() if key not in tables}
        said = {"family": found.family, "state": plain, "tables": sorted(tables)}
        (home / "state.json").write_text(json.dumps(said, indent=1), encoding="utf-8")
        for key, table in tables.items():
            pq.write_table(table, home / f"{key}.parquet", compression="zstd")
        tail = pa.table({"score": found.tail.scores, "at_least": found.tail.at_least})
        tail = tail.replace_schema_metadata({"n": str(found.tail.n)})
        pq.write_table(tail, home / "tail.parquet", compression="zstd")


def read(folder: Path) -> dict[str, Calibrated]:
    """What analytics learnt, by name; none where none was. Raises BaselineError where it is damaged."""
    home = folder / ROOM
    if not home.is_dir():
        return {}
    return {place.name: _read(place) for place in sorted(home.iterdir()) if place.is_dir()}


def _read(home: Path) -> Calibrated:
    try:
        said: dict[str, Any] = json.loads((home / "state.json").read_text(encoding="utf-8"))
        state = said["state"]
        if state is not None:
            state |= {key: pq.read_table(home / f"{_named(key)}.parquet") for key in said["tables"]}
        tail = pq.read_table(home / "tail.parquet")
        scores, at_least = tail["score"].to_numpy(), tail["at_least"].to_numpy()
        return Calibrated(said["family"], state, Tail(scores, at_least, int(tail.schema.metadata[b"n"])))
    except (OSError, pa.ArrowException, LookupError, TypeError, ValueError) as error:
        raise BaselineError(f"damaged: {type(error).__name__}, {error}", where=str(home), fix="learn it anew") from None


def _named(key: str) -> str:
    if not key.isidentifier():
        raise ValueError(f"{key!r} is no part of a state")
    return key

"""A baseline on disk: Parquet and JSON, nothing that could run.

meta.json     format, version, span, hosts, host-days, how often new types of event come
counts.parquet  kind, field, actor, value, units, events, first, last, hosts
kinds.parquet   kind, units, events, hosts
words.parquet   code, word
tails.parquet   what ('kind', 'pool', 'family', 'families'), name, n, scores, at_least
replay.parquet  bits, surprisal of the replayed findings
tally/          what it was counted from, so that it can grow: see `growth`; since format 2
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vizsla import __version__
from vizsla.analytics.rarity.model import Model, Newness
from vizsla.analytics.rarity.reference import FieldCounts, KindCounts
from vizsla.calibration import Tail
from vizsla.errors import BaselineError
from vizsla.triage.episode import FamilyTails
from vizsla.triage.replay import Replay

FORMAT = 2
READABLE = (1, FORMAT)  # of format 1 hunts are as before; an update learns it anew


def write(folder: Path, model: Model, replay: Replay, meta: Mapping[str, Any]) -> None:
    """Everything into a folder that is there and empty; meta.json last, so that half a baseline is none."""
    rows = [(kind, name, counts.table()) for kind, k in model.kinds.items() for name, counts in k.fields.items()]
    tables = [
        t.append_column("kind", _repeated(kind, len(t))).append_column("field", _repeated(name, len(t)))
        for kind, name, t in rows
    ]
    if tables:
        pq.write_table(pa.concat_tables(tables), folder / "counts.parquet", compression="zstd")
    kinds = list(model.kinds.values())
    _save(folder / "kinds.parquet", {
        "kind": pa.array([k.kind for k in kinds], pa.string()), "units": pa.array([k.units for k in kinds], pa.int64()),
        "events": pa.array([k.events for k in kinds], pa.int64()),
        "hosts": pa.array([k.hosts for k in kinds], pa.list_(pa.uint64())),
    })  # fmt: skip
    _save(folder / "words.parquet", {
        "code": pa.array(np.fromiter(model.words.keys(), np.uint64, len(model.words))),
        "word": pa.array(list(model.words.values()), pa.string()),
    })  # fmt: skip
    tails = [("kind", name, t) for name, t in model.tails.items()] + [("pool", "", model.pool)]
    tails += [("family", name, t) for name, t in replay.tails.own.items()] + [("families", "", replay.tails.pool)]
    _save(folder / "tails.parquet", {
        "what": pa.array([w for w, _, _ in tails]), "name": pa.array([n for _, n, _ in tails]),
        "n": pa.array([t.n for _, _, t in tails]), "scores": pa.array([t.scores for _, _, t in tails]),
        "at_least": pa.array([t.at_least for _, _, t in tails]),
    })  # fmt: skip
    _save(folder / "replay.parquet", {"bits": pa.array(replay.bits), "surprisal": pa.array(replay.surprisal)})
    whole = {
        "format": FORMAT,
        **meta,
        "host_days": model.host_days,
        "past": dict(model.past),
        "hosts": model.hosts,
        "first": model.first,
        "last": model.last,
        "events": model.events,
        "replayed_host_days": replay.host_days,
        "newness": {name: [n.new, n.units] for name, n in model.newness.items()},
    }
    (folder / "meta.json").write_text(json.dumps(whole, indent=1), encoding="utf-8")


def meta(folder: Path) -> dict[str, Any]:
    """What a baseline says of itself. Raises BaselineError where there is none, or of a newer format."""
    try:
        found: dict[str, Any] = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BaselineError("there is no baseline here", where=str(folder), fix="vizsla learn PATH makes one") from None
    except ValueError as error:
        raise BaselineError(f"damaged: {error}", where=str(folder / "meta.json"), fix="learn it anew") from None
    if not isinstance(found, dict):
        raise BaselineError("damaged: it says nothing", where=str(folder / "meta.json"), fix="learn it anew")
    format = found.get("format")
    if type(format) is not int or format not in READABLE:
        newer = type(format) is int and format > FORMAT
        raise BaselineError(
            f"it has format {format}, and this Vizsla ({__version__}) reads {READABLE[0]} to {READABLE[-1]}",
            where=str(folder),
            fix=("upgrade Vizsla (pip install --upgrade vizsla), or " if newer else "") + "learn it anew",
        )
    return found


def read(folder: Path) -> tuple[Model, Replay, dict[str, Any]]:
    """The baseline in a folder. Raises BaselineError where it is missing or damaged."""
    said = meta(folder)
    try:
        model, replay = _read(folder, said)
        _ = said["name"], said["version"], said["made"]
    except (OSError, pa.ArrowException, AttributeError, LookupError, TypeError, ValueError) as error:
        raise BaselineError(
            f"damaged: {type(error).__name__}, {error}", where=str(folder), fix="learn it anew"
        ) from None
    return model, replay, said


def _read(folder: Path, said: Mapping[str, Any]) -> tuple[Model, Replay]:
    words = pq.read_table(folder / "words.parquet")
    kinds = _kinds(folder)
    tails = pq.read_table(folder / "tails.parquet").to_pylist()
    replayed = pq.read_table(folder / "replay.parquet")
    by: dict[str, dict[str, Tail]] = {"kind": {}, "pool": {}, "family": {}, "families": {}}
    for row in tails:
        by[row["what"]][row["name"]] = Tail(np.array(row["scores"]), np.array(row["at_least"]), row["n"])
    model = Model(
        kinds=kinds,
        words=dict(zip(words["code"].to_pylist(), words["word"].to_pylist(), strict=True)),
        tails=by["kind"],
        pool=by["pool"][""],
        newness={name: Newness(*pair) for name, pair in said["newness"].items()},
        host_days=said["host_days"],
        hosts=said["hosts"],
        first=said["first"],
        last=said["last"],
        events=said["events"],
        past=said["past"],
    )
    families = FamilyTails(by["family"], by["families"][""])
    bits, surprisal = replayed["bits"].to_numpy(), replayed["surprisal"].to_numpy()
    return model, Replay(families, bits, surprisal, said["replayed_host_days"])


def _kinds(folder: Path) -> dict[str, KindCounts]:
    listed = pq.read_table(folder / "kinds.parquet").to_pylist()
    fields: dict[str, dict[str, FieldCounts]] = {row["kind"]: {} for row in listed}
    if listed:
        counts = pq.read_table(folder / "counts.parquet", read_dictionary=["kind", "field"]).combine_chunks()
        key = np.array([_indices(counts[c]) for c in ("kind", "field")])
        begins = np.flatnonzero(np.r_[[True] * bool(len(counts)), (key[:, 1:] != key[:, :-1]).any(axis=0)]).tolist()
        for begin, end in zip(begins, [*begins[1:], len(counts)], strict=True):
            part = counts.slice(begin, end - begin)
            fields[part["kind"][0].as_py()][part["field"][0].as_py()] = FieldCounts.load(part)
    return {
        row["kind"]: KindCounts(
            row["kind"], row["units"], row["events"], np.array(row["hosts"], dtype=np.uint64), fields[row["kind"]]
        )
        for row in listed
    }


def _indices(column: pa.ChunkedArray) -> np.ndarray:
    array = column.combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    return array.indices.to_numpy()  # type: ignore[no-any-return]


def _repeated(text: str, times: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(times, np.int32)), pa.array([text]))


def _save(path: Path, columns: dict[str, pa.Array]) -> None:
    pq.write_table(pa.table(columns), path, compression="zstd")

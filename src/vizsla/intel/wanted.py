"""Indicators as they are looked up: sorted numbers in files that are mapped into memory and shared by workers.

A folder, made once for a set of indicators and never changed:

    indicators.arrow  id, type, value: an indicator's place in it is its number
    kinds.npy         its type's place in the list of types
    codes.npy         the codes (`runs`) that indicators are looked up by, sorted; owners.npy: the number beside each
    bits.npy          a filter: a bit for each code's beginning, so that most runs cost one look
    nets.npy          networks of IPv4: prefix and address as one number, sorted; their numbers below
    others.npy        numbers of those that no run leads to; sixes.npy: codes of the IPv6 addresses among them
    ids.npy           codes of the ids, sorted: whether an indicator is among them
    about.json        format, size, types
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from vizsla.errors import FeedError
from vizsla.intel.gates import APART, NEVER, WHOLE, choose, scripts
from vizsla.intel.runs import I64, NUMBER, SHORTEST, U8, U64, codes_of
from vizsla.intel.suffix import suffixes

FORMAT = 1
INDICATORS = pa.schema([("id", pa.string()), ("type", pa.string()), ("value", pa.string())])
_NUMBER_LIKE = r"^[0-9]{4}.*[0-9]$"  # as `runs.number_like`
_SPREAD = 64  # bits of the filter for each code: one in 64 of the runs that are no indicator gets through
_FEWEST, _MOST = 13, 27
U32 = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """Indicators ready to be looked for; all arrays lie in mapped files."""

    folder: Path
    size: int
    types: tuple[str, ...]
    kinds: U8  # of each indicator its type's place in `types`
    codes: U64
    owners: U32
    bits: U8
    shift: int
    nets: U64
    net_owners: U32
    prefixes: tuple[int, ...]  # of IPv4 networks
    others: I64
    ids: U64  # codes of the ids, sorted
    sixes: tuple[U64, I64]  # codes of IPv6 addresses, and their numbers
    indicators: pa.Table

    def led(self, codes: U64) -> tuple[I64, I64]:
        """Which of these codes lead to an indicator: (places among the codes, where its like begin in `codes`)."""
        if not len(self.codes):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        head = codes >> np.uint64(self.shift)
        through = (self.bits[head >> np.uint64(3)] >> (head & np.uint64(7)).astype(np.uint8)) & np.uint8(1)
        places = np.flatnonzero(through)
        asked = codes[places]
        low = np.searchsorted(self.codes, asked)
        hit = self.codes[np.minimum(low, len(self.codes) - 1)] == asked
        return places[hit], low[hit]

    def owned(self, begins: I64) -> tuple[I64, I64]:
        """The indicators that codes lead to, by where their like begin: (places in `begins`, numbers)."""
        keys = np.asarray(self.codes[begins])
        return spread(self.codes, self.owners, keys, np.arange(len(begins)))

    def networks(self, addresses: U64) -> tuple[I64, I64]:
        """Which IPv4 addresses lie in a network that is looked for, and in which: (places, numbers)."""
        found: list[tuple[I64, I64]] = []
        everywhere = np.arange(len(addresses))
        for prefix in self.prefixes:
            asked = _net(prefix, addresses)
            found.append(spread(self.nets, self.net_owners, asked, everywhere))
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate([at for at, _ in found]), np.concatenate([by for _, by in found])

    def named(self, number: int) -> tuple[str, str]:
        """The type and value of an indicator."""
        return self.types[self.kinds[number]], self._at("value", number)

    def id(self, number: int) -> str:
        """The id of an indicator."""
        return self._at("id", number)

    def _at(self, name: str, number: int) -> str:
        found: str = self.indicators.column(name).chunk(0)[number].as_py()
        return found

    def of(self, numbers: I64) -> pa.Table:
        """The id, type and value of these indicators."""
        return self.indicators.take(pa.array(numbers))


def spread(keys: U64, owners: U32, asked: U64, places: I64) -> tuple[I64, I64]:
    """All owners of each asked key among sorted keys: (places, owners), a place once for each owner."""
    low = np.searchsorted(keys, asked)
    hit = np.flatnonzero(keys[np.minimum(low, len(keys) - 1)] == asked) if len(keys) else np.zeros(0, np.int64)
    low, places = low[hit], places[hit]
    count = np.searchsorted(keys, asked[hit], side="right") - low
    total = int(count.sum())
    within = np.arange(total) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(places, count), owners[np.repeat(low, count) + within].astype(np.int64)


def _net(prefix: int, addresses: U64) -> U64:
    kept = np.uint64((0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF)
    return (addresses & kept) | np.uint64(prefix << 32)


def build(indicators: pa.Table, into: Path) -> Path:
    """Write a folder for these indicators (columns id, type, value in their normal form; others are ignored).

    The folder's name is a hash of them; one that is there is left as it is. Raises FeedError where a column is
    missing or `into` cannot be written.
    """
    missing = set(INDICATORS.names) - set(indicators.column_names)
    if missing:
        raise FeedError(f"indicators without {', '.join(sorted(missing))}", fix="give the columns id, type and value")
    table = indicators.select(INDICATORS.names).cast(INDICATORS).combine_chunks()
    folder = into / _digest(table)
    if (folder / "about.json").is_file():
        return folder
    try:
        into.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=into))
        try:
            _write(table, scratch)
            if folder.exists():  # left by a writer that was killed
                shutil.rmtree(folder)
            scratch.replace(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise FeedError(
            f"indicators cannot be written: {error.strerror}", where=str(into), fix="check free space and permissions"
        ) from error
    return folder


def _digest(table: pa.Table) -> str:
    """Of the ids alone: an id is a hash of type and value."""
    sink = pa.BufferOutputStream()
    ids = table.select(["id"])
    with pa.ipc.new_stream(sink, ids.schema) as writer:
        writer.write_table(ids)
    return xxhash.xxh3_128_hexdigest(sink.getvalue(), seed=FORMAT)


def _write(table: pa.Table, folder: Path) -> None:
    types = table.column("type").combine_chunks().dictionary_encode()
    types = types.combine_chunks() if isinstance(types, pa.ChunkedArray) else types
    names: list[str] = types.dictionary.to_pylist()
    kinds = types.indices.to_numpy(zero_copy_only=False)
    values = table.column("value")
    values = (
        values.chunk(0) if values.num_chunks == 1 else pa.concat_arrays(values.chunks or [pa.array([], pa.string())])
    )
    codes: list[U64] = []
    owners: list[I64] = []
    others: list[I64] = []

    def lead(numbers: I64, runs: pa.Array) -> None:
        codes.append(codes_of(runs))
        owners.append(numbers)

    gated = []
    for place, name in enumerate(names):
        at = np.flatnonzero(kinds == place)
        if name in WHOLE:
            held = values.take(pa.array(at))
            if name == "domain":
                at = at[~_suffixes(held)]
                held = values.take(pa.array(at))
            held = pc.utf8_trim(held, "._-")  # as `runs` cuts
            lone = np.array(pc.binary_length(held)) < SHORTEST
            lone |= np.asarray(pc.match_substring_regex(held, _NUMBER_LIKE)) & (
                np.array(pc.binary_length(held)) < NUMBER
            )
            if lone.any():
                others.append(at[lone])
                at, held = at[~lone], held.filter(pa.array(~lone))
            lead(at, held)
            if name == "domain":
                own = pc.match_substring(held, "xn--")
                written = [scripts(text) for text in held.filter(own).to_pylist()]
                kept = np.array([bool(text) for text in written], dtype=bool)
                if kept.any():
                    lead(at[np.asarray(own)][kept], pa.array([text for text in written if text], pa.string()))
        elif name in APART:
            others.append(at)
        elif name not in NEVER:
            gated.append(at)
    rest = np.concatenate(gated) if gated else np.zeros(0, np.int64)
    part = table.take(pa.array(rest))
    runs = choose(part.column("type").to_pylist(), part.column("value").to_pylist())
    led = np.array([bool(run) for run in runs], dtype=bool)
    if led.any():
        lead(rest[led], pa.array([run for run in runs if run], pa.string()))
    others.append(rest[~led])
    np.save(folder / "kinds.npy", kinds.astype(np.uint8))
    _save(table, folder, codes, owners, others, names)


def _suffixes(domains: pa.Array) -> npt.NDArray[np.bool_]:
    """Which of these are public suffixes: whatever feed names one, it means nobody."""
    rules = suffixes()
    below = pc.is_in(pc.replace_substring_regex(domains, r"^[^.]*\.", ""), pa.array(sorted(rules.below), pa.string()))
    plain = pc.or_(below, pc.is_in(domains, pa.array(sorted(rules.plain | rules.below), pa.string())))
    return np.asarray(pc.and_not(plain, pc.is_in(domains, pa.array(sorted(rules.except_), pa.string()))))


def _save(
    table: pa.Table, folder: Path, codes: list[U64], owners: list[I64], others: list[I64], names: list[str]
) -> None:
    every = np.concatenate(codes) if codes else np.zeros(0, np.uint64)
    by = np.argsort(every, kind="stable")
    every = every[by]
    owned = (np.concatenate(owners) if owners else np.zeros(0, np.int64))[by].astype(np.uint32)
    power = min(_MOST, max(_FEWEST, int(len(every) * _SPREAD).bit_length()))
    head = (every >> np.uint64(64 - power)).astype(np.int64)
    flags = np.zeros(1 << power, dtype=np.uint8)
    flags[head] = 1
    apart = np.sort(np.concatenate(others)) if others else np.zeros(0, np.int64)
    nets, net_owners, apart = _networks(table, apart)
    np.save(folder / "codes.npy", every)
    np.save(folder / "owners.npy", owned)
    np.save(folder / "bits.npy", np.packbits(flags, bitorder="little"))
    np.save(folder / "nets.npy", np.stack([nets, net_owners]))
    np.save(folder / "others.npy", apart)
    ids = table.column("id")
    np.save(folder / "ids.npy", np.sort(codes_of(pa.concat_arrays(ids.chunks or [pa.array([], pa.string())]))))
    six = [(n, v) for n, t, v in _rows(table, apart) if t == "ipv6"]
    sixes = codes_of(pa.array([value for _, value in six], pa.string()))
    np.save(folder / "sixes.npy", np.stack([sixes, np.array([number for number, _ in six], dtype=np.uint64)]))
    with pa.OSFile(str(folder / "indicators.arrow"), "wb") as sink, pa.ipc.new_file(sink, INDICATORS) as writer:
        writer.write_table(table, max_chunksize=max(1, len(table)))
    about = {"format": FORMAT, "size": len(table), "types": names, "power": power}
    (folder / "about.json").write_text(json.dumps(about), "utf-8")


def _rows(table: pa.Table, numbers: I64) -> Iterator[tuple[int, str, str]]:
    """Number, type and value of these indicators."""
    part = table.take(pa.array(numbers))
    yield from zip(numbers.tolist(), part.column("type").to_pylist(), part.column("value").to_pylist(), strict=True)


def _networks(table: pa.Table, apart: I64) -> tuple[U64, U64, I64]:
    """IPv4 networks as sorted numbers with their owners, and what else is left apart."""
    nets: list[int] = []
    owners: list[int] = []
    rest: list[int] = []
    for number, kind, value in _rows(table, apart):
        net = ip_network(value, strict=False) if kind == "cidr" else None
        if isinstance(net, IPv4Network):
            nets.append(net.prefixlen << 32 | int(net.network_address))
            owners.append(number)
        else:
            rest.append(number)
    every = np.array(nets, dtype=np.uint64)
    by = np.argsort(every, kind="stable")
    return every[by], np.array(owners, dtype=np.uint64)[by], np.array(rest, dtype=np.int64)


@lru_cache(64)
def load(folder: str) -> Wanted:
    """Indicators that `build` wrote, mapped into memory. Raises FeedError where they are damaged."""
    path = Path(folder)
    try:
        about: Mapping[str, Any] = json.loads((path / "about.json").read_text("utf-8"))
        if about["format"] != FORMAT:
            raise FeedError("these indicators were prepared by another Vizsla", where=folder, fix="remove the folder")
        nets = np.load(path / "nets.npy", mmap_mode="r", allow_pickle=False)
        sixes = np.load(path / "sixes.npy", allow_pickle=False)
        source = pa.memory_map(str(path / "indicators.arrow"))
        return Wanted(
            folder=path,
            size=int(about["size"]),
            types=tuple(about["types"]),
            kinds=_mapped(path / "kinds.npy"),
            codes=_mapped(path / "codes.npy"),
            owners=_mapped(path / "owners.npy"),
            bits=_mapped(path / "bits.npy"),
            shift=64 - int(about["power"]),
            nets=np.asarray(nets[0]),
            net_owners=np.asarray(nets[1]).astype(np.uint32),
            prefixes=tuple(np.unique(nets[0] >> np.uint64(32)).astype(int).tolist()),
            others=_mapped(path / "others.npy"),
            ids=_mapped(path / "ids.npy"),
            sixes=(sixes[0], sixes[1].astype(np.int64)),
            indicators=pa.ipc.open_file(source).read_all().combine_chunks(),
        )
    except (OSError, ValueError, KeyError, pa.ArrowInvalid) as error:
        raise FeedError(
            f"prepared indicators cannot be read: {error}", where=folder, fix="remove the folder and match again"
        ) from error


def _mapped(path: Path) -> Any:
    held = np.load(path, mmap_mode="r" if path.stat().st_size > 1 << 16 else None, allow_pickle=False)
    return np.asarray(held)

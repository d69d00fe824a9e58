"""A week of a company's connections, made up, for the benchmark of beacons. What is assumed:

hosts       200: 50 servers and 75 computers that are never switched off, 75 that run 9 hours on working days
shared      180 periodic services of many: each on 2 to 200 hosts, as often on few as on many
alone       20 periodic services on one host only, drawn from the same as the shared ones
a service   its period: 7 in 10 one that people write (30 s to 4 h), 3 in 10 any from 30 s to 4 h; its timer's
            jitter: 6 in 10 below 1 %, 2 in 10 of 1 to 5 %, 2 in 10 of 5 to 40 %; three in five outside, the others
            inside; bytes within 0 to 30 %; 1 % of connections lost. It was there before the week, 1 in 10 began
            within it. It runs while its host does, and keeps its phase or waits after each visit, 1 : 1.
            What more than twenty hosts have asks every five minutes at most
people      each host that people use visits 40 sites a day in 8 bursts, of 4,000 by Zipf's law, so that many sites
            are one host's alone; two tabs a day poll their site (30 s to 5 min, for 10 minutes to 4 hours)
implant     on one host: sleeps its period (30 s to 4 h, log-uniform) give or take its jitter (0 to 50 %), each time
            anew; 1 in 10 connections is lost; bytes within 5 to 30 %, 1 in 20 visits much larger; to an address
            outside that nobody else reaches. It begins within the first four days, or (`early`) before the week
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vizsla.beacon.contacts import TENTHS
from vizsla.beacon.sketch import DAY, SLOT, of_days

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
HOSTS, ALWAYS, SERVERS = 200, 125, 50
SHARED, ALONE, SITES = 180, 20, 4_000
DAYS = 7
WEEK = DAYS * 86_400.0
MONDAY = 1_762_128_000  # 2025-11-03, seconds
WRITTEN = np.array([30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400], np.float64)
SHORTEST, LONGEST = 30.0, 14_400.0
AT_ONCE = 1_500_000  # visits turned into sketches at a time


@dataclass
class Pairs:
    """Connections as they are made: names of pairs, and per connection its pair, second of the week and bytes."""

    host: list[str]
    destination: list[str]
    port: list[int]
    pair: list[Ints]
    at: list[Floats]
    sent: list[Ints]

    @classmethod
    def empty(cls) -> Pairs:
        return cls([], [], [], [], [], [])

    def add(self, host: int, destination: str, port: int, at: Floats, sent: Ints) -> None:
        inside = (at >= 0) & (at < WEEK)
        self.pair.append(np.full(int(inside.sum()), len(self.host), np.int64))
        self.host.append(address(host))
        self.destination.append(destination)
        self.port.append(port)
        self.at.append(at[inside])
        self.sent.append(sent[inside])


def address(host: int) -> str:
    return f"10.1.{host // 100}.{host % 100 + 10}"


def on(host: int, at: Floats) -> npt.NDArray[np.bool_]:
    """Whether a host runs at seconds of the week."""
    if host < ALWAYS:
        return np.ones(len(at), dtype=bool)
    begin = 7 * 3600 + 60 * (host % 120)
    clock, day = at % 86_400, at // 86_400
    return (clock >= begin) & (clock < begin + 9 * 3600) & (day < 5)


def periodic(period: float, jitter: float, keeps: bool, start: float, rng: np.random.Generator) -> Floats:
    """Times from `start` to the end of the week."""
    count = int((WEEK - start) / (period * (1 - jitter))) + 2
    noise = rng.uniform(-jitter, jitter, count)
    if keeps:
        return start + period * (np.arange(count) + noise / 2)
    return start + np.cumsum(period * (1 + noise))


def bytes_of(count: int, spread: float, large: float, rng: np.random.Generator) -> Ints:
    base = np.exp(rng.uniform(np.log(120), np.log(8000)))
    sizes = base * np.exp(rng.normal(0, spread / 2, count))
    return np.where(rng.random(count) < large, sizes * rng.uniform(5, 80, count), sizes).astype(np.int64)


def service(pairs: Pairs, hosts: Ints, name: str, rng: np.random.Generator) -> None:
    period = rng.choice(WRITTEN) if rng.random() < 0.7 else np.exp(rng.uniform(np.log(SHORTEST), np.log(LONGEST)))
    period = max(period, 300.0) if len(hosts) > 20 else period
    kind = rng.random()
    jitter = rng.uniform(0, 0.01) if kind < 0.6 else rng.uniform(0.01, 0.05) if kind < 0.8 else rng.uniform(0.05, 0.4)
    keeps, spread, begins = rng.random() < 0.5, rng.uniform(0, 0.3), rng.random() < 0.1
    start = rng.uniform(0, WEEK * 0.8) if begins else -rng.uniform(0, period)
    for host in hosts:
        at = periodic(float(period), jitter, keeps, start + rng.uniform(0, period), rng)
        at = at[on(int(host), at) & (rng.random(len(at)) >= 0.01)]
        pairs.add(int(host), name, 443, at, bytes_of(len(at), spread, 0.0, rng))


def people(pairs: Pairs, host: int, names: list[str], rng: np.random.Generator) -> None:
    """Bursts of visits to sites, and tabs that poll."""
    by_site: dict[int, list[Floats]] = {}
    for day in range(5):
        for _ in range(8):
            begin = day * 86_400 + rng.uniform(8, 17) * 3600
            at = begin + np.cumsum(np.exp(rng.normal(3.0, 1.4, rng.integers(4, 30))))
            sites = np.minimum(rng.zipf(1.25, len(at)), 1 << 40) % SITES
            for site in np.unique(sites):
                by_site.setdefault(int(site), []).append(at[sites == site])
        for _ in range(2):
            site, period = int(rng.zipf(1.25) % SITES), np.exp(rng.uniform(np.log(30), np.log(300)))
            begin, lasts = day * 86_400 + rng.uniform(8, 14) * 3600, np.exp(rng.uniform(np.log(600), np.log(14_400)))
            ticks = begin + np.arange(0, lasts, period)
            by_site.setdefault(site, []).append(ticks + rng.normal(0, 0.3, len(ticks)))
    for site, parts in by_site.items():
        at = np.sort(np.concatenate(parts))
        pairs.add(host, names[site], 443, at, np.exp(rng.normal(7, 1.3, len(at))).astype(np.int64))


def company(seed: int) -> list[pa.Table]:
    """Sketches of a week without an implant, a row per pair and day."""
    rng = np.random.default_rng((seed, 1))
    pairs = Pairs.empty()
    outside = [f"{a}.{b}.{c}.{d}" for a, b, c, d in rng.integers(20, 200, (SITES + SHARED + ALONE, 4))]
    for number in range(SHARED + ALONE):
        inside = rng.random() < 0.4
        name = f"10.9.{number // 200}.{number % 200 + 10}" if inside else outside[SITES + number]
        count = 1 if number >= SHARED else int(np.exp(rng.uniform(np.log(2), np.log(HOSTS + 0.99))))
        service(pairs, rng.permutation(HOSTS)[:count], name, rng)
    for host in range(SERVERS, HOSTS):
        people(pairs, host, outside, rng)
    return sketched(pairs)


@dataclass(frozen=True)
class Implant:
    """What was planted."""

    host: str
    destination: str
    period: float
    jitter: float
    begins: float  # seconds into the week
    visits: int


def implant(seed: int, early: bool) -> tuple[Implant, list[pa.Table]]:
    """An implant's beacon, and its sketches."""
    rng = np.random.default_rng((seed, 2))
    host = int(rng.integers(0, HOSTS))
    period = float(np.exp(rng.uniform(np.log(SHORTEST), np.log(LONGEST))))
    jitter = float(rng.uniform(0, 0.5))
    start = -rng.uniform(0, period) if early else float(rng.uniform(0, 4 * 86_400))
    at = periodic(period, jitter, False, start, rng)
    at = at[on(host, at) & (rng.random(len(at)) >= 0.1)]
    pairs = Pairs.empty()
    pairs.add(
        host, f"203.{seed % 90 + 20}.{seed % 200}.7", 443, at, bytes_of(len(at), rng.uniform(0.05, 0.3), 0.05, rng)
    )
    planted = Implant(address(host), pairs.destination[0], period, jitter, max(start, 0.0), len(pairs.at[0]))
    return planted, sketched(pairs)


def sketched(pairs: Pairs) -> list[pa.Table]:
    """Connections as sketches, as the engine's reduction gives them."""
    pair, sent = np.concatenate(pairs.pair), np.concatenate(pairs.sent)
    at = (np.concatenate(pairs.at) * TENTHS).astype(np.int64) + MONDAY * TENTHS
    order = np.lexsort((at, pair))
    pair, at, sent = pair[order], at[order], sent[order]
    parts, begin = [], 0
    while begin < len(pair):
        end = min(begin + AT_ONCE, len(pair))
        end = int(np.searchsorted(pair, pair[end - 1], side="right"))
        parts.append(of_days(_visits(pairs, pair[begin:end], at[begin:end], sent[begin:end])))
        begin = end
    return parts


def _visits(pairs: Pairs, pair: Ints, at: Ints, sent: Ints) -> pa.RecordBatch:
    """Connections (by pair and time) as a batch of `vizsla.beacon.sketch.visits`."""
    slot = np.flatnonzero(np.r_[True, (pair[1:] != pair[:-1]) | (at[1:] // SLOT != at[:-1] // SLOT)])
    total = np.add.reduceat(sent, slot)
    events = np.diff(np.r_[slot, len(pair)])
    pair, at = pair[slot], at[slot]
    day = at // DAY
    new = np.flatnonzero(np.r_[True, (pair[1:] != pair[:-1]) | (day[1:] != day[:-1])])
    packed = (at - day * DAY) * (1 << 40) + total + 1
    of = pair[new]
    ids = pa.array([f"{p}-{d}" for p, d in zip(of, day[new], strict=True)])
    nothing = pa.nulls(len(new), pa.string())
    hosts = pa.array([pairs.host[p] for p in of])
    offsets = pa.array(np.r_[new, len(pair)].astype(np.int32))
    return pa.RecordBatch.from_pydict({
        "host": hosts, "source": hosts, "destination": pa.array([pairs.destination[p] for p in of]),
        "port": pa.array([pairs.port[p] for p in of], pa.int64()), "via": pa.array(["network"] * len(new)),
        "day": day[new], "visits": np.diff(np.r_[new, len(pair)]), "events": np.add.reduceat(events, new),
        "packed": pa.ListArray.from_arrays(offsets, pa.array(packed)), "id": ids, "id_max": ids,
        "guid": nothing, "guid_max": nothing, "process": nothing, "table": pa.array(["zeek_conn"] * len(new)),
        "code": nothing,
    })  # fmt: skip

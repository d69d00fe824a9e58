"""Who works at the company, on which machine, and what each machine's day looks like.

Everything here is a pure function of the seed: a day's plan can be asked for in any order, days before the
first one included, since what runs on a machine depends on when it was last started.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vizsla.simulate.assumptions import ROLES, SERVERS, assumptions

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
_LOOK_BACK = 45  # days before the first at which a machine counts as started, if nothing later is known


@dataclass(frozen=True, slots=True)
class Host:
    """A machine and whoever works on it; the same for the whole simulation."""

    number: int
    name: str
    role: str
    fqdn: str
    address: str
    user: str
    sid: str
    admin: str
    admin_sid: str
    guid: str
    machine: str  # the first part of all its Sysmon GUIDs
    always_on: bool
    busy: float
    program_factor: NDArray[np.float64]
    has: NDArray[np.float64]  # uniform draws against a program's share
    arrive: float
    leave: float
    joins: int  # the day of its first start; negative for all but the newcomer

    @property
    def server(self) -> bool:
        return self.role in SERVERS


@dataclass(frozen=True, slots=True)
class Plan:
    """A machine's day. Times in microseconds since 1970; `on` is empty (0, 0) where the machine stays off."""

    day: int
    midnight: int
    on: tuple[int, int]
    present: bool
    arrive: int
    leave: int
    boot: bool
    patch: bool
    busy: float
    versions: Mapping[str, str] = field(default_factory=dict)
    rollout: bool = False

    @property
    def off(self) -> bool:
        return self.on[1] <= self.on[0]


def generator(seed: int, *key: int) -> np.random.Generator:
    """An own stream of random numbers for whatever `key` names."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *(k & 0xFFFFFFFF for k in key)])))


def staff(count: int, programs: int, seed: int, newcomer_day: int) -> tuple[Host, ...]:
    """`count` hosts: servers first, then workstations in shuffled roles; the last one may be a newcomer."""
    data, rng = assumptions(), generator(seed, 1)
    domain, roles = data["domain"], data["roles"]
    servers = [r for r in SERVERS for _ in range(max(roles[r]["least"], count // roles[r]["per"]))]
    servers = servers[: max(1, count // 2)] if count > 1 else []
    people = count - len(servers)
    kinds = ["office", "developer", "admin"]
    shares = [roles[k]["share"] for k in kinds]
    picks = [kinds[i] for i in np.searchsorted(np.cumsum(shares), (np.arange(people) + 0.5) / people)]
    if people >= 4 and "admin" not in picks:
        picks[-1] = "admin"
    order = [*servers, *(picks[i] for i in rng.permutation(people))]
    logins = _logins(data, count, rng)
    base = "S-1-5-21-" + "-".join(str(v) for v in rng.integers(500_000_000, 3_500_000_000, 3))
    admins = [i for i, r in enumerate(order) if r == "admin"] or [count - 1]
    hosts, number_of = [], dict.fromkeys(ROLES, 0)
    for i, role in enumerate(order):
        number_of[role] += 1
        prefix = {"dc": "DC", "file": "FS", "web": "WEB", "db": "SQL"}.get(role)
        name = f"{prefix}{number_of[role]:02d}" if prefix else f"LF-{int(rng.integers(100, 999))}{i:04d}"
        third, last = (1, 10 + i) if prefix else (10 + i // 200, 20 + i % 200)
        boss = admins[int(rng.integers(0, len(admins)))]
        calendar, spread = data["calendar"], data["heterogeneity"]
        hosts.append(
            Host(
                number=i,
                name=name,
                role=role,
                fqdn=f"{name}.{domain['dns']}",
                address=f"{domain['subnet']}.{third}.{last}",
                user=f"svc-{role}" if prefix else logins[i],
                sid=f"{base}-{1100 + i}",
                admin=f"adm-{logins[boss]}",
                admin_sid=f"{base}-{2100 + boss}",
                guid="-".join(rng.bytes(n).hex().upper() for n in (4, 2, 2, 2, 6)),
                machine=rng.bytes(4).hex().upper(),
                always_on=bool(prefix) or rng.random() < calendar["always_on"],
                busy=float(np.exp(rng.normal(0, spread["host_sd"]))),
                program_factor=np.exp(rng.normal(0, spread["program_sd"], programs)),
                has=rng.random(programs),
                arrive=calendar["arrive"]["mean"] + rng.normal(0, calendar["arrive"]["person_sd"]),
                leave=calendar["leave"]["mean"] + rng.normal(0, calendar["leave"]["person_sd"]),
                joins=newcomer_day if i == count - 1 else -10_000,
            )
        )
    return tuple(hosts)


def _logins(data: Mapping[str, Any], count: int, rng: np.random.Generator) -> list[str]:
    first, last = data["words"]["first"], data["words"]["last"]
    pairs = rng.permutation(len(first) * len(last))
    names = [f"{first[p // len(last)]}.{last[p % len(last)]}" for p in pairs]
    return [names[i % len(names)] + (str(i // len(names)) if i >= len(names) else "") for i in range(count)]


class Calendar:
    """The plans of all machines, by host and day; `day` 0 is the first simulated one, negative days are before it."""

    def __init__(self, start: date, days: int, seed: int, stationary: bool) -> None:
        self.start, self.days, self.seed, self.stationary = start, days, seed, stationary
        self.data = assumptions()
        self.midnight = (start - date(1970, 1, 1)).days * DAY
        self._plan = lru_cache(maxsize=65536)(self._make)

    def date(self, day: int) -> date:
        return self.start + timedelta(days=day)

    def plan(self, host: Host, day: int) -> Plan:
        """What the machine does on that day."""
        return self._plan(host.number, day, _Key(host))

    def last_boot(self, host: Host, day: int) -> int:
        """The day on which what runs on `day` was started."""
        for earlier in range(day, -_LOOK_BACK, -1):
            if self.plan(host, earlier).boot:
                return earlier
        return -_LOOK_BACK

    def _weekend(self, day: int) -> bool:
        return not self.stationary and self.date(day).weekday() >= 5

    def _patches(self, host: Host, day: int) -> bool:
        if self.stationary:
            return False
        rule, today = self.data["change"]["patch"], self.date(day)
        late = int(generator(self.seed, 5, host.number, today.month).integers(0, rule["spread_days"]))
        tuesday = today - timedelta(days=late + (0 if host.server else 1))
        nth = (tuesday.day - 1) // 7 + 1
        return bool(tuesday.weekday() == rule["weekday"] and nth == rule["nth"])

    def _versions(self, host: Host, day: int) -> tuple[Mapping[str, str], bool]:
        versions, arrived = dict(self.data["versions"]), False
        patched = versions.pop("os_patched")
        if self.stationary:
            return versions, False
        for i, item in enumerate(self.data["change"]["rollouts"]):
            begins = int(item["at"] * self.days)
            lands = begins + int(generator(self.seed, 6, host.number, i).integers(0, item["days"]))
            if day >= lands:
                versions[item["what"]] = str(item["to"])
            arrived = arrived or day == lands
        if any(self._patches(host, day - back) for back in range(min(day + 1, 31))):
            versions["os_build"] = patched
        return versions, arrived

    def _make(self, number: int, day: int, key: _Key) -> Plan:
        host, calendar = key.host, self.data["calendar"]
        rng = generator(self.seed, 2, number, day + 100_000)
        here, boots = rng.random(2)
        a, b, busy = rng.normal(0, 1, 3)
        midnight = self.midnight + day * DAY
        present = here < (calendar["weekend_present"] if self._weekend(day) else calendar["present"])
        first = day == host.joins
        present = (present or first) and day >= host.joins and not host.server
        arrive = midnight + int(np.clip(host.arrive + a * calendar["arrive"]["day_sd"], 5.0, 12.0) * HOUR)
        leave = midnight + int(np.clip(host.leave + b * calendar["leave"]["day_sd"], 13.0, 22.5) * HOUR)
        patch = self._patches(host, day) and (present or host.server)
        if host.server or host.always_on:
            boot = patch or first
            on = (midnight + (5 * HOUR // 60 if boot else 0), midnight + DAY)
        else:
            boot = present and (boots < calendar["boots"] or patch or first)
            on = (arrive - (90 * SECOND if boot else 5 * SECOND), leave + 120 * SECOND) if present else (0, 0)
        if day < host.joins:
            on, boot = (0, 0), False
        versions, rollout = self._versions(host, day)
        spread = float(np.exp(busy * self.data["heterogeneity"]["day_sd"]))
        return Plan(day, midnight, on, present, arrive, leave, boot, patch, spread, versions, rollout and on[1] > on[0])


@dataclass(frozen=True, slots=True)
class _Key:
    """Carries a host through the cache, which tells hosts apart by number alone."""

    host: Host

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.host.number == self.host.number

    def __hash__(self) -> int:
        return self.host.number

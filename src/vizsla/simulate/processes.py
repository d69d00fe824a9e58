"""Which processes run on a machine on one day: who started them, when, as whom, and until when."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vizsla.simulate.assumptions import (
    ADMIN,
    LOCAL,
    NETWORK,
    PARENT,
    ROLES,
    SVC,
    SYSTEM,
    USER,
    Programs,
    assumptions,
)
from vizsla.simulate.people import HOUR, SECOND, Calendar, Host, Plan, generator

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
BUILT_IN = {SYSTEM: 0x3E7, LOCAL: 0x3E5, NETWORK: 0x3E4}
LEVELS = 4  # how deep a chain of children grows in a day


@dataclass(slots=True)
class Instances:
    """Processes as parallel arrays. `parent` is a row of this table, -1 for the System process of the boot."""

    program: Ints
    time: Ints
    end: Ints  # 0: none seen
    parent: Ints
    pid: Ints
    sequence: Ints
    account: Ints
    logon: Ints
    fresh: NDArray[np.bool_]  # whether its start is among this day's events

    def __len__(self) -> int:
        return len(self.program)

    def extended(self, more: Instances) -> Instances:
        """This table with `more` after it."""
        return Instances(*(np.concatenate([getattr(self, f.name), getattr(more, f.name)]) for f in fields(self)))


class Clock:
    """Draws times of a host-day: when the user works, when the machine runs, and in the small hours."""

    def __init__(self, plan: Plan, session_from: int) -> None:
        calendar = assumptions()["calendar"]
        minute = plan.midnight + np.arange(1440) * 60 * SECOND
        self.on = (minute >= plan.on[0]) & (minute < plan.on[1])
        hour = np.arange(1440) / 60
        lunch = calendar["lunch"]
        pace = np.where((hour >= lunch["from"]) & (hour < lunch["to"]), lunch["factor"], 1.0)
        at_work = (minute >= plan.arrive) & (minute < plan.leave) & plan.present
        work = np.where(at_work, pace, calendar["night_factor"]) * self.on * (minute >= session_from)
        night = ((hour >= 1) & (hour < 3.5)) * self.on
        self.plan, self._edges = plan, {"work": _edges(work), "on": _edges(self.on * 1.0), "night": _edges(night * 1.0)}
        # a machine that runs day and night without its user does few of the user's things
        self.work_share = float(min(work.sum() / 480, 1.6))
        self.on_share = float(min(self.on.sum() / 600, 2.0))

    def draw(self, profile: str, count: int, rng: np.random.Generator) -> Ints:
        """`count` times of day by a profile, unsorted."""
        u = rng.random(count)
        minute = np.minimum(np.searchsorted(self._edges[profile], u, side="right"), 1439)
        times = self.plan.midnight + ((minute + rng.random(count)) * 60 * SECOND).astype(np.int64)
        return np.clip(times, self.plan.on[0], self.plan.on[1] - 1)

    def office(self, count: int, rng: np.random.Generator) -> Ints:
        """Times in general office hours, when administrators work on machines that are not theirs."""
        hours = np.clip(rng.normal(13.0, 2.4, count), 7.0, 19.0)
        times = self.plan.midnight + (hours * HOUR).astype(np.int64)
        return np.clip(times, self.plan.on[0] + 60 * SECOND, self.plan.on[1] - 1)


def _edges(weights: NDArray[Any]) -> Floats:
    total = weights.sum()
    return np.cumsum(weights / total) if total > 0 else np.linspace(0, 1, 1440)


class Processes:
    """Draws the processes of any host-day."""

    def __init__(self, programs: Programs, calendar: Calendar, seed: int) -> None:
        self.programs, self.calendar, self.seed = programs, calendar, seed
        self.resident = np.array([w in ("boot", "session") for w in programs.when])
        self.session = np.array([w == "session" for w in programs.when])
        self.remote = np.array([w == "remote" for w in programs.when])
        self._boots = lru_cache(maxsize=1024)(self._boot)
        self._hosts: dict[int, Host] = {}

    def resident_set(self, host: Host, day: int) -> Instances:
        """What was started with the machine and the session and still runs."""
        self._hosts[host.number] = host
        return self._boots(host.number, self.calendar.last_boot(host, day))

    def _boot(self, number: int, boot_day: int) -> Instances:
        host, programs = self._hosts[number], self.programs
        rng = generator(self.seed, 3, number, boot_day + 100_000)
        plan = self.calendar.plan(host, boot_day)
        started = plan.on[0] if not plan.off else plan.arrive
        role = ROLES.index(host.role)
        rows = np.flatnonzero(self.resident & (programs.rate[:, role] > 0) & (host.has <= programs.share))
        if host.server:
            rows = rows[~self.session[rows]]
        gaps = rng.exponential(0.7, len(rows)) * SECOND
        session = self.session[rows]
        time = started + np.cumsum(gaps).astype(np.int64)
        logon = max(plan.arrive, int(time[~session].max()) + 5 * SECOND)
        time[session] = logon + np.cumsum(gaps[session]).astype(np.int64) + SECOND
        row_of = np.full(len(programs.names), -1)
        row_of[rows] = np.arange(len(rows))
        account = np.where(programs.account[rows] == PARENT, SYSTEM, programs.account[rows])
        ids = self._logon_ids(rng)
        life = programs.life[rows]
        return Instances(
            program=rows,
            time=time,
            end=np.where(life > 0, time + (life * SECOND).astype(np.int64), 0),
            parent=np.where(programs.up[rows] >= 0, row_of[programs.up[rows]], -1),
            pid=np.sort(rng.permutation(np.arange(90, 1400))[: len(rows)]) * 4,
            sequence=np.arange(len(rows)) + 2,
            account=account,
            logon=ids[account],
            fresh=np.zeros(len(rows), bool),
        )

    @staticmethod
    def _logon_ids(rng: np.random.Generator) -> Ints:
        """The logon ids of the standing accounts of one boot, by account number."""
        ids = np.zeros(PARENT, np.int64)
        for account, value in BUILT_IN.items():
            ids[account] = value
        ids[[USER, ADMIN, SVC]] = [int(v) for v in rng.integers(0x20000, 0x200000, 3)]
        return ids

    def session_logon(self, host: Host, day: int) -> tuple[int, int]:
        """When the user's session began and its logon id; (0, 0) on servers."""
        resident = self.resident_set(host, day)
        rows = np.flatnonzero(self.session[resident.program])
        return (int(resident.time[rows[0]]) - SECOND, int(resident.logon[rows[0]])) if len(rows) else (0, 0)

    def of_day(self, host: Host, day: int, rng: np.random.Generator, scale: float = 1.0) -> tuple[Instances, Clock]:
        """All processes of a host-day; `scale` multiplies how many are started."""
        plan = self.calendar.plan(host, day)
        resident = self.resident_set(host, day)
        resident = resident.extended(_none())  # a copy, since `fresh` depends on the day
        resident.fresh = resident.time >= plan.midnight
        since = self.session_logon(host, day)[0] or plan.on[0]
        clock = Clock(plan, since)
        first = self._roots(host, plan, clock, resident, rng, scale)
        table, level, offset = resident.extended(first), first, len(resident)
        for _ in range(LEVELS):
            level = self._children(host, table, level, offset, rng)
            if not len(level):
                break
            offset = len(table)
            table = table.extended(level)
        return self._numbered(table, len(resident), plan, rng), clock

    def _counts(self, host: Host, plan: Plan, clock: Clock, rng: np.random.Generator, scale: float) -> Ints:
        programs, rate = self.programs, self.programs.rate[:, ROLES.index(host.role)].copy()
        remote = assumptions()["admins_remote"] * (1.0 if host.server else 0.1)
        share = {
            "work": clock.work_share,
            "on": clock.on_share,
            "night": float(clock.on[60:210].any()),
            "remote": remote / 4,
            "logon": float(plan.boot and plan.present),
        }
        factor = np.array([share.get(w, 0.0) for w in programs.when])
        personal = np.where(
            [w in ("work", "on") for w in programs.when], host.program_factor * host.busy * plan.busy, 1.0
        )
        rate = (
            rate * factor * personal + programs.patch * plan.patch * factor + programs.rollout * plan.rollout * factor
        )
        counts: Ints = rng.poisson(rate * scale * (host.has <= programs.share))
        return counts

    def _roots(
        self, host: Host, plan: Plan, clock: Clock, resident: Instances, rng: np.random.Generator, scale: float
    ) -> Instances:
        programs = self.programs
        row_of = np.full(len(programs.names) + 1, -1)
        row_of[resident.program] = np.arange(len(resident))
        counts = self._counts(host, plan, clock, rng, scale)
        counts[row_of[programs.up] < 0] = 0
        program, time = [], []
        for name, draw in (("work", "work"), ("on", "on"), ("night", "night"), ("remote", ""), ("logon", "")):
            mine = np.flatnonzero(np.array([w == name for w in programs.when]) & (counts > 0))
            expanded = np.repeat(mine, counts[mine])
            if name == "logon":
                times = plan.arrive + (rng.exponential(12, len(expanded)) * SECOND).astype(np.int64) + 20 * SECOND
            else:
                times = clock.draw(draw, len(expanded), rng) if draw else clock.office(len(expanded), rng)
            program.append(expanded)
            time.append(times)
        for row in np.flatnonzero(programs.period > 0):
            if (
                programs.when[row] != "every"
                or not programs.rate[row, ROLES.index(host.role)]
                or row_of[programs.up[row]] < 0
            ):
                continue
            times = periodic(plan, programs.period[row] / scale, programs.jitter[row], rng)
            program.append(np.full(len(times), row))
            time.append(times)
        rows, when = np.concatenate(program).astype(np.int64), np.concatenate(time).astype(np.int64)
        parent = row_of[programs.up[rows]]
        # nothing starts before whatever starts it
        when = np.maximum(when, resident.time[parent] + SECOND) if len(rows) else when
        return self._started(host, rows, when, parent, resident, rng)

    def _started(
        self, host: Host, rows: Ints, when: Ints, parent: Ints, table: Instances, rng: np.random.Generator
    ) -> Instances:
        programs, count = self.programs, len(rows)
        own = programs.account[rows]
        account = np.where(own == PARENT, table.account[parent], own)
        ids = np.zeros(PARENT, np.int64)
        for number, value in BUILT_IN.items():
            ids[number] = value
        for number in (USER, SVC):
            known = table.logon[table.account == number]
            ids[number] = known[0] if len(known) else 0x3E7
        remote = self.remote[rows] & (own == ADMIN)
        logon = np.where(own == PARENT, table.logon[parent], ids[np.minimum(account, SVC)])
        logon = np.where(remote, rng.integers(0x300000, 0x7FFFFFF, count), logon)
        life = programs.life[rows]
        spread = np.exp(rng.normal(0, 0.7, count)) * np.maximum(life, 0.3) * SECOND
        end = np.where(life > 0, when + spread.astype(np.int64) + 20_000, np.where(life < 0, table.end[parent], 0))
        zeros = np.zeros(count, np.int64)
        return Instances(rows, when, end, parent, zeros, zeros.copy(), account, logon, np.ones(count, bool))

    def _children(
        self, host: Host, table: Instances, level: Instances, offset: int, rng: np.random.Generator
    ) -> Instances:
        programs = self.programs
        allowed = (programs.rate[:, ROLES.index(host.role)] > 0) & (host.has <= programs.share)
        rows, parents = [], []
        for above, (below, rates) in programs.edges.items():
            who = np.flatnonzero(level.program == above)
            if not len(who):
                continue
            counts = rng.poisson(np.tile(rates * allowed[below], (len(who), 1)))
            rows.append(np.repeat(np.tile(below, len(who)), counts.ravel()))
            parents.append(np.repeat(who, counts.sum(axis=1)))
        if not rows:
            return _none()
        row, above_row = np.concatenate(rows), np.concatenate(parents) + offset
        span = np.where(table.end[above_row] > 0, table.end[above_row] - table.time[above_row], 600 * SECOND)
        when = (
            table.time[above_row] + 30_000 + (rng.random(len(row)) ** 2 * np.maximum(span - 60_000, 0)).astype(np.int64)
        )
        return self._started(host, row, when, above_row, table, rng)

    def _numbered(self, table: Instances, residents: int, plan: Plan, rng: np.random.Generator) -> Instances:
        """Process ids, sequence numbers, and the day's bounds: what would start after them does not."""
        late = (table.time >= plan.on[1]) & table.fresh
        late[:residents] = False
        for _ in range(LEVELS):
            late |= (table.parent >= 0) & late[table.parent]
        keep = np.flatnonzero(~late)
        place = np.full(len(table) + 1, -1)
        place[keep] = np.arange(len(keep))
        kept = Instances(*(getattr(table, f.name)[keep] for f in fields(table)))
        kept.parent = place[kept.parent]
        count = len(kept) - residents
        free = np.setdiff1d(np.arange(350, 7800), kept.pid[:residents] // 4)
        picks = np.concatenate([rng.permutation(free) for _ in range(count // len(free) + 1)])
        kept.pid[residents:] = picks[:count] * 4
        kept.sequence[residents:] = residents + 2 + np.arange(count)
        kept.end = np.where(kept.end >= plan.on[1], 0, kept.end)
        return kept


def periodic(plan: Plan, seconds: float, jitter: float, rng: np.random.Generator) -> Ints:
    """Times every so many seconds while the machine runs; each gap strays by the share `jitter`."""
    span = (plan.on[1] - plan.on[0]) / SECOND
    count = int(span / seconds) + 2
    gaps = seconds * (1 + jitter * rng.uniform(-1, 1, count))
    gaps[0] = seconds * rng.random()
    times = plan.on[0] + (np.cumsum(gaps) * SECOND).astype(np.int64)
    return times[times < plan.on[1]]


def _none() -> Instances:
    empty = np.zeros(0, np.int64)
    return Instances(empty, empty, empty, empty, empty, empty, empty, empty, np.zeros(0, bool))

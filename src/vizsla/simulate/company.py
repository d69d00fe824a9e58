"""A simulated company: hosts, days, and the events that they bring, host-day by host-day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vizsla.errors import UsageError
from vizsla.simulate.assumptions import assumptions, compiled
from vizsla.simulate.channels import add_powershell, add_system, add_tasks
from vizsla.simulate.columns import table_columns
from vizsla.simulate.faces import Wardrobe, faces, integrity
from vizsla.simulate.frame import CHANNELS, SYSMON, Part, Parts, prefixed, sorted_columns, timestamps, windows_frame
from vizsla.simulate.intrusion import Intrusion
from vizsla.simulate.network import Network, add_network
from vizsla.simulate.people import Calendar, Host, Plan, generator, staff
from vizsla.simulate.processes import Processes
from vizsla.simulate.security import add_logons, add_processes, kinds_of
from vizsla.simulate.servers import add_server_logons, new_user
from vizsla.simulate.sysmon import Activity, add_sysmon, start_columns
from vizsla.simulate.truth import TruthRecord
from vizsla.simulate.zeek import zeek_time

Ints = NDArray[np.int64]
START = date(2026, 3, 2)  # a Monday; the second Tuesday of the month is the ninth day


@dataclass(frozen=True, slots=True)
class Chunk:
    """One table's events of one host-day, in time order, with the truth about those that belong to the intrusion."""

    table: str
    host: Host
    day: int
    events: pa.RecordBatch
    truth: tuple[TruthRecord, ...]


class Company:
    """A company of `hosts` machines over `days` days from `start`, at midnight UTC.

    The same arguments give the same events. `intrusion=False` leaves out the intruder's events and changes no
    other one: their record numbers stay reserved. `stationary=True` leaves out all that changes with time
    (weekends, roll-outs, patch days, the newcomer), so that host-days may be exchanged. `intrusion_days`: the
    days (first, last) within which the intruder acts, by default all of them.
    """

    def __init__(
        self,
        hosts: int = 10,
        days: int = 5,
        seed: int = 1,
        start: date | datetime = START,
        intrusion: bool = True,
        *,
        stationary: bool = False,
        intrusion_days: tuple[int, int] | None = None,
    ) -> None:
        for name, value, least in (("hosts", hosts, 1), ("days", days, 1), ("seed", seed, 0)):
            if value < least:
                raise UsageError(f"{name} is {value}", where="Company", fix=f"give {name} of {least} or more")
        if hosts > 4000:
            raise UsageError(f"hosts is {hosts}", where="Company", fix="simulate at most 4000 hosts at once")
        first = start.date() if isinstance(start, datetime) else start
        self.days, self.seed, self.intrusion, self.stationary = days, seed, intrusion, stationary
        joins = int(assumptions()["change"]["newcomer"]["at"] * days)
        newcomer = -10_000 if stationary or hosts < 5 or days < 4 else joins
        programs = len(assumptions()["programs"])
        self.hosts = staff(hosts, programs, seed, newcomer)
        self.programs, destinations, pools = compiled(
            seed, tuple(h.name for h in self.hosts), tuple(h.user for h in self.hosts)
        )
        self.calendar = Calendar(first, days, seed, stationary)
        self.processes = Processes(self.programs, self.calendar, seed)
        self.network = Network(self.programs, destinations, pools, self.hosts)
        role = {h.role: h.name for h in reversed(self.hosts)}
        self.wardrobe = Wardrobe(self.programs, {"filesrv": role.get("file", "FS01"), "dc": role.get("dc", "DC01")})
        self._remote = kinds_of(self.programs)
        self._intrusion = Intrusion(self, intrusion_days or (0, days - 1))

    def batches(self, rows: int = 50_000) -> Iterator[tuple[str, pa.RecordBatch]]:
        """All events: (table, batch of at most `rows`); native columns, `_time`, `_host`, `_origin`.

        Days come in order, within a day hosts, within a host's day the events of a table by time. What the
        batches of a table hold together does not depend on `rows`.
        """
        if rows < 1:
            raise UsageError(f"rows is {rows}", where="Company.batches", fix="give 1 or more")
        waiting: dict[str, list[pa.RecordBatch]] = {}
        held: dict[str, int] = {}
        for chunk in self.chunks():
            waiting.setdefault(chunk.table, []).append(chunk.events)
            held[chunk.table] = held.get(chunk.table, 0) + chunk.events.num_rows
            if held[chunk.table] >= rows:
                yield from self._cut(chunk.table, waiting, held, rows)
        for table in list(waiting):
            yield from self._cut(table, waiting, held, rows, last=True)

    @staticmethod
    def _cut(
        table: str, waiting: dict[str, list[pa.RecordBatch]], held: dict[str, int], rows: int, last: bool = False
    ) -> Iterator[tuple[str, pa.RecordBatch]]:
        whole = pa.Table.from_batches(waiting[table])
        end = whole.num_rows if last else whole.num_rows - whole.num_rows % rows
        for begin in range(0, end, rows):
            piece = whole.slice(begin, min(rows, end - begin)).combine_chunks()
            yield from ((table, batch) for batch in piece.to_batches())
        waiting[table] = whole.slice(end).to_batches()
        held[table] = whole.num_rows - end

    def chunks(self) -> Iterator[Chunk]:
        """All events by day, host and table."""
        records = {(h.number, t): 4_000 + 977 * h.number + 31 * i for h in self.hosts for i, t in enumerate(CHANNELS)}
        for day in range(self.days):
            for host in self.hosts:
                plan = self.calendar.plan(host, day)
                if plan.off:
                    continue
                yield from self._host_day(host, plan, records)

    def _host_day(self, host: Host, plan: Plan, records: dict[tuple[int, str], int]) -> Iterator[Chunk]:
        parts = self.parts(host, plan)
        guests = self._intrusion.parts(host, plan)
        for table, guest in guests.tables.items():
            parts.tables.setdefault(table, []).extend(guest)
        rng = generator(self.seed, 9, host.number, plan.day)
        for table in sorted(parts.tables):
            own = parts.tables[table]
            if table in CHANNELS:
                key = (host.number, table)
                time, columns = windows_frame(table, own, host.fqdn, records[key], rng)
                records[key] += len(time)
                name = host.fqdn.lower()
                columns |= {"_host": pa.repeat(pa.scalar(name), len(time))}
            else:
                time, columns = sorted_columns(own)
                columns = {"ts": zeek_time(time), **columns, "_host": columns["id.orig_h"]}
            yield self._chunk(table, host, plan, own, time, columns)

    def _chunk(
        self, table: str, host: Host, plan: Plan, own: list[Part], time: Ints, columns: dict[str, pa.Array]
    ) -> Chunk:
        part = columns.pop("_part").to_numpy()
        key = "EventRecordID" if table in CHANNELS else "uid"
        marked = np.flatnonzero(np.array([bool(p.stage) for p in own])[part])
        batch = self._batch(table, host, plan, time, columns)
        if not self.intrusion:
            keep = np.setdiff1d(np.arange(len(time)), marked)
            return Chunk(table, host, plan.day, batch.take(pa.array(keep)) if len(marked) else batch, ())
        truth = tuple(
            TruthRecord(
                table=table,
                computer=host.fqdn,
                channel=CHANNELS.get(table, table.removeprefix("zeek_")),
                record_id=columns[key][i].as_py(),
                time=datetime.fromisoformat(str(timestamps(time[i : i + 1])[0].as_py())),
                stage=own[part[i]].stage,
                technique=own[part[i]].technique,
            )
            for i in marked.tolist()
        )
        return Chunk(table, host, plan.day, batch, truth)

    def _batch(self, table: str, host: Host, plan: Plan, time: Ints, columns: Mapping[str, pa.Array]) -> pa.RecordBatch:
        """One schema per table, whatever a host-day happened to bring."""
        place = f"simulated/{host.name.lower()}/{self.calendar.date(plan.day)}/{table}#"
        count = len(time)
        origin = pa.array(range(count)).cast(pa.string())
        whole = dict(columns) | {"_time": timestamps(time)}
        whole["_origin"] = prefixed(place, origin)
        names = table_columns(table)
        missing = pa.nulls(count, pa.string())
        unknown = [n for n in whole if n not in names]
        if unknown:
            raise UsageError(
                f"columns without a place in {table}: {', '.join(unknown)}",
                where="vizsla.simulate.columns",
                fix="add them there",
            )
        arrays = [whole.get(n, missing) for n in names]
        return pa.RecordBatch.from_arrays(arrays, names=list(names))

    def parts(self, host: Host, plan: Plan) -> Parts:
        """A host-day's events without the intruder's, unsorted."""
        rng, parts = generator(self.seed, 7, host.number, plan.day + 100_000), Parts()
        table, clock = self.processes.of_day(host, plan.day, rng)
        residents = len(self.processes.resident_set(host, plan.day))
        texts = self.wardrobe.texts(host, plan.versions)
        boot_day = self.calendar.last_boot(host, plan.day)
        booted = int(table.time[0]) - 1_000_000
        view = faces(host, self.programs, texts, table, (boot_day, booted), residents, self.seed, rng)
        activity = Activity(self.programs, plan, clock, table, host.busy * plan.busy)
        add_sysmon(parts, host, self.programs, texts, table, view, activity, rng)
        add_network(parts, self.network, host, table, view, activity, plan, rng)
        add_processes(parts, host, integrity(self.programs, table), table, view, plan.midnight)
        remote = np.flatnonzero(table.fresh & np.isin(table.program, self._remote))
        session = self.processes.session_logon(host, plan.day)
        add_logons(parts, host, plan, clock, session, table, remote, rng)
        if host.server:
            add_server_logons(parts, host, plan.day, self.hosts, self.calendar, rng)
        add_system(parts, host, plan, clock, texts, table, rng)
        add_powershell(parts, host, self.programs, texts, table, plan, rng)
        add_tasks(parts, host, self.programs, texts, table, view, plan, rng)
        self._joins(parts, host, plan)
        return parts

    def _joins(self, parts: Parts, host: Host, plan: Plan) -> None:
        newcomer = self.hosts[-1]
        if host.role == "dc" and newcomer.joins == plan.day:
            new_user(parts, host, newcomer, self.hosts[0], plan.midnight + 7 * 3600 * 1_000_000)

    def process_starts(self, host: Host, plan: Plan, scale: float) -> pa.RecordBatch:
        """Sysmon's process creations of a host-day, `scale` times as many as usual, for benchmarks."""
        rng = generator(self.seed, 11, host.number, plan.day)
        table, _ = self.processes.of_day(host, plan.day, rng, scale)
        residents = len(self.processes.resident_set(host, plan.day))
        texts = self.wardrobe.texts(host, plan.versions)
        booted = (self.calendar.last_boot(host, plan.day), int(table.time[0]) - 1_000_000)
        view = faces(host, self.programs, texts, table, booted, residents, self.seed, rng)
        rows = np.flatnonzero(table.fresh)
        rows = rows[np.argsort(table.time[rows], kind="stable")]
        part = Part("1", table.time[rows], start_columns(host, self.programs, texts, table, view, rows))
        time, columns = windows_frame(SYSMON, [part], host.fqdn, 1 + plan.day * 1_000_000, rng)
        del columns["_part"]
        columns |= {"_time": timestamps(time), "_host": pa.repeat(pa.scalar(host.fqdn.lower()), len(time))}
        columns["_origin"] = prefixed(
            f"simulated/{host.name.lower()}/{plan.day}#", pa.array(range(len(time))).cast(pa.string())
        )
        return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

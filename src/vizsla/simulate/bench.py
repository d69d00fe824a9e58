"""Many process creations, fast and in bounded memory, for benchmarks."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from vizsla.errors import UsageError
from vizsla.simulate.company import Company
from vizsla.simulate.people import generator

HOSTS, SCALE = 100, 80.0  # a host-day brings about eighty times its usual starts, which spares the set-up of each


def process_events(n: int, seed: int = 1, day: int = 0) -> Iterator[pa.RecordBatch]:
    """`n` Sysmon process creations (event 1) of a hundred hosts, with all native columns, host-day by host-day.

    `day`: which day of the company's they begin on; another one gives other events of the same hosts and people.
    """
    if n < 0:
        raise UsageError(f"n is {n}", where="process_events", fix="give 0 or more")
    company, left, day = Company(HOSTS, 1, seed, intrusion=False, stationary=True), n, day
    # roles mixed, so that a short run has them all
    order = [company.hosts[i] for i in generator(seed, 12).permutation(HOSTS)]
    while left > 0:
        for host in order:
            plan = company.calendar.plan(host, day)
            if plan.off:
                continue
            batch = company.process_starts(host, plan, SCALE)
            batch = batch.slice(0, min(left, batch.num_rows))
            left -= batch.num_rows
            if batch.num_rows:
                yield batch
            if left <= 0:
                return
        day += 1

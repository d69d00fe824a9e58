"""The intruder: one story, told event by event, each labelled with its stage and ATT&CK technique."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vizsla.simulate.assumptions import assumptions
from vizsla.simulate.frame import Parts
from vizsla.simulate.people import DAY, Host, Plan, generator
from vizsla.simulate.plot import Plot
from vizsla.simulate.story import Event, Story
from vizsla.simulate.tokens import strings

if TYPE_CHECKING:
    from vizsla.simulate.company import Company


class Intrusion:
    """The events of one intruder, told on first use; a pure function of the company."""

    def __init__(self, company: Company, days: tuple[int, int]) -> None:
        self.company, self.days = company, days
        self._events: dict[tuple[int, int], list[Event]] | None = None

    def parts(self, host: Host, plan: Plan) -> Parts:
        """The intruder's events on a host-day."""
        if self._events is None:
            self._events = self._tell()
        groups: dict[tuple[str, str, str, str], list[Event]] = {}
        for event in self._events.get((host.number, plan.day), []):
            groups.setdefault((event.table, event.kind, event.stage, event.technique), []).append(event)
        parts = Parts()
        for (table, kind, stage, technique), events in groups.items():
            names = dict.fromkeys(name for e in events for name in e.columns)
            columns = {n: strings([e.columns.get(n) for e in events]) for n in names}  # type: ignore[misc]
            time = np.array([e.time for e in events], np.int64)
            parts.add(table, kind, time, columns, stage=stage, technique=technique)
        return parts

    def _tell(self) -> dict[tuple[int, int], list[Event]]:
        company = self.company
        story = Story(company, generator(company.seed, 13))
        victim, days = self._victim()
        if days:
            Plot(story, victim, days).play()
        found: dict[tuple[int, int], list[Event]] = {}
        for event in story.events:
            day = (event.time - company.calendar.midnight) // DAY
            plan = company.calendar.plan(company.hosts[event.host], day)
            # a machine that is off logs nothing, and a story told too late loses its end
            if 0 <= day < company.days and plan.on[0] <= event.time < plan.on[1]:
                found.setdefault((event.host, day), []).append(event)
        return found

    def _victim(self) -> tuple[Host, list[int]]:
        """An office worker who is there early in the period, and the days that the intruder has."""
        company, (first, last) = self.company, self.days
        begin = first + int((last - first + 1) * assumptions()["intrusion"]["start"])
        staff = (
            [h for h in company.hosts if h.role == "office"]
            or [h for h in company.hosts if not h.server]
            or list(company.hosts)
        )
        staff = [h for h in staff if h.joins < first] or staff
        for day in range(begin, last + 1):
            for host in staff:
                if company.calendar.plan(host, day).present:
                    days = [d for d in range(day, last + 1) if company.calendar.plan(host, d).present]
                    return host, days
        return staff[0], []

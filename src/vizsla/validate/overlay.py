"""A lake seen together with a few events that lie elsewhere: nothing is written into it, and nothing copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pyarrow as pa

from vizsla.lake import Lake, Scan


class Overlay(Lake):
    """All that `base` holds, and the events of `more` in the tables that `base` has."""

    def __init__(self, base: Lake, more: Lake) -> None:
        super().__init__(base.root)
        self._base, self._more = base, more

    def tables(self) -> tuple[str, ...]:
        """The tables of the lake below: a table that a team does not keep shows it nothing."""
        return self._base.tables()

    def scan(
        self,
        table: str,
        since: datetime | None = None,
        until: datetime | None = None,
        hosts: Sequence[str] | None = None,
    ) -> Scan:
        """The scan of the lake below, with the files of the events beside it."""
        own = self._base.scan(table, since, until, hosts)
        if table not in self._more.tables():
            return own
        more = self._more.scan(table, since, until, hosts)
        known = set(own.schema.names)
        schema = pa.schema([*own.schema, *(field for field in more.schema if field.name not in known)])
        days = None if own.days is None else tuple(dict.fromkeys((*own.days, *(more.days or ()))))
        return replace(own, files=(*own.files, *more.files), schema=schema, rows=own.rows + more.rows, days=days)

"""Least frequency of occurrence: how often each combination of values comes, the rarest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from vizsla.errors import UsageError
from vizsla.explore.relation import engine_or, relation
from vizsla.nouns.event import HOST, TIME
from vizsla.view import views

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Lake


def stack(
    lake: Lake,
    view: str,
    fields: Sequence[str],
    *,
    by: str | None = None,
    host: str | None = None,
    user: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    where: str | None = None,
    limit: int | None = None,
    engine: Engine | None = None,
) -> pa.Table:
    """The values of `fields` of a view or table with `events`, `hosts`, `first` and `last`, the rarest first.

    `by`: on how many different of these (such as 'host' or 'user.name') a combination was seen leads the order, and
    stands in a column `by …` where it is no host. Rows without any of the fields are left out.
    Raises ViewError for an unknown view, UsageError for an unknown field.
    """
    import ibis

    with engine_or(engine) as used:
        by = {"host": HOST, "user": "user.name"}.get(by or "", by)
        asked = (*fields, *([by] if by else []))
        table = relation(used, lake, view, host=host, user=user, since=since, until=until, where=where, fields=asked)
        for field in asked:
            if field not in table.columns:
                names = [f.name for f in views()[view].fields] if view in views() else table.columns
                raise UsageError(f"{view} has no field {field!r}", fix=f"choose of: {', '.join(names)}")
        if not fields:
            raise UsageError("no field was named to stack by", fix="name one or more, such as process.name")
        filled = table.filter(ibis.or_(*(table[field].notnull() for field in fields)))
        measures = {
            "events": filled.count(),
            "hosts": filled[HOST].nunique(),
            "first": filled[TIME].min(),
            "last": filled[TIME].max(),
        }
        order = ["events", "hosts", *fields]
        if by == HOST:
            order = ["hosts", "events", *fields]
        elif by:
            measures[f"by {by}"] = filled[by].nunique()
            order.insert(0, f"by {by}")
        counted = filled.group_by([filled[field] for field in fields]).agg(**measures)
        ranked = counted.order_by([counted[name].asc(nulls_first=True) for name in order])
        return used.collect(ranked if limit is None else ranked.limit(limit))

"""`vizsla gold`: a lake's hosts compared with a gold image, as a table."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.errors import UsageError
from vizsla.gold.gather import KINDS

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.gold.compare import Inventory
    from vizsla.lake import Lake

GROUP = "group {}"  # what an inferred group is called


def kinds_named(text: str | None) -> tuple[str, ...]:
    """The kinds that are meant: 'tasks' or 'task'; none named: all but programs that ran. Raises UsageError."""
    if not text:
        return tuple(kind for kind in KINDS if kind != "binary")
    plain = text.strip().lower()
    for kind in KINDS:
        if plain in (kind, f"{kind}s", f"{kind[:-1]}ies"):
            return (kind,)
    raise UsageError(f"there is no kind {text!r}", where="--kind", fix=f"choose one of: {', '.join(KINDS)}")


def looked(
    lake: Lake,
    engine: Engine,
    *,
    kinds: Sequence[str] = (),
    group: str | None = None,
    image: str | None = None,
    host: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pa.Table:
    """What is new, missing or altered, as `gold.compare.SCHEMA`. `image`: a host of the lake, a lake, or a folder.

    Raises UsageError where the image or the group is not there.
    """
    from vizsla.gold.compare import compared

    facts = _facts(lake, engine, kinds, since, until)
    own = _inventory(facts)
    normal = None
    if image is not None:
        normal = _image(own, image, engine, kinds)
        own = replace(own, hosts={name: held for name, held in own.hosts.items() if name not in normal.hosts})
    groups = grouped(lake, facts, own)
    if group is not None:
        if group not in groups.values():
            known = ", ".join(sorted(set(groups.values()))[:20]) or "none"
            raise UsageError(f"there is no group {group!r}", where="--group", fix=f"choose one of: {known}")
        own = replace(own, hosts={name: held for name, held in own.hosts.items() if groups.get(name) == group})
    table = compared(own, groups, normal)
    return table.filter(pc.equal(table["host"], host.lower())) if host else table


def grouped(lake: Lake, facts: pa.Table, own: Inventory) -> Mapping[str, str]:
    """The group of each host: the first that the team's assets name, else inferred from what hosts hold."""
    from vizsla.gold.learnt import groups, learnt
    from vizsla.gold.units import facts_of, units_of
    from vizsla.triage import assets

    known = assets.load(lake)
    named = {}
    for host in own.hosts:
        asset = known.host(host) if known else None
        if asset is not None and asset.groups:
            named[host] = asset.groups[0]
    rest = [host for host in own.hosts if host not in named]
    rows = facts.filter(pc.is_in(facts["host"], pa.array(rest, pa.string())))
    if rows.num_rows:
        found = groups(learnt(units_of(facts_of(rows)))["held"])
        named |= {host: GROUP.format(number + 1) for host, number in found.items() if host in own.hosts}
    return named


def _facts(
    lake: Lake, engine: Engine, kinds: Sequence[str], since: datetime | None = None, until: datetime | None = None
) -> pa.Table:
    from vizsla.gold.gather import gathered
    from vizsla.hunt.scope import scans_of

    return gathered(engine, scans_of(lake, engine, since=since, until=until), kinds)


def _inventory(facts: pa.Table) -> Inventory:
    from vizsla.gold.compare import inventory
    from vizsla.gold.units import facts_of

    return inventory(facts_of(facts))


def _image(own: Inventory, image: str, engine: Engine, kinds: Sequence[str]) -> Inventory:
    """The image that is meant: a host of this lake, another lake, or a folder of logs and snapshots."""
    from vizsla.ingest import ingest
    from vizsla.lake import Lake
    from vizsla.lake.folder import EVENTS

    short = image.lower()
    hosts = [name for name in own.hosts if name == short or name.partition(".")[0] == short]
    if len(hosts) == 1:
        return replace(own, hosts={hosts[0]: own.hosts[hosts[0]]})
    path = Path(image)
    if not path.exists():
        raise UsageError(
            f"there is no host and no folder {image!r}", where="--image", fix="name a host of the lake, or a folder"
        )
    if (path / EVENTS).is_dir():
        return _inventory(_facts(Lake.open(path), engine, kinds))
    with tempfile.TemporaryDirectory(prefix="vizsla-image-") as folder:
        lake = Lake.open(Path(folder) / "lake", create=True)
        ingest([str(path)], lake, engine=engine)
        return _inventory(_facts(lake, engine, kinds))

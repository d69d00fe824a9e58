"""What is new, missing or altered on each host, against the gold image: given, or what most hosts of its group hold."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import log2

import numpy as np
import pyarrow as pa

from vizsla.gold.gather import RAN
from vizsla.gold.units import NOTHING, VALUED, Facts

RARE = 0.1  # share of a group's hosts up to which what they hold is told as new, or as altered
USUAL = 0.9  # share from which on it is missing where it is not
MOST = 0.6  # share of the holders that makes a value the usual one
FIELDS = tuple(name for name in VALUED if name != "actor")
SCHEMA = pa.schema([
    ("bits", pa.float64()), ("what", pa.string()), ("host", pa.string()), ("group", pa.string()), ("kind", pa.string()),
    ("item", pa.string()), ("field", pa.string()), ("value", pa.string()), ("usual", pa.string()),
    ("hosts", pa.int64()), ("of", pa.int64()), ("by", pa.string()), ("first", pa.timestamp("us", tz="UTC")),
    ("last", pa.timestamp("us", tz="UTC")),
])  # fmt: skip
Item = tuple[str, str]  # kind, name


@dataclass
class Held:
    """One item on one host: when it was seen, each field's values with when, and who changed it."""

    name: str
    first: int
    last: int
    gone: bool = False
    changed: int = 0
    by: str = ""
    values: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)

    def now(self, name: str) -> str:
        """The latest value of a field, '' where none was said."""
        seen = self.values.get(name, {})
        return max(seen, key=lambda value: (seen[value][1], value), default="")


@dataclass
class Inventory:
    """What each host holds; and the kinds of which a snapshot lists all that it holds."""

    hosts: dict[str, dict[Item, Held]]
    listed: dict[str, set[str]]


def inventory(facts: Facts) -> Inventory:
    """What rows say that hosts hold. `binary` is left out: programs that ran are no state."""
    raw, columns, texts = facts.raw, facts.columns, facts.texts
    order = np.lexsort((facts.last, facts.first))
    written, people = raw["name"].to_pylist(), raw["actor"].to_pylist()
    acts, kinds, hosts = raw["act"].to_pylist(), raw["kind"].to_pylist(), raw["host"].to_pylist()
    made = Inventory({}, defaultdict(set))
    for row in order.tolist():
        if kinds[row] in ("binary", "process"):
            continue
        item = kinds[row], texts[int(columns["name"][row])]
        own = made.hosts.setdefault(hosts[row] or "", {})
        first, last = int(facts.first[row]), int(facts.last[row])
        held = own.setdefault(item, Held(written[row], first, last))
        held.last = max(held.last, last)
        held.gone = acts[row] == "deleted" or (held.gone and acts[row] not in ("registered", *RAN))
        if acts[row] == "listed":
            made.listed[hosts[row] or ""].add(kinds[row])
        if acts[row] not in RAN:
            held.changed, held.by = held.changed + 1, people[row] or held.by
        if acts[row] != "deleted":
            _say(held, facts, row, first, last)
    return made


def _say(held: Held, facts: Facts, row: int, first: int, last: int) -> None:
    """What a row says of an item's values."""
    for name in FIELDS:
        code = facts.columns[name][row]
        if code != NOTHING:
            seen = held.values.setdefault(name, {})
            value = (facts.written.get(int(code)) if name == "program" else None) or facts.texts[int(code)]
            since, until = seen.get(value, (first, last))
            seen[value] = min(since, first), max(until, last)


def compared(own: Inventory, groups: Mapping[str, str], image: Inventory | None = None) -> pa.Table:
    """Rows of SCHEMA, the strongest first. `image`: what is normal, in place of what most hosts of a group hold."""
    members: dict[str, list[str]] = defaultdict(list)
    for host in sorted(own.hosts):
        members[groups.get(host, "")].append(host)
    rows: list[dict[str, object]] = []
    for group, hosts in members.items():
        normal = _Normal(own, hosts) if image is None else _Normal(image, sorted(image.hosts))
        for host in hosts:
            rows += ({"host": host, "group": group, **row} for row in _of_host(own, host, normal, image is not None))
    rows.sort(
        key=lambda r: (-float(str(r["bits"])), str(r["host"]), str(r["kind"]), str(r["item"]), str(r.get("field")))
    )
    return pa.Table.from_pylist(rows, SCHEMA)


class _Normal:
    """What the hosts of a group hold, and with which values."""

    def __init__(self, inventory: Inventory, hosts: Iterable[str]) -> None:
        self.hosts = list(hosts)
        self.held: Counter[Item] = Counter()
        self.values: dict[tuple[Item, str], Counter[str]] = defaultdict(Counter)
        self.ever: dict[tuple[Item, str], Counter[str]] = defaultdict(Counter)
        self.names: dict[Item, str] = {}
        for host in self.hosts:
            for item, held in inventory.hosts[host].items():
                self.names.setdefault(item, held.name)
                self.held[item] += not held.gone
                for name in held.values:
                    self.values[item, name][held.now(name)] += 1
                    self.ever[item, name].update(list(held.values[name]))

    def usual(self, item: Item, name: str) -> tuple[str, int, int]:
        """The value that most of its holders have, how many they are, and of how many; '' where there is none."""
        counted = self.values.get((item, name), Counter())
        total = sum(counted.values())
        value, count = min(counted.items(), key=lambda entry: (-entry[1], entry[0]), default=("", 0))
        return (value, count, total) if total and count >= MOST * total else ("", 0, total)


def _of_host(own: Inventory, host: str, normal: _Normal, given: bool) -> Iterable[dict[str, object]]:
    """A host's differences: every one from an image that is given, else what few hosts of the group share."""
    size = len(normal.hosts)
    for item, held in own.hosts[host].items():
        count = normal.held[item]
        base = {"kind": item[0], "item": held.name, "by": held.by, "first": _time(held.first), "last": _time(held.last)}
        if held.gone:
            if size > 1 and count >= USUAL * (size - 1):
                yield {**base, "what": "missing", "bits": _bits(size - count, size), "hosts": count, "of": size}
            continue
        if (given and not count) or (not given and size > 1 and count <= max(1.0, RARE * size)):
            yield {**base, "what": "new", "bits": _bits(count, size), "hosts": count, "of": size,
                   "field": "program", "value": held.now("program")}  # fmt: skip
            continue
        yield from ({**base, **row} for name in held.values for row in _altered(held, item, name, normal, given))
    for item, count in normal.held.items():
        listed = item[0] in own.listed.get(host, ()) and item not in own.hosts[host]
        if listed and count and (given or (size > 2 and count >= USUAL * (size - 1))):
            yield {"kind": item[0], "item": normal.names[item], "what": "missing", "bits": _bits(size - count, size),
                   "hosts": count, "of": size}  # fmt: skip


def _altered(held: Held, item: Item, name: str, normal: _Normal, given: bool) -> Iterable[dict[str, object]]:
    """A field's values that are not the usual one: what it is now, and what it was for a while."""
    usual, count, of = normal.usual(item, name)
    if not usual or (not given and of < 3):
        return
    now = held.now(name)
    for value, (first, last) in held.values[name].items():
        others = normal.ever[item, name][value]
        if value == usual or (not given and others > max(1.0, RARE * of)):
            continue
        since, until = held.values[name].get(usual, (0, 0))
        passing = value != now and since < first and until > last
        what = "altered, restored" if passing else "altered"
        if value != now and not passing:
            continue  # what it was before is told only where it came back
        yield {"what": what, "field": name, "value": value, "usual": usual, "hosts": others, "of": of,
               "bits": _bits(others, of) + (1.0 if passing else 0.0) + _bits(of - count, of) / 2,
               "first": _time(first), "last": _time(last)}  # fmt: skip


def _bits(count: int, size: int) -> float:
    """How few of how many, in bits."""
    return round(-log2((count + 0.5) / (size + 1.0)), 2)


def _time(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1e6, UTC)


__all__ = ["SCHEMA", "Inventory", "compared", "inventory"]

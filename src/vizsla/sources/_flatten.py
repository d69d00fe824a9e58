"""JSON records as names and values: objects become columns with dotted names, as a mapping's options say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEPTH = 8  # levels of objects that become columns, where nothing else is said
MOST_SHAPES = 10_000  # remembered per place of a record; more: keys that are data
Shape = tuple[tuple[str, ...], tuple[type, ...]]  # an object's keys, and the types of what they hold
Plan = tuple[tuple[str, ...], tuple[int, ...]]  # its columns' names, and the places of what is taken apart


class Flattener:
    """Records as names and values, dotted where they nest. Names are made once for every set of keys.

    Options: see `_read_json`.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.keep = frozenset(options.get("keep") or ())
        self.depth = int(options.get("depth") or DEPTH)
        self.rename: Mapping[str, str] = options.get("rename") or {}
        self.first = frozenset(options.get("first") or ())
        self.pairs: Mapping[str, list[str]] = options.get("pairs") or {}
        self.merge = frozenset(options.get("merge") or ())
        self.lifted: dict[str, frozenset[str]] = {}
        for path in options.get("lift") or ():
            kept = next(name for name in self.keep if path.startswith(name + "."))
            self.lifted[kept] = self.lifted.get(kept, frozenset()) | {path.removeprefix(kept + ".")}
        self.lists = self.first | set(self.pairs)
        self.plans: dict[str, dict[Shape, Plan]] = {}  # by prefix

    def __call__(self, record: dict[str, Any]) -> tuple[tuple[str, ...], list[Any]]:
        found: list[str] = []
        values: list[Any] = []
        self._walk(record, "", 1, found, values)
        return tuple(found), values

    def _plan(self, prefix: str, shape: Shape) -> Plan:
        """The whole names of an object's keys, and where among them objects and lists stand that are taken apart."""
        plans = self.plans.get(prefix)
        if plans is None or len(plans) >= MOST_SHAPES:
            if len(self.plans) >= MOST_SHAPES:
                self.plans.clear()
            plans = self.plans[prefix] = {}
        keys, kinds = shape
        names = tuple(self.rename.get(prefix + key, prefix + key) for key in keys)
        apart = [kind is dict or (kind is list and name in self.lists) for name, kind in zip(names, kinds, strict=True)]
        plan = plans[shape] = (names, tuple(place for place, is_apart in enumerate(apart) if is_apart))
        return plan

    def _walk(self, record: dict[str, Any], prefix: str, depth: int, found: list[str], values: list[Any]) -> None:
        told = list(record.values())
        shape = (tuple(record), tuple(map(type, told)))
        try:
            names, apart = self.plans[prefix][shape]
        except KeyError:
            names, apart = self._plan(prefix, shape)
        begin = 0  # what is not taken apart goes over in one go
        for place in apart:
            found += names[begin:place]
            values += told[begin:place]
            name, value = names[place], told[place]
            begin = place if self._kept(name, value, depth, found, values) else place + 1
        found += names[begin:] if begin else names
        values += told[begin:] if begin else told

    def _kept(self, name: str, value: Any, depth: int, found: list[str], values: list[Any]) -> bool:
        """Takes an object or a list apart; whether it is a column itself."""
        if type(value) is list:
            return not self._list(name, value, depth, found, values)
        if name in self.merge:
            self._merge(value, depth, found, values)
        elif value and depth < self.depth and name not in self.keep:
            self._walk(value, name + ".", depth + 1, found, values)
        else:
            if name in self.lifted:
                self._lift(name, value, found, values)
            return True
        return False

    def _lift(self, name: str, record: dict[str, Any], found: list[str], values: list[Any]) -> None:
        """Fields of an object that else stays one column."""
        for field in sorted(self.lifted[name] & record.keys()):
            found.append(self.rename.get(f"{name}.{field}", f"{name}.{field}"))
            values.append(record[field])

    def _list(self, name: str, items: list[Any], depth: int, found: list[str], values: list[Any]) -> bool:
        """A list as columns; whether they say all of it."""
        if name in self.pairs and (fields := _paired(items, *self.pairs[name])) is not None:
            self._walk(fields, name + ".", depth + 1, found, values)
            return True
        if name in self.first and items:
            self._walk({"0": items[0]}, name + ".", depth, found, values)
        return False

    def _merge(self, record: dict[str, Any], depth: int, found: list[str], values: list[Any]) -> None:
        """Fields without a prefix; one that says what is said already is left out."""
        own: list[str] = []
        told: list[Any] = []
        self._walk(record, "", depth + 1, own, told)
        said = dict(zip(found, values, strict=True))
        for name, value in zip(own, told, strict=True):
            if name not in said or said[name] != value:
                found.append(name)
                values.append(value)


def _paired(items: list[Any], name: str, value: str) -> dict[str, Any] | None:
    """Objects of a name and a value as one; None where that would lose something."""
    fields: dict[str, Any] = {}
    for item in items:
        if type(item) is not dict or not isinstance(key := item.get(name), str) or not key or key in fields:
            return None
        if len(item) != 1 + (value in item):
            return None
        fields[key] = item.get(value)
    return fields or None

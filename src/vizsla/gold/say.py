"""What is said of a unit, in a sentence with the numbers it rests on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from vizsla.analytics.rarity.encode import I64, code_of, mixed
from vizsla.gold.score import Floats, Scored
from vizsla.gold.units import DAY, FIELDS, ITSELF, Units

TELLING = 2.0  # bits from which on a unit is told in full
WORTH = 2.0  # bits from which on a part of it is mentioned
SHOWN = 120  # characters of a value
EVENTS = 5
ITEMS: Mapping[str, str] = {
    "task": "scheduled task", "autorun": "autorun", "member": "member of", "port": "listening port",
    "binary": "program",
}  # fmt: skip
VERBS: Mapping[str, str] = {
    "actor": "by {}", "program": "running {}", "arguments": "with arguments {}", "author": "author {}",
    "account": "account {}", "trigger": "started by {}", "signer": "signed by {}", "hash": "hash {}",
    "location": "at {}", "version": "version {}", "act": "{}", "brief": "{}",
}  # fmt: skip
BRIEF = {"altered": "altered, run and changed back within two hours", "new": "made and removed within two hours"}


class Speaker:
    """Says why, for units of one scoring."""

    def __init__(self, units: Units, scored: Scored, usual: Usual) -> None:
        self.units, self.scored, self.usual = units, scored, usual
        self.raw = {name: units.facts.raw[name] for name in units.facts.raw.column_names}
        order = np.argsort(units.token_unit, kind="stable")
        self.tokens = order
        self.starts = np.searchsorted(units.token_unit[order], np.arange(len(units) + 1))
        self.item = mixed(units.kind, units.name)
        self.lead, self.lead_bits = self._leads()

    def _leads(self) -> tuple[I64, Floats]:
        """The strongest token of each unit, -1 where it has none."""
        units, bits = self.units, self.scored.token
        order = np.lexsort((-self.units.token_field, bits, units.token_unit))
        last = np.searchsorted(units.token_unit[order], np.arange(len(units)), side="right") - 1
        has = np.isin(np.arange(len(units)), units.token_unit)
        lead = np.where(has, order[np.maximum(last, 0)] if len(order) else -1, -1)
        strength = np.where(lead >= 0, bits[np.maximum(lead, 0)] if len(bits) else 0.0, 0.0)
        return lead, strength

    def rows(self) -> I64:
        """The row that stands for each unit: what its strongest token was read from, else its first."""
        units = self.units
        if not len(units.token_row):
            return units.row
        led = (self.lead >= 0) & (self.lead_bits >= WORTH)
        return np.where(led, units.token_row[np.maximum(self.lead, 0)], units.row)

    def text(self, unit: int) -> str:
        """The sentence."""
        units, scored = self.units, self.scored
        kind = units.facts.texts[int(units.kind[unit])]
        name = self._raw("name", int(units.row[unit]))
        host = self._raw("host", int(units.row[unit]))
        parts = [f"{ITEMS.get(kind, kind)} {_cut(name)} on {host}"]
        if scored.new[unit]:
            parts.append(self._arrival(unit))
        parts += [said for place in self._worth(unit) if (said := self._token(unit, place))]
        if scored.mass[unit] >= WORTH:
            parts.append(
                f"new on {int(scored.wave[unit]) + 1} hosts that day, from where or by whom nothing is rolled out"
            )
        return "; ".join(parts)

    def brief(self, unit: int) -> str:
        """Of what is usual: who and how many."""
        holders = int(self.scored.model.holders.of(self.item[unit : unit + 1])[0])
        return f"held by {holders} of {self.scored.model.hosts} hosts"

    def ids(self, unit: int) -> list[str]:
        """Ids of the events that its telling parts were read from."""
        rows = [int(self.units.row[unit]), *(int(self.units.token_row[p]) for p in self._worth(unit))]
        return list(dict.fromkeys(self._raw("id", row) for row in reversed(rows)))[:EVENTS]

    def pattern(self, unit: int) -> str:
        """Equal where the same item deviates in the same way."""
        texts, units = self.units.facts.texts, self.units
        what = f"{texts[int(units.kind[unit])]} {texts[int(units.name[unit])]}"
        place = int(self.lead[unit])
        if place < 0 or self.lead_bits[unit] < WORTH:
            return what
        return f"{what}: {FIELDS[units.token_field[place]]} {texts[int(units.token_value[place])]}"

    def _raw(self, column: str, row: int) -> str:
        return str(self.raw[column][row].as_py() or "")

    def _worth(self, unit: int) -> list[int]:
        own = self.tokens[self.starts[unit] : self.starts[unit + 1]]
        strong = own[self.scored.token[own] >= WORTH]
        best: dict[int, int] = {}
        for place in strong[np.argsort(-self.scored.token[strong], kind="stable")].tolist():
            best.setdefault(int(self.units.token_field[place]), place)
        return list(best.values())

    def _arrival(self, unit: int) -> str:
        model, item = self.scored.model, self.item[unit : unit + 1]
        held = int(model.holders.of(item)[0])
        if not held:
            return f"new: none of {model.hosts} hosts held it"
        return f"new on this host: {held} of {model.hosts} hosts hold it"

    def _token(self, unit: int, place: int) -> str:
        units, model = self.units, self.scored.model
        name = FIELDS[units.token_field[place]]
        value = units.facts.texts[int(units.token_value[place])]
        if name in ("place", "deployer"):
            return ""
        written = BRIEF.get(value.removesuffix(ITSELF), value) if name == "brief" else self._written(name, place, value)
        said = VERBS[name].format(_cut(written))
        code = np.array([code_of(name)], np.uint64)
        key = mixed(mixed(self.item[unit : unit + 1], code), units.token_value[place : place + 1])
        if name in ("act", "brief"):
            days, of = int(model.value_days.of(key)[0]), int(model.item_days.of(self.item[unit : unit + 1])[0])
            return f"{said}, as on {days} of {of:,} host-days" if of else said
        usual = self.usual.of(int(self.item[unit]), name)
        if usual is None:
            return said
        hosts = int(model.value_hosts.of(key)[0])
        return f"{said} (so on {hosts} hosts; usual: {_cut(usual[0])} on {usual[1]})"

    def _written(self, name: str, place: int, value: str) -> str:
        """The value as the record writes it, where a column holds it."""
        if name in ("program", "actor", "hash", "version", "signer"):
            row = int(self.units.token_row[place])
            told = self._raw(name, row)
            if told and not self._raw("content", row):
                return told
        return value


class Usual:
    """The commonest value of each field of each item."""

    def __init__(self, said: pa.Table) -> None:
        counted = said.group_by(["kind", "name", "field", "value"]).aggregate([([], "count_all")])
        counted = counted.sort_by([("count_all", "ascending"), ("value", "descending")])
        self._said = {
            (kind, name, field): (value, count)
            for kind, name, field, value, count in zip(*(c.to_pylist() for c in counted.columns), strict=True)
        }
        self._items = {}
        for kind, name, _ in self._said:
            self._items[kind, name] = 0
        keys = list(self._items)
        codes = mixed(
            np.array([code_of(k) for k, _ in keys], np.uint64), np.array([code_of(n) for _, n in keys], np.uint64)
        )
        self._of = {int(code): key for code, key in zip(codes.tolist(), keys, strict=True)}

    def of(self, item: int, field: str) -> tuple[str, int] | None:
        """The value and on how many hosts it is; None where the item was never seen to have the field."""
        key = self._of.get(item)
        return self._said.get((*key, field)) if key else None


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN // 2]}…{text[-SHOWN // 2 :]}"


__all__ = ["DAY", "TELLING", "Speaker", "Usual"]

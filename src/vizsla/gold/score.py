"""How unusual each unit is, in bits: by what the host held, what its group and all others hold, what items like it do.

A token's probability is interpolated from the particular to the general, as in prediction by partial matching: the
host's own days, then all hosts (those of its group weigh four times as much), then how often items of that scope share
such a value. Beside that stands the wave: that a value comes to many hosts on one day is how software is rolled out,
and is believed as far as its folder, its deployer and its signer are usual for what is on many hosts. What comes to
many hosts otherwise gains with their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vizsla.analytics.rarity.encode import I64, U64, code_of, mixed
from vizsla.gold.learnt import HELD, SAID, coded, days_of, groups
from vizsla.gold.units import FIELDS, ITSELF, Units
from vizsla.gold.words import SYSTEM

Floats = npt.NDArray[np.float64]

DISCOUNT = 0.5  # taken from each value's count for values not yet seen
OTHERS = 0.25  # what a host of another group weighs
WAVE = 1 / 8  # how often, of what changes on all hosts, all change within a day
BROAD = 0.05  # share of hosts from which on an item counts as rolled out, three hosts at least
SHAPE = 0.5  # of the gamma prior of rates of change: how little a rate of what is general says of one item
QUIET = ("binary",)  # kinds whose arrivals are others' to tell, but for waves
# Fields that mostly change together, by one cause, count once: who did it, what runs, when and where it is started.
CAUSES = (("actor", "author", "account"), ("program", "arguments", "signer", "hash", "version", "place", "deployer"),
          ("trigger", "location"), ("act",), ("brief",))  # fmt: skip
CAUSE = np.array([next(i for i, names in enumerate(CAUSES) if field in names) for field in FIELDS])
FEW = 0.1  # share of hosts, and at least HOSTS of them, at which a wave is believed by a quarter
HOSTS = 5.0
# What is on many hosts wherever Windows is, as so many items: a small baseline leans on it.
SHIPPED = {
    "place": {"c:\\program files": 8, "c:\\program files (x86)": 4, "c:\\windows\\system32": 6, "no folder": 2},
    "deployer": {SYSTEM: 10},
}
ONCE = {"new": 0.5, "altered": 0.05}  # of changes, how many are taken back within hours, before any was seen
UNSCORED = np.array([FIELDS.index("place"), FIELDS.index("deployer")])
FLEET = np.array([FIELDS.index(name) for name in ("actor", "act", "brief")])
REGISTERED = np.array([code_of("registered"), code_of("registered" + ITSELF)], np.uint64)
NEW = np.array([code_of("new"), code_of("new" + ITSELF)], np.uint64)
CAUSED = {
    word + end: cause + end for word, cause in (("new", "registered"), ("altered", "updated")) for end in ("", ITSELF)
}
BITS = 40.0  # at most for one token


class Counts:
    """Sums by key; 0 for keys that were never seen."""

    def __init__(self, keys: U64, values: npt.NDArray[np.generic]) -> None:
        self.keys, at = np.unique(keys, return_inverse=True)
        self.sums = np.bincount(at.reshape(-1), values.astype(np.float64), len(self.keys))

    def of(self, keys: U64) -> Floats:
        if not len(self.keys):
            return np.zeros(len(keys))
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, self.sums[at], 0.0)


class Tails:
    """For each scope, how many items share a value with at most as many items: (singles + those) / all."""

    def __init__(self, scope: U64, value: U64) -> None:
        """`scope` and `value`: one row for each item and value that it has."""
        keys, at, count = np.unique(mixed(scope, value), return_index=True, return_counts=True)
        of = scope[at]
        order = np.lexsort((count, of))
        running = np.cumsum(count[order])
        before = np.zeros(len(order))
        starts = np.flatnonzero(np.r_[True, of[order][1:] != of[order][:-1]]) if len(order) else np.zeros(0, np.int64)
        if len(starts):
            lengths = np.diff(np.r_[starts, len(order)])
            before = np.repeat(running[starts] - count[order][starts], lengths)
        upto = (running - before).astype(np.float64)
        for place in range(len(order) - 2, -1, -1):  # values with as many items are alike
            if of[order][place] == of[order][place + 1] and count[order][place] == count[order][place + 1]:
                upto[place] = upto[place + 1]
        self.known = Counts(keys[order], upto) if len(order) else Counts(keys, np.zeros(0))
        self.total = Counts(of, count)
        self.singles = Counts(of[count == 1], np.ones(int((count == 1).sum())))

    def p(self, scope: U64, value: U64) -> tuple[Floats, Floats]:
        """The share of items whose value is at most as common, and how many items there are."""
        total = self.total.of(scope)
        upto = np.maximum(self.known.of(mixed(scope, value)), self.singles.of(scope))
        return np.minimum(1.0, (upto + 0.5) / (total + 1.0)), total


@dataclass(frozen=True)
class Scored:
    """Bits of each unit, and of each of its tokens. `new`: the host never held it; `wave`: other hosts that day."""

    bits: Floats
    arrival: Floats
    token: Floats
    mass: Floats
    provenance: Floats
    wave: Floats
    new: npt.NDArray[np.bool_]
    unknown: npt.NDArray[np.bool_]
    model: Model


class Model:
    """What was learnt, ready to be asked."""

    def __init__(self, state: Mapping[str, pa.Table]) -> None:
        held, said = coded(state["held"], HELD), coded(state["said"], SAID)
        found = groups(state["held"])
        self.hosts = len(found)
        self.group = Counts(np.array([code_of(h) for h in found], np.uint64), np.array([g + 1 for g in found.values()]))
        self._held(held)
        self._said(said)
        self._broad(held, said)

    def _held(self, held: Mapping[str, np.ndarray]) -> None:
        item, host = mixed(held["kind"], held["name"]), held["host"]
        of = self._group(host)
        self.own = Counts(mixed(item, host), held["days"])
        self.since = Counts(mixed(item, host), held["first"])
        self.holders, self.in_group = Counts(item, np.ones(len(item))), Counts(mixed(item, of), np.ones(len(item)))
        self.item_days = Counts(item, held["days"])
        self.scope_days, self.kind_days = Counts(held["scope"], held["days"]), Counts(held["kind"], held["days"])
        pairs = np.unique(mixed(held["kind"], host), return_index=True)[1]
        self.kind_hosts = Counts(held["kind"][pairs], np.ones(len(pairs)))
        self.kind_group = Counts(mixed(held["kind"], of)[pairs], np.ones(len(pairs)))
        self.known_host = Counts(mixed(held["kind"], host)[pairs], np.ones(len(pairs)))
        alone = self.holders.of(item) == 1
        self.scope_alone = Counts(held["scope"][alone], np.ones(int(alone.sum())))
        self.scope_all = Counts(held["scope"], np.ones(len(item)))
        self.kind_alone = Counts(held["kind"][alone], np.ones(int(alone.sum())))
        self.kind_all = Counts(held["kind"], np.ones(len(item)))

    def _said(self, said: Mapping[str, np.ndarray]) -> None:
        item, host, days = mixed(said["kind"], said["name"]), said["host"], said["days"]
        field = mixed(item, said["field"])
        value, of, weight = mixed(field, said["value"]), self._group(host), days_of(days)
        self.value_all, self.field_all = Counts(value, weight), Counts(field, weight)
        self.value_group, self.field_group = Counts(mixed(value, of), weight), Counts(mixed(field, of), weight)
        self.value_own, self.field_own = Counts(mixed(value, host), days), Counts(mixed(field, host), days)
        self.weight_own, self.weight_field = Counts(mixed(value, host), weight), Counts(mixed(field, host), weight)
        self.value_days = Counts(value, days)
        self.value_hosts = Counts(value, np.ones(len(value)))
        first = np.unique(value, return_index=True)[1]
        self.values = Counts(field[first], np.ones(len(first)))
        self.own_values = Counts(mixed(field, host), np.ones(len(field)))
        scoped = mixed(said["scope"], said["field"])
        self.by_scope = Tails(scoped[first], said["value"][first])
        kinded = mixed(said["kind"], said["field"])
        self.by_kind = Tails(kinded[first], said["value"][first])
        self.anywhere = Counts(mixed(kinded, said["value"]), np.ones(len(value)))
        self.scope_acts = Counts(mixed(scoped, said["value"]), days)
        self.kind_acts = Counts(mixed(kinded, said["value"]), days)

    def _broad(self, held: Mapping[str, np.ndarray], said: Mapping[str, np.ndarray]) -> None:
        """Folders, deployers and signers of what is on many hosts, whatever its kind."""
        item = mixed(said["kind"], said["name"])
        broad = self.holders.of(item) >= max(3.0, BROAD * self.hosts)
        first = np.unique(mixed(item, said["field"], said["value"])[broad], return_index=True)[1]
        shipped = [(field, value) for field, values in SHIPPED.items() for value, n in values.items() for _ in range(n)]
        field, value = (np.array([code_of(text) for text in texts], np.uint64) for texts in zip(*shipped, strict=True))
        self.rolled_out = Tails(
            np.concatenate([said["field"][broad][first], field]), np.concatenate([said["value"][broad][first], value])
        )

    def _group(self, host: U64) -> U64:
        made: U64 = self.group.of(host).astype(np.uint64)
        return made

    def score(self, units: Units) -> Scored:
        """Bits of every unit."""
        item = mixed(units.kind, units.name)
        group = self._group(units.host)
        provenance = self._provenance(units)
        trust = WAVE * np.exp2(-provenance)
        today = units.day.astype(np.uint64)
        arrival, new, unknown, beside = self._arrival(units, item, group, today, trust)
        token, fresh_beside = self._tokens(units, item, group, today, trust, unknown)
        quiet = np.isin(units.kind, [code_of(kind) for kind in QUIET])
        arrival = np.where(quiet, 0.0, arrival)
        total = arrival + _strongest(units, token)
        wave = np.maximum(np.where(new & unknown, beside, 0.0), fresh_beside)
        mass = 0.5 * provenance * np.log2(1.0 + wave)
        return Scored(total + mass, arrival, token, mass, provenance, wave, new, unknown, self)

    def _arrival(
        self, units: Units, item: U64, group: U64, today: U64, trust: Floats
    ) -> tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.bool_], Floats]:
        """Bits for a host's getting an item; whether it never held it; whether no host did; how many others got it."""
        new = self.own.of(mixed(item, units.host)) == 0
        everywhere, in_group = self.holders.of(item), self.in_group.of(mixed(item, group))
        hosts, own_group = self.kind_hosts.of(units.kind), self.kind_group.of(mixed(units.kind, group))
        prevalence = _near(everywhere, in_group) / (_near(hosts, own_group) + 1.0)
        alone_kind = (self.kind_alone.of(units.kind) + 0.5) / (self.kind_all.of(units.kind) + 1.0)
        alone = (self.scope_alone.of(units.scope) + alone_kind) / (self.scope_all.of(units.scope) + 1.0)
        spread, others = np.zeros(len(new)), np.zeros(len(new))
        others[new] = _hosts(mixed(item[new], today[new]), units.host[new]) - 1.0
        spread[new] = self._wave(others, _hosts(mixed(units.kind, today), units.host))[new]
        p = np.maximum(prevalence, alone)
        p = p + (1 - p) * trust * spread
        return np.where(new, _bits(p), 0.0), new, new & (everywhere == 0), others

    def _tokens(
        self, units: Units, item: U64, group: U64, today: U64, trust: Floats, unknown: npt.NDArray[np.bool_]
    ) -> tuple[Floats, Floats]:
        """Bits of each token; per unit, how many other hosts had a program or a hash that day that was never seen."""
        of, value = units.token_unit, units.token_value
        name = np.array([code_of(field) for field in FIELDS], np.uint64)[units.token_field]
        field = mixed(item[of], name)
        key, host, day = mixed(field, value), units.host[of], today[of]
        shown, among = _hosts(mixed(key, day), host) - 1.0, _hosts(mixed(field, day), host)
        fleet = _hosts(mixed(units.kind, today), units.host)[of]  # whoever changes something does so among all hosts
        among = np.where(np.isin(units.token_field, FLEET), fleet, among)
        share = self._wave(shown, among)
        scope = self._in_scope(units, name)
        p = self._value(key, field, host, group[of], scope)
        acted = units.token_field == FIELDS.index("act")
        p[acted] = self._acts(units, item, name, acted)
        brief = units.token_field == FIELDS.index("brief")
        p[brief] = self._briefs(units, item, brief)
        p = p + (1 - p) * trust[of] * share
        bits = _bits(p)
        bits[np.isin(units.token_field, UNSCORED)] = 0.0
        came = unknown[of] | (units.day < self.since.of(mixed(item, units.host)))[of]
        bits[acted & came & np.isin(value, REGISTERED)] = 0.0  # its coming is told as such
        bits[acted & unknown[of]] = 0.0
        return bits, self._fresh(units, name, value, host, day)

    def _in_scope(self, units: Units, name: U64) -> Floats:
        """How usual a value is among items of its scope; of a program, its folder where that is rarer."""
        of, value = units.token_unit, units.token_value
        p, n = self.by_scope.p(mixed(units.scope[of], name), value)
        wide, _ = self.by_kind.p(mixed(units.kind[of], name), value)
        made = (n * p + 2.0 * wide) / (n + 2.0)
        program, place = FIELDS.index("program"), FIELDS.index("place")
        folder = np.ones(len(units.kind))
        np.minimum.at(folder, of[units.token_field == place], made[units.token_field == place])
        return np.where(units.token_field == program, np.minimum(made, folder[of]), made)

    def _value(self, key: U64, field: U64, host: U64, group: U64, scope: Floats) -> Floats:
        """How usual a value of an item is: on the host itself, else on others, else in items of its scope."""
        own, days = self.value_own.of(mixed(key, host)), self.field_own.of(mixed(field, host))
        mine, of_mine = self.weight_own.of(mixed(key, host)), self.weight_field.of(mixed(field, host))
        seen = (
            _near(self.value_all.of(key), self.value_group.of(mixed(key, group))) - mine
        )  # others, not the host itself
        total = _near(self.field_all.of(field), self.field_group.of(mixed(field, group))) - of_mine
        everybody = _partial(np.maximum(seen, 0.0), np.maximum(total, 0.0), self.values.of(field), scope)
        return _partial(own, days, self.own_values.of(mixed(field, host)), everybody)

    def _acts(self, units: Units, item: U64, name: U64, acted: npt.NDArray[np.bool_]) -> Floats:
        """How often an item is changed so, per day that a host spoke of it."""
        of, value = units.token_unit[acted], units.token_value[acted]
        scope, kind, field = units.scope[of], units.kind[of], name[acted]
        days = self.kind_days.of(kind)
        wide = (self.kind_acts.of(mixed(mixed(kind, field), value)) + SHAPE) / (days + 2.0 * SHAPE)
        near = _rate(self.scope_acts.of(mixed(mixed(scope, field), value)), self.scope_days.of(scope), wide)
        key, host = mixed(mixed(item[of], field), value), units.host[of]
        own, own_days = self.value_own.of(mixed(key, host)), self.own.of(mixed(item[of], host))
        every = _rate(self.value_days.of(key) - own, self.item_days.of(item[of]) - own_days, near)
        return _rate(own, own_days, every)

    def _briefs(self, units: Units, item: U64, brief: npt.NDArray[np.bool_]) -> Floats:
        """How often a change of an item is taken back so soon, per change."""
        of, value = units.token_unit[brief], units.token_value[brief]
        act, word = np.uint64(code_of("act")), np.uint64(code_of("brief"))
        cause = np.zeros(len(of), np.uint64)
        for said, by in CAUSED.items():
            cause[value == code_of(said)] = code_of(by)
        p = np.full(len(of), ONCE["altered"])
        p[np.isin(value, NEW)] = ONCE["new"]
        for level, counted in ((units.kind[of], self.kind_acts), (units.scope[of], self.scope_acts),
                               (item[of], self.value_days)):  # fmt: skip
            hits = counted.of(mixed(mixed(level, _same(word, of)), value))
            changes = counted.of(mixed(mixed(level, _same(act, of)), cause))
            p = _rate(hits, np.maximum(changes, hits), p)
        return p

    def _wave(self, shown: Floats, among: Floats) -> Floats:
        """How far what `shown` other hosts of `among` show on one day looks like what all of them get."""
        few = max(HOSTS, FEW * self.hosts)
        believed: Floats = shown / (among + 1.0) * (shown / (shown + few)) ** 2
        return believed

    def _fresh(self, units: Units, name: U64, value: U64, host: U64, day: U64) -> Floats:
        """Per unit: other hosts that had the same program or hash that day, where no host ever had."""
        of = units.token_unit
        wide = mixed(mixed(units.kind[of], name), value)
        named = np.isin(units.token_field, [FIELDS.index("program"), FIELDS.index("hash")])
        at = np.flatnonzero(named & (self.anywhere.of(wide) == 0))
        found = np.zeros(len(units.kind))
        np.maximum.at(found, of[at], _hosts(mixed(wide[at], day[at]), host[at]) - 1.0)
        return found

    def _provenance(self, units: Units) -> Floats:
        """Bits by which folder, deployer and signer are unusual for what is on many hosts; the mean of those known."""
        total, known = np.zeros(len(units)), np.zeros(len(units))
        for field in ("place", "deployer", "signer"):
            at = np.flatnonzero(units.token_field == FIELDS.index(field))
            p, _ = self.rolled_out.p(np.full(len(at), code_of(field), np.uint64), units.token_value[at])
            worst = np.zeros(len(units))
            np.maximum.at(worst, units.token_unit[at], np.maximum(0.0, _bits(p) - 1.0))
            has = np.zeros(len(units), np.bool_)
            has[units.token_unit[at]] = True
            total, known = total + worst, known + has
        return total / np.maximum(known, 1.0)


def _partial(seen: Floats, total: Floats, kinds: Floats, general: Floats) -> Floats:
    """A value's share, discounted for values not yet seen, whose share goes by what is more general."""
    left = DISCOUNT * kinds + DISCOUNT
    made = (np.maximum(seen - DISCOUNT, 0.0) + left * general) / (total + DISCOUNT)
    return np.where(total > 1e-9, np.minimum(made, 1.0), general)


def _rate(hits: Floats, days: Floats, general: Floats) -> Floats:
    """A rate whose prior is a gamma distribution of shape SHAPE round what is general."""
    return np.minimum(1.0, (hits + SHAPE) / (days + SHAPE / np.maximum(general, 1e-12)))


def _near(everywhere: Floats, in_group: Floats) -> Floats:
    """Hosts of the group in full, others in part."""
    return OTHERS * everywhere + (1.0 - OTHERS) * in_group


def _hosts(keys: U64, hosts: U64) -> Floats:
    """For each row, on how many hosts its key is."""
    _, at = np.unique(keys, return_inverse=True)
    pairs = np.unique(mixed(keys, hosts), return_index=True)[1]
    count = np.bincount(at.reshape(-1)[pairs], minlength=int(at.max(initial=-1)) + 1)
    found: Floats = count[at.reshape(-1)].astype(np.float64)
    return found


def _strongest(units: Units, token: Floats) -> Floats:
    """The sum over causes of the strongest token of each.

    That an item was changed and what it then runs vouch for each other: the weaker of the two counts half.
    """
    key = units.token_unit * len(FIELDS) + CAUSE[units.token_field]
    order = np.lexsort((token, key))
    last = np.r_[key[order][1:] != key[order][:-1], True] if len(order) else np.zeros(0, np.bool_)
    chosen = order[last]
    total: Floats = np.bincount(units.token_unit[chosen], token[chosen], len(units)).astype(np.float64)
    pair = np.zeros((2, len(units)))
    for place, field in enumerate(("program", "act")):
        own = chosen[CAUSE[units.token_field[chosen]] == CAUSE[FIELDS.index(field)]]
        pair[place, units.token_unit[own]] = token[own]
    shared: Floats = pair.min(axis=0)
    return total - shared / 2.0


def _bits(p: Floats) -> Floats:
    return np.minimum(-np.log2(np.maximum(p, 1e-300)), BITS)


def _same(code: np.uint64, like: I64) -> U64:
    return np.full(len(like), code, np.uint64)

"""Which accounts are people's and which are services', told by how and when they log on; and who acts like the others.

Two classes of accounts, each with its own frequencies of logon types and of hours (three-hour slots of workdays and
weekends), found by expectation maximisation from a first guess: people log on interactively.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vizsla.calibration import Floats

WAYS = pa.schema([("user", pa.string()), ("type", pa.string()), ("slot", pa.int64()), ("day", pa.int64()),
                  ("n", pa.int64())])  # fmt: skip
INTERACTIVE = ("Interactive", "RemoteInteractive", "CachedInteractive", "CachedRemoteInteractive", "CachedUnlock",
               "Unlock")  # fmt: skip
SLOTS, PER_SLOT = 16, 3  # of workdays, then of weekends; hours
MOST = 20.0  # logons of an account that count as evidence of its class: they follow one another
STEPS = 25
PRIOR = 0.5  # logons of each type, and at each slot, that every class is assumed to have had
OWN = 2.0  # logons at which an account's own habit weighs as much as its class's
PERSON, SERVICE = 0, 1
WORDS = ("a person", "a service")
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Kinds:
    """Accounts with their class. `is_service`: its probability; `types`, `slots`: logons of each, by account."""

    users: dict[str, int]
    names: dict[str, int]  # of types
    is_service: Floats
    types: Matrix
    slots: Matrix
    class_types: Matrix  # 2 x (types and one never seen)
    class_slots: Matrix  # 2 x SLOTS

    def bits(self, user: str, kind: str, slot: int) -> float:
        """How much likelier a logon is of the other class than of this account, in bits; 0 where it is not, or where
        the account was never seen or could be either."""
        code = self.users.get(user)
        if code is None:
            return 0.0
        own = SERVICE if self.is_service[code] > 0.5 else PERSON
        sure = abs(2.0 * float(self.is_service[code]) - 1.0)
        column = self.names.get(kind, len(self.names))
        mine, theirs = 0.0, 0.0
        for habits, classes, place in ((self.types, self.class_types, column), (self.slots, self.class_slots, slot)):
            seen = habits[code, place] if place < habits.shape[1] else 0.0
            mine -= np.log2((seen + OWN * classes[own, place]) / (habits[code].sum() + OWN))
            theirs -= np.log2(classes[1 - own, place])
        return round(float(max(0.0, mine - theirs) * sure), 9)


def kinds(ways: pa.Table) -> Kinds:
    """The classes of the accounts of a table of WAYS."""
    user, kind = (ways[name].combine_chunks().dictionary_encode() for name in ("user", "type"))
    users, names = ({name: i for i, name in enumerate(a.dictionary.to_pylist())} for a in (user, kind))
    types, slots = np.zeros((len(users), len(names))), np.zeros((len(users), SLOTS))
    n, who = ways["n"].to_numpy().astype(np.float64), user.indices.to_numpy()
    np.add.at(types, (who, kind.indices.to_numpy()), n)
    np.add.at(slots, (who, ways["slot"].to_numpy()), n)
    by_hand = types[:, [i for name, i in names.items() if name in INTERACTIVE]].sum(axis=1)
    is_service = np.clip(1.0 - by_hand / np.maximum(types.sum(axis=1), 1.0) * 2.0, 0.05, 0.95)
    weight = np.minimum(1.0, MOST / np.maximum(types.sum(axis=1), 1.0))[:, None]
    padded = np.concatenate([types * weight, np.zeros((len(users), 1))], axis=1)
    for _ in range(STEPS):
        share = np.stack([1.0 - is_service, is_service])
        class_types, class_slots = (_frequencies(share @ counts) for counts in (padded, slots * weight))
        log = padded @ np.log(class_types).T + (slots * weight) @ np.log(class_slots).T
        log += np.log((share.sum(axis=1) + 1.0) / (len(users) + 2.0))
        is_service = 1.0 / (1.0 + np.exp(np.clip(log[:, PERSON] - log[:, SERVICE], -500, 500)))
    return Kinds(users, names, is_service, types, slots, class_types, class_slots)


def _frequencies(counts: Matrix) -> Matrix:
    return np.asarray((counts + PRIOR) / (counts + PRIOR).sum(axis=1, keepdims=True))


def slots(hour: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The slot of each hour since 1970."""
    weekend = ((hour // 24 + 3) % 7 >= 5).astype(np.int64)
    return np.asarray(hour % 24 // PER_SLOT + SLOTS // 2 * weekend)

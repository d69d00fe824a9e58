"""What ties an event to its episode: process GUID, process id, logon session, connection pair; and process starts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytics.rarity.encode import ABSENT, I64, NOTHING, U64, code_of, dictionary, mixed, take
from vizsla.analytics.rarity.fields import Profile, launchers
from vizsla.analytics.rarity.things import of_pair, things

NO_PID = -1
AGAIN = 131_072  # ids remembered: they come again in every batch
# Logon sessions of the system itself: SYSTEM, LOCAL SERVICE, NETWORK SERVICE, ANONYMOUS. They are nobody's episode.
SHARED_LOGONS = frozenset(("0x0", "0x3e7", "0x3e4", "0x3e5", "0x3e6", "0"))
LOGON_KINDS = frozenset(f"windows_security:{n}" for n in (4624, 4627, 4634, 4647, 4672))


@dataclass(frozen=True, slots=True)
class Keys:
    """Per row of a batch: codes of the process GUID, logon session and pair (0: none), and the pid (NO_PID: none).

    A pair is one of addresses, or where there is none the thing that the row is about (see things.py)."""

    guid: U64
    pid: I64
    logon: U64
    pair: U64


@dataclass(frozen=True, slots=True)
class Starts:
    """Process starts: places in the batch, the parent's GUID and pid, and whether the parent is a launcher."""

    at: I64
    pid: I64
    parent_guid: U64
    parent_pid: I64
    launched: npt.NDArray[np.bool_]


GUID_LENGTH = 36
DASHES = (8, 13, 18, 23)
PARTS = ((0, 8), (9, 13), (14, 18), (19, 23), (24, 36))
_ONES = np.uint64(0x0101010101010101)
_NIBBLES = np.uint64(0x0F0F0F0F0F0F0F0F)
_PAIRS = ((4, 8, 0x00FF00FF00FF00FF), (8, 16, 0x0000FFFF0000FFFF), (16, 32, 0x00000000FFFFFFFF))


def guid_code(text: str) -> int:
    """The code of a GUID however it is written; 0 for none and for the null GUID."""
    return int(guid_codes(pa.array([text], pa.string()))[0])


def guid_codes(values: pa.StringArray) -> U64:
    """`guid_code` of many values (null: 0): as every process has one, they are parsed all at once."""
    bare = pc.fill_null(values.cast(pa.string()), "")
    regular = np.asarray(pc.equal(pc.binary_length(bare), GUID_LENGTH))
    if not regular.all():
        bare = pc.utf8_trim(bare, "{}")
        regular = np.asarray(pc.equal(pc.binary_length(bare), GUID_LENGTH))
    codes = np.zeros(len(bare), dtype=np.uint64)
    at = np.flatnonzero(regular)
    if len(at):
        whole = bare if len(at) == len(bare) else bare.take(pa.array(at))
        begin = int(np.frombuffer(whole.buffers()[1], dtype=np.int32, count=whole.offset + 1)[whole.offset])
        text = np.frombuffer(whole.buffers()[2], dtype=np.uint8, count=len(at) * GUID_LENGTH, offset=begin)
        text = text.reshape(len(at), GUID_LENGTH)
        digits = np.concatenate([text[:, first:last] for first, last in PARTS], axis=1)
        small = digits | np.uint8(0x20)
        known = (digits - np.uint8(ord("0")) < 10) | (small - np.uint8(ord("a")) < 6)
        good = (known.view(np.uint64) == _ONES).all(axis=1)
        for dash in DASHES:
            good &= text[:, dash] == ord("-")
        high, low = _numbers(small)
        code = np.maximum(mixed(high, low), np.uint64(1))
        codes[at[good]] = np.where((high | low) == 0, NOTHING, code)[good]
        regular[at[~good]] = False
    for place in np.flatnonzero(~regular).tolist():  # what is no GUID is compared as it is
        odd = bare[place].as_py().lower()
        codes[place] = code_of(odd) if odd.strip("0-") else 0
    return codes


def _numbers(digits: npt.NDArray[np.uint8]) -> tuple[U64, U64]:
    """The two halves of 32 hexadecimal digits (lower case, one a byte) in each row: eight digits at a time."""
    eight = digits.view("<u8")
    eight = (eight & _NIBBLES) + ((eight >> np.uint64(6)) & _ONES) * np.uint64(9)
    for up, down, kept in _PAIRS:  # neighbours become one: digits, then bytes, then words
        eight = ((eight << np.uint64(up)) | (eight >> np.uint64(down))) & np.uint64(kept)
    eight = eight.astype(np.uint64, copy=False)
    high, low = ((eight[:, i] << np.uint64(32)) | eight[:, i + 1] for i in (0, 2))
    return high, low


@lru_cache(AGAIN)
def pid_of(text: str) -> int:
    """A process id from decimal or hexadecimal text; NO_PID for none and for the kernel's own (4 and below)."""
    if not text.isalnum() or not text.isascii():  # int() takes blanks, signs, underscores and digits of all scripts
        return NO_PID
    try:
        number = int(text, 16) if text[:2] in ("0x", "0X") else int(text)
    except ValueError:
        return NO_PID
    return number if 4 < number < 2**32 else NO_PID


def _named(text: str) -> int:
    if ":" in text:  # IPv6 is written in many ways
        with suppress(ValueError):
            return code_of(ip_address(text).compressed)
    return 0 if text in ABSENT else code_of(text)


@lru_cache(AGAIN)
def _logon(text: str) -> int:
    low = text.lower()
    if low.startswith("0x"):
        low = "0x" + low[2:].lstrip("0").rjust(1, "0")  # some logs fill it up to 64 bits
    return 0 if low in SHARED_LOGONS or low in ABSENT else code_of(low)


def _base(text: str) -> str:
    return text.replace("/", "\\").rpartition("\\")[2].lower()


def keys(batch: pa.RecordBatch, profile: Profile) -> Keys:
    """The keys of every row; the first column of the profile's list that is filled decides."""
    guid = _first(batch, profile.guid, guid_codes)
    logon = _first(batch, profile.logon, _each(_logon))
    pair = np.zeros(batch.num_rows, dtype=np.uint64)
    if profile.pair and set(profile.pair) <= set(batch.schema.names):
        ends = [_mapped(batch, name, _each(_named)) for name in profile.pair]
        pair = np.where(np.all([end != NOTHING for end in ends], axis=0), of_pair(mixed(*ends)), NOTHING)
    if profile.about:
        pair = np.where(pair == NOTHING, things(batch, profile), pair)
    pid = np.full(batch.num_rows, NO_PID, dtype=np.int64)
    for name in profile.pid:
        if name in batch.schema.names:
            pid = np.where(pid == NO_PID, _pids(batch, name), pid)
    return Keys(guid, pid, logon, pair)


# Kinds that tell of process starts, and their columns of the pid, the parent's GUID, pid and image.
STARTING = {"windows_sysmon:1": ("ProcessId", "ParentProcessGuid", "ParentProcessId", "ParentImage"),
            "windows_security:4688": ("NewProcessId", "", "ProcessId", "ParentProcessName")}  # fmt: skip


def starts(batch: pa.RecordBatch, at: I64, kind: str) -> Starts | None:
    """The process starts among these rows of one kind; None where the kind tells of none."""
    names = STARTING.get(kind)
    if names is None:
        return None
    pid, parent_guid, parent_pid, parent_image = names
    asked = batch.select([name for name in names if name in batch.schema.names])
    part = asked if len(at) == batch.num_rows else asked.take(pa.array(at))
    return Starts(
        at=at,
        pid=_pids(part, pid),
        parent_guid=_mapped(part, parent_guid, guid_codes),
        parent_pid=_pids(part, parent_pid),
        launched=_mapped(part, parent_image, _each(lambda t: int(_base(t) in launchers())), absent=1) == 1,
    )


Numbered = Callable[[pa.Array], U64]  # of distinct values, none of them null


def _each(number: Callable[[str], int]) -> Numbered:
    return lambda values: np.fromiter(map(number, values.to_pylist()), dtype=np.uint64, count=len(values))


def _first(batch: pa.RecordBatch, names: tuple[str, ...], numbered: Numbered) -> U64:
    total = np.zeros(batch.num_rows, dtype=np.uint64)
    for name in names:
        if name in batch.schema.names:
            total = np.where(total == NOTHING, _mapped(batch, name, numbered), total)
            if total.all():
                break
    return total


def _mapped(batch: pa.RecordBatch, name: str, numbered: Numbered, absent: int = 0) -> U64:
    if name not in batch.schema.names:
        return np.full(batch.num_rows, absent, dtype=np.uint64)
    column = batch.column(name)
    if numbered is guid_codes and not pa.types.is_dictionary(column.type):
        return guid_codes(column)  # every process has one of its own
    distinct, places = dictionary(column)
    mapped = take(numbered(distinct), places)
    return np.where(places < 0, np.uint64(absent), mapped) if absent else mapped


def _pids(batch: pa.RecordBatch, name: str) -> I64:
    if name not in batch.schema.names:
        return np.full(batch.num_rows, NO_PID, dtype=np.int64)
    distinct, places = dictionary(batch.column(name))
    texts = distinct.to_pylist()
    numbers = np.fromiter((NO_PID if t is None else pid_of(t) for t in texts), dtype=np.int64, count=len(texts))
    return np.append(numbers, NO_PID)[places]

"""The verdicts of a lake: lines of JSON that are only ever added to. What is taken back is taken back by a line more.

verdicts/verdicts.jsonl   one record a line: a verdict, or the taking back of one; written whole and flushed to disk
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vizsla.errors import LakeError, UsageError
from vizsla.nouns.verdict import JUDGEMENTS, REACHES, Condition, Shown, Verdict

if TYPE_CHECKING:
    from vizsla.lake import Lake

FORMAT = 1
ROOM, FILE = "verdicts", "verdicts.jsonl"
State = Literal["stands", "ended", "replaced", "taken back"]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """A verdict and how it stands: it holds, its time is over, a later one of the same finding replaced it, or it was
    taken back (`since`: when)."""

    verdict: Verdict
    state: State
    since: datetime | None = None


class VerdictStore:
    """The verdicts of a lake, in the order in which they were given. Reading needs no right to write."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.path = Path(lake.root) / ROOM / FILE

    def add(self, verdict: Verdict) -> None:
        """Keep a verdict. Raises LakeError where the lake cannot be written."""
        self._append(_record(verdict))

    def undo(self, id: str, by: str, at: datetime | None = None) -> Verdict:
        """Take a verdict back, by its id or the first digits of it. Raises UsageError where it does not stand."""
        with self.lake.writing():
            known = self.all(at)
            found = one(id, [kept.verdict.id for kept in known])
            kept = next(k for k in known if k.verdict.id == found)
            if kept.state == "taken back":
                raise UsageError(f"verdict {found} was taken back already", where=str(self.path))
            moment = at or datetime.now(UTC)
            self._append({"format": FORMAT, "what": "undo", "id": found, "at": _said(moment), "by": by})
        return kept.verdict

    def all(self, now: datetime | None = None) -> list[Kept]:
        """Every verdict ever given, the earliest first. Raises LakeError where the file is damaged."""
        moment = now or datetime.now(UTC)
        given: dict[str, Verdict] = {}
        back: dict[str, datetime] = {}
        for record in self._records():
            if record["what"] == "undo":
                back[record["id"]] = _time(record["at"])
            else:
                given[record["id"]] = _verdict(record)
        latest = {v.finding: v.id for v in given.values() if v.id not in back}
        return [_kept(v, back.get(v.id), given[latest.get(v.finding, v.id)], moment) for v in given.values()]

    def standing(self, now: datetime | None = None) -> list[Verdict]:
        """The verdicts that hold, the earliest first."""
        return [kept.verdict for kept in self.all(now) if kept.state == "stands"]

    def _records(self) -> list[Json]:
        import orjson

        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise LakeError(f"the verdicts cannot be read: {error.strerror}", where=str(self.path)) from error
        lines = text.split(b"\n")
        records = []
        for number, line in enumerate(lines, 1):
            if not line:
                continue
            try:
                record = orjson.loads(line)
                _check(record)
            except (orjson.JSONDecodeError, LookupError, TypeError, ValueError) as error:
                if not _torn(lines, number):
                    raise LakeError(
                        f"a verdict is damaged: {error}",
                        where=f"{self.path}, line {number}",
                        fix="restore the file from a copy, or delete that line",
                    ) from error
                continue  # a crash cut this line short while it was written: that verdict was never acknowledged
            records.append(record)
        return records

    def _append(self, record: Json) -> None:
        from vizsla.faces.jsonl import dumps

        with self.lake.writing():
            self.lake.room(ROOM)
            try:
                with self.path.open("ab+") as file:
                    file.seek(0, os.SEEK_END)
                    if file.tell():
                        file.seek(-1, os.SEEK_END)
                        whole = file.read(1) == b"\n"
                    else:
                        whole = True
                    file.write((b"" if whole else b"\n") + dumps(record) + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise LakeError(
                    f"the lake cannot be written: {error.strerror}",
                    where=str(self.path),
                    fix="check its permissions and free space",
                ) from error


def new_id() -> str:
    """A name for a verdict."""
    return secrets.token_hex(4)


def one(wanted: str, known: list[str]) -> str:
    """The id that is wanted, or that alone begins so. Raises UsageError."""
    text = wanted.strip().lower()
    fitting = [id for id in known if id == text] or [id for id in known if text and id.startswith(text)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise UsageError(f"there is no verdict {wanted!r}", fix="`vizsla verdict list` lists them")
    raise UsageError(f"{wanted!r} fits {len(fitting)} verdicts: {', '.join(fitting[:5])}", fix="give more digits")


def _kept(verdict: Verdict, back: datetime | None, latest: Verdict, now: datetime) -> Kept:
    if back is not None:
        return Kept(verdict, "taken back", back)
    if latest.id != verdict.id:
        return Kept(verdict, "replaced", latest.at)
    return Kept(verdict, "ended", verdict.until) if verdict.ended(now) else Kept(verdict, "stands")


def _torn(lines: list[bytes], number: int) -> bool:
    """Whether a line may have been cut short by a crash: it is not whole JSON, as every line that was written is."""
    return not lines[number - 1].rstrip().endswith(b"}")


def _said(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _record(verdict: Verdict) -> Json:
    return {
        "format": FORMAT,
        "what": "verdict",
        "id": verdict.id,
        "at": _said(verdict.at),
        "by": verdict.by,
        "judgement": verdict.judgement,
        "scope": verdict.reach,
        "reason": verdict.reason,
        "until": _said(verdict.until),
        "finding": verdict.finding,
        "pattern_id": verdict.pattern_id,
        "title": verdict.title,
        "bits": verdict.bits,
        "hosts": list(verdict.hosts),
        "users": list(verdict.users),
        "where": [{"field": c.field, "test": c.test, "value": c.value} for c in verdict.where],
        "shown": [{"kind": s.kind, "code": s.code, "bits": s.bits} for s in verdict.shown],
        "traits": dict(verdict.traits),
        "techniques": list(verdict.techniques),
    }


def _check(record: Mapping[str, Any]) -> None:
    """Raises where a record is none of ours."""
    if record["format"] > FORMAT:
        raise LakeError("verdicts were given by a newer Vizsla", where=FILE, fix="upgrade: pip install -U vizsla")
    if record["what"] == "undo":
        _time(record["at"])
        str(record["id"])
    else:
        _verdict(record)


def _verdict(record: Mapping[str, Any]) -> Verdict:
    if record["judgement"] not in JUDGEMENTS or record["scope"] not in REACHES:
        raise ValueError("an unknown judgement or scope")
    return Verdict(
        id=record["id"],
        at=_time(record["at"]),
        by=record["by"],
        judgement=record["judgement"],
        reach=record["scope"],
        finding=record["finding"],
        pattern_id=record["pattern_id"],
        title=record["title"],
        bits=float(record["bits"]),
        hosts=tuple(record["hosts"]),
        users=tuple(record["users"]),
        where=tuple(Condition(c["field"], c["test"], c["value"]) for c in record["where"]),
        reason=record["reason"],
        until=_time(record["until"]) if record["until"] else None,
        shown=tuple(Shown(s["kind"], s["code"], float(s["bits"])) for s in record["shown"]),
        traits={str(name): float(value) for name, value in record["traits"].items()},
        techniques=tuple(record["techniques"]),
    )

"""Whether findings are what they say: one episode each, naming what the attack was, with counts that are true.

Each is worked out anew, from native fields and raw values, not from what the hunt kept.

One episode   the process of every event shown is followed to the topmost ancestor below a launcher, in plain Python
              over the starts in the lake; events without a process go by logon session, connection pair, or place and
              ten minutes. All events of a finding must lead to one.
              A service installed is told twice (System 7045, Security 4697): the first belongs to the second's.
Telling       a word of a capture's `entry` is telling where it is a file's name (executable, script, library, dump),
              the name of a program or an account in the labelled events (with or without .exe), a part of a path with
              backslashes, the word after 'service', or a name written with inner capitals; names of hosts and of
              folders that everybody has are not. The title or the first three reasons of the finding that shows the
              attack must hold one.
Counts        every `seen`, `of`, `hosts`, `of_hosts` of the reasons in a fold's first findings is counted over the
              baseline's raw values, brought to shapes one distinct value at a time.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.common import Row
from vizsla.analytics.rarity.fields import launchers, profile
from vizsla.analytics.rarity.keys import LOGON_KINDS, SHARED_LOGONS
from vizsla.lake import Lake
from vizsla.nouns import EventRef, Finding, HuntResult, Reason
from vizsla.shape import shapes

if TYPE_CHECKING:
    from benchmarks.haystack import Haystack, Ranks

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

FIRST = 50  # findings of a fold whose counts are checked
TELLING = 32
DAY, CLOCK, SLICE = 86_400.0, 2.0, 600
TWICE, BOOTING = 5.0, 60.0  # seconds within which two logs tell of one start, the second of one program
# What a log without sessions tells again: by table the column that names it, and Security's by its type of record.
TOLD_AGAIN: dict[str, tuple[str, dict[str, str]]] = {
    "windows_system": ("ImagePath", {"4697": "ServiceFileName"}),
    "windows_taskscheduler": ("TaskName", {"4698": "TaskName", "4702": "TaskName"}),
}
AGAIN = 60.0  # seconds within which it does
ABSENT = (None, "", "-")


def rows(name: str, stack: Haystack, results: Mapping[str, HuntResult], ours: Ranks) -> list[Row]:
    """The checks of the clean folds, as figures; what fails is printed."""
    mixed, findings, wrong, counted = 0, 0, 0, 0
    for fold in stack.built("clean"):
        result = results[fold.name]
        tree = Tree.of(stack.lake("clean", fold, "hunt"))
        for finding in result.findings:
            findings += 1
            places = {tree.place(e, line.kind) for line in finding.evidence for e in line.events}
            if len(places) > 1:
                mixed += 1
                print(
                    f"{fold.name}: finding {finding.rank} ({finding.title}) is of {len(places)}: {sorted(places)[:3]}"
                )
        counts = Counts(stack.lake("clean", fold, "baseline"))
        for finding in result.findings[:FIRST]:
            for line in finding.evidence:
                for reason in line.reasons:
                    counted += 1
                    problem = counts.problem(line.kind, reason, line.events)
                    if problem:
                        wrong += 1
                        if wrong <= 20:
                            print(f"{fold.name}: finding {finding.rank}, {line.kind} {reason.field}: {problem}")
    told = telling(stack, results, ours)
    missing = sorted(a for a, tokens in told.items() if not tokens)
    if missing:
        print(f"no telling token: {', '.join(missing)}")
    one = f"{mixed} of {findings}"
    return [
        Row(name, "findings of more than one lineage, session or pair", one, asked="0", ok=not mixed),
        Row(name, "attacks whose finding names what they were", f"{len(told) - len(missing)} of {len(told)}",
            asked=f">= {TELLING}", ok=len(told) - len(missing) >= TELLING),
        Row(name, "reasons whose counts differ from a direct count", f"{wrong} of {counted}", asked="0", ok=not wrong),
    ]  # fmt: skip


# --- one episode


def base(image: str | None) -> str:
    return (image or "").replace("/", "\\").rpartition("\\")[2].lower()


def plain_guid(text: str | None) -> str:
    bare = (text or "").strip("{}").lower()
    return bare if bare.strip("0-") else ""


def number(text: str | None) -> int | None:
    try:
        pid = int(text or "", 16 if (text or "")[:2].lower() == "0x" else 10)
    except ValueError:
        return None
    return pid if pid > 4 else None


@dataclass
class Tree:
    """Process starts of a lake: who held a pid when, and who started whom."""

    pids: dict[tuple[str, int], list[tuple[float, str]]] = field(default_factory=lambda: defaultdict(list))
    parents: dict[str, str] = field(default_factory=dict)
    acts: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, lake: Lake) -> Tree:
        tree, begun = cls(), []
        images: dict[str, str] = {}
        sysmon = list(told(lake, "windows_sysmon", ("Image", "ProcessGuid", "ProcessId", "SourceProcessGUID",
                           "SourceProcessId", "ParentProcessGuid", "ParentProcessId", "ParentImage")))  # fmt: skip
        security = list(
            told(lake, "windows_security", ("NewProcessId", "NewProcessName", "ProcessId", "ParentProcessName"))
        )
        for row in sysmon:
            guid = plain_guid(row["ProcessGuid"]) or plain_guid(row["SourceProcessGUID"])
            pid = number(row["ProcessId"]) or number(row["SourceProcessId"])
            if guid and pid:
                tree.pids[row["_host"], pid].append((row["at"], f"{row['_host']} {guid}"))
                images.setdefault(f"{row['_host']} {guid}", base(row["Image"]))
            if row["EventID"] == "1":
                begun.append((row, f"{row['_host']} {guid}", plain_guid(row["ParentProcessGuid"]),
                              number(row["ParentProcessId"]), row["ParentImage"]))  # fmt: skip
        acting = {event for _, events in TOLD_AGAIN.values() for event in events}
        columns = ("ServiceFileName", "TaskName", "SubjectLogonId")
        tree.acts = [row for row in told(lake, "windows_security", columns) if row["EventID"] in acting]
        for row in security:
            pid = number(row["NewProcessId"])
            if row["EventID"] != "4688" or not pid:
                continue
            known = tree.pids.get((row["_host"], pid), ())
            image = base(row["NewProcessName"])
            if any(abs(at - row["at"]) <= (BOOTING if images.get(code) == image else TWICE) for at, code in known):
                continue  # Sysmon tells of the same start, while a host boots a little later
            code = f"{row['_host']} {pid} {row['at']}"
            tree.pids[row["_host"], pid].append((row["at"], code))
            begun.append((row, code, "", number(row["ProcessId"]), row["ParentProcessName"]))
        for held in tree.pids.values():
            held.sort()
        for row, code, guid, pid, image in begun:
            above = f"{row['_host']} {guid}" if guid else tree.holder(row["_host"], pid, row["at"]) if pid else ""
            tree.parents.setdefault(code, "" if base(image) in launchers() else above)
        return tree

    def holder(self, host: str, pid: int, at: float) -> str:
        """The process that held a pid then; '' where none is known within a day."""
        held = self.pids.get((host, pid), [])
        if not held:
            return ""
        when, code = held[max(bisect_right(held, (at + CLOCK, "￿")) - 1, 0)]
        return code if abs(when - at) < DAY else ""

    def first_told(self, host: str, kind: str, native: Mapping[str, Any], at: float) -> dict[str, Any] | None:
        """Security's record of what this one tells again, the nearest in time; None where there is none."""
        column, events = TOLD_AGAIN.get(kind.partition(":")[0], ("", {}))
        name = native.get(column)
        alike = [
            row
            for row in self.acts
            if name
            and row["_host"] == host
            and abs(row["at"] - at) <= AGAIN
            and row.get(events.get(row["EventID"])) == name
        ]
        return min(alike, key=lambda row: abs(row["at"] - at)) if alike else None

    def root(self, code: str) -> str:
        followed = set()
        while code not in followed:
            followed.add(code)
            code = self.parents.get(code) or code
        return code

    def place(self, event: EventRef, kind: str) -> str:
        """The one thing that an event belongs to."""
        own, native, host = profile(event.table), event.native, event.host
        at = event.time.timestamp() if event.time else 0.0
        first = self.first_told(host, kind, native, at)
        if first:
            own, native, at = profile("windows_security"), first, first["at"]
            kind = f"windows_security:{first['EventID']}"
        session = next(
            (native[c] for c in own.logon if (native.get(c) or "").lower() not in {*SHARED_LOGONS, "", "-"}), ""
        )
        if kind in LOGON_KINDS and session:
            return f"session {host} {session.lower()}"
        guid = next((g for c in own.guid if (g := plain_guid(native.get(c)))), "")
        pid = next((p for c in own.pid if (p := number(native.get(c)))), None)
        if guid:
            return f"lineage {self.root(f'{host} {guid}')}"
        if pid:
            return f"lineage {self.root(self.holder(host, pid, at) or f'{host} {pid} {at // DAY:g}')}"
        if session:
            return f"session {host} {session.lower()}"
        if own.pair and all(native.get(c) for c in own.pair):
            return "pair " + " ".join(native[c] for c in own.pair)
        return f"place {host} {kind} {at // SLICE:g}"


def told(lake: Lake, table: str, columns: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Rows of a table as dictionaries, with `at` in seconds; columns that it lacks are None."""
    if table not in lake.tables():
        return
    wanted = ("_host", "_time", "EventID", *columns)
    for file in lake.scan(table).files:
        opened = pq.ParquetFile(file)
        held = [c for c in wanted if c in opened.schema_arrow.names]
        for row in opened.read(held).to_pylist():
            if row["_time"] is not None:
                yield dict.fromkeys(wanted) | row | {"at": row["_time"].timestamp()}


# --- telling

FILE = re.compile(r"[\w.-]+\.(?:exe|dll|ps1|vbs|cpl|inf|xsl|xml|dmp|bat|js|sys)\b", re.I)
WORD = re.compile(r"[A-Za-z0-9_.$-]{3,}")
INNER = re.compile(r"^(?=.*[a-z])[A-Za-z]+[a-z][A-Z][A-Za-z_-]+$")
COMMON = {"downloads", "desktop", "users", "appdata", "local", "temp", "windows", "system32", "programdata", "hklm",
          "hkcu", "system", "microsoft", "currentversion", "currentcontrolset", "controlset001", "services", "tasks",
          "policies", "sysmon", "control", "computer"}  # fmt: skip
PROGRAMS = ("Image", "ParentImage", "NewProcessName", "ParentProcessName", "SourceImage", "TargetImage", "ProcessName")
ACCOUNTS = ("TargetUserName", "SubjectUserName", "User")


def tokens(entry: str, programs: set[str], accounts: set[str], hosts: set[str]) -> set[str]:
    """The telling words of an entry, in lower case."""
    found = {m.lower() for m in FILE.findall(entry)}
    found |= {w.lower() for m in re.findall(r"\S*\\\S*", entry) for w in WORD.findall(m) if len(w) > 3}
    found |= {m.lower() for m in re.findall(r"\bservice (\w{4,})", entry)}
    for word in WORD.findall(entry):
        low = word.lower().strip(".")
        if INNER.match(word) or low in accounts or low in programs or f"{low}.exe" in programs:
            found.add(low)
    return {t for t in found if t not in COMMON and t not in hosts}


def telling(stack: Haystack, results: Mapping[str, HuntResult], ours: Ranks) -> dict[str, set[str]]:
    """Per attack, which of its telling words the finding that shows it names."""
    told_of: dict[str, set[str]] = {}
    for fold in stack.built("clean"):
        truth = {int(k): v for k, v in json.loads((fold / "truth.json").read_text()).items()}
        named = names(fold, truth)
        hosts = {h for n in named.values() for h in n["hosts"]}
        for attack in sorted(set(truth.values())):
            about = json.loads((stack.captures / f"{attack}.about.json").read_text())
            wanted = tokens(about["entry"], named[attack]["programs"], named[attack]["accounts"], hosts)
            finding = shown(results[fold.name].findings, truth, attack, stack.scorer)
            words = text(finding).lower() if finding else ""
            told_of[attack] = {t for t in wanted if re.search(rf"(?<![a-z0-9]){re.escape(t)}(?![a-z0-9])", words)}
    return told_of


def names(fold: Path, truth: Mapping[int, str]) -> dict[str, dict[str, set[str]]]:
    """Per attack, the programs and accounts in its labelled events, and all hosts' short names."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    with (fold / "hunt.jsonl").open("rb") as lines:
        for line in lines:
            event = orjson.loads(line)
            attack = truth.get(int(event.get("RecordNumber") or event.get("record_number")))
            if attack is None:
                continue
            native = event.get("event_data") or event
            host = str(event.get("Hostname") or event.get("computer_name")).lower()
            found[attack]["hosts"] |= {host, host.partition(".")[0]}
            found[attack]["programs"] |= {base(str(native[c])) for c in PROGRAMS if native.get(c)}
            users = (str(native[c]).rpartition("\\")[2].lower() for c in ACCOUNTS if native.get(c))
            found[attack]["accounts"] |= {u for u in users if len(u) > 3 and not u.endswith("$") and u != "system"}
    return found


def shown(findings: Iterable[Finding], truth: Mapping[int, str], attack: str, scorer: Any) -> Finding | None:
    """The first finding that shows an attack, as the public tool reads them."""
    seen: set[int] = set()
    for finding in findings:
        read = 0
        for line in finding.evidence:
            ids = {int(e.record_id) for e in line.events if e.record_id}
            if not ids or ids <= seen:
                continue
            if read == scorer.LINES:
                break
            read += 1
            seen |= ids
            most = Counter(truth[i] for i in ids if i in truth).most_common(1)
            if most and most[0][0] == attack and most[0][1] >= scorer.PURITY * len(ids):
                return finding
    return None


def text(finding: Finding) -> str:
    """The title, and the first three reasons."""
    reasons = [r for line in finding.evidence for r in line.reasons][:3]
    return " | ".join([finding.title, *(f"{r.field} {r.raw} {r.value} {r.text}" for r in reasons)])


# --- counts


class Counts:
    """Direct counts over a baseline. Shapes are numbered as they come; 0 stands for nothing."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._numbers: dict[str, int] = {"": 0}
        self._tables: dict[str, pa.Table] = {}
        self._columns: dict[tuple[str, str], Numbers] = {}
        self._kinds: dict[str, Numbers] = {}

    def problem(self, kind: str, reason: Reason, events: Iterable[EventRef]) -> str:
        """How a reason's counts differ from ours; '' where they do not."""
        said = (reason.seen, reason.of, reason.hosts, reason.of_hosts)
        possible = self.counts(kind, reason, next(iter(events), None))
        if said in possible:
            return ""
        return f"says {said}, counted {possible}; value {reason.value!r}, given {reason.given!r}"

    def counts(self, kind: str, reason: Reason, event: EventRef | None) -> list[tuple[int, int, int, int]]:
        """(seen, of, hosts, of_hosts) of a reason. A column that is both actor and field may be meant as either.

        An actor is counted among all events of its type; a field among those that have it, and of the actor that it
        is given, or of no actor where the event has none.
        """
        table = kind.partition(":")[0]
        own = profile(table)
        places = self.places(kind)
        if reason.field in ("EventID", "table") and not reason.seen and not len(places):
            hosts = self.whole(table)["_host"] if table in self.lake.tables() else pa.array([], pa.string())
            return [(0, len(hosts), 0, len(pc.unique(hosts)))]
        if not len(places):
            return [(0, 0, 0, 0)]
        hosts, wanted = self.raw(table, "_host")[places], self.number(reason.value)
        actors = self.actors(table)[places]
        found = []
        if reason.field in own.actor or reason.field == "actor":
            everything = np.ones(len(places), dtype=bool)
            found.append(tally(actors == wanted, everything, hosts))
        if reason.field not in own.actor or reason.field in own.also:
            values = self.column(table, reason.field)[places]
            has, some = values > 0, np.ones(len(places), dtype=bool)
            acting = event is None or any(event.native.get(c) not in ABSENT for c in own.actor)
            if reason.given or not acting:
                theirs = actors == self.number(reason.given)
                some = theirs if (theirs & has).any() else some
            found.append(tally(some & has & (values == wanted), some & has, hosts))
        return found

    def number(self, shape: str) -> int:
        return self._numbers.setdefault(shape, len(self._numbers))

    def whole(self, table: str) -> pa.Table:
        if table not in self._tables:
            parts = [pq.ParquetFile(file).read() for file in self.lake.scan(table).files]
            self._tables[table] = pa.concat_tables(parts, promote_options="default")
        return self._tables[table]

    def raw(self, table: str, name: str) -> Numbers:
        """The values of a column as they are, numbered."""
        return np.array([self.number(v or "") for v in self.whole(table)[name].to_pylist()], dtype=np.int64)

    def places(self, kind: str) -> Numbers:
        """The rows of a type of event."""
        if kind not in self._kinds:
            table, _, event = kind.partition(":")
            rows: Iterable[int] = ()
            if table in self.lake.tables():
                column = profile(table).kind
                kinds = self.whole(table)[column].to_pylist() if column else [event] * len(self.whole(table))
                rows = (i for i, k in enumerate(kinds) if (k or "") == event)
            self._kinds[kind] = np.fromiter(rows, dtype=np.int64)
        return self._kinds[kind]

    def column(self, table: str, name: str) -> Numbers:
        """The shapes of a column; a field that is cut out of another is cut here too."""
        key = (table, name)
        if key not in self._columns:
            whole = self.whole(table)
            values = whole[name].to_pylist() if name in whole.column_names else [None] * len(whole)
            for rule in profile(table).derived:
                if rule.field == name and rule.source in whole.column_names:
                    cut = [re.search(rule.pattern, v or "") for v in whole[rule.source].to_pylist()]
                    values = [v or (c.group(1).strip() if c else None) for v, c in zip(values, cut, strict=True)]
            raw = sorted({v for v in values if v not in ABSENT})
            shaped = dict(zip(raw, shapes(pa.array(raw, pa.string())).to_pylist(), strict=True))
            known = {v: 0 if s in ABSENT else self.number(s) for v, s in shaped.items()}
            self._columns[key] = np.array([known.get(v, 0) for v in values], dtype=np.int64)
        return self._columns[key]

    def actors(self, table: str) -> Numbers:
        """Of every row the acting entity: of the profile's columns, the first that is filled."""
        found = np.zeros(len(self.whole(table)), dtype=np.int64)
        for name in profile(table).actor:
            found = np.where(found == 0, self.column(table, name), found)
        return found


def tally(seen: Flags, of: Flags, hosts: Numbers) -> tuple[int, int, int, int]:
    return int(seen.sum()), int(of.sum()), len(np.unique(hosts[seen])), len(np.unique(hosts[of]))

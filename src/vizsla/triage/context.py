"""The context of the findings that are shown: lineage, logon, neighbours in time, and who else does the same.

All findings together cost a bounded number of passes over the lake: creations of processes (a few rounds up the
lineage), logons, counts per minute around the findings, and one grouping per kind of event for 'who else'. Hosts,
times and values go down to the engine as plain comparisons; case, shapes and words are done here, on what is left.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from vizsla.nouns import DAY, HOST, TIME, Context, EventRef, Finding
from vizsla.shape import shapes
from vizsla.triage.lineage import Processes, Who, acting, chain, from_security, from_sysmon, tree
from vizsla.triage.look import MAX_ROWS, Look, Row, any_of, capped, first_of, nothing
from vizsla.triage.native import Fields, fields_of, hosts_of, kind_of, lead_event, strongest, user_name, users_of
from vizsla.triage.neighbours import (
    ACTORS,
    MARGIN,
    USERS,
    Minute,
    Pattern,
    logon_ids,
    logon_words,
    nearby_lines,
    pattern_of,
    system_logon,
    user_forms,
)

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Lake, Scan

ROUNDS = 6  # up the lineage
LIMIT = 500  # findings whose context is filled; the others keep theirs empty
EVENTS = 8  # events of one piece of evidence that are looked at
MAX_MINUTES = 200_000  # counts per minute
MAX_WINDOWS = 100  # disjoint spans of time in one look-up; more are joined
MAX_HOSTS = 50  # other hosts named
MINUTE = timedelta(minutes=1)
BACK = timedelta(days=14)  # how long before a finding a process or a logon may have begun
CREATED = ("ProcessGuid", "ProcessId", "Image", "CommandLine", "User", "LogonId", "ParentProcessGuid",
           "ParentProcessId", "ParentImage", "ParentCommandLine")  # fmt: skip
CREATED_4688 = ("NewProcessId", "ProcessId", "NewProcessName", "ParentProcessName", "CommandLine", "SubjectUserName",
                "SubjectDomainName", "SubjectLogonId")  # fmt: skip
LOGON = ("TargetLogonId", "LogonType", "TargetUserName", "TargetDomainName", "IpAddress", "WorkstationName",
         "AuthenticationPackageName", "LogonProcessName")  # fmt: skip
SYSMON, SECURITY = "windows_sysmon", "windows_security"


def fill(
    engine: Engine,
    lake: Lake,
    findings: Sequence[Finding],
    scans: Sequence[Scan] | None = None,
    limit: int = LIMIT,
) -> list[Finding]:
    """The findings, the first `limit` of them with their context. `scans`: the tables to look at (None: the lake's).

    A table or a field that is missing leaves its part of the context empty; nothing else fails on that.
    """
    subjects = [_subject(finding) for finding in findings[:limit]]
    if not subjects:
        return list(findings)
    look = Look(engine, lake, frozenset(s.table for s in scans) if scans is not None else frozenset(lake.tables()))
    processes = _processes(look, subjects)
    logons = _logons(look, subjects, processes)
    minutes = sorted(_minutes(look, subjects), key=lambda row: row.minute)
    began = [row.minute for row in minutes]
    common = _common(look, {row.kind.partition(":")[0] for row in minutes})
    elsewhere = _elsewhere(look, subjects)
    filled = []
    for place, subject in enumerate(subjects):
        here = elsewhere.get(place, Elsewhere())
        chains = (chain(processes, who) for who in subject.whos)
        context = Context(
            first_on_host=here.first,
            last_on_host=here.last,
            other_hosts=tuple(sorted(here.hosts))[:MAX_HOSTS],
            parent_chain=next((line for line in chains if line), ()),
            logon_source=_logon_source(subject, logons, processes),
            nearby=()
            if subject.window is None
            else nearby_lines(
                subject.finding,
                subject.window,
                subject.hosts,
                subject.users,
                minutes[bisect_left(began, subject.window[0]) : bisect_left(began, subject.window[1])],
                common,
            ),
            tree=tree(processes, subject.whos),
        )
        filled.append(replace(subject.finding, context=context))
    return [*filled, *findings[limit:]]


@dataclass(frozen=True, slots=True)
class Subject:
    """A finding and what is asked about it. `window`: the minutes around it, from the first on, before the last."""

    finding: Finding
    hosts: tuple[str, ...]
    users: tuple[str, ...]
    whos: tuple[Who, ...]  # its acting processes, the strongest evidence's first
    events: tuple[EventRef, ...]
    window: tuple[datetime, datetime] | None


@dataclass(slots=True)
class Elsewhere:
    """Where and when the same pattern was seen."""

    first: datetime | None = None
    last: datetime | None = None
    hosts: set[str] = field(default_factory=set)


def _subject(finding: Finding) -> Subject:
    pairs = [(event, one.kind) for one in strongest(finding.evidence) for event in one.events[:EVENTS]]
    whos = dict.fromkeys(who for event, kind in pairs if (who := acting(event, kind)))
    times = [event.time for event, _ in pairs if event.time]
    start, end = finding.start or min(times, default=None), finding.end or max(times, default=None)
    window = (_minute_of(start - MARGIN), _minute_of(end + MARGIN) + MINUTE) if start and end else None
    users = tuple(dict.fromkeys((*users_of(finding), *(user_name(fields_of(event)) for event, _ in pairs))))
    events = tuple(event for event, _ in pairs)
    return Subject(finding, hosts_of(finding), tuple(u for u in users if u), tuple(whos), events, window)


def _reach(subjects: Iterable[Subject]) -> tuple[datetime | None, datetime | None]:
    """From two weeks before the earliest finding to the end of the latest; (None, None) where none has a time."""
    windows = [s.window for s in subjects if s.window]
    if not windows:
        return None, None
    return min(w[0] for w in windows) - BACK, max(w[1] for w in windows)


# --- processes


def _processes(look: Look, subjects: Sequence[Subject]) -> Processes:
    """The creations of the findings' processes, of their ancestors (round by round) and of their children."""
    found = Processes()
    whos = list(dict.fromkeys(who for subject in subjects for who in subject.whos))
    since, until = _reach(subjects)
    asked: set[Who] = set()
    for _ in range(ROUNDS):
        wanted = [who for who in dict.fromkeys(found.unknown(whos)) if who not in asked]
        if not wanted:
            break
        asked.update(wanted)
        guids = {form for who in wanted if who.guid for form in _guid_forms(who.guid)}
        pids = {who.pid for who in wanted if not who.guid and who.pid is not None}
        hosts = {who.host for who in wanted}
        _add(look, found, {"ProcessGuid": guids}, {}, hosts, since, until)
        _add(look, found, {"ProcessId": _decimal(pids)}, {"NewProcessId": _forms(pids)}, hosts, since, until)
    known = [process for who in whos if (process := found.find(who))]
    guids = {form for process in known if process.guid for form in _guid_forms(process.guid)}
    pids = {process.pid for process in known if not process.guid and process.pid is not None}
    hosts = {process.host for process in known}
    _add(look, found, {"ParentProcessGuid": guids}, {"ProcessId": _forms(pids)}, hosts, since, until)
    return found


def _add(
    look: Look, found: Processes, sysmon: Mapping[str, set[str]], security: Mapping[str, set[str]], hosts: set[str],
    since: datetime | None, until: datetime | None,
) -> None:  # fmt: skip
    if any(sysmon.values()):
        rows = look.rows(SYSMON, CREATED, {"EventID": {"1"}, **sysmon}, hosts, since, until)
        found.add(from_sysmon(_texts(row), _host(row), _time(row)) for row in rows)
    if any(security.values()):
        rows = look.rows(SECURITY, CREATED_4688, {"EventID": {"4688"}, **security}, hosts, since, until)
        found.add(from_security(_texts(row), _host(row), _time(row)) for row in rows)


def _guid_forms(plain: str) -> tuple[str, ...]:
    """The ways in which logs write a GUID: with braces and without, in lower and in upper case."""
    return (plain, plain.upper(), f"{{{plain}}}", f"{{{plain.upper()}}}")


def _decimal(numbers: Iterable[int]) -> set[str]:
    return {str(n) for n in numbers}


def _forms(numbers: Iterable[int]) -> set[str]:
    """The ways in which logs write a number: decimal, hexadecimal in lower and in upper case."""
    return {form for n in numbers for form in (str(n), f"0x{n:x}", f"0x{n:X}")}


# --- logons


def _logons(look: Look, subjects: Sequence[Subject], processes: Processes) -> dict[tuple[str, int], list[Row]]:
    """4624 rows by host and logon id."""
    wanted = {
        (event.host, one)
        for subject in subjects
        for event in subject.events
        for one in logon_ids(event, _process_logon(subject, processes))
        if system_logon(one) is None
    }
    since, until = _reach(subjects)
    hosts, ids = {host for host, _ in wanted}, _forms(one for _, one in wanted)
    rows = look.rows(SECURITY, LOGON, {"EventID": {"4624"}, "TargetLogonId": ids}, hosts, since, until)
    found: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        for one in logon_ids(EventRef("", SECURITY, "", None, native=_texts(row))):
            found.setdefault((_host(row), one), []).append(row)
    return found


def _process_logon(subject: Subject, processes: Processes) -> str:
    known = (processes.find(who) for who in subject.whos)
    return next((process.logon_id for process in known if process and process.logon_id), "")


def _logon_source(subject: Subject, logons: Mapping[tuple[str, int], list[Row]], processes: Processes) -> str | None:
    """How the acting account had come to the host, as its logon event says; None where the lake does not hold it."""
    extra = _process_logon(subject, processes)
    services: list[str] = []
    for event in subject.events:
        for one in logon_ids(event, extra):
            rows = [row for row in logons.get((event.host, one), []) if _before(row, event.time)]
            if rows:
                return logon_words(Fields(_texts(rows[-1])), _time(rows[-1]))
            if words := system_logon(one):
                services.append(words)
    return services[0] if services else None


def _before(row: Row, time: datetime | None) -> bool:
    began = _time(row)
    return time is None or began is None or began <= time + timedelta(seconds=5)


# --- neighbours in time


def _minutes(look: Look, subjects: Sequence[Subject]) -> list[Minute]:
    """Events per minute, kind, actor and user around the findings: on their hosts, and of their users elsewhere."""
    windows = _joined([s.window for s in subjects if s.window])
    if not windows:
        return []
    hosts = {host for s in subjects for host in s.hosts}
    users = {form for s in subjects for form in user_forms(s.users)}
    found: list[Minute] = []
    for table in sorted(look.tables):
        scan = look.scan(table, windows[0][0], windows[-1][1])
        if scan is None or not scan.rows:
            continue
        names = set(scan.schema.names)
        actor, person = [name for name in ACTORS if name in names], [name for name in USERS if name in names]
        events = look.table(scan, {"EventID", *actor, *person})
        mine = events[HOST].isin(capped(hosts))
        for name in person:
            mine = mine | events[name].isin(capped(users))
        within = [(events[TIME] >= first) & (events[TIME] < last) for first, last in windows]
        kept = events.filter(mine, any_of(within))
        kept = kept.select(
            host=kept[HOST],
            minute=kept[TIME].truncate("m"),
            kind=kept["EventID"] if "EventID" in names else nothing(),
            actor=first_of(kept, actor),
            user=first_of(kept, person),
        )
        keys = ["host", "minute", "kind", "actor", "user"]
        counted = kept.group_by(keys).aggregate(n=kept.count()).order_by(keys).limit(MAX_MINUTES)
        found += (_minute(table, row) for row in look.collect(counted))
    return found


def _minute_of(time: datetime) -> datetime:
    return time.replace(second=0, microsecond=0)


def _minute(table: str, row: Row) -> Minute:
    kind = f"{table}:{row['kind']}" if row["kind"] else table
    minute = row["minute"]
    assert isinstance(minute, datetime)
    when = minute if minute.tzinfo else minute.replace(tzinfo=UTC)
    return Minute(_str(row["host"]), when, kind, _str(row["actor"]), _str(row["user"]), int(_str(row["n"])))


def _common(look: Look, tables: Iterable[str]) -> dict[str, int]:
    """How many events of each kind the lake holds: what is rare there leads the neighbours."""
    counts: dict[str, int] = {}
    for table in sorted(tables):
        scan = look.scan(table)
        if scan is None:
            continue
        if "EventID" not in scan.schema.names:
            counts[table] = scan.rows
            continue
        events = look.table(scan, {"EventID"})
        for row in look.collect(events.group_by("EventID").aggregate(n=events.count()).limit(MAX_ROWS)):
            counts[f"{table}:{row['EventID']}"] = int(_str(row["n"]))
    return counts


def _joined(windows: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Overlapping windows as one; where too many are left, those with the shortest gaps between them are joined."""
    merged: list[tuple[datetime, datetime]] = []
    for first, last in sorted(windows):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    while len(merged) > MAX_WINDOWS:
        gaps = sorted((merged[i + 1][0] - merged[i][1], i) for i in range(len(merged) - 1))
        cut = {i for _, i in gaps[: len(merged) - MAX_WINDOWS]}
        joined: list[tuple[datetime, datetime]] = []
        for i, window in enumerate(merged):
            joined.append((joined.pop()[0], window[1]) if i and i - 1 in cut else window)
        merged = joined
    return merged


# --- who else


def _elsewhere(look: Look, subjects: Sequence[Subject]) -> dict[int, Elsewhere]:
    """First and last time of each finding's leading pattern on its own hosts, and the other hosts that show it."""
    groups: dict[tuple[str, str, Pattern], dict[int, Mapping[str, str]]] = {}
    for place, subject in enumerate(subjects):
        if subject.finding.evidence:
            lead = strongest(subject.finding.evidence)[0]
            pattern, event = pattern_of(lead), lead_event(lead)
            if pattern and event is not None:
                groups.setdefault((*kind_of(lead.kind), pattern), {})[place] = event.native
    found: dict[int, Elsewhere] = {}
    for (table, event_id, pattern), natives in sorted(groups.items(), key=lambda item: (item[0][:2], item[0][2].all)):
        rows = _grouped(look, table, event_id, pattern, list(natives.values()))
        keys = _keys(pattern, [*({n: row.get(n) for n in pattern.all} for row in rows), *natives.values()])
        alike: dict[tuple[str, ...], list[Row]] = {key: [] for key in keys[len(rows) :]}
        for row, key in zip(rows, keys, strict=False):
            if key in alike:
                alike[key].append(row)
        for place, key in zip(natives, keys[len(rows) :], strict=True):
            here = Elsewhere()
            for row in alike[key]:
                _note(here, row, subjects[place].hosts)
            found[place] = here
    return found


def _grouped(
    look: Look, table: str, event_id: str, pattern: Pattern, natives: Sequence[Mapping[str, str]]
) -> list[Row]:
    """Host, pattern fields, first and last time of the events that have one of the findings' values."""
    scan = look.scan(table)
    if scan is None or any(name not in scan.schema.names for name in pattern.all):
        return []
    events = look.table(scan, {"EventID", *pattern.all})
    conditions = []
    if event_id and "EventID" in scan.schema.names:
        conditions.append(events["EventID"] == event_id)
    for name in pattern.fields or pattern.all:
        values = {value for native in natives if (value := native.get(name)) is not None}
        same = events[name].isin(capped(values))
        conditions.append(same if all(name in native for native in natives) else same | events[name].isnull())
    kept = events.filter(*conditions)
    names = [HOST, *pattern.all]
    grouped = kept.group_by(names).aggregate(first=kept[TIME].min(), last=kept[TIME].max())
    return look.collect(grouped.order_by(names).limit(MAX_ROWS))


def _keys(pattern: Pattern, rows: Sequence[Mapping[str, object]]) -> list[tuple[str, ...]]:
    """What is compared: the fields as they are, the last by its shape."""
    exact = [tuple(_str(row.get(name)) for name in pattern.fields) for row in rows]
    if not pattern.shaped:
        return exact
    shaped = shapes(pa.array([_str(row.get(pattern.shaped)) for row in rows], pa.string())).to_pylist()
    return [(*key, _str(last)) for key, last in zip(exact, shaped, strict=True)]


def _note(here: Elsewhere, row: Row, hosts: Sequence[str]) -> None:
    host = _str(row[HOST])
    if host not in hosts:
        if host:
            here.hosts.add(host)
        return
    first, last = row["first"], row["last"]
    if isinstance(first, datetime):
        here.first = first if here.first is None else min(here.first, first)
    if isinstance(last, datetime):
        here.last = last if here.last is None else max(here.last, last)


# --- small parts


def _texts(row: Row) -> dict[str, str]:
    return {name: value for name, value in row.items() if isinstance(value, str) and name not in (HOST, DAY)}


def _host(row: Row) -> str:
    return _str(row[HOST])


def _time(row: Row) -> datetime | None:
    time = row[TIME]
    return time if isinstance(time, datetime) else None


def _str(value: object) -> str:
    return "" if value is None else str(value)

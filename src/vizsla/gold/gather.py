"""What events and snapshots say of the items that hosts hold, as rows of one shape, grouped by the engine.

A row is everything alike that one kind of event said of an item on a host within ten minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from vizsla.nouns.event import HOST, ID, TIME
from vizsla.view import TABLE, epoch, view_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from vizsla.engine import Engine
    from vizsla.lake import Scan

SLICE = 600_000_000  # microseconds
VALUES = ("program", "arguments", "author", "account", "signer", "hash", "location", "version")
TEXTS = ("kind", "table", "code", "act", "name", "actor", *VALUES, "content", "logon", "process")
RAN = ("ran", "listed", "loaded")  # acts that say what is there, and change nothing
AUTORUNS = (
    "\\currentversion\\run", "\\currentversion\\policies\\explorer\\run", "\\winlogon\\shell", "\\winlogon\\userinit",
    "\\image file execution options\\", "\\silentprocessexit\\", "\\appinit_dlls", "\\appcertdlls", "\\control\\lsa\\",
    "\\active setup\\installed components\\", "\\print\\monitors\\", "userinitmprlogonscript", "\\servicedll",
    "\\shell extensions\\approved", "\\command processor\\autorun", "\\explorer\\shell folders\\startup",
    "\\explorer\\user shell folders\\startup", "\\netsh\\",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """A view, or a table, and how its events tell of items: `acts` by event.action (or event id), `where` which."""

    view: str
    kind: str  # '' where the event itself says
    acts: Mapping[str, str]
    fields: Mapping[str, str]  # ours: the view's
    where: Callable[[ir.Table], ir.BooleanValue] | None = None


def _autoruns(events: ir.Table) -> ir.BooleanValue:
    import ibis

    path = events["registry.path"].lower()
    return ibis.or_(*(path.contains(part) for part in AUTORUNS))


SOURCES = (
    Source("scheduled_task", "task",
           {"task-registered": "registered", "task-updated": "updated", "task-deleted": "deleted",
            "task-enabled": "enabled", "task-disabled": "disabled", "task-process-started": "ran",
            "task-action-started": "ran"},
           {"name": "scheduled_task.name", "program": "scheduled_task.action", "content": "scheduled_task.content"}),
    Source("service", "service", {"service-installed": "registered"},
           {"name": "service.name", "program": "service.executable", "account": "service.account",
            "location": "service.start_type"}),
    Source("registry", "autorun",
           {"registry-value-changed": "updated", "registry-value-created": "updated",
            "registry-value-deleted": "deleted"},
           {"name": "registry.path", "program": "registry.data.strings", "process": "process.entity_id"}, _autoruns),
    Source("driver", "driver", {"driver-loaded": "loaded"},
           {"name": "file.name", "program": "file.path", "hash": "file.hash.sha256",
            "signer": "file.code_signature.subject_name"}),
    Source("inventory", "", {"*": "listed"},
           {"name": "inventory.name", "program": "file.path", "arguments": "process.command_line",
            "author": "inventory.vendor", "account": "user.name", "signer": "file.code_signature.subject_name",
            "hash": "file.hash.sha256", "location": "inventory.location", "version": "inventory.version",
            "content": "scheduled_task.content"}),
)  # fmt: skip

_SUBJECT = {"user.name": "SubjectUserName", "user.domain": "SubjectDomainName", "winlog.logon.id": "SubjectLogonId"}
NATIVE: tuple[tuple[str, Mapping[str, str], Mapping[str, str]], ...] = (
    ("account", {"4720": "registered", "4722": "enabled", "4725": "disabled", "4726": "deleted"},
     {"name": "TargetUserName"}),
    ("member", {"4728": "registered", "4732": "registered", "4756": "registered", "4729": "deleted", "4733": "deleted",
                "4757": "deleted"},
     {"name": "TargetUserName", "account": "MemberSid"}),
    ("share", {"5142": "registered", "5143": "updated", "5144": "deleted"},
     {"name": "ShareName", "location": "ShareLocalPath"}),
)  # fmt: skip
KINDS = ("service", "task", "autorun", "driver", "software", "share", "account", "member", "port", "binary", "module")


def gathered(engine: Engine, scans: Sequence[Scan], kinds: Sequence[str] = ()) -> pa.Table:
    """Rows of TEXTS with `host`, `slice`, `n`, `first`, `last` (microseconds) and `id`, one of their events.

    In the order of time, then of id: the same whichever engine counted.
    """
    import ibis

    parts = [part for source in SOURCES if (part := _of_view(engine, scans, source, kinds)) is not None]
    parts += [part for spec in NATIVE if (part := _of_security(engine, scans, spec, kinds)) is not None]
    binaries = _binaries(engine, scans) if not kinds or "binary" in kinds else None
    parts += [binaries] if binaries is not None else []
    if not parts:
        return _schema().empty_table()
    events = ibis.union(*parts) if len(parts) > 1 else parts[0]
    table = engine.collect(events).select(_schema().names).cast(_schema())
    return table.sort_by([("first", "ascending"), ("id", "ascending")]).combine_chunks()


def _schema() -> pa.Schema:
    texts = [(name, pa.string()) for name in ("host", *TEXTS)]
    numbers = [(name, pa.int64()) for name in ("slice", "n", "first", "last")]
    return pa.schema([*texts, *numbers, ("id", pa.string())])


def _of_view(engine: Engine, scans: Sequence[Scan], source: Source, kinds: Sequence[str]) -> ir.Table | None:
    import ibis

    from vizsla.view import views

    if kinds and source.kind and source.kind not in kinds:
        return None
    view = views()[source.view]
    if not view.among([scan.table for scan in scans]):
        return None
    own = {field.name for field in view.fields}
    wanted = ["event.action", "event.code", "user.name", "user.domain", "winlog.logon.id", *source.fields.values()]
    wanted += [] if source.kind else ["inventory.kind", "source.port", "network.transport"]
    events = view_of(engine, scans, source.view, [field for field in wanted if field in own])
    if source.where is not None:
        events = events.filter(source.where(events))
    action = events["event.action"] if "event.action" in events.columns else ibis.null(str)
    if "*" not in source.acts:
        events = events.filter(action.isin(sorted(source.acts)))
    known = {ours: events[theirs] for ours, theirs in source.fields.items() if theirs in events.columns}
    listed = source.kind == ""
    if listed:
        events, known = _listed(events, known, kinds)
    else:
        known["kind"] = ibis.literal(source.kind)
    known["act"] = ibis.literal("listed") if listed else events["event.action"]
    known["table"], known["code"] = events[TABLE], _column(events, "event.code")
    if not listed:
        known["actor"] = _actor(events)
        known["logon"] = _column(events, "winlog.logon.id")
    rows = _grouped(events, known)
    if listed:
        return rows
    named = rows["act"].cases(*sorted(source.acts.items()), else_=rows["act"])
    return rows.mutate(act=named)


def _listed(events: ir.Table, known: dict[str, ir.Value], kinds: Sequence[str]) -> tuple[ir.Table, dict[str, ir.Value]]:
    """Snapshots name their own kind; a port's name is its number."""
    wanted = [kind for kind in KINDS if not kinds or kind in kinds] + ([] if kinds else ["process"])
    events = events.filter(events["inventory.kind"].isin(wanted))
    known = {ours: events[theirs.get_name()] for ours, theirs in known.items()}
    known["kind"] = events["inventory.kind"]
    if "source.port" in events.columns:
        port = events["source.port"].cast("string") + "/" + events["network.transport"].fill_null("tcp")
        known["program"] = (events["inventory.kind"] == "port").ifelse(known["name"], known["program"])
        known["name"] = (events["inventory.kind"] == "port").ifelse(port, known["name"])
    return events, known


def _of_security(
    engine: Engine, scans: Sequence[Scan], spec: tuple[str, Mapping[str, str], Mapping[str, str]], kinds: Sequence[str]
) -> ir.Table | None:
    """Accounts, memberships and shares, which no view holds: from the Security log's own columns."""
    import ibis

    kind, acts, fields = spec
    found = [scan for scan in scans if scan.table == "windows_security"]
    needed = {"EventID", *fields.values()}
    if not found or (kinds and kind not in kinds) or not needed.issubset(found[0].schema.names):
        return None
    events = engine.table(found[0])
    events = events.filter(events["EventID"].isin(sorted(acts)))
    renamed = events.mutate(**{ours: _column(events, theirs) for ours, theirs in _SUBJECT.items()})
    known: dict[str, ir.Value] = {ours: renamed[theirs] for ours, theirs in fields.items()}
    known |= {"kind": ibis.literal(kind), "table": ibis.literal("windows_security"), "code": renamed["EventID"],
              "act": renamed["EventID"], "actor": _actor(renamed),
              "logon": renamed["winlog.logon.id"].lower()}  # fmt: skip
    rows = _grouped(renamed, known)
    return rows.mutate(act=rows["act"].cases(*sorted(acts.items()), else_=rows["act"]))


def _binaries(engine: Engine, scans: Sequence[Scan]) -> ir.Table | None:
    """Programs that ran, by path and hash, once a day and host."""
    import ibis

    from vizsla.view import views

    view = views()["process"]
    tables = [scan for scan in scans if scan.table in ("windows_sysmon", "windows_security")]
    if not view.among([scan.table for scan in tables]):
        return None
    fields = ["event.action", "event.code", "process.executable", "process.hash.sha256"]
    events = view_of(engine, tables, "process", fields)
    events = events.filter(events["event.action"] == "process-started", events["process.executable"].notnull())
    known: dict[str, ir.Value] = {
        "kind": ibis.literal("binary"), "table": events[TABLE], "code": events["event.code"],
        "act": ibis.literal("ran"), "name": events["process.executable"], "program": events["process.executable"],
        "hash": events["process.hash.sha256"],
    }  # fmt: skip
    return _grouped(events, known, slices=6)


def _column(events: ir.Table, name: str) -> ir.Value:
    import ibis

    return events[name] if name in events.columns else ibis.null(str)


def _actor(events: ir.Table) -> ir.Value:
    """DOMAIN\\user, the bare user where there is no domain."""
    user = _column(events, "user.name")
    if "user.domain" not in events.columns:
        return user
    domain = events["user.domain"].fill_null("")
    return (domain == "").ifelse(user, domain + "\\" + user)


def _grouped(events: ir.Table, known: Mapping[str, ir.Value], slices: int = 1) -> ir.Table:
    """What is alike within ten minutes (or `slices` times as long), as one row. Without a time or a name: none."""
    import ibis

    seconds = epoch(events[TIME])
    columns = {name: known[name].cast("string") if name in known else ibis.null(str) for name in TEXTS}
    length = SLICE // 1_000_000 * slices
    shaped = events.select(
        host=events[HOST],
        at=events[TIME],
        id=events[ID],
        slice=(seconds - seconds % length) // (SLICE // 1_000_000),
        **columns,
    )
    shaped = shaped.filter(shaped["at"].notnull(), shaped["name"].notnull(), shaped["name"] != "")
    keys = ["host", *TEXTS, "slice"]
    grouped = shaped.group_by(keys).agg(
        n=shaped.count(), begin=shaped["at"].min(), end=shaped["at"].max(), id=shaped["id"].min()
    )
    first, last = (epoch(grouped[name]) * 1_000_000 for name in ("begin", "end"))
    return grouped.mutate(first=first, last=last).drop("begin", "end")

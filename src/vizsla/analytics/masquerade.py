"""Programs and libraries that pass for others: a known name in a new place, a name that looks like a known one, a
program of Windows started by a stranger, a library that another signs than always."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from vizsla.analytic import Need, State
from vizsla.nouns.event import HOST, ID, TIME

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from vizsla.engine import Engine
    from vizsla.lake import Scan
    from vizsla.text.units import Said, Value

STARTED = ("event.action", "event.code", "process.executable", "process.parent.executable", "process.entity_id",
           "process.pid")  # fmt: skip
LOADED = ("event.action", "event.code", "process.executable", "process.entity_id", "process.pid", "file.path",
          "file.code_signature.signed", "file.code_signature.subject_name")  # fmt: skip
DRIVEN = tuple(field for field in LOADED if not field.startswith("process."))
TOLD = 1.0  # bits from which a name is told of
KEYS = ("path", "other")
QUIET = ("programs and libraries are named, placed and signed as usual", "a usual name")


class Masquerade:
    """What passes for something else. It holds nothing between calls."""

    name = "masquerade"
    family = "masquerade"
    unit = "a program with its parent, or a library with its signer, on a host in a day"
    doc = "Known names in new places, names like known ones, strange parents and signers"
    needs = (Need(("process",), ("event.action", "process.executable")),)

    def learn(self, engine: Engine, scans: Sequence[Scan]) -> State | None:
        """On how many host-days each name lay where, each program of Windows had which parent, and who signed what."""
        from vizsla.text.given import Pairs
        from vizsla.text.masks import directories
        from vizsla.text.names import facts, split

        places: list[tuple[str, str, int]] = []
        parents: list[tuple[str, str, int]] = []
        signers: list[tuple[str, str, int]] = []
        for row in _counted(engine, started(engine, scans), ["path", "other"]):
            name = split(row["path"])[1]
            if name in facts()[1] and row["other"]:
                parents.append((name, split(row["other"])[1], row["n"]))
        for events in (started(engine, scans), *loaded(engine, scans)):
            rows = _counted(engine, events, ["path"])
            for row, place in zip(rows, directories([row["path"] for row in rows]), strict=True):
                places.append((split(row["path"])[1], place, row["n"]))
        for events in loaded(engine, scans):
            rows = _counted(engine, events, ["path", "other"])
            signers += [(split(row["path"])[1], row["other"], row["n"]) for row in rows if row["other"]]
        return {"places": Pairs.of(places).table(), "parents": Pairs.of(parents).table(),
                "signers": Pairs.of(signers).table()}  # fmt: skip

    def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
        """Every odd name on every host-day, with the oddest that is said of it; the rest of the host-day as one."""
        from vizsla.text.given import read
        from vizsla.text.masks import Masks, directories
        from vizsla.text.units import observations

        masks = Masks.of(*(read(state[name]) for name in ("places", "parents", "signers"))) if state else Masks.of()

        def programs(values: Sequence[Value]) -> list[Said]:
            places = directories([path for path, _ in values])
            return [masks.program(path, by or "", place) for (path, by), place in zip(values, places, strict=True)]

        def libraries(values: Sequence[Value]) -> list[Said]:
            places = directories([path for path, _ in values])
            return [masks.library(path, by or "", place) for (path, by), place in zip(values, places, strict=True)]

        yield from observations(engine, started(engine, scans), KEYS, programs, TOLD, QUIET)
        for events in loaded(engine, scans):
            yield from observations(engine, events, KEYS, libraries, TOLD, QUIET)


def started(engine: Engine, scans: Sequence[Scan]) -> ir.Table:
    """Process starts: `path`, and `other`, their parent."""
    from vizsla.view import view_of

    events = view_of(engine, scans, "process", STARTED)
    return _named(events.filter(events["event.action"] == "process-started"), "process.executable",
                  events["process.parent.executable"], True)  # fmt: skip


def loaded(engine: Engine, scans: Sequence[Scan]) -> tuple[ir.Table, ir.Table]:
    """Libraries and drivers: `path`, and `other`, who signed it."""
    from vizsla.view import view_of

    tables = []
    for view, fields, action in (("library", LOADED, "library-loaded"), ("driver", DRIVEN, "driver-loaded")):
        events = view_of(engine, scans, view, fields)
        events = events.filter(events["event.action"] == action)
        tables.append(_named(events, "file.path", _signer(events), view == "library"))
    return tables[0], tables[1]


def _signer(events: ir.Table) -> ir.StringValue:
    """Who signed, 'nobody' where the log says so, null where it says nothing."""
    import ibis

    from vizsla.text.masks import UNSIGNED

    signed, subject = events["file.code_signature.signed"], events["file.code_signature.subject_name"]
    return ibis.cases((signed & subject.notnull() & (subject != "-"), subject), (~signed, UNSIGNED))


def _named(events: ir.Table, path: str, other: Any, process: bool) -> ir.Table:
    import ibis

    from vizsla.view import TABLE

    nothing = ibis.null("string")
    return events.filter(events[TIME].notnull(), events[path].notnull()).select(
        ID, HOST, TIME, TABLE,
        code=events["event.code"],
        day=events[TIME].date().cast("string"),
        path=events[path],
        other=other,
        guid=events["process.entity_id"] if process else nothing,
        pid=events["process.pid"].cast("string") if process else nothing,
    )  # fmt: skip


def _counted(engine: Engine, events: ir.Table, by: list[str]) -> list[dict[str, Any]]:
    """Distinct values of these columns, and on how many host-days each was seen, in a total order."""
    once = events.select(HOST, "day", *by).distinct()
    rows: list[dict[str, Any]] = engine.collect(once.group_by(by).agg(n=once.count()).order_by(by)).to_pylist()
    return rows


ANALYTIC = Masquerade()

"""Command lines and scripts that are written to be read by nobody: marks, cases, unbroken runs, lists of numbers, and
encoded texts, which are decoded, looked at in turn and shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytic import Need, State
from vizsla.nouns.event import HOST, ID, TIME

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from vizsla.engine import Engine
    from vizsla.lake import Scan
    from vizsla.text.measures import Counts, Reached
    from vizsla.text.units import Said, Value

COMMANDS = ("event.action", "event.code", "process.executable", "process.command_line", "process.entity_id",
            "process.pid")  # fmt: skip
SCRIPTS = ("event.action", "event.code", "script.content", "process.pid")
TOLD = 1.0  # bits from which a sentence is written
SHOWN = 160  # characters of a decoded text in a sentence
QUIET = ("texts that read like others of their programs", "a usual text")
ENOUGH = 32_768  # characters of a text that are looked at


class Obfuscation:
    """What is written to be read by nobody. It holds nothing between calls."""

    name = "obfuscation"
    family = "obfuscation"
    unit = "a command line or script on a host in a day"
    doc = "Command lines and scripts full of marks, mixed cases, numbers or encoded text"
    needs = (Need(("process",), ("event.action", "process.executable", "process.command_line")),)

    def learn(self, engine: Engine, scans: Sequence[Scan]) -> State | None:
        """How far the texts of each program reach on every measure, each distinct text once per host-day."""
        from vizsla.text.measures import counted, steps, table_of

        counts: Counts = {}
        for events in texts_of(engine, scans):
            once = events.select(HOST, "day", "given", "text").distinct()
            for batch in engine.batches(once.group_by(["given", "text"]).agg(n=once.count())):
                found, _ = steps(batch["text"])
                counted(counts, found, _names(batch["given"]), batch["n"].to_pylist())
        return {"reached": table_of(counts)}

    def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
        """Every odd text on every host-day with its rarest measure, its own or that of what is encoded in it."""
        from vizsla.text.measures import Reached, read
        from vizsla.text.units import observations

        reached = Reached.of(read(state["reached"]) if state else {})
        for events in texts_of(engine, scans):
            yield from observations(engine, events, ("text", "given"), lambda v: judged(reached, v), TOLD, QUIET)


def texts_of(engine: Engine, scans: Sequence[Scan]) -> tuple[ir.Table, ir.Table]:
    """Command lines given their program, and scripts given their kind of event."""
    import ibis

    from vizsla.view import TABLE, view_of

    events = view_of(engine, scans, "process", COMMANDS)
    events = events.filter(events["event.action"] == "process-started", events["process.executable"].notnull())
    commands = _texts(events, "process.command_line", events["process.executable"], events["process.entity_id"])
    blocks = view_of(engine, scans, "script", SCRIPTS)
    blocks = blocks.filter(blocks["event.action"] == "script-block-run")
    return commands, _texts(blocks, "script.content", blocks[TABLE], ibis.null("string"))


def _texts(events: ir.Table, text: str, given: Any, guid: Any) -> ir.Table:
    from vizsla.view import TABLE

    return events.filter(events[TIME].notnull(), events[text].notnull()).select(
        ID, HOST, TIME, TABLE,
        code=events["event.code"],
        day=events[TIME].date().cast("string"),
        given=given,
        text=events[text].left(ENOUGH),
        guid=guid,
        pid=events["process.pid"].cast("string"),
    )  # fmt: skip


def _names(paths: pa.Array) -> list[str]:
    """The names of programs, whatever directory they lie in."""
    from vizsla.text.names import split

    encoded = paths if pa.types.is_dictionary(paths.type) else pc.dictionary_encode(paths)
    names = [split(path or "")[1] for path in encoded.dictionary.to_pylist()]
    return [names[place] for place in encoded.indices.to_pylist()]


def judged(reached: Reached, values: Sequence[Value]) -> list[Said]:
    """What is said of texts given their programs."""
    from vizsla.text.measures import steps

    given = _names(pa.array([path for _, path in values], pa.string()))
    found, inner = steps(pa.array([text for text, _ in values], pa.string()))
    score, which = reached.bits(found, given)
    within = _within(reached, inner)
    said: list[Said] = [(0.0, *QUIET)] * len(values)
    for place in np.flatnonzero(np.maximum(score, within) >= TOLD).tolist():
        hidden, own = inner[place], score[place] >= within[place]
        measure = which[place] if own else "encoded"
        why = _sentence(reached, measure, given[place], int(found[measure][place]))
        if hidden is not None:
            why += f"; {' in '.join(reversed(hidden.how))} within says: {hidden.text[:SHOWN]}"
        said[place] = float(max(score[place], within[place])), why, f"{given[place]}: {measure}"
    return said


def _within(reached: Reached, inner: Sequence[Any]) -> np.ndarray:
    """Bits of the texts that were encoded in others, by the habits of all programs; 0 where there is none."""
    from vizsla.text.measures import steps

    bits = np.zeros(len(inner))
    places = [place for place, one in enumerate(inner) if one is not None]
    if places:
        found, _ = steps(pa.array([inner[place].text for place in places], pa.string()))
        bits[places] = reached.bits(found, [""] * len(places))[0]
    return bits


def _sentence(reached: Reached, measure: str, given: str, step: int) -> str:
    from vizsla.text.measures import MEASURES

    own = reached.own.get((measure, given))
    n, of = (int(own[step]), int(own[0])) if own is not None else (0, 0)
    anyone = reached.all_[measure]
    return (
        f"{MEASURES[measure]}, as many as here: in {n:,} of {of:,} texts of {given} before "
        f"(of all programs in {int(anyone[step]):,} of {int(anyone[0]):,})"
    )


ANALYTIC = Obfuscation()

"""PowerShell transcripts: what Start-Transcript and the transcription policy write, with English headings.

One row for each session's beginning and end, one for each command with what it printed. Times are the host's local
ones and are taken as UTC; without invocation headers a command has its session's start as time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.source import Batch, LogFile, Rejected, TableSpec
from vizsla.sources._encoding import as_utf8, utf8_stream
from vizsla.sources._lines import TooLong, line_blocks
from vizsla.sources._placing import formatted
from vizsla.sources._rows import Rows, batch_of, printable
from vizsla.sources._times import timestamps

TABLE = "powershell_transcript"
COLUMNS = (
    "Type", "Start time", "End time", "Command start time", "Username", "RunAs User", "Configuration Name", "Machine",
    "Host Application", "Process ID", "PSVersion", "PSEdition", "Prompt", "Command", "Output", "Output file",
)  # fmt: skip
CARRIED = ("Start time", "Username", "RunAs User", "Machine", "Host Application", "Process ID", "Output file")
STARS = re.compile(r"\*{10,}\s*$")
START = re.compile(r"(?:Windows )?PowerShell transcript start\s*$")
END = re.compile(r"(?:Windows )?PowerShell transcript end\s*$")
PAIR = re.compile(r"([A-Za-z][A-Za-z ]{1,40}): ?(.*)$")
PROMPT = re.compile(r"(?:\[[^\]]{1,255}\]: ?)?PS(?: (?:[A-Za-z]:|[A-Za-z.\\]+::|\\\\|/|~|HK)[^>]*| ?[^ >]*)?> ?")
INVOKED = re.compile(r"Command start time: (\d{14})\s*$")
WRITES = re.compile(r"Transcript started, output file is (.*)$")
MOST = 512 << 10  # characters of output in a row: what is longer goes on in the next
HEAD = re.compile(rb"\*{10,}\r?\n(?:Windows )?PowerShell transcript (?:start|end)\s")


class Transcript:
    """What was typed into PowerShell, and what it answered."""

    name = "powershell_transcript"
    doc = "PowerShell transcripts: sessions, their commands and what they printed"
    tables = (TableSpec(TABLE, "Commands of PowerShell sessions and what they printed", COLUMNS),)

    def sniff(self, head: bytes, name: str) -> float:
        text = as_utf8(head).removeprefix(b"\xef\xbb\xbf").lstrip()
        return 0.95 if HEAD.match(text) else 0.0

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        reading = _Reading(file.name)
        with file.open() as stream:
            for block in line_blocks(utf8_stream(stream)):
                if isinstance(block, TooLong):
                    yield block.rejected(file.name)
                    continue
                for place, line in zip(block.offsets(), block.lines, strict=True):
                    reading.line(printable(line.decode("utf-8", "surrogateescape")).rstrip("\r"), place)
                if reading.rows.full():
                    yield reading.batch()
        reading.end()
        if reading.rows.places:
            yield reading.batch()


@dataclass(slots=True)
class _Open:
    """A row that is being gathered."""

    place: int
    type: str
    fields: dict[str, str] = field(default_factory=dict)
    output: list[str] = field(default_factory=list)
    size: int = 0


class _Reading:
    """Where in a transcript the reader stands."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.rows = Rows(COLUMNS)
        self.session: dict[str, str] = {}
        self.open: _Open | None = None
        self.stars: tuple[int, str] | None = None  # the line before, if it was one of stars
        self.framed = False  # a line of stars ends the heading before it
        self.invoked = ""  # the next command's time

    def line(self, text: str, place: int) -> None:
        """Takes the next line."""
        if STARS.match(text):
            if self.open and self.open.type in ("session", "end"):
                self.close()
            elif self.framed:
                self.framed = False
            else:
                self._held()
                self.stars = (place, text)
            return
        if self.stars is not None and self._heading(text, self.stars[0]):
            self.stars = None
            return
        self._held()
        if self.open is None and (found := WRITES.match(text)):
            self.session["Output file"] = found[1]
        elif self.open and self.open.type in ("session", "end"):
            if found := PAIR.match(text):
                put = found[1] if found[1] not in self.open.fields else found[1] + " 2"
                self.open.fields[put] = found[2].strip()
            else:
                self._output(text, place)
        elif found := PROMPT.match(text):
            self._command(found.group(), text[found.end() :], place)
        elif self.open and self.open.type == "command" and not self.open.output and text.startswith(">> "):
            self.open.fields["Command"] += "\n" + text[3:]
        else:
            self._output(text, place)

    def _held(self) -> None:
        """Stars that were no heading's are output."""
        if self.stars is not None:
            (place, text), self.stars = self.stars, None
            self._output(text, place)

    def _heading(self, text: str, place: int) -> bool:
        """Whether the line after one of stars begins something."""
        if START.match(text):
            self.close()
            self.session = {}
            self.open = _Open(place, "session")
        elif END.match(text):
            self.close()
            self.open = _Open(place, "end")
        elif found := INVOKED.match(text):
            self.close()
            self.invoked, self.framed = found[1], True
        else:
            return False
        return True

    def _command(self, prompt: str, command: str, place: int) -> None:
        self.close()
        self.open = _Open(place, "command", {"Prompt": prompt.rstrip(), "Command": command})
        if self.invoked:
            self.open.fields["Command start time"] = self.invoked
            self.invoked = ""

    def _output(self, text: str, place: int) -> None:
        if self.open is None:
            if not text.strip():
                return
            self.open = _Open(place, "output")
            if self.invoked:
                self.open.fields["Command start time"] = self.invoked
                self.invoked = ""
        self.open.output.append(text)
        self.open.size += len(text)
        if self.open.size > MOST:
            self.close()

    def close(self) -> None:
        """Ends the row that is open."""
        row, self.open = self.open, None
        if row is None:
            return
        fields = {"Type": row.type, **row.fields}
        if row.type == "session":
            self.session = {name: row.fields[name] for name in CARRIED if name in row.fields}
        else:
            fields = {**{k: v for k, v in self.session.items() if v}, **fields}
        if output := "\n".join(row.output).rstrip():
            fields["Output"] = output
        self.rows.add(tuple(fields), list(fields.values()), row.place)
        self.rows.bytes += row.size

    def end(self) -> None:
        """There are no more lines."""
        self._held()
        self.close()

    def batch(self) -> Batch:
        """What was gathered."""
        count, columns = len(self.rows.places), self.rows.columns()
        missing = pa.nulls(count, pa.string())
        moments = pc.coalesce(*(columns.get(n, missing) for n in ("Command start time", "End time", "Start time")))
        machines = columns.get("Machine", missing)
        hosts = pc.utf8_lower(pc.replace_substring_regex(machines, r"\s*\(.*$", ""))
        hosts = pc.if_else(pc.equal(hosts, ""), pa.scalar(None, pa.string()), hosts)
        times = timestamps(formatted(moments, "%Y%m%d%H%M%S"))
        batch = batch_of(columns, times, hosts, self.rows.origins(self.file))
        self.rows.clear()
        return Batch(TABLE, batch)


SOURCE = Transcript()

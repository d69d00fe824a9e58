"""Syslog headers, a block of lines at a time: RFC 3164, RFC 5424, and the ISO times of rsyslog and journalctl.

What is found of every record is where in the block its fields begin and end; the texts are then cut out in one go.
A line without a header goes on the record before it: its text is the rest of that record's message.

Years: a BSD time has none. It gets the newest year in which it is not later than a day after the file was last
written; records within a file need no order for that. Zones: a time without one is taken as UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.source import LogFile, Rejected
from vizsla.sources._lines import TooLong, chunks
from vizsla.sources._linux_auth import CRONS, PROGRAMS
from vizsla.sources._rows import printable
from vizsla.sources._syslog_times import bsd_micros, bsd_times
from vizsla.sources._times import NONE, Micros, parse_iso

BLOCK = 1 << 20
MAX_RECORD = 1 << 20  # bytes of one record, its continuation lines included
FIELDS = ("priority", "timestamp", "hostname", "program", "pid", "msgid", "structured_data", "message")
FACILITIES = ("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
              "ntp", "audit", "alert", "clock", *(f"local{n}" for n in range(8)))  # fmt: skip
SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
BOM = b"\xef\xbb\xbf"
_BSD = (
    rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[ ][ \d]?\d[ ](?:\d{4}[ ])?\d\d:\d\d:\d\d"
    rb"(?:\.\d{1,9})?(?:[ ]\d{4}(?![^ :]))?"
)
_ISO = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|z|[+-]\d\d:?\d\d)?"
_HEADER = re.compile(rb"""(?s:(?:<(?P<priority>\d{1,3})>)?\ ?
    (?:1\ (?P<time5>-|%(iso)s)\ (?P<host5>\S{1,255})\ (?P<app>\S{1,255})\ (?P<proc>\S{1,255})\ (?P<msgid>\S{1,255})
        \ (?P<sd>-|(?:\[[^ \]"=]{1,64}(?:\ [^ \]"=]{1,64}="(?:[^"\\]|\\.)*")*\ ?\])+)(?:\ (?P<msg5>.*))?
    |\*?(?P<time>%(bsd)s|%(iso)s)(?:\ (?:[A-Z]{3,4}|UTC[+-]\d+)(?=[: ]))?:?\ +(?P<rest>.*)
    |(?<=>)(?P<bare>.*))\Z)"""
    % {b"bsd": _BSD, b"iso": _ISO}, re.VERBOSE)  # fmt: skip
_REST = re.compile(
    rb"(?s:(?:(?P<host>[^\s:\[\]%|=]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*[0-9A-Fa-f])(?:\ +(?::\ +)?|:\ (?=%[A-Z])))??"
    rb"(?:(?:--\ )?(?P<program>[^\s:\[\]|]{1,255})(?:\[(?P<pid>[^\]\s]{0,32})\])?:(?:\ (?!%[A-Z]+-)|\Z))(?P<msg>.*)\Z)"
)
_BARE = re.compile(rb"(?s:(?P<host>[^\s:\[\]%|=]+)\ +(?P<msg>.*)\Z)")
_TAG_VERSION = re.compile(rb"(?P<program>[\w./-]+) [\d.]+: ")
_TAG_BARE = re.compile(rb"(?P<program>[A-Za-z_][\w./()-]*)(?:\[(?P<pid>\d{1,12})\])? ")
# Programs that are known though no colon follows their name, as where a record of RFC 5424 was written the old way.
_OTHERS = ("kernel", "systemd", "named", "dnsmasq", "dnsmasq-dhcp", "dhcpd", "auditd", "audispd", "sysmon", "haproxy")
_KNOWN = frozenset(name.encode() for name in (*PROGRAMS, *CRONS, *(c.upper() for c in CRONS), *_OTHERS))
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Put = Callable[[int, tuple[int, int], int], None]


@dataclass(frozen=True, slots=True)
class Headers:
    """The records of a block of lines.

    `columns` hold text, null where a record has no such field: see `FIELDS`; `message` is never null. `times` are
    microseconds in UTC, `places` byte offsets, `lines` how many lines each record takes. `bad` are lines before any
    header: where each begins.
    """

    columns: dict[str, pa.Array]
    times: Micros
    places: Ints
    lines: Ints
    bad: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.places)


def modified(file: LogFile) -> int:
    """When a log was last written, in microseconds since 1970; `NONE`: not known."""
    told = getattr(file, "modified", None)
    if told is not None:
        return int(told * 1_000_000)
    name = file.path or file.name
    for place in (name, name.partition("!")[0]):
        try:
            return Path(place).stat().st_mtime_ns // 1000
        except (OSError, ValueError):
            continue
    return NONE


def read_headers(file: LogFile, block: int = BLOCK) -> Iterator[Headers | Rejected]:
    """All records of a syslog file in order, a block at a time; lines before the first header are rejected."""
    written = modified(file)
    held, at = b"", 0  # the last record: its continuation may follow
    with file.open() as stream:
        framed = False
        for chunk in chunks(stream, block):
            if isinstance(chunk, TooLong):
                if held:
                    yield from _told(parse(held, at, written), file.name)
                    held = b""
                yield chunk.rejected(file.name)
                continue
            framed = framed or (chunk.start == 0 and _FRAME.match(chunk.data) is not None)
            data, start = (held + b"\n" + chunk.data, at) if held else (chunk.data, chunk.start)
            if framed:
                data, start, held, at = _unframed(data, start)
            else:
                data, start, held, at = _whole_records(data, start)
            if data:
                yield from _told(parse(data, start, written), file.name)
        if held:
            yield from _told(parse(held, at, written), file.name)


_FRAME = re.compile(rb"\d{1,7} <\d{1,3}>")


def _unframed(data: bytes, start: int) -> tuple[bytes, int, bytes, int]:
    """Octet-counted frames as lines of their own, offsets kept: a frame's length becomes line feeds before it.

    A frame whose end is not yet seen is held back. What is no frame stays as it is, up to the next line.
    """
    out = bytearray(data)
    at = 0
    while at < len(data):
        found = _FRAME.match(data, at)
        if found is None:
            feed = data.find(b"\n", at)
            at = len(data) if feed < 0 else feed + 1
            continue
        length = int(data[at : found.end()].split(b" ", 1)[0])
        begin = data.index(b" ", at) + 1
        end = begin + length
        if end > len(data):
            if end - at <= MAX_RECORD:
                return bytes(out[:at]), start, data[at:], start + at
            end = len(data)
        out[at:begin] = b"\n" * (begin - at)
        at = end
    return bytes(out), start, b"", 0


def _whole_records(data: bytes, start: int) -> tuple[bytes, int, bytes, int]:
    """Splits before the last line that begins a record: what may yet go on is held back."""
    at = len(data)
    while at > 0 and len(data) - at < MAX_RECORD:
        at = data.rfind(b"\n", 0, at)
        line = at + 1
        if data[line : line + 1].strip(b" \t\r\n") and _HEADER.match(data[line : line + 4096].partition(b"\n")[0]):
            return data[: max(at, 0)], start, data[line:], start + line
        if at < 0:
            break
    return data, start, b"", 0


def framed(head: bytes) -> bool:
    """Whether a log's records are told apart by their length, written before each."""
    return _FRAME.match(head) is not None


def whole(tail: bytes) -> int:
    """How many of a log's last bytes are records that nothing can be added to: all before the last header."""
    cut = tail.rfind(b"\n") + 1
    data, _, held, _ = _whole_records(tail[: max(cut - 1, 0)], 0)
    return len(data) + 1 if held and data else 0


def _told(headers: Headers, name: str) -> Iterator[Headers | Rejected]:
    for place in headers.bad:
        yield Rejected(f"{name}#{place}", "a line without a syslog header, before the first that has one")
    if len(headers):
        yield headers


def parse(data: bytes, start: int = 0, written: int = NONE) -> Headers:
    """The records of whole lines, the first of which begins `start` bytes into the file.

    Args:
        written: when the file was last written, for times without a year; `NONE`: such times stay unknown.
    """
    view = np.frombuffer(data, np.uint8)
    feeds = np.flatnonzero(view == 10)
    begins = np.concatenate([[0], feeds + 1]).astype(np.int64)
    ends = np.concatenate([feeds, [len(data)]]).astype(np.int64)
    padded = np.concatenate([view, np.full(64, 10, np.uint8)])
    ends -= (ends > begins) & (padded[np.maximum(ends - 1, 0)] == 13)
    spans = np.full((len(begins), 2 * len(FIELDS)), -1, dtype=np.int64)
    spaces = np.concatenate([np.flatnonzero(view == 32), np.full(8, len(data) + 64)])
    brackets = np.concatenate([np.flatnonzero(view == 91), [len(data) + 64]])
    done = _fast(padded, begins, ends, spaces, brackets, spans)
    for n in np.flatnonzero(~done & (ends > begins)).tolist():
        done[n] = _slow(data, int(begins[n]), int(ends[n]), spans[n])
    return _cut(data, start, written, begins, ends, spans, done)


def _fast(b: npt.NDArray[np.uint8], begins: Ints, ends: Ints, spaces: Ints, brackets: Ints, spans: Ints) -> Bools:
    """Fills the spans of all lines of the usual shapes; which those are."""
    p = begins.copy()
    marked = b[p] == 60  # '<'
    if marked.any():
        close = np.full(len(p), -1, dtype=np.int64)
        for width in (1, 2, 3):
            close = np.where(marked & (close < 0) & (b[p + width + 1] == 62), p + width + 1, close)
        sound = marked & (close >= 0)
        spans[:, 0] = np.where(sound, p + 1, -1)
        spans[:, 1] = np.where(sound, close, -1)
        p = np.where(sound, close + 1, p)
    long = ends - p > 20
    q = np.where(long, p, 0)
    bsd = (
        long & (b[q + 3] == 32) & (b[q + 6] == 32) & (b[q + 15] == 32) & _clock(b, q + 9) & (b[q] >= 65) & (b[q] <= 90)
    )
    iso = long & (b[q + 4] == 45) & (b[q + 7] == 45) & (b[q + 10] == 84) & _clock(b, q + 13)
    v = np.where(long, p + 2, 0)
    new = long & (b[q] == 49) & (b[q + 1] == 32) & (b[v + 4] == 45) & (b[v + 7] == 45) & (b[v + 10] == 84)
    done = np.zeros(len(p), dtype=bool)
    if bsd.any() or iso.any():
        done |= _old(b, np.flatnonzero(bsd | iso), p, bsd, ends, spaces, brackets, spans)
    if new.any():
        done |= _new(b, np.flatnonzero(new), v, ends, spaces, spans)
    return done


def _clock(b: npt.NDArray[np.uint8], at: Ints) -> Bools:
    """Where two colons stand as in a time of day."""
    return np.asarray((b[at] == 58) & (b[at + 3] == 58))


def _old(b: npt.NDArray[np.uint8], rows: Ints, p: Ints, bsd: Bools, ends: Ints, spaces: Ints, brackets: Ints,
         spans: Ints) -> Bools:  # fmt: skip
    """Lines of `time host program[pid]: message`, or without the host."""
    end, begin = ends[rows], p[rows]
    first = np.searchsorted(spaces, np.where(bsd[rows], begin + 15, begin + 19))
    time_end = spaces[first]
    word_end = np.minimum(spaces[first + 1], end)
    hostless = b[word_end - 1] == 58
    tag = np.where(hostless, time_end + 1, word_end + 1)
    tag_end = np.where(hostless, word_end, np.minimum(spaces[first + 2], end))
    sound = (time_end < end) & (word_end < end + hostless) & (tag_end > tag + 1) & (word_end > time_end + 1)
    safe = np.where(sound, tag_end, 1)
    sound &= b[safe - 1] == 58
    open_ = brackets[np.searchsorted(brackets, np.where(sound, tag, 0))]
    pid = sound & (open_ < safe - 2) & (b[safe - 2] == 93) & (open_ > tag)
    sound &= pid | (open_ >= safe)
    # The slow path knows what is no program: the host before ' : ', an address, a mark of another format.
    word = b[np.where(sound, tag, 0)]
    sound &= (word != 37) & (word != 58) & (b[time_end - 1] != 58)
    found = rows[sound]
    pid, open_, tag, tag_end, hostless = pid[sound], open_[sound], tag[sound], tag_end[sound], hostless[sound]
    stop = np.where(pid, open_, tag_end - 1)
    host, host_end = time_end[sound] + 1, word_end[sound]
    spans[found, 2], spans[found, 3] = begin[sound], time_end[sound]
    spans[found, 4], spans[found, 5] = np.where(hostless, -1, host), np.where(hostless, -1, host_end)
    spans[found, 6], spans[found, 7] = tag, stop
    spans[found, 8], spans[found, 9] = np.where(pid, open_ + 1, -1), np.where(pid, tag_end - 2, -1)
    spans[found, 14], spans[found, 15] = np.minimum(tag_end + 1, end[sound]), end[sound]
    done = np.zeros(len(ends), dtype=bool)
    done[found] = True
    return done


def _new(b: npt.NDArray[np.uint8], rows: Ints, v: Ints, ends: Ints, spaces: Ints, spans: Ints) -> Bools:
    """Lines of RFC 5424 without structured data, or with elements that hold no bracket in their values."""
    end, begin = ends[rows], v[rows]
    first = np.searchsorted(spaces, begin)
    bounds = [begin - 1, *(spaces[first + n] for n in range(5))]
    sound = bounds[5] + 1 < end
    for before, after in pairwise(bounds):
        sound &= after > before + 1
    data = np.where(sound, bounds[5] + 1, 0)
    after = np.where(sound, data + 1, 0)
    sound &= (b[data] == 45) & ((b[after] == 32) | (after == end))
    found = rows[sound]
    for n, place in enumerate((2, 4, 6, 8, 10)):
        left, right = bounds[n][sound] + 1, bounds[n + 1][sound]
        absent = (right == left + 1) & (b[left] == 45)
        spans[found, place], spans[found, place + 1] = np.where(absent, -1, left), np.where(absent, -1, right)
    text = after[sound] + 1
    text += 3 * ((b[text] == 0xEF) & (b[text + 1] == 0xBB) & (b[text + 2] == 0xBF))
    spans[found, 14], spans[found, 15] = np.minimum(text, end[sound]), end[sound]
    done = np.zeros(len(ends), dtype=bool)
    done[found] = True
    return done


def _slow(data: bytes, begin: int, end: int, spans: Ints) -> bool:
    """One line of any shape that syslog has; false where it is none."""
    line = data[begin:end]
    if line[:1] in b" \t":
        return False
    found = _HEADER.match(line)
    spans[:] = -1
    if found is None:
        return False

    def put(place: int, span: tuple[int, int], base: int) -> None:
        if span[0] >= 0 and line[base + span[0] : base + span[1]] != b"-":
            spans[place], spans[place + 1] = begin + base + span[0], begin + base + span[1]

    put(0, found.span("priority"), 0)
    spans[14] = spans[15] = end
    if found["bare"] is not None:  # a priority and no more: what devices send that write their own time
        spans[14] = begin + found.start("bare")
        return True
    if found["time5"] is not None:
        for place, name in ((2, "time5"), (4, "host5"), (6, "app"), (8, "proc"), (10, "msgid"), (12, "sd")):
            put(place, found.span(name), 0)
        if found["msg5"] is not None:
            spans[14] = begin + found.start("msg5") + 3 * found["msg5"].startswith(BOM)
        return True
    put(2, found.span("time"), 0)
    base, rest = found.start("rest"), found["rest"]
    told = _REST.match(rest)
    if told is not None and told["program"] not in (b"CEF", b"LEEF"):
        for place, name in ((4, "host"), (6, "program"), (8, "pid")):
            put(place, told.span(name), base)
        spans[14] = begin + base + told.start("msg")
        return True
    bare = _BARE.match(rest)
    spans[14] = begin + base
    if bare is not None and bare["host"] not in (b"CEF", b"LEEF"):
        put(4, bare.span("host"), base)
        spans[14] = begin + base + bare.start("msg")
        _tagged(bare["msg"], base + bare.start("msg"), begin, spans, put)
    return True


def _tagged(text: bytes, base: int, begin: int, spans: Ints, put: Put) -> None:
    """A program's name that no colon follows: with a version or a process number, or one that is known."""
    tag = _TAG_VERSION.match(text)
    if tag is not None:
        put(6, tag.span("program"), base)
        spans[14] = spans[7] + 1
        return
    tag = _TAG_BARE.match(text)
    if tag is not None and (tag["pid"] is not None or tag["program"] in _KNOWN):
        put(6, tag.span("program"), base)
        put(8, tag.span("pid"), base)
        spans[14] = begin + base + tag.end()


def _cut(data: bytes, start: int, written: int, begins: Ints, ends: Ints, spans: Ints, done: Bools) -> Headers:
    """The texts of all spans, each line without a header joined to the record before it."""
    heads = np.flatnonzero(done)
    filled = ends > begins
    bad = (begins[: heads[0] if len(heads) else len(begins)])[filled[: heads[0] if len(heads) else len(begins)]] + start
    if not len(heads):
        return Headers({}, np.zeros(0, np.int64), heads, heads, bad.tolist())
    numbers = np.arange(len(begins))
    last = np.maximum.accumulate(np.where(filled, numbers, -1))[np.append(heads[1:] - 1, len(begins) - 1)]
    spans = spans[heads]
    lines = np.add.reduceat(filled.astype(np.int64), heads)
    spans[:, 15] = np.where(lines > 1, ends[last], spans[:, 15])
    columns = _texts(data, spans)
    return Headers(columns, _times(data, columns["timestamp"], spans[:, 2], written), begins[heads] + start, lines,
                   bad.tolist())  # fmt: skip


def _texts(data: bytes, spans: Ints) -> dict[str, pa.Array]:
    """Fields' texts. The block is one array of strings whose offsets are all the fields' bounds; each column takes its
    own. Bytes that are no text are escaped field by field."""
    absent = spans[:, 0::2] < 0
    bounds = np.maximum.accumulate(spans.reshape(-1)).reshape(spans.shape)
    bounds = np.maximum(bounds, 0)
    offsets = np.append(bounds.reshape(-1), bounds[-1, -1]).astype(np.int32)
    size = 2 * len(FIELDS) * len(spans)
    parts = pa.Array.from_buffers(pa.binary(), size, [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data)])
    rows = np.arange(len(spans), dtype=np.int64) * (2 * len(FIELDS))
    found = {}
    plain = _plain(data)
    for n, name in enumerate(FIELDS):
        if absent[:, n].all():
            found[name] = pa.nulls(len(spans), pa.string())
            continue
        taken = parts.take(pa.array(rows + 2 * n, mask=absent[:, n] if absent[:, n].any() else None))
        if plain:
            found[name] = taken.view(pa.string())
        else:
            texts = [t if t is None else printable(t.decode("utf-8", "surrogateescape")) for t in taken.to_pylist()]
            found[name] = pa.array(texts, pa.string())
    return found


def _plain(data: bytes) -> bool:
    """Whether all is text without NUL."""
    if b"\0" in data:
        return False
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _times(data: bytes, texts: pa.Array, begins: Ints, written: int) -> Micros:
    """When each record was written, from its own text."""
    view = np.frombuffer(data, np.uint8)
    told = begins >= 0
    first = view[np.where(told, begins, 0)]
    bsd = told & (first >= 65)
    found = np.full(len(begins), NONE, dtype=np.int64)
    if bsd.any():
        lengths = pc.fill_null(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False)
        usual = np.flatnonzero(bsd & (lengths == 15))
        found[usual] = bsd_times(view, begins[usual], written)
        for n in np.flatnonzero(bsd & (lengths != 15)).tolist():
            found[n] = bsd_micros(texts[n].as_py(), written)
    iso = np.flatnonzero(told & ~bsd)
    if len(iso):
        subset = texts if len(iso) == len(texts) else texts.take(pa.array(iso))
        found[iso] = parse_iso(subset)
    return found


def ranks(priority: pa.Array) -> dict[str, pa.Array]:
    """`facility` and `severity` by name, of `priority` as the PRI part writes it; null where it is none."""
    numbers = [str(n) for n in range(192)]
    which = pc.index_in(priority, pa.array(numbers))
    return {
        "facility": pa.array([FACILITIES[n >> 3] for n in range(192)]).take(which),
        "severity": pa.array([SEVERITIES[n & 7] for n in range(192)]).take(which),
    }


def sniff_header(head: bytes) -> float:
    """What share of the first lines have a syslog header, or go on from one; 0 where none of the first three has."""
    if _FRAME.match(head):
        head = b"\n".join(_unframed(head, 0)[0].split(b"\n"))
    lines = [line.rstrip(b"\r") for line in head.split(b"\n")]
    if len(lines) > 1 and len(head) >= 4096:
        lines.pop()  # cut off
    lines = [line for line in lines[:200] if line.strip()]
    if not any(map(_HEADER.match, lines[:3])):
        return 0.0
    return sum(1 for line in lines if line[:1] in b" \t" or _HEADER.match(line)) / len(lines)

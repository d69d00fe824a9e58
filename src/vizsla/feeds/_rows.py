"""Tables whose columns nobody declared: which is the value, which its type, what is said of it and when."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from typing import Literal

from vizsla.declared import from_yaml
from vizsla.feeds._said import moment, percent
from vizsla.intel.normal import TYPES, guess, normal, settled
from vizsla.nouns.indicator import IndicatorType

Role = Literal[
    "type", "value", "context", "tags", "malware", "actor", "first_seen", "last_seen", "date",
    "valid_from", "valid_until", "confidence", "tlp", "to_ids", "technique", "kill_chain", "reference", "",
]  # fmt: skip
DELIMITERS = ",;\t|"
NOTHING = frozenset(
    {"", "-", "--", "n/a", "na", "none", "null", "nil", "unknown", "?", "nan", "not available", "no data"}
)
SAMPLE = 200  # rows by which columns are guessed
_LEVELS = {"high": 85, "medium": 50, "moderate": 50, "low": 15, "critical": 95, "very high": 95, "very low": 5}

_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d.{0,22})?")
_PORT = re.compile(r"^(\[?[\w.\[\]():-]+?\]?):(\d{1,5})$")
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b", re.IGNORECASE)
_FORMATS = ("%Y%m%d", "%Y/%m/%d", "%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y", "%d-%b-%Y", "%Y-%m-%d %H:%M:%S UTC",
            "%B %Y", "%b %d %Y", "%Y-%m-%d %H:%M")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Columns:
    """What a table's columns are. values: (column, its type or '' to be told by looks)."""

    names: tuple[str, ...]
    roles: dict[int, Role]
    values: tuple[tuple[int, str], ...]
    type_column: int | None = None
    headed: bool = False
    sure: float = field(default=0.0)  # share of rows in which a value is found


@lru_cache(maxsize=1)
def _words() -> tuple[
    tuple[tuple[re.Pattern[str], Role], ...], tuple[tuple[re.Pattern[str], str], ...], dict[str, str]
]:
    """`_columns.yaml`: roles and types by columns' names, types by what cells call them (MISP's names too)."""
    told = from_yaml(resources.files("vizsla.feeds").joinpath("_columns.yaml").read_text("utf-8"))
    misp = from_yaml(resources.files("vizsla.feeds").joinpath("_misp.yaml").read_text("utf-8"))
    types = {str(name).lower(): str(type) for name, type in misp["indicators"].items()}
    types.update({str(name): type for type, said in told["types"].items() for name in said})
    return (
        tuple((re.compile(row["name"], re.IGNORECASE), row["role"]) for row in told["roles"]),
        tuple((re.compile(row["name"], re.IGNORECASE), row["type"]) for row in told["columns"]),
        types,
    )


def role_of(name: str) -> Role:
    """What a column of that name says; '' where it says nothing that is known."""
    name = name.strip().strip("\"'#* ").lower()
    return next((role for pattern, role in _words()[0] if pattern.fullmatch(name)), "")


def type_of(name: str) -> str:
    """The type of indicator that a column of that name holds; '' where it names none."""
    name = name.strip().strip("\"'#* ").lower().replace("_", " ")
    return next((type for pattern, type in _words()[1] if pattern.fullmatch(name)), "")


def columns_of(header: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> Columns | None:
    """What the columns of a table are, by its names and its first rows; None where none holds indicators."""
    width = Counter(len(row) for row in rows).most_common(1)[0][0] if rows else len(header or ())
    names = tuple(name.strip().strip("#").strip().strip('"') for name in header) if header else ("",) * width
    roles: dict[int, Role] = {i: role for i, name in enumerate(names) if (role := role_of(name))}
    sample = rows[:SAMPLE]
    typed = next((i for i, role in roles.items() if role == "type" and _says_types(sample, i)), None)
    values: list[tuple[int, str]] = []
    said = next((i for i, role in roles.items() if role == "value"), None)
    if typed is not None and said is not None:
        values.append((said, ""))
    else:
        typed = None
        for i in range(width):
            named = type_of(names[i]) if i < len(names) else ""
            if i in roles and roles[i] not in ("value", "context", "type", "malware") and not named:
                continue
            kept = named or _looks_like(sample, i)
            if kept and _share(sample, i, named) >= (0.5 if named or not header else 0.6):
                values.append((i, named))
    if not values:
        return None
    for i, _ in values:
        roles.pop(i, None)
    if typed is not None:
        found = sum("|" in _cell(row, typed) or bool(said_type(_cell(row, typed))) for row in sample)
    else:
        found = sum(any(_told(row, i, named) for i, named in values) for row in sample)
    return Columns(names, roles, tuple(values), typed, header is not None, found / max(1, len(sample)))


def _cell(row: Sequence[str], at: int) -> str:
    return row[at].strip() if at < len(row) else ""


def _says_types(rows: Sequence[Sequence[str]], at: int) -> bool:
    cells = [cell.lower() for row in rows if (cell := _cell(row, at))]
    known = sum("|" in cell or bool(said_type(cell)) for cell in cells)
    return bool(cells) and known >= len(cells) / 2


def _looks_like(rows: Sequence[Sequence[str]], at: int) -> bool:
    return any(value_of(_cell(row, at), "") for row in rows[:50] if _cell(row, at).lower() not in NOTHING)


def _told(row: Sequence[str], at: int, named: str) -> bool:
    return value_of(_cell(row, at), named) is not None


def _share(rows: Sequence[Sequence[str]], at: int, named: str) -> float:
    cells = [row for row in rows if _cell(row, at).lower() not in NOTHING]
    return sum(_told(row, at, named) for row in cells) / max(1, len(cells))


def said_type(text: str) -> str:
    """The type that a cell names: 'ip-dst', 'FileHash-SHA256'; '?' for a hash of any kind, '' for none."""
    low = text.strip().lower()
    named = low.replace("-", "_").replace(" ", "_")
    return _words()[2].get(low) or (named if named in TYPES else "")


def value_of(text: str, type: str) -> tuple[IndicatorType, str] | None:
    """A cell as an indicator: type and normal form. `type` '': by its looks; None where it is none."""
    text = text.strip().strip("\"'`")
    if text.lower() in NOTHING or len(text) > 16_384:
        return None
    ported = _PORT.match(text)
    plain = ported[1] if ported and ported[1].count(":") == 0 else text
    try:
        if not type:
            return guess(plain)
        if type in ("domain", "ipv4", "url", "file_name", "file_path"):
            looks = guess(plain)
            if looks and looks[0] in ("ipv4", "ipv6", "cidr", "domain", "url", "email", "file_name", "file_path"):
                wanted = type in ("file_name", "file_path")
                return settled(type, text) if wanted and " " not in text else looks  # type: ignore[arg-type]
            if type in ("domain", "ipv4", "url"):
                return settled(type, plain)  # type: ignore[arg-type]
        if type in ("certificate_serial", "certificate_fingerprint", "imphash", "ja3", "ja3s", "hassh", "authentihash"):
            return type, normal(type, text)  # type: ignore[return-value]
        return settled(type, text)  # type: ignore[arg-type]
    except ValueError:
        return None


@lru_cache(maxsize=65_536)
def time_of(text: str) -> datetime | None:
    """A time as tables write them: ISO 8601, seconds since 1970, '20201101', 'November 7th, 2014'; UTC."""
    text = text.strip().strip('"')
    if not text or len(text) > 40:
        return None
    if _ISO.fullmatch(text) and (told := moment(text)):
        return told
    for form in _FORMATS:
        try:
            return datetime.strptime(_ORDINAL.sub("", text), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return moment(text)


def confidence_of(text: str) -> int | None:
    """0 to 100: a number, a percentage, or a word ('high')."""
    low = text.strip().lower().rstrip("%").strip()
    return _LEVELS.get(low, percent(low))


def delimiter_of(lines: Sequence[str]) -> str:
    """What divides cells: the character that divides most lines into as many parts; '' where none does."""
    best, most = "", 0.0
    for one in DELIMITERS:
        try:
            widths = Counter(len(row) for row in csv.reader(lines, delimiter=one, skipinitialspace=True))
        except csv.Error:
            continue
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        share = count / max(1, sum(widths.values()))
        if width > 1 and share >= 0.7 and share + width / 1000 > most:
            best, most = one, share + width / 1000
    return best

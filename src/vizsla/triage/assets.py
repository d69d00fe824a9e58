"""What the team knows of its hosts and users: role, owner, criticality, groups, addresses.

`vizsla assets add FILE` reads CSV, JSON, JSON lines or YAML. A record names a host or a user and whatever else is
known; a bad record costs that record alone and is counted. What was added is kept as JSON lines, one file for each
file added, with where each record came from; a later record of the same name replaces an earlier one.

Criticality weighs in the ranking, as a ledger line of its own, in bits: crown +2, high +1, normal 0, low -1.
"""

from __future__ import annotations

import csv
import hashlib
import io
import ipaddress
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

import yaml

from vizsla.errors import UsageError
from vizsla.nouns import Entity

if TYPE_CHECKING:
    from vizsla.lake import Lake

Criticality = Literal["low", "normal", "high", "crown"]
WEIGHTS: Mapping[str, float] = {"crown": 2.0, "high": 1.0, "normal": 0.0, "low": -1.0}
FIELDS = ("type", "name", "role", "owner", "criticality", "groups", "addresses")
NAMES = {"host": "host", "hostname": "host", "computer": "host", "user": "user", "username": "user", "account": "user"}
FORMATS = {".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".yaml": "yaml", ".yml": "yaml"}
MAX_BYTES, MAX_TEXT, MAX_LIST = 64 << 20, 1000, 1000


@dataclass(frozen=True, slots=True)
class Asset:
    """A host or a user, as the team describes it. `source` and `line` say where the record stood."""

    type: str  # 'host' or 'user'
    name: str
    role: str = ""
    owner: str = ""
    criticality: Criticality = "normal"
    groups: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    source: str = ""
    line: int = 0
    added: str = ""  # when, ISO 8601


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that says nothing usable: its line (or number, counted from 1) and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Added:
    """What `add` did: records stored, records refused. `known`: this very content was added last."""

    stored: int
    refused: tuple[Refused, ...]
    known: bool = False


class Assets:
    """Look-ups by host (short name or FQDN), user (DOMAIN\\user, user@domain, plain) and address."""

    def __init__(self, assets: Iterable[Asset] = ()) -> None:
        self._named: dict[tuple[str, str], Asset] = {}
        for asset in assets:
            self._named[asset.type, asset.name.lower()] = asset
        self._loose: dict[tuple[str, str], list[Asset]] = {}
        self._addressed: dict[str, Asset] = {}
        for asset in self._named.values():
            self._loose.setdefault((asset.type, _short(asset.type, asset.name)), []).append(asset)
            for address in asset.addresses:
                self._addressed[address] = asset

    def __len__(self) -> int:
        return len(self._named)

    def __iter__(self) -> Iterator[Asset]:
        return iter(self._named.values())

    def host(self, name: str) -> Asset | None:
        """The host of this name, FQDN or address. A short name that several domains share names none of them."""
        return self._find("host", name) or self.address(name)

    def user(self, name: str) -> Asset | None:
        """The user of this name, with or without its domain."""
        return self._find("user", name)

    def address(self, text: str) -> Asset | None:
        """The host or user that this address belongs to."""
        return self._addressed.get(_address(text) or "")

    def of(self, entity: Entity) -> Asset | None:
        """The asset that an entity of a finding is, None where the team has said nothing of it."""
        if entity.type == "user":
            return self.user(entity.value)
        if entity.type in ("host", "address", "ip"):
            return self.host(entity.value)
        return None

    def __bool__(self) -> bool:
        """Whether any is known."""
        return bool(self._named)

    def weight(self, entity: Entity) -> float:
        """Bits that an entity's criticality adds or takes; 0 for what is not known."""
        asset = self.of(entity)
        return WEIGHTS[asset.criticality] if asset else 0.0

    def ledger(self, entities: Sequence[Entity]) -> tuple[tuple[str, float], ...]:
        """The one ledger line of a finding's assets: the weightiest counts, once. Empty where nothing weighs.

        A low asset takes its bit only where no other named asset of the finding is normal or above.
        """
        found = [asset for entity in entities if (asset := self.of(entity))]
        if not found:
            return ()
        asset = max(found, key=lambda a: (WEIGHTS[a.criticality], a.type, a.name))
        bits = WEIGHTS[asset.criticality]
        about = ", ".join(t for t in (asset.role, f"owner {asset.owner}" if asset.owner else "") if t)
        return ((f"asset: {asset.name} is {asset.criticality}{f' ({about})' if about else ''}", bits),) if bits else ()

    def _find(self, kind: str, name: str) -> Asset | None:
        exact = self._named.get((kind, name.lower()))
        if exact:
            return exact
        short = _short(kind, name)
        alike = [a for a in self._loose.get((kind, short), []) if _agree(kind, a.name, name)]
        return alike[0] if len(alike) == 1 else None


def read_assets(path: str | Path) -> tuple[list[Asset], list[Refused]]:
    """A file's records and those refused. Raises UsageError where the file cannot be read as what it says it is."""
    return _read(Path(path), _bytes(Path(path)))


def add(lake: Lake, path: str | Path, now: datetime) -> Added:
    """Keep a file's records in the lake. The content that was added last, added again, stores nothing."""
    place = Path(path)
    content = _bytes(place)
    assets, refused = _read(place, content)
    room = lake.room("assets")
    room.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(content).hexdigest()[:16]
    if [file.stem.partition("-")[2] for file in sorted(room.glob("*.jsonl"))[-1:]] == [digest]:
        return Added(0, tuple(refused), known=True)
    if assets:
        stamp = now.strftime("%Y%m%dT%H%M%S.%fZ")
        rows = [json.dumps(asdict(replace(a, added=now.isoformat())), ensure_ascii=False) for a in assets]
        target = room / f"{stamp}-{digest}.jsonl"
        part = target.with_suffix(f".{os.getpid()}.part")
        part.write_text("\n".join(rows) + "\n", encoding="utf-8")
        part.replace(target)  # whole or not at all, also where the machine stops here
    return Added(len(assets), tuple(refused))


def load(lake: Lake) -> Assets:
    """All assets of a lake; later files win over earlier ones."""
    found: list[Asset] = []
    room = lake.room("assets")
    for file in sorted(room.glob("*.jsonl")) if room.is_dir() else ():
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            try:
                row = json.loads(line)
                row["groups"], row["addresses"] = tuple(row.get("groups", ())), tuple(row.get("addresses", ()))
                found.append(Asset(**row))
            except (ValueError, TypeError, KeyError) as broken:
                raise UsageError(
                    f"kept assets cannot be read: {broken}", where=f"{file}:{number}", fix="remove the file, add again"
                ) from broken
    return Assets(found)


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"larger than {MAX_BYTES >> 20} MiB", where=str(path), fix="split the file")
        return path.read_bytes()
    except OSError as wrong:
        raise UsageError(
            f"cannot be read: {wrong.strerror}", where=str(path), fix="give a CSV, JSON or YAML file"
        ) from wrong


def _read(path: Path, content: bytes) -> tuple[list[Asset], list[Refused]]:
    assets, refused = list[Asset](), list[Refused]()
    for line, row in _rows(path, content):
        try:
            assets.append(replace(_asset(row), source=str(path), line=line))
        except ValueError as wrong:
            refused.append(Refused(line, str(wrong)))
    return assets, refused


def _rows(path: Path, content: bytes) -> Iterator[tuple[int, object]]:
    """(line or number, record), whatever the format; a record that cannot be parsed comes as a ValueError."""
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise UsageError(
            f"'{path.suffix}' is no format of assets", where=str(path), fix="name it .csv, .json, .jsonl or .yaml"
        )
    try:
        text = content.decode("utf-8-sig")
        if form == "csv":
            yield from _csv_rows(text)
        elif form == "jsonl":
            yield from _json_lines(text)
        else:
            loaded = json.loads(text) if form == "json" else yaml.safe_load(text)
            yield from enumerate(_listed(loaded, path), 1)
    except (UnicodeDecodeError, csv.Error, yaml.YAMLError, json.JSONDecodeError, RecursionError) as wrong:
        first = (str(wrong) or type(wrong).__name__).splitlines()[0]
        raise UsageError(f"not valid {form}: {first}", where=str(path), fix="save it as UTF-8 and check it") from wrong


def _csv_rows(text: str) -> Iterator[tuple[int, object]]:
    delimiter = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    for row in reader:
        yield reader.line_num, row


def _json_lines(text: str) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as wrong:
                yield number, ValueError(f"not valid JSON: {wrong}")


def _listed(loaded: object, path: Path) -> Iterator[object]:
    """A list of records, or lists under `hosts` and `users`."""
    if isinstance(loaded, list):
        yield from loaded
        return
    if isinstance(loaded, dict) and set(loaded) <= {"hosts", "users"} and loaded:
        for key in ("hosts", "users"):
            for row in loaded.get(key) or ():
                yield {"type": key[:-1], **row} if isinstance(row, dict) else row
        return
    raise UsageError(
        "no list of records", where=str(path), fix="write a list, or lists under `hosts` and `users`, one record each"
    )


def _asset(row: object) -> Asset:
    """One record. Raises ValueError with what is wrong in words."""
    if isinstance(row, ValueError):
        raise row
    if not isinstance(row, dict):
        raise ValueError(f"a record must have named fields, not be {type(row).__name__}")
    if None in row:
        raise ValueError("more values than the header has names")
    fields = {str(key).strip().lower(): value for key, value in row.items() if value not in (None, "")}
    kind = str(fields.pop("type", "")).strip().lower()
    for key, meant in NAMES.items():
        if key in fields and "name" not in fields:
            fields["name"], kind = fields.pop(key), kind or meant
    if unknown := sorted(set(fields) - set(FIELDS)):
        raise ValueError(f"unknown field {unknown[0]!r}; known are {', '.join(FIELDS)}, host, user")
    if kind not in ("host", "user"):
        raise ValueError(f"type must be host or user, not {kind!r}" if kind else "neither a host nor a user is named")
    name = _text(fields, "name")
    if not name:
        raise ValueError(f"the {kind} has no name")
    grade = _text(fields, "criticality").lower() or "normal"
    if grade not in get_args(Criticality):
        raise ValueError(f"criticality must be one of {', '.join(get_args(Criticality))}, not {grade!r}")
    addresses = []
    for text in _list(fields, "addresses"):
        address = _address(text)
        if address is None:
            raise ValueError(f"{text!r} is no address")
        addresses.append(address)
    return Asset(
        type=kind,
        name=name,
        role=_text(fields, "role"),
        owner=_text(fields, "owner"),
        criticality=cast(Criticality, grade),
        groups=tuple(_list(fields, "groups")),
        addresses=tuple(addresses),
    )


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name, "")
    if isinstance(value, dict | list | tuple | set):
        raise ValueError(f"{name} must be one value")
    text = str(value).strip()
    if len(text) > MAX_TEXT:
        raise ValueError(f"{name} is longer than {MAX_TEXT} characters")
    return text


def _list(fields: Mapping[str, object], name: str) -> list[str]:
    """A list, or one text with ';', ',' or '|' between its items."""
    value = fields.get(name, "")
    if isinstance(value, list | tuple):
        items = [_text({name: item}, name) for item in value[: MAX_LIST + 1]]
    else:
        items = str(value).replace(";", ",").replace("|", ",").split(",")
    if len(items) > MAX_LIST:
        raise ValueError(f"{name} has more than {MAX_LIST} items")
    return [text for item in items if (text := item.strip())]


def _address(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _short(kind: str, name: str) -> str:
    text = name.lower()
    return text.rpartition("\\")[2].partition("@")[0] if kind == "user" else text.partition(".")[0]


def _agree(kind: str, one: str, other: str) -> bool:
    """Whether two spellings can be one: the domains are equal, one is left out, or one is the other's first label."""
    first, second = _domain(kind, one), _domain(kind, other)
    return not first or not second or first == second or first.partition(".")[0] == second.partition(".")[0]


def _domain(kind: str, name: str) -> str:
    text = name.lower()
    if kind == "host":
        return text.partition(".")[2]
    return text.rpartition("\\")[0] or text.partition("@")[2]

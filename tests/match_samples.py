"""Indicators against events the slow way: every indicator asked of every value, one after another."""

from __future__ import annotations

import ipaddress
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pyarrow as pa

from vizsla.hit import Hitting
from vizsla.intel.columns import Looked, looked, texts
from vizsla.intel.match import matchers, prepare
from vizsla.intel.normal import normal
from vizsla.lake import Lake, Scan
from vizsla.nouns.indicator import indicator_id

HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "imphash", "authentihash", "ja3", "ja3s", "hassh")


def table_of(indicators: list[tuple[str, str]]) -> pa.Table:
    """Indicators (type, normal value) as the store gives them."""
    return pa.table(
        {
            "id": pa.array([indicator_id(t, v) for t, v in indicators], pa.string()),
            "type": pa.array([t for t, _ in indicators], pa.string()),
            "value": pa.array([v for _, v in indicators], pa.string()),
        }
    )


def hits(engine, lake: Lake, indicators: list[tuple[str, str]], into: Path) -> set[tuple[str, str, str]]:
    """What the matcher finds: (table, event, indicator)."""
    folder = prepare(table_of(indicators), into)
    scans = [lake.scan(name) for name in lake.tables()]
    found = set()
    by_table = {scan.table: scan for scan in scans}
    for matcher in matchers([folder], scans):
        mapper = Hitting(matcher)
        for batch in engine.map(by_table[matcher.table], mapper.columns, mapper):
            rows = zip(*(batch.column(n).to_pylist() for n in ("table", "_id", "by")), strict=True)
            for row in rows:
                assert row not in found, "an event met an indicator twice"
                found.add(row)
    return found


def slow(lake: Lake, indicators: list[tuple[str, str]]) -> set[tuple[str, str, str]]:
    """The same, value by value."""
    found = set()
    for name in lake.tables():
        scan = lake.scan(name)
        columns = looked(name, texts(scan.schema), {t for t, _ in indicators})
        events = events_of(scan, [column.name for column in columns])
        for event in events:
            for column in columns:
                given = event.get(column.name)
                if given:
                    found |= {
                        (name, event["_id"], indicator_id(type, value))
                        for type, value in indicators
                        if column.holds(type) and holds(type, value, given, column)
                    }
    return found


def events_of(scan: Scan, columns: list[str]) -> list[dict]:
    import pyarrow.parquet as pq

    rows = []
    for file in scan.files:
        held = pq.ParquetFile(file)
        names = [n for n in ["_id", *columns] if n in held.schema_arrow.names]
        rows += held.read(columns=names).to_pylist()
    return rows


def holds(type: str, value: str, given: str, column: Looked) -> bool:
    """Whether a value holds an indicator."""
    whole = type in column.whole
    low = given.lower()
    if type in HASHES:
        return re.search(rf"(?<![^\W_]){value}(?![^\W_])", low) is not None
    if type in ("ipv4", "cidr", "ipv6"):
        return any(_address(type, value, word) for word in re.split(r"[^0-9a-z:._\u0080-\U0010ffff-]+", low))
    if type == "domain":
        return any(_domain(value, low, m) for m in re.finditer(r"[0-9a-z\u0080-\U0010ffff._-]+", low))
    if type == "url":
        return any(_url(value, text) for text in ([given] if whole else []) + re.findall(r"[a-zA-Z]\S+://\S+", given))
    if type == "email":
        return re.search(rf"(?<![a-z0-9._-]){re.escape(value)}(?![a-z0-9_-]|\.[a-z0-9])", low) is not None
    if type == "file_name":
        if whole:
            return fnmatchcase(re.split(r"[\\/]", low)[-1].strip(), value.replace("[", "[[]"))
        return (
            re.search(rf"(?<![^\\/:*?\"'<>|\s=,;()\[\]{{}}]){re.escape(value)}(?![^\\/:*?\"'<>|\s=,;()\[\]{{}}])", low)
            is not None
        )
    return _normal(type, value, given)


def _normal(type: str, value: str, given: str) -> bool:
    try:
        form = normal(type, given)
    except ValueError:
        return False
    if type == "registry_key" and form.startswith(value + "\\"):
        return True
    return fnmatchcase(form, value.replace("[", "[[]"))


def _address(type: str, value: str, word: str) -> bool:
    for text in {part.strip("._-") for part in (word, *word.split(":"))}:
        try:
            found = ipaddress.ip_address(text)
        except ValueError:
            continue
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        if found in ipaddress.ip_network(value):
            return True
    return False


def _domain(value: str, low: str, found: re.Match) -> bool:
    before, further = low[: found.start()][-1:], low[: found.start()][-2:-1]
    if before in ("/", "\\") and further != before:
        return False
    for cut in ("._-", ".-"):
        try:
            name = normal("domain", found[0].strip(cut))
        except ValueError:
            continue
        if name == value or (cut == "._-" and name.endswith("." + value)):
            return True
    return False


def _url(value: str, text: str) -> bool:
    forms = set()
    for cut in (text, text.rstrip(".,;:!?)]}\"'")):
        try:
            forms.add(normal("url", cut))
        except ValueError:
            continue
    if "?" not in value:
        forms |= {form.partition("?")[0] for form in forms}
    for form in forms:
        same = value if not value.startswith("*://") else form.partition("://")[0] + value[1:]
        if fnmatchcase(form, re.sub(r"([\[?])", r"[\1]", same)):
            return True
    return False

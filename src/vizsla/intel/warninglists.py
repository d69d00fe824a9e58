"""Lists of what is no indicator: MISP's warning lists, the team's allow lists, and a few general ones, always on.

A MISP warning list is JSON: name, type (string, substring, hostname, cidr, regex), list, and the kinds of attribute
that it is about (`matching_attributes`). Lists are hostile until checked: what would silence half the world is refused.
"""

from __future__ import annotations

import csv
import io
import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import orjson
import yaml

from vizsla.errors import FeedError
from vizsla.nouns.indicator import Refused

Kind = Literal["string", "substring", "hostname", "cidr", "regex"]
Origin = Literal["general", "allow", "warning"]
KINDS: tuple[str, ...] = get_args(Kind)

LARGEST = 256 << 20  # bytes of a list's file
MOST = 5_000_000  # entries of a list
MOST_PATTERNS = 2_000
LONGEST = 4096  # characters of an entry
SHORTEST = 4  # characters of a substring: shorter ones are part of nearly everything
WIDEST = {4: 4, 6: 7}  # bits of a prefix, by version: wider ones are a tenth of the internet (fc00::/7 is a 7)

_HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("ip-src", "ip-dst", "ip-src|port", "ip-dst|port", "ip"), ("ipv4", "ipv6", "cidr")),
    **dict.fromkeys(("domain", "hostname", "hostname|port"), ("domain",)),
    **dict.fromkeys(("url", "uri", "link"), ("url",)),
    **dict.fromkeys(("email", "email-src", "email-dst", "email-reply-to"), ("email",)),
    **dict.fromkeys(("whois-registrant-email", "dns-soa-email"), ("email",)),
    **{name: (name,) for name in (*_HASHES, "ssdeep", "tlsh", "imphash", "authentihash", "mutex")},
    **{f"filename|{name}": (name,) for name in (*_HASHES, "ssdeep", "tlsh", "imphash", "authentihash")},
    "filename": ("file_name", "file_path"),
    "regkey": ("registry_key",),
    "user-agent": ("user_agent",),
    "AS": ("asn",),
    "btc": ("bitcoin",),
    "ja3-fingerprint-md5": ("ja3",),
    "x509-fingerprint-sha1": ("certificate_fingerprint",),
    "x509-fingerprint-sha256": ("certificate_fingerprint",),
    "x509-fingerprint-md5": ("certificate_fingerprint",),
    "vulnerability": ("cve",),
    "domain|ip": (),  # MISP's pair of both; a domain or an address by itself is another kind
}


@dataclass(frozen=True, slots=True)
class WarningList:
    """A checked list. `types`: of indicators that it is about, () all. Entries are as their kind is compared."""

    name: str
    kind: Kind
    entries: tuple[str, ...]
    types: tuple[str, ...] = ()
    reason: str = ""
    origin: Origin = "warning"
    version: str = ""

    @property
    def says(self) -> str:
        """How a dropped indicator names it."""
        return {"warning": "warning list", "allow": "allow list", "general": "general list"}[
            self.origin
        ] + f" {self.name}"


@lru_cache(1)
def general() -> tuple[WarningList, ...]:
    """Those that are always on: general.yaml."""
    said = yaml.safe_load(Path(__file__).with_name("general.yaml").read_text(encoding="utf-8"))
    return tuple(
        WarningList(one["name"], one["type"], tuple(one["list"]), tuple(one["types"]), one["reason"], "general")
        for one in said["lists"]
    )


def is_list(head: bytes) -> bool:
    """Whether a file that begins so may be a warning list: JSON with the names that one has."""
    return head.lstrip()[:1] == b"{" and (b'"matching_attributes"' in head or b'"list"' in head)


def read(path: Path) -> tuple[WarningList, list[Refused]]:
    """A MISP warning list, and the entries of it that are refused. Raises FeedError where it is none."""
    try:
        if path.stat().st_size > LARGEST:
            raise FeedError("larger than any warning list", where=str(path), fix=f"at most {LARGEST >> 20} MiB")
        said = orjson.loads(path.read_bytes())
    except OSError as error:
        raise FeedError(
            f"cannot be read: {error.strerror}", where=str(path), fix="check its path and rights"
        ) from error
    except ValueError as error:
        raise FeedError(f"no JSON: {error}", where=str(path), fix="a warning list is one JSON object") from error
    if not isinstance(said, dict) or not isinstance(said.get("list"), list) or not isinstance(said.get("name"), str):
        raise FeedError("no warning list: it needs a name and a list", where=str(path))
    kind = said.get("type", "string")
    if kind not in KINDS:
        raise FeedError(
            f"a list of type {str(kind)[:40]!r} is unknown", where=str(path), fix=f"types: {', '.join(KINDS)}"
        )
    if len(said["list"]) > MOST:
        raise FeedError(f"more than {MOST:,} entries", where=str(path), fix="split it")
    attributes = said.get("matching_attributes") or []
    unknown: list[Refused] = []
    types = _types(attributes, unknown)
    entries, refused = checked(kind, [str(entry) for entry in said["list"]])
    made = WarningList(
        _one_line(said["name"]),
        kind,
        entries,
        types,
        _one_line(said.get("description", "")),
        "warning",
        str(said.get("version", ""))[:40],
    )
    return made, unknown + refused


def _types(attributes: Any, unknown: list[Refused]) -> tuple[str, ...]:
    if not isinstance(attributes, list) or not attributes:
        return ()
    found: dict[str, None] = {}
    for name in attributes:
        if not isinstance(name, str) or name not in _ATTRIBUTES:
            unknown.append(Refused("matching_attributes", f"no type of indicator is {str(name)[:60]!r}"))
            continue
        found.update(dict.fromkeys(_ATTRIBUTES[name]))
    return tuple(found) or ("none",)  # about nothing that can be looked for


def checked(kind: Kind, entries: Sequence[str]) -> tuple[tuple[str, ...], list[Refused]]:
    """The entries as their kind is compared, each once; and those that are refused."""
    kept: dict[str, None] = {}
    refused: list[Refused] = []
    patterns = 0
    for number, entry in enumerate(entries, start=1):
        try:
            patterns += kind == "regex"
            if patterns > MOST_PATTERNS:
                raise ValueError(f"more than {MOST_PATTERNS:,} patterns")
            kept[_CHECKS[kind](entry.strip())] = None
        except ValueError as error:
            refused.append(Refused(f"entry {number}", f"{entry[:80]!r}: {error}"))
    return tuple(kept), refused


def _string(entry: str) -> str:
    if not 0 < len(entry) <= LONGEST:
        raise ValueError("empty or too long")
    return entry.lower()


def _substring(entry: str) -> str:
    if len(entry) < SHORTEST:
        raise ValueError(f"shorter than {SHORTEST} characters: part of nearly everything")
    return _string(entry)


def _hostname(entry: str) -> str:
    from vizsla.intel.suffix import suffixes

    text = entry.strip(".").lower()
    if not text.isascii():
        from vizsla.intel.normal import normal

        text = normal("domain", text)
    if not text or len(text) > 253 or any(letter in text for letter in "/ @:*"):
        raise ValueError("no host name")
    if "." not in text and text in suffixes().plain:
        raise ValueError("a whole top-level domain")
    return text


def _network(entry: str) -> str:
    network = ipaddress.ip_network(entry, strict=False)
    if network.prefixlen < WIDEST[network.version]:
        raise ValueError("wider than a tenth of the internet")
    return str(network)


def _pattern(entry: str) -> str:
    import re2

    text = undelimited(entry)
    if not 0 < len(text) <= LONGEST:
        raise ValueError("empty or too long")
    options = re2.Options()
    options.max_mem, options.log_errors = 1 << 20, False
    try:
        compiled = re2.compile(text, options)
    except re2.error as error:
        raise ValueError(f"RE2 refuses it: {error}") from error
    if any(compiled.search(other) for other in ("", "x9q7-kz.example-of-nothing.invalid", "f" * 32, "192.0.2.77")):
        raise ValueError("matches everything")
    return text


def undelimited(entry: str) -> str:
    """A pattern as RE2 takes it: MISP's are written as PHP does, '/…/i'."""
    if entry[:1] == "/" and entry.rfind("/") > 0:
        body, _, flags = entry[1:].rpartition("/")
        if set(flags) <= set("imsux"):
            kept = "".join(sorted(set(flags) & set("ims")))
            return f"(?{kept}){body}" if kept else body
    return entry


_CHECKS = {
    "string": _string,
    "substring": _substring,
    "hostname": _hostname,
    "cidr": _network,
    "regex": _pattern,
}


def allowed(text: str, name: str, reason: str = "") -> tuple[list[WarningList], list[Refused]]:
    """An allow list: a value a line, or CSV of value and reason; '#' begins a comment. As lists by kind.

    An address or network silences what lies in it, a domain all below it, '*.name' too; '/…/' is a pattern; anything
    else silences exactly what equals it.
    """
    by_kind: dict[Kind, dict[str, str]] = {}
    refused: list[Refused] = []
    for number, value, why in _lines(text):
        try:
            kind, entry = _allowed(value)
        except ValueError as error:
            refused.append(Refused(f"line {number}", f"{value[:80]!r}: {error}"))
            continue
        by_kind.setdefault(kind, {}).setdefault(entry, why or reason)
    lists = []
    for kind, entries in by_kind.items():
        for why in dict.fromkeys(entries.values()):
            own = tuple(entry for entry, said in entries.items() if said == why)
            lists.append(WarningList(name, kind, own, (), why, "allow"))
    return lists, refused


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        value, *rest = [line.strip()] if line.lstrip().startswith("/") else next(csv.reader(io.StringIO(line)), [""])
        if number == 1 and value.strip().lower() in ("value", "indicator", "ioc", "domain", "ip"):
            continue  # the names of a CSV's columns
        yield number, value.strip(), rest[0].strip() if rest else ""


def _allowed(value: str) -> tuple[Kind, str]:
    from vizsla.intel.normal import guess

    if value[:1] == "/" and value.count("/") > 1:
        return "regex", _pattern(value)
    if value.startswith("*."):
        return "hostname", _hostname(value[2:])
    if (
        "/" in value
        and value.rpartition("/")[2].isdecimal()
        and not value.rpartition("/")[0].strip("0123456789abcdef.:")
    ):
        return "cidr", _network(value)
    found = guess(value)
    if found is None:
        if value.isascii() and "." not in value and len(value) > 1 and value.replace("-", "").isalnum():
            return "hostname", _hostname(value)  # 'corp': a name of one's own network, and all below it
        return "string", _string(value)
    type, normal = found
    if type in ("ipv4", "ipv6", "cidr"):
        return "cidr", _network(normal)
    if type == "domain":
        return "hostname", _hostname(normal)
    return "string", _string(normal)


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:300]

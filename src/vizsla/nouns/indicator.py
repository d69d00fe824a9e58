"""Indicators and what is said of them. STIX's words: an indicator is what to look for, a sighting is seeing it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

IndicatorType = Literal[
    "ipv4", "ipv6", "cidr",  # cidr: of either version
    "domain", "url", "email",
    "md5", "sha1", "sha224", "sha256", "sha384", "sha512", "ssdeep", "tlsh", "imphash", "authentihash",
    "file_name", "file_path", "registry_key", "mutex", "pipe", "service", "process",
    "ja3", "ja3s", "ja4", "ja4s", "hassh", "certificate_serial", "certificate_fingerprint",
    "user_agent", "cve", "asn", "account", "bitcoin",
    "pattern",  # a STIX pattern that is more than one comparison with one value
]  # fmt: skip
"""What an indicator's value is. A value may hold the wildcard * where its type is a name, a path, a key or a URL."""

Tlp = Literal["clear", "green", "amber", "amber+strict", "red", ""]


@dataclass(frozen=True, slots=True)
class Claim:
    """What one source says of one indicator. The same indicator from five feeds is five claims.

    `value` as its type is compared (`intel.normal.normal`): lower case, refanged; `raw` as it was written. Times are
    UTC. `confidence` 0 to 100, None where the source does not say.
    """

    type: IndicatorType
    value: str
    feed: str  # the name under which the source was added: 'eset', or a file's name
    raw: str = ""
    source: str = ""  # the document, object or line within the feed: 'indicator--…', 'report.pdf, page 3'
    context: str = ""  # the sentence or comment it stood in
    confidence: int | None = None
    tlp: Tlp = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    created: datetime | None = None
    modified: datetime | None = None
    revoked: bool = False
    to_ids: bool = True  # MISP: meant for detection; False: context only, never matched
    kill_chain: tuple[str, ...] = ()  # 'mitre-attack:command-and-control'
    techniques: tuple[str, ...] = ()  # ATT&CK ids that the source ties to it
    malware: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The indicator's id: of its type and value alone, whoever says it."""
        return indicator_id(self.type, self.value)


@dataclass(frozen=True, slots=True)
class Mention:
    """What a report names that is no indicator: an ATT&CK technique, malware, an actor, a tool, a vulnerability."""

    kind: Literal["technique", "malware", "actor", "tool", "vulnerability", "campaign"]
    name: str  # a technique's id, or the name as it stands in ATT&CK or in the report
    feed: str
    source: str = ""
    context: str = ""  # the sentence
    named: bool = True  # False: described, not named


@dataclass(frozen=True, slots=True)
class Refused:
    """A part of a feed that could not be used: where it stands and why."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Indicator:
    """What is looked for, and all that is said of it."""

    type: IndicatorType
    value: str
    claims: tuple[Claim, ...] = field(default=())

    @property
    def id(self) -> str:
        """Of type and value alone."""
        return indicator_id(self.type, self.value)


def indicator_id(type: str, value: str) -> str:
    """16 bytes as hex, of the type and the normal value."""
    return hashlib.blake2b(f"{type}\0{value}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

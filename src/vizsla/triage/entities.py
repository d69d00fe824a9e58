"""Who and what a finding is about: hosts, users, processes, services, tasks, addresses, by their role."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vizsla.nouns import Entity, Evidence
from vizsla.triage.native import Fields, base, fields_of

MOST = 24  # entities of one finding
# Field, type, role: what each native field names.
NAMED: tuple[tuple[str, str, str], ...] = (
    ("Image", "process", "actor"),
    ("SourceImage", "process", "actor"),
    ("NewProcessName", "process", "actor"),
    ("ProcessName", "process", "actor"),
    ("TargetImage", "process", "target"),
    ("ParentImage", "process", "parent"),
    ("ParentProcessName", "process", "parent"),
    ("User", "user", "account"),
    ("SubjectUserName", "user", "account"),
    ("TargetUserName", "user", "target"),
    ("ServiceName", "service", "target"),
    ("TaskName", "task", "target"),
    ("ShareName", "share", "target"),
    ("IpAddress", "address", "source"),
    ("DestinationIp", "address", "target"),
    ("DestAddress", "address", "target"),
    ("id.orig_h", "address", "source"),
    ("id.resp_h", "address", "target"),
    ("QueryName", "domain", "target"),
    ("query", "domain", "target"),
    ("server_name", "domain", "target"),
)


def entities_of(evidence: Sequence[Evidence], hosts: Iterable[str]) -> tuple[Entity, ...]:
    """The hosts, then what the events name, the strongest evidence first; each once, MOST at most."""
    found: dict[tuple[str, str], Entity] = {}
    for host in hosts:
        if host:
            found.setdefault(("host", host), Entity("host", host, "where"))
    for line in evidence:
        for event in line.events[:3]:
            _named(fields_of(event), found)
    return tuple(found.values())[:MOST]


def _named(fields: Fields, found: dict[tuple[str, str], Entity]) -> None:
    for name, kind, role in NAMED:
        value = fields.first((name,))
        if not value:
            continue
        if kind == "process":
            value = base(value)
        if name in ("SubjectUserName", "TargetUserName"):
            domain = fields.first((name.replace("UserName", "DomainName"),))
            value = f"{domain}\\{value}" if domain and "\\" not in value else value
        found.setdefault((kind, value.lower()), Entity(kind, value, role))

"""Indicators as a STIX 2.1 bundle, written piece by piece. The same store gives the same bytes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa

SPACE = uuid.UUID("6f0a3c1e-7d0f-5a63-9b7e-3d2f6c1b8a54")  # of our own ids
_TLP = {  # the marking definitions that STIX and FIRST fix; TLP 2.0's 'clear' and 'amber+strict' are extensions
    "clear": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "green": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "amber": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "amber+strict": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "red": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
_HASHES = {
    "md5": "MD5", "sha1": "SHA-1", "sha224": "SHA-224", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512",
    "ssdeep": "SSDEEP", "tlsh": "TLSH",
}  # fmt: skip
_PATHS = {
    "ipv4": "ipv4-addr:value",
    "ipv6": "ipv6-addr:value",
    "domain": "domain-name:value",
    "url": "url:value",
    "email": "email-addr:value",
    "file_name": "file:name",
    "registry_key": "windows-registry-key:key",
    "mutex": "mutex:name",
    "user_agent": "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'",
    "certificate_serial": "x509-certificate:serial_number",
    "account": "user-account:account_login",
}


def pattern(type: str, value: str) -> str | None:
    """The STIX pattern of an indicator; None where STIX has no word for its type."""
    if type == "pattern":
        return value
    if type in _HASHES:
        return f"[file:hashes.'{_HASHES[type]}' = {_quoted(value)}]"
    if type == "cidr":
        kind = "ipv6-addr" if ":" in value else "ipv4-addr"
        return f"[{kind}:value ISSUBSET {_quoted(value)}]"
    if type not in _PATHS:
        return None
    if "*" in value and type in ("file_name", "registry_key", "url"):
        return f"[{_PATHS[type]} LIKE {_quoted(_like(value))}]"
    return f"[{_PATHS[type]} = {_quoted(value)}]"


def bundle(found: pa.Table) -> Iterator[bytes]:
    """A bundle of indicators (rows of the view) as bytes. Types that STIX has no pattern for are left out: `unsaid`."""
    name = uuid.uuid5(SPACE, "bundle:" + ",".join(found.column("id").to_pylist()))
    yield b'{"type":"bundle","id":"bundle--' + str(name).encode() + b'","objects":['
    first = True
    for batch in found.to_batches(max_chunksize=4096):
        for row in batch.to_pylist():
            said = pattern(row["type"], row["value"])
            if said is not None:
                yield (b"\n" if first else b",\n") + orjson.dumps(_object(row, said))
                first = False
    yield b"\n]}\n"


def unsaid(found: pa.Table) -> int:
    """How many indicators a bundle leaves out."""
    types = found.column("type").to_pylist()
    return sum(type not in _PATHS and type not in _HASHES and type not in ("pattern", "cidr") for type in types)


def _object(row: dict[str, Any], said: str) -> dict[str, Any]:
    changed = _stamp(row["confirmed"])  # so that what aged does not come back young
    found: dict[str, Any] = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{uuid.uuid5(SPACE, row['id'])}",
        "created": min(changed, _stamp(row["added"])),
        "modified": changed,
        "name": f"{row['type']} {row['value']}"[:250],
        "indicator_types": ["malicious-activity"],
        "pattern": said,
        "pattern_type": "stix",
        "valid_from": _stamp(row["valid_from"] or row["first_seen"] or row["added"]),
        "labels": [f"feed:{name}" for name in row["feeds"]] + list(row["tags"]),
    }
    if row["valid_until"] is not None and _stamp(row["valid_until"]) > found["valid_from"]:
        found["valid_until"] = _stamp(row["valid_until"])
    if row["confidence"] is not None:
        found["confidence"] = round(row["confidence"])
    if row["tlp"] in _TLP:
        found["object_marking_refs"] = [_TLP[row["tlp"]]]
    phases = [phase.partition(":") for phase in row["kill_chain"] if ":" in phase]
    if phases:
        found["kill_chain_phases"] = [{"kill_chain_name": chain, "phase_name": name} for chain, _, name in phases]
    references = [{"source_name": "mitre-attack", "external_id": technique} for technique in row["techniques"]]
    if references:
        found["external_references"] = references
    return found


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _like(value: str) -> str:
    return value.replace("%", "\\%").replace("_", "\\_").replace("*", "%")

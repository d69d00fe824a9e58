"""Indicators and what was seen as STIX 2.1 writes them: an indicator with its pattern, a cyber-observable object."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from vizsla.intel.pattern import WILDCARDS

_OURS = uuid.UUID("6f0a3c1e-7d0f-5a63-9b7e-3d2f6c1b8a54")  # of ids of our own
_STIX = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")  # STIX's own, for the ids of observables
_TLP = {  # the marking definitions that STIX and FIRST fix; TLP 2.0's 'clear' and 'amber+strict' are extensions
    "clear": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "green": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "amber": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "amber+strict": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "red": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
HASHES = {
    "md5": "MD5", "sha1": "SHA-1", "sha224": "SHA-224", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512",
    "ssdeep": "SSDEEP", "tlsh": "TLSH", "imphash": "imphash", "authentihash": "authentihash",
}  # fmt: skip
_FINGERPRINTS = {32: "md5", 40: "sha1", 64: "sha256"}  # by their digits
_SIMPLE = {
    "ipv4": "ipv4-addr", "ipv6": "ipv6-addr", "domain": "domain-name", "url": "url", "email": "email-addr",
}  # fmt: skip
_KEYED = {
    "file_name": ("file", "name"), "registry_key": ("windows-registry-key", "key"), "mutex": ("mutex", "name"),
    "process": ("process", "command_line"), "account": ("user-account", "account_login"),
}  # fmt: skip
PATHS = {
    **{type: f"{name}:value" for type, name in _SIMPLE.items()},
    **{type: ":".join(path) for type, path in _KEYED.items()},
    "user_agent": "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'",
    "certificate_serial": "x509-certificate:serial_number",
    "service": "process:extensions.'windows-service-ext'.service_name",
    "pipe": "x-pipe:name",
    "cve": "vulnerability:name",
    "asn": "autonomous-system:number",
}
"""The object path whose value an indicator of this type is, where that is all there is to it."""
_HIVES = {
    "hklm": "HKEY_LOCAL_MACHINE", "hkcu": "HKEY_CURRENT_USER", "hku": "HKEY_USERS",
}  # fmt: skip


def observable(type: str, text: str, value: str) -> dict[str, Any]:
    """What was seen: `text` as it stood there, of an indicator of this type and value."""
    if type == "cidr":
        type, value = ("ipv6" if ":" in text else "ipv4"), text
    if type in _SIMPLE:
        return _made(_SIMPLE[type], {"value": text if type not in ("domain", "email") else text.lower()})
    if type in HASHES:
        return _made("file", {"hashes": {HASHES[type]: value}})
    if type == "file_path":
        folder, _, name = text.replace("/", "\\").rpartition("\\")
        return _made("file", {"name": name or folder})
    if type in _KEYED:
        kind, key = _KEYED[type]
        return _made(kind, {key: text})
    if type == "user_agent":
        return _made("artifact", {"mime_type": "text/plain", "payload_bin": _base64(text)})
    if type == "asn":
        return _made("autonomous-system", {"number": int(value.removeprefix("AS"))})
    if type in ("certificate_serial", "certificate_fingerprint"):
        if type == "certificate_serial":
            return _made("x509-certificate", {"serial_number": value})
        return _made("x509-certificate", {"hashes": {HASHES[_FINGERPRINTS[len(value)]]: value}})
    return _made("artifact", {"mime_type": "text/plain", "payload_bin": _base64(text)})


def pattern_of(type: str, value: str) -> str:
    """An indicator of any type as a STIX pattern; wildcards as LIKE. What STIX has no word for is `x-vizsla:<type>`."""
    if type == "pattern":
        return value
    if type == "cidr":
        return f"[{'ipv6' if ':' in value else 'ipv4'}-addr:value ISSUBSET {_quoted(value)}]"
    if type in HASHES:
        return f"[file:hashes.{_hash(type)} = {_quoted(value)}]"
    if type == "file_path":
        folder, _, name = value.rpartition("\\" if "\\" in value else "/")
        return f"[{_compared(type, 'file:name', name)} AND {_compared(type, 'file:parent_directory_ref.path', folder)}]"
    if type == "registry_key":
        hive, _, rest = value.partition("\\")
        return f"[{_compared(type, PATHS[type], _HIVES.get(hive, hive) + chr(92) + rest)}]"
    if type == "certificate_fingerprint":
        return f"[x509-certificate:hashes.{_hash(_FINGERPRINTS.get(len(value), 'sha256'))} = {_quoted(value)}]"
    if type == "asn":
        return f"[{PATHS[type]} = {int(value.removeprefix('AS'))}]"
    return f"[{_compared(type, PATHS.get(type, f'x-vizsla:{type}'), value)}]"


def _hash(type: str) -> str:
    name = HASHES[type]
    return name if name.isalnum() else f"'{name}'"


def _compared(type: str, path: str, value: str) -> str:
    if "*" in value and type in WILDCARDS:
        return f"{path} LIKE {_quoted(value.replace('%', '_').replace('*', '%'))}"
    return f"{path} = {_quoted(value)}"


def indicator(row: Mapping[str, Any]) -> dict[str, Any]:
    """An indicator (a row of the view: `view.INDICATORS`) as a STIX object. The same indicator has the same id."""
    changed = stamp(row["confirmed"])  # so that what aged does not come back young
    found: dict[str, Any] = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": made_id("indicator", row["id"]),
        "created": min(changed, stamp(row["added"])),
        "modified": changed,
        "name": f"{row['type']} {row['value']}"[:250],
        "indicator_types": ["malicious-activity"],
        "pattern": pattern_of(row["type"], row["value"]),
        "pattern_type": "stix",
        "valid_from": stamp(row["valid_from"] or row["first_seen"] or row["added"]),
        "labels": [f"feed:{name}" for name in row["feeds"]] + list(row["tags"]),
    }
    if row["valid_until"] is not None and stamp(row["valid_until"]) > found["valid_from"]:
        found["valid_until"] = stamp(row["valid_until"])
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


def made_id(kind: str, key: str) -> str:
    """The id of an object that is made here: equal things have equal ids."""
    return f"{kind}--{uuid.uuid5(_OURS, key)}"


def stamp(time: datetime) -> str:
    """A time as STIX writes it, to the millisecond."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _made(kind: str, known: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(known, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return {"type": kind, "spec_version": "2.1", "id": f"{kind}--{uuid.uuid5(_STIX, text)}", **known}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")

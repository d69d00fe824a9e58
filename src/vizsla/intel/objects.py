"""Indicators and what was seen as STIX 2.1 writes them: a pattern, and a cyber-observable object."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

_SPACE = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")  # STIX's own, for the ids of observables
_HASHES = {
    "md5": "MD5", "sha1": "SHA-1", "sha224": "SHA-224", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512",
    "ssdeep": "SSDEEP", "tlsh": "TLSH",
}  # fmt: skip
_SIMPLE = {
    "ipv4": "ipv4-addr", "ipv6": "ipv6-addr", "domain": "domain-name", "url": "url", "email": "email-addr",
}  # fmt: skip
_KEYED = {
    "file_name": ("file", "name"), "registry_key": ("windows-registry-key", "key"), "mutex": ("mutex", "name"),
    "process": ("process", "command_line"), "account": ("user-account", "account_login"),
    "cve": ("vulnerability", "name"),
}  # fmt: skip
_HIVES = {
    "hklm": "HKEY_LOCAL_MACHINE", "hkcu": "HKEY_CURRENT_USER", "hku": "HKEY_USERS",
}  # fmt: skip


def observable(type: str, text: str, value: str) -> dict[str, Any]:
    """What was seen: `text` as it stood there, of an indicator of this type and value."""
    if type == "cidr":
        type, value = ("ipv6" if ":" in text else "ipv4"), text
    if type in _SIMPLE:
        return _made(_SIMPLE[type], {"value": text if type not in ("domain", "email") else text.lower()})
    if type in _HASHES:
        return _made("file", {"hashes": {_HASHES[type]: value}})
    if type == "file_path":
        folder, _, name = text.replace("/", "\\").rpartition("\\")
        return _made("file", {"name": name or folder})
    if type in _KEYED and _KEYED[type][0] != "vulnerability":
        kind, key = _KEYED[type]
        return _made(kind, {key: text})
    if type == "user_agent":
        return _made("artifact", {"mime_type": "text/plain", "payload_bin": _base64(text)})
    if type == "asn":
        return _made("autonomous-system", {"number": int(re.sub(r"\D", "", value))})
    if type in ("certificate_serial", "certificate_fingerprint"):
        known = {"serial_number": value}
        if type == "certificate_fingerprint":
            known = {"hashes": {{32: "MD5", 40: "SHA-1", 64: "SHA-256"}[len(value)]: value}}  # type: ignore[dict-item]
        return _made("x509-certificate", known)
    return _made("artifact", {"mime_type": "text/plain", "payload_bin": _base64(text)})


def pattern_of(type: str, value: str) -> str:
    """An indicator as a STIX pattern; wildcards as LIKE."""
    if type == "pattern":
        return value
    if type == "cidr":
        return f"[{'ipv6' if ':' in value else 'ipv4'}-addr:value ISSUBSET {_quoted(value)}]"
    if type in _HASHES:
        return f"[file:hashes.'{_HASHES[type]}' = {_quoted(value)}]"
    if type == "file_path":
        folder, _, name = value.rpartition("\\" if "\\" in value else "/")
        return f"[{_compared('file:name', name)} AND {_compared('file:parent_directory_ref.path', folder)}]"
    if type == "registry_key":
        hive, _, rest = value.partition("\\")
        return f"[{_compared('windows-registry-key:key', _HIVES.get(hive, hive) + chr(92) + rest)}]"
    if type in ("imphash", "authentihash", "ja3", "ja3s", "ja4", "ja4s", "hassh", "pipe", "service", "bitcoin"):
        return f"[{_compared('x-vizsla:' + type, value)}]"
    if type == "certificate_fingerprint":
        name = {32: "MD5", 40: "SHA-1", 64: "SHA-256"}.get(len(value), "SHA-256")
        return f"[x509-certificate:hashes.'{name}' = {_quoted(value)}]"
    paths = {
        **{kind: f"{name}:value" for kind, name in _SIMPLE.items()},
        **{kind: ":".join(path) for kind, path in _KEYED.items()},
        "user_agent": "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'",
        "certificate_serial": "x509-certificate:serial_number",
    }
    if type == "asn":
        return f"[autonomous-system:number = {int(value.removeprefix('AS'))}]"
    return f"[{_compared(paths[type], value)}]"


def _compared(path: str, value: str) -> str:
    if "*" in value or ("?" in value and not path.startswith("url")):
        return f"{path} LIKE {_quoted(value.replace('%', '_').replace('*', '%').replace('?', '_'))}"
    return f"{path} = {_quoted(value)}"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _made(kind: str, known: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(known, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return {"type": kind, "spec_version": "2.1", "id": f"{kind}--{uuid.uuid5(_SPACE, text)}", **known}


def _base64(text: str) -> str:
    import base64

    return base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")

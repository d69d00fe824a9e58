"""The normal form of every type of indicator: feeds bring indicators into it, and matching brings events' values.

Two values are the same indicator exactly when their normal forms are equal. `normal` of a normal form is itself.
A value may hold the wildcard * where its type is a name, a path, a key or a URL.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import get_args

import pyarrow as pa

from vizsla.intel import _codes, _vector, _web, _windows
from vizsla.intel._refang import refang
from vizsla.intel._vector import sure
from vizsla.intel.suffix import known_tld
from vizsla.nouns.indicator import IndicatorType

__all__ = ["HASHES", "TYPES", "guess", "normal", "normals", "refang", "settled", "sure"]

TYPES: tuple[IndicatorType, ...] = get_args(IndicatorType)
HASHES: tuple[IndicatorType, ...] = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")

_NORMAL: dict[str, Callable[[str], str]] = {
    "ipv4": _web.ipv4,
    "ipv6": _web.ipv6,
    "cidr": _web.cidr,
    "domain": _web.domain,
    "url": _web.url,
    "email": _web.email,
    **{name: partial(_codes.digest, name) for name in _codes.DIGITS},
    "ssdeep": _codes.ssdeep,
    "tlsh": _codes.tlsh,
    "file_name": _windows.file_name,
    "file_path": _windows.file_path,
    "registry_key": _windows.registry_key,
    "mutex": _windows.mutex,
    "pipe": _windows.pipe,
    "service": _codes.words,
    "process": _codes.words,
    "ja4": _codes.ja4,
    "ja4s": _codes.ja4s,
    "certificate_serial": _codes.certificate_serial,
    "certificate_fingerprint": _codes.certificate_fingerprint,
    "user_agent": _codes.words,
    "cve": _codes.cve,
    "asn": _codes.asn,
    "account": _codes.account,
    "bitcoin": _codes.bitcoin,
    "pattern": _codes.pattern,
}


def normal(type: str, text: str) -> str:
    """The normal form of `text` as an indicator of a type. Raises ValueError, with the reason, where it is none."""
    try:
        return _NORMAL[type](text)
    except KeyError:
        raise ValueError(f"there is no type of indicator {type!r}") from None


def normals(type: str, texts: pa.Array) -> pa.Array:
    """What `normal` makes of each of `texts` (strings, best distinct): strings, null where it would raise.

    A million distinct addresses, domains or hashes take about a second: most are in their normal form but for case.
    """
    if type not in _NORMAL:
        raise ValueError(f"there is no type of indicator {type!r}")
    return _vector.normals(type, texts, _NORMAL[type])


def settled(type: IndicatorType, text: str) -> tuple[IndicatorType, str]:
    """Type and normal form, the type mended where feeds often say a neighbouring one. Raises ValueError.

    An address is of its own version and a network of one address is that address; a hash is of its length; a
    'domain' that is an address, a 'url' that is a host alone, a 'file_path' without folders and a 'file_name' with
    folders are what they are.
    """
    if type in ("ipv4", "ipv6", "cidr", "domain"):
        return _settled_host(type, text)
    if type in HASHES:
        value = refang(text).strip()
        for other in HASHES:
            if len(value) == _codes.DIGITS[other]:
                type = other
    elif type == "url":
        plain = refang(text.strip())
        if "/" not in plain:
            return _settled_host("domain", plain)
    elif type in ("file_path", "file_name"):
        type = "file_path" if "\\" in text or "/" in text else "file_name"
    return type, normal(type, text)


def _settled_host(type: IndicatorType, text: str) -> tuple[IndicatorType, str]:
    plain = refang(text.strip())
    if "/" in plain and type != "domain":
        value = _web.cidr(plain)
        single, _, prefix = value.rpartition("/")
        if prefix == ("128" if ":" in single else "32"):
            return ("ipv6" if ":" in single else "ipv4"), single
        return "cidr", value
    try:
        found = _web.address(plain)
    except ValueError:
        if type == "cidr":
            raise
        host, _, port = plain.rpartition(":")
        return "domain", _web.domain(host if host and port.isdigit() and ":" not in host else plain)
    return ("ipv4" if found.version == 4 else "ipv6"), str(found)


_EXTENSION = re.compile(
    r"\.(?:exe|dll|sys|bat|cmd|ps1|psm1|psd1|vbs|vbe|js|jse|wsf|wsh|hta|scr|pif|cpl|ocx|msi|msp|msc|lnk|inf|reg|jar|"
    r"class|apk|dex|ipa|elf|ko|dylib|so|py|pyc|pl|rb|sh|php|asp|aspx|ashx|asmx|jsp|jspx|docx?|docm|dotm?|xlsx?|xlsm|"
    r"xlsb|xll|pptx?|pptm|ppsx?|rtf|pdf|zip|rar|7z|gz|bz2|xz|tgz|tar|cab|iso|img|vhdx?|eml|msg|chm|hlp|swf|tmp|temp|dat|"
    r"bin|log|txt|csv|xml|json|ini|cfg|conf|db|sqlite|bak|old|plist|dmg|pkg|deb|rpm|md|html?|css|png|jpe?g|gif|bmp|ico)$",
    re.IGNORECASE,
)
_ALSO_DOMAINS = frozenset({"pl", "rs", "ai", "so"})  # last parts of names that are domains more often than files
_REGISTRY = re.compile(
    r"^\\?(?:computer\\|registry\\(?:machine|user)\\|HKEY_[A-Z_]+[\\/]|HK(?:LM|CU|U|CR|CC):?\\)", re.IGNORECASE
)
_PATH = re.compile(r"^(?:[a-z]:[\\/]|%[a-z0-9_()]+%\\|\\\\[^\\]|~/|/[^/\s])", re.IGNORECASE)
_PIPE = re.compile(r"^(?:\\\\[^\\]+\\pipe\\|\\device\\namedpipe\\)", re.IGNORECASE)


def guess(text: str) -> tuple[IndicatorType, str] | None:
    """What indicator `text` is, as a whole, by its looks: type and normal form; None where it looks like none.

    Names of objects (mutexes, services, user agents) cannot be told by their looks. A name that may be a file's or a
    domain's ('setup.sh') is a domain only where somebody defanged it.
    """
    stripped = text.strip()
    if not stripped or len(stripped) > 16_384:
        return None
    plain = refang(stripped)
    for type in _candidates(plain, defanged=plain != stripped):
        try:
            return settled(type, plain)
        except ValueError:
            continue
    return None


def _candidates(text: str, *, defanged: bool) -> list[IndicatorType]:
    """The types that text may be of, likelier first."""
    length = len(text)
    if length in _codes.BY_DIGITS and all(char in "0123456789abcdefABCDEF" for char in text):
        return [_codes.BY_DIGITS[length]]  # type: ignore[list-item]
    if _PIPE.match(text):
        return ["pipe"]
    if _REGISTRY.match(text):
        return ["registry_key"]
    if "://" in text:
        return ["url"]
    if text[:4].upper() in ("CVE-", "CVE_"):
        return ["cve"]
    if _PATH.match(text):
        return ["file_path"]
    if " " in text:
        return ["email"] if text.endswith(">") else ["file_name"] if _EXTENSION.search(text) and length < 80 else []
    if "@" in text:
        return ["email"]
    if "/" in text:
        return ["cidr", "url"] if _host_like(text.partition("/")[0], defanged=defanged) else []
    if _is_address(text):
        return ["ipv4"]  # or the other version
    found: list[IndicatorType] = []
    if text[:2].upper() == "AS" and text[2:].isdigit():
        found.append("asn")
    if _host_like(text, defanged=defanged):
        found.append("domain")
    if _EXTENSION.search(text):
        found.append("file_name")
    return [*found, "ja4", "ja4s", "tlsh", "ssdeep", "bitcoin"]


def _is_address(text: str) -> bool:
    try:
        _web.address(text)
    except ValueError:
        return False
    return True


def _host_like(text: str, *, defanged: bool) -> bool:
    """Whether it may be a host: an address, or a name under a top-level domain that exists and is no extension."""
    name = text.rpartition(":")[0] if text.rpartition(":")[2].isdigit() and text.count(":") == 1 else text
    if _is_address(name):
        return True
    try:
        host = _web.domain(name)
    except ValueError:
        return False
    last = host.rpartition(".")[2]
    return known_tld(host) and (defanged or last in _ALSO_DOMAINS or not _EXTENSION.search("." + last))

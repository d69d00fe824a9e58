"""The normal form of addresses, domains, URLs and mail addresses."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote

from vizsla.intel._refang import refang
from vizsla.intel.suffix import ascii_name, public_suffix

_LABELS = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_LONGEST_NAME = 253
_LONGEST_URL = 16_384
_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]{0,30}|\*)://(?P<host>[^/?#]*)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_PORTS = {"http": "80", "https": "443", "ftp": "21", "ws": "80", "wss": "443"}
_PERCENT = re.compile(r"%([0-9a-fA-F]{2})")
_UNRESERVED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
_MAIL_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~.\-]{1,64}")
_BAD = re.compile(r"[\x00-\x20\x7f]")


def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address: zone ids and brackets dropped, IPv4 in IPv6's clothes as IPv4. Raises ValueError."""
    text = refang(text.strip())
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    found = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def ipv4(text: str) -> str:
    """An IPv4 address in dotted decimals. Raises ValueError where it is none."""
    found = address(text)
    if found.version != 4:
        raise ValueError("an IPv6 address, not an IPv4 one")
    return str(found)


def ipv6(text: str) -> str:
    """An IPv6 address, compressed. Raises ValueError where it is none."""
    found = address(text)
    if found.version != 6:
        raise ValueError("an IPv4 address, not an IPv6 one")
    return str(found)


def cidr(text: str) -> str:
    """A network of either version; bits set beyond the prefix are dropped; an address alone is no network."""
    text = refang(text.strip())
    if "/" not in text:
        raise ValueError("no network: it has no /prefix")
    found = ipaddress.ip_network(text, strict=False)
    if isinstance(found, ipaddress.IPv6Network) and found.prefixlen >= 96:
        mapped = found.network_address.ipv4_mapped
        if mapped is not None:
            return f"{mapped}/{found.prefixlen - 96}"
    if found.prefixlen == 0:
        raise ValueError("all addresses are no indicator")
    return str(found)


def host_name(text: str) -> str:
    """A host's or domain's name: lower case, punycode (UTS 46), no trailing dot, perhaps one label. Or ValueError."""
    name = text
    if not name.isascii():
        import idna

        name = ascii_name(idna.uts46_remap(name, std3_rules=False, transitional=False))
    name = name.lower().removesuffix(".")
    if len(name) > _LONGEST_NAME or not _LABELS.fullmatch(name):
        raise ValueError("not a domain name")
    return name


def domain(text: str) -> str:
    """A domain that somebody registered, or a name below one; '*.evil.com' is evil.com, since parents are matched."""
    text = refang(text.strip())
    name = host_name(text.removeprefix("*.").removeprefix("."))
    if "." not in name:
        raise ValueError("one label alone is no domain")
    if name.rpartition(".")[2].isdigit():
        raise ValueError("an address or a number, not a domain")
    if public_suffix(name) == name:
        raise ValueError("a public suffix: anybody can register below it")
    return name


def url(text: str) -> str:
    """A URL; one without a scheme ('evil.com/gate.php') gets the scheme *. The fragment never left the browser."""
    text = refang(text.strip())
    if len(text) > _LONGEST_URL:
        raise ValueError(f"longer than {_LONGEST_URL} characters")
    found = _URL.fullmatch(text)
    if found is None:
        if "/" not in text or text.startswith("/"):
            raise ValueError("not a URL: it has neither a scheme nor a path")
        found = _URL.fullmatch("*://" + text)
    if found is None:
        raise ValueError("not a URL")
    scheme = found["scheme"].lower()
    rest = found["rest"].partition("#")[0]
    if not rest.startswith("/"):
        rest = "/" + rest
    return f"{scheme}://{_authority(found['host'], scheme)}{_encoded(rest)}"


def _authority(text: str, scheme: str) -> str:
    user, at, host = text.rpartition("@")
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name, port = host, ""
    if port and not (port.isascii() and port.isdigit() and len(port) <= 5):
        raise ValueError("not a URL: its port is no number")
    if not name:
        raise ValueError("not a URL: it names no host")
    port = port.lstrip("0")
    tail = "" if not port or port == _PORTS.get(scheme) else ":" + port
    return _encoded(user) + at + _host(name) + tail


def _host(name: str) -> str:
    if name.startswith("["):
        found = address(name)
        return f"[{found}]" if found.version == 6 else str(found)
    if "*" in name:
        host_name(name.replace("*", "x"))
        return name.lower()
    return host_name(name)


def _encoded(text: str) -> str:
    """Percent-encoding in one way: letters and digits plain, the rest as it stood, %xx in upper case."""
    if not text.isascii() or _BAD.search(text):
        text = quote(text, safe="!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", errors="surrogatepass")
    return _PERCENT.sub(_decoded, text) if "%" in text else text


def _decoded(found: re.Match[str]) -> str:
    char = chr(int(found[1], 16))
    return char if char in _UNRESERVED else found[0].upper()


def email(text: str) -> str:
    """A mail address in lower case: without 'mailto:', a name before it, or angle brackets around it."""
    text = refang(text.strip())
    if text.endswith(">") and "<" in text:
        text = text[text.rindex("<") + 1 : -1]
    local, at, name = text.lower().removeprefix("mailto:").rpartition("@")
    if not at or not _MAIL_LOCAL.fullmatch(local):
        raise ValueError("not a mail address")
    name = host_name(name)
    if "." not in name:
        raise ValueError("not a mail address: its domain is one label")
    return f"{local}@{name}"

"""Looking for what lies in the net: URLs, mail addresses, addresses and networks, domains."""

from __future__ import annotations

import ipaddress
import re

from vizsla.intel import _patterns as p
from vizsla.intel._defused import is_defused, plain
from vizsla.intel._hosts import sort_of
from vizsla.intel._named import file_is_common, in_quotes
from vizsla.intel._pieces import Pieces
from vizsla.intel._words import word_list

_POOR = word_list("poor_extensions")
_EMPHASIS = "*_~+'"
_BRACKETS = {")": "(", "]": "["}
_LONGEST_URL = 16_384


def _trimmed(text: str) -> str:
    """Without the punctuation that ends a sentence, a bracket or an emphasis around a URL."""
    open_ = {close: text.count(close) - text.count(opening) for close, opening in _BRACKETS.items()}
    end = len(text)
    while end:
        last = text[end - 1]
        if last in ".,;:!?" + _EMPHASIS:
            end -= 1
        elif open_.get(last, 0) > 0:
            open_[last] -= 1
            end -= 1
        elif text.endswith(("&gt", "&quot"), 0, end):
            end = text.rindex("&", 0, end)
        else:
            break
    return text[:end]


def links(s: Pieces) -> None:
    """Targets of links in light markup: what they show is text and is looked at, what they lead to is told."""

    def link(found: re.Match[str]) -> int:
        target = found["md"] or found["adoc"] or ""
        url = p.URL.fullmatch(_trimmed(target))
        if url:
            start = found.start() + found[0].index(target)
            _url(s, target, start, reference=not is_defused(target))
        return len(found[0]) - (1 if found["adoc"] else 0)

    if "](" in s.text or ":" in s.text:
        s.run(p.LINK, link)


def _url(s: Pieces, raw: str, at: int, *, reference: bool) -> None:
    """A URL with its scheme. One without a path is its host too."""
    body = plain(raw).replace("&amp;", "&")
    if len(body) > _LONGEST_URL:
        return
    _, _, rest = body.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host = authority.rpartition("@")[2]
    name = host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
    address = _address(name.strip("[]"))
    if address is None and not (_known(name) or _named(name)):
        return
    wild = _filled(body)
    bare = rest[len(authority) :].strip("/") == ""
    s.take("url", wild, at, reference=reference or _inside(address))
    if address is not None:
        s.take("ipv4" if address.version == 4 else "ipv6", str(address), at, reference=reference or _inside(address))
    elif bare:
        s.take("domain", name, at, reference=reference)


def _filled(url: str) -> str:
    """A URL with the wildcard where the report says what a victim puts in."""
    return re.sub(r"<[A-Za-z_ ]{1,40}>", "*", url)


def _named(name: str) -> bool:
    """Whether a live name after '://' is a host's."""
    return sort_of(name, before="", after="", alone=True, words="domain website") == "domain"


def _known(name: str) -> bool:
    return sort_of(name.replace(".", "\ue000"), before="", after="", alone=True, words="") == "domain"


def urls(s: Pieces) -> None:
    """Marks URLs, defanged or not."""
    if "://" not in s.text:
        return

    def url(found: re.Match[str]) -> int:
        raw = _trimmed(found[0])
        # AsciiDoc: https://example.com[what it is]; reStructuredText: `what it is <https://example.com>`_
        linked = s.text.startswith(("[", ">`_"), found.end()) or p.LINKING.search(
            s.text[max(0, found.start() - 40) : found.start()]
        )
        _url(s, raw, found.start(), reference=not is_defused(raw) and (bool(linked) or s.told(raw, found.start())))
        return len(raw)

    s.run(p.URL, url)


def emails(s: Pieces) -> None:
    """Marks addresses of mail."""
    if "@" not in s.text and "\ue001" not in s.text:
        return

    def email(found: re.Match[str]) -> int | None:
        if not _known(plain(found["host"])):
            return None
        s.take("email", found[0], found.start(), reference=s.told(found[0], found.start()))
        return len(found[0])

    s.run(p.EMAIL, email)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _inside(address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
    """Whether it is of no host on the Internet: private, loopback, link-local, multicast, unspecified."""
    if address is None:
        return False
    if address.version == 4:
        first = str(address).split(".", 1)[0]
        return any(address in net for net in _INSIDE) or int(first) >= 224
    return (
        address.is_link_local
        or address.is_loopback
        or address.is_unspecified
        or address.is_multicast
        or (address in _ULA)
    )


_INSIDE = tuple(
    ipaddress.ip_network(net)
    for net in ("0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
)
_ULA = ipaddress.ip_network("fc00::/7")


def sited(s: Pieces) -> None:
    """'evil.com/gate.php': a URL without its scheme, or a host with a slash."""
    if "/" not in s.text:
        return

    def sited(found: re.Match[str]) -> int | None:
        host, port = found["host"], found["port"] or ""
        rest = _trimmed(found["rest"])
        address = _address(plain(host))
        if address is not None:
            if re.fullmatch(r"/\d{1,2}(?:/.*)?", rest) or rest == "/":
                return None  # a network, or a list
        else:
            before, after = s.text[max(0, found.start() - 12) : found.start()], "/"
            if sort_of(host, before=before, after=after, alone=False, words="") != "domain":
                return None
        reference = _inside(address) or s.told(host, found.start())
        if len(rest) > 1:
            wild = _filled(plain(host + port + rest))
            s.take("url", wild, found.start(), reference=reference)
        if address is not None:
            s.take("ipv4", host, found.start(), reference=reference)
        elif len(rest) <= 1:
            s.take("domain", host, found.start(), reference=reference)
        return len(host + port) + len(rest)

    s.run(p.SITED, sited)


def addresses(s: Pieces) -> None:
    """Marks IP addresses and networks."""

    def v4(found: re.Match[str]) -> int | None:
        raw = found["address"]
        address = _address(plain(raw))
        if address is None:
            return None
        if not is_defused(raw) and p.VERSION_BEFORE.search(s.text[max(0, found.start() - 24) : found.start()]):
            return len(found[0])
        reference = _inside(address) or s.bystander
        prefix = found["prefix"]
        if prefix and int(prefix) < 32:
            s.take("cidr", f"{plain(raw)}/{prefix}", found.start(), reference=reference or int(prefix) == 0)
        else:
            s.take("ipv4", raw, found.start(), reference=reference)
        return len(found[0])

    def v6(found: re.Match[str]) -> int | None:
        raw, prefix = found["address"], found["prefix"]
        if raw.count(":") < 2:
            return None
        address = _address(raw.rstrip(":") if not raw.endswith("::") else raw)
        if address is None or not (int(address) >> 125 == 1 or (_inside(address) and raw.count(":") > 3)):
            return None
        if prefix and int(prefix) < 128:
            s.take("cidr", f"{address}/{prefix}", found.start(), reference=_inside(address))
        else:
            s.take("ipv6", str(address), found.start(), reference=_inside(address))
        return len(found[0])

    if re.search(r"\d", s.text):
        s.run(p.IPV4, v4)
    if s.text.count(":") >= 2:
        s.run(p.IPV6, v6)


def hosts(s: Pieces) -> None:
    """Marks names of hosts."""

    def host(found: re.Match[str]) -> int | None:
        raw = found["host"]
        start, end = found.start(), found.end()
        before, after = s.text[max(0, start - 12) : start], s.text[end : end + 2]
        alone = s.kind != "sentence" or in_quotes(before, after)
        sort = sort_of(raw, before=before, after=after, alone=alone, words=s.words)
        if sort == "domain":
            s.take("domain", raw, start, reference=s.told(raw, start))
        elif sort == "file":
            low = raw.rpartition(".")[2].lower() in _POOR and s.kind in ("sentence", "code")
            common = low or file_is_common(plain(raw)) or after.startswith("(")
            s.take("file_name", raw.strip("_"), start, reference=common)
        return len(raw)

    s.run(p.HOST, host)

"""Looking through one piece of text for indicators, one kind after the other; what was taken is not looked at again."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from vizsla.intel import _patterns as p
from vizsla.intel._defused import defused, is_defused, plain
from vizsla.intel._hosts import EXTENSIONS, Sort, sort_of
from vizsla.intel._named import file_is_common, in_quotes, local_hash_type, named_objects, object_type, path_end
from vizsla.intel.normal import normal
from vizsla.nouns.indicator import IndicatorType

_TAKEN = "\ue00f"
_BY_LENGTH: dict[int, IndicatorType] = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
_LOW = frozenset(
    ["txt", "xml", "json", "html", "htm", "php", "asp", "aspx", "jsp", "log", "csv", "md", "py", "sh", "pl", "c", "h", "cpp", "js", "css", "png", "jpg", "gif", "yml", "yaml"]
)
_ENDING = re.compile(r"\.([A-Za-z0-9]{1,5})(?![\w-])")
_BLACKED = re.compile(r"\[?redacted\]?|\[\.\.\.\]|x{5,}|\.\.\.", re.I)
_EMPHASIS = "*_~+'"
_BRACKETS = {")": "(", "]": "["}


@dataclass(frozen=True, slots=True)
class Hit:
    """An indicator in a piece of text: where it begins, and whether it was written to be followed, not hunted."""

    type: IndicatorType
    value: str
    raw: str
    at: int
    reference: bool = False


@dataclass(slots=True)
class Pieces:
    """The text under work. `words`: the sentence and its heading. `live_is_told`: live names are told of, not hunted."""

    text: str
    label: str
    words: str
    kind: str
    live_is_told: bool
    published: bool
    bystander: bool
    hits: list[Hit] = field(default_factory=list)

    def take(self, type: IndicatorType, raw: str, at: int, *, reference: bool = False) -> bool:
        """Keeps it where it has a normal form."""
        try:
            value = normal(type, plain(raw))
        except ValueError:
            return False
        self.hits.append(Hit(type, value, plain(raw), at, reference))
        return True

    def told(self, marked: str, at: int) -> bool:
        """Whether a name of the net is a reference: live in prose that defuses the others, or a link to reading."""
        if p.INNOCENT.search(self.text[max(0, at - 40) : at]):
            return True
        return not is_defused(marked) and (self.live_is_told or self.published or self.bystander)

    def run(self, pattern: re.Pattern[str], handle: Callable[[re.Match[str]], int | None]) -> None:
        """Each match: `handle` gives how many of its characters it took, None for none."""

        def replaced(found: re.Match[str]) -> str:
            took = handle(found)
            return found[0] if not took else _TAKEN * took + found[0][took:]

        self.text = pattern.sub(replaced, self.text)


def look(text: str, label: str, heading: str, kind: str, *, document_defuses: bool) -> Iterator[Hit]:
    """The indicators of a piece of text, in the order in which they stand there."""
    about = f"{heading} {label}"
    words = f"{about} {text[:2000]}"
    marked = defused(text)
    if not _worth(marked, about):
        return
    sentence = kind == "sentence"
    pieces = Pieces(
        marked, label, words, kind,
        live_is_told=sentence and document_defuses,
        published=sentence and p.PUBLISHED.search(text) is not None,
        bystander=p.BYSTANDERS.search(about) is not None,
    )  # fmt: skip
    objects = object_type(label, words, kind)
    if objects:
        for raw, at in named_objects(objects, marked, label, kind):
            pieces.take(objects, raw, at)
    for step in _STEPS:
        step(pieces)
    pieces.hits.sort(key=lambda hit: hit.at)
    yield from pieces.hits


_WORTH = re.compile(r"[.:\\@\ue000\ue001\ue002/]|[0-9A-Fa-f]{32}|AS\d|CVE|[13bB][A-Za-z0-9]{25}")


def _worth(text: str, about: str) -> bool:
    return _WORTH.search(text) is not None or "`" in text or '"' in text or object_type(about, text, "item") is not None


def _trimmed(text: str) -> str:
    """Without the punctuation that ends a sentence, a bracket or an emphasis around a URL."""
    while text:
        last = text[-1]
        if last in ".,;:!?" + _EMPHASIS or (last in _BRACKETS and text.count(last) > text.count(_BRACKETS[last])):
            text = text[:-1]
        elif text.endswith("&gt") or text.endswith("&quot"):
            text = text[: text.rindex("&")]
        else:
            break
    return text


def _links(s: Pieces) -> None:
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


def _url(s: Pieces, raw: str, at: int, *, reference: bool) -> bool:
    """A URL with its scheme. One without a path is its host too."""
    body = plain(raw).replace("&amp;", "&")
    scheme, _, rest = body.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host = authority.rpartition("@")[2]
    name = host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
    address = _address(name.strip("[]"))
    if address is None and not sort_of(
        raw if is_defused(raw) and is_defused(name) else name, before="", after="", alone=True, words="domain website"
    ).startswith("domain"):
        if not (is_defused(raw) and _known(name)):
            return False
    wild = _filled(body)
    bare = rest[len(authority) :].strip("/") == ""
    taken = s.take("url", wild, at, reference=reference or _inside(address))
    if address is not None:
        s.take("ipv4" if address.version == 4 else "ipv6", str(address), at, reference=reference or _inside(address))
    elif bare:
        s.take("domain", name, at, reference=reference)
    return taken


def _filled(url: str) -> str:
    """A URL with the wildcard where the report says what a victim puts in."""
    return re.sub(r"<[A-Za-z_ ]{1,40}>", "*", url)


def _known(name: str) -> bool:
    return sort_of(name.replace(".", "\ue000"), before="", after="", alone=True, words="") == "domain"


def _urls(s: Pieces) -> None:
    if "://" not in s.text:
        return

    def url(found: re.Match[str]) -> int:
        raw = _trimmed(found[0])
        linked = s.text[found.end() : found.end() + 1] == "["  # AsciiDoc: https://example.com[what it is]
        _url(s, raw, found.start(), reference=not is_defused(raw) and (linked or s.told(raw, found.start())))
        return len(raw)

    s.run(p.URL, url)


def _emails(s: Pieces) -> None:
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


def _sited(s: Pieces) -> None:
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


def _addresses(s: Pieces) -> None:
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


def _certificates(s: Pieces) -> None:
    def serial(found: re.Match[str]) -> int:
        s.take("certificate_serial", found["value"], found.start("value"))
        return len(found[0])

    def colons(found: re.Match[str]) -> int | None:
        bytes_ = found[0].count(":") + 1
        if bytes_ in (16, 20, 32) and re.search("fingerprint|thumbprint|certificate|sha|md5", s.words, re.I):
            s.take("certificate_fingerprint", found[0], found.start())
        return len(found[0])

    if "erial" in s.text or "SERIAL" in s.text:
        s.run(p.SERIAL, serial)
    if s.text.count(":") > 6:
        s.run(p.COLONS, colons)


def _paths(s: Pieces) -> None:
    if "\\" not in s.text and "/" not in s.text:
        return

    def at(type_: IndicatorType) -> Callable[[re.Match[str]], int | None]:
        def handle(found: re.Match[str]) -> int | None:
            raw = path_end(s.text, found, spaced=type_ != "pipe")
            if len(raw) - len(found[0]) < 1 and type_ != "pipe":
                return None
            if _BLACKED.search(raw):
                return len(raw)
            common = type_ == "file_path" and file_is_common(plain(raw))
            s.take(type_, raw, found.start(), reference=common)
            return len(raw)

        return handle

    # Their ends are found in the text itself: whole matches are gone through by hand.
    for pattern, type_ in ((p.REGISTRY, "registry_key"), (p.PIPE, "pipe"), (p.PATH, "file_path")):
        _run_long(s, pattern, at(type_))


def _run_long(s: Pieces, pattern: re.Pattern[str], handle: Callable[[re.Match[str]], int | None]) -> None:
    """As `run`, where what is taken may be longer than the match."""
    parts, done = [], 0
    for found in pattern.finditer(s.text):
        if found.start() < done:
            continue
        took = handle(found)
        if took:
            parts += [s.text[done : found.start()], _TAKEN * took]
            done = found.start() + took
    if parts:
        s.text = "".join([*parts, s.text[done:]])


def _hashes(s: Pieces) -> None:
    def digest(found: re.Match[str]) -> int | None:
        raw = found[0]
        if raw.isalpha() or raw.isdigit() or len(set(raw.lower())) < 6:
            return len(raw)
        named = _ENDING.match(s.text, found.end())
        if named and named[1].lower() in EXTENSIONS:
            return None  # a file's name
        type_ = local_hash_type(s.text[max(0, found.start() - 60) : found.start()], s.label, s.words, len(raw))
        if type_ != "secret":
            s.take(type_ or _BY_LENGTH[len(raw)], raw, found.start())  # type: ignore[arg-type]
        return len(raw)

    s.run(p.HASH, digest)
    for pattern, type_ in (
        (p.TLSH, "tlsh"),
        (p.SSDEEP, "ssdeep"),
        (p.CVE, "cve"),
        (p.ASN, "asn"),
        (p.BITCOIN, "bitcoin"),
    ):
        s.run(pattern, _plainly(s, type_))  # type: ignore[arg-type]
    if "_" in s.text:
        s.run(p.JA4, lambda found: _ja4(s, found))


def _ja4(s: Pieces, found: re.Match[str]) -> int | None:
    kind: IndicatorType = "ja4" if len(found[0]) == 36 else "ja4s"
    return len(found[0]) if s.take(kind, found[0], found.start()) else None


def _plainly(s: Pieces, type_: IndicatorType) -> Callable[[re.Match[str]], int | None]:
    def handle(found: re.Match[str]) -> int | None:
        return len(found[0]) if s.take(type_, found[0], found.start()) else None

    return handle


def _agents(s: Pieces) -> None:
    def agent(found: re.Match[str]) -> int | None:
        raw = found[0].strip().rstrip(".,;'")
        return len(found[0]) if " " in raw and s.take("user_agent", raw, found.start()) else None

    if "Mozilla/" in s.text or "gent:" in s.text:
        s.run(p.AGENT, agent)


def _globals(s: Pieces) -> None:
    if "lobal\\" in s.text or "ocal\\" in s.text:
        s.run(p.GLOBAL, lambda found: len(found[0]) if s.take("mutex", found[0], found.start()) else None)


def _spaced_names(s: Pieces) -> None:
    """`Quarterly report.docx`: names with blanks, where quotes say how far they reach."""
    if "." not in s.text:
        return

    def name(found: re.Match[str]) -> int | None:
        raw = next(group for group in found.groups() if group is not None)
        if " " not in raw or len(raw) > 80 or raw.count(" ") > 8 or any(c in raw for c in "\\/:*?<>|=,;(\ue00f"):
            return None
        if raw.rpartition(".")[2].lower() not in EXTENSIONS or raw.endswith(" "):
            return None
        return len(found[0]) if s.take("file_name", raw, found.start() + 1) else None

    s.run(p.QUOTED, name)


def _hosts(s: Pieces) -> None:
    def host(found: re.Match[str]) -> int | None:
        raw = found["host"]
        start, end = found.start(), found.end()
        before, after = s.text[max(0, start - 12) : start], s.text[end : end + 2]
        alone = s.kind != "sentence" or in_quotes(before, after)
        sort: Sort = sort_of(raw, before=before, after=after, alone=alone, words=s.words)
        if sort == "domain":
            s.take("domain", raw, start, reference=s.told(raw, start))
        elif sort == "file":
            low = raw.rpartition(".")[2].lower() in _LOW and s.kind in ("sentence", "code")
            common = low or file_is_common(plain(raw)) or after.startswith("(")
            s.take("file_name", raw.strip("_"), start, reference=common)
        return len(raw)

    s.run(p.HOST, host)


_STEPS: tuple[Callable[[Pieces], None], ...] = (
    _links, _urls, _emails, _agents, _certificates, _sited, _addresses, _paths, _globals, _hashes, _spaced_names, _hosts,
)  # fmt: skip

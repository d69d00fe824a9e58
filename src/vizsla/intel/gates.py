"""The run that an indicator is looked up by: one that stands in whatever it matches, however that is written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from vizsla.intel.runs import LONGEST, SHORTEST, number_like

WHOLE = frozenset((
    "ipv4", "domain", "md5", "sha1", "sha224", "sha256", "sha384", "sha512", "imphash", "authentihash",
    "ja3", "ja3s", "ja4", "ja4s", "hassh", "cve", "bitcoin",
))  # fmt: skip
"""Types whose value is one run."""
APART = frozenset(("ipv6", "cidr", "asn", "certificate_serial", "certificate_fingerprint"))
"""Types that are written in ways that share no run: addresses are parsed, the others compared value by value."""
NEVER = frozenset(("pattern",))
"""What `intel.patterns` looks for."""
_RUN = re.compile(r"[0-9a-z\u0080-\U0010ffff._-]+")
_PLAIN = re.compile(r"(?:\*|[a-z][a-z0-9+.-]*)://([0-9a-z._-]+)(?::[0-9]*)?(?:[/?#].*)?", re.DOTALL)
"""A URL whose host can be cut out at once, as nearly all can."""
_USUAL = 64  # of one feed's indicators that share a run: it tells little, another is preferred
_BELOW = frozenset(("hklm", "hkcu", "software", "system", "currentcontrolset", "classes", "appdata", "roaming"))


def runs_of(text: str) -> Iterator[str]:
    """The runs of a text in lower case that are whole ones, whatever its wildcards stand for."""
    for found in _RUN.finditer(text):
        before, after = text[found.start() - 1 : found.start()], text[found.end() : found.end() + 1]
        run = found[0].strip("._-")
        if number_like(run):
            continue
        if before not in ("*", "?") and after not in ("*", "?") and SHORTEST <= len(run.encode()) <= LONGEST:
            yield run


def _choices(type: str, value: str) -> list[str]:
    low = value.lower()
    if type == "url":
        plain = _PLAIN.fullmatch(low)
        if plain is not None:
            return _hosts(plain[1])
        host = urlsplit(low.replace("*://", "x://", 1)).netloc.rpartition("@")[2].partition(":")[0]
        # Its path may be written with other escapes; the host of a wildcard is cut at it.
        return _hosts(host)
    if type == "email":
        return [*runs_of(low.rpartition("@")[0]), *_hosts(low.rpartition("@")[2])]
    if type == "file_path":  # folders may be a user's, a variable, or a name of the device
        return list(runs_of("\\" + low.replace("/", "\\").rpartition("\\")[2]))
    if type == "registry_key":
        parts = [part for part in low.split("\\")[1:] if part not in _BELOW and not part.startswith("s-1-")]
        return [run for part in parts for run in runs_of(f"\\{part}\\")]
    return list(runs_of(low))


def _hosts(host: str) -> list[str]:
    """A host's run; where its labels are in punycode, no run: it may stand in the text in its own script."""
    if "xn--" in host or "*" in host or "[" in host:
        return []
    if _RUN.fullmatch(host):
        run = host.strip("._-")
        return [run] if SHORTEST <= len(run.encode()) <= LONGEST and not number_like(run) else []
    return list(runs_of(host))


def choose(types: Sequence[str], values: Sequence[str]) -> list[str]:
    """For each indicator the rarest and longest run that it can be looked up by; '' where there is none."""
    chosen = [_choices(type, value) for type, value in zip(types, values, strict=True)]
    common = Counter(run for runs in chosen for run in set(runs))
    return [_best(runs, common) if len(runs) > 1 else "".join(runs) for runs in chosen]


def _best(runs: Sequence[str], common: Mapping[str, int]) -> str:
    return max(runs, key=lambda run: (common[run] <= _USUAL, len(run), run))


def scripts(domain: str) -> str:
    """A domain in punycode in its own script, as logs may hold it; '' where it is plain."""
    if "xn--" not in domain:
        return ""
    import idna

    labels = []
    for label in domain.split("."):
        try:
            labels.append(idna.ulabel(label) if label.startswith("xn--") else label)
        except idna.IDNAError:
            return ""
    return ".".join(labels)

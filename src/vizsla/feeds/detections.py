"""Rules of detection engines, which come with intelligence and are none: recognised, and refused with the reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from vizsla.feed import Read
from vizsla.feeds._documents import decoded
from vizsla.feeds._opened import opened
from vizsla.intel._units import lines_of
from vizsla.nouns.indicator import Refused

_YARA = re.compile(r"^\s*(?:(?:private|global)\s+)*rule\s+(?P<name>[A-Za-z_]\w{0,127})\s*(?::[\w\s]*)?(?:\{|$)")
_SNORT = re.compile(
    r"^\s*(?:#\s*)?(?P<name>(?:alert|drop|pass|reject|log|rejectsrc)\s+(?:tcp|udp|ip|icmp|http|dns|tls|ssh|smtp|ftp|smb|any)\w*)"
    r"\s.{0,2000}?->.{0,2000}?\("
)
_BEGINS = re.compile(  # comments and imports before the first rule
    r"(?:\s++|//[^\n]*+|#(?!\s*(?:alert|drop))[^\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/|(?:import|include)\s+\"[^\"\n]{0,256}\")*+"
)
_SID = re.compile(r"\bsid\s*:\s*(\d{1,12})")
_REASONS = {
    "YARA": "a YARA rule: its strings are looked for inside files, and are no indicators in events",
    "Snort": "a rule of Snort or Suricata: it describes packets, and its parts are no indicators by themselves",
}
LISTED = 10_000


class _Detections:
    """The format."""

    name = "detections"
    doc = "YARA, Snort and Suricata rules: recognised and refused, since what they look for is not in events."

    def sniff(self, head: bytes, name: str) -> float:
        """0 to 1: lines begin as rules do."""
        text = head.decode("utf-8", "replace")
        begins = _BEGINS.match(text[:16_384])
        first = text[begins.end() :].split("\n", 3)[:3] if begins else []
        if any(_YARA.match(line[:4096]) or _SNORT.match(line[:4096]) for line in first):
            return 0.92
        return 0.5 if name.lower().endswith((".yar", ".yara", ".rules")) else 0.0

    def read(self, path: Path, feed: str) -> Iterator[Read]:
        """Each rule, refused with the reason."""
        count = 0
        with opened(path) as stream:
            for number, line in enumerate(lines_of(decoded(stream)), 1):
                yara, snort = _YARA.match(line[:4096]), _SNORT.match(line[:4096])
                if yara is None and snort is None:
                    continue
                count += 1
                if count > LISTED:
                    continue
                sid = _SID.search(line) if snort else None
                name = yara["name"] if yara else f"sid {sid[1]}" if sid else "rule"
                yield Refused(f"{path.name}, line {number}, {name}", _REASONS["YARA" if yara else "Snort"])
        if count > LISTED:
            yield Refused(path.name, f"{count - LISTED} more rules")
        if not count:
            yield Refused(path.name, "rules of a detection engine, of which none is recognised")


FORMAT = _Detections()

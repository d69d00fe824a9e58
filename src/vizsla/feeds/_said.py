"""What formats of intelligence have in common: claims of values as they come, markings, times, techniques."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from vizsla.intel.normal import settled
from vizsla.nouns.indicator import Claim, IndicatorType, Refused, Tlp

CONTEXT = 2_000  # characters of a comment that are kept
SHOWN = 120  # characters of a value that a refusal shows
STRICTER: tuple[Tlp, ...] = ("", "clear", "green", "amber", "amber+strict", "red")

# Marking definitions that everybody refers to by these ids: of TLP 1 in STIX 2.0 and 2.1, and of TLP 2 in 2.1.
TLP_IDS: dict[str, Tlp] = {
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": "clear",
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": "green",
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": "amber",
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": "red",
    "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487": "clear",
    "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb": "green",
    "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421": "amber",
    "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003": "amber+strict",
    "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1": "red",
}
_TLP = re.compile(r"(?:tlp[:\s_-]*)?(white|clear|green|amber(?:[+_ -]?strict)?|red)", re.IGNORECASE)
_TECHNIQUE = re.compile(r"\bT\d{4}(?:\.\d{3})?\b")
_CVE = re.compile(r"\bCVE-\d{4}-\d{4,19}\b", re.IGNORECASE)


def told(base: Claim, type: IndicatorType, raw: str, place: str) -> Claim | Refused:
    """`base` of a value: its type mended and its normal form; Refused where it is no such thing."""
    try:
        kind, value = settled(type, raw)
    except ValueError as error:
        return Refused(place, f"{_short(raw)!r} is no {type.replace('_', ' ')}: {error}")
    return replace(base, type=kind, value=value, raw=raw)


def all_told(base: Claim, pairs: Iterable[tuple[IndicatorType, str]], place: str) -> Iterator[Claim | Refused]:
    """`base` of each of several values."""
    for kind, raw in pairs:
        yield told(base, kind, raw, place)


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def tlp(text: object) -> Tlp:
    """The level that a marking's text or a tag names ('TLP:WHITE' is clear); '' where it names none."""
    found = _TLP.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        return ""
    word = found[1].lower()
    return "clear" if word == "white" else "amber+strict" if "strict" in word else cast("Tlp", word)


def strictest(levels: Iterable[Tlp]) -> Tlp:
    """Of several levels the strictest; '' of none."""
    return max(levels, key=STRICTER.index, default="")


def techniques(text: str) -> list[str]:
    """The ids of ATT&CK techniques in a text, in order."""
    return list(dict.fromkeys(_TECHNIQUE.findall(text)))


def cves(text: str) -> list[str]:
    """The numbers of vulnerabilities in a text."""
    return list(dict.fromkeys(found.upper() for found in _CVE.findall(text)))


def moment(value: object) -> datetime | None:
    """A time: ISO 8601 (UTC where it names no zone), or seconds since 1970; None where it is neither."""
    if isinstance(value, bool) or value in (None, ""):
        return None
    try:
        if isinstance(value, int | float) or (isinstance(value, str) and value.isdigit() and len(value) > 8):
            seconds = float(value)
            return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < 253_402_300_800 else None
        found = datetime.fromisoformat(str(value).strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def text(value: object, most: int = CONTEXT) -> str:
    """A string as it is, no longer than `most`; '' for what is none."""
    return value.strip()[:most] if isinstance(value, str) else ""


def listed(value: object) -> list[Any]:
    """A list as it is; [] for what is none."""
    return value if isinstance(value, list) else []


def names(values: Iterable[str]) -> tuple[str, ...]:
    """Without empty ones and repetitions, in order."""
    return tuple(dict.fromkeys(value for value in values if value))


def percent(value: object) -> int | None:
    """A confidence of 0 to 100; None where it is none."""
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 100 else None

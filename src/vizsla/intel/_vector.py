"""Normal forms of many values at once. What a few kernels can tell is told by them; the rest is asked one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from vizsla import arrow
from vizsla.intel._codes import DIGITS
from vizsla.intel.suffix import suffixes

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_NAME = r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.[a-z0-9_-]*[a-z_-][a-z0-9_-]*"
_BLANK = r"\x00-\x20\x{80}-\x{10ffff}\[\](){}<>"  # what defanging, blanks and other scripts are written with
_ADDRESS = rf"^[{_BLANK}0-9a-fotpunA-FOTPUN:.\\]+(?:%.*)?$"
_KEY = r"[^\\\"'`\x00-\x1f\x7f]*[^\\\"'`\x00-\x20\x7f]"
_PART = r"[^\\/:*?\"'`%<>|~\x00-\x1f\x7f]*[^\\/:*?\"'`%<>|~\x00-\x20\x7f]"


@dataclass(frozen=True, slots=True)
class _Fast:
    """How most values of a type are told without Python.

    lowered: those that match `whole` are normal once in lower case; else as they are. `never` of the lowered text:
    no normal form though `whole` matches. `may`: what a text must match, as it came, to have a normal form at all.
    """

    whole: str
    lowered: bool = True
    may: str = ""
    rewrite: tuple[tuple[str, str], ...] = ()  # of what `whole` matches: patterns and what stands instead


_FAST: dict[str, _Fast] = {
    "ipv4": _Fast(rf"^(?:{_OCTET}\.){{3}}{_OCTET}$", lowered=False, may=_ADDRESS),
    "ipv6": _Fast(r"^(?:[1-9a-f][0-9a-f]{0,3}:){7}[1-9a-f][0-9a-f]{0,3}$", may=_ADDRESS),
    "cidr": _Fast(r"^\b\B$", may=r"/"),
    "domain": _Fast(rf"^{_NAME}$", may=rf"^(?:[{_BLANK}a-zA-Z0-9_.*-]|\\\.)+$"),
    "url": _Fast(
        r"^https?://[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){1,5}/[!$&-;=?-Z_a-z~^`|]*$", lowered=False, may=r"[/]"
    ),
    "email": _Fast(
        r"^[a-z0-9!#$%&'*+/=?^_`|~.-]{1,64}@[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){1,3}$", may=r"(?i)@|\bat\b"
    ),
    "file_name": _Fast(rf"^[^\\/:*?\"'`%<>|~\x00-\x20\x7f](?:{_PART})?$", may=r"^[^\\/]*$"),
    "file_path": _Fast(
        rf"^[a-z]:(?:\\{_PART})+$",
        may=r"[\\/]",
        rewrite=(
            (r"^[a-z]:\\users\\(?P<name>[^\\]+)\\", r"%userprofile%\\"),
        ),
    ),
    "registry_key": _Fast(
        rf"^(?:hklm|hkcu|hku\\s-1-5-21-[0-9-]+)(?:\\{_KEY})+$", rewrite=((r"^hku\\s-1-5-21-[0-9-]+\\", r"hkcu\\"),)
    ),
    "user_agent": _Fast(r"^[!-~]+(?: [!-~]+)*$"),
    "service": _Fast(r"^[!-~]+(?: [!-~]+)*$"),
    "process": _Fast(r"^[!-~]+(?: [!-~]+)*$"),
    "cve": _Fast(r"^CVE-[0-9]{4}-[0-9]{4,19}$", lowered=False, may=r"(?i)cve"),
    **{
        name: _Fast(rf"^[0-9a-f]{{{count}}}$", may=rf"(?i)[0-9a-f]{{{count}}}") for name, count in DIGITS.items()
    },
}  # fmt: skip
_SLOWLY_PATH = (
    r"^[a-z]:\\(?:documents and settings|users\\(?:public|all users|default|default user)(?:\\|$)|users\\[^\\]+$"
    r"|users\\[^\\]+\\(?:local settings|application data|start menu)(?:\\|$)"
    r"|windows\\(?:system32|syswow64)\\config\\systemprofile|windows\\serviceprofiles|.*\\$)"
)
_SLOWLY_KEY = r"\\wow6432node(?:\\|$)|^hklm\\system\\controlset|^[^\\]+\\[\\*]*$"


def normals(type: str, texts: pa.Array, one: Callable[[str], str]) -> pa.Array:
    """What `one` (the type's normal form) makes of each text, null where it raises ValueError."""
    texts = arrow.whole(texts)
    if pa.types.is_dictionary(texts.type):
        distinct = normals(type, texts.dictionary, one)
        return distinct.take(texts.indices)
    texts = texts.cast(pa.string())
    fast = _FAST.get(type)
    if fast is None or not len(texts):
        return pa.array([_try(one, text) for text in texts.to_pylist()], pa.string())
    lowered, sure = _told(type, fast, texts)
    ask = pc.and_(texts.is_valid(), pc.invert(sure))
    if fast.may:
        ask = pc.and_(ask, pc.fill_null(pc.match_substring_regex(texts, fast.may), False))
    out = pc.if_else(sure, lowered, pa.scalar(None, pa.string()))
    asked = texts.filter(ask).to_pylist()
    if not asked:
        return out
    return pc.replace_with_mask(out, ask, pa.array([_try(one, text) for text in asked], pa.string()))


def sure(type: str, texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Normal forms of texts (strings, none null), and of which of them it is sure without asking each by itself.

    For types that a few kernels can tell, which `domain`, `ipv4`, `url`, `email` and hashes are.
    """
    return _told(type, _FAST[type], texts)


def _told(type: str, fast: _Fast, texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The texts' normal forms, and for which of them they are known to be right."""
    ascii_ = pc.string_is_ascii(texts)
    lowered = pc.utf8_lower(texts) if fast.lowered else texts
    sure = pc.and_(ascii_, pc.match_substring_regex(lowered, fast.whole))
    if type == "domain":
        sure = pc.and_(sure, pc.and_(_short(lowered, 253), pc.invert(_suffix(lowered))))
    elif type == "email":
        sure = pc.and_(sure, pc.invert(pc.match_substring(lowered, "mailto:")))
    elif type == "url":
        sure = pc.and_(
            sure, pc.and_(_short(texts, 250), pc.invert(pc.match_substring_regex(texts, r"hxx|\\\.|h\*\*p")))
        )
    elif type in ("file_path", "file_name"):
        sure = pc.and_(sure, _short(texts, 4_000))
        if type == "file_path":
            sure = pc.and_(sure, pc.invert(pc.match_substring_regex(lowered, _SLOWLY_PATH)))
        else:
            sure = pc.and_(sure, pc.match_substring_regex(lowered, r"[^*. ?]"))
    elif type == "registry_key":
        sure = pc.and_(sure, pc.and_(_short(texts, 4_000), pc.invert(pc.match_substring_regex(lowered, _SLOWLY_KEY))))
    elif type in ("user_agent", "service", "process"):
        sure = pc.and_(sure, pc.and_(_short(texts, 8_000), pc.match_substring_regex(lowered, r"[^ *]")))
    for pattern, instead in fast.rewrite:
        lowered = pc.replace_substring_regex(lowered, pattern, instead)
    return lowered, pc.fill_null(sure, False)


def _short(texts: pa.Array, most: int) -> pa.Array:
    return pc.less_equal(pc.binary_length(texts), most)


@lru_cache(maxsize=1)
def _rules() -> tuple[pa.Array, pa.Array]:
    held = suffixes()
    return pa.array(sorted(held.plain)), pa.array(sorted(held.below))


def _suffix(names: pa.Array) -> pa.Array:
    """Which names are public suffixes, or may be by a rule for all names below another."""
    plain, below = _rules()
    parents = pc.replace_substring_regex(names, r"^[^.]*\.", "")
    return pc.or_(pc.is_in(names, plain), pc.is_in(parents, below))


def _try(one: Callable[[str], str], text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return one(text)
    except ValueError:
        return None

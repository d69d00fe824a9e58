"""Prose with its defused indicators made whole again, and marked as having been defused.

What was defused was meant as an indicator by whoever wrote it, which a live name need not be. So what is mended is
put back as marks from Unicode's private use area, which `plain` turns into what they stand for.
"""

from __future__ import annotations

import re

DOT, AT, SCHEME = "\ue000", "\ue001", "\ue002"
D = "[." + DOT + "]"  # a dot, live or mended
_OWN = {ord(mark): None for mark in (DOT, AT, SCHEME)}  # a text that holds them already does not get to say so
_UNSEEN = dict.fromkeys((0x00AD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF))
_DOTS = dict.fromkeys((0x3002, 0xFF0E, 0xFF61), ".")
_DROPPED = str.maketrans({**_OWN, **_UNSEEN, **_DOTS})

# Every pattern has a first character of its own and bounded parts: linear in the text.
_OPEN, _CLOSE = r"[\[({<]", r"[\])}>]"
_DOTTED = re.compile(
    rf"(?<=[\w*]) ?{_OPEN} ?(?:\.|,|dot|d0t|punto|punkt|point|&\#46;) ?{_CLOSE} ?(?=\w)"
    r"|(?<=\w)\[\.(?=\w{2,63}(?!\w|\]))|(?<=\w)\.\](?=\w)|(?<=\w)\[\](?=[a-z]{2})",
    re.IGNORECASE,
)
_ATTED = re.compile(rf"(?<=[\w+]) ?{_OPEN} ?(?:@|at|arroba) ?{_CLOSE} ?(?=\w)", re.IGNORECASE)
_COLON = re.compile(r"[\[({](:|://|:/|//)[\])}]|:\\\\(?=\w)")
_SLASH = re.compile(r"(?<=\w)[\[({]/[\])}]")
_HTTP = re.compile(
    r"(?<![A-Za-z0-9])\[?(?:h(?:[tx]{1,2}|\*\*|tt|--|__|\[tt\]|\(tt\))p|meow|h\[\.\.\]p)(?P<s>s|\(s\)|\[s\])?\]?"
    r"(?P<colon>://|:/(?=\w)|\[://\]|: //|:// )",
    re.IGNORECASE,
)
_FTP = re.compile(r"(?<![A-Za-z0-9])fxp(s?)://", re.IGNORECASE)
_TELL = re.compile(r"[\[({<\\]|hx|xp|h\*|meow|\.\]|h-|h_|htx|://", re.IGNORECASE)
_ESCAPED = re.compile(r"(?<![\w\\.:%-])[\w-]{1,63}(?:\\?\.[\w-]{1,63}){1,10}(?![\w\\])")
_SPELT = re.compile(r"(?<![\w.-])[\w-]{1,63}(?:(?: dot | DOT )[\w-]{1,63}){1,8}(?![\w-])")
_COMMON = frozenset(
    [
        "a",
        "an",
        "the",
        "every",
        "each",
        "this",
        "that",
        "one",
        "no",
        "red",
        "blue",
        "black",
        "green",
        "white",
        "single",
        "first",
        "last",
        "of",
        "com",
    ]
)


def defused(text: str) -> str:
    """`text` with marks where it was defused; without characters that show nothing."""
    text = text.translate(_DROPPED) if not text.isascii() else text
    if " dot " in text or " DOT " in text:
        text = _SPELT.sub(_spelt, text)
    if not _TELL.search(text):
        return text
    if "\\." in text:  # evil\.com, and not a folder whose name begins with a dot
        text = _ESCAPED.sub(lambda found: found[0].replace("\\.", DOT), text)
    text = _COLON.sub(lambda found: found[1] or "://", text)
    text = _HTTP.sub(_http, text)
    text = _FTP.sub(rf"{SCHEME}ftp\1://", text)
    text = _DOTTED.sub(DOT, text)
    text = _ATTED.sub(AT, text)
    return _SLASH.sub("/", text)


def _http(found: re.Match[str]) -> str:
    s = "s" if found["s"] else ""
    live = found[0].lower() in ("http://", "https://")
    return found[0] if live else f"{SCHEME}http{s}://"


def _spelt(found: re.Match[str]) -> str:
    """'evil dot com' is a name where its last word is a top-level domain and its first no common word."""
    from vizsla.intel.suffix import known_tld

    labels = re.split(" dot | DOT ", found[0])
    if labels[0].lower() in _COMMON or not known_tld("x." + labels[-1].lower()):
        return found[0]
    return DOT.join(labels)


def is_defused(text: str) -> bool:
    """Whether it has marks."""
    return DOT in text or SCHEME in text or AT in text


def plain(text: str) -> str:
    """What the marks stand for."""
    return text.replace(DOT, ".").replace(AT, "@").replace(SCHEME, "")

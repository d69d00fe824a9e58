"""Indicators as reports write them so that nobody clicks on them: hxxp://evil[.]com, a[@]b(dot)org, 1[.]2[.]3[.]4."""

from __future__ import annotations

import re

_SCHEMES = re.compile(r"\b(h)(?:xx|XX|\*\*)(ps?)(?=[\[({]?:|\[:|://)", re.IGNORECASE)
_FTP = re.compile(r"\b(f)(?:x|X)(ps?)(?=[\[({]?:|://)")
_MARKS = (
    (re.compile(r"\s?[\[({<]\s?(?:\.|dot|punto|d0t)\s?[\])}>]\s?", re.IGNORECASE), "."),
    (re.compile(r"\s?[\[({<]\s?(?:@|at)\s?[\])}>]\s?", re.IGNORECASE), "@"),
    (re.compile(r"[\[({]:?//[\])}]|[\[({]://[\])}]"), "://"),
    (re.compile(r"[\[({]:[\])}]"), ":"),
    (re.compile(r"[\[({]/[\])}]"), "/"),
    (re.compile(r"\[\.|\.\]"), "."),
    (re.compile(r"\\\.(?=[a-z0-9])", re.IGNORECASE), "."),
)
_TELL = re.compile(r"[\[\](){}<>]|hxx|h\*\*p|fxp|\\\.", re.IGNORECASE)


def refang(text: str) -> str:
    """`text` as it was before somebody defused it; unchanged where nobody did."""
    if not _TELL.search(text):
        return text
    text = _SCHEMES.sub(r"\1tt\2", text)
    text = _FTP.sub(r"\1t\2", text)
    for mark, plain in _MARKS:
        text = mark.sub(plain, text)
    return text

"""What only words tell: mutexes and pipes by their heading, hashes by their label, where a path with blanks ends."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vizsla.intel import _patterns as p
from vizsla.intel._words import word_list
from vizsla.nouns.indicator import IndicatorType

_SECRET = re.compile(r"key|uuid|guid|clsid|nonce|^iv$|salt|password|token|transaction|txid|commit", re.I)
_OBJECTS: tuple[IndicatorType, ...] = ("mutex", "pipe", "user_agent")
_ANY_OBJECT = re.compile(r"mut(?:ex|ant|ic)|mutece|semaphore|pipe|agent", re.IGNORECASE)
_LABELLED_AS: dict[str, tuple[int, ...]] = {
    "imphash": (32,), "ja3": (32,), "ja3s": (32,), "hassh": (32,), "authentihash": (64,),
    "certificate_fingerprint": (32, 40, 64),
}  # fmt: skip
_CUE = re.compile(
    r"\b(?:mute(?:x|xes|ces)|mutants?|(?:named )?pipes?|user[- ]?agents?)\b[^`\"“']{0,60}?(?P<quoted>`[^`\n]{2,200}`|"
    r"\"[^\"\n]{2,200}\"|“[^”\n]{2,200}”|(?<!\w)'[^'\n]{2,200}'(?!\w))",
    re.IGNORECASE,
)
_LIKE_PATH = re.compile(r"[/~]|[A-Za-z]:\\|%\w+%\\|HK")
_COMMON_FILES, _COMMON_PATHS = word_list("common_files"), word_list("common_paths")
_SYSTEM_FOLDERS = tuple(sorted(word_list("system_folders")))


def in_quotes(before: str, after: str) -> bool:
    """Whether quotes or backticks stand on both sides."""
    return bool(before) and before[-1] in "`\"“'‘" and after[:1] in ("`", '"', "”", "'", "’")


def object_type(label: str, words: str, kind: str) -> IndicatorType | None:
    """The type of named object that a column or a heading promises, or that a sentence speaks of."""
    if not _ANY_OBJECT.search(label) and not _ANY_OBJECT.search(words):
        return None
    for text in (label, words if kind != "row" else ""):
        for pattern, name in p.LABELS:
            if text and name in _OBJECTS and pattern.search(text):
                return name
    return None


def named_objects(type: IndicatorType, text: str, label: str, kind: str) -> Iterator[tuple[str, int]]:
    """The names: a cell or line under that heading; in a sentence what is quoted soon after the word."""
    pattern = next(pattern for pattern, name in p.LABELS if name == type)
    cue = pattern.search(text) is not None
    if kind in ("sentence", "heading") or cue:
        for found in _CUE.finditer(text):
            if pattern.search(found[0]):
                yield found["quoted"][1:-1], found.start("quoted")
        return
    quoted = list(re.finditer(r"`([^`\n]{2,400})`", text))
    if quoted:
        for found in quoted:
            if not _LIKE_PATH.match(found[1]):
                yield found[1], found.start()
    elif len(text) <= (400 if type == "user_agent" else 120) and (type == "user_agent" or text.count(" ") <= 3):
        yield text.strip("\"' "), 0


def local_hash_type(before: str, label: str, words: str, length: int) -> str:
    """What digits are, by the word before them, their column, or the heading: '' where their length tells.

    'secret' for keys, ids of commits and the like, which are no indicators.
    """
    found = p.KEY_BEFORE.search(before)
    nearest = found["what"].lower() if found else ""
    if nearest and _SECRET.search(nearest):
        return "secret"
    if nearest.startswith(("md5", "sha")):
        return ""
    for text in (nearest, label, words):
        for pattern, name in p.LABELS:
            if text and length in _LABELLED_AS.get(name, ()) and pattern.search(text):
                # A sentence that speaks of several kinds says nothing of those that have no label.
                return name if text is not words or len(re.findall(r"\b(?:md5|sha-?\d|hash)", words, re.I)) == 0 else ""
    if label and _SECRET.search(label.strip()):
        return "secret"
    return ""


def path_end(text: str, found: re.Match[str], *, spaced: bool) -> str:
    """A path or key from its start to its end: the closing quote where it stands in quotes, else the next blank.

    Blanks of well-known folders ('Program Files') are part of it.
    """
    start, end = found.span()
    before = text[start - 1 : start] if start else ""
    closing = {"`": "`", '"': '"', "“": "”", "'": "'", "[": "]"}.get(before)
    if closing and spaced:
        stop = text.find(closing, end, end + 400)
        if stop > 0 and "\n" not in text[end:stop]:
            return _without_arguments(text[start:stop])
    if found.re is p.PIPE:
        return found[0].rstrip(".,;:)")
    while True:
        piece = p.PATH_REST.match(text, end)
        if piece:
            end = piece.end()
        blank = p.PATH_SPACED.match(text, end) if spaced else None
        if blank is None or end - start > 500:
            break
        end = blank.end()
    path = text[start:end].rstrip(".,;:'*+_")
    for close, opening in ((")", "("), ("]", "[")):
        if path.endswith(close) and opening not in path:
            path = path[:-1]
    return path


_ARGUMENTS = re.compile(r"(\.(?:exe|bat|cmd|ps1|vbs|js|dll|com|scr))(?=[\s,])", re.I)


def _without_arguments(text: str) -> str:
    """A quoted command line is cut after its program; a quoted 'name = path' has begun with its path already."""
    found = _ARGUMENTS.search(text)
    return text[: found.end()] if found else text.rstrip(" ")


def file_is_common(name: str) -> bool:
    """Whether it is a part of the system or of every project: told of in reports, and no indicator by its name."""
    low = name.lower()
    if low in _COMMON_FILES or low in _COMMON_PATHS:
        return True
    folder, sep, base = low.rpartition("\\" if "\\" in low else "/")
    return bool(sep) and base in _COMMON_FILES and (folder + sep).startswith(_SYSTEM_FOLDERS)

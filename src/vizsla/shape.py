"""The shape of a value: what is left when the parts that differ each time are generalised.

Two values of one shape count as the same when Vizsla learns what is usual. Shapes are made by Arrow's own
string kernels (RE2: linear time on hostile input), so they are the same on every engine, and always on distinct
values: a million command lines are ten thousand distinct ones.

GUIDs that mean the same everywhere (a directory right, an interface, a COM class: constants.yaml) are named, not
generalised: which one it is tells one act from another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.declared import from_yaml

LONGEST = 2000  # characters compared; a longer value is told from others by its beginning
AT_ONCE = 262_144  # bytes

# Short codes are categories, not measurements: access masks, logon types, ports, message numbers.
_CODE = r"^(0x[0-9a-f]{1,8}|[0-9]{1,5}|%%[0-9]+)$"
_ADDRESS = r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|(::ffff:)?[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}(%[0-9]+)?)$"

# Eight hexadecimal digits or more, a decimal one among them, or else 'effaceable' would be a number.
_HEX = r"\b(?:" + "|".join(f"[a-f]{{{n}}}[0-9][0-9a-f]{{{7 - n},}}" for n in range(7)) + r"|[a-f]{7,}[0-9][0-9a-f]*)\b"

_ANY_GUID = r"\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?"

# Order matters: what is long and particular goes before what is short and general. The last part says what a value
# must hold for the pattern to match at all: a plain text, a cheaper pattern after '~', or nothing.
_GENERAL: tuple[tuple[str, str, str], ...] = (
    (_ANY_GUID, "<guid>", "-"),
    (r"s-1-(?:5-21|12-1|15-[23])(?:-[0-9]+)+", "<sid>", "s-1-"),
    (r"__psscriptpolicytest_[a-z0-9]+\.[a-z0-9]+", "__psscriptpolicytest_<random>", "__psscriptpolicytest_"),
    # Everybody's folder is nobody's: kept, see the last line.
    (r"\\users\\public([\\/\"' ]|$)", r"\\users<public>\1", r"\users\public"),
    # Names of accounts may hold blanks: up to the next part of the path; a name that ends the path ends at a blank.
    (
        r"(\\users\\|\\documents and settings\\)"
        r"[^\\/:*?\"'<>|\s](?:[^\\/:*?\"'<>|\r\n\t]{0,62}[^\\/:*?\"'<>|\s])?\\",
        r"\1<user>\\",
        r"~\\(users|documents and settings)\\",
    ),
    (
        r"(\\users\\|\\documents and settings\\|/home/|/users/)[^\\/\"' ]+",
        r"\1<user>",
        r"~\\(users|documents and settings)\\|/(home|users)/",
    ),
    (r"[a-z0-9+/=_]{40,}", "<encoded>", ""),
    # A run that begins with a slash hid from the patterns above that it stands where names of accounts do.
    (r"(\\users\\|\\documents and settings\\)<encoded>[^\\/\"' ]*", r"\1<user>", r"s\<encoded>"),
    (r"<user><encoded>[^\\/\"' ]*", "<user>", "<user><encoded>"),
    (r"0x[0-9a-f]+", "<hex>", "0x"),
    (_HEX, "<hex>", ""),
    (r"[0-9]+", "#", ""),
    (r"\s+", " ", r"~[\t\n\f\r]|  "),
    (r"\\users<public>", r"\\users\\public", r"\users<public>"),
)
# Values that differ in their decimal digits alone have one shape, but where a pattern asks for certain digits: these
# are the patterns 's-1-' and '0x', with every digit as 7.
_PARTICULAR = "7x|s-7-"
_SEVENS = bytes.maketrans(b"0123456789", b"7" * 10)


def shapes(values: pa.StringArray) -> pa.StringArray:
    """The shape of each value, element by element; null stays null.

    Lower case; GUIDs (but for constants, which are named), SIDs of accounts, user folders, long encoded runs,
    hexadecimal and decimal numbers are generalised. Values that are as a whole a short code or an address are kept.
    """
    texts, places = alike(values)
    return each_shape(texts).take(pa.array(places, mask=places < 0))


def each_shape(texts: pa.StringArray) -> pa.StringArray:
    """`shapes` of texts that were brought to few by `alike` already, none of them null."""
    lowered = _lowered(texts)
    general = _named(lowered)
    for pattern, replacement, needs in _GENERAL:
        general = _replaced(general, pattern, replacement, needs)
    return pc.if_else(_kept(lowered), lowered, pc.utf8_trim_whitespace(general))


def alike(values: pa.StringArray) -> tuple[pa.StringArray, npt.NDArray[np.int32]]:
    """Far fewer texts than values, and for each value the place of one that has its shape (-1 for null)."""
    encoded = pc.dictionary_encode(_digits_alike(values))
    texts, places = encoded.dictionary, np.asarray(pc.fill_null(encoded.indices, -1))
    lowered = _lowered(texts)
    particular = pc.match_substring_regex(lowered, f"{_PARTICULAR}|{_like_constants()}")
    own_shape = pc.or_(_kept(lowered), particular)
    kept = np.append(np.asarray(own_shape), False)  # place -1 is the appended one
    if not kept.any():
        return texts, places
    moved = np.append(np.cumsum(~kept[:-1]) - 1, -1).astype(np.int32)
    at = kept[places]
    own = pc.dictionary_encode(values.filter(pa.array(at)))
    places = moved[places]
    others = texts.filter(pa.array(~kept[:-1]))
    places[at] = np.asarray(own.indices) + len(others)
    return pa.concat_arrays([others, own.dictionary]), places


def _lowered(values: pa.StringArray) -> pa.StringArray:
    return pc.utf8_lower(pc.utf8_slice_codeunits(values, 0, LONGEST))


def _kept(lowered: pa.StringArray) -> pa.BooleanArray:
    """Which values are as a whole a short code or an address."""
    return pc.or_(pc.match_substring_regex(lowered, _CODE), pc.match_substring_regex(lowered, _ADDRESS))


@cache
def constants() -> Mapping[str, str]:
    """What a shape calls each GUID of constants.yaml, by the GUID in lower case without braces."""
    text = resources.files("vizsla").joinpath("constants.yaml").read_text(encoding="utf-8")
    return {str(guid): f"<guid:{name}>" for group in from_yaml(text).values() for guid, name in group.items()}


@cache
def _like_constants() -> str:
    """What matches constants, and whatever differs from one in decimal digits alone."""
    return "|".join(sorted({re.sub("[0-9]", "[0-9]", guid) for guid in constants()}))


def name_constants(text: str) -> str:
    """Lower-case text with the constants among its GUIDs named as its shape names them."""
    return re.sub(_ANY_GUID, lambda found: constants().get(found[0].strip("{}"), found[0]), text)


def _named(values: pa.StringArray) -> pa.StringArray:
    """`name_constants` of many values; hardly any hold one, and those are found at once."""
    possible = pc.fill_null(pc.match_substring_regex(values, _like_constants()), False)
    if not pc.any(possible).as_py():
        return values
    named = [name_constants(text) for text in values.filter(possible).to_pylist()]
    return pc.replace_with_mask(values, possible, pa.array(named, values.type))


def _digits_alike(values: pa.StringArray) -> pa.StringArray:
    """Every decimal digit as 7: far fewer values are left that differ."""
    _, offsets, text = values.buffers()
    if text is None or not len(values):
        return values
    ends = np.frombuffer(offsets, dtype=np.int32, count=values.offset + len(values) + 1)[values.offset :]
    begin = int(ends[0])
    whole = np.frombuffer(text, dtype=np.uint8, count=int(ends[-1]))[begin:]
    mapped = np.empty_like(whole)
    for first in range(0, len(whole), AT_ONCE):  # so that what is worked on stays near the processor
        part = whole[first : first + AT_ONCE].tobytes().translate(_SEVENS)
        mapped[first : first + AT_ONCE] = np.frombuffer(part, dtype=np.uint8)
    made = pa.StringArray.from_buffers(len(values), pa.py_buffer(ends - begin), pa.py_buffer(mapped))
    return pc.if_else(values.is_valid(), made, None) if values.null_count else made


def _replaced(values: pa.StringArray, pattern: str, replacement: str, needs: str) -> pa.StringArray:
    """`values` with the pattern replaced, tried only where it can match."""
    if not needs:
        return pc.replace_substring_regex(values, pattern, replacement)
    # A literal as a regular expression: RE2 looks for its first character faster than Arrow for the whole.
    possible = pc.match_substring_regex(values, needs[1:] if needs[0] == "~" else re.escape(needs))
    possible = pc.fill_null(possible, False)
    count = pc.sum(possible).as_py() or 0
    if not count:
        return values
    if 2 * count > len(values):
        return pc.replace_substring_regex(values, pattern, replacement)
    return pc.replace_with_mask(
        values, possible, pc.replace_substring_regex(values.filter(possible), pattern, replacement)
    )


def shape(value: str) -> str:
    """The shape of one value, for explanations and tests."""
    return str(shapes(pa.array([value], pa.string()))[0].as_py())

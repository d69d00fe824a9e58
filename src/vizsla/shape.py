"""The shape of a value: what is left when the parts that differ each time are generalised.

Two values of one shape count as the same when Vizsla learns what is usual. Shapes are made by Arrow's own
string kernels (RE2: linear time on hostile input), so they are the same on every engine, and always on distinct
values: a million command lines are ten thousand distinct ones.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

LONGEST = 2000  # characters compared; a longer value is told from others by its beginning

# Short codes are categories, not measurements: access masks, logon types, ports, message numbers.
_CODE = r"^(0x[0-9a-f]{1,8}|[0-9]{1,5}|%%[0-9]+)$"
_ADDRESS = r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|(::ffff:)?[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}(%[0-9]+)?)$"

# Eight hexadecimal digits or more, a decimal one among them, or else 'effaceable' would be a number.
_HEX = r"\b(?:" + "|".join(f"[a-f]{{{n}}}[0-9][0-9a-f]{{{7 - n},}}" for n in range(7)) + r"|[a-f]{7,}[0-9][0-9a-f]*)\b"

# Order matters: what is long and particular goes before what is short and general. The last part says what a value
# must hold for the pattern to match at all: a plain text, a cheaper pattern after '~', or nothing.
_GENERAL: tuple[tuple[str, str, str], ...] = (
    (r"\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?", "<guid>", "-"),
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
    (r"0x[0-9a-f]+", "<hex>", "0x"),
    (_HEX, "<hex>", ""),
    (r"[0-9]+", "#", ""),
    (r"\s+", " ", r"~[\t\n\f\r]|  "),
    (r"\\users<public>", r"\\users\\public", r"\users<public>"),
)
# Values that differ in their decimal digits alone have one shape, but where a pattern asks for certain digits.
_PARTICULAR = ("s-1-", "0x")
_DIGITS = np.arange(256, dtype=np.uint8)
_DIGITS[ord("0") : ord("9") + 1] = ord("7")


def shapes(values: pa.StringArray) -> pa.StringArray:
    """The shape of each value, element by element; null stays null. Meant for distinct values.

    Lower case; GUIDs, SIDs of accounts, user folders, long encoded runs, hexadecimal and decimal numbers are
    generalised. Values that are as a whole a short code or an address are kept.
    """
    lowered = pc.utf8_lower(pc.utf8_slice_codeunits(values, 0, LONGEST))
    keep = pc.or_(pc.match_substring_regex(lowered, _CODE), pc.match_substring_regex(lowered, _ADDRESS))
    alike = pc.dictionary_encode(_digits_alike(lowered))
    general = alike.dictionary
    for pattern, replacement, needs in _GENERAL:
        general = _replaced(general, pattern, replacement, needs)
    return pc.if_else(keep, lowered, pc.utf8_trim_whitespace(general).take(alike.indices))


def _digits_alike(values: pa.StringArray) -> pa.StringArray:
    """Every decimal digit as 7 in values whose shape depends on no certain digit: far fewer are left that differ."""
    particular = pc.match_substring(values, _PARTICULAR[0])
    for text in _PARTICULAR[1:]:
        particular = pc.or_(particular, pc.match_substring(values, text))
    valid, offsets, text = values.buffers()
    if text is None:
        return values
    mapped = pa.py_buffer(_DIGITS[np.frombuffer(text, dtype=np.uint8)])
    alike = pa.StringArray.from_buffers(len(values), offsets, mapped, valid, values.null_count, values.offset)
    return pc.if_else(particular, values, alike)


def _replaced(values: pa.StringArray, pattern: str, replacement: str, needs: str) -> pa.StringArray:
    """`values` with the pattern replaced, tried only where it can match."""
    if not needs:
        return pc.replace_substring_regex(values, pattern, replacement)
    possible = pc.match_substring_regex(values, needs[1:]) if needs[0] == "~" else pc.match_substring(values, needs)
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

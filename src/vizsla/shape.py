"""The shape of a value: what is left when the parts that differ each time are generalised.

Two values of one shape count as the same when Vizsla learns what is usual. Shapes are made by Arrow's own
string kernels (RE2: linear time on hostile input), so they are the same on every engine, and always on distinct
values: a million command lines are ten thousand distinct ones.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

LONGEST = 2000  # characters compared; a longer value is told from others by its beginning

# Short codes are categories, not measurements: access masks, logon types, ports, message numbers.
_CODE = r"^(0x[0-9a-f]{1,8}|[0-9]{1,5}|%%[0-9]+)$"
_ADDRESS = r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|(::ffff:)?[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}(%[0-9]+)?)$"

# Eight hexadecimal digits or more, a decimal one among them, or else 'effaceable' would be a number.
_HEX = r"\b(?:" + "|".join(f"[a-f]{{{n}}}[0-9][0-9a-f]{{{7 - n},}}" for n in range(7)) + r"|[a-f]{7,}[0-9][0-9a-f]*)\b"

# Order matters: what is long and particular goes before what is short and general.
_GENERAL: tuple[tuple[str, str], ...] = (
    (r"\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?", "<guid>"),
    (r"s-1-(?:5-21|12-1|15-[23])(?:-[0-9]+)+", "<sid>"),
    (r"__psscriptpolicytest_[a-z0-9]+\.[a-z0-9]+", "__psscriptpolicytest_<random>"),
    (r"\\users\\public([\\/\"' ]|$)", r"\\users<public>\1"),  # everybody's folder is nobody's: kept, see the last line
    # Names of accounts may hold blanks: up to the next part of the path; a name that ends the path ends at a blank.
    (
        r"(\\users\\|\\documents and settings\\)"
        r"[^\\/:*?\"'<>|\s](?:[^\\/:*?\"'<>|\r\n\t]{0,62}[^\\/:*?\"'<>|\s])?\\",
        r"\1<user>\\",
    ),
    (r"(\\users\\|\\documents and settings\\|/home/|/users/)[^\\/\"' ]+", r"\1<user>"),
    (r"[a-z0-9+/=_]{40,}", "<encoded>"),
    (r"0x[0-9a-f]+", "<hex>"),
    (_HEX, "<hex>"),
    (r"[0-9]+", "#"),
    (r"\s+", " "),
    (r"\\users<public>", r"\\users\\public"),
)


def shapes(values: pa.StringArray) -> pa.StringArray:
    """The shape of each value, element by element; null stays null. Meant for distinct values.

    Lower case; GUIDs, SIDs of accounts, user folders, long encoded runs, hexadecimal and decimal numbers are
    generalised. Values that are as a whole a short code or an address are kept.
    """
    lowered = pc.utf8_lower(pc.utf8_slice_codeunits(values, 0, LONGEST))
    keep = pc.or_(pc.match_substring_regex(lowered, _CODE), pc.match_substring_regex(lowered, _ADDRESS))
    general = lowered
    for pattern, replacement in _GENERAL:
        general = pc.replace_substring_regex(general, pattern, replacement)
    return pc.if_else(keep, lowered, pc.utf8_trim_whitespace(general))


def shape(value: str) -> str:
    """The shape of one value, for explanations and tests."""
    return str(shapes(pa.array([value], pa.string()))[0].as_py())

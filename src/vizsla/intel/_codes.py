"""The normal form of hashes, fingerprints, serial numbers, ids and names."""

from __future__ import annotations

import hashlib
import re

DIGITS = {
    "md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128,
    "imphash": 32, "authentihash": 64, "ja3": 32, "ja3s": 32, "hassh": 32,
}  # fmt: skip
BY_DIGITS = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
_HEX = re.compile(r"[0-9a-f]+")
_LABEL = re.compile(r"^(?:md5|sha-?(?:1|224|256|384|512)|imphash|authentihash|ja3s?|hassh)\s?[:=]\s?")
_SSDEEP = re.compile(r"\d{1,10}:[A-Za-z0-9+/]{0,128}:[A-Za-z0-9+/]{0,128}")
_TLSH = re.compile(r"(?:t1)?([0-9a-f]{70})")
_JA4 = re.compile(r"[tqd](?:\d\d|s\d)[di]\d{4}[a-z0-9]{2}_[0-9a-f]{12}_[0-9a-f]{12}")
_JA4S = re.compile(r"[tqd](?:\d\d|s\d)\d\d[a-z0-9]{2}_[0-9a-f]{4}_[0-9a-f]{12}")
_CVE = re.compile(r"CVE[-_ ‐‑–](\d{4})[-_ ‐‑–](\d{4,19})")
_ASN = re.compile(r"(?:AS|ASN)?\s?(\d{1,10})")
_SPACES = re.compile(r"\s+")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_LONGEST = 8_192


def digest(type: str, text: str) -> str:
    """Hexadecimal digits of the type's length, lower case; 'MD5=' before them is dropped."""
    value = _LABEL.sub("", text.strip().lower(), count=1)
    if len(value) != DIGITS[type] or not _HEX.fullmatch(value):
        raise ValueError(f"not {DIGITS[type]} hexadecimal digits")
    return value


def ssdeep(text: str) -> str:
    """A fuzzy hash, case kept: it is base 64."""
    found = _SSDEEP.match(text.strip())
    if found is None or found[0].count(":") != 2 or len(found[0]) < 8:
        raise ValueError("not a fuzzy hash: size:hash:hash")
    return found[0]


def tlsh(text: str) -> str:
    """A TLSH digest. Raises ValueError where it is none."""
    found = _TLSH.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError("not a TLSH: 70 hexadecimal digits")
    return "t1" + found[1]


def ja4(text: str) -> str:
    """A JA4 fingerprint of a TLS client. Raises ValueError where it is none."""
    value = text.strip().lower()
    if not _JA4.fullmatch(value):
        raise ValueError("not a JA4 fingerprint, as in t13d1516h2_8daaf6152771_02713d6af862")
    return value


def ja4s(text: str) -> str:
    """A JA4S fingerprint of a TLS server. Raises ValueError where it is none."""
    value = text.strip().lower()
    if not _JA4S.fullmatch(value):
        raise ValueError("not a JA4S fingerprint, as in t130200_1301_a56c5b993250")
    return value


def _joined_hex(text: str) -> str:
    value = text.strip().lower().removeprefix("0x").replace(":", "").replace(" ", "").replace("-", "")
    if not _HEX.fullmatch(value):
        raise ValueError("not hexadecimal digits")
    return value


def certificate_serial(text: str) -> str:
    """Hexadecimal digits, lower case, without colons and leading zeros."""
    value = _joined_hex(text).lstrip("0")
    if not 1 <= len(value) <= 64:
        raise ValueError("not a serial number: 1 to 64 hexadecimal digits")
    return value


def certificate_fingerprint(text: str) -> str:
    """Hexadecimal digits of an MD5, SHA-1 or SHA-256, lower case, without colons."""
    value = _joined_hex(_LABEL.sub("", text.strip().lower(), count=1))
    if len(value) not in (32, 40, 64):
        raise ValueError("not a fingerprint: 32, 40 or 64 hexadecimal digits")
    return value


def cve(text: str) -> str:
    """A CVE number in capitals. Raises ValueError where it is none."""
    found = _CVE.fullmatch(text.strip().upper())
    if found is None:
        raise ValueError("not a CVE's number, as in CVE-2021-44228")
    return f"CVE-{found[1]}-{found[2]}"


def asn(text: str) -> str:
    """'AS64496', of 'AS64496' or '64496'. Raises ValueError where it is none."""
    found = _ASN.fullmatch(text.strip().upper())
    if found is None or not 0 < int(found[1]) < 1 << 32:
        raise ValueError("not the number of an autonomous system, as in AS64496")
    return f"AS{int(found[1])}"


def words(text: str) -> str:
    """A name or a line of text: lower case, one space between words."""
    value = _SPACES.sub(" ", text.strip()).lower()
    if not value.strip(" *"):
        raise ValueError("nothing is left of it")
    if len(value) > _LONGEST:
        raise ValueError(f"longer than {_LONGEST} characters")
    return value


def account(text: str) -> str:
    """An account in lower case; '.\\' before it (this host) is dropped."""
    return words(words(text).removeprefix(".\\"))


def pattern(text: str) -> str:
    """A STIX pattern, as it is written."""
    value = text.strip()
    if not value:
        raise ValueError("an empty pattern")
    return value


def bitcoin(text: str) -> str:
    """A Bitcoin address whose checksum is right; base 58 keeps its case."""
    value = text.strip()
    if value.lower().startswith("bc1"):
        if value not in (value.lower(), value.upper()) or not _bech32(value.lower()):
            raise ValueError("not a Bitcoin address: its checksum is wrong")
        return value.lower()
    if not 25 <= len(value) <= 35 or any(char not in _BASE58 for char in value) or not _base58(value):
        raise ValueError("not a Bitcoin address: its checksum is wrong")
    return value


def _base58(value: str) -> bool:
    number = 0
    for char in value:
        number = number * 58 + _BASE58.index(char)
    if number >= 1 << 200:
        return False
    data = number.to_bytes(25, "big")
    check = hashlib.sha256(hashlib.sha256(data[:21]).digest()).digest()[:4]
    return data[0] in (0, 5) and data[21:] == check


def _bech32(value: str) -> bool:
    """BIP 173 and BIP 350: a checksum of either."""
    digits = value[3:]
    if not 8 <= len(digits) <= 87 or any(char not in _BECH32 for char in digits):
        return False
    check = 1
    for number in (3, 3, 0, 2, 3, *(_BECH32.index(char) for char in digits)):
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ number
        for bit, factor in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= factor if top >> bit & 1 else 0
    return check in (1, 0x2BC830A3)

"""Text from logs, made safe to show. Event text is data: on no face may it act as markup, escape code or formula.

`visible` shows what cannot be seen; `mask_credentials` hides what must not be; `csv_cell` disarms spreadsheets.
HTML is escaped by the templates' own autoescape, and by nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Characters that draw nothing, or a blank, though Unicode counts them as letters, marks or symbols.
_HIDDEN = frozenset(
    (
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, 0x13440),
        *range(0x180B, 0x1810),
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    )
)
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_PLAIN = re.compile(r"[ -~]*")
_MAX_MARKS = 3  # combining marks stacked on one letter: more than this paints over the lines around it
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
MASK = "********"


def hidden(char: str) -> bool:
    """Whether a character cannot be seen, or moves what can be: control, format, bidirectional, blank but for space."""
    if " " <= char <= "~":
        return False
    category = unicodedata.category(char)
    return category in _HIDDEN_CATEGORIES or category == "Zs" or ord(char) in _HIDDEN


def visible(text: str) -> str:
    r"""`text` with every character that cannot be seen, or that moves what can be, written as an escape.

    Control characters (ESC among them) become `\x1b`; line breaks `\n`; bidirectional, zero-width, private,
    unassigned and other format characters `\u202e` or `\U000e0041`; so do marks stacked higher than any script
    needs. The result is one line of printable text. Backslashes stay as they are: Windows paths are full of them.
    """
    if _PLAIN.fullmatch(text):
        return text
    parts: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        parts.append(_escaped(char) if hidden(char) or marks > _MAX_MARKS else char)
    return "".join(parts)


def _escaped(char: str) -> str:
    named = _NAMED.get(char)
    if named:
        return named
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def csv_cell(text: str) -> str:
    """`text` as a spreadsheet may show it: visible, and never a formula (a leading `'` says so to Excel and Calc)."""
    shown = visible(text)
    if text.lstrip().startswith(_FORMULA) or text.startswith(_FORMULA):
        return "'" + shown
    return shown


def shortened(text: str, width: int) -> str:
    """`text` in `width` characters at most, the middle left out: both ends of a path or command line tell."""
    if len(text) <= width:
        return text
    if width <= 1:
        return "…"[:width]
    head = (width - 1) * 2 // 3
    tail = width - 1 - head
    return text[:head] + "…" + (text[-tail:] if tail else "")


_QUOTED = r"""(?:\\"(?:[^"\\]|\\(?!"))*\\"|"(?:[^"\\]|\\.)*"?|'[^']*'?)"""
_VALUE = rf"(?:{_QUOTED}|[^\s\"',;&<>)]+)"
_WORD = r"(?:\"[^\"]{0,300}\"|[^\s\"]{1,300})"
_TELLING_NAME = (
    r"(?:[a-z0-9_.\-]{0,40}(?:password|passwd|passphrase|pwd|secret|api[_\-]?key|access[_\-]?key|account[_\-]?key|"
    r"private[_\-]?key|auth[_\-]?token|access[_\-]?token|refresh[_\-]?token|session[_\-]?token|client[_\-]?secret|"
    r"sas[_\-]?token|connectionstring|credentials?)|token|pass|sig|signature)"
)


_RUN, _PIPED = r"[^|&\r\n]{0,500}?", r"[^|\r\n]{0,500}?"
_NET = r"\bnet1?(?:\.exe)?\"?\s+"
_HASHES = r"(?:ntlm|rc4|aes128|aes256|krbtgt|hashes|nthash|hash|password)"
_TOOLS = (
    *("psexec", "paexec", "psloglist", "psservice", "pskill", "sshpass", "plink", "pscp", "psftp", "putty", "sqlcmd"),
    *("osql", "bcp", "mysql", "wmic", "winrs", "winexe", "crackmapexec", "nxc", "netexec", "smbmap", "evil-winrm"),
    *("hydra", "medusa", "rdesktop", "7z", "rar", "kerbrute", "rubeus", "curl", "mongo", "redis-cli", "bitsadmin"),
)
_TOOL = r"\b(?:win)?(?:" + "|".join(_TOOLS) + r")(?:64|a|dump|admin|sh)?(?:\.exe|\.py)?\"?\s"
_GLUED = ("sshpass", "mysql", "7z", "rar")
_IMPACKET = (
    *("psexec", "wmiexec", "smbexec", "atexec", "dcomexec", "secretsdump", "gettgt", "getst", "getuserspns"),
    "mssqlclient",
)
_FLAGS = r"(?:-\S{1,200}\s+){0,10}"
_SCHEMES = r"(?:(?:basic|bearer|negotiate|ntlm|token|digest)\s+)?"
_NAMES = ("pass", "pwd", "secret", "key", "token", "credential", "connectionstring", "sig")

# How secrets are written: texts of which one must be there at all, and the pattern with what stays before (`keep`)
# and the `secret`. The texts come first since most events hold none of them, and patterns cost.
_SECRETS: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = tuple(
    (hints, re.compile(f"(?P<keep>{keep})(?P<secret>{secret})", re.IGNORECASE))
    for hints, keep, secret in (
        # name=value and name: value, in command lines, URLs, JSON and connection strings
        (_NAMES, rf"(?<![\w%])[\"']?{_TELLING_NAME}[\"']?\s{{0,20}}(?:=|:(?!\\|//))\s*", _VALUE),
        # --password value, /password value, -Password value (PowerShell), --token value
        (_NAMES, rf"(?<!\S)(?:--?|/){_TELLING_NAME}(?:\s+|[=:])", rf"(?!--?\w|/\w){_VALUE}"),
        # /p:value, /pw:value, /rp:value
        (("p:", "pw:", "pwd:", "pass:"), r"(?<!\S)[/\-](?:p|pw|pwd|pass|rp):", _VALUE),
        (("schtasks",), rf"\bschtasks(?:\.exe)?\b{_RUN}\s/r?p\s+", rf"(?!/){_VALUE}"),
        # tools whose -p, -P or /p takes a password, apart or glued to it
        (_TOOLS, rf"{_TOOL}(?:{_PIPED}\s)??(?:-pw|-hp|-p|/p|-a)[\s:=]+", rf"(?!-\w\b|/\w\b){_VALUE}"),
        (_GLUED, rf"\b(?:win)?(?:{'|'.join(_GLUED)})(?:a|dump|admin)?(?:\.exe)?\"?\s(?:{_PIPED}\s)??-h?p", _VALUE),
        # net use … /user:name SECRET; net use \\host\share SECRET /user:…; net user name SECRET /add
        (("net",), rf"{_NET}use\s{_RUN}/u(?:ser)?:{_WORD}\s+", rf"(?!/)(?!\*){_VALUE}"),
        (("net",), rf"{_NET}use\s+(?:(?:[a-z]:|\*)\s+)?\\\\\S{{1,300}}\s+", rf"(?!/)(?!\*(?:\s|$)){_VALUE}"),
        (("net",), rf"{_NET}user\s+{_WORD}\s+", rf"(?!/)(?!\*(?:\s|$)){_VALUE}"),
        (("cmdkey",), rf"\bcmdkey(?:\.exe)?\b{_RUN}/pass(?:word)?:", _VALUE),
        # mimikatz, rubeus and impacket: keys and hashes on the way in, and as they print them
        (("::",), rf"\b(?:sekurlsa|lsadump|kerberos)::\S{{0,40}}{_RUN}/{_HASHES}:", r"[^\s\"'/]+"),
        (("ntlm", "rc4", "aes", "krbtgt", "hash"), rf"(?<!\S)[/\-]{{1,2}}{_HASHES}[\s:=]+", _VALUE),
        (("ntlm", "sha1", "lm", "dpapi"), r"\b(?:NTLM|SHA1|LM|DPAPI)\s{0,20}:\s", r"[0-9a-f]{32,40}\b"),
        ((":",), r"\b[\w.\-]{1,100}:\d{1,12}:", r"[0-9a-f]{32}:[0-9a-f]{32}"),
        (_IMPACKET, rf"\b(?:{'|'.join(_IMPACKET)})\.py\s+{_FLAGS}[\"']?(?:[\w.\-]{{1,100}}/)?[\w.\-$]{{1,200}}:",
         r"[^@\s]{1,400}(?=@)"),
        # URLs: user:secret@host; HTTP headers; curl
        (("://",), r"\b[a-z][a-z0-9+.\-]{0,30}://[^\s/:@\"']{0,200}:", r"[^\s@\"']{1,400}(?=@)"),
        (("authorization",), rf"\bauthorization[\"']?\s{{0,20}}[:=]\s{{0,20}}[\"']?{_SCHEMES}", r"[^\s\"']+"),
        (("basic", "bearer"), r"\b(?:basic|bearer)\s+", r"[a-z0-9+/_\-.=]{12,}"),
        (("curl", "wget"),
         rf"\b(?:curl|wget)(?:\.exe)?\b{_PIPED}\s(?:-u|--user|--proxy-user)[\s=]+[\"']?[^\s:\"']{{1,200}}:",
         r"[^\s\"']+"),
        (("securestring",), r"\bConvertTo-SecureString\s+(?:-String\s+)?", rf"(?!-){_VALUE}"),
    )
)  # fmt: skip
# Secrets that are known by their own shape.
_SHAPES: tuple[re.Pattern[str], ...] = (
    re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b"),
    re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}|glpat-[A-Za-z0-9_\-]{20,})"),
    re.compile(r"\bxox[abprs]-[A-Za-z0-9\-]{10,}"),
    re.compile(r"\beyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*"),
    re.compile(r"\bsk-[A-Za-z0-9_\-]{20,}"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL),
)


def mask_credentials(text: str) -> str:
    """`text` with passwords, tokens, hashes and keys replaced by asterisks, whatever their length.

    Works by the forms in which command lines, URLs and tools write secrets; a secret in a form that nobody
    writes down here passes, so masking is a courtesy to those who share a report, not a guarantee.
    """
    return _remembered(text) if len(text) <= _REMEMBERED else _mask(text)


def _mask(text: str) -> str:
    for shape in _SHAPES:
        text = shape.sub(MASK, text)
    lower = text.lower()
    for hints, pattern in _SECRETS:
        if any(hint in lower for hint in hints):
            text = pattern.sub(_masked, text)
    return text


_REMEMBERED = 1000  # characters: the same paths and command lines come again and again
_remembered = lru_cache(maxsize=20_000)(_mask)


def _masked(match: re.Match[str]) -> str:
    secret = match.group("secret")
    quote = secret[0] if secret[:1] in ("'", '"') else ""
    closing = quote if len(secret) > 1 and quote and secret.endswith(quote) else ""
    return f"{match.group('keep')}{quote}{MASK}{closing}"

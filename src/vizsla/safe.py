"""Text from logs, made safe to show. Event text is data: on no face may it act as markup, escape code or formula.

`visible` shows what cannot be seen; `mask_credentials` hides what must not be; `csv_cell` disarms spreadsheets.
HTML is escaped by the templates' own autoescape, and by nothing else.
"""

from __future__ import annotations

import re
import unicodedata

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


def _rule(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


# Each pattern has groups `keep` (what stays before the secret) and `secret`.
_SECRETS: tuple[re.Pattern[str], ...] = tuple(
    _rule(p)
    for p in (
        # name=value and name: value, in command lines, URLs, JSON and connection strings
        rf"(?P<keep>(?<![\w%])[\"']?{_TELLING_NAME}[\"']?\s*(?:=|:(?!\\|//))\s*)(?P<secret>{_VALUE})",
        # --password value, /password value, -Password value (PowerShell), --token value
        rf"(?P<keep>(?<!\S)(?:--?|/){_TELLING_NAME}(?:\s+|[=:]))(?P<secret>(?!--?\w|/\w){_VALUE})",
        # /p:value /pw:value /rp value (rar, schtasks, xfreerdp, psexec-likes)
        rf"(?P<keep>(?<!\S)[/\-](?:p|pw|pwd|pass|rp):)(?P<secret>{_VALUE})",
        rf"(?P<keep>\bschtasks(?:\.exe)?\b[^|&\r\n]{{0,500}}?\s/r?p\s+)(?P<secret>(?!/){_VALUE})",
        # tools whose -p, -P or /p takes a password
        r"(?P<keep>\b(?:psexec(?:64)?|paexec|psloglist|psservice|pskill|sshpass|plink|pscp|psftp|putty|sqlcmd|osql|bcp|"
        r"mysql(?:dump|admin)?|wmic|winrs|winexe|crackmapexec|nxc|netexec|smbmap|evil-winrm|hydra|medusa|rdesktop|"
        r"7z|7za|rar|winrar|kerbrute|rubeus|curl|mongo(?:sh|dump)?|redis-cli|bitsadmin)(?:\.exe|\.py)?\"?\s"
        rf"(?:[^|\r\n]{{0,500}}?\s)??(?:-p|-pw|/p|-a|-hp|/password:?|-password)[\s:=]*)(?P<secret>(?<=[\s:=])(?!-\w\b|/\w\b){_VALUE})",
        rf"(?P<keep>\b(?:sshpass|mysql(?:dump|admin)?|7za?|rar|winrar)(?:\.exe)?\"?\s(?:[^|\r\n]{{0,500}}?\s)??-h?p)(?P<secret>{_VALUE})",
        # net use \\host\share SECRET /user:…  ·  net use … /user:name SECRET
        rf"(?P<keep>\bnet1?(?:\.exe)?\"?\s+use\s[^|&\r\n]{{0,500}}?/u(?:ser)?:{_WORD}\s+)(?P<secret>(?!/)(?!\*){_VALUE})",
        rf"(?P<keep>\bnet1?(?:\.exe)?\"?\s+use\s+(?:(?:[a-z]:|\*)\s+)?\\\\\S{{1,300}}\s+)(?P<secret>(?!/)(?!\*(?:\s|$)){_VALUE})",
        # net user name SECRET /add
        rf"(?P<keep>\bnet1?(?:\.exe)?\"?\s+user\s+{_WORD}\s+)(?P<secret>(?!/)(?!\*(?:\s|$)){_VALUE})",
        # runas, cmdkey, mimikatz and impacket
        rf"(?P<keep>\bcmdkey(?:\.exe)?\b[^|&\r\n]{{0,500}}?/pass(?:word)?:)(?P<secret>{_VALUE})",
        r"(?P<keep>(?:\bsekurlsa::\S{0,40}|\blsadump::\S{0,40}|\bkerberos::\S{0,40})[^|&\r\n]{0,500}?/(?:ntlm|rc4|aes128|aes256|krbtgt|password|hash):)"
        r"(?P<secret>[^\s\"'/]+)",
        rf"(?P<keep>(?<!\S)[/\-]{{1,2}}(?:ntlm|rc4|aes128|aes256|krbtgt|hashes|nthash)[\s:=]+)(?P<secret>{_VALUE})",
        r"(?P<keep>\b(?:NTLM|SHA1|LM|DPAPI)\s*:\s)(?P<secret>[0-9a-f]{32,40}\b)",
        r"(?P<keep>\b[\w.\-]{1,100}:\d{1,12}:)(?P<secret>[0-9a-f]{32}:[0-9a-f]{32})",
        r"(?P<keep>\b(?:psexec|wmiexec|smbexec|atexec|dcomexec|secretsdump|getTGT|getST|GetUserSPNs|mssqlclient)\.py\s+(?:-\S{1,200}\s+){0,10}"
        r"[\"']?(?:[\w.\-]+/)?[\w.\-$]{1,200}:)(?P<secret>[^@\s]{1,400}(?=@))",
        # URLs: user:secret@host; HTTP headers
        r"(?P<keep>\b[a-z][a-z0-9+.\-]{0,30}://[^\s/:@\"']{0,200}:)(?P<secret>[^\s@\"']{1,400}(?=@))",
        r"(?P<keep>\bauthorization[\"']?\s*[:=]\s*[\"']?(?:(?:basic|bearer|negotiate|ntlm|token|digest)\s+)?)(?P<secret>[^\s\"']+)",
        r"(?P<keep>\b(?:basic|bearer)\s+)(?P<secret>[a-z0-9+/_\-.=]{12,})",
        r"(?P<keep>\b(?:curl|wget)(?:\.exe)?\b[^|\r\n]{0,500}?\s(?:-u|--user|--proxy-user)[\s=]+[\"']?[^\s:\"']{1,200}:)(?P<secret>[^\s\"']+)",
        r"(?P<keep>\bConvertTo-SecureString\s+(?:-String\s+)?)(?P<secret>(?!-)" + _VALUE + ")",
    )
)
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
    for shape in _SHAPES:
        text = shape.sub(MASK, text)
    for rule in _SECRETS:
        text = rule.sub(_masked, text)
    return text


def _masked(match: re.Match[str]) -> str:
    secret = match.group("secret")
    quote = secret[0] if secret[:1] in ("'", '"') else ""
    closing = quote if len(secret) > 1 and quote and secret.endswith(quote) else ""
    return f"{match.group('keep')}{quote}{MASK}{closing}"

"""What indicators look like. Every pattern is linear: possessive, or with bounded parts that begin at a boundary."""

from __future__ import annotations

import re

from vizsla.intel._defused import AT, DOT, SCHEME, D

_STOP = r"\s<>\"`|\\^{}\[\]“”„«»‘’，。）（、；\ue00f"
_HOLE = r"\\?~?<[A-Za-z_ ]{1,40}>"  # 'gate/<VICTIM_ID>/x'
NAME = rf"[\w\-]++(?:{D}[\w\-]++)++"

URL = re.compile(
    rf"(?P<mark>{SCHEME}?)(?<![A-Za-z0-9])(?P<scheme>https?|ftps?|sftp|tcp|udp|wss?|dns|smb|ldaps?|rtmp|socks[45]?|irc|"
    rf"telnet|ssh)://(?P<rest>(?:\[[0-9A-Fa-f:.]{{2,45}}\])?(?:[^{_STOP}]++|{_HOLE})++)",
    re.IGNORECASE,
)
LINK = re.compile(
    r"\]\((?P<md>[^()\s]{1,2000}(?:\([^()\s]{0,200}\)[^()\s]{0,500})?)(?:\s+\"[^\"\n]{0,300}\")?\)"
    r"|(?<!\w)(?:link|image|include|xref|mailto)::?(?P<adoc>[^\s\[\]]{1,2000})\["
)
EMAIL = re.compile(rf"(?<![\w.+\-{AT}])(?P<local>[A-Za-z0-9][\w.+\-%{DOT}]{{0,63}}+)[@{AT}](?P<host>{NAME})")
SITED = re.compile(
    rf"(?<![\w.@\-/\\%$#{DOT}{AT}\ue00f])(?P<host>{NAME})(?P<port>:\d{{1,5}})?"
    rf"(?P<rest>/(?:[^{_STOP}]++|{_HOLE})*+)"
)
IPV4 = re.compile(
    rf"(?<![\w.\-{DOT}])(?P<address>\d{{1,3}}{D}\d{{1,3}}{D}\d{{1,3}}{D}\d{{1,3}})(?![\w]|{D}\w)"
    rf"(?:/(?P<prefix>\d{{1,2}})(?![\w/]|\.\d))?"
)
IPV6 = re.compile(r"(?<![\w:.\-])(?P<address>[0-9A-Fa-f:]{4,39}+)(?:/(?P<prefix>\d{1,3}))?(?![\w:])")
HOST = re.compile(rf"(?<![\w@\-/\\%${DOT}{AT}\ue00f.])(?P<host>{NAME})")

REGISTRY = re.compile(
    r"(?<![\w\\])(?:HKEY_(?:LOCAL_MACHINE|CURRENT_USER|USERS|CLASSES_ROOT|CURRENT_CONFIG)|HK(?:LM|CU|CR|CC|U)):?\\",
    re.IGNORECASE,
)
PIPE = re.compile(
    r"(?<![\w\\])(?:\\\\[\w.\-]{1,64}\\pipe\\|\\Device\\NamedPipe\\)[^\s\"'`<>|,;)]{1,256}+", re.IGNORECASE
)
PATH = re.compile(
    r"(?<![\w\\/:.])(?:[A-Za-z]:\\|%[A-Za-z_()0-9]{3,40}%\\|(?:CSIDL_[A-Z_]{3,40}|\[[A-Z]{3,20}\])\\|\\\\[\w.$\-]{2,64}\\"
    r"|~/|\$HOME/|/(?:etc|usr|var|tmp|opt|home|bin|sbin|root|dev|lib|lib64|proc|boot|mnt|media|srv|run|private|Users|"
    r"Library|Applications|System|Volumes|data|sdcard|storage)/)"
)
PATH_REST = re.compile(r"[^\s\"'`<>|,;*?\ue00f“”]{1,512}+")
PATH_SPACED = re.compile(
    r" (?=(?:Files(?: \(x86\))?|and Settings|Data|Menu|Settings|Folders?|Support|Documents|Users?|Update|Studio|"
    r"Defender|Player|Explorer|Manager|Media|Common|Office|NT|Files)\b[^\"'`<>|*?:\n]{0,200}\\|\(x86\)\\)"
)
QUOTED = re.compile(r"`([^`\n]{2,400})`|“([^”\n]{2,400})”|\"([^\"\n]{2,400})\"|(?<!\w)'([^'\n]{2,400})'(?!\w)")

HASH = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{128}|[0-9A-Fa-f]{96}|[0-9A-Fa-f]{64}|[0-9A-Fa-f]{56}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{32})(?![0-9A-Za-z])"
)
TLSH = re.compile(r"(?<![0-9A-Za-z])T1[0-9A-Fa-f]{70}(?![0-9A-Za-z])", re.IGNORECASE)
SSDEEP = re.compile(r"(?<![\w:])\d{1,10}:[A-Za-z0-9+/]{6,128}:[A-Za-z0-9+/]{4,128}(?![\w:])")
JA4 = re.compile(
    r"(?<![0-9A-Za-z])[tqd](?:\d\d|s\d)(?:[di]\d{4}[a-z0-9]{2}_[0-9a-f]{12}|\d\d[a-z0-9]{2}_[0-9a-f]{4})_[0-9a-f]{12}(?![0-9A-Za-z])"
)
COLONS = re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{2}:){7,31}[0-9A-Fa-f]{2}(?![\w:])")
SERIAL = re.compile(
    r"\bserial(?: ?(?:number|no\.?|#))?\W{0,8}(?:\d{10,50} \()?(?P<value>0x[0-9A-Fa-f]{8,64}|"
    r"(?:[0-9A-Fa-f]{2}[: ]){7,31}[0-9A-Fa-f]{2}|"
    r"[0-9A-Fa-f]{16,64})(?![0-9A-Za-z])",
    re.IGNORECASE,
)
CVE = re.compile(r"(?<![A-Za-z0-9])CVE[-_ ‐‑–]\d{4}[-_ ‐‑–]\d{4,19}(?!\d)", re.IGNORECASE)
ASN = re.compile(r"(?<![A-Za-z0-9])AS(?:N ?)?\d{2,10}(?![\w\-]|\.\d)")
BITCOIN = re.compile(r"(?<![0-9A-Za-z])(?:bc1[a-z0-9]{25,62}|[13][1-9A-HJ-NP-Za-km-z]{24,34})(?![0-9A-Za-z])")
AGENT = re.compile(
    r"(?:(?<=user-agent: )|(?<=user-agent:)|(?<=user agent: ))[^\"`|\n]{4,400}|Mozilla/\d\.\d \([^\"`|\n]{4,400}",
    re.IGNORECASE,
)
GLOBAL = re.compile(r"(?<![\w\\])(?:Global|Local)\\[^\s\"'`<>|,;]{3,256}")

VERSION_BEFORE = re.compile(
    r"(?:\bversions?|\bver\.?|\bv\.?|\bbuilds?|\brelease|\bfirmware|\bupdate|\brev\.?|"
    r"\d to|\d and|\bbefore|\bOID)[:\s]{0,3}$|[<>=~!]=?\s?$",
    re.I,
)
KEY_BEFORE = re.compile(
    r"\b(?P<what>imp ?hash|authenti ?hash|ja3s|ja3|hassh|thumbprint|fingerprint|certificate|"
    r"commit|uuid|guid|clsid|nonce|iv|salt|"
    r"(?:aes|rc4|rc6|xor|des|3des|encryption|decryption|session|api|secret|shared|private|public|"
    r"hardcoded|hard-coded) ?key|key|"
    r"password|token|transaction|txid|md5|sha-?(?:1|224|256|384|512))\b[^0-9]{0,24}$",
    re.IGNORECASE,
)
LABELS = (
    (re.compile(r"\bmute(?:x|xes|ces)\b|\bmutants?\b|\bsemaphores?\b", re.I), "mutex"),
    (re.compile(r"\b(?:named )?pipes?\b", re.I), "pipe"),
    (re.compile(r"\bimp ?hash", re.I), "imphash"),
    (re.compile(r"\bauthenti ?hash", re.I), "authentihash"),
    (re.compile(r"\bja3s\b", re.I), "ja3s"),
    (re.compile(r"\bja3\b", re.I), "ja3"),
    (re.compile(r"\bhassh\b", re.I), "hassh"),
    (re.compile(r"\bserial\b", re.I), "certificate_serial"),
    (re.compile(r"\bthumbprint|\bfingerprint", re.I), "certificate_fingerprint"),
    (re.compile(r"\buser[- ]?agents?\b", re.I), "user_agent"),
)
PUBLISHED = re.compile(
    r"\b(?:blog ?posts?|blog|white ?papers?|papers?|reports?|published|publication|available|see|read|"
    r"more (?:info\w*|details)|"
    r"described|document(?:ed|ation)?|references?|repository|github|presentation|articles?|tweets?|press|advisory|"
    r"according|source|credits?|licen[cs]e\w*|wiki\w*|summar\w+|analysis|investigation\w*|research\w*|visit|contact us|"
    r"follow|download(?:ed)? from our|learn|e-?mail us|feedback|questions|found (?:here|at|on))\b",
    re.IGNORECASE,
)
LINKING = re.compile(
    r"(?:\b(?:href|src)=[\"']?|"
    r":target:\s|::\s|\.\. _[^:\n]{1,30}:\s|^\[[^\]\n]{1,30}\]:\s)$",
    re.IGNORECASE,
)
"""What stands before the target of a link or a picture."""
BYSTANDERS = re.compile(
    r"\b(?:targeted|targets|targeting|victims?|legitimate|benign|white-?list(?:ed)?|allow-?list(?:ed)?|excluded)\b",
    re.I,
)
"""A heading or column of what is not the attacker's."""
INNOCENT = re.compile(
    r"\b(?:legitimate|benign|clean|official|genuine|vendor's) (?:and \w+ )?(?:domains?|web ?sites?|sites?|servers?|"
    r"services?|urls?|address(?:es)?|web ?pages?)\W{0,4}$",
    re.IGNORECASE,
)
"""What stands before a name that is said to be nobody's weapon, defused or not."""

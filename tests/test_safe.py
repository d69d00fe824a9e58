"""Text from logs, made safe to show."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces.sample import HOSTILE
from vizsla.safe import MASK, csv_cell, hidden, mask_credentials, shortened, visible

ANY_TEXT = st.text(st.characters(codec=None), max_size=200)  # lone surrogates too
BIDI = [chr(c) for c in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)]
INVISIBLE = [chr(c) for c in (0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x00AD, 0x180E, 0x3164, 0x2800, 0xE0041, 0xFE0F)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"C:\Windows\new\x.exe", r"C:\Windows\new\x.exe"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b31m", r"\x9b31m"),
        ("a\nb\r\n\tc", r"a\nb\r\n\tc"),
        ("invoice\u202egpj.exe", r"invoice\u202egpj.exe"),
        ("a\u200bb", r"a\u200bb"),
        ("\U000e0041", r"\U000e0041"),
        ("\ud800", r"\ud800"),
        ("\x00\x7f", r"\x00\x7f"),
        ("a\u00a0b", r"a\xa0b"),
        ("Müller 東京 Ω", "Müller 東京 Ω"),
        ("e\u0301", "e\u0301"),
        ("", ""),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(ANY_TEXT)
def test_visible_holds_nothing_that_cannot_be_seen(text: str) -> None:
    shown = visible(text)
    for char in shown:
        assert unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
        assert not hidden(char)
    assert "\n" not in shown
    shown.encode("utf-8")
    assert visible(shown) == shown


@pytest.mark.parametrize("char", BIDI + INVISIBLE)
def test_every_known_trick_is_escaped(char: str) -> None:
    assert char not in visible(f"a{char}b")


def test_marks_cannot_be_stacked_over_the_lines_around() -> None:
    assert visible("a" + "\u0301" * 50).count("\u0301") <= 3


@given(ANY_TEXT)
def test_a_csv_cell_is_never_a_formula(text: str) -> None:
    cell = csv_cell(text)
    assert not cell.lstrip().startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"))
    assert "\n" not in cell


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1", "\u200b=1"])
def test_formulas_are_disarmed(text: str) -> None:
    assert csv_cell(text).startswith(("'", "\\u200b", "\\n"))


def test_a_harmless_csv_cell_stays_as_it_is() -> None:
    assert csv_cell("C:\\x.exe -a") == "C:\\x.exe -a"


@given(ANY_TEXT, st.integers(0, 50))
def test_shortened_fits(text: str, width: int) -> None:
    short = shortened(text, width)
    assert len(short) <= width
    assert short == text or len(text) > width


SECRETS = [
    ("net use \\\\dc01\\c$ Sommer2020! /user:corp\\admin", "Sommer2020!"),
    ("net use Z: \\\\dc01\\c$ /user:corp\\admin Sommer2020!", "Sommer2020!"),
    ("net.exe user backdoor Sommer2020! /add", "Sommer2020!"),
    ('wmic /node:"FILE01" /user:"x" /password:"Sommer 2020!" process call create calc', "Sommer 2020!"),
    ("psexec.exe \\\\FILE01 -u corp\\admin -p Sommer2020! cmd", "Sommer2020!"),
    ("PsExec64.exe -accepteula \\\\FILE01 -u admin -p Sommer2020! -s cmd", "Sommer2020!"),
    ("schtasks /create /s FILE01 /u admin /p Sommer2020! /tn x", "Sommer2020!"),
    ("schtasks /create /tn x /ru admin /rp Sommer2020! /tr calc", "Sommer2020!"),
    ("cmdkey /add:FILE01 /user:admin /pass:Sommer2020!", "Sommer2020!"),
    ("xfreerdp /v:FILE01 /u:admin /p:Sommer2020!", "Sommer2020!"),
    ("mysql -u root -pSommer2020! db", "Sommer2020!"),
    ("sshpass -p Sommer2020! ssh root@x", "Sommer2020!"),
    ("curl -u admin:Sommer2020! https://x", "Sommer2020!"),
    ("curl https://admin:Sommer2020!@example.com/x", "Sommer2020!"),
    ("ftp://bob:Sommer2020!@files", "Sommer2020!"),
    ("app.exe --password=Sommer2020!", "Sommer2020!"),
    ("app.exe --password Sommer2020!", "Sommer2020!"),
    ("app.exe -Password 'Sommer2020!'", "Sommer2020!"),
    ("Server=x;User Id=sa;Password=Sommer2020!;", "Sommer2020!"),
    ('{"client_secret": "Sommer2020!"}', "Sommer2020!"),
    ("DB_PASSWORD=Sommer2020! ./run", "Sommer2020!"),
    ("https://x/?sig=Sommer2020%21&a=b", "Sommer2020%21"),
    ("Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
    ("Authorization: Bearer abcdef0123456789", "abcdef0123456789"),
    ("sekurlsa::pth /user:admin /ntlm:cc36cf7a8514893efccd332446158b1a", "cc36cf7a8514893efccd332446158b1a"),
    ("  * NTLM     : cc36cf7a8514893efccd332446158b1a", "cc36cf7a8514893efccd332446158b1a"),
    ("  * Password : Sommer2020!", "Sommer2020!"),
    ("Administrator:500:aad3b435b51404eeaad3b435b51404ee:cc36cf7a8514893efccd332446158b1a:::",
     "aad3b435b51404eeaad3b435b51404ee:cc36cf7a8514893efccd332446158b1a"),
    ("wmiexec.py corp/admin:Sommer2020!@10.0.0.5", "Sommer2020!"),
    ("secretsdump.py -hashes aad3b435b51404ee:cc36cf7a corp/admin@dc", "aad3b435b51404ee:cc36cf7a"),
    ("Rubeus.exe asktgt /user:x /rc4:cc36cf7a8514893efccd332446158b1a", "cc36cf7a8514893efccd332446158b1a"),
    ("aws configure AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
    ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("git clone ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
    ("ConvertTo-SecureString 'Sommer2020!' -AsPlainText -Force", "Sommer2020!"),
    ("ConvertTo-SecureString -String Sommer2020! -AsPlainText", "Sommer2020!"),
    ("rar a -hpSommer2020! out.rar x", "Sommer2020!"),
    ("7z a -pSommer2020! out.7z x", "Sommer2020!"),
    ("sqlcmd -S x -U sa -P Sommer2020! -Q q", "Sommer2020!"),
    ("runas /user:x cmd & echo password: Sommer2020!", "Sommer2020!"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_credentials_are_masked(text: str, secret: str) -> None:
    masked = mask_credentials(text)
    assert secret not in masked
    assert MASK in masked
    assert text.split()[0].split(":")[0].split("=")[0] in masked  # the command itself stays


HARMLESS = [
    r"C:\Windows\System32\svchost.exe -k netsvcs -p -s Schedule",
    r"C:\Windows\system32\wbem\WMIC.exe process list",
    "net use",
    "net use * /delete",
    "net user administrator",
    "net user /domain",
    "powershell.exe -NoProfile -ExecutionPolicy Bypass -File C:\\x.ps1",
    "schtasks /query /fo list",
    "ping -n 5 10.0.0.1",
    "https://example.com:8443/path",
    "passwords.txt",
    "C:\\Users\\pass\\x.exe",
    "notepad.exe C:\\tokens.txt",
    "mkdir -p /tmp/x",
    "reg query HKLM\\SAM",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_credential_stays(text: str) -> None:
    assert mask_credentials(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "a" * 100_000,
        "password" * 12_000,
        "net use " * 12_000,
        "curl -u " * 12_000,
        "schtasks /p " * 8_000,
        '"' * 100_000,
        "psexec -p " * 10_000,
        "a:" * 50_000,
        "a://b:" * 16_000,
        "\\\\ " * 30_000,
        "=-" * 50_000,
    ],
)
def test_masking_hostile_text_takes_no_minutes(text: str) -> None:
    begun = time.process_time()
    mask_credentials(text)
    assert time.process_time() - begun < 5


@given(ANY_TEXT)
def test_masking_never_fails(text: str) -> None:
    mask_credentials(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_the_hostile_samples_are_hostile_until_shown(text: str) -> None:
    shown = visible(text)
    assert not any(hidden(c) for c in shown)

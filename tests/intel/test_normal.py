"""Normal forms: two ways to write one thing are equal, and what is no such thing is refused."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizsla.intel.normal import TYPES, guess, normal, normals, refang, settled
from vizsla.intel.suffix import known_tld, public_suffix, registrable

SAME = [
    ("ipv4", "192.0.2.1", ["192.0.2.1", " 192[.]0[.]2[.]1", "::ffff:192.0.2.1", "192.0.2(dot)1", "192.0.2[.1"]),
    ("ipv6", "2001:db8::1", ["2001:DB8:0:0::1", "[2001:db8::1]", "2001:db8::1%eth0"]),
    ("cidr", "192.0.2.0/24", ["192.0.2.7/24", "::ffff:192.0.2.0/120", "192.0.2[.]0/24"]),
    ("domain", "evil.example.com", ["Evil.Example.COM.", "evil[.]example[.]com", "*.evil.example.com"]),
    ("domain", "xn--bcher-kva.de", ["Bücher.de", "BÜCHER。de", "XN--bcher-kva.DE"]),
    ("domain", "_dmarc.a_b.org", ["_DMARC.a_b.org"]),
    ("url", "http://evil.com/a~b%2F?x=1", ["hxxp://Evil[.]com:80/a%7eb%2f?x=1#top", "HTTP://evil.com:080/a~b%2F?x=1"]),
    ("url", "https://u:p@a.example:8443/", ["HTTPS://u:p@A.example:8443", "hxxps[:]//u:p@a[.]example:8443/"]),
    ("url", "*://evil.com/gate.php", ["evil.com/gate.php", "evil[.]com/gate.php"]),
    ("url", "http://[2001:db8::1]:81/x", ["http://[2001:DB8:0::1]:81/x"]),
    ("url", "http://a.de/%C3%BC", ["http://a.de/ü", "http://a.de/%c3%bc"]),
    ("email", "ada@example.org", ["Ada@Example.org", "mailto:ada@example.org", "Ada L <ada[at]example[.]org>"]),
    ("md5", "d41d8cd98f00b204e9800998ecf8427e", ["MD5=D41D8CD98F00B204E9800998ECF8427E"]),
    ("ssdeep", "3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhxLsr2C", ['3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhxLsr2C,"a.exe"']),
    ("file_name", "evil.exe", ["Evil.EXE", '"evil.exe"', " evil.exe"]),
    (
        "file_path",
        r"%userprofile%\appdata\roaming\x.exe",
        [
            r"C:\Users\ada\AppData\Roaming\X.exe",
            r"%APPDATA%\x.exe",
            "c:/users/bob/appdata/roaming/x.exe",
            r"%UserProfile%\Application Data\x.exe",
            r"C:\Documents and Settings\Ada\Application Data\x.exe",
            r"\\?\C:\Users\ada\AppData\Roaming\x.exe",
            r"\Device\HarddiskVolume3\Users\ada\AppData\Roaming\x.exe",
            r"%HOMEDRIVE%%HOMEPATH%\AppData\Roaming\x.exe",
        ],
    ),
    ("file_path", r"c:\windows\system32\x.dll", [r"%SystemRoot%\System32\x.dll", r"\SystemRoot\System32\x.dll"]),
    ("file_path", r"c:\programdata\x", [r"%ALLUSERSPROFILE%\x", r"C:\Documents and Settings\All Users\x"]),
    ("file_path", r"c:\users\public\x", [r"%PUBLIC%\x", r"C:\Users\Public\x"]),
    ("file_path", r"c:\x.exe", [r"\\server\C$\x.exe"]),
    ("file_path", r"\\server\share\x.exe", [r"\\SERVER\share\x.exe"]),
    ("file_path", r"*\system32\x.exe", [r"system32\x.exe", r"%nowhere%\system32\x.exe", r"\system32\x.exe"]),
    ("file_path", "~/.x/y", ["/home/ada/.x/y", "/Users/ada/.x/y", "/root/.x/y", "$HOME/.x//y/", "~/.x/y"]),
    (
        "registry_key",
        r"hkcu\software\run\z",
        [r"HKEY_CURRENT_USER\Software\Run\z", r"HKU\S-1-5-21-1-2-3-1001\Software\Run\z", r"HKCU:\Software\Run\z\ "],
    ),
    (
        "registry_key",
        r"hklm\system\currentcontrolset\services\x",
        [r"HKLM\SYSTEM\ControlSet001\Services\x", r"\REGISTRY\MACHINE\SYSTEM\CurrentControlSet\Services\x"],
    ),
    ("registry_key", r"hkcu\software\classes\x", [r"\REGISTRY\USER\S-1-5-21-9-9-9-500_Classes\x"]),
    ("registry_key", r"hklm\software\a", [r"HKLM\Software\Wow6432Node\a", r"HKEY_LOCAL_MACHINE\\SOFTWARE\\a"]),
    ("registry_key", r"*\software\a", [r"Software\a"]),
    ("mutex", "abc", [r"Global\ABC", r"\BaseNamedObjects\abc", r"\Sessions\1\BaseNamedObjects\Local\abc"]),
    ("pipe", "msagent_1", [r"\\.\pipe\MSagent_1", r"\msagent_1", r"\Device\NamedPipe\msagent_1"]),
    ("certificate_serial", "a1b2", ["00:A1:B2", "0xA1B2", "A1 b2"]),
    ("certificate_fingerprint", "ab" * 20, [":".join(["AB"] * 20)]),
    ("user_agent", "mozilla/5.0 (x)", ["Mozilla/5.0  (X)"]),
    ("cve", "CVE-2021-44228", ["cve-2021-44228", "CVE 2021-44228"]),
    ("asn", "AS64496", ["as64496", "64496", "AS 64496"]),
    ("account", r"corp\ada", [r"CORP\Ada"]),
    ("account", "ada", [r".\Ada"]),
    ("ja4", "t13d1516h2_8daaf6152771_02713d6af862", ["T13D1516H2_8DAAF6152771_02713D6AF862"]),
    ("bitcoin", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", ["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa "]),
]
NONE = [
    ("ipv4", "256.1.1.1"),
    ("ipv4", "2001:db8::1"),
    ("ipv6", "::ffff:192.0.2.1"),
    ("cidr", "192.0.2.1"),
    ("cidr", "0.0.0.0/0"),
    ("domain", "com"),
    ("domain", "co.uk"),
    ("domain", "anything.ck"),
    ("domain", "github.io"),
    ("domain", "a b.com"),
    ("domain", "192.0.2.1"),
    ("url", "evil.com"),
    ("url", "http:///x"),
    ("url", "http://a:b:c/"),
    ("email", "@example.org"),
    ("email", "a@b"),
    ("md5", "d41d8cd98f00b204e9800998ecf8427"),
    ("sha1", "z" * 40),
    ("file_name", r"a\b"),
    ("file_path", "b.exe"),
    ("file_path", "C:\\"),
    ("file_path", r"C:\Users\ada"),
    ("file_path", "a\\b\x00c"),
    ("registry_key", "HKLM\\"),
    ("mutex", "Global\\"),
    ("pipe", r"\\.\pipe" + "\\"),
    ("bitcoin", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"),
    ("bitcoin", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"),
    ("cve", "CVE-21-1"),
    ("asn", "AS0"),
    ("ja4", "x" * 36),
    ("pattern", "  "),
    ("no such type", "x"),
]
GUESSED = [
    ("hxxp://evil[.]com/x", ("url", "http://evil.com/x")),
    ("evil.com/gate.php", ("url", "*://evil.com/gate.php")),
    ("evil.com:8080", ("domain", "evil.com")),
    ("192.0.2.1", ("ipv4", "192.0.2.1")),
    ("2001:db8::1", ("ipv6", "2001:db8::1")),
    ("192.0.2.1/32", ("ipv4", "192.0.2.1")),
    ("d41d8cd98f00b204e9800998ecf8427e", ("md5", "d41d8cd98f00b204e9800998ecf8427e")),
    ("setup.exe", ("file_name", "setup.exe")),
    ("setup.sh", ("file_name", "setup.sh")),
    ("setup[.]sh", ("domain", "setup.sh")),
    (r"HKLM\Software\x", ("registry_key", r"hklm\software\x")),
    (r"\\.\pipe\x", ("pipe", "x")),
    (r"C:\x\y.exe", ("file_path", r"c:\x\y.exe")),
    ("a@b.org", ("email", "a@b.org")),
    ("cve-2021-44228", ("cve", "CVE-2021-44228")),
    ("AS64496", ("asn", "AS64496")),
    ("hello", None),
    ("hello.wrld", None),
    ("", None),
    ("and/or", None),
]


@pytest.mark.parametrize(("type", "form", "texts"), SAME, ids=[f"{t}-{f}" for t, f, _ in SAME])
def test_ways_to_write_one_thing_are_equal(type: str, form: str, texts: list[str]) -> None:
    assert [normal(type, text) for text in [form, *texts]] == [form] * (len(texts) + 1)


@pytest.mark.parametrize(("type", "text"), NONE)
def test_what_is_none_is_refused_with_a_reason(type: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        normal(type, text)


@pytest.mark.parametrize(("text", "expected"), GUESSED)
def test_guesses(text: str, expected: tuple[str, str] | None) -> None:
    assert guess(text) == expected


def test_neighbouring_types_are_mended() -> None:
    assert settled("ipv6", "192.0.2.1") == ("ipv4", "192.0.2.1")
    assert settled("domain", "192.0.2.1") == ("ipv4", "192.0.2.1")
    assert settled("cidr", "2001:db8::1/128") == ("ipv6", "2001:db8::1")
    assert settled("md5", "A" * 64) == ("sha256", "a" * 64)
    assert settled("url", "evil.com") == ("domain", "evil.com")
    assert settled("file_name", r"c:\a\b") == ("file_path", r"c:\a\b")


def test_refang_leaves_what_nobody_defused() -> None:
    assert refang("see http://a.b/c[1].txt") == "see http://a.b/c[1].txt"
    assert refang("hXXps[://]a[dot]b{.}c") == "https://a.b.c"


def test_public_suffixes() -> None:
    assert public_suffix("www.a.co.uk") == "co.uk"
    assert registrable("x.www.a.co.uk") == "a.co.uk"
    assert registrable("www.ck") == "www.ck"
    assert registrable("a.b.ck") == "a.b.ck"
    assert registrable("github.io") is None
    assert known_tld("a.com")
    assert not known_tld("a.exe")


ALL = [text for _, form, texts in SAME for text in [form, *texts]] + [text for _, text in NONE]
TEXTS = st.one_of(
    st.sampled_from(ALL),
    st.text(max_size=30),
    st.text(r"aB1.\/:%*~-_[]@ $'" + '"', max_size=30),
    st.builds(
        lambda head, tail: head + tail,
        st.sampled_from(
            ["C:\\", "c:\\Users\\", "%temp%\\", "HKLM\\", "HKU\\S-1-5-21-1", "http://", "\\\\.\\", "~/", "/home/", "::"]
        ),
        st.text(r"aBs1.\/:%*~-_[]@ $?#" + "é", max_size=20),
    ),
    st.builds(lambda a, b: a + b, st.sampled_from(ALL), st.text(r"a.\/ :%*" + "İé", max_size=3)),
)


@settings(max_examples=5000, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=12), type=st.sampled_from(TYPES))
def test_many_at_once_are_as_one_by_one(texts: list[str], type: str) -> None:
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]

    def one(text: str) -> str | None:
        try:
            return normal(type, text)
        except ValueError:
            return None

    assert normals(type, pa.array(texts, pa.string())).to_pylist() == [one(text) for text in texts]


@settings(max_examples=500, deadline=None)
@given(text=TEXTS, type=st.sampled_from(TYPES))
def test_a_normal_form_is_its_own(text: str, type: str) -> None:
    try:
        form = normal(type, text)
    except ValueError:
        return
    assert normal(type, form) == form


@pytest.mark.parametrize("type", TYPES)
def test_all_samples_at_once_are_as_one_by_one(type: str) -> None:
    def one(text: str) -> str | None:
        try:
            return normal(type, text)
        except ValueError:
            return None

    texts = [*ALL, *(f" {text}" for text in ALL), *(f"{text} " for text in ALL), *(text.upper() for text in ALL)]
    assert normals(type, pa.array(texts)).to_pylist() == [one(text) for text in texts]


def test_arrays_of_all_kinds() -> None:
    plain = pa.array(["A.b.com", None, "com", "c.de"])
    expected = ["a.b.com", None, None, "c.de"]
    assert normals("domain", plain).to_pylist() == expected
    assert normals("domain", plain.dictionary_encode()).to_pylist() == expected
    assert normals("domain", pa.chunked_array([plain])).to_pylist() == expected
    assert normals("domain", plain.cast(pa.large_string())).to_pylist() == expected
    assert len(normals("domain", pa.array([], pa.string()))) == 0
    with pytest.raises(ValueError, match="no type"):
        normals("nothing", plain)


@settings(max_examples=500, deadline=None)
@given(TEXTS)
def test_guessing_never_fails(text: str) -> None:
    found = guess(text)
    assert found is None or normal(*found) == found[1]

"""Indicators out of prose."""

from __future__ import annotations

import time
from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizsla.intel.extract import Found, extract
from vizsla.intel.normal import normal

MD5 = "5eb63bbbe01eeed093cb22bb8f5acdc3"
SHA256 = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"


def found(text: str) -> list[Found]:
    return list(extract(text))


def meant(text: str) -> set[tuple[str, str]]:
    return {(f.type, f.value) for f in extract(text) if not f.reference}


@pytest.mark.parametrize(
    ("text", "type", "value"),
    [
        ("It contacts evil[.]example[.]com daily.", "domain", "evil.example.com"),
        ("It contacts evil(.)example(.)com daily.", "domain", "evil.example.com"),
        ("It contacts evil{.}example{.}com daily.", "domain", "evil.example.com"),
        ("It contacts evil[dot]example[dot]com daily.", "domain", "evil.example.com"),
        ("It contacts evil [.] example[.]com daily.", "domain", "evil.example.com"),
        ("It contacts evil\\.example\\.com daily.", "domain", "evil.example.com"),
        ("It contacts evil dot example dot com daily.", "domain", "evil.example.com"),
        ("It contacts evil[.example.com daily.", "domain", "evil.example.com"),
        ("It contacts evil.]example.com daily.", "domain", "evil.example.com"),
        ("It contacts evil\u200b.example.com daily.", "domain", "evil.example.com"),
        ("Loaded from hxxp://evil[.]example.com/a.php?x=1.", "url", "http://evil.example.com/a.php?x=1"),
        ("Loaded from hXXps[://]evil.example[.]com/a (see below).", "url", "https://evil.example.com/a"),
        ("Loaded from h**p://evil.example.com/a today.", "url", "http://evil.example.com/a"),
        ("Loaded from (http://evil.example.com/a_(b)).", "url", "http://evil.example.com/a_(b)"),
        ("Loaded from hxxp[:]//198.51.100[.]7:8080/x.", "ipv4", "198.51.100.7"),
        ("Sent by jane[at]evil[.]example[.]com to all.", "email", "jane@evil.example.com"),
        ("Resolves to 198.51.100[.]7.", "ipv4", "198.51.100.7"),
        ("Scans from 198.51.100.0/24 were seen.", "cidr", "198.51.100.0/24"),
        ("Resolves to 2001:db8::7 since May.", "ipv6", "2001:db8::7"),
        ("bad.example.org/gate/<VICTIM_ID>/x", "url", "*://bad.example.org/gate/*/x"),
        (f"The sample ({MD5}) is packed.", "md5", MD5),
        (f"SHA-256: {SHA256.upper()}", "sha256", SHA256),
        (f"Its imphash is {MD5}.", "imphash", MD5),
        (f"JA3: {MD5}", "ja3", MD5),
        ("It uses t13d1516h2_8daaf6152771_02713d6af862 in TLS.", "ja4", "t13d1516h2_8daaf6152771_02713d6af862"),
        ("It drops `C:\\Windows\\Temp\\a b.dll` there.", "file_path", "c:\\windows\\temp\\a b.dll"),
        ("It drops C:\\Program Files\\Acme\\x.dll there.", "file_path", "c:\\program files\\acme\\x.dll"),
        ("It writes /tmp/.x/kworkerd and runs it.", "file_path", "/tmp/.x/kworkerd"),
        ("It drops loader64.exe, then exits.", "file_name", "loader64.exe"),
        ("It sets HKCU\\Software\\Acme\\Run for that.", "registry_key", "hkcu\\software\\acme\\run"),
        ("It creates the mutex `Global\\abc123`.", "mutex", "abc123"),
        ("It creates the mutex 'qwe-rty' first.", "mutex", "qwe-rty"),
        ("It listens on \\\\.\\pipe\\evilpipe for orders.", "pipe", "evilpipe"),
        ("It exploits CVE-2021-44228.", "cve", "CVE-2021-44228"),
        ("Most lie in AS64496.", "asn", "AS64496"),
        ("Serial Number: 0a:1b:2c:3d:4e:5f:60:71", "certificate_serial", "a1b2c3d4e5f6071"),
        (f"The certificate's thumbprint is {SHA256[:40]}.", "certificate_fingerprint", SHA256[:40]),
        ('It sends "User-Agent: hots scot" along.', "user_agent", "hots scot"),
    ],
)
def test_what_is_found(text: str, type: str, value: str) -> None:
    assert (type, value) in meant(text)


@pytest.mark.parametrize(
    "text",
    [
        "Run setup.exe, index.php and foo.py, then read README.md and config.json.",
        "It calls System.Net.Sockets, os.path.join and self.name before window.location is set.",
        "Detected as Win32/Agent.QA, Trojan.Win64.Agent.my and Backdoor.MSIL.Agent.cc by now.",
        "Version 10.0.19041.1 of Acme 9.4.0.195.2 fixed it, e.g. by a patch, i.e. an update at 5 p.m. today.",
        "We used ASP.NET and Node.js with socket.io for it.",
        "The time 12:34:56 and std::vector and 00:11:22:33:44:55 are nothing.",
        f"The AES key is {MD5} and the UUID 123e4567-e89b-12d3-a456-426614174000.",
        "It ends here.The next sentence began without a blank, and/or not.",
    ],
)
def test_what_is_no_host_no_address_and_no_hash(text: str) -> None:
    kinds = {f.type for f in found(text) if not f.reference}
    assert not kinds & {"domain", "url", "ipv4", "ipv6", "md5", "email"}


def test_a_defused_name_is_a_domain_whatever_its_end() -> None:
    assert ("domain", "update.sh") in meant("It asks update[.]sh for orders.")
    assert ("domain", "update.sh") not in meant("It runs update.sh for that.")


def test_the_sentence_is_kept() -> None:
    text = "Nothing here. The loader asks evil[.]example[.]com for orders. Nothing there."
    assert found(text)[0].context == "The loader asks evil[.]example[.]com for orders."
    row = "| Domain | Comment |\n|---|---|\n| evil[.]example[.]com | C2 since May |\n"
    assert found(row)[0].context == "| evil[.]example[.]com | C2 since May |"


def test_headings_and_columns_tell_names() -> None:
    text = "== Mutexes\n\n* `qweasd`\n\n== Files\n\n|===\n|Mutex |SHA-1\n|zxc |" + SHA256[:40] + "\n|==="
    assert {("mutex", "qweasd"), ("mutex", "zxc"), ("sha1", SHA256[:40])} <= meant(text)


def test_links_to_reading_are_references() -> None:
    text = (
        "The blog post is available at https://www.example.com/2021/post/.\n\n[report](https://example.org/r.pdf)\n\n"
        "* evil[.]example[.]net\n* other[.]example[.]net\n"
    )
    assert meant(text) == {("domain", "evil.example.net"), ("domain", "other.example.net")}
    assert {f.value for f in found(text) if f.reference} == {
        "https://www.example.com/2021/post/",
        "https://example.org/r.pdf",
    }


def test_internal_addresses_and_system_files_are_references() -> None:
    assert not meant("It ran cmd.exe and C:\\Windows\\System32\\cmd.exe on 192.168.1.4 via 127.0.0.1 first.")


def test_targets_are_no_indicators() -> None:
    assert not meant("== Targeted domains\n\n* `mail.example.com`\n* `203.0.113.4`\n")


def test_each_value_once() -> None:
    assert len(found("evil[.]example[.]com\n" * 50)) == 1


def test_keys_in_armour_are_skipped() -> None:
    line = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA" + MD5
    assert not found(f"-----BEGIN PUBLIC KEY-----\n{line}\n-----END PUBLIC KEY-----\n")


def test_pieces_of_any_size_are_one_text() -> None:
    text = "The loader asks evil[.]example[.]com.\n\nThen 198.51.100[.]7 answers.\n"
    whole = [(f.type, f.value) for f in extract(text)]
    for size in (1, 7, 30):
        assert [(f.type, f.value) for f in extract(text[i : i + size] for i in range(0, len(text), size))] == whole


LABEL = st.from_regex(r"[a-z][a-z0-9]{2,9}", fullmatch=True)
DEFUSING = st.sampled_from(["[.]", "(.)", "{.}", "[dot]", "(dot)", " [.] ", "[.", ".]", "\\.", "[,]"])
AROUND = st.sampled_from(
    [
        "The implant contacts {} every hour.",
        "* {}",
        "| {} | C2 of README.md |",
        'It names "{}" in config.json.',
        "Seen: {}, and later others (v1.2.3.4).",
        "({})",
        "`{}`",
        "== Domains\n\n----\n{}\n----",
    ]
)


@settings(max_examples=150, deadline=None)
@given(LABEL, LABEL, st.sampled_from(["com", "net", "ru", "co.uk", "top", "info"]), DEFUSING, AROUND)
def test_any_defused_domain_is_found_again(first: str, second: str, root: str, dot: str, around: str) -> None:
    name = f"{first}x.{second}y.{root}"
    text = around.format(name.replace(".", dot))
    assert ("domain", normal("domain", name)) in meant(text)


@settings(max_examples=100, deadline=None)
@given(st.integers(1 << 24, (224 << 24) - 1), st.sampled_from(["[.]", "(.)", "[dot]", "."]), AROUND)
def test_any_address_is_found_again(number: int, dot: str, around: str) -> None:
    address = str(IPv4Address(number))
    text = around.format(address.replace(".", dot))
    assert ("ipv4", address) in {(f.type, f.value) for f in extract(text)}


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.sampled_from([32, 40, 64]), AROUND, st.booleans())
def test_any_hash_is_found_again(data: bytes, length: int, around: str, upper: bool) -> None:
    digits = data.hex()[:length]
    if digits.isdigit() or digits.isalpha() or len(set(digits)) < 6:
        return
    text = around.format(digits.upper() if upper else digits)
    assert digits in {f.value for f in extract(text)}


@settings(max_examples=100, deadline=None)
@given(
    LABEL,
    st.from_regex(r"[a-zA-Z0-9_\-]{1,12}(/[a-zA-Z0-9_\-]{1,12}){0,3}", fullmatch=True),
    st.sampled_from(["hxxp://", "hXXps://", "hxxp[:]//", "h**p://", "http://", "hxxps[://]"]),
    AROUND,
)
def test_any_url_is_found_again(name: str, path: str, scheme: str, around: str) -> None:
    plain = ("https" if "s" in scheme.lower() else "http") + f"://{name}z.com/{path}"
    text = around.format(f"{scheme}{name}z[.]com/{path}")
    trimmed = plain.rstrip("_")  # an underscore at the end is emphasis
    assert normal("url", trimmed) in {f.value for f in extract(text)}


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    for one in extract(text):
        assert one.value


@pytest.mark.parametrize(
    "piece",
    ["a.", "1.", "a@", "http://", "](", "`", "[.]", "\\.", "::", "C:\\Program Files ", "HKLM\\a ", "|", "0" * 32,
     "evil.com/", "User-Agent: ", "mutex `", "x dot ", "-", "= ", "AA:", "ftp://[", "a%",
     "http://a.com/" + ")" * 60, "\ue000", "serial: a"],
)  # fmt: skip
def test_hostile_text_takes_linear_time(piece: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        began = time.process_time()
        for _ in extract(text):
            pass
        return time.process_time() - began

    seconds(2_000)
    small, large = seconds(60_000), seconds(240_000)
    assert large < 8 * max(small, 0.1)


@pytest.mark.parametrize(
    "text",
    [
        "`our page <https://www.example.com/x>`_ tells more of it than this line does.",
        ".. _docs: https://www.example.com/x",
        "[docs]: https://www.example.com/x",
        '<a href="https://www.example.com/x"><img src="https://www.example.com/y.png"></a>',
        "Requires example>=1.2.0.4, and Version: 2.5.34.4 of it; see LICENSE.MIT and scheduled_task.name.",
    ],
)
def test_what_documents_of_software_hold_is_not_meant(text: str) -> None:
    assert not {kind for kind, _ in meant(text)} & {"url", "domain", "ipv4"}

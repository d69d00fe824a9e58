"""Reports in text, HTML and PDF."""

from __future__ import annotations

from pathlib import Path

import pytest

from feed_samples import pdf
from vizsla.errors import FeedError
from vizsla.feeds import find, report, sniffed
from vizsla.feeds._documents import encoding_of
from vizsla.nouns.indicator import Claim, Mention, Refused

HTML = """<!DOCTYPE html><html><head><title>bad.example.com</title><script>var c2 = "http://script.example.com/x"</script>
<style>@import url(http://style.example.com/x)</style></head><body>
<h2>Network</h2><p>The loader asks <b>evil[.]example</b>[.]com for orders;
see <a href="https://blog.example.org/post">our post</a>.</p>
<table><tr><th>Domain</th><th>Comment</th></tr>
<tr><td><code>table[.]example[.]com</code></td><td>C2 &amp; more</td></tr></table>
<ul><li>list&#46;example&#46;net</li></ul><pre>198.51.100[.]7
198.51.100[.]8</pre><p>It used T1059.001.</p><!-- comment.example.com --></body></html>
"""


def read(path: Path) -> list[Claim | Mention | Refused]:
    form = sniffed(path)
    assert form is find("report")
    return list(form.read(path, "feed"))


def meant(path: Path) -> dict[str, Claim]:
    return {c.value: c for c in read(path) if isinstance(c, Claim) and c.to_ids}


def test_html(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(HTML)
    found = meant(path)
    assert set(found) == {"evil.example.com", "table.example.com", "list.example.net", "198.51.100.7", "198.51.100.8"}
    assert found["table.example.com"].context == "`table[.]example[.]com` | C2 & more"
    assert [(m.kind, m.name) for m in read(path) if isinstance(m, Mention)] == [("technique", "T1059.001")]
    told = [c.value for c in read(path) if isinstance(c, Claim) and not c.to_ids]
    assert told == ["https://blog.example.org/post"]


def test_tables_of_pages_keep_their_columns(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    rows = "<tr>\n <td></td>\n <td>qweasd</td>\n <td>evil[.]example[.]com</td>\n</tr>\n"
    path.write_text(
        "<html><table>\n<tr>\n <th>Note</th>\n <th>Mutex</th>\n <th>Domain</th>\n</tr>\n" + rows + "</table> end</html>"
    )
    assert {(c.type, c.value) for c in meant(path).values()} == {("mutex", "qweasd"), ("domain", "evil.example.com")}


def test_hostile_html_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    for text in (
        "<html>evil[.]example[.]com " + "<a" * 1_000_000,
        "<html>" + "<div>" * 200_000 + "evil[.]example[.]com",
        "<html>" + "<!" * 500_000,
    ):
        path.write_text(text)
        read(path)


def test_pdf(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf(["The loader asks evil[.]example[.]com for orders.", "198.51.100[.]7\nIt used T1059.001."]))
    found = meant(path)
    assert found["evil.example.com"].source == "report.pdf, page 1"
    assert found["198.51.100.7"].source == "report.pdf, page 2"


def test_hostile_pdf_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf(["evil[.]example[.]com"], bomb=200_000_000))
    assert len(path.read_bytes()) < 1_000_000
    assert any(isinstance(one, Refused) for one in read(path))
    path.write_bytes(b"%PDF-1.7\n" + b"1 0 obj << /Kids [1 0 R] >> endobj\n" * 10)
    assert [type(one) for one in read(path)] == [Refused]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "report.txt"
    path.write_text("The café asks evil[.]example[.]com for orders.\n", encoding)
    assert set(meant(path)) == {"evil.example.com"}
    assert encoding_of("é a".encode("cp1252")) == "cp1252"


def test_what_a_sentence_names_goes_with_its_indicators(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    path.write_text(
        "TLP:AMBER\n\nAPT29 used Cobalt Strike (T1059.001) from evil[.]example[.]com.\n\nIt exploits CVE-2021-44228.\n"
    )
    (claim,) = [c for c in read(path) if isinstance(c, Claim) and c.type == "domain"]
    assert (claim.techniques, claim.malware, claim.actors, claim.tlp) == (
        ("T1059.001",),
        ("Cobalt Strike",),
        ("APT29",),
        "amber",
    )
    assert ("vulnerability", "CVE-2021-44228") in [(m.kind, m.name) for m in read(path) if isinstance(m, Mention)]


def test_a_text_too_large_for_a_report_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Its server was evil[.]example[.]com.\n" * 100, encoding="utf-8")
    assert any(isinstance(one, Claim) for one in find("report").read(path, "mine"))
    monkeypatch.setattr(report, "LARGEST_TEXT", 1_000)
    with pytest.raises(FeedError, match="most that is read as a report") as error:
        list(find("report").read(path, "mine"))
    assert "--format plain" in error.value.fix


def test_missing_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="cannot be opened"):
        list(find("report").read(tmp_path / "none.md", "feed"))


@pytest.mark.real_data
def test_every_unstructured_file_reads(real_data: Path) -> None:
    formats = {name: find(name) for name in ("report", "table", "plain", "detections", "json_values")}
    seen = 0
    for path in sorted((real_data / "intel").rglob("*")):
        if not path.is_file() or "warninglists" in path.parts:
            continue
        form = sniffed(path)
        assert form is not None, path
        if form in formats.values():
            seen += 1
            said = list(form.read(path, "feed"))
            assert (
                any(not isinstance(one, Refused) for one in said) or form.name == "detections" or path.suffix == ".py"
            ), path
    assert seen > 150

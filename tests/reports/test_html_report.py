"""The report: offline, small, escaped, masked, and honest. Where Chromium is installed, it is opened in it."""

from __future__ import annotations

import dataclasses
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from faces import sample
from vizsla.nouns import HuntResult
from vizsla.reports import html
from vizsla.safe import MASK, hidden

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
TEXTS = [str, sample.hostile(), sample.leading_hostile(4)]
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "h3", "p", "span", "section", "figure"),
    *("figcaption", "b", "svg", "g", "path", "text", "tspan", "rect", "line", "circle", "defs", "clippath", "main"),
    *("lineargradient", "stop", "label", "input", "button", "details", "summary", "div", "dl", "dt", "dd", "ol", "ul"),
    *("li", "i", "code", "table", "thead", "tbody", "tr", "th", "td", "time", "footer", "script"),
}


class Reader(HTMLParser):
    """Elements, attributes and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {k: v or "" for k, v in attrs}))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize("t", TEXTS)
def test_event_text_makes_no_element_and_no_attribute(t: sample.Texts) -> None:
    page = Reader(html.page(sample.result(9, t=t)))
    assert {tag for tag, _ in page.elements} <= ALLOWED
    assert sum(tag == "script" for tag, _ in page.elements) == 1
    assert sum(tag == "style" for tag, _ in page.elements) == 1
    for _, attributes in page.elements:
        assert not any(name.startswith("on") or name in ("src", "href", "style", "action") for name in attributes)
    assert not any(hidden(c) for c in "".join(page.text) if c != "\n")


def test_event_text_is_shown() -> None:
    text = "".join(Reader(html.page(sample.result(9, t=sample.hostile()))).text)
    for part in ("<script>document.title='owned'</script>", r"\x1b[2J", r"invoice\u202egpj.exe", "{{ 7*7 }}", "[/b]"):
        assert part in text


def test_the_page_tells_all_that_a_finding_holds() -> None:
    text = " ".join("".join(Reader(html.page(sample.result(12))).text).split())
    for part in (
        "12 findings of 36",
        "3 critical",
        "about one in 40 days",
        "T1047 execution",
        "never in 312,441 events on 5 hosts",
        "usual instead:",
        "looked at 400 events",
        "together",
        "whoami.exe",
        "logon type 3 from 10.0.10.102",
        "record 9010",
        "the parent is signed by Microsoft",
        "index=windows EventCode=1",
        "Score distribution",
        "Host × hour",
        "Network traffic by peer",
        "baseline office@3",
        "10 × chunk 3: bad checksum",
        "Empty views: http, tls.",
    ):
        assert part in text, part


def test_credentials_are_masked() -> None:
    page = html.page(sample.result(3))
    assert "Sommer2020" not in page
    assert MASK in page


def test_the_policy_names_the_very_style_and_script_of_the_page() -> None:
    page = html.page(sample.result(1))
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert style
    assert script
    policy = next(a["content"] for tag, a in Reader(page).elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == html.policy(style.group(1), script.group(1))
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


@pytest.mark.parametrize("t", [str, sample.hostile()])
def test_two_hundred_findings_stay_under_two_megabytes(t: sample.Texts) -> None:
    assert len(html.page(sample.result(200, t=t)).encode("utf-8", "backslashreplace")) < 2_000_000


def test_findings_as_large_as_they_like_still_fit_and_say_what_is_left_out() -> None:
    result = sample.result(200)
    finding = result.findings[0]
    native = {f"Field{n}": "x" * 5000 for n in range(100)}
    events = tuple(dataclasses.replace(finding.evidence[0].events[0], id=str(n), native=native) for n in range(30))
    evidence = dataclasses.replace(finding.evidence[0], events=events, reasons=finding.evidence[0].reasons * 10)
    large = dataclasses.replace(finding, evidence=(evidence,) * 30, title="T" * 10_000)
    page = html.page(
        dataclasses.replace(result, findings=tuple(dataclasses.replace(large, rank=n) for n in range(1, 201)))
    )
    assert len(page.encode()) < 2_000_000
    assert "left out" in page
    assert "more events" in page


SERIES = {"chart": "series", "measure": "logons", "points": [["2026-01-01T00:00:00Z", 9, 0, 3]] * 40}


def test_charts_of_evidence_stay_where_text_must_give_way() -> None:
    result = sample.result(200)
    finding = result.findings[0]
    native = {f"Field{n}": "x" * 5000 for n in range(100)}
    events = tuple(dataclasses.replace(finding.evidence[0].events[0], id=str(n), native=native) for n in range(30))
    evidence = dataclasses.replace(finding.evidence[0], events=events)
    large = dataclasses.replace(finding, evidence=(dataclasses.replace(evidence, picture=SERIES), *(evidence,) * 20))
    every = tuple(dataclasses.replace(large, rank=n, id=f"{n:032x}") for n in range(1, 201))
    page = html.page(dataclasses.replace(result, findings=every))
    assert len(page.encode()) < 2_000_000
    assert page.count("the band is what was expected") > 20
    assert "its chart is left out, as the page would grow too large" in page


def test_thousands_of_findings_are_listed_and_counted() -> None:
    one = sample.result(1)
    many = tuple(dataclasses.replace(one.findings[0], rank=n, id=f"{n:032x}") for n in range(1, 3001))
    page = html.page(dataclasses.replace(one, findings=many, traffic=None))
    assert len(page.encode()) < 2_000_000
    assert "of 3,000" in page
    assert "told in full" in page


def test_a_page_without_findings() -> None:
    result = dataclasses.replace(sample.result(0), traffic=None, scores=())
    text = "".join(Reader(html.page(result)).text)
    assert "No finding." in text
    assert "Score distribution" not in text


def test_a_page_ranked_by_host() -> None:
    result = dataclasses.replace(sample.result(2), ranking=(("<b>dc01", 31.5, 4),))
    page = html.page(result)
    assert "&lt;b&gt;dc01" in page


# ── in a browser ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def proxy() -> Iterator[tuple[int, list[bytes]]]:
    """A proxy that answers nothing and remembers who asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    client, _ = server.accept()
                except TimeoutError:
                    continue
                with client:
                    client.settimeout(1)
                    try:
                        asked.append(client.recv(200))
                    except OSError:
                        asked.append(b"?")

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], asked
        over.set()
        thread.join()


def opened(page: Path, port: int, profile: Path, *extra: str) -> str:
    """The page's DOM after its scripts ran, as Chromium has it."""
    assert CHROMIUM
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
            "--disable-default-apps", "--disable-dev-shm-usage", f"--user-data-dir={profile}",
            f"--proxy-server=127.0.0.1:{port}", "--proxy-bypass-list=<-loopback>", "--virtual-time-budget=3000",
            *extra, "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.stdout


def of_the_page(asked: list[bytes]) -> list[bytes]:
    """Requests but for the browser's own errands to its maker, and the connections it opens ahead and never uses."""
    return [a for a in asked if a and not any(own in a for own in (b"google.com", b"googleapis.com", b"gstatic.com"))]


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
def test_in_a_browser_the_page_asks_nothing_and_runs_nothing_but_its_own(
    tmp_path: Path, proxy: tuple[int, list[bytes]]
) -> None:
    port, asked = proxy
    page = tmp_path / "report.html"
    hostile = sample.result(9, t=sample.hostile())
    page.write_bytes(html.page(hostile).encode("utf-8", "backslashreplace"))
    dom = opened(page, port, tmp_path / "profile")
    assert "<title>Vizsla: findings</title>" in dom
    assert "<title>owned" not in dom
    assert 'class="tools" hidden' not in dom  # our own script ran: it shows the search field
    assert 'class="tools"' in dom
    assert not of_the_page(asked)


EVIL = (
    "<img src=http://evil.example/x.png onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    '<link rel=stylesheet href=http://evil.example/x.css><iframe src=http://evil.example/></iframe>'
)  # fmt: skip


def with_evil(result: HuntResult, *, policy: bool) -> str:
    """A page into which an attacker's markup did get, with or without the policy."""
    page = html.page(result).replace("<main>", "<main>" + EVIL)
    return page if policy else re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
def test_the_policy_holds_even_where_markup_got_through(tmp_path: Path, proxy: tuple[int, list[bytes]]) -> None:
    port, asked = proxy
    page = tmp_path / "report.html"
    page.write_text(with_evil(sample.result(1), policy=True))
    assert "<title>owned" not in opened(page, port, tmp_path / "profile")
    assert not of_the_page(asked)


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
def test_without_the_policy_the_same_check_fails(tmp_path: Path, proxy: tuple[int, list[bytes]]) -> None:
    port, asked = proxy
    page = tmp_path / "report.html"
    page.write_text(with_evil(sample.result(1), policy=False))
    assert "<title>owned" in opened(page, port, tmp_path / "profile")
    assert of_the_page(asked)

"""What README and docs tell a reader to type works: every `console` block is run, page by page, in order.

A line `$ …` is a command; lines below it, up to the next command, are what it prints, shortened, and are not compared.
A comment `# exit code N` at a command's end says that another exit code than 0 is meant.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXIT_CODE = re.compile(r"#\s*exit code (\d+)\s*$")
SPARK = "--engine spark"
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)")


def commands(page: Path) -> list[tuple[str, int]]:
    """The commands of a page, with the exit code that each must have."""
    found = []
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        lines = block.replace("\\\n", " ").splitlines()
        for line in lines:
            if line.startswith("$ "):
                code = EXIT_CODE.search(line)
                found.append((line[2:], int(code[1]) if code else 0))
    return found


def run(command: str, folder: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """A command as a reader's shell runs it, in `folder`, with this environment's `vizsla`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "120"}
    environment.pop("VIZSLA_LAKE", None)
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip


WITH_COMMANDS = [p for p in PAGES if commands(p)]


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=[p.stem for p in WITH_COMMANDS])
def test_commands_of_a_page_work(page: Path, workplace: Path) -> None:
    """Each command of the page ends with the exit code that the page says, and without a traceback."""
    for command, code in commands(page):
        if SPARK in command:
            continue
        done = run(command, workplace)
        assert done.returncode == code, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        assert "Traceback" not in done.stderr, command
        if command.startswith("vizsla") and "--output" not in command:
            assert done.stdout.strip(), f"{command} printed nothing"


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=[p.stem for p in WITH_COMMANDS])
def test_spark_commands_of_a_page_work(page: Path, workplace: Path, java: None) -> None:
    """The same for commands that name Spark; those on clusters stand in blocks that are not run."""
    of_page = commands(page)
    if not any(SPARK in command for command, _ in of_page):
        pytest.skip("no command of this page names Spark")
    for command, code in of_page:
        done = run(command, workplace)
        assert done.returncode == code, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def test_the_pages_have_commands_to_run() -> None:
    """A change of the fences must not leave the tests above with nothing to do."""
    assert len(WITH_COMMANDS) >= 6
    assert sum(len(commands(p)) for p in WITH_COMMANDS) >= 30


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["learn-a-baseline", "look-around", "review-findings", "lake", "know-what-you-can-see"]
)
def test_python_of_a_page_works(name: str, workplace: Path) -> None:
    """The Python blocks of a page, together, run beside a lake that holds the logs."""
    page = ROOT / "docs" / f"{name}.md"
    blocks = PYTHON.findall(page.read_text(encoding="utf-8"))
    assert blocks
    done = run("vizsla ingest logs", workplace)
    assert done.returncode == 0, done.stderr
    (workplace / "page.py").write_text("\n".join(blocks), encoding="utf-8")
    done = run(f"{sys.executable} page.py", workplace)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "docs" / "decisions").glob("*.md"))], ids=lambda p: p.stem)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link within the repository points at a file, and at a heading of it where it names one."""
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{page.name} links to {target}, which is not there"
        if anchor and path.suffix == ".md":
            assert anchor[1:] in _anchors(path), f"{page.name} links to {target}{anchor}: no such heading"


def _anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}

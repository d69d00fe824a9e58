"""Reads a PDF's text in a process of its own: `python -m vizsla.feeds._pdf FILE PAGES SECONDS MEMORY`.

A hostile file can make any reader of PDFs slow or large; here the system ends it. Gives JSON lines: {page, text},
{refused, place}, and {end} last.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping

LONGEST_PAGE = 2_000_000  # characters


def _bounded(seconds: int, memory: int) -> None:
    try:
        import resource
    except ImportError:  # Windows: the parent's time limit alone holds
        return
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _say(line: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(path: str, pages: int, seconds: int) -> None:
    """Writes what the file's pages say."""
    from pypdf import PdfReader

    until = time.monotonic() + seconds
    logging.disable()
    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            _say({"refused": "it is encrypted: a password would be needed", "place": "document"})
            _say({"end": True})
            return
        count = len(reader.pages)
    except Exception as error:  # noqa: BLE001  (a damaged file makes pypdf raise whatever it meets)
        _say({"refused": f"it cannot be read: {type(error).__name__}: {error}"[:300], "place": "document"})
        _say({"end": True})
        return
    for number in range(min(count, pages)):
        if time.monotonic() > until:
            return
        try:
            text = reader.pages[number].extract_text() or ""
        except Exception as error:  # noqa: BLE001  (one damaged page does not take the others with it)
            _say({"refused": f"{type(error).__name__}: {error}"[:300], "place": f"page {number + 1}"})
            continue
        if len(text) > LONGEST_PAGE:
            _say({"refused": f"only its first {LONGEST_PAGE} characters are read", "place": f"page {number + 1}"})
        _say({"page": number + 1, "text": text[:LONGEST_PAGE]})
    if count > pages:
        _say({"refused": f"only the first {pages} of {count} pages are read", "place": f"page {pages + 1}"})
    _say({"end": True})


if __name__ == "__main__":
    _bounded(int(sys.argv[3]), int(sys.argv[4]))
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

"""Fuzz a family of sources with atheris (`pip install atheris`).

    python -m fuzz.target FAMILY [--real FOLDER] [--work FOLDER] [libFuzzer's options]

FAMILY is one of fuzz.families.FAMILIES. Useful options: -max_total_time=600 -rss_limit_mb=1024 -timeout=5. An input's
first byte chooses the member of the family that reads it; the member that is surest of the rest reads it too.

An input that breaks something is written to WORK/found/ as tests/corpus/FAMILY/ keeps it, and fuzzing goes on: what
fails at the same place is kept once.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import traceback
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["vizsla"]):
    from vizsla.sources import registry

    registry()
    import vizsla.mappings
    import vizsla.reading
    import vizsla.sources._guess  # noqa: F401
    from fuzz import families


class Target:
    """One family's run, and what was found in it."""

    def __init__(self, family: str, found: Path) -> None:
        self._family, self._found = family, found
        self._members = families.members(family)
        self._places: set[str] = set()

    def once(self, data: bytes) -> None:
        """Try one input."""
        if not data:
            return
        content = data[1:]
        chosen = self._members[data[0] % len(self._members)]
        try:
            sure = families.recognised(self._family, content)
        except BaseException as error:  # whatever it is, it was found
            self._keep("sniff", content, error)
            return
        for member in dict.fromkeys((chosen, sure or chosen)):
            try:
                families.check(member, content)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a parser written in Rust panics with one
                self._keep(member, content, error)

    def _keep(self, member: str, content: bytes, error: BaseException) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "families.py" not in frame.filename] or list(frames)
        place = f"{member} {type(error).__name__} {own[-1].filename}:{own[-1].lineno}"
        if isinstance(error, families.Violation):
            place = f"{member} {str(error)[:20]}"
        if place in self._places:
            return
        self._places.add(place)
        self._found.mkdir(parents=True, exist_ok=True)
        path = self._found / f"{member}-{hashlib.sha256(content).hexdigest()[:10]}"
        path.write_bytes(content)
        print(f"FOUND {path}: {type(error).__name__}: {str(error)[:300]}", flush=True)
        print("".join(traceback.format_list(own[-6:])), flush=True)


def main() -> None:
    """Run libFuzzer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=sorted(families.FAMILIES))
    parser.add_argument("--real", type=Path, help="a folder of real logs: pieces of them are seeds")
    parser.add_argument("--work", type=Path, default=Path("fuzz-work"), help="for the corpus and what is found")
    chosen, options = parser.parse_known_args()
    work = chosen.work / chosen.family
    (work / "corpus").mkdir(parents=True, exist_ok=True)
    names = families.members(chosen.family)
    for member, content in families.seeds(chosen.family, chosen.real):
        if member in names:
            data = bytes([names.index(member)]) + content
            (work / "corpus" / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    target = Target(chosen.family, work / "found")
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={work}/", str(work / "corpus")], target.once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

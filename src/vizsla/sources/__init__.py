"""Readers of log formats, one file each. To add one, copy `_template.yaml` or `_template.py`; touch nothing else."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import entry_points

from vizsla.containers import head_of
from vizsla.errors import SourceError
from vizsla.plugin import Loading
from vizsla.source import LogFile, Magic, Source
from vizsla.sources._declared import declared
from vizsla.sources._declared import failures as undeclared
from vizsla.sources._mapped import Mapped

GROUP = "vizsla.sources"


@lru_cache(maxsize=1)
def _loaded() -> Loading[Source]:
    loading: Loading[Source] = Loading("sources", _fault, SourceError)
    loading.modules(__path__, __name__, "SOURCE")
    loading.failed.update(undeclared())
    for name, content in declared().items():
        if "reader" not in content:
            continue  # it goes with a source written in Python
        try:
            loading.take(f"{name}.yaml", Mapped(name, content))
        except SourceError as error:
            loading.failed[f"{name}.yaml"] = str(error)
    loading.points(entry_points(group=GROUP))
    return loading


def _fault(source: object) -> str:
    return (
        ""
        if isinstance(source, Source)
        else "its SOURCE has not all that a source needs: name, doc, tables, sniff, read"
    )


def registry() -> dict[str, Source]:
    """All sources by name: this package's and those of the entry points group `vizsla.sources`.

    Raises SourceError where two have one name.
    """
    return _loaded().found


def failures() -> dict[str, str]:
    """Sources that could not be loaded, and why."""
    return dict(_loaded().failed)


def find(name: str) -> Source:
    """The source of that name, or of a mapping's text. Raises SourceError, naming those that exist."""
    from vizsla import mappings

    if name.startswith(mappings.MARK):
        return mappings.find(name)
    found = registry().get(name)
    if found is None:
        raise SourceError(f"no source is named {name!r}", fix=f"use one of: {', '.join(registry())}")
    return found


@lru_cache(maxsize=1)
def _magics() -> tuple[tuple[bytes, Source], ...]:
    """The sources whose files begin with bytes of their own."""
    return tuple((source.magic, source) for source in registry().values() if isinstance(source, Magic))


def recognise(file: LogFile) -> Source | None:
    """The source that is surest that the file is its own; None where none is."""
    head = head_of(file)
    for magic, source in _magics():
        if head.startswith(magic):
            return source
    best, sure = None, 0.0
    for source in registry().values():
        confidence = source.sniff(head, file.name)
        if confidence > sure:
            best, sure = source, confidence
    return best

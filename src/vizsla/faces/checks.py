"""What `vizsla doctor` looks at. A check never raises: what is broken is a row that says why."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vizsla.errors import VizslaError
from vizsla.faces.words import counted

if TYPE_CHECKING:
    from vizsla.intel.kept import Kept
    from vizsla.lake import Lake

State = Literal["ok", "absent", "broken"]
_TABLES = 4  # of a source, named
_LIBRARIES = ("deltalake", "duckdb", "pyarrow", "ibis-framework", "evtx", "altair", "vl-convert-python")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing examined: its state, and what to know or do about it."""

    what: str
    state: State
    more: str


def checks(lake: str) -> Iterator[Check]:
    """Everything that can be examined without reading events."""
    yield Check("vizsla", "ok", f"{_version('vizsla')} on Python {platform.python_version()}, {platform.platform()}")
    for library in _LIBRARIES:
        found = _version(library)
        yield Check(library, "ok" if found else "broken", found or f"not installed: pip install {library}")
    for what, part in (("engines", _engines), ("sources", _sources), ("stores", _stores),
                       ("analytics", _analytics), ("views", _views)):  # fmt: skip
        yield from _guarded(what, part)
    for what, of_lake in (("lake", _lake), ("rules", _rules), ("intelligence", _intelligence)):
        yield from _guarded(what, lambda of_lake=of_lake: of_lake(lake))  # type: ignore[misc]


def _guarded(what: str, part: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from part()
    except Exception as error:  # noqa: BLE001  (the doctor's business is to tell what is broken, whatever it raises)
        yield Check(what, "broken", f"{type(error).__name__}: {error}")


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def _engines() -> Iterator[Check]:
    from vizsla.engines import engines

    for name, module in sorted(engines().items()):
        if name == "spark":
            yield _spark()
            continue
        import_module(module)
        yield Check(f"engine {name}", "ok", module)


def _spark() -> Check:
    found = _version("pyspark")
    if not found:
        return Check("engine spark", "absent", "pip install 'vizsla[spark]', and Java 17 or newer")
    java = shutil.which("java")
    if not java:
        return Check("engine spark", "absent", f"pyspark {found}, but no Java on the PATH (Spark Connect needs none)")
    return Check("engine spark", "ok", f"pyspark {found}, {java}")


def _sources() -> Iterator[Check]:
    from vizsla.sources import failures, registry
    from vizsla.sources._declared import verified

    for name, source in registry().items():
        tables = [t.name for t in source.tables]
        fills = ", ".join(tables[:_TABLES]) + (f" and {len(tables) - _TABLES} more" if len(tables) > _TABLES else "")
        doubt = (
            "" if verified(name) else " Unverified: neither a real sample nor a public specification stands behind it."
        )
        yield Check(f"source {name}", "ok", f"{source.doc.rstrip('.')}. Fills {fills}.{doubt}")
    for place, why in failures().items():
        yield Check(f"source {place}", "broken", why)


def _stores() -> Iterator[Check]:
    """Live stores, and whether their client libraries are there."""
    from vizsla.stores import registry

    schemes: dict[str, list[str]] = {}
    for scheme, store in registry().items():
        schemes.setdefault(store.doc, []).append(f"{scheme}://")
    for doc, found in schemes.items():
        yield Check(f"store {found[0]}", "ok", f"{doc}. As {', '.join(found[:3])}{' …' if len(found) > 3 else ''}")


def _analytics() -> Iterator[Check]:
    from vizsla.analytics import failures, registry

    for name, analytic in registry().items():
        needs = "; ".join(map(str, analytic.needs))
        yield Check(f"analytic {name}", "ok", f"{analytic.doc.rstrip('.')}.{f' Needs {needs}.' if needs else ''}")
    for place, why in failures().items():
        yield Check(f"analytic {place}", "broken", why)


def _views() -> Iterator[Check]:
    from vizsla.view import views

    yield Check("views", "ok", ", ".join(sorted(views())))


def _lake(lake: str) -> Iterator[Check]:
    from vizsla.faces.python import open_lake

    if not Path(lake).exists():
        yield Check("lake", "absent", f"{lake}: vizsla ingest PATH makes it")
        return
    try:
        home = open_lake(lake)
        tables = home.tables()
        rows = sum(home.scan(table).rows for table in tables)
    except VizslaError as error:
        yield Check("lake", "broken", str(error))
        return
    yield Check("lake", "ok", f"{home.root}: {rows:,} events in {len(tables)} tables")


def _rules(lake: str) -> Iterator[Check]:
    """The Sigma rules that the lake keeps."""
    home = _home(lake, "rules")
    if home is None:
        yield Check("rules", "absent", "none are kept here: vizsla rules add PATH keeps Sigma rules for every hunt")
        return
    from vizsla.sigma.book import RuleBook

    book = RuleBook(home)
    loaded = book.load()
    refused = f"; {len(loaded.refused):,} cannot be used (vizsla rules list --refused)" if loaded.refused else ""
    yield Check("rules", "ok" if loaded.rules else "absent", f"{counted(len(loaded.rules), 'rule')}{refused}")
    for one in book.collections():
        came = Path(one.origin)
        gone = "" if came.exists() else "; that path is gone: what is kept stays"
        told = f"{counted(one.files, 'file')} of {one.origin}, read {one.updated:%Y-%m-%d %H:%M}{gone}"
        yield Check(f"rules {one.name}", "ok", told)


def _intelligence(lake: str) -> Iterator[Check]:
    """The indicators that the lake keeps, and its feeds: when they were read last, and which are stale."""
    home = _home(lake, "intel")
    if home is None:
        yield Check(
            "intelligence", "absent", "none is kept here: vizsla intel add PATH keeps indicators for every hunt"
        )
        return
    import pyarrow.compute as pc

    from vizsla.errors import FeedError
    from vizsla.intel import kept, weigh
    from vizsla.intel.attack import FILE, load
    from vizsla.intel.store import Store

    store, now = Store(home), datetime.now(UTC)
    known = pc.count_distinct(store.claims_table.read(["id"]).column("id")).as_py() if store.version else 0
    feeds = kept.load(store)
    own = home.root / FILE
    attack = ""
    if own.is_file():
        try:
            attack = f"ATT&CK {load(own).version}, as it was updated here"
        except FeedError as error:
            yield Check("ATT&CK", "broken", f"{error.what}: {error.where}; {error.fix}, or remove the file")
    told = "; ".join(
        part for part in (f"{counted(known, 'indicator')} of {counted(len(feeds), 'feed')}", attack) if part
    )
    yield Check("intelligence", "ok" if known else "absent", told)
    for name, feed in sorted(feeds.items()):
        yield _feed(name, feed, weigh.overdue(feed, now))


def _feed(name: str, feed: Kept, overdue: float) -> Check:
    """A feed of files is as old as its reading; a server that should have been asked long ago is stale."""
    what = f"feed {name}"
    where = f"{counted(len(feed.addresses), 'file')}" if feed.kind == "file" else f"{feed.kind} {feed.addresses[0]}"
    if feed.state:
        return Check(what, "broken", f"{where}: {feed.state}")
    if not feed.pulled:
        return Check(what, "absent", f"{where}: never pulled (vizsla intel pull)")
    moment = datetime.fromisoformat(feed.pulled)
    said = f"{where}, {'read' if feed.kind == 'file' else 'pulled'} {moment:%Y-%m-%d %H:%M}"
    if overdue:
        return Check(what, "absent", f"{said}: stale, due {feed.next[:16].replace('T', ' ')} (vizsla intel pull)")
    return Check(what, "ok", said + (f", next {feed.next[:16].replace('T', ' ')}" if feed.next else ""))


def _home(lake: str, room: str) -> Lake | None:
    """The lake where it has such a room; None where it has none, or where there is no lake."""
    if not (Path(lake) / room).is_dir():
        return None
    from vizsla.faces.python import open_lake

    return open_lake(lake)

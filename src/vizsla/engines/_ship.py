"""Vizsla ships itself: an archive of the package and of what it needs beyond PySpark's own needs, by content hash."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution, entry_points
from pathlib import Path

import vizsla
from vizsla.errors import EngineError

# Beyond numpy, pandas, pyarrow and grpcio, which PySpark brings.
NEEDS = ("ahocorasick-rs", "evtx", "google-re2", "orjson", "pyyaml", "xxhash")
FOREIGN = ("vizsla.sources", "vizsla.analytics", "vizsla.engines")  # groups of other packages' plug-ins


def made_for() -> dict[str, str]:
    """What an executor must be like for the archive to run there."""
    return {
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "platform": f"{sys.platform}/{platform.machine()}/{platform.libc_ver()[0]}",
        "vizsla": vizsla.__version__,
    }


def archive() -> Path:
    """The archive for this interpreter: made once per content, kept in the user's cache.

    Its name without '.zip' is the folder to unpack it to.
    """
    files = sorted(_files())
    digest = hashlib.sha256(repr(sorted(made_for().items())).encode())
    contents = []
    for name, path in files:
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
        contents.append((name, content))
    target = _cache() / f"vizsla-{digest.hexdigest()[:20]}.zip"
    if not target.exists():
        handle, draft = tempfile.mkstemp(dir=target.parent, suffix=".draft")
        with os.fdopen(handle, "wb") as stream, zipfile.ZipFile(stream, "w", compresslevel=1) as packed:
            for name, content in contents:
                packed.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        Path(draft).replace(target)  # in whole or not at all, whoever else is making it
    return target


def _files() -> Iterator[tuple[str, Path]]:
    """(name in the archive, file) of all that is shipped."""
    root = Path(vizsla.__file__).parent
    for path in root.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"vizsla/{path.relative_to(root).as_posix()}", path
    names = {*NEEDS, *(e.dist.name for g in FOREIGN for e in entry_points(group=g) if e.dist is not None)}
    for name in names - {"vizsla"}:
        yield from _installed(name)


def _installed(name: str) -> Iterator[tuple[str, Path]]:
    try:
        found: Distribution = distribution(name)
    except PackageNotFoundError as error:
        raise EngineError(f"{name} is not installed", fix="pip install --force-reinstall vizsla") from error
    for file in found.files or ():
        path = Path(str(found.locate_file(file)))
        if ".." not in file.parts and "__pycache__" not in file.parts and path.is_file():
            yield file.as_posix(), path


def _cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vizsla"
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError:
        base = Path(tempfile.mkdtemp(prefix="vizsla-ship-"))
    return base

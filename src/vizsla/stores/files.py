"""Files of a remote file system that fsspec reaches: `s3://BUCKET/PREFIX`, `gs://…`, `https://…`, `sftp://HOST/FOLDER`.

    s3://BUCKET/PREFIX?endpoint=https://minio.example:9000     objects below a prefix; * and ** are patterns

New and changed files are brought; those that lie there as before are not asked for again.
"""  # fmt: skip

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vizsla.errors import StoreError, UsageError
from vizsla.secrets import credentials
from vizsla.store import Address, Cursor, Segment
from vizsla.stores import client_library

EVERY = 64  # files between two cursors
MARKS = ("ETag", "etag", "md5Hash", "crc32c", "content_md5")  # by which stores tell a file's content
TIMES = ("LastModified", "last_modified", "mtime", "updated", "modified")


class Files:
    """Files on any file system that fsspec reaches."""

    schemes = ("s3", "gs", "gcs", "abfs", "az", "http", "https", "ftp", "sftp", "hdfs", "webhdfs", "smb")
    doc = "Files of object stores and remote file systems (fsspec); new and changed ones are brought"

    def segments(self, address: Address, cursor: Cursor | None) -> Iterator[Segment]:
        """See Store."""
        address.known("endpoint", "anonymous")
        library: Any = client_library("fsspec", "fsspec")
        seen: dict[str, str] = dict(cursor.get("seen", {})) if cursor else {}
        try:
            system, root = _system(library, address)
            system.invalidate_cache()  # clients remember listings for as long as the process lives
            found = _found(system, root)
            fresh = {path: mark for path, info in found.items() if seen.get(path) != (mark := _mark(info)) or not mark}
            with tempfile.TemporaryDirectory(prefix="vizsla-files-") as folder:
                for number, (path, mark) in enumerate(fresh.items(), 1):
                    local = Path(folder) / str(number) / (path.rpartition("/")[2][-100:] or "file")
                    local.parent.mkdir()
                    system.get_file(path, str(local))
                    seen[path] = mark
                    cut = number % EVERY == 0 or number == len(fresh)
                    name = f"{address.scheme}://{path}" if "://" not in path else path
                    yield Segment(name, b"", 0, {"seen": dict(seen)} if cut else None, path=str(local))
        except ImportError as error:
            raise StoreError(f"fsspec cannot reach {address.scheme}:// yet: {error}",
                             fix="pip install 'vizsla[stores]', or the package that it names") from None  # fmt: skip
        except (OSError, ValueError) as error:
            raise StoreError(f"{address.scheme}: {str(error)[:300]}", where=str(address),
                             fix="check the address and the credentials (docs/live-stores.md); run again: it goes on "
                                 "where it stopped") from None  # fmt: skip


def _system(library: Any, address: Address) -> tuple[Any, str]:
    """The file system, and the path within it."""
    options: dict[str, Any] = {}
    root = f"{address.host}/{address.path}".rstrip("/")
    held = credentials(address.place)
    if address.scheme == "s3":
        if endpoint := address.options.get("endpoint"):
            options["client_kwargs"] = {"endpoint_url": endpoint}
        if address.options.get("anonymous") == "yes":
            options["anon"] = True
        elif held.user:
            options |= {"key": held.user, "secret": held.password}
    elif address.options:
        raise UsageError(f"{address.scheme} takes no options", where=str(address))
    elif address.scheme in ("ftp", "sftp", "smb", "hdfs", "webhdfs"):
        options["host"], root = address.host, f"/{address.path}"
        options |= {"port": address.port} if address.port else {}
        options |= {"username": held.user, "password": held.password} if held.user else {}
    elif address.scheme in ("http", "https"):
        root = f"{address.scheme}://{address.place}/{address.path}"
        if held.token:
            options["headers"] = {"Authorization": f"Bearer {held.token}"}
    return library.filesystem(address.scheme, **options), root


def _found(system: Any, root: str) -> Mapping[str, Mapping[str, Any]]:
    """The files at, below or matching a path, by path, in order."""
    if "*" in root:
        found = {path: info for path, info in system.glob(root, detail=True).items() if info.get("type") != "directory"}
    elif system.isfile(root):
        found = {root: system.info(root)}
    else:
        found = system.find(root, detail=True)
    if not found:
        raise FileNotFoundError("there is no file at or below it")
    return dict(sorted(found.items()))


def _mark(info: Mapping[str, Any]) -> str:
    """By what a file is known to be as it was; '' where the store tells nothing of its content."""
    mark = next((str(info[name]) for name in MARKS if info.get(name)), "")
    time = next((str(info[name]) for name in TIMES if info.get(name)), "")
    return f"{info.get('size')} {mark or time}" if mark or time else ""


STORE = Files()

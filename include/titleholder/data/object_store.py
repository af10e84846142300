"""Files as objects of a store such as S3, through fsspec. See `titleholder.data.storage.Storage`.

An object appears whole or not at all, and a new one only where none of its name is there (a conditional write): nothing
is written under another name first, renamed or deleted, so that who writes needs no right to delete.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib.util import find_spec
from io import BufferedIOBase
from pathlib import Path
from typing import Any, NamedTuple, cast

import fsspec

from titleholder.data.storage import StoredFile
from titleholder.errors import UsageError, one_line

log = logging.getLogger(__name__)

TIMES = ("LastModified", "last_modified", "updated", "mtime", "created")
"""What the libraries call the time at which an object was put."""


class Scheme(NamedTuple):
    """What a scheme needs: a library, and the extra of this package that installs it."""

    library: str
    extra: str


SCHEMES = {
    "s3": Scheme("s3fs", "s3"),
    "gs": Scheme("gcsfs", "gcs"),
    "az": Scheme("adlfs", "azure"),
}


def connect(address: str) -> tuple[ObjectStore, str]:
    """The store and the path in it of an address such as s3://bucket/prefix.

    Credentials, region and endpoint come from the environment, as the store's own library reads them.

    Raises:
        UsageError: for another scheme, or where the library for it is not installed.
    """
    name = address.partition("://")[0]
    if name not in SCHEMES:
        raise UsageError(f"TITLEHOLDER_SNAPSHOTS: no store {name}://; there are {', '.join(SCHEMES)}, or a folder")
    scheme = SCHEMES[name]
    if "::" in address:
        raise UsageError(f"TITLEHOLDER_SNAPSHOTS: {address} names more than one store")
    if find_spec(scheme.library) is None:
        raise UsageError(
            f"{address} needs the library {scheme.library}, which is not installed: "
            f"pip install 'titleholder[{scheme.extra}]'"
        )
    with _as_os_errors():  # another process may have put what a list that was kept does not have
        files, path = fsspec.url_to_fs(address, use_listings_cache=False)
    return ObjectStore(files), path.rstrip("/")


def configure(scheme: str, options: Mapping[str, Any]) -> None:
    """Let every store of a scheme that this process connects to from now on have these options, in place of earlier.

    They are kept in fsspec's configuration, and are credentials for the most part: nothing prints them.
    """
    fsspec.config.conf[scheme] = dict(options)


class ObjectStore:
    """Objects by path. See `Storage`."""

    def __init__(self, files: fsspec.AbstractFileSystem) -> None:
        self._files = files

    @contextmanager
    def draft(self, folder: str) -> Iterator[Path]:
        """A file in a temporary folder of this machine."""
        del folder
        with tempfile.TemporaryDirectory(prefix="titleholder-") as scratch:
            yield Path(scratch) / "draft"

    def put(self, draft: Path, path: str, sha256: str) -> None:
        """Where it is there already, it is read once: a damaged one is replaced."""
        if self.create(draft, path):
            return
        with self.open(path) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
                return
        log.warning("%s is damaged, and is written again", path)
        self.replace(draft, path)

    def create(self, draft: Path, path: str) -> bool:
        """Put the draft where nothing is there; returns whether nothing was."""
        try:
            with _as_os_errors():
                self._files.put_file(str(draft), path, mode="create")
        except FileExistsError:
            return False
        return True

    def replace(self, draft: Path, path: str) -> None:
        """Of two at once the last one stays, whole."""
        with _as_os_errors():
            self._files.put_file(str(draft), path)

    @contextmanager
    def open(self, path: str) -> Iterator[BufferedIOBase]:
        """From its beginning, in blocks."""
        with _as_os_errors(), self._files.open(path, "rb", cache_type="readahead") as file:
            yield cast("BufferedIOBase", file)

    @contextmanager
    def local(self, path: str) -> Iterator[str]:
        """A copy in a temporary folder."""
        with tempfile.TemporaryDirectory(prefix="titleholder-") as scratch:
            copy = f"{scratch}/copy"
            with _as_os_errors():
                self._files.get_file(path, copy)
            yield copy

    def files(self, folder: str) -> Iterator[StoredFile]:
        """Without a time, an object counts as new."""
        with _as_os_errors():
            found: dict[str, dict[str, Any]] = self._files.find(folder, detail=True)
        for path, about in found.items():
            if about["type"] != "file":  # a folder that is empty by now
                continue
            yield StoredFile(path, int(about["size"]), _put_at(about))

    def remove(self, path: str, before: float) -> bool:
        """By the time that the store says now."""
        try:
            with _as_os_errors():
                if _put_at(self._files.info(path)) >= before:
                    return False
                self._files.rm_file(path)
        except FileNotFoundError:
            pass
        return True


def _put_at(about: dict[str, Any]) -> float:
    """Seconds since 1970, by the store's clock."""
    found = next((about[name] for name in TIMES if about.get(name)), None)
    if isinstance(found, str):
        found = datetime.fromisoformat(found)
    return found.timestamp() if isinstance(found, datetime) else float(found or "inf")


@contextmanager
def _as_os_errors() -> Iterator[None]:
    """The libraries raise errors of their own where a store cannot be reached or refuses the credentials."""
    try:
        yield
    except (OSError, UsageError):
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {one_line(error)}") from error

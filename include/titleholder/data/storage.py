"""Storage of whole files by path: in a folder of this machine, or as objects of a store such as S3.

A file appears under its name complete or not at all, and in a folder only after its content is on the disk: neither a
killed process nor a power cut leaves half a file under a name.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

log = logging.getLogger(__name__)
PART = ".part"
"""What the names of files that are being written end in."""
ABANDONED = 3600.0
"""Seconds after which an unfinished file that no process holds is removed by the next writer in its folder."""


class StoredFile(NamedTuple):
    """A file as it is listed: its path, its size, and when it was last put, in seconds since 1970."""

    path: str
    size: int
    put_at: float


class Storage(Protocol):
    """Files by path: a `Folder`, or an `ObjectStore`.

    Methods raise OSError where the place cannot be used, FileNotFoundError for a file that is not there.
    """

    def draft(self, folder: str) -> AbstractContextManager[Path]:
        """A new file of this machine, to be written and then put into `folder`; afterwards it is gone."""

    def put(self, draft: Path, path: str, sha256: str) -> None:
        """Let `path` hold the draft, which has this hash: kept if it holds that already, replaced if it is damaged."""

    def replace(self, draft: Path, path: str) -> None:
        """Let `path` hold the draft, whatever it held before."""

    def open(self, path: str) -> AbstractContextManager[BufferedIOBase]:
        """A file, to be read from its beginning."""

    def local(self, path: str) -> AbstractContextManager[str]:
        """The path of a file of this machine with the same content."""

    def files(self, folder: str) -> Iterator[StoredFile]:
        """Every file below a folder; none where the folder does not exist."""

    def remove(self, path: str, before: float) -> bool:
        """Remove a file that was last put before this time and that nobody is writing; returns whether it is gone."""


def storage_of(address: str) -> tuple[Storage, str]:
    """The storage and the path in it of a folder, a file, or a URL such as s3://bucket/prefix.

    UsageError for a store that is not known, or whose library is not installed.

    >>> storage_of("/data/snapshots")[1]
    '/data/snapshots'
    """
    if "://" not in address:
        return Folder(), str(Path(address).absolute())
    if address.startswith("file://"):
        return Folder(), unquote(urlsplit(address).path).rstrip("/")
    from titleholder.data import object_store

    return object_store.connect(address)


class Folder:
    """Files of this machine, or of a disk that several machines share. See `Storage`."""

    @contextmanager
    def draft(self, folder: str) -> Iterator[Path]:
        """An empty file in the same folder. It is locked while it is written: one that was abandoned is not."""
        _create(Path(folder))
        path = Path(folder) / f"{secrets.token_hex(8)}{PART}"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660)
        try:
            with suppress(OSError):  # where files cannot be locked, none passes for abandoned
                fcntl.flock(handle, fcntl.LOCK_EX)
            self._remove_abandoned(folder, os.fstat(handle).st_mtime)
            yield path
        finally:
            path.unlink(missing_ok=True)
            os.close(handle)

    def _remove_abandoned(self, folder: str, now: float) -> None:
        """`now` is by the disk's clock: that of another machine may be wrong."""
        for file in Path(folder).glob(f"*{PART}"):
            with suppress(OSError):
                if self.remove(str(file), now - ABANDONED):
                    log.warning("%s was left unfinished by a process that was killed, and is removed", file)

    def put(self, draft: Path, path: str, sha256: str) -> None:
        """A file that is kept counts as put now, so that nobody removes it as an old one."""
        if not self._kept(path, sha256):
            self.replace(draft, path)

    def _kept(self, path: str, sha256: str) -> bool:
        try:
            with Path(path).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH)
                if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                    log.warning("%s is damaged, and is written again", path)
                    return False
                os.utime(path)
                os.fsync(file.fileno())
            _sync(Path(path).parent)
        except FileNotFoundError:
            return False
        except OSError as error:
            log.warning("%s cannot be verified, and is written again: %s", path, error)
            return False
        return True

    def replace(self, draft: Path, path: str) -> None:
        """Content first, then the name: both are on the disk when this returns."""
        _sync(draft)
        draft.replace(path)
        _sync(Path(path).parent)

    def open(self, path: str) -> AbstractContextManager[BufferedIOBase]:
        """As every file of this machine; a pipe, a device or a folder counts as no file."""
        _regular(path)
        return Path(path).open("rb")

    @contextmanager
    def local(self, path: str) -> Iterator[str]:
        """The file itself."""
        _regular(path)
        yield path

    def files(self, folder: str) -> Iterator[StoredFile]:
        """Links are not followed."""
        for where, _, names in os.walk(folder):
            for name in names:
                path = Path(where) / name
                with suppress(FileNotFoundError):
                    found = path.lstat()
                    yield StoredFile(str(path), found.st_size, found.st_mtime)

    def remove(self, path: str, before: float) -> bool:
        """A file that is locked, by who writes or verifies it, stays."""
        with suppress(FileNotFoundError), Path(path).open("r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            if os.fstat(file.fileno()).st_mtime >= before:
                return False
            Path(path).unlink()
        return True


def _regular(path: str) -> None:
    """Who opens a pipe waits for ever, and a device such as /dev/zero has no end."""
    if not stat.S_ISREG(Path(path).stat().st_mode):
        raise FileNotFoundError(errno.ENOENT, "it is no regular file", path)


def _create(folder: Path) -> None:
    """With its parents, each of which is on the disk afterwards. Only user and group may enter it: rows are in it."""
    if not folder.is_dir():
        _create(folder.parent)
        folder.mkdir(mode=0o770, exist_ok=True)
        _sync(folder.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL or not path.is_dir():  # some network disks cannot sync a folder
            raise
    finally:
        os.close(handle)

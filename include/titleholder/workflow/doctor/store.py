"""The store of snapshots: what is written can be read, and a name that is taken is not written again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from titleholder.data.object_store import ObjectStore
from titleholder.data.storage import Storage, storage_of
from titleholder.errors import ServiceError, one_line
from titleholder.settings import Settings
from titleholder.workflow.doctor.report import Check, ok, skipped, wrong
from titleholder.workflow.doctor.services import SNAPSHOTS

FILE = "doctor/titleholder-doctor.txt"
"""Below the snapshots: always the same file, because who writes needs no right to delete."""
CONTENT = b"Written by `titleholder doctor`, to see whether snapshots can be written and read. It may be deleted.\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def store() -> Iterator[Check]:
    """Write, write again, read."""
    address = os.environ.get(SNAPSHOTS, "")
    if not address:
        yield skipped("snapshots", f"{SNAPSHOTS} is not set")
        return
    Settings("", "", address)  # refuses an address with credentials
    storage, root = storage_of(address)
    path = f"{root}/{FILE}"
    try:
        yield from _written(storage, path, address)
    except OSError as error:
        raise ServiceError(f"{address} cannot be used: {type(error).__name__}: {one_line(error)}") from None


def _written(storage: Storage, path: str, address: str) -> Iterator[Check]:
    folder = str(Path(path).parent)
    with storage.draft(folder) as draft:
        draft.write_bytes(CONTENT)
        storage.put(draft, path, SHA256)
    yield ok("snapshots: write", address)
    with storage.open(path) as file:
        read = file.read()
    if read == CONTENT:
        yield ok("snapshots: read", f"{FILE} is what was written")
    else:
        yield wrong("snapshots: read", f"{FILE} is not what was written", "Look at the store: it gives other bytes")
    if not isinstance(storage, ObjectStore):
        yield skipped("snapshots: taken names", "a folder: files get their names by a rename, which is atomic")
        return
    with storage.draft(folder) as draft:
        draft.write_bytes(CONTENT)
        refused = not storage.create(draft, path)
    if refused:
        yield ok("snapshots: taken names", "a conditional write to a name that is taken is refused")
    else:
        remedy = (
            "Use a store with conditional writes (`If-None-Match: *`), or a newer version of it: docs/object-store.md"
        )
        yield wrong("snapshots: taken names", "a name that is taken was written again", remedy)

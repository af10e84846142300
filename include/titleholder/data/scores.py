"""Stored scores: what a trained model answered for rows of a snapshot, kept so that no model is asked twice.

Parquet files below the root of the snapshots, by model, training run and snapshot, each with a row's position in the
snapshot and its score. The training run stands for the version it became: unlike a version's number it is never used
again. `<sha256>.training.parquet` is written once, when the model is trained, and says what it answered then; a note in
its metadata says what the training made.
`<sha256>.folds.parquet` has what models with the same parameters, fitted on earlier rows, answered for the rows of the
search's folds. `<sha256>.parquet` holds whatever was computed later: a snapshot never changes and neither does a model,
so it only grows, and one that is lost or damaged costs a prediction.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from titleholder.data.storage import storage_of
from titleholder.errors import ServiceError

log = logging.getLogger(__name__)

Array = NDArray[np.float64]
Positions = NDArray[np.int64]
SCHEMA = pa.schema([("position", pa.int64()), ("score", pa.float64())])
DIGEST, NOTE = b"sha256", b"note"
"""The keys of a file's metadata that hold the SHA-256 of its path, scores and note, and the note, if any."""


class _Stored(NamedTuple):
    positions: Positions
    scores: Array
    note: str


class ScoreKey(NamedTuple):
    """Whose scores of which snapshot: a model, the run that trained it, and the snapshot's SHA-256.

    >>> ScoreKey("loans", "4f0c", "ab12").training_path
    'scores/loans/4f0c/ab12.training.parquet'
    """

    model: str
    run_id: str
    sha256: str

    @property
    def path(self) -> str:
        """Where scores that were computed later are, below the root."""
        return f"scores/{self.model}/{self.run_id}/{self.sha256}.parquet"

    @property
    def training_path(self) -> str:
        """Where the scores are that were stored when the model was trained, below the root."""
        return f"scores/{self.model}/{self.run_id}/{self.sha256}.training.parquet"

    @property
    def folds_path(self) -> str:
        """Where the scores of the search's folds are, below the root."""
        return f"scores/{self.model}/{self.run_id}/{self.sha256}.folds.parquet"


class ScoreStore:
    """The stored scores below one root, a folder or a URL such as s3://bucket/prefix.

    `computed` counts the scores that were not stored and had to be computed; with `read_only` these are not stored.

    >>> import tempfile
    >>> store, key = ScoreStore(tempfile.mkdtemp()), ScoreKey("loans", "4f0c", "ab12")
    >>> store.scores(key, np.array([0, 2]), lambda missing: missing / 10)
    array([0. , 0.2])
    >>> store.scores(key, np.array([2]), lambda missing: 1 / 0)
    array([0.2])
    """

    def __init__(self, root: str, *, read_only: bool = False) -> None:
        self._root, self._read_only, self.computed = root, read_only, 0

    def scores(self, key: ScoreKey, positions: Positions, compute: Callable[[Positions], Array]) -> Array:
        """The scores of these rows, shape (rows,); `compute` gives those of positions that are not stored yet.

        Scores that cannot be stored are returned all the same, with a warning.

        Raises:
            ServiceError: when the place cannot be read now.
        """
        known = self._read(key.path)
        stored = np.isin(positions, known.positions) if known else np.zeros(len(positions), dtype=bool)
        if known and stored.all():
            return _at(positions, known.positions, known.scores)
        missing = positions[~stored]
        new = np.asarray(compute(missing), dtype=np.float64)
        self.computed += len(missing)
        merged = (missing, new)
        if known is not None:
            merged = np.append(known.positions, missing), np.append(known.scores, new)
        try:
            if not self._read_only:
                self._write(key.path, *merged)
        except ServiceError as error:
            log.warning("Computed scores are not stored, and will be computed again: %s", error)
        return _at(positions, *merged)

    def stored(self, key: ScoreKey, positions: Positions) -> Array | None:
        """What was stored for these rows by whoever scored them first; None where that is not stored, or damaged.

        Raises:
            ServiceError: when the place cannot be read now.
        """
        return self._stored(key.path, positions)

    def of_training(self, key: ScoreKey, positions: Positions) -> Array | None:
        """What the model answered for these rows when it was trained; None where that is not stored, or damaged.

        Raises:
            ServiceError: when the place cannot be read now.
        """
        return self._stored(key.training_path, positions)

    def of_folds(self, key: ScoreKey) -> tuple[Positions, Array] | None:
        """Positions, and what models that were fitted on earlier rows answered for them; None where that is lost.

        Raises:
            ServiceError: when the place cannot be read now.
        """
        known = self._read(key.folds_path)
        return (known.positions, known.scores) if known else None

    def store_folds(self, key: ScoreKey, positions: Positions, scores: Array) -> None:
        """Store what models with the chosen parameters, fitted on earlier rows, answered for the rows of the folds.

        Raises:
            ServiceError: when the place cannot be written.
        """
        self._write(key.folds_path, positions, scores)

    def training_note(self, key: ScoreKey) -> str | None:
        """The note that was stored with the scores of the training, which may be empty; None where these are lost.

        Raises:
            ServiceError: when the place cannot be read now.
        """
        known = self._read(key.training_path)
        return known.note if known else None

    def _stored(self, path: str, positions: Positions) -> Array | None:
        known = self._read(path)
        if known is None or not np.isin(positions, known.positions).all():
            return None
        return _at(positions, known.positions, known.scores)

    def store_training(self, key: ScoreKey, positions: Positions, scores: Array, note: str = "") -> None:
        """Store what a model answers that was trained just now. A second try of the same run replaces the first one's.

        The note is stored in the same file: neither is there without the other.

        Raises:
            ServiceError: when the place cannot be written.
        """
        self._write(key.training_path, positions, scores, note)

    def _read(self, path: str) -> _Stored | None:
        storage, base = storage_of(self._root)
        try:
            with storage.open(f"{base}/{path}") as file:
                content = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ServiceError(f"scores: {self._root}/{path} cannot be read now: {error}") from error
        try:
            return _decoded(content, path)
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            log.warning("Stored scores %s/%s are damaged: %s. %s", self._root, path, error, _remedy(path))
            return None

    def _write(self, path: str, positions: Positions, scores: Array, note: str = "") -> None:
        """In the order of positions, in place of what was stored; they appear whole or not at all."""
        if (np.diff(positions) < 0).any():
            order = np.argsort(positions, kind="stable")
            positions, scores = positions[order], scores[order]
        about = {DIGEST: _digest(path, positions, scores, note), **({NOTE: note.encode()} if note else {})}
        table = pa.Table.from_arrays([pa.array(positions), pa.array(scores)], schema=SCHEMA.with_metadata(about))
        try:
            storage, base = storage_of(self._root)
            with storage.draft(f"{base}/{path}".rpartition("/")[0]) as draft:
                pq.write_table(table, draft, compression="zstd", write_page_checksum=True)
                storage.replace(draft, f"{base}/{path}")
        except (OSError, pa.ArrowInvalid) as error:
            raise ServiceError(f"scores: {self._root}/{path} cannot be written: {error}") from error


def _decoded(content: bytes, path: str) -> _Stored:
    """What a file holds, which must be what was written at this path; else a ValueError."""
    table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
    positions, scores = table["position"].to_numpy(), table["score"].to_numpy()
    about = table.schema.metadata or {}
    note = about.get(NOTE, b"").decode()
    if about.get(DIGEST) != _digest(path, positions, scores, note):
        raise ValueError("they are not what was written there")
    return _Stored(positions, scores, note)


def _digest(path: str, positions: Positions, scores: Array, note: str) -> bytes:
    """The SHA-256 of scores, of their note, and of the path that they belong to, in hexadecimal digits."""
    digest = hashlib.sha256(path.encode())
    for array in (positions, scores):
        digest.update(b"\0")
        digest.update(np.ascontiguousarray(array).data)
    digest.update(note.encode())
    return digest.hexdigest().encode()


def _remedy(path: str) -> str:
    """What becomes of scores that are damaged, or what to do about them."""
    if path.endswith(".training.parquet"):
        return "Run the same as-of date and lane again: the candidate is trained again, and they are stored again."
    return "They are left out." if path.endswith(".folds.parquet") else "They are computed again."


def _at(wanted: Positions, positions: Positions, scores: Array) -> Array:
    order = np.argsort(positions, kind="stable")
    return scores[order[np.searchsorted(positions, wanted, sorter=order)]]

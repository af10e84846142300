"""Stored scores: computed once, merged, computed again where a file is damaged; those of the training are apart."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from titleholder.data import storage
from titleholder.data.scores import Positions, ScoreKey, ScoreStore
from titleholder.errors import ServiceError

KEY = ScoreKey("loans", "4f0c", "ab12")


class Model:
    """Answers a tenth of the position, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __call__(self, positions: Positions) -> np.ndarray:
        self.asked.append(positions.tolist())
        return positions / 10


@pytest.fixture
def store(tmp_path: Path) -> ScoreStore:
    return ScoreStore(str(tmp_path))


@pytest.fixture
def model() -> Model:
    return Model()


def test_only_missing_rows_are_computed(store: ScoreStore, model: Model, tmp_path: Path) -> None:
    assert store.scores(KEY, np.array([4, 1, 9]), model).tolist() == [0.4, 0.1, 0.9]
    assert store.scores(KEY, np.array([9, 0, 1, 5]), model).tolist() == [0.9, 0.0, 0.1, 0.5]
    assert store.scores(KEY, np.array([5, 4]), model).tolist() == [0.5, 0.4]
    assert model.asked == [[4, 1, 9], [0, 5]]
    assert store.computed == 5
    table = pd.read_parquet(tmp_path / KEY.path)
    assert table["position"].tolist() == [0, 1, 4, 5, 9]
    assert table["score"].tolist() == [0.0, 0.1, 0.4, 0.5, 0.9]
    assert [f.name for f in tmp_path.rglob("*.*")] == ["ab12.parquet"], "no other file stays behind"


def test_scores_keep_every_bit(store: ScoreStore) -> None:
    scores = np.array([0.1 + 0.2, np.nextafter(1, 0), 5e-324, np.nan])
    store.store_training(KEY, np.arange(4), scores)
    found = store.of_training(KEY, np.arange(4))
    assert found is not None
    assert found.tobytes() == scores.tobytes()


def test_a_note_is_stored_with_the_scores_of_the_training_and_lost_with_them(store: ScoreStore, tmp_path: Path) -> None:
    assert store.training_note(KEY) is None
    store.store_training(KEY, np.array([0]), np.array([0.5]), "made: é")
    assert store.training_note(KEY) == "made: é"
    path = tmp_path / KEY.training_path
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"note": b"made: e"}), path)
    assert store.training_note(KEY) is None, "another note than was stored"
    assert store.of_training(KEY, np.array([0])) is None
    store.store_training(KEY, np.array([0]), np.array([0.5]))
    assert store.training_note(KEY) == ""


def test_scores_of_folds_are_kept_apart_and_read_with_their_positions(store: ScoreStore) -> None:
    assert store.of_folds(KEY) is None
    store.store_training(KEY, np.array([3]), np.array([0.7]))
    store.store_folds(KEY, np.array([5, 3]), np.array([0.2, 0.1]))
    found = store.of_folds(KEY)
    assert found is not None
    assert [part.tolist() for part in found] == [[3, 5], [0.1, 0.2]]
    assert store.of_training(KEY, np.array([3])) == np.array([0.7])


@pytest.mark.parametrize("other", [KEY._replace(model="cars"), KEY._replace(run_id="77"), KEY._replace(sha256="cd34")])
def test_each_training_and_snapshot_has_its_own(store: ScoreStore, model: Model, other: ScoreKey) -> None:
    store.scores(KEY, np.array([0]), model)
    store.store_training(KEY, np.array([0]), np.array([0.5]))
    assert store.of_training(other, np.array([0])) is None
    store.scores(other, np.array([0]), model)
    assert len(model.asked) == 2


def test_scores_of_the_training_are_all_there_or_none(store: ScoreStore) -> None:
    store.store_training(KEY, np.array([2, 0]), np.array([0.2, 0.0]))
    assert store.of_training(KEY, np.array([1, 2])) is None
    found = store.of_training(KEY, np.array([2, 0, 2]))
    assert found is not None
    assert found.tolist() == [0.2, 0.0, 0.2]


def test_what_is_computed_later_never_passes_for_what_was_answered_at_training(store: ScoreStore, model: Model) -> None:
    store.scores(KEY, np.array([0, 1]), model)
    assert store.of_training(KEY, np.array([0, 1])) is None
    store.store_training(KEY, np.array([0]), np.array([0.7]))
    assert store.scores(KEY, np.array([0]), model).tolist() == [0.0]


def test_a_place_that_cannot_be_written_costs_a_prediction_but_not_a_training(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(storage.Folder, "replace", full)
    store = ScoreStore(str(tmp_path))
    assert store.scores(KEY, np.array([3]), model).tolist() == [0.3]
    assert "no space left" in caplog.text
    with pytest.raises(ServiceError, match="cannot be written: no space left"):
        store.store_training(KEY, np.array([0]), np.array([0.5]))


@pytest.mark.parametrize("place", [10, -100, None])
def test_a_damaged_file_is_computed_again(
    store: ScoreStore, model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture, place: int | None
) -> None:
    rows = np.arange(500)
    store.scores(KEY, rows, model)
    file = tmp_path / KEY.path
    content = bytearray(file.read_bytes())
    if place is None:
        content = content[:100]
    else:
        content[place] ^= 0xFF
    file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert store.scores(KEY, rows, model).tolist() == (rows / 10).tolist()
    assert len(model.asked) == 2
    assert f"Stored scores {tmp_path}/{KEY.path} are damaged" in caplog.text
    assert "They are computed again." in caplog.text
    assert store.scores(KEY, rows, model).tolist() == (rows / 10).tolist()
    assert len(model.asked) == 2, "the file was replaced by a sound one"

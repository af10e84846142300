"""Stored scores: computed once, merged, and computed again where a file is damaged."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from titleholder.data.scores import Positions, ScoreKey, ScoreStore

KEY = ScoreKey("loans", 3, "ab12")


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
    positions, scores = store.read(KEY) or ([], [])
    assert list(positions) == [0, 1, 4, 5, 9]
    assert list(scores) == [0.0, 0.1, 0.4, 0.5, 0.9]
    assert [f.name for f in tmp_path.rglob("*.*")] == ["ab12.parquet"], "no other file stays behind"


def test_scores_keep_every_bit(store: ScoreStore) -> None:
    scores = np.array([0.1 + 0.2, np.nextafter(1, 0), 5e-324, np.nan])
    store.write(KEY, np.arange(4), scores)
    found = store.stored(KEY, np.arange(4))
    assert found is not None
    assert found.tobytes() == scores.tobytes()


@pytest.mark.parametrize("other", [KEY._replace(model="cars"), KEY._replace(version=4), KEY._replace(sha256="cd34")])
def test_each_version_and_snapshot_has_its_own(store: ScoreStore, other: ScoreKey) -> None:
    store.write(KEY, np.array([0]), np.array([0.5]))
    assert store.read(other) is None
    assert store.stored(other, np.array([0])) is None


def test_stored_scores_are_all_there_or_none(store: ScoreStore) -> None:
    store.write(KEY, np.array([2, 0]), np.array([0.2, 0.0]))
    assert store.stored(KEY, np.array([1, 2])) is None
    assert (store.stored(KEY, np.array([2, 0, 2])) == [0.2, 0.0, 0.2]).all()


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
    assert f"Stored scores {KEY.path} cannot be read and are computed again" in caplog.text


def test_a_copy_does_not_replace_what_is_there(store: ScoreStore) -> None:
    other = KEY._replace(version=9)
    store.copy(KEY, other)
    assert store.read(other) is None, "nothing to copy"
    store.write(KEY, np.array([0]), np.array([0.5]))
    store.copy(KEY, other)
    assert store.stored(other, np.array([0])) == [0.5]
    store.write(KEY, np.array([0]), np.array([0.7]))
    store.copy(KEY, other)
    assert store.stored(other, np.array([0])) == [0.5]

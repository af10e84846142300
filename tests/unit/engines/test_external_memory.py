"""From the disk, block by block: the model that the rows would have given in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from support.engine_cases import a_frame, assert_alike, boosted, fitted, scores, stored
from support.factories import a_regression
from titleholder.engines import blocks, external_memory
from titleholder.engines.blocks import Reading
from titleholder.errors import DataError, TrainingError
from titleholder.training.folds import time_folds
from titleholder.workflow import fitting

RNG = np.random.default_rng(5)
MANY = RNG.permutation([f"place {n:03}" for n in range(230)] * 4 + ["everywhere"] * 180)[:900]
LATE = np.where(np.arange(900) < 500, RNG.choice(["b", "d"], 900), RNG.choice(["a", "b", "c", "d"], 900))
GAPS = pd.array(np.where(RNG.random(900) < 0.2, None, RNG.integers(0, 12, 900)), dtype="Int64")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_memory, "ROWS", 150)


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"purpose": pd.Series(MANY, dtype="str")},
        {"purpose": pd.Series(LATE, dtype="str")},
        {"purpose": GAPS},
        {"purpose": RNG.random(900) < 0.3},
        {"purpose": pd.Series([None] * 900, dtype="str")},
        {"income": np.where(RNG.random(900) < 0.3, np.nan, 1.0)},
    ],
    ids=["plain", "more categories than an encoder keeps", "unseen in the first folds", "numbers with gaps", "true or false",
         "no value at all", "gaps"],
)  # fmt: skip
def test_it_is_the_model_of_the_rows_in_memory(
    columns: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = a_frame(**columns)
    extract = stored(frame, tmp_path, monkeypatch)
    here, disk = (fitted(boosted(engine=engine), extract) for engine in (None, "external_memory"))
    assert_alike(here, disk, frame, boosted(), atol=1e-6)
    assert disk.engine == {"engine": "external_memory"}
    assert here.engine == {}


@pytest.mark.parametrize("numeric", [["income", "debt"], ["income"]])
def test_weights_and_rows_that_were_not_accepted(
    numeric: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted = RNG.random(900) < 0.8
    frame = a_frame(taken=accepted, amount=RNG.lognormal(size=900))
    frame["bad"] = frame["bad"].where(accepted).astype("Int64")
    extract = stored(frame, tmp_path, monkeypatch)
    own = {"columns__accepted": "taken", "columns__weight": "amount", "columns__numeric": numeric}
    here, disk = (fitted(boosted(engine=engine, **own), extract) for engine in (None, "external_memory"))
    assert len(disk.rows) < 800
    assert_alike(here, disk, frame, boosted(**own), atol=1e-6)


def test_a_regression_with_a_refit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    candidate = {"estimator": "xgboost.XGBRegressor", "params": {"n_estimators": 5, "max_depth": 2}}
    specs = [
        a_regression(training__candidates={"it": candidate}, training__engine=engine, windows__refit="all_matured")
        for engine in (None, "external_memory")
    ]
    frame = a_frame(bad=RNG.normal(size=900))
    extract = stored(frame, tmp_path, monkeypatch)
    here, disk = (fitted(spec, extract) for spec in specs)
    assert_alike(here, disk, frame, specs[0], atol=1e-5)
    assert here.refit is not None
    assert disk.refit is not None
    refits = [each.fitted.__class__(each.refit, {}, "rmse", 0.0, [], []) for each in (here, disk)]
    answers = [
        scores(each._replace(fitted=refit), frame, specs[0]) for each, refit in zip((here, disk), refits, strict=True)
    ]
    np.testing.assert_allclose(*answers, rtol=0, atol=1e-5)
    assert np.abs(answers[0] - scores(here, frame, specs[0])).max() > 1e-3, "the refit has seen more"


@pytest.mark.parametrize("folds", [2, 4, 7])
def test_the_stretches_are_the_folds_of_time(folds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = a_frame()
    frame["issued_at"] = frame["issued_at"].dt.floor("5D")
    reading = Reading.of(boosted(), stored(frame, tmp_path, monkeypatch).uri, None)
    found = [blocks.moments(reading, span) for span in blocks.row_groups.groups(reading.uri)]
    stretches = blocks.stretches(found, folds, lambda span: blocks.times_of(reading, span))
    expected = list(time_folds(frame["issued_at"], folds))
    assert [(each.first, each.end) for each in stretches[1:]] == [(test[0], test[-1] + 1) for _, test in expected]
    assert stretches[0] == (0, expected[0][0][-1] + 1)


def test_what_cannot_be_divided_into_folds_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = a_frame()
    frame["issued_at"] = frame["issued_at"].iloc[0]
    extract = stored(frame, tmp_path, monkeypatch)
    with pytest.raises(TrainingError, match="2 folds need 3 stretches"):
        fitted(boosted(engine="external_memory"), extract)
    with pytest.raises(TrainingError, match="small: a fold of .* rows has one class only"):
        fitted(boosted(engine="external_memory"), stored(a_frame(bad=0), tmp_path, monkeypatch))
    with pytest.raises(DataError, match="not in the order of issued_at"):
        fitted(boosted(engine="external_memory"), stored(a_frame().iloc[::-1], tmp_path, monkeypatch))


def test_a_parameter_that_needs_the_rows_is_an_error_of_the_candidate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = {"estimator": "xgboost.XGBClassifier", "params": {"tree_method": "exact"}}
    spec = boosted(engine="external_memory", training__candidates={"it": candidate})
    with pytest.raises(TrainingError, match="small: candidate it .xgboost.XGBClassifier. does not fit"):
        fitted(spec, stored(a_frame(), tmp_path, monkeypatch))


def test_of_many_predictions_of_the_folds_some_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extract = stored(a_frame(), tmp_path, monkeypatch)
    whole = fitted(boosted(engine="external_memory", searched=False), extract).fitted.out_of_fold
    monkeypatch.setattr(fitting, "STORED_FOLDS", 100)
    kept = fitted(boosted(engine="external_memory", searched=False), extract).fitted.out_of_fold
    assert whole is not None
    assert kept is not None
    assert (len(kept.rows), kept.rows[0], kept.rows[-1]) == (100, whole.rows[0], whole.rows[-1])
    np.testing.assert_array_equal(kept.scores, whole.scores[kept.rows - whole.rows[0]])


def test_nothing_stays_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extract = stored(a_frame(), tmp_path / "store", monkeypatch)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    fitted(boosted(engine="external_memory"), extract)
    assert list((tmp_path / "scratch").iterdir()) == []

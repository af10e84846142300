"""The loss when a feature is shuffled follows its use by the challenger."""

from __future__ import annotations

import numpy as np
import pytest

from support.factories import a_regression, a_spec
from support.report_cases import simulated
from titleholder.reports.plots import importance
from titleholder.reports.plots.importance import importances, sample


@pytest.mark.parametrize(
    "spec",
    [
        a_spec(),
        a_spec(judgement__metric="brier", judgement__floors={}),
        a_regression(),
        a_regression(judgement__metric="r2"),
    ],
    ids=["more", "less", "rmse", "r2"],
)
def test_the_only_useful_feature_matters_most_and_the_useless_not_at_all(spec: object) -> None:
    found = importances(simulated(spec))  # type: ignore[arg-type]
    assert found[0].feature == "debt"
    assert found[0].loss.lower > 0.01
    assert found[0].loss.lower <= found[0].loss.estimate <= found[0].loss.upper
    assert {i.feature: i.loss.values for i in found[1:]} == {"income": (0.0,) * 3, "purpose": (0.0,) * 3}


def test_the_seed_of_the_spec_decides_the_shuffling() -> None:
    first, again, other = (importances(simulated(a_spec(training__seed=seed))) for seed in (7, 7, 8))
    assert first == again
    assert first[0].loss != other[0].loss


def test_a_misleading_feature_has_a_negative_loss() -> None:
    found = simulated()
    changed = {"predict": lambda rows: 1 - found.predict(rows), "challenger": 1 - found.challenger}  # type: ignore[misc]
    misled = found.model_copy(update=changed)
    assert importances(misled)[-1].feature == "debt"
    assert importances(misled)[-1].loss.upper < 0


def test_rows_and_predictions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    predicted: list[int] = []
    monkeypatch.setattr(importance, "ROWS", 100)
    found = simulated()
    counting = found.model_copy(update={"predict": lambda rows: (predicted.append(len(rows)), found.predict(rows))[1]})  # type: ignore[misc]
    importances(counting)
    assert predicted == [1500]
    chosen = sample(found)
    assert len(np.unique(chosen)) == 100
    assert (np.diff(chosen) > 0).all()


def test_with_many_features_there_are_fewer_rows_but_never_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    found = simulated()
    monkeypatch.setattr(importance, "BUDGET", 5 * 3 * 550)
    assert len(sample(found)) == 550
    monkeypatch.setattr(importance, "BUDGET", 1)
    assert len(sample(found)) == importance.FEWEST


def test_nothing_without_predictions_or_outcomes() -> None:
    assert importances(simulated(predict=None)) == []
    assert importances(simulated(y=np.zeros(600))) == []
    assert importances(simulated(n=0)) == []

"""TH704, no single missing feature costs too much: fires, stays quiet, does not apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from support.factories import a_regression, a_spec, evidence
from support.report_cases import simulated
from titleholder.spec.model import ModelSpec
from titleholder.validation.checks import missing_inputs as module
from titleholder.validation.checks.missing_inputs import missing_inputs, sensitivity_to_missing_inputs
from titleholder.validation.evidence import Evidence
from titleholder.validation.metrics import Array


def tolerant(spec: ModelSpec | None = None, fill: float = 0.0, **parts: Any) -> Evidence:
    """A challenger that sees debt only, and takes a missing one for `fill`."""
    found = simulated(spec or a_spec(), n=2000)

    def predict(frame: pd.DataFrame) -> Array:
        return np.asarray(found.predict(frame.assign(debt=frame["debt"].fillna(fill))))  # type: ignore[misc]

    return found.model_copy(update={"predict": predict, **parts})


def test_fires_as_a_warning_when_one_feature_is_worth_more_than_is_allowed() -> None:
    given = tolerant()
    found = sensitivity_to_missing_inputs(given)
    assert (found.code, found.status, found.severity) == ("TH704", "fail", "warn")
    full = roc_auc_score(given.y, given.challenger)
    assert found.numbers["roc_auc"] == pytest.approx(full)
    assert found.numbers["debt:loss"] == pytest.approx(full - 0.5)
    assert found.explanation == (
        f"Of 3 features, each missing in turn in 2000 judged rows with roc_auc {full:.4f}: rows always get a score; shown "
        f"to cost more than 0.05: debt {full - 0.5:.4f} [{found.numbers['debt:loss_lower']:.4f}, "
        f"{found.numbers['debt:loss_upper']:.4f}]."
    )


def test_stays_quiet_when_none_costs_so_much_or_it_is_not_shown() -> None:
    allowed = a_spec(judgement__checks={"missing_inputs": {"loss": 0.4}})
    found = sensitivity_to_missing_inputs(tolerant(allowed))
    assert found.status == "pass"
    assert ": none, nearest debt " in found.explanation
    small = tolerant()
    few = small.model_copy(
        update={"frame": small.frame.head(60), "y": small.y[:60], "challenger": small.challenger[:60], "champion": None}
    )
    assert sensitivity_to_missing_inputs(few).numbers["debt:loss"] > 0.05
    assert sensitivity_to_missing_inputs(few).status == "pass"


def test_fires_when_rows_get_no_score_and_names_the_feature_and_the_reason() -> None:
    whole = tolerant()

    def refuse(frame: pd.DataFrame) -> Array:
        if frame["income"].isna().any():
            raise ValueError("Input X contains NaN\nand more")
        return np.where(frame["purpose"].isna(), np.nan, whole.predict(frame))  # type: ignore[misc]

    given = whole.model_copy(update={"predict": refuse})
    found = sensitivity_to_missing_inputs(given)
    assert found.status == "fail"
    assert found.numbers["unscored"] == 2
    assert "rows get no score without income (ValueError: Input X contains NaN), purpose (ValueError: 2000 of" in (
        found.explanation
    )
    inputs = missing_inputs(given)
    assert inputs is not None
    assert [each.feature for each in inputs.features] == ["income", "purpose", "debt"]
    assert "income:loss" not in found.numbers


def test_every_feature_is_missing_once_and_in_its_own_type() -> None:
    seen: list[pd.DataFrame] = []
    whole = tolerant()
    given = whole.model_copy(update={"predict": lambda rows: (seen.append(rows), whole.predict(rows))[1]})  # type: ignore[misc]
    missing_inputs(given)
    (frame,) = seen
    parts = [frame.iloc[first : first + 2000] for first in range(0, len(frame), 2000)]
    gaps = [[c for c in ("income", "debt", "purpose") if part[c].isna().any()] for part in parts]
    assert gaps == [["income"], ["debt"], ["purpose"]]
    assert frame["income"].isna().sum() == 2000
    assert dict(frame.dtypes) == dict(whole.frame[["income", "debt", "purpose"]].dtypes)


@pytest.mark.parametrize(
    ("spec", "share"),
    [
        (a_spec(judgement__metric="brier", judgement__floors={}), 0.025),
        (a_regression(), 0.05),
        (a_regression(judgement__metric="r2"), None),
    ],
    ids=["brier", "rmse", "r2"],
)
def test_the_loss_is_in_the_unit_of_the_metric_and_worse_is_positive(spec: ModelSpec, share: float | None) -> None:
    inputs = missing_inputs(tolerant(spec, fill=3.0))
    assert inputs is not None
    assert inputs.limit == pytest.approx(0.05 if share is None else share * inputs.metric)
    first = inputs.features[0]
    assert first.feature == "debt"
    assert first.loss.estimate > 0
    sign = 1 if spec.judgement.metric == "r2" else -1
    assert first.loss.estimate == pytest.approx(sign * (inputs.metric - first.metric))
    assert inputs.costly == [first]


def test_rows_are_bounded_and_drawn_with_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS", 700)
    first, again, other = (missing_inputs(tolerant(a_spec(training__seed=seed))) for seed in (7, 7, 8))
    assert first == again
    assert first is not None
    assert other is not None
    assert first.rows == 700
    assert first.metric != other.metric
    monkeypatch.setattr(module, "BUDGET", 1)
    fewest = missing_inputs(tolerant())
    assert fewest is not None
    assert fewest.rows == module.FEWEST


def test_does_not_apply_without_predictions_or_outcomes() -> None:
    assert sensitivity_to_missing_inputs(evidence()).explanation == "The model cannot score other rows here."
    none = sensitivity_to_missing_inputs(tolerant(y=np.zeros(2000)))
    assert (none.status, none.explanation) == ("not_applicable", "Nothing can be measured on the holdout.")

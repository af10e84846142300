"""TH502, no feature alone explains it: fires, stays quiet, does not apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from support.factories import a_regression, a_spec, evidence, rows
from titleholder.spec.model import ModelSpec
from titleholder.validation.checks.leakage import single_feature
from titleholder.validation.evidence import Evidence, TrainingSample
from titleholder.validation.metrics import Array

RNG = np.random.default_rng(0)
Y = (RNG.random(400) < 0.3).astype(float)
NOISE = RNG.normal(size=400)


def judged(
    spec: ModelSpec | None = None, y: Array = Y, training: TrainingSample | None = None, **columns: Any
) -> Evidence:
    """Rows with these columns in the place of those that know nothing."""
    given = evidence(spec, y=y, training=training)
    rest = given.frame.drop(columns=list(columns), errors="ignore")
    return given.model_copy(update={"frame": pd.concat([rest, pd.DataFrame(columns, index=rest.index)], axis=1)})


def trained(y: Array, spec: ModelSpec | None = None, **columns: Any) -> TrainingSample:
    frame = rows(spec, n=max(len(y), 1)).head(len(y))
    return TrainingSample(frame=frame.assign(**columns), y=y, scores=y)


@pytest.mark.parametrize("sign", [1, -1], ids=["more", "less"])
def test_fires_when_a_number_alone_reaches_the_threshold(sign: int) -> None:
    found = single_feature(judged(debt=sign * (4 * Y + NOISE)))
    assert (found.code, found.status, found.severity) == ("TH502", "fail", "block")
    assert found.numbers["debt:roc_auc"] > found.numbers["threshold"] == 0.8
    assert found.explanation == (
        f"Of 2 features alone, reaching roc_auc 0.8: debt {found.numbers['debt:roc_auc']:.4f}."
    )
    assert found.remedy.startswith("More likely a leak than a cause: ")
    assert found.remedy.endswith("Where it is honest, set judgement.checks.single_feature.roc_auc.")


def test_fires_when_being_missing_tells_it() -> None:
    known = np.where(Y == 1, NOISE, np.nan)
    assert single_feature(judged(debt=known)).status == "fail"


def test_a_category_stands_for_the_outcome_of_its_training_rows() -> None:
    past = np.tile([0.0, 1.0, 1.0, 0.0], 50)
    named = np.array(["a", "b", "b", "a"] * 50)
    leak = np.where(Y == 1, "b", "a")
    found = single_feature(judged(training=trained(past, purpose=named), purpose=leak))
    assert (found.status, found.numbers["purpose:roc_auc"], found.numbers["judged"]) == ("fail", 1.0, 3)
    unlearned = single_feature(judged(training=trained(past, purpose=np.full(200, "a")), purpose=leak))
    assert (unlearned.status, unlearned.numbers["purpose:roc_auc"]) == ("pass", 0.5)


def test_a_category_that_no_training_row_has_stands_for_all_of_them() -> None:
    past = np.array([0.0, 0.0, 1.0, 1.0])
    seen = trained(past, purpose=["low", "low", "high", "high"])
    y = np.array([0.0, 0.0, 1.0, 1.0, 1.0, 0.0])
    found = single_feature(judged(y=y, training=seen, purpose=["low", "new", "new", "high", "high", None]))
    assert found.numbers["purpose:roc_auc"] == pytest.approx((3 * 3 - 1.0) / 9)


def test_training_rates_are_weighted() -> None:
    spec = a_spec(columns__weight="w")
    past = np.array([0.0, 1.0, 0.0, 1.0])
    seen = trained(past, purpose=["a", "a", "b", "b"], w=[9.0, 1.0, 1.0, 9.0])
    given = judged(spec, training=seen, purpose=np.where(Y == 1, "b", "a"))
    found = single_feature(given.model_copy(update={"weights": np.ones(400)}))
    assert found.numbers["purpose:roc_auc"] == 1.0


@pytest.mark.parametrize("seen", [None, trained(np.empty(0))], ids=["none", "empty"])
def test_without_training_rows_only_numbers_are_judged(seen: TrainingSample | None) -> None:
    found = single_feature(judged(training=seen, purpose=np.where(Y == 1, "b", "a")))
    assert (found.status, found.numbers["judged"]) == ("pass", 2)
    assert "purpose:roc_auc" not in found.numbers


def test_stays_quiet_when_no_feature_is_near() -> None:
    found = single_feature(judged(debt=0.7 * Y + NOISE))
    assert found.status == "pass"
    assert found.explanation == (
        f"Of 2 features alone, reaching roc_auc 0.8: none, nearest debt {found.numbers['debt:roc_auc']:.4f}."
    )


def test_of_many_features_the_strongest_are_named() -> None:
    names = [f"f{i}" for i in range(300)]
    spec = a_spec(columns__numeric=[*names, "debt"], columns__categorical=[])
    noise = pd.DataFrame(RNG.normal(size=(400, 300)), columns=names)
    found = single_feature(judged(spec, debt=4 * Y + NOISE, **noise))
    assert (found.status, found.numbers["judged"]) == ("fail", 301)
    assert list(found.numbers)[2] == "debt:roc_auc"
    assert len(found.numbers) == 2 + 20


def test_the_threshold_is_that_of_the_spec() -> None:
    given = judged(a_spec(judgement__checks={"single_feature": {"roc_auc": 0.999}}), debt=3 * Y + NOISE)
    assert 0.9 < single_feature(given).numbers["debt:roc_auc"] < 0.999
    assert single_feature(given).status == "pass"


@pytest.mark.parametrize(("spread", "status"), [(0.1, "fail"), (1.0, "pass")])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_regression_goes_by_the_squared_correlation(spread: float, status: str, sign: int) -> None:
    y = NOISE * 10 + 3
    debt = sign * (NOISE + spread * RNG.normal(size=400))
    found = single_feature(judged(a_regression(), y=y, debt=debt))
    assert found.status == status
    assert found.numbers["debt:r2"] == pytest.approx(np.corrcoef(y, debt)[0, 1] ** 2)


def test_missing_numbers_of_a_regression_are_a_value_of_their_own() -> None:
    y = np.where(NOISE > 0, NOISE, 20.0)
    found = single_feature(judged(a_regression(), y=y, debt=np.where(NOISE > 0, NOISE, np.nan)))
    assert (found.status, found.numbers["debt:r2"]) == ("fail", pytest.approx(1.0))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (judged(y=np.zeros(50)), "Nothing can be measured on the holdout."),
        (judged(y=np.empty(0)), "Nothing can be measured on the holdout."),
        (judged(a_regression(), y=np.ones(50)), "Nothing can be measured on the holdout."),
        (
            judged(a_spec(columns__numeric=[])),
            "Categories cannot be judged without training rows, and there is no other feature.",
        ),
    ],
)
def test_does_not_apply(given: Evidence, why: str) -> None:
    found = single_feature(given)
    assert (found.status, found.explanation) == ("not_applicable", why)

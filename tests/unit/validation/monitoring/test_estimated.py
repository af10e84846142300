"""Performance estimated without outcomes: against NannyML, against scikit-learn, and against what comes true."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from titleholder.validation.monitoring.estimated import Recalibration, estimated, recalibration

TEN = np.array([0.02, 0.05, 0.05, 0.11, 0.2, 0.33, 0.4, 0.58, 0.71, 0.93])
LONG = special.expit(-2.5 + np.linspace(-3, 3, 400))
PLAIN = {
    "roc_auc": roc_auc_score,
    "brier": brier_score_loss,
    "log_loss": lambda y, p: log_loss(y, p, labels=[0, 1]),
}


def with_itself(p: np.ndarray, value: float) -> float:
    """NannyML also compares each row with itself, as a half."""
    own, all_pairs = (p * (1 - p)).sum(), p.sum() * (1 - p).sum()
    return float((value * (all_pairs - own) + own / 2) / all_pairs)


@pytest.mark.parametrize(("p", "reference"), [(LONG, 0.8492469432087564), (np.delete(TEN, 2), None)])
def test_the_area_is_that_of_nannyml(p: np.ndarray, reference: float | None) -> None:
    """NannyML 0.13.1, `estimate_roc_auc`, which rounds to five digits inside; and scikit-learn on each row twice."""
    found = with_itself(p, estimated("roc_auc", p, confidence=0.95).estimate)
    if reference is not None:
        assert found == pytest.approx(reference, abs=1e-5)
    y, twice = np.repeat([1, 0], len(p)), np.tile(p, 2)
    assert found == pytest.approx(roc_auc_score(y, twice, sample_weight=np.append(p, 1 - p)), abs=1e-12)


@pytest.mark.parametrize("metric", list(PLAIN))
def test_the_estimate_is_the_mean_and_the_interval_the_spread_of_what_comes_true(metric: str) -> None:
    rng = np.random.default_rng(3)
    p = special.expit(rng.normal(-2, 1, 1000))
    found = estimated(metric, p, confidence=0.95)
    true = np.array([PLAIN[metric]((rng.random(len(p)) < p).astype(int), p) for _ in range(600)])
    assert found.estimate == pytest.approx(true.mean(), abs=4 * true.std() / np.sqrt(len(true)))
    assert (found.upper - found.lower) / 2 == pytest.approx(1.96 * true.std(), rel=0.12)
    covered = ((true >= found.lower) & (true <= found.upper)).mean()
    assert covered == pytest.approx(0.95, abs=0.03)


def test_easier_rows_are_expected_to_be_ranked_better() -> None:
    rng = np.random.default_rng(4)
    near, apart = (special.expit(rng.normal(-2, spread, 3000)) for spread in (0.5, 2.0))
    assert estimated("roc_auc", near, confidence=0.95).upper < estimated("roc_auc", apart, confidence=0.95).lower


def test_scores_that_are_too_extreme_are_recalibrated_first_and_the_interval_is_wider() -> None:
    rng = np.random.default_rng(5)
    true = special.expit(rng.normal(-2, 1, 4000))
    said = special.expit(2 * special.logit(true) + 0.5)
    y = (rng.random(4000) < true).astype(float)
    known = recalibration(y[:2000], said[:2000])
    assert known.slope == pytest.approx(0.5, abs=0.1)
    assert known.intercept == pytest.approx(-0.25, abs=0.3)
    bare = estimated("brier", said[2000:], confidence=0.95)
    found = estimated("brier", said[2000:], confidence=0.95, calibration=known)
    came_true = brier_score_loss(y[2000:], said[2000:])
    assert not bare.lower < came_true < bare.upper
    assert found.lower < came_true < found.upper
    sure = estimated("brier", said[2000:], confidence=0.95, calibration=known._replace(covariance=np.zeros((2, 2))))
    assert found.upper - found.lower > sure.upper - sure.lower


def test_the_covariance_of_a_recalibration_is_the_spread_of_its_estimates() -> None:
    rng = np.random.default_rng(6)
    p = special.expit(rng.normal(-1, 1, 800))
    fits = [recalibration((rng.random(800) < p).astype(float), p) for _ in range(400)]
    spread = np.cov(np.array([[fit.intercept, fit.slope] for fit in fits]).T)
    mean = np.mean([fit.covariance for fit in fits], axis=0)
    np.testing.assert_allclose(np.sqrt(np.diag(mean)), np.sqrt(np.diag(spread)), rtol=0.12)


def test_concept_drift_is_not_seen() -> None:
    """Equal scores give an equal estimate, whatever became of their rows."""
    assert estimated("roc_auc", LONG, confidence=0.95) == estimated("roc_auc", LONG.copy(), confidence=0.95)
    assert estimated("log_loss", LONG, confidence=0.95, calibration=Recalibration()) == estimated(
        "log_loss", LONG, confidence=0.95
    )


@pytest.mark.parametrize(
    ("metric", "p", "says"),
    [
        ("ks", TEN, "valid are roc_auc, brier, log_loss"),
        ("brier", np.array([0.5]), "two probabilities or more"),
        ("brier", np.array([0.5, 1.5]), "each from 0 to 1"),
        ("brier", np.array([0.5, np.nan]), "each from 0 to 1"),
    ],
)
def test_what_cannot_be_estimated_is_refused(metric: str, p: np.ndarray, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        estimated(metric, p, confidence=0.95)
    with pytest.raises(ValueError, match="both kinds"):
        recalibration(np.zeros(10), TEN)

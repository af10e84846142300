"""Metrics of several models on the same rows and how they vary together, against gains and a bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from support.metric_samples import CLASSIFICATION, JUDGEMENT, REGRESSION, sample
from titleholder.spec.metrics import METRICS
from titleholder.validation import metrics
from titleholder.validation.metrics import Array, Estimation, Sample

HOW = Estimation(0.95, 1000, 1, JUDGEMENT)


def rows(name: str, n: int = 1500) -> tuple[Array, list[Array]]:
    """Outcomes and three models' scores."""
    y, better, worse = sample(n, seed=3)
    if name in REGRESSION:
        rng = np.random.default_rng(5)
        y = 2 * better + rng.normal(0, 0.3, n)
        return y, [2 * better, 2 * worse, 2 * better + rng.normal(0, 0.1, n)]
    return y, [better, worse, (better + worse) / 2]


@pytest.mark.parametrize("name", CLASSIFICATION + REGRESSION)
def test_values_are_oriented_and_differences_have_the_error_of_the_gain(name: str) -> None:
    y, scores = rows(name)
    values, covariance = metrics.joint(name, Sample(y), scores, HOW)
    sign = 1 if METRICS[name].greater_is_better else -1
    for k, p in enumerate(scores):
        assert values[k] == pytest.approx(sign * metrics.compute(name, y, p, JUDGEMENT), rel=1e-12)
    for a, b in ((0, 1), (2, 1), (0, 2)):
        gain = metrics.gain(name, Sample(y), scores[a], scores[b], HOW)
        error = np.sqrt(covariance[a, a] + covariance[b, b] - 2 * covariance[a, b])
        assert values[a] - values[b] == pytest.approx(gain.estimate, abs=1e-12)
        assert error == pytest.approx(gain.error, rel=1e-9 if gain.method == "DeLong" else 0.1)


@pytest.mark.parametrize("name", ["roc_auc", "brier", "log_loss", "profit", "ks"])
def test_clusters_and_weights_count(name: str) -> None:
    y, scores = rows(name, 300)
    doubled = Sample(np.tile(y, 2), clusters=np.tile(np.arange(len(y)), 2))
    once, twice = (metrics.joint(name, one, p, HOW) for one, p in (
        (Sample(y, clusters=np.arange(len(y))), scores), (doubled, [np.tile(p, 2) for p in scores])
    ))  # fmt: skip
    assert twice[0] == pytest.approx(once[0], rel=1e-9)
    assert twice[1] == pytest.approx(once[1], rel=1e-6)
    weights = np.where(np.arange(len(y)) % 3, 1.0, 2.0)
    weighted = metrics.joint(name, Sample(y, weights), scores, HOW)[0]
    assert abs(weighted[0]) == pytest.approx(abs(metrics.compute(name, y, scores[0], JUDGEMENT, weights)), rel=1e-12)


@pytest.mark.parametrize("name", ["roc_auc", "ks", "brier"])
def test_one_row_of_a_class_has_no_covariance_where_classes_matter(name: str) -> None:
    y = np.array([1.0, 0.0, 0.0, 0.0])
    scores = [np.array([0.9, 0.1, 0.2, 0.3]), np.array([0.4, 0.1, 0.5, 0.3])]
    covariance = metrics.joint(name, Sample(y), scores, HOW)[1]
    assert covariance.shape == (2, 2)
    assert np.isfinite(covariance).all() == (name == "brier")

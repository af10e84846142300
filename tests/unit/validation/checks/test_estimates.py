"""Intervals of the judged rows: near one they keep what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from support.factories import a_spec, evidence
from titleholder.validation import metrics
from titleholder.validation.checks.estimates import estimate_gain, estimate_metric
from titleholder.validation.metrics import Array, Estimation, Sample

AREA = 0.97


Y = np.repeat([1.0, 0.0], 50)


def scores(seed: int) -> Array:
    """Scores of fifty events and fifty others whose true ROC AUC is `AREA`."""
    return np.random.default_rng(seed).normal(float(stats.norm.ppf(AREA)) * np.sqrt(2) * Y)


def test_an_area_near_one_is_seldom_shown_to_be_what_it_is_not() -> None:
    """At 95 % one bound should be beyond the truth in 2.5 of 100; DeLong's own is in 13."""
    given = evidence(y=Y)
    lower = [estimate_metric(given, "roc_auc", scores(seed)).lower for seed in range(400)]
    assert np.mean(np.array(lower) > AREA) <= 0.06


def test_gini_is_the_same_interval_on_its_own_scale() -> None:
    area, gini = (estimate_metric(evidence(y=Y), name, scores(0)) for name in ("roc_auc", "gini"))
    assert gini.values == pytest.approx([2 * bound - 1 for bound in area.values])
    assert gini.upper < 1


def test_perfect_scores_are_surely_perfect() -> None:
    assert estimate_metric(evidence(y=Y), "roc_auc", Y).values == (1.0, 1.0, 1.0)


def test_the_bounds_of_many_tests_are_no_narrower_than_students() -> None:
    """100 resamples are too few for quantiles so far out."""
    y = np.repeat([1.0, 0.0], 120)
    p, q = np.random.default_rng(0).uniform(0.01, 0.99, (2, 240))
    given = evidence(a_spec(judgement__metric="brier"), y=y, challenger=p)
    plain = metrics.gain("brier", Sample(y), p, q, Estimation(0.9999, 100, 7))
    found = estimate_gain(given, "brier", q, confidence=0.9999)
    assert found.upper == pytest.approx(plain.estimate + stats.t.ppf(0.99995, 119) * plain.error)
    assert found.upper > plain.upper
    assert found.lower < plain.lower


def test_a_gain_on_some_rows_takes_their_weights_and_clusters_along() -> None:
    y = np.tile([1.0, 0.0], 50)
    p, q = np.random.default_rng(0).uniform(0.01, 0.99, (2, 100))
    weights, clusters, rows = np.linspace(1, 2, 100), np.arange(100) // 2, np.arange(10, 70)
    given = evidence(y=y, challenger=p, weights=weights, clusters=clusters)
    found = estimate_gain(given, "roc_auc", q, rows=rows)
    some = Sample(y[rows], weights[rows], clusters[rows])
    assert found == metrics.gain("roc_auc", some, p[rows], q[rows], Estimation(0.95, 100, 7))

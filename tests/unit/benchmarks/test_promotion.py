"""The arithmetic of the benchmark of promotion rules, against that of the package and against scikit-learn."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from promotion.rules import Memory, Situation, fresh
from promotion.worlds import FEATURES, HOLDOUT, LENGTH, MONTHS, WINDOW, WORLDS, History, intercept, true_auc
from sklearn.metrics import roc_auc_score

from titleholder.validation import metrics
from titleholder.validation.metrics import Estimation, Sample


def history(rows: int = 400) -> History:
    """Random rows, and versions that know something of the outcome."""
    rng, cohorts = np.random.default_rng(5), WINDOW + HOLDOUT + 3
    x, weights = rng.standard_normal((cohorts, rows, FEATURES)), np.abs(rng.standard_normal((4, FEATURES)))
    y = (rng.random((cohorts, rows)) < 1 / (1 + np.exp(2.5 - 0.3 * x.sum(axis=2)))).astype(float)
    unknown = np.zeros((4, MONTHS))
    return History(WORLDS[0], x, y, weights, unknown, unknown)


def on(made: History, start: int, end: int, *versions: int) -> list[np.ndarray]:
    """The outcomes of these cohorts, then each version's scores."""
    x = made.x[start:end].reshape(-1, FEATURES)
    return [made.y[start:end].ravel(), *(x @ made.weights[version] for version in versions)]


@pytest.mark.parametrize("span", [(WINDOW, WINDOW + 3), (WINDOW + 1, WINDOW + 2)])
@pytest.mark.parametrize("pair", [(1, 0), (0, 3), (2, 1)])
def test_the_gain_is_that_of_the_package(pair: tuple[int, int], span: tuple[int, int]) -> None:
    made = history()
    y, challenger, champion = on(made, *span, *pair)
    expected = metrics.gain("roc_auc", Sample(y), challenger, champion, Estimation(0.95, 500, 0))
    found = made.gain(*pair, *span)
    assert found.estimate == pytest.approx(roc_auc_score(y, challenger) - roc_auc_score(y, champion), abs=1e-12)
    for name in ("estimate", "error", "lower", "upper", "freedom"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9), name


def test_the_covariance_of_all_versions_gives_the_error_of_each_gain() -> None:
    made, cohort = history(), WINDOW + 1
    areas, covariance = made.compare(cohort, range(4))
    y, *scores = on(made, cohort, cohort + 1, 0, 1, 2, 3)
    assert areas == pytest.approx([roc_auc_score(y, score) for score in scores], abs=1e-12)
    for a, b in ((0, 1), (2, 3), (1, 3)):
        expected = metrics.gain("roc_auc", Sample(y), scores[a], scores[b], Estimation(0.95, 500, 0)).error
        found = np.sqrt(covariance[a, a] + covariance[b, b] - 2 * covariance[a, b])
        assert found == pytest.approx(expected, rel=1e-9)


def test_fresh_decides_by_the_bound_of_the_package() -> None:
    made, decided = history(), []
    for challenger_version, champion in permutations(range(4), 2):
        now = Situation(made, month=challenger_version, champion=champion, since=0, memory=Memory())
        y, challenger, reigning = on(made, now.matured - HOLDOUT, now.matured, now.challenger, champion)
        gain = metrics.gain("roc_auc", Sample(y), challenger, reigning, Estimation(0.95, 500, 0))
        decided.append(gain.estimate > 0 and gain.lower_bound(0.95) > -0.01)
        assert fresh(now) == (challenger_version if decided[-1] else champion)
    assert set(decided) == {False, True}


@pytest.mark.parametrize("correlation", [1.0, 0.6])
def test_the_true_metric_is_what_many_rows_show(correlation: float) -> None:
    rng = np.random.default_rng(2)
    true, other = rng.standard_normal((2, 400_000))
    y = rng.random(len(true)) < 1 / (1 + np.exp(-(intercept() + LENGTH * true)))
    score = correlation * true + np.sqrt(1 - correlation**2) * other
    assert y.mean() == pytest.approx(0.06, abs=0.002)
    assert roc_auc_score(y, score) == pytest.approx(float(true_auc(correlation)), abs=0.006)

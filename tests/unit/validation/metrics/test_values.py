"""Each metric against arithmetic by hand, scikit-learn, SciPy and R, weighted and not."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from support.metric_samples import CLASSIFICATION, JUDGEMENT, REGRESSION, A, B, W, Y, sample
from titleholder.spec.criteria import Judgement
from titleholder.spec.metrics import METRICS
from titleholder.validation import metrics
from titleholder.validation.metrics import Array
from titleholder.validation.metrics.weighted import prepare

FEW = np.array([0, 0, 0, 0, 1, 1, 0, 1], dtype=float)
P = np.array([0.1, 0.2, 0.3, 0.4, 0.4, 0.6, 0.7, 0.9])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # 15 pairs: 0.4 beats three and ties one, 0.6 beats four, 0.9 beats all five
        ("roc_auc", 12.5 / 15),
        ("gini", 2 * 12.5 / 15 - 1),
        ("ks", 1 - 2 / 5),  # at 0.4: all bads at or above, two goods of five (0.4 and 0.7) there as well
        ("pr_auc", 1 / 3 * 1 + 1 / 3 * 2 / 3 + 1 / 3 * 3 / 5),
        ("brier", np.mean((FEW - P) ** 2)),
        ("log_loss", -np.mean(np.where(FEW == 1, np.log(P), np.log(1 - P)))),
        ("profit", (4 * 1 + 1 * -5 + 1 * -0.25 + 2 * 0) / 8),
    ],
)
def test_classification_metrics_by_hand(name: str, expected: float) -> None:
    assert metrics.compute(name, FEW, P, JUDGEMENT) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rmse", math.sqrt((0.25 + 0 + 4) / 3)),
        ("mae", 2.5 / 3),
        ("r2", 1 - 4.25 / 2),
        ("pinball", (0.7 * 0.5 + 0 + 0.3 * 2) / 3),
    ],
)
def test_regression_metrics_by_hand(name: str, expected: float) -> None:
    y, p = np.array([1.0, 2, 3]), np.array([1.5, 2, 1])
    assert metrics.compute(name, y, p, JUDGEMENT) == pytest.approx(expected, abs=1e-12)


def ks_of_the_roc_curve(y: Array, p: Array, sample_weight: Array | None = None) -> float:
    false_positive, true_positive, _ = sk.roc_curve(y, p, sample_weight=sample_weight)
    return float(np.max(np.abs(true_positive - false_positive)))


ORACLES: dict[str, Callable[..., float]] = {
    "roc_auc": sk.roc_auc_score,
    "gini": lambda y, p, sample_weight: 2 * sk.roc_auc_score(y, p, sample_weight=sample_weight) - 1,
    "ks": ks_of_the_roc_curve,
    "pr_auc": sk.average_precision_score,
    "brier": sk.brier_score_loss,
    "log_loss": sk.log_loss,
    "rmse": sk.root_mean_squared_error,
    "mae": sk.mean_absolute_error,
    "r2": sk.r2_score,
    "pinball": lambda y, p, sample_weight: sk.mean_pinball_loss(y, p, sample_weight=sample_weight, alpha=0.3),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ties", [None, 100, 5, 1])
@pytest.mark.parametrize("name", ORACLES)
def test_metrics_are_scikit_learns(name: str, ties: int | None, weighted: bool) -> None:
    y, p, _ = sample(500, rate=0.1)
    if name in REGRESSION:
        y = y + np.random.default_rng(2).normal(size=500)
    if ties:
        p = np.round(p * ties) / ties
    w = np.random.default_rng(1).gamma(1.0, size=500) if weighted else None
    found = metrics.compute(name, y, p, JUDGEMENT, w)
    assert found == pytest.approx(ORACLES[name](y, p, sample_weight=w), rel=1e-12, abs=1e-12)


def test_scores_of_nothing_but_zeros_and_ones() -> None:
    y, p = np.array([1.0, 0, 1, 0]), np.array([1.0, 0, 0, 0])
    assert metrics.compute("log_loss", y, p) == pytest.approx(sk.log_loss(y, p), rel=1e-12)
    assert metrics.compute("pr_auc", y, p) == pytest.approx(sk.average_precision_score(y, p), abs=1e-12)


@pytest.mark.parametrize(("scores", "distance"), [(A, 0.333333333333), (B, 0.282828282828)])
def test_the_ks_distance_is_that_of_r_and_scipy(scores: Array, distance: float) -> None:
    """R 4.2.2, `ks.test(p[y == 1], p[y == 0])$statistic`."""
    assert metrics.compute("ks", Y, scores) == pytest.approx(distance, abs=1e-12)
    found = stats.ks_2samp(scores[Y == 1], scores[Y == 0], method="asymp").statistic
    assert metrics.compute("ks", Y, scores) == pytest.approx(found, abs=1e-12)


def test_every_metric_of_the_catalogue_can_be_computed_and_has_an_oracle() -> None:
    assert (
        {*CLASSIFICATION, *REGRESSION} == set(METRICS) == {*ORACLES, "profit", "emp"}
    )  # those two in test_metric_profit


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_all_metrics_of_a_task_and_no_other(task: str) -> None:
    y, p, _ = sample()
    found = metrics.compute_all(task, y, p, JUDGEMENT, W.repeat(4)[:200])
    assert list(found) == [name for name, info in METRICS.items() if info.task == task]
    assert all(isinstance(v, float) for v in found.values())


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("judgement", [None, Judgement(metric="roc_auc")])
def test_metrics_that_need_what_is_not_there_are_left_out(task: str, judgement: Judgement | None) -> None:
    y, p, _ = sample()
    expected = [name for name, info in METRICS.items() if info.task == task and not info.needs]
    assert list(metrics.compute_all(task, y, p, judgement)) == expected


@pytest.mark.parametrize(("name", "key"), [("profit", "profit"), ("emp", "emp"), ("pinball", "quantile")])
@pytest.mark.parametrize("judgement", [None, Judgement(metric="roc_auc")])
def test_such_a_metric_says_what_it_needs(name: str, key: str, judgement: Judgement | None) -> None:
    with pytest.raises(ValueError, match=f"{name} needs judgement.{key}"):
        metrics.compute(name, FEW, P, judgement)


def test_an_unknown_metric_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'f1' is no metric; valid: roc_auc, gini, ks"):
        metrics.compute("f1", FEW, P)


@pytest.mark.parametrize("name", ["brier", "log_loss"])
def test_what_is_no_probability_is_refused_where_one_is_needed(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} needs probabilities; 2 of 3 scores are outside"):
        metrics.compute(name, np.array([0.0, 1, 0]), np.array([0.5, 1.1, -0.1]))


@pytest.mark.parametrize("name", METRICS)
def test_weights_are_no_matter_of_scale(name: str) -> None:
    y, p, _ = sample()
    w = np.random.default_rng(1).gamma(1.0, size=200)
    assert metrics.compute(name, y, p, JUDGEMENT, 7 * w) == pytest.approx(metrics.compute(name, y, p, JUDGEMENT, w))
    assert metrics.compute(name, y, p, JUDGEMENT, 7 + 0 * w) == pytest.approx(metrics.compute(name, y, p, JUDGEMENT))


@pytest.mark.parametrize("name", METRICS)
def test_many_weight_vectors_at_once_give_what_each_gives(name: str) -> None:
    y, p, _ = sample()
    counts = np.random.default_rng(1).integers(0, 4, size=(5, 200)).astype(np.int16)
    statistic = prepare(name, y, np.round(p, 2), JUDGEMENT)
    together = statistic(counts)
    for row, found in zip(counts, together, strict=True):
        assert found == pytest.approx(statistic(row[None, :])[0], abs=1e-14)
        assert found == pytest.approx(statistic(row[None, :].astype(float))[0], abs=1e-14)
        again = np.repeat(np.arange(200), row)
        assert found == pytest.approx(metrics.compute(name, y[again], np.round(p, 2)[again], JUDGEMENT), abs=1e-12)


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_an_event_on_top_that_no_resample_drew_leaves_the_others_metric(name: str) -> None:
    counts = np.array([[1, 1, 1, 1, 1, 1, 1, 0]])
    found = prepare(name, FEW, P, JUDGEMENT)(counts)[0]
    assert found == pytest.approx(metrics.compute(name, FEW[:-1], P[:-1], JUDGEMENT), abs=1e-12)


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_with_one_class_there_is_no_ranking_and_no_warning(outcome: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = metrics.compute_all("classification", np.full(4, outcome), np.array([0.1, 0.2, 0.2, 0.4]), JUDGEMENT)
    assert all(math.isnan(found[name]) for name in ("roc_auc", "gini", "ks"))
    assert math.isnan(found["pr_auc"]) == (outcome == 0)
    assert all(math.isfinite(found[name]) for name in ("brier", "log_loss", "profit", "emp"))


@pytest.mark.parametrize("name", METRICS)
def test_of_no_rows_nothing_is_known(name: str) -> None:
    assert math.isnan(metrics.compute(name, np.empty(0), np.empty(0), JUDGEMENT))


@pytest.mark.parametrize(("p", "expected"), [([0.1, 0.1, 0.1], 1.0), ([0.1, 0.1, 0.2], 0.0)])
def test_outcomes_that_do_not_vary_are_explained_or_not(p: list[float], expected: float) -> None:
    y = np.full(3, 0.1)
    assert metrics.compute("r2", y, np.array(p)) == expected
    assert metrics.compute("r2", 0 * y, np.array(p) - 0.1) == sk.r2_score(0 * y, np.array(p) - 0.1) == expected


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, 0.0])
def test_weights_that_are_no_positive_numbers_are_refused(bad: float) -> None:
    w = np.ones(8)
    w[[2, 5]] = bad
    with pytest.raises(ValueError, match="2 of 8 weights are not finite numbers above 0"):
        metrics.compute("roc_auc", FEW, P, weights=w)
    with pytest.raises(ValueError, match="unequal lengths: 8 outcomes, 7 weights"):
        metrics.compute("roc_auc", FEW, P, weights=w[1:])

"""What must not change when nothing that counts does, on examples that Hypothesis looks for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from support.metric_samples import CLASSIFICATION, JUDGEMENT, REGRESSION, won
from titleholder.spec.metrics import METRICS
from titleholder.validation import metrics
from titleholder.validation.metrics import Array, Sample

RANKING = ("roc_auc", "gini", "ks")
LEVELS = 9

ROWS = st.lists(
    st.tuples(st.booleans(), st.integers(0, LEVELS - 1), st.integers(0, LEVELS - 1), st.integers(1, 4)),
    min_size=4,
    max_size=40,
).filter(lambda rows: 2 <= sum(r[0] for r in rows) <= len(rows) - 2)
"""Outcome, two models' scores in few levels, so that most are tied, and a weight."""
STEPS = st.lists(st.floats(1e-3, 1e3), min_size=LEVELS, max_size=LEVELS)


def columns(rows: list[tuple[bool, int, int, int]]) -> tuple[Array, Array, Array, Array]:
    y, a, b, w = np.array(rows, dtype=float).T
    return y, (a + 1) / (LEVELS + 1), (b + 1) / (LEVELS + 1), w


def stretched(p: Array, steps: list[float]) -> Array:
    """Another score with the same order and the same ties."""
    return (np.cumsum(steps) - 50.0)[np.round(p * (LEVELS + 1)).astype(int) - 1]


@given(ROWS, STEPS, STEPS)
def test_only_the_order_of_scores_counts(
    rows: list[tuple[bool, int, int, int]], steps: list[float], others: list[float]
) -> None:
    y, a, b, w = columns(rows)
    far_a, far_b = stretched(a, steps), stretched(b, others)
    for weights in (None, w):
        for name in RANKING:
            assert metrics.compute(name, y, far_a, weights=weights) == metrics.compute(name, y, a, weights=weights)
            assert won(name, y, far_a, far_b, weights=weights) == won(name, y, a, b, weights=weights)
        near, far = (metrics.delong(y, np.vstack(scores), weights) for scores in ((a, b), (far_a, far_b)))
        for one, other in zip(near, far, strict=True):
            assert_allclose(one, other, rtol=0, atol=1e-14)


@given(ROWS)
def test_scores_turned_around_rank_the_other_way(rows: list[tuple[bool, int, int, int]]) -> None:
    y, a, _, w = columns(rows)
    assert metrics.compute("roc_auc", y, -a, weights=w) == pytest.approx(
        1 - metrics.compute("roc_auc", y, a, weights=w)
    )
    assert metrics.compute("ks", y, -a, weights=w) == pytest.approx(metrics.compute("ks", y, a, weights=w))
    assert_allclose(metrics.delong(y, np.vstack([a, -a]), w)[1] @ [1, 1], 0, atol=1e-14)


@given(ROWS)
def test_a_gain_turned_around_is_a_loss(rows: list[tuple[bool, int, int, int]]) -> None:
    y, a, b, w = columns(rows)
    for name in METRICS:
        there, back = (won(name, y, *pair, weights=w, resamples=5) for pair in ((a, b), (b, a)))
        turned = [-back.estimate, -back.upper, -back.lower, back.error]
        assert_allclose([there.estimate, there.lower, there.upper, there.error], turned, atol=1e-10)


@given(ROWS)
def test_whole_weights_are_repeated_rows(rows: list[tuple[bool, int, int, int]]) -> None:
    y, a, _, w = columns(rows)
    again = np.repeat(np.arange(len(y)), w.astype(int))
    for name in METRICS:
        weighted = metrics.compute(name, y, a, JUDGEMENT, w)
        assert weighted == pytest.approx(metrics.compute(name, y[again], a[again], JUDGEMENT), abs=1e-10)
    ratio = metrics.observed_expected(Sample(y, w), a, confidence=0.9).estimate
    assert ratio == pytest.approx(metrics.observed_expected(Sample(y[again]), a[again], confidence=0.9).estimate)


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[tuple[bool, int, int, int]], random) -> None:
    y, a, b, w = columns(rows)
    mixed = np.array(random.sample(range(len(y)), len(y)))
    for name in METRICS:
        found = metrics.compute(name, y[mixed], a[mixed], JUDGEMENT, w[mixed])
        assert found == pytest.approx(metrics.compute(name, y, a, JUDGEMENT, w), abs=1e-10)
    one, other = (
        metrics.delong(y, np.vstack([a, b]), w),
        metrics.delong(y[mixed], np.vstack([a, b])[:, mixed], w[mixed]),
    )
    assert_allclose(one[1], other[1], rtol=0, atol=1e-14)


@given(ROWS)
def test_metrics_stay_in_their_range(rows: list[tuple[bool, int, int, int]]) -> None:
    y, a, _, w = columns(rows)
    found = metrics.compute_all("classification", y, a, JUDGEMENT, w)
    for name in ("roc_auc", "ks", "pr_auc", "brier"):
        assert -1e-12 <= found[name] <= 1 + 1e-12
    assert found["gini"] == pytest.approx(2 * found["roc_auc"] - 1)
    assert found["ks"] >= abs(found["gini"]) / 2 - 1e-12
    assert found["emp"] >= -1e-12


@given(ROWS, st.floats(0.05, 0.95))
def test_scores_all_equal_tell_nothing(rows: list[tuple[bool, int, int, int]], score: float) -> None:
    y, _, _, w = columns(rows)
    p = np.full(len(y), score)
    found = metrics.compute_all("classification", y, p, JUDGEMENT, w)
    assert (found["roc_auc"], found["gini"], found["ks"]) == pytest.approx((0.5, 0.0, 0.0), abs=1e-12)
    assert found["pr_auc"] == pytest.approx(w @ y / w.sum())
    for name in RANKING:
        gained = won(name, y, p, p, weights=w)
        assert_allclose([*gained.values, gained.error], 0, atol=1e-12)


@given(ROWS)
def test_a_model_gains_nothing_on_itself(rows: list[tuple[bool, int, int, int]]) -> None:
    y, a, _, w = columns(rows)
    for name in (*CLASSIFICATION, *REGRESSION):
        gained = won(name, y, a, a, weights=w, resamples=5)
        assert_allclose([*gained.values, gained.error], 0, atol=1e-8)

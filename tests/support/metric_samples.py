"""Data for the tests of metrics: random samples, and a small fixed one that other implementations were given."""

from __future__ import annotations

import numpy as np

from titleholder.spec.criteria import CutOff, Emp, Judgement, Profit
from titleholder.spec.metrics import METRICS
from titleholder.validation import metrics
from titleholder.validation.metrics import Array, Estimation, Gain, Sample

JUDGEMENT = Judgement(
    metric="roc_auc",
    cut_off=CutOff(accept="below", score=0.5),
    profit=Profit(accepted_1=-5.0, accepted_0=1.0, declined_0=-0.25),
    emp=Emp(),
    quantile=0.3,
)
CLASSIFICATION = [name for name, info in METRICS.items() if info.task == "classification"]
REGRESSION = [name for name, info in METRICS.items() if info.task == "regression"]

ROW = np.arange(60)
Y = ((7 * ROW * ROW + 3 * ROW) % 11 < 4).astype(float)
A = 0.1 + 0.2 * Y + 0.6 * ((37 * ROW) % 61) / 61
B = np.round(0.15 + 0.12 * Y + 0.6 * ((23 * ROW + 5) % 59) / 59, 1)
"""Seven distinct scores only."""
W = 1.0 + ROW % 3


def sample(n: int = 200, seed: int = 0, rate: float = 0.3) -> tuple[Array, Array, Array]:
    """Outcomes and two models' scores, the first better than the second."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < rate).astype(float)
    better = 1 / (1 + np.exp(-(y * 1.5 + rng.normal(size=n))))
    worse = 1 / (1 + np.exp(-(y * 0.5 + rng.normal(size=n))))
    return y, better, worse


def won(
    name: str,
    y: Array,
    a: Array,
    b: Array,
    *,
    confidence: float = 0.95,
    resamples: int = 30,
    seed: int = 1,
    weights: Array | None = None,
    clusters: Array | None = None,
) -> Gain:
    return metrics.gain(name, Sample(y, weights, clusters), a, b, Estimation(confidence, resamples, seed, JUDGEMENT))


def differences(
    name: str, sample: Sample, a: Array, b: Array, *, resamples: int, seed: int = 0, stratify: bool = False
) -> Array:
    """By how much the metric of `a` exceeds that of `b` in each resample."""
    how = Estimation(0.95, resamples, seed, JUDGEMENT)
    first, second = metrics.resample(name, sample, [a, b], how, stratify=stratify)
    return np.asarray(first - second)

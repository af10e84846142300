"""The arithmetic of the benchmark of drift."""

from __future__ import annotations

import numpy as np
import pytest
from drift import Ageing, between_years, over_seeds

# The log risk ratios of 13 trials of the BCG vaccine and their variances (Colditz and others 1994), as metafor's dat.bcg.
EFFECTS = [
    -0.8893,
    -1.5854,
    -1.3481,
    -1.4416,
    -0.2175,
    -0.7861,
    -1.6209,
    0.0120,
    -0.4694,
    -1.3713,
    -0.3394,
    0.4459,
    -0.0173,
]
VARIANCES = [0.3256, 0.1946, 0.4154, 0.0200, 0.0512, 0.0069, 0.2230, 0.0040, 0.0564, 0.0730, 0.0124, 0.5325, 0.0714]


def test_the_variance_between_years_equals_the_published_one():
    """metafor's manual gives 0.3088 for `rma(yi, vi, data=dat, method="DL")`; the inputs here have four digits."""
    assert between_years(np.array(EFFECTS), np.array(VARIANCES)) == pytest.approx(0.3088, abs=0.001)


def test_the_variance_between_years_is_found_without_bias():
    rng = np.random.default_rng(3)
    variances = rng.uniform(0.5, 2, (4000, 6))
    values = rng.normal(0, np.sqrt(variances + 0.7))
    found = np.array([between_years(b, v) for b, v in zip(values, variances, strict=True)])
    assert found.mean() == pytest.approx(0.7, abs=4 * found.std() / np.sqrt(len(found)))


def test_the_interval_over_lenders_is_students():
    one, two = ([Ageing(3, gain, 0.5, 11)] for gain in (0.01, 0.03))
    (found,) = over_seeds([one, two])
    assert (found.gain, found.error) == (pytest.approx(0.02), pytest.approx(0.01))
    assert found.quantile == pytest.approx(12.706, abs=0.001)

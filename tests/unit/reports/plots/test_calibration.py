"""Calibration in bins and in numbers."""

from __future__ import annotations

import numpy as np

from support.factories import a_regression, a_spec, evidence
from support.report_cases import simulated, verdict_on
from titleholder.reports.plots import calibration
from titleholder.reports.plots.drawing import scored_models
from titleholder.spec.model import ModelSpec
from titleholder.validation.evidence import Evidence


def scored(y: list[float], challenger: list[float], champion: list[float] | None, spec: ModelSpec) -> Evidence:
    arrays = [None if a is None else np.array(a, dtype=float) for a in (y, challenger, champion)]
    return evidence(spec, y=arrays[0], challenger=arrays[1], champion=arrays[2])


def test_calibration_compares_means_of_ten_bins_of_equal_size() -> None:
    p = np.linspace(0.05, 0.95, 400)
    found = scored([0.0, 1.0] * 200, p.tolist(), None, a_spec())
    bins = calibration.binned(found, p)
    np.testing.assert_allclose([b.predicted for b in bins], p.reshape(10, 40).mean(axis=1))
    assert [b.observed.estimate for b in bins] == [0.5] * 10
    assert all(b.observed.lower < 0.5 < b.observed.upper for b in bins)


def test_calibration_in_numbers_of_a_regression_has_no_intercept() -> None:
    found = simulated(a_regression())
    both = calibration.summaries(found, scored_models(found, verdict_on(found), 4))
    assert [s.model for s in both] == ["challenger, version 4", "champion, version 3"]
    assert both[0].intercept is None
    assert both[0].slope.lower < 1 < both[0].slope.upper
    assert both[1].slope.upper < 1

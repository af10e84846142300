"""Metrics with their intervals, gains, calibration and stability; names and directions are in `spec.metrics`."""

from titleholder.validation.metrics.auc import delong
from titleholder.validation.metrics.bootstrap import resample
from titleholder.validation.metrics.calibration import Calibration, calibration, observed_expected
from titleholder.validation.metrics.inputs import Array, Estimation, Interval, Sample
from titleholder.validation.metrics.intervals import (
    Contrast,
    Gain,
    compared,
    compute,
    compute_all,
    gain,
    gain_of,
    interval,
    joint,
)
from titleholder.validation.metrics.profit import accepted, at_stake
from titleholder.validation.metrics.psi import Psi, paired_psi, psi, psi_of_counts
from titleholder.validation.metrics.rates import difference_of_rates, ratio_of_rates

__all__ = [
    "Array",
    "Calibration",
    "Contrast",
    "Estimation",
    "Gain",
    "Interval",
    "Psi",
    "Sample",
    "accepted",
    "at_stake",
    "calibration",
    "compared",
    "compute",
    "compute_all",
    "delong",
    "difference_of_rates",
    "gain",
    "gain_of",
    "interval",
    "joint",
    "observed_expected",
    "paired_psi",
    "psi",
    "psi_of_counts",
    "ratio_of_rates",
    "resample",
]

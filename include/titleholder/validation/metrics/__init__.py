"""Metrics, how sure one can be of them, and what else one can ask of scores; names and directions in `judgement`."""

from titleholder.validation.metrics.auc import delong
from titleholder.validation.metrics.bootstrap import paired_bootstrap
from titleholder.validation.metrics.calibration import Calibration, calibration, observed_expected
from titleholder.validation.metrics.inputs import Array, Interval
from titleholder.validation.metrics.intervals import Gain, compute, compute_all, gain, interval
from titleholder.validation.metrics.profit import accepted
from titleholder.validation.metrics.psi import Psi, psi
from titleholder.validation.metrics.rates import difference_of_rates, ratio_of_rates

__all__ = [
    "Array",
    "Calibration",
    "Gain",
    "Interval",
    "Psi",
    "accepted",
    "calibration",
    "compute",
    "compute_all",
    "delong",
    "difference_of_rates",
    "gain",
    "interval",
    "observed_expected",
    "paired_bootstrap",
    "psi",
    "ratio_of_rates",
]

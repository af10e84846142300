"""Metrics, how sure one can be of them, and what else one can ask of scores; names and directions in `judgement`."""

from titleholder.metrics.areas import delong
from titleholder.metrics.bootstrap import paired_bootstrap
from titleholder.metrics.comparison import Gain, compute, compute_all, gain, interval
from titleholder.metrics.inputs import Array, Interval
from titleholder.metrics.profit import accepted
from titleholder.metrics.proportions import difference_of_rates, ratio_of_rates
from titleholder.metrics.recalibration import Calibration, calibration, observed_expected
from titleholder.metrics.stability import Psi, psi

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

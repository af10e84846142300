"""The evidence that is enough within a horizon of so many looks; after them 1 / alpha is needed again.

Someone who plans for 36 looks need not pay for infinitely many. Within the horizon a smaller threshold c is enough. If
it is not reached, the evidence M after the horizon is below c, and by Ville's inequality the chance that it ever
reaches 1 / alpha later is at most alpha times M. So a line that is no better ever wins with a probability of at most

    P(M reaches c within the horizon) + alpha E[M at its end; not reached],

and c is the smallest one that keeps this sum within alpha, for standardised looks that are independent and standard
normal. Any others with a mean of at most zero do no worse, for the evidence rises with each look. `benchmarks/
horizon.py` computes the table by importance sampling, three standard errors on the safe side; between its lines the
logarithm of c is interpolated linearly in those of alpha and of the horizon.

Sources: Ville (1939), Étude critique de la notion de collectif; Siegmund (1976), Importance sampling in the Monte Carlo
study of sequential tests, Ann. Statist. 4(4).
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import RegularGridInterpolator

ALPHAS = (0.5, 0.2, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001)
HORIZONS = (1, 3, 6, 12, 24, 36, 60, 120)
THRESHOLDS = (
    (1.326, 1.350, 1.368, 1.379, 1.385, 1.389, 1.395, 1.404),
    (2.445, 2.525, 2.626, 2.715, 2.791, 2.831, 2.881, 2.937),
    (4.024, 4.220, 4.469, 4.716, 4.946, 5.066, 5.210, 5.355),
    (6.856, 7.249, 7.844, 8.408, 8.957, 9.246, 9.586, 9.958),
    (11.927, 12.789, 14.074, 15.298, 16.477, 17.148, 17.917, 18.741),
    (25.479, 27.857, 31.124, 34.326, 37.608, 39.445, 41.630, 43.836),
    (46.357, 50.850, 57.459, 64.083, 70.872, 74.643, 79.179, 83.772),
    (188.993, 213.769, 246.744, 280.312, 314.603, 334.990, 358.475, 383.195),
)
"""One line for each error, one column for each horizon."""


def threshold(alpha: float, horizon: int) -> float:
    """The evidence that is enough within the horizon (1 to 120 looks), for an error of `alpha` over the whole reign.

    An error smaller than those of the table has the always-valid threshold.

    >>> round(threshold(0.05, 36), 1), threshold(0.0001, 36)
    (9.2, 10000.0)
    """
    if alpha < ALPHAS[-1]:
        return 1 / alpha
    return float(np.exp(_LOG_THRESHOLD((np.log(alpha), np.log(horizon)))))


_LOG_THRESHOLD = RegularGridInterpolator(
    (np.log(ALPHAS[::-1]), np.log(HORIZONS)), np.log(THRESHOLDS[::-1]), method="linear"
)

"""Mean outcomes and bins."""

from __future__ import annotations

import math

import numpy as np
import pytest

from support.factories import a_spec, evidence
from support.report_cases import simulated
from titleholder.reports.plots import binned_means
from titleholder.spec.model import ModelSpec
from titleholder.validation.evidence import Evidence


def scored(y: list[float], challenger: list[float], champion: list[float] | None, spec: ModelSpec) -> Evidence:
    arrays = [None if a is None else np.array(a, dtype=float) for a in (y, challenger, champion)]
    return evidence(spec, y=arrays[0], challenger=arrays[1], champion=arrays[2])


def test_an_event_rate_has_wilsons_interval() -> None:
    found = scored([1] * 2 + [0] * 8, [0.5] * 10, None, a_spec())
    mean = binned_means.mean(found, np.arange(10))
    z, n, p = 1.959964, 10, 0.2
    centre, reach = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert mean.values == pytest.approx(
        (p, (centre - reach) / (1 + z**2 / n), (centre + reach) / (1 + z**2 / n)), rel=1e-5
    )


def test_a_mean_uses_weights_and_clusters() -> None:
    plain = simulated(n=200)
    weights, clusters = np.where(plain.y == 1, 3.0, 1.0), np.arange(200) // 20
    weighted = binned_means.mean(plain.model_copy(update={"weights": weights}), np.arange(200))
    assert weighted.estimate == pytest.approx(np.average(plain.y, weights=weights))
    sorted_y = plain.model_copy(update={"y": np.sort(plain.y)})
    clustered = binned_means.mean(sorted_y.model_copy(update={"clusters": clusters}), np.arange(200))
    alone = binned_means.mean(sorted_y, np.arange(200))
    assert clustered.upper - clustered.lower > 2 * (alone.upper - alone.lower)


def test_few_rows_have_fewer_bins() -> None:
    assert [len(b) for b in binned_means.bins(np.arange(50.0))] == [25, 25]
    assert [len(b) for b in binned_means.bins(np.arange(3.0))] == [3]

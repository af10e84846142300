"""e-BH against scipy's Benjamini-Hochberg, and alarms that hold their budget."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from titleholder.validation.monitoring.alarms import drift_alarms
from titleholder.validation.monitoring.drift import CELLS
from titleholder.validation.monitoring.evidence import at_any_time, e_bh

QUIET, LOUD = [100] * CELLS, [200, *[100] * (CELLS - 2), 0]


@pytest.mark.parametrize("seed", range(20))
def test_e_bh_is_benjamini_hochberg_on_the_inverse_e_values(seed: int) -> None:
    """Wang & Ramdas (2022), section 4: BH applied to 1 / e; here scipy's."""
    rng = np.random.default_rng(seed)
    log_e = rng.normal(1, 3, rng.integers(1, 30))
    adjusted = stats.false_discovery_control(np.minimum(np.exp(-log_e), 1.0), method="bh")
    assert e_bh(log_e, 0.1).tolist() == (adjusted <= 0.1).tolist()


def test_a_large_e_value_lets_smaller_ones_in_and_the_bound_itself_is_enough() -> None:
    assert e_bh(np.log([41.0, 41.0]), 0.05).tolist() == [True, True]
    assert e_bh(np.log([39.0, 21.0]), 0.05).tolist() == [True, True], "the second is the second largest: 2 / (0.05 * 2)"
    assert e_bh(np.log([39.0, 19.0]), 0.05).tolist() == [False, False]
    assert e_bh(np.log([20.0]), 0.05).tolist() == [True]
    assert e_bh(np.empty(0), 0.05).tolist() == []


def test_evidence_at_any_time_is_calibrated_and_never_falls() -> None:
    """The calibrator's mean is one for a p-value that is uniform: the inverse of a martingale's greatest value at worst."""
    p = (np.arange(2_000_000) + 0.5) / 2_000_000
    mean = np.exp(at_any_time(-np.log(p)[:, None])).mean()
    assert mean == pytest.approx(1.0, abs=0.1)
    assert mean < 1
    walk = np.random.default_rng(1).normal(0, 3, (5, 40)).cumsum(axis=1)
    found = at_any_time(walk)
    assert (np.diff(found, axis=1) >= 0).all()
    assert (found <= np.maximum(np.maximum.accumulate(walk, axis=1), 0)).all()
    near = at_any_time(np.array([[0.0, 0.0099, 0.0101]]))[0]
    assert near == pytest.approx(np.log(0.5), abs=0.01), "without a step"


@pytest.mark.parametrize("shared", [0.0, 0.2])
def test_many_quiet_features_together_keep_the_budget_that_each_by_itself_would_break(shared: float) -> None:
    """Any of 60 features is taken for changed in at most 20 % of 1,000 reigns of 100 looks, +- 1.3 % (standard error).

    Each feature's e-process is the likelihood ratio of a shift, in small steps, so that Ville's bound is nearly reached;
    the features share a part of the variance of each step.
    """
    rng, budget, reigns, step = np.random.default_rng(19), 0.2, 1000, 0.4
    error = np.sqrt(budget * (1 - budget) / reigns)
    together = by_itself = 0
    for _ in range(reigns):
        common, own = rng.normal(size=100), rng.normal(size=(60, 100))
        steps = step * (np.sqrt(shared) * common + np.sqrt(1 - shared) * own) - step**2 / 2
        at_the_end = at_any_time(steps.cumsum(axis=1))[:, -1]  # it never falls, so these are the alarms of any look
        together += e_bh(at_the_end, budget).any()
        by_itself += (at_the_end >= -np.log(budget)).any()
    assert together / reigns <= budget + 2 * error
    assert by_itself / reigns > budget + 2 * error, "or too few features would be asked to tell the two apart"


def test_an_alarm_names_the_feature_and_the_run_and_comes_once() -> None:
    runs = {"income": [QUIET, LOUD, LOUD, LOUD], "age": [QUIET] * 4}
    (alarm,) = drift_alarms(runs, budget=0.05)
    assert (alarm.name, alarm.run) == ("income", 2)
    assert alarm.log_evidence > np.log(40)
    assert [a.run for a in drift_alarms(runs, budget=0.05, in_a_row=1)] == [1]


def test_what_does_not_last_or_is_small_is_no_alarm() -> None:
    once = {"income": [QUIET, [120, *[100] * (CELLS - 2), 80], QUIET, QUIET]}
    assert drift_alarms(once, budget=0.05) == []
    lasting = {"income": [QUIET, LOUD, LOUD]}
    assert drift_alarms(lasting, budget=0.05, sizes={"income": [0.0, 0.05, 0.05]}, least=0.1) == []
    assert len(drift_alarms(lasting, budget=0.05, sizes={"income": [0.0, 0.2, 0.2]}, least=0.1)) == 1
    assert drift_alarms({}, budget=0.05) == []
    assert drift_alarms({"income": []}, budget=0.05) == []

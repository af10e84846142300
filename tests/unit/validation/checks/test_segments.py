"""TH302, no segment loses: fires, stays quiet, does not apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from support.factories import a_regression, a_spec, evidence
from titleholder.validation.checks.comparison import segment_gains
from titleholder.validation.evidence import Evidence
from titleholder.validation.metrics import Array


def logistic(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def compared(
    region: list[str | None] | Array, own: Array | float, their: Array | float, seed: int = 0, **parts: Any
) -> Evidence:
    """Two models that see the same signal, each through a noise of its own of these sizes."""
    rng = np.random.default_rng(seed)
    n = len(region)
    x = rng.normal(size=n)
    y = (rng.random(n) < logistic(1.5 * x)).astype(float)
    challenger, champion = (logistic(x + noise * rng.normal(size=n)) for noise in (own, their))
    given = evidence(a_spec(**parts), y=y, challenger=challenger, champion=champion)
    return given.model_copy(update={"frame": given.frame.assign(region=pd.Series(region))})


def test_fires_when_a_segment_is_shown_to_lose_though_all_gain() -> None:
    region = np.repeat(["north", "south"], [8000, 2000])
    own = np.where(region == "south", 2.5, 0.2)
    found = segment_gains(compared(region, own, 1.0))
    assert (found.code, found.status, found.severity) == ("TH302", "fail", "block")
    assert found.numbers["region=north:gain"] > 0.02
    assert found.numbers["region=south:gain_upper"] < -0.02
    assert found.explanation.startswith(
        "Of 2 segments, 2 with at least 30 rows of the rarer class, shown to lose more than 0.02 in roc_auc: region=south -0."
    )


def test_stays_quiet_when_a_small_segment_seems_to_lose_much() -> None:
    region = np.repeat(["north", "south"], [1000, 90])
    found = segment_gains(compared(region, np.where(region == "south", 1.5, 1.0), 1.0, seed=2))
    assert found.numbers["region=south:gain"] < -0.05
    assert (found.status, found.numbers["judged"]) == ("pass", 2)
    assert ": none; by the estimate alone, which is not shown: region=south -0." in found.explanation


def test_stays_quiet_when_a_large_sample_shows_a_negligible_loss() -> None:
    found = segment_gains(compared(np.repeat(["north", "south"], 60_000), 0.55, 0.5))
    assert found.numbers["region=north:gain_upper"] < 0
    assert found.status == "pass"


def test_the_tolerance_is_that_of_the_spec() -> None:
    given = compared(np.repeat("north", 60_000), 0.55, 0.5, judgement__checks={"segments": {"tolerance": 0.0}})
    assert segment_gains(given).status == "fail"


def test_of_many_segments_alike_few_raise_a_false_alarm() -> None:
    """Twelve segments at 95 % each would raise one in every fourth verdict."""
    region = np.repeat([f"r{i}" for i in range(12)], 100)
    rule = {"judgement__checks": {"segments": {"tolerance": 0.0}}}
    alarms = [segment_gains(compared(region, 1.0, 1.0, seed=s, **rule)).status == "fail" for s in range(60)]
    assert sum(alarms) <= 5


def test_missing_values_are_a_segment_and_whole_numbers_read_as_such() -> None:
    region = np.repeat(np.array([1.0, 2.0, np.nan]), 200)
    found = segment_gains(compared(region, 1.0, 1.0))
    assert {name.partition(":")[0] for name in found.numbers if ":" in name} == {
        "region=1",
        "region=2",
        "region=(missing)",
    }


def test_segments_with_too_few_events_are_counted_not_judged() -> None:
    region = np.repeat(["north", "south"], [1000, 20])
    found = segment_gains(compared(region, np.where(region == "south", 50.0, 1.0), 1.0))
    assert (found.status, found.numbers["judged"], found.numbers["too_few"]) == ("pass", 1, 1)
    assert not any(name.startswith("region=south") for name in found.numbers)


def test_a_metric_without_delongs_interval_is_judged_as_well() -> None:
    region = np.repeat(["north", "south"], [400, 400])
    own = np.where(region == "south", 4.0, 0.5)
    found = segment_gains(compared(region, own, 0.5, judgement__metric="brier"))
    assert found.status == "fail"
    assert "in brier: region=south -0." in found.explanation


def test_a_regression_counts_rows() -> None:
    rng = np.random.default_rng(0)
    y, region = rng.normal(size=200), np.repeat(["north", "south"], 100)
    own = y + np.where(region == "south", 2.0, 0.5) * rng.normal(size=200)
    given = evidence(a_regression(), y=y, challenger=own, champion=y + rng.normal(size=200))
    found = segment_gains(given.model_copy(update={"frame": given.frame.assign(region=region)}))
    assert found.status == "fail"
    assert "in rmse: region=south -0.94" in found.explanation


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize(("worse", "status"), [(1.01, "pass"), (1.1, "fail")])
def test_the_tolerance_of_an_error_is_a_share_whatever_its_unit(scale: float, worse: float, status: str) -> None:
    """1 % and 10 % worse in one segment; 2 % are tolerated. An absolute 0.02 passed all in thousands, none in euros."""
    rng = np.random.default_rng(0)
    n = 40_000
    noise, region = rng.normal(size=n), np.repeat(["north", "south"], n // 2)
    y = rng.normal(size=n)
    own = y + np.where(region == "south", worse, 1.0) * noise
    given = evidence(a_regression(), y=scale * y, challenger=scale * own, champion=scale * (y + noise))
    found = segment_gains(given.model_copy(update={"frame": given.frame.assign(region=region)}))
    assert (found.status, found.numbers["tolerance"]) == (status, 0.02)
    assert "2 with at least 30 rows" in found.explanation
    assert "shown to lose more than 2 % of the champion's metric there in rmse" in found.explanation


def test_a_regression_without_enough_rows_says_rows() -> None:
    given = evidence(a_regression(), y=np.arange(8.0), champion=np.zeros(8))
    assert segment_gains(given).explanation == "None of 2 segments has 30 rows."


def test_the_numbers_stay_few() -> None:
    region = np.repeat([f"r{i}" for i in range(30)], 100)
    found = segment_gains(compared(region, 1.0, 1.0))
    assert found.numbers["judged"] == 30
    assert len([name for name in found.numbers if name.endswith(":gain")]) == 20
    shown = [found.numbers[name] for name in found.numbers if name.endswith(":gain_upper")]
    assert shown == sorted(shown)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (evidence(), "No champion yet."),
        (evidence(a_spec(columns__segments=[]), champion=np.full(50, 0.5)), "The spec names no segments."),
        (evidence(champion=np.full(50, 0.5)), "None of 2 segments has 30 rows of the rarer class."),
        (evidence(events=0, champion=np.full(50, 0.5)), "None of 2 segments has 30 rows of the rarer class."),
    ],
)
def test_does_not_apply(given: Evidence, why: str) -> None:
    found = segment_gains(given)
    assert (found.status, found.explanation) == ("not_applicable", why)

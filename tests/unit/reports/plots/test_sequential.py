"""The sequential evidence of a reign."""

from __future__ import annotations

import re
from datetime import date, timedelta

import numpy as np
import pytest

from support.report_cases import looks, simulated, verdict_on
from titleholder.reports.plots import sequential
from titleholder.validation.sequential import accumulate


def test_each_cumulative_look_accumulates_those_before_it() -> None:
    verdict = verdict_on(simulated(n=60), looks=looks(4))
    steps = sequential.cumulative_looks(verdict)
    assert [s.so_far for s in steps] == [
        accumulate(looks(4)[:n], minimum_gain=0.0, confidence=0.95) for n in range(1, 5)
    ]
    assert steps[-1].so_far == verdict.accumulated()
    assert steps[2].gain.values == pytest.approx((0.02, 0.02 - 1.959964 * 0.02, 0.02 + 1.959964 * 0.02), rel=1e-5)


def test_each_look_needs_what_the_horizon_asked_for_then() -> None:
    verdict = verdict_on(simulated(n=60), looks=looks(4)).model_copy(update={"rule": "sequential", "horizon": 3})
    needed = [round(float(np.exp(s.so_far.needed)), 1) for s in sequential.cumulative_looks(verdict)]
    assert needed == [7.2, 7.2, 7.2, 20.0]


def test_looks_by_another_metric_are_left_out() -> None:
    old = looks(2)[0].model_copy(update={"metric": "gini"})
    verdict = verdict_on(simulated(n=60), looks=(old, *looks(2)[1:]))
    assert [s.look.as_of for s in sequential.cumulative_looks(verdict)] == [looks(2)[1].as_of]
    assert sequential.counted_looks(verdict) == "1 look"


def test_early_bounds_below_the_picture_are_counted_in_the_caption() -> None:
    first = looks(6)[0].model_copy(update={"error": 0.5, "gain": 0.0})
    near = verdict_on(simulated(n=60), looks=looks(1))
    assert "below the picture" not in sequential.evidence_picture(near, sequential.cumulative_looks(near)).caption
    far = verdict_on(simulated(n=60), looks=(first, *looks(6)[1:]))
    assert (
        "1 lower bound lies below the picture."
        in sequential.evidence_picture(far, sequential.cumulative_looks(far)).caption
    )


@pytest.mark.parametrize("days", [1, 7, 365])
def test_the_ticks_of_ten_looks_are_told_apart(days: int) -> None:
    start = date(2011, 6, 1)
    given = [one.model_copy(update={"as_of": start + n * timedelta(days=days)}) for n, one in enumerate(looks(10))]
    verdict = verdict_on(simulated(n=60), looks=tuple(given))
    svg = sequential.evidence_picture(verdict, sequential.cumulative_looks(verdict)).svg.decode()
    labels = re.findall(r">(20\d\d[-\d]*)</text>", svg)
    assert 3 <= len(labels) == len(set(labels))

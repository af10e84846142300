"""Distributions of scores and residuals."""

from __future__ import annotations

import numpy as np
import pytest

from support.factories import a_regression, a_spec
from support.report_cases import simulated, verdict_on
from titleholder.reports.plots import calibration, distributions
from titleholder.reports.plots.drawing import scored_models
from titleholder.spec.model import ModelSpec


@pytest.mark.parametrize("spec", [a_spec(), a_regression()], ids=["classification", "regression"])
def test_pictures_survive_scores_that_are_all_alike(spec: ModelSpec) -> None:
    found = simulated(spec, n=60, challenger=np.full(60, 0.5), champion=np.full(60, 0.5))
    both = scored_models(found, verdict_on(found), 4)
    drawn = [calibration.calibration_picture(found, both), distributions.agreement(found, both)]
    drawn += (
        [distributions.scores_by_outcome(found, both)]
        if spec.task == "classification"
        else distributions.residuals(found, both)
    )
    assert all(one.svg.startswith(b"<?xml") for one in drawn)
    assert "correlation" not in drawn[1].caption

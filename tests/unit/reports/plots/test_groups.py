"""The gain within months and segments."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from support.factories import a_spec
from support.report_cases import simulated, verdict_on
from titleholder.reports.plots import groups
from titleholder.validation import metrics
from titleholder.validation.metrics.inputs import Estimation

SPEC = a_spec(
    judgement__cut_off={"accept": "below", "share": 0.8},
    judgement__checks={"segments": {"minimum_events": 5}, "cohorts": {"minimum_events": 5}},
)


def test_a_group_has_the_gain_of_its_own_rows() -> None:
    found = simulated(SPEC)
    assert found.champion is not None
    breakdown = groups.breakdowns(found)[1]
    rows = np.flatnonzero(found.frame["region"] == "north")
    north = breakdown.estimates[0]
    how = Estimation(confidence=0.95, resamples=100, seed=7)
    gain = metrics.gain("roc_auc", found.sample.at(rows), found.challenger[rows], found.champion[rows], how)
    assert (breakdown.title, north.name, north.rows, north.events) == (
        "region",
        "north",
        len(rows),
        int(found.y[rows].sum()),
    )
    assert north.interval.values == pytest.approx(gain.values)
    assert breakdown.whole.rows == 600
    everyone = metrics.gain("roc_auc", found.sample, found.challenger, found.champion, how)
    assert breakdown.whole.interval.values == pytest.approx(everyone.values)


def test_events_of_a_group_do_not_change_their_meaning_where_they_are_the_majority() -> None:
    found = simulated(SPEC)
    assert found.champion is not None
    flipped = found.model_copy(
        update={"y": 1 - found.y, "challenger": 1 - found.challenger, "champion": 1 - found.champion}
    )
    breakdown = groups.breakdowns(flipped)[1]
    assert breakdown.whole.events == flipped.y.sum() > len(flipped.y) / 2
    assert sum(one.events for one in breakdown.estimates) == flipped.y.sum()


def test_the_gain_on_all_rows_is_the_verdicts() -> None:
    found = simulated(SPEC)
    verdict = verdict_on(found)
    assert all(
        breakdown.whole.interval.values == (0.0123, 0.0011, 0.0235)
        for breakdown in groups.breakdowns(found, verdict.gain)
    )


def test_breakdowns_are_by_month_segments_and_protected_columns() -> None:
    found = groups.breakdowns(simulated(SPEC))
    assert [breakdown.title for breakdown in found] == ["calendar month", "region", "age_band (protected)"]
    assert [estimate.name for estimate in found[0].estimates] == ["2023-10", "2023-11", "2023-12"]


def test_without_a_champion_a_group_has_the_challengers_metric() -> None:
    found = simulated(SPEC, champion=None)
    rows = np.flatnonzero(found.frame["region"] == "north")
    north = groups.breakdowns(found)[1].estimates[0].interval
    assert north is not None
    assert north.estimate == pytest.approx(metrics.compute("roc_auc", found.y[rows], found.challenger[rows]))


def test_of_many_groups_those_with_the_most_events_are_shown_in_the_order_of_their_numbers() -> None:
    spec = a_spec(columns__segments=["postcode"], columns__protected=[])
    found = simulated(spec)
    counts = np.repeat(np.arange(8, 38), 20)
    y = np.zeros(600)
    y[np.flatnonzero(counts == 9)[:3]] = 1
    y[np.flatnonzero(counts == 30)[:3]] = 1
    breakdown = groups.breakdowns(found.model_copy(update={"y": y, "frame": found.frame.assign(postcode=counts)}))[1]
    names = [int(estimate.name) for estimate in breakdown.estimates]
    assert len(names) == 20
    assert breakdown.left_out == 10
    assert names == sorted(names)
    assert {9, 30} <= set(names)
    assert breakdown.picture is None


def test_a_group_with_too_few_events_is_listed_but_not_measured() -> None:
    found = simulated(SPEC)
    region = pd.Series(np.where(np.arange(600) < 8, "tiny", "large"))
    breakdown = groups.breakdowns(found.model_copy(update={"frame": found.frame.assign(region=region)}))[1]
    assert [(e.name, e.interval is None) for e in breakdown.estimates] == [("large", False), ("tiny", True)]
    assert breakdown.picture is not None
    assert ">tiny<" not in breakdown.picture.svg.decode()
    assert ">large<" in breakdown.picture.svg.decode()

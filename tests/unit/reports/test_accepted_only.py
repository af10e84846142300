"""What rows without outcomes could change: bounds of event rates, and metrics under two extreme assumptions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from support.factories import a_regression, a_spec, evidence
from support.report_cases import simulated
from titleholder.reports.accepted_only import assumptions, event_rate_bounds
from titleholder.spec.model import ModelSpec
from titleholder.validation.evidence import Evidence, UnobservedRows

CUT = {"judgement__cut_off": {"accept": "below", "share": 0.5}}
SPEC = a_spec(**CUT)


def small(**parts: Any) -> Evidence:
    """Four accepted rows and four others. The challenger takes the first, third, fifth and seventh row."""
    whole = {
        "y": np.array([0.0, 1.0, 1.0, 0.0]),
        "challenger": np.array([0.1, 0.9, 0.2, 0.8]),
        "champion": np.array([0.1, 0.2, 0.8, 0.9]),
        "unobserved": UnobservedRows(
            challenger=np.array([0.15, 0.7, 0.25, 0.6]), champion=np.array([0.15, 0.25, 0.7, 0.6])
        ),
    }
    return evidence(SPEC, **{**whole, **parts})


def test_each_group_of_the_swap_set_has_its_rows_those_without_outcome_and_bounds() -> None:
    assert event_rate_bounds(small()) == [
        ("both", 2, 1, 0.0, 0.5),
        ("challenger only", 2, 1, 0.5, 1.0),
        ("champion only", 2, 1, 0.5, 1.0),
        ("neither", 2, 1, 0.0, 0.5),
    ]
    assert event_rate_bounds(small())[0].share == 0.5


def test_weights_count_in_the_bounds() -> None:
    unseen = UnobservedRows(challenger=np.array([0.9, 0.1]), weights=np.array([1.0, 3.0]))
    found = evidence(
        SPEC, y=np.array([1.0, 0.0]), challenger=np.array([0.1, 0.9]), weights=np.array([1.0, 1.0]), unobserved=unseen
    )
    assert event_rate_bounds(found) == [("accepted", 2, 1, 0.25, 1.0), ("declined", 2, 1, 0.0, 0.5)]


@given(st.integers(0, 2**32 - 1))
def test_whatever_the_outcomes_were_the_event_rate_lies_between_the_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, p = rng.integers(0, 2, 30).astype(float), rng.random(30)
    known = np.arange(30) < 18
    found = evidence(SPEC, y=y[known], challenger=p[known], unobserved=UnobservedRows(challenger=p[~known]))
    accepted = np.argsort(np.argsort(p)) < 15
    groups = {group.name: group for group in event_rate_bounds(found)}
    for name, rows in (("accepted", accepted), ("declined", ~accepted)):
        assert groups[name].lowest <= y[rows].mean() <= groups[name].highest
        assert groups[name].unobserved == (rows & ~known).sum()
        assert groups[name].highest - groups[name].lowest == pytest.approx(groups[name].share)


def test_the_metric_under_both_assumptions_is_that_of_scikit_learn_on_all_rows() -> None:
    rng = np.random.default_rng(2)
    others = {"challenger": rng.random(200), "champion": rng.random(200)}
    found = simulated(SPEC, unobserved=UnobservedRows(**others))
    known, none, every = assumptions(found)
    assert [known.rows, none.rows, every.rows] == [600, 800, 800]
    assert known.challenger == pytest.approx(roc_auc_score(found.y, found.challenger))
    for one, value in ((none, 0.0), (every, 1.0)):
        y = np.append(found.y, np.full(200, value))
        own = roc_auc_score(y, np.append(found.challenger, others["challenger"]))
        theirs = roc_auc_score(y, np.append(found.champion, others["champion"]))  # type: ignore[arg-type]
        assert (one.challenger, one.champion) == (pytest.approx(own), pytest.approx(theirs))
        assert one.gain == pytest.approx(own - theirs)


@pytest.mark.parametrize(
    "found",
    [
        small(unobserved=None),
        small(unobserved=UnobservedRows(challenger=np.empty(0))),
    ],
    ids=["not said", "all accepted"],
)
def test_nothing_where_every_row_has_an_outcome(found: Evidence) -> None:
    assert event_rate_bounds(found) == assumptions(found) == []


@pytest.mark.parametrize("spec", [a_spec(), a_regression(**CUT)], ids=["no cut-off", "regression"])
def test_without_a_cut_off_there_are_no_groups_and_of_a_regression_no_bounds(spec: ModelSpec) -> None:
    found = simulated(spec, unobserved=UnobservedRows(challenger=np.ones(50), champion=np.ones(50)))
    groups = event_rate_bounds(found)
    assert bool(groups) == (spec.task == "regression")
    assert all(np.isnan(group.lowest) and group.rows for group in groups if group.rows)
    assert bool(assumptions(found)) == (spec.task == "classification")

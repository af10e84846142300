"""The record of all versions on all cohorts, against linear algebra written out, and what it must never depend on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from titleholder.validation import record
from titleholder.validation.cohort_record import CohortRecord, Member, newest
from titleholder.validation.outlook import THIN, Expectation, Outlook, Rule

Array = NDArray[np.float64]
RULE = Rule(unit=0.01, tolerated_loss=0.01, minimum_gain=0.0, confidence=0.95)
IN_USE = date(2023, 1, 1)


def month(n: int) -> date:
    return date(2020 + n // 12, n % 12 + 1, 1)


def cohorts(seed: int = 0, months: int = 8, skill: Sequence[float] = (), error: float = 0.01) -> list[CohortRecord]:
    """Version v, trained through month v - 1, on the months from then on; all move together from month to month."""
    rng = np.random.default_rng(seed)
    worth = np.array([*skill, *np.zeros(months)])[:months]
    found = []
    for n in range(1, months):
        shared = rng.normal(0, 0.05)
        noise = rng.multivariate_normal(np.zeros(n + 1), covariance(n + 1, error), method="cholesky")
        found.append(cohort(n, worth[: n + 1] + shared + 0.7 + noise, error=error))
    return found


def covariance(n: int, error: float) -> Array:
    return np.asarray(error**2 * (0.8 + 0.2 * np.eye(n)))


def cohort(n: int, values: Array, error: float = 0.01, **parts: Any) -> CohortRecord:
    members = tuple(
        Member(version=v + 1, trained_through=month(v), judged_through=month(v + 2)) for v in range(len(values))
    )
    known = {
        "start": month(n), "end": month(n + 1), "events": 60, "metric": "roc_auc", "members": members,
        "values": tuple(values), "covariance": tuple(covariance(len(values), error)[np.tril_indices(len(values))]),
    }  # fmt: skip
    return CohortRecord.model_validate(known | parts)


def outlook(found: Sequence[CohortRecord], rule: Rule = RULE, **of: Any) -> Outlook:
    last = max(m.version for c in found for m in c.members)
    known: dict[str, Any] = {"challenger": last, "champion": 1, "former": range(2, last), "as_of": IN_USE}
    made = record.outlook(found, rule=rule, **(known | of))
    assert made is not None
    return made


def written_out(found: Sequence[CohortRecord], version: int, champion: int) -> Expectation:
    """The same by contrasts to a cohort's first version, each expert by itself, with dense matrices throughout."""
    versions = sorted({m.version for c in found for m in c.members})
    trained = {m.version: m.trained_through for c in found for m in c.members}

    def curve(of: int, day: date, shape: str) -> float:
        years = (day - trained[of]) / timedelta(days=365.25)
        return years if shape == "linear" else float(np.log1p(years))

    densities, gains, risks = [], [], []
    for expert in record.EXPERTS:
        prior = np.diag([1 / record.DRIFT**2, *[1 / expert.spread**2] * len(versions)])
        information, vector, density = np.zeros_like(prior), np.zeros(len(prior)), []
        for one in found:
            middle = one.start + (one.end - one.start) / 2
            members = [m.version for m in one.members]
            rows = np.zeros((len(members), len(prior)))
            for k, of in enumerate(members):
                rows[k, 0], rows[k, 1 + versions.index(of)] = curve(of, middle, expert.curve), 1.0
            contrast = np.hstack([-np.ones((len(members) - 1, 1)), np.eye(len(members) - 1)])
            design, y = contrast @ rows, contrast @ np.array(one.values) / 0.01
            noise = contrast @ (one.matrix / 0.01**2 + record.INTERACTION**2 * np.eye(len(members))) @ contrast.T
            posterior = np.linalg.inv(prior + information)
            mean, spread = design @ posterior @ vector, design @ posterior @ design.T + noise
            known = np.flatnonzero([m.judged_through <= one.start for m in one.members])
            if len(known) > 1:
                first = np.zeros((len(known) - 1, len(y)))  # contrasts to the cohort's first version, which is known
                first[np.arange(len(known) - 1), known[1:] - 1] = 1.0
                predicted = stats.multivariate_normal(first @ mean, first @ spread @ first.T)
                density.append(float(predicted.logpdf(first @ y)))
            kept = 0.5 ** (1 / expert.half_life)
            information = kept * information + design.T @ np.linalg.inv(noise) @ design
            vector = kept * vector + design.T @ np.linalg.inv(noise) @ y
        posterior = np.linalg.inv(prior + information)
        signs = np.zeros(len(prior))
        signs[0] = curve(version, IN_USE, expert.curve) - curve(champion, IN_USE, expert.curve)
        signs[1 + versions.index(version)], signs[1 + versions.index(champion)] = 1.0, -1.0
        gain, error = signs @ posterior @ vector, np.sqrt(signs @ posterior @ signs)
        densities.append(density)
        gains.append(gain)
        risks.append(stats.norm.cdf(-1.0, gain, error))
    scores = np.zeros(len(densities))
    for of_experts in np.array(densities).T:  # by cohort; none is further behind the best than SURPRISE
        scores = record.FORGETTING * scores + np.maximum(of_experts, of_experts.max() - record.SURPRISE)
    weights = np.exp(scores - scores.max())
    weights /= weights.sum()
    return Expectation(float(weights @ gains) * 0.01, float(weights @ risks))


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_posterior_of_a_linear_model_averaged_over_experts(seed: int) -> None:
    found = cohorts(seed, skill=[0.0, 0.02, -0.01])
    for version in (2, 3, 8):
        expected = outlook(found, challenger=version).challenger
        assert expected == pytest.approx(written_out(found, version, 1), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.floats(-0.2, 0.2), order=st.permutations(range(7)))
def test_the_level_of_a_cohort_and_the_order_of_arrival_say_nothing(seed: int, shift: float, order: list[int]) -> None:
    found = cohorts(seed)
    moved = [c.model_copy(update={"values": tuple(v + shift * n for v in c.values)}) for n, c in enumerate(found)]
    again = outlook([moved[n] for n in order])
    assert again.challenger == pytest.approx(outlook(found).challenger, abs=1e-7)
    assert again.cohorts == 7


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.01, 100.0))
def test_it_is_the_same_in_any_unit_of_the_metric(seed: int, factor: float) -> None:
    found = cohorts(seed)
    scaled = [
        c.model_copy(update={
            "values": tuple(v * factor for v in c.values), "covariance": tuple(v * factor**2 for v in c.covariance),
        })
        for c in found
    ]  # fmt: skip
    own = outlook(found)
    other = outlook(scaled, RULE._replace(unit=0.01 * factor, tolerated_loss=0.01 * factor))
    assert other.challenger.gain == pytest.approx(own.challenger.gain * factor, rel=1e-6, abs=1e-9 * factor)
    assert other.challenger.risk == pytest.approx(own.challenger.risk, abs=1e-8)
    assert other.year == pytest.approx(own.year * factor, rel=1e-6, abs=1e-9 * factor)
    assert (other.passed, other.recalled, other.ranking) == (own.passed, own.recalled, own.ranking)


def test_what_is_known_later_of_a_cohort_replaces_what_was_known_before() -> None:
    found = cohorts(5)
    earlier = cohort(3, np.array([0.9, 0.1]))
    assert outlook([earlier, *found]) == outlook(found)
    assert outlook([*found, earlier]).challenger != outlook(found).challenger


def test_without_a_cohort_that_has_both_there_is_no_outlook() -> None:
    found = cohorts(1, months=4)
    apart = [
        c.model_copy(update={"members": c.members[:2], "values": c.values[:2], "covariance": c.covariance[:3]})
        for c in found
    ]
    known: dict[str, Any] = {"champion": 1, "former": (), "as_of": IN_USE, "rule": RULE}
    assert record.outlook(apart, challenger=4, **known) is None
    assert record.outlook([], challenger=4, **known) is None


def test_a_better_challenger_takes_over_and_a_worse_one_does_not() -> None:
    better, worse = (outlook(cohorts(2, skill=[0, 0, 0, 0, 0, 0, 0, skill], error=0.004)) for skill in (0.03, -0.03))
    assert better.passed
    assert better.challenger.gain > 0.015
    assert better.ranking[0] == 8
    assert not worse.passed
    assert worse.challenger.risk > 0.5


def test_the_best_former_version_comes_back_only_where_it_may() -> None:
    found = cohorts(3, skill=[0, 0, 0.03], error=0.004)
    assert outlook(found).recalled
    assert outlook(found).former == 3
    assert outlook(found, former=[2, 4]).former in (2, 4)
    assert outlook(found, former=[]).former is None
    assert not outlook(found, champion=3).recalled


def test_it_learns_what_a_year_of_fresher_training_is_worth() -> None:
    ages = [0.005 * n for n in range(24)]
    assert outlook(cohorts(4, months=24, skill=ages, error=0.004)).year == pytest.approx(0.06, abs=0.02)
    assert outlook(cohorts(4, months=24, error=0.004)).year == pytest.approx(0.0, abs=0.01)


def test_changes_have_a_price() -> None:
    expected = {
        "cohorts": 9,
        "versions": 7,
        "events": 60,
        "year": 0.0,
        "ranking": (7,),
        "tolerated_loss": 0.01,
        "confidence": 0.95,
    }
    for gain, minimum, passed in (
        (0.0009, 0.0, False),
        (0.0011, 0.0, True),
        (0.0011, 0.001, False),
        (0.0, -0.01, True),
    ):
        made = Outlook(unit=0.01, challenger=Expectation(gain, 0.01), minimum_gain=minimum, **expected)
        assert made.passed is passed
    assert not Outlook(unit=0.01, challenger=Expectation(0.02, 0.06), minimum_gain=0.0, **expected).passed


def test_a_covariance_is_kept_as_its_lower_triangle() -> None:
    made = cohort(2, np.array([0.7, 0.71, 0.69]))
    assert np.allclose(made.matrix, covariance(3, 0.01))
    assert CohortRecord.model_validate_json(made.model_dump_json()) == made


def test_of_cohorts_that_overlap_the_last_one_given_counts() -> None:
    found = cohorts(6)
    week = cohort(3, np.array([0.9, 0.1])).model_copy(update={"end": month(3) + timedelta(days=7)})
    assert newest([week, *found]) == found
    assert newest([*found, week]) == [*found[:2], week, *found[3:]]


def test_without_a_unit_there_is_no_outlook() -> None:
    known: dict[str, Any] = {"champion": 1, "former": (), "as_of": IN_USE, "challenger": 8}
    assert record.outlook(cohorts(0), rule=RULE._replace(unit=0.0), **known) is None


def test_a_record_is_thin_by_the_median_of_its_cohorts_events() -> None:
    found = cohorts(0)
    sizes = [10, 28, 12, 18, 14, 400, 500]
    few = [cohort.model_copy(update={"events": n}) for cohort, n in zip(found, sizes, strict=True)]
    assert outlook(few).events == 18
    assert outlook(few).thin("events") == "thin record, 7 cohorts with a median of 18 events: surer than it should be"
    assert outlook([cohort.model_copy(update={"events": THIN}) for cohort in found]).thin("rows") == ""

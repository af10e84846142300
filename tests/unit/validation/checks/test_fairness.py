"""TH601, acceptance across protected groups: fires, stays quiet, does not apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.factories import a_spec, evidence
from titleholder.spec.model import ModelSpec
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.fairness import acceptance_rates
from titleholder.validation.evidence import Evidence


def cutting(**changes: Any) -> ModelSpec:
    return a_spec(**{"judgement__cut_off": {"accept": "below", "score": 0.5}, **changes})


def check(groups: dict[str | None, tuple[int, int]], spec: ModelSpec | None = None, **columns: Any) -> Result:
    """Groups of the protected column with (accepted, all) rows each."""
    accepted = np.concatenate([np.arange(rows) < taken for taken, rows in groups.values()])
    band = [name for name, (_, rows) in groups.items() for _ in range(rows)]
    given = evidence(spec or cutting(), y=np.zeros(len(band)), challenger=np.where(accepted, 0.1, 0.9))
    return acceptance_rates(given.model_copy(update={"frame": given.frame.assign(age_band=band, **columns)}))


def test_fires_as_a_warning_when_one_group_is_shown_to_be_accepted_less() -> None:
    found = check({"old": (160, 200), "young": (80, 200)})
    assert (found.code, found.status, found.severity) == ("TH601", "fail", "warn")
    assert found.numbers["lowest"] == pytest.approx(0.5)
    assert (found.numbers["age_band=old:rate"], found.numbers["age_band=young:rate"]) == (0.8, 0.4)
    assert found.explanation == (
        "One group's acceptance rate over another's, shown to be below 0.8: age_band=young over age_band=old 0.5000 "
        f"[{found.numbers['lowest_lower']:.4f}, {found.numbers['lowest_upper']:.4f}]."
    )


def test_fires_when_a_group_is_not_accepted_at_all() -> None:
    assert check({"old": (160, 200), "young": (0, 200)}).status == "fail"


def test_stays_quiet_when_all_are_accepted_alike() -> None:
    found = check({"old": (160, 200), "young": (150, 200)})
    assert found.status == "pass"
    assert "none shown to be below 0.8, the lowest: age_band=young over age_band=old 0.9375 [" in found.explanation


def test_stays_quiet_when_it_may_be_chance() -> None:
    found = check({"old": (40, 60), "young": (28, 60)})
    assert found.numbers["lowest"] == pytest.approx(0.7)
    assert found.status == "beyond"


def test_the_ratio_is_that_of_the_spec() -> None:
    given = {"old": (900, 1000), "young": (800, 1000)}
    assert check(given).status == "pass"
    assert check(given, cutting(judgement__checks={"fairness": {"ratio": 0.95}})).status == "fail"


def test_small_groups_are_counted_not_judged() -> None:
    found = check({"old": (160, 200), "young": (150, 200), "newborn": (0, 49)})
    assert (found.status, found.numbers["judged"], found.numbers["too_few"]) == ("pass", 2, 1)


def test_a_small_group_at_the_bottom_does_not_hide_a_large_one() -> None:
    """The lowest of all may be chance; the next lowest is not."""
    found = check({"old": (1800, 2000), "young": (1200, 2000), "odd": (33, 60)})
    assert found.numbers["lowest"] == pytest.approx(0.55 / 0.9)
    assert "shown to be below 0.8: " in found.explanation
    assert "age_band=young over age_band=old" in found.explanation
    assert found.status == "fail"


def test_of_many_groups_alike_few_raise_a_false_alarm() -> None:
    """The lowest and the highest of ten: without adjustment nearly every verdict would warn."""
    spec = cutting(judgement__checks={"fairness": {"ratio": 1.0}})
    rng = np.random.default_rng(0)
    alarms = [
        check({f"g{i}": (int(rng.binomial(100, 0.5)), 100) for i in range(10)}, spec).status == "fail"
        for _ in range(60)
    ]
    assert sum(alarms) <= 6


def test_each_column_is_compared_within_itself() -> None:
    spec = cutting(columns__protected=["age_band", "sex"])
    accepted, all_rows = {"old": (60, 100), "young": (60, 100)}, 200
    within = check(accepted, spec, sex=np.repeat("any", all_rows))
    assert (within.status, within.numbers["judged"]) == ("pass", 3)
    apart = check(accepted, spec, sex=np.where(np.arange(all_rows) % 100 < 60, "a", "b"))
    assert "sex=b over sex=a 0.0000" in apart.explanation


def test_groups_of_different_columns_are_not_compared() -> None:
    spec = cutting(columns__protected=["age_band", "sex"])
    found = check({"old": (60, 60), "young": (0, 40), "newborn": (0, 40)}, spec, sex=np.repeat("any", 140))
    assert (found.numbers["age_band=old:rate"], found.numbers["sex=any:rate"]) == (1.0, 60 / 140)
    assert (found.status, found.numbers["judged"]) == ("not_applicable", 2)


def test_missing_values_are_a_group() -> None:
    found = check({"old": (160, 200), None: (40, 200)})
    assert found.status == "fail"
    assert "age_band=(missing) over age_band=old" in found.explanation


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (evidence(), "The spec does not name both a cut_off and a protected column."),
        (evidence(cutting(columns__protected=[])), "The spec does not name both a cut_off and a protected column."),
        (evidence(cutting(), y=np.empty(0)), "Nothing can be measured on the holdout."),
        (evidence(cutting()), "No two groups of a column have 50 rows and any accepted."),
    ],
)
def test_does_not_apply(given: Evidence, why: str) -> None:
    found = acceptance_rates(given)
    assert (found.status, found.explanation) == ("not_applicable", why)


def test_does_not_apply_where_nobody_is_accepted() -> None:
    found = check({"old": (0, 200), "young": (0, 200)})
    assert (found.status, found.numbers["judged"]) == ("not_applicable", 2)

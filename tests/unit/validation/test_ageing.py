"""What a month of age costs: planted decay is found, and the interval says how sure that is."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from support.ageing_cases import cells
from titleholder.validation.ageing import BLOCKS, COHORTS, YEAR, Cell, age_cost, comparable


def of_cells(found: list[Cell]) -> tuple[float, float, float]:
    cost = age_cost(found, 0.95)
    assert cost is not None
    return cost.month.lower, cost.month.estimate, cost.month.upper


@pytest.mark.parametrize("decay", [0.002, 0.0, -0.001])
def test_planted_decay_is_found_exactly_without_noise_whatever_the_cohorts_levels(decay: float) -> None:
    cost = age_cost(cells(16, decay), 0.95)
    assert cost is not None
    assert cost.month.estimate == pytest.approx(decay, abs=1e-9)
    assert cost.month.upper - cost.month.lower == pytest.approx(0, abs=1e-9)
    assert (cost.cohorts, cost.versions) == (15, 16)
    for point in cost.curve:
        assert decay * point.above - 1e-9 <= point.estimate * np.sign(decay or 1) or decay < 0
        assert abs(point.estimate) <= abs(decay) * point.through + 1e-9


def test_the_estimate_is_that_of_a_regression_with_a_dummy_for_each_cohort() -> None:
    found = comparable(cells(14, 0.001, versions=0.004, noise=0.004))
    starts = sorted({cell.start for cell in found})
    design = np.array([[cell.age, *(cell.start == start for start in starts)] for cell in found], dtype=float)
    root = np.sqrt([cell.weight for cell in found])
    plain = np.linalg.lstsq(design * root[:, None], np.array([c.value for c in found]) * root, rcond=None)[0]
    assert of_cells(found)[1] == pytest.approx(-plain[0], abs=1e-12)


def test_the_interval_covers_planted_decay_where_versions_and_cells_vary() -> None:
    """95% intervals of 200 lanes: 190 are expected at the least, since the variance is rather too large."""
    covered = 0
    for seed in range(200):
        lower, _, upper = of_cells(cells(16, 0.001, seed=seed, versions=0.006, noise=0.005))
        covered += lower <= 0.001 <= upper
    assert covered >= 190 - 3 * np.sqrt(200 * 0.95 * 0.05)


def test_no_decay_is_seldom_called_a_cost() -> None:
    shown = sum(of_cells(cells(16, 0.0, seed=seed, versions=0.006, noise=0.005))[0] > 0 for seed in range(200))
    assert shown <= 5 + 3 * np.sqrt(200 * 0.025 * 0.975)


def test_strong_decay_is_shown() -> None:
    shown = [of_cells(cells(20, 0.002, seed=seed, versions=0.006, noise=0.005))[0] > 0 for seed in range(50)]
    assert np.mean(shown) > 0.9


def test_versions_more_than_a_year_older_than_the_newest_say_nothing() -> None:
    """They would have to be 13 times as bad to be right about a month."""
    found = cells(36, 0.001)
    young = comparable(found)
    assert len(young) < len(found)
    newest = {cell.start: cell.age for cell in found}
    assert max(cell.age - newest[cell.start] for cell in young) <= YEAR + 0.5
    ruined = [cell if cell in young else cell._replace(value=0.0) for cell in found]
    assert of_cells(ruined) == of_cells(found)


def test_a_cohort_that_tells_more_counts_more() -> None:
    found = cells(14, 0.001)
    last = max(cell.start for cell in found)
    heavy = [cell._replace(weight=1e6, value=-0.005 * cell.age) if cell.start == last else cell for cell in found]
    assert of_cells(heavy)[1] == pytest.approx(0.005, rel=0.01)


@pytest.mark.parametrize("periods", [0, 1, 5, COHORTS])
def test_few_cohorts_give_no_estimate(periods: int) -> None:
    """The first cohort has one version only, so it does not count."""
    assert age_cost(cells(periods, 0.001), 0.95) is None
    assert age_cost(cells(COHORTS + 1, 0.001), 0.95) is not None


def test_few_versions_and_versions_of_one_age_give_no_estimate() -> None:
    found = cells(20, 0.001)
    few = [cell for cell in found if cell.version < BLOCKS]
    assert age_cost(few, 0.95) is None
    assert age_cost([cell._replace(trained=date(2019, 1, 1)) for cell in found], 0.95) is None


def test_the_order_of_the_cells_does_not_matter() -> None:
    found = cells(14, 0.001, versions=0.004, noise=0.004)
    assert of_cells(found[::-1]) == pytest.approx(of_cells(found))
    renamed = [cell._replace(version=99 - cell.version) for cell in found]
    assert of_cells(renamed) == pytest.approx(of_cells(found)), "blocks go by the end of training, not by names"


def test_a_higher_confidence_gives_a_wider_interval() -> None:
    found = cells(14, 0.001, versions=0.004, noise=0.004)
    narrow, wide = (age_cost(found, level) for level in (0.8, 0.99))
    assert narrow is not None
    assert wide is not None
    assert wide.month.lower < narrow.month.lower < narrow.month.upper < wide.month.upper


def test_the_curve_shows_a_form_that_is_no_line() -> None:
    """All is lost in the first three months."""
    found = [cell._replace(value=cell.value - 0.02 * (cell.age > 9.6)) for cell in cells(24, 0.0)]
    cost = age_cost(found, 0.95)
    assert cost is not None
    assert [round(point.estimate, 3) for point in cost.curve[2:]] == [0.02] * (len(cost.curve) - 2)
    assert cost.curve[0].estimate < 0.01

"""Differences and ratios of rates against the papers' own examples and statsmodels."""

from __future__ import annotations

import math

import pytest

from titleholder.validation import metrics


@pytest.mark.parametrize(
    ("counts", "published", "bounds"),
    [
        ((56, 70, 48, 80), (0.0524, 0.3339), (0.05243147240236498, 0.33387265403690614)),
        ((9, 10, 3, 10), (0.1705, 0.8090), (0.1705227239345029, 0.809017973535488)),
        ((6, 7, 2, 7), (0.0582, 0.8062), (0.05822792748231209, 0.8062496375242278)),
        ((5, 56, 0, 29), (-0.0381, 0.1926), (-0.038137147903536936, 0.19256001385511165)),
        ((0, 10, 0, 20), (-0.1611, 0.2775), (-0.1611251580528194, 0.27753279986288926)),
        ((0, 10, 0, 10), (-0.2775, 0.2775), (-0.27753279986288926, 0.27753279986288926)),
        ((10, 10, 0, 20), (0.6791, 1.0000), (0.6790860371419145, 1.0)),
        ((10, 10, 0, 10), (0.6075, 1.0000), (0.6075093504305241, 1.0)),
    ],
)
def test_differences_are_newcombes(
    counts: tuple[int, int, int, int], published: tuple[float, float], bounds: tuple[float, float]
) -> None:
    """Newcombe (1998), table II, method 10, to its four digits; further ones from statsmodels 0.15.0,
    `confint_proportions_2indep(method="newcomb", compare="diff")`."""
    found = metrics.difference_of_rates(*counts, confidence=0.95)
    assert found.estimate == pytest.approx(counts[0] / counts[1] - counts[2] / counts[3])
    assert (found.lower, found.upper) == pytest.approx(bounds, abs=1e-12)
    assert (found.lower, found.upper) == pytest.approx(published, abs=5e-5)


@pytest.mark.parametrize(
    ("counts", "bounds"),
    [
        ((56, 70, 48, 80), (1.0766264227631928, 1.6512485112663873)),
        ((9, 10, 3, 10), (1.1383503574476699, 7.906177514784793)),
        ((6, 7, 2, 7), (0.8948459075994672, 10.057597541171745)),
    ],
)
def test_ratios_are_katzs(counts: tuple[int, int, int, int], bounds: tuple[float, float]) -> None:
    """statsmodels 0.15.0, `confint_proportions_2indep(method="log", compare="ratio")`."""
    found = metrics.ratio_of_rates(*counts, confidence=0.95)
    assert found.estimate == pytest.approx(counts[0] / counts[1] / (counts[2] / counts[3]))
    assert (found.lower, found.upper) == pytest.approx(bounds, abs=1e-12)


def test_with_half_a_row_in_every_cell_no_count_is_too_extreme() -> None:
    """R 4.2.2, metafor 3.8-1: `escalc("RR", add = 1/2, to = "only0")` with its normal interval, for the bounds that are
    not 0 or inf by themselves."""
    none_here = metrics.ratio_of_rates(0, 10, 3, 20, confidence=0.95)
    assert (none_here.estimate, none_here.lower) == (0.0, 0.0)
    assert none_here.upper == pytest.approx(4.819678001398, abs=1e-11)
    none_there = metrics.ratio_of_rates(5, 56, 0, 29, confidence=0.95)
    assert (none_there.estimate, none_there.upper) == (math.inf, math.inf)
    assert none_there.lower == pytest.approx(0.33118979975813, abs=1e-12)
    nothing_else = metrics.ratio_of_rates(10, 10, 20, 20, confidence=0.95)
    assert nothing_else.values == pytest.approx((1.0, 0.84564894709909, 1.1306650885607), abs=1e-12)


@pytest.mark.parametrize("counts", [(0, 10, 0, 20), (0, 0, 3, 10), (3, 10, 0, 0), (0, 0, 0, 0)])
def test_of_nothing_the_ratio_can_be_anything(counts: tuple[int, int, int, int]) -> None:
    found = metrics.ratio_of_rates(*counts, confidence=0.95)
    assert math.isnan(found.estimate)
    assert (found.lower, found.upper) == (0.0, math.inf)


@pytest.mark.parametrize("counts", [(0, 0, 3, 10), (3, 10, 0, 0)])
def test_of_no_rows_the_difference_can_be_anything(counts: tuple[int, int, int, int]) -> None:
    found = metrics.difference_of_rates(*counts, confidence=0.95)
    assert math.isnan(found.estimate)
    assert (found.lower, found.upper) == (-1.0, 1.0)


def test_turned_around_the_difference_changes_its_sign_and_the_ratio_is_inverted() -> None:
    there, back = (metrics.difference_of_rates(*c, confidence=0.9) for c in ((5, 56, 1, 29), (1, 29, 5, 56)))
    assert there.values == pytest.approx((-back.estimate, -back.upper, -back.lower), abs=1e-15)
    there, back = (metrics.ratio_of_rates(*c, confidence=0.9) for c in ((5, 56, 1, 29), (1, 29, 5, 56)))
    assert there.values == pytest.approx((1 / back.estimate, 1 / back.upper, 1 / back.lower))


def test_more_confidence_means_a_wider_interval() -> None:
    for compare in (metrics.difference_of_rates, metrics.ratio_of_rates):
        wide, narrow = (compare(5, 56, 3, 29, confidence=c) for c in (0.99, 0.8))
        assert wide.lower < narrow.lower < narrow.upper < wide.upper

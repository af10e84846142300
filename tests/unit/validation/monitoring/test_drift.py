"""Evidence of drift: exact under no change, however small the reference, and powerful under a change."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest
from scipy import stats

from titleholder.validation.monitoring.bins import Bins
from titleholder.validation.monitoring.drift import CELLS, Ranked, log_evidence, rank

FEW = (3, 2, 1, 0)
"""A reference of six rows."""


def run_of(seen: tuple[int, ...], shares: list[float], rows: int, rng: np.random.Generator) -> Ranked:
    return rank(seen, rng.choice(len(shares), rows, p=shares), rng)


def test_a_rank_is_what_a_plain_count_gives() -> None:
    """Row by row: rows before it in lower bins, and a random part of those in its own, itself included."""
    rng, places = np.random.default_rng(1), np.random.default_rng(2).integers(0, 4, 60)
    found = rank(FEW, places, rng)
    again, before, cells = np.random.default_rng(1).random(60), [0] * 3 + [1] * 2 + [2], [0] * CELLS
    for place, v in zip(places.tolist(), again, strict=True):
        u = (sum(b < place for b in before) + v * (before.count(place) + 1)) / (len(before) + 1)
        cells[min(int(u * CELLS), CELLS - 1)] += 1
        before.append(place)
    assert found.cells == tuple(cells)
    assert found.seen == tuple(before.count(place) for place in range(4))


def test_a_run_in_parts_is_the_same_run(monkeypatch: pytest.MonkeyPatch) -> None:
    places = np.random.default_rng(2).integers(0, 4, 500)
    whole = rank(FEW, places, np.random.default_rng(1))
    monkeypatch.setattr("titleholder.validation.monitoring.drift.CHUNK", 37)
    assert rank(FEW, places, np.random.default_rng(1)) == whole


@pytest.mark.parametrize("reference", [1, 5, 200])
def test_ranks_are_uniform_while_nothing_changes_however_few_rows_the_reference_has(reference: int) -> None:
    shares, rng = [0.5, 0.3, 0.15, 0.05], np.random.default_rng(reference)
    cells = np.zeros(CELLS)
    for _ in range(3000):
        seen = tuple(np.bincount(rng.choice(4, reference, p=shares), minlength=4).tolist())
        cells += run_of(seen, shares, 4, rng).cells
    assert stats.chisquare(cells).pvalue > 0.001


def test_the_mean_of_the_e_value_is_exactly_one_while_nothing_changes() -> None:
    """Summed over all ways in which three rows, and then two more, can fall into the cells, by their chances."""

    def ways(rows: int) -> list[tuple[list[int], float]]:
        chosen = combinations_with_replacement(range(CELLS), rows)
        counts = [np.bincount(cells, minlength=CELLS).tolist() for cells in chosen]
        return [(row, float(stats.multinomial.pmf(row, rows, [1 / CELLS] * CELLS))) for row in counts]

    assert sum(np.exp(log_evidence([row])) * chance for row, chance in ways(3)) == pytest.approx(1.0)
    first, _ = ways(3)[17]
    later = sum(np.exp(log_evidence([first, row])) * chance for row, chance in ways(2))
    assert later == pytest.approx(np.exp(log_evidence([first]))), (
        "a martingale: the next run changes nothing on average"
    )


def test_a_quiet_reign_seldom_reaches_twenty() -> None:
    """By Ville's inequality in one of twenty at most, with 60 rows of reference and looks after every run."""
    shares, reached = [0.5, 0.3, 0.15, 0.05], 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        seen = tuple(np.bincount(rng.choice(4, 60, p=shares), minlength=4).tolist())
        runs: list[tuple[int, ...]] = []
        highest = 0.0
        for _ in range(12):
            found = run_of(seen, shares, 80, rng)
            seen, runs = found.seen, [*runs, found.cells]
            highest = max(highest, log_evidence(runs))
        reached += highest >= np.log(20)
    assert reached <= 300 * 0.05


@pytest.mark.parametrize("quiet", [0, 6])
def test_a_change_is_found_also_where_it_begins_late(quiet: int) -> None:
    before, after = [0.4, 0.3, 0.2, 0.1], [0.25, 0.25, 0.25, 0.25]
    rng = np.random.default_rng(5)
    seen, runs = (800, 600, 400, 200), []
    for n in range(quiet + 3):
        found = run_of(seen, before if n < quiet else after, 300, rng)
        seen, runs = found.seen, [*runs, found.cells]
    assert log_evidence(runs[:quiet]) < np.log(20)
    assert log_evidence(runs) > np.log(1000)


def test_nothing_seen_is_no_evidence() -> None:
    assert log_evidence([]) == 0.0
    assert log_evidence([[0] * CELLS]) == pytest.approx(0.0)
    assert rank(FEW, np.array([], dtype=np.intp), np.random.default_rng(0)).rows == 0


def test_bins_know_ties_missing_values_and_texts_never_seen() -> None:
    numbers = Bins.of(np.array([0.0] * 50 + list(range(1, 51))), 10)
    place = numbers.places(np.array([-1.0, 0.0, 0.5, 50.0, 60.0, np.nan]))
    assert place[0] < place[1] < place[2] < place[3] <= place[4] < place[5]
    assert place[5] == len(numbers.labels) - 1
    texts = Bins.of(np.array(["a", "a", "b", None, "c"], dtype=object), 2)
    assert texts.labels == ("a", "b", "unknown", "missing")
    assert texts.places(np.array(["b", "z", None, "c"], dtype=object)).tolist() == [1, 2, 3, 2]
    assert texts.counts(np.array(["b", "z", None, "c"], dtype=object)).tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize("values", [np.full(9, np.nan), np.full(9, 3.0), np.array([])])
def test_a_feature_without_any_or_with_one_value_has_bins_too(values: np.ndarray) -> None:
    bins = Bins.of(values, 10)
    assert bins.counts(np.array([2.0, 3.0, 4.0, np.nan])).sum() == 4
    if len(values) and values[0] == 3.0:
        assert len(set(bins.places(np.array([2.0, 3.0, 4.0])))) == 3


def test_edges_are_finite_also_at_the_least_number() -> None:
    """A report with another edge could not be read again."""
    bins = Bins.of(np.array([np.finfo(float).min, 1.0, 2.0]), 3)
    assert np.isfinite(bins.edges).all()
    assert bins.counts(np.array([np.finfo(float).min, 1.5])).sum() == 2

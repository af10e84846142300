"""What a month of age costs a model: versions of several ages, compared on the same cohorts.

The value (a metric, more being better) of version v on cohort c, x months after the version's last row of training, is

    a_c - cost * x + u_v + e_cv,

a_c the level of the cohort, free: whether a cohort is hard or easy cancels. `cost` is estimated by weighted least
squares within cohorts, from the versions that are no more than a year older than the cohort's newest: what retraining
more often than yearly can win. It is what being newer was worth, whatever made it so: a newer world, or more rows.

Versions are shared by cohorts and cohorts by versions; what makes a version good or a cohort unusual lasts, since
training windows overlap and a change of the world stays. So versions and cohorts are each cut into `BLOCKS` blocks of
neighbours, and the variance is the sum of two jackknife variances: one leaves out a block of versions at a time, the
other one of cohorts. What both have in common is not taken off: the sum is never negative, and too wide rather than too
narrow. Bounds are those of Student's t with `BLOCKS` - 1 degrees of freedom.

Sources: MacKinnon, Nielsen & Webb (2024), Jackknife inference with two-way clustering, arXiv 2406.08880, for the two
jackknives; Ibragimov & Muller (2010), t-statistic based correlation and heterogeneity robust inference, Journal of
Business & Economic Statistics 28(4), for few large blocks in the place of many dependent clusters. How often the
interval covers in simulations: benchmarks/age_cost.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy import special

Array = NDArray[np.float64]
Places = NDArray[np.intp]
MONTH = 365.25 / 12
"""Days."""
YEAR = 12.0
"""Months: versions that are older than a cohort's newest by more than this (and half a month) are not compared."""
BLOCKS = 5
COHORTS = 10
"""With fewer cohorts of two versions at least there is no estimate."""
BINS = 6
"""The curve has at most so many points within a year."""
LEAST = 3
"""A point of the curve has cells in so many blocks of versions and of cohorts at least."""


class Cell(NamedTuple):
    """What one version did on one cohort [start, end); `value` is oriented so that more is better.

    `weight` is how much the cohort tells: its rows of the rarer class, or of a regression its rows.

    >>> cell = Cell(3, trained=date(2024, 1, 1), start=date(2024, 7, 1), end=date(2024, 8, 1), value=0.7, weight=60)
    >>> round(cell.age, 1)
    6.5
    """

    version: int
    trained: date
    start: date
    end: date
    value: float
    weight: float

    @property
    def age(self) -> float:
        """Months from the version's last row of training to the middle of the cohort."""
        return ((self.start - self.trained).days + (self.end - self.start).days / 2) / MONTH


class Loss(BaseModel):
    """A loss in the unit of the values, positive where age costs, with a two-sided interval.

    >>> Loss(estimate=0.001, lower=0.0004, upper=0.0016).times(5.5)
    Loss(estimate=0.0055, lower=0.0022, upper=0.0088)
    """

    model_config = ConfigDict(frozen=True)

    estimate: float
    lower: float
    upper: float

    def times(self, factor: float) -> Loss:
        """The loss of so many months, for a factor of at least zero."""
        return Loss(**{name: round(factor * value, 12) for name, value in self})


class AgePoint(Loss):
    """The loss of versions that are older than their cohort's newest by more than `above`, up to `through` months."""

    above: float
    through: float


class AgeCost(BaseModel):
    """The loss with each month of age, and the curve of losses, each against the newest version of the same cohort.

    `span` is the largest difference of two ages on one cohort, in months. Cohorts are those with two versions or more.
    """

    model_config = ConfigDict(frozen=True)

    month: Loss
    curve: tuple[AgePoint, ...]
    cohorts: int
    versions: int
    span: float

    @property
    def reach(self) -> float:
        """How many months older than the newest the versions are of which the curve tells."""
        return self.curve[-1].through if self.curve else 0.0


def comparable(cells: Sequence[Cell]) -> list[Cell]:
    """The cells of cohorts with two versions at least, without versions more than a year older than the newest."""
    newest: dict[date, float] = {}
    for cell in cells:
        newest[cell.start] = min(cell.age, newest.get(cell.start, np.inf))
    young = [cell for cell in cells if cell.age - newest[cell.start] <= YEAR + 0.5]
    counts: dict[date, int] = {}
    for cell in young:
        counts[cell.start] = counts.get(cell.start, 0) + 1
    return [cell for cell in young if counts[cell.start] > 1]


def age_cost(cells: Sequence[Cell], confidence: float) -> AgeCost | None:
    """What a month of age costs; None with too few cohorts or versions, or where all versions are of one age.

    Args:
        cells: one for each version and cohort after its training; values are finite, weights positive.
        confidence: of the two-sided intervals.
    """
    kept = comparable(cells)
    fit = _Fit.of(kept) if kept else None
    if fit is None or fit.cohorts < COHORTS or len(np.unique(fit.version)) < BLOCKS or np.ptp(fit.older) == 0:
        return None
    (month,) = fit.losses(fit.older[:, None], confidence)
    return AgeCost(
        month=month,
        curve=tuple(fit.curve(confidence)),
        cohorts=fit.cohorts,
        versions=len(np.unique(fit.version)),
        span=float(fit.older.max()),
    )


def losses_between(
    cells: Sequence[Cell], confidence: float, period: float, pairs: Sequence[tuple[float, float]]
) -> list[Loss]:
    """What retraining less often loses, on average over the use of a version; no form of the curve is assumed.

    Args:
        cells: as for `age_cost`.
        confidence: of the two-sided intervals.
        period: months between two versions.
        pairs: the months between two times of retraining, the more frequent and the less frequent.

    Returns:
        A loss for each pair; empty where no step of the curve is known.
    """
    kept = comparable(cells)
    steps = _Fit.of(kept).steps() if kept else None
    if steps is None:
        return []
    contrasts = np.array([steps.mean(seldom, period) - steps.mean(often, period) for often, seldom in pairs])
    return steps.part.losses(steps.design, confidence, contrasts)


class _Fit(NamedTuple):
    """Cells as arrays, shape (n,): places of cohort and version in order of time, and what is compared."""

    cohort: Places
    version: Places
    older: Array
    """Months older than the cohort's newest version."""
    value: Array
    weight: Array

    @classmethod
    def of(cls, cells: Sequence[Cell]) -> _Fit:
        starts = sorted({cell.start for cell in cells})
        versions = sorted({(cell.trained, cell.version) for cell in cells})
        cohort = np.array([starts.index(cell.start) for cell in cells])
        age = np.array([cell.age for cell in cells])
        newest = np.full(len(starts), np.inf)
        np.minimum.at(newest, cohort, age)
        places = {version: place for place, version in enumerate(versions)}
        return cls(
            cohort,
            np.array([places[cell.trained, cell.version] for cell in cells]),
            age - newest[cohort],
            np.array([cell.value for cell in cells]),
            np.array([cell.weight for cell in cells], dtype=float),
        )

    @property
    def cohorts(self) -> int:
        return len(np.unique(self.cohort))

    @property
    def blocks(self) -> tuple[Places, Places]:
        """The block of each cell by its version and by its cohort."""
        return _blocks(self.version), _blocks(self.cohort)

    def losses(self, design: Array, confidence: float, contrasts: Array | None = None) -> list[Loss]:
        """How much each column of the design, shape (n, p), takes from the value, with intervals.

        With contrasts, shape (k, p), what these sums of them take.
        """
        sums = np.eye(design.shape[1]) if contrasts is None else contrasts
        every = np.ones(len(self.value), dtype=bool)
        found = sums @ self._slopes(design, every)
        variance = np.zeros_like(found)
        for block in self.blocks:
            numbers = np.unique(block)
            left_out = np.array([sums @ self._slopes(design, block != number) for number in numbers])
            variance += (len(numbers) - 1) / len(numbers) * ((left_out - found) ** 2).sum(axis=0)
        freedom = min(len(np.unique(block)) for block in self.blocks) - 1
        reach = float(special.stdtrit(freedom, 0.5 + confidence / 2)) * np.sqrt(variance)
        return [
            Loss(estimate=0.0 - float(b), lower=0.0 - float(b + r), upper=float(r - b))
            for b, r in zip(found, reach, strict=True)
        ]

    def _slopes(self, design: Array, rows: NDArray[np.bool_]) -> Array:
        """Weighted least squares within cohorts on some of the rows, shape (p,)."""
        cohort, weight = self.cohort[rows], self.weight[rows]
        both = np.column_stack([design[rows], self.value[rows]])
        total = np.bincount(cohort, weight, minlength=cohort.max() + 1)
        sums = np.stack([np.bincount(cohort, weight * column, minlength=len(total)) for column in both.T], axis=1)
        means = sums / np.where(total > 0, total, 1.0)[:, None]
        within = (both - means[cohort]) * np.sqrt(weight)[:, None]
        return np.asarray(np.linalg.lstsq(within[:, :-1], within[:, -1], rcond=None)[0])

    def curve(self, confidence: float) -> list[AgePoint]:
        """The mean loss by how much older a version is, without a form; the newest version of a cohort is the zero."""
        steps = self.steps()
        if steps is None:
            return []
        losses = steps.part.losses(steps.design, confidence)
        return [
            AgePoint(**dict(loss), above=float(steps.edges[n - 1]), through=float(steps.edges[n]))
            for n, loss in zip(steps.known, losses, strict=True)
        ]

    def steps(self) -> _Steps | None:
        """The steps of the curve that enough versions and cohorts know; None where none is known."""
        edges = np.linspace(0.0, max(float(self.older.max()), 1e-9), BINS + 1)
        place = np.searchsorted(edges, np.round(self.older, 9), side="left")
        place = np.where(self.older > 0, np.clip(place, 1, BINS), 0)
        known = [n for n in range(1, BINS + 1) if self._known(place == n)]
        if not known:
            return None
        rows = np.isin(place, [0, *known])
        part = _Fit(self.cohort[rows], self.version[rows], self.older[rows], self.value[rows], self.weight[rows])
        return _Steps(edges, known, part, (place[rows][:, None] == np.array(known)).astype(float))

    def _known(self, rows: NDArray[np.bool_]) -> bool:
        return all(len(np.unique(block[rows])) >= LEAST for block in self.blocks)


class _Steps(NamedTuple):
    """Where the steps of the curve begin and end, which are known, and the cells in these with their design."""

    edges: Array
    known: list[int]
    part: _Fit
    design: Array

    def mean(self, interval: float, period: float) -> Array:
        """The mean of the curve over a version's use, if one is trained every so many months; shape (known steps,).

        A step that is not known counts as the nearest that is.
        """
        uses = max(1, round(interval / period))
        weights = np.zeros(len(self.known))
        for older in period * np.arange(1, uses):
            step = int(np.searchsorted(self.edges, older - period / 2, side="left"))
            weights[np.argmin(np.abs(np.array(self.known) - step))] += 1 / uses
        return weights


def _blocks(place: Places) -> Places:
    """Places in order of time as blocks of neighbours that are equally many, as far as that goes."""
    numbers = np.unique(place, return_inverse=True)[1]
    count = int(numbers.max()) + 1
    return np.asarray(numbers * min(BLOCKS, count) // count)

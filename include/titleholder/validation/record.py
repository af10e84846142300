"""The rule `record`: which version does best in use, by what all versions did on all cohorts since their training?

The metric of version v on a cohort whose middle lies x years after v's last row of training is

    a + drift * curve(x) + u_v + w + e,

a the level of the cohort, free; `drift` the worth of a year of fresher training, u_v what v is worth beside that, and w
what v is worth in this cohort alone, each normal with mean zero; e the error of estimation, with the covariance of all
versions on the same rows. An *expert* fixes the curve, the standard deviation of u, and the half-life, in cohorts, with
which older cohorts lose weight. Each expert's posterior is that of a linear model with normal errors. The experts are
averaged by how well they predicted each cohort before it was known, of the versions that there were by then;
predictions long ago count less. So the record
learns how fast this portfolio moves, and how much its versions differ.

All priors are in units of the metric's tolerated loss (0.01 of ROC AUC, or what that is worth in another metric). They
say: a year of fresher training is worth -10 to +10 units, and versions differ by 0.3, 1 or 3.

Sources: Raftery, Karny & Ettler (2010), Online prediction under model uncertainty via dynamic model averaging,
Technometrics 52(1), for the average and its forgetting; Robinson (1991), That BLUP is a good thing: the estimation of
random effects, Statistical Science 6(1), for the effects of versions.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from functools import cached_property, lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from titleholder.validation.cohort_record import CohortRecord, newest
from titleholder.validation.outlook import Expectation, Outlook, Rule

Array = NDArray[np.float64]
Places = NDArray[np.intp]
CURVES = ("linear", "log")
HALF_LIVES = (np.inf, 12.0, 4.0)
SPREADS = (0.3, 1.0, 3.0)
DRIFT, INTERACTION = 5.0, 0.4
"""Standard deviations of the drift over a year, and of w."""
FORGETTING = 0.95
"""What a prediction counts one cohort later."""
SURPRISE = 3.0
"""No cohort takes more from an expert's logarithm than this: one broken version must not decide about all experts."""
YEAR = timedelta(days=365.25)


def outlook(
    cohorts: Sequence[CohortRecord],
    *,
    challenger: int,
    champion: int,
    former: Collection[int],
    as_of: date,
    rule: Rule,
) -> Outlook | None:
    """What the record says about a challenger and former versions in use from `as_of` on.

    Args:
        cohorts: of one metric, the newest decision's last: of those that overlap the last counts.
        challenger: its version; None is returned where no cohort has both it and the champion, or the unit is zero.
        champion: its version.
        former: versions that may come back.
        as_of: when the version comes into use.
        rule: what a change of champion must meet.
    """
    known = newest(cohorts)
    if rule.unit <= 0 or not any({challenger, champion} <= {m.version for m in cohort.members} for cohort in known):
        return None
    record = _read(tuple(known), rule.unit)
    compared = {v: record.expectation(v, champion, as_of, rule.tolerated_loss) for v in record.versions}
    ranking = sorted(compared, key=lambda version: (-compared[version].gain, -version))
    best = next((v for v in ranking if v in former and v not in (champion, challenger)), None)
    return Outlook(
        cohorts=len(known),
        versions=len(ranking),
        events=int(np.median([cohort.events for cohort in known])),
        year=record.year(as_of, challenger),
        challenger=compared[challenger],
        former=best,
        former_expectation=None if best is None else compared[best],
        ranking=tuple(ranking),
        **rule._asdict(),
    )


@lru_cache(maxsize=8)
def _read(cohorts: tuple[CohortRecord, ...], unit: float) -> Record:
    """A lane's replays under other limits read the same cohorts."""
    return Record(cohorts, unit)


class _Expert(NamedTuple):
    curve: str
    half_life: float
    spread: float


EXPERTS = tuple(_Expert(*form) for form in product(CURVES, HALF_LIVES, SPREADS))


def _curves(years: Array) -> Array:
    """Each expert's curve at these ages, shape (experts, ages)."""
    shapes = {"linear": years, "log": np.log1p(np.maximum(years, 0.0))}
    return np.stack([shapes[expert.curve] for expert in EXPERTS])


class Record:
    """The experts' posteriors after these cohorts, of drift and of every version's u, in units of the tolerated loss.

    Versions are in the order in which they were trained. `weights` are the experts', shape (experts,).
    """

    def __init__(self, cohorts: Sequence[CohortRecord], unit: float) -> None:
        trained = {member.version: member.trained_through for cohort in cohorts for member in cohort.members}
        self.versions = sorted(trained, key=lambda version: (trained[version], version))
        self._trained, self._unit = trained, unit
        self._place = {version: place for place, version in enumerate(self.versions, start=1)}
        self._precision, self._vector = self._priors()
        scores, seen = np.zeros(len(EXPERTS)), 0
        kept = np.array([0.5 ** (1 / expert.half_life) for expert in EXPERTS])
        for cohort in cohorts:
            part = _Part(cohort, np.array([self._place[m.version] for m in cohort.members]), unit)
            seen = max(seen, int(part.places.max()))
            before = np.array([m.judged_through <= cohort.start for m in cohort.members])
            if before.sum() > 1:
                density = part.log_density(before, *self._at(part.places[before], seen))
                scores = FORGETTING * scores + np.maximum(density, density.max() - SURPRISE)
            self._forget(kept)
            self._add(part)
        self.weights = special.softmax(scores)
        self._mean, self._covariance = self._at(np.arange(1, len(self.versions) + 1), len(self.versions))

    def _priors(self) -> tuple[Array, Array]:
        size = len(self.versions) + 1
        deviations = np.array([[DRIFT, *[expert.spread] * (size - 1)] for expert in EXPERTS])
        self._prior = np.eye(size) / deviations[:, :, None] ** 2
        return self._prior.copy(), np.zeros((len(EXPERTS), size))

    def _forget(self, kept: Array) -> None:
        """Older cohorts lose weight; the priors do not."""
        self._precision = self._prior + kept[:, None, None] * (self._precision - self._prior)
        self._vector = kept[:, None] * self._vector

    def _add(self, part: _Part) -> None:
        places, contrast = part.places, part.contrast
        of_curve = part.curves @ contrast
        self._precision[:, places[:, None], places] += contrast
        self._precision[:, 0, 0] += np.einsum("ki,ki->k", part.curves, of_curve)
        self._precision[:, 0, places] += of_curve
        self._precision[:, places, 0] += of_curve
        self._vector[:, 0] += of_curve @ part.values
        self._vector[:, places] += contrast @ part.values

    def _at(self, places: Places, seen: int) -> tuple[Array, Array]:
        """Means and covariances of the drift and the u at these places, (experts, 1 + n) and (experts, 1 + n, 1 + n).

        Nothing is known yet of versions after the place `seen`, so they need not be solved for.
        """
        at, size = np.append(0, places), seen + 1
        columns = np.zeros((size, len(at)))
        columns[at, np.arange(len(at))] = 1.0
        known = self._precision[:, :size, :size]
        solved = np.linalg.solve(known, np.broadcast_to(columns, (len(EXPERTS), *columns.shape)))
        return np.asarray(np.einsum("kji,kj->ki", solved, self._vector[:, :size])), np.asarray(solved[:, at])

    def expectation(self, version: int, champion: int, as_of: date, tolerated_loss: float) -> Expectation:
        """What is expected of a version in use, compared with the champion."""
        if version == champion:
            return Expectation(0.0, 0.0)
        places = np.array([0, self._place[version], self._place[champion]])
        mean, covariance = self._mean[:, places], self._covariance[:, places[:, None], places]
        curves = _curves(np.array([_years(self._trained[v], as_of) for v in (version, champion)]))
        signs = np.stack([curves[:, 0] - curves[:, 1], np.ones(len(EXPERTS)), -np.ones(len(EXPERTS))], axis=1)
        gains = np.einsum("ki,ki->k", signs, mean)
        errors = np.sqrt(np.einsum("ki,kij,kj->k", signs, covariance, signs))
        worse = special.ndtr((-tolerated_loss / self._unit - gains) / errors)
        return Expectation(float(self.weights @ gains) * self._unit, float(self.weights @ worse))

    def year(self, as_of: date, version: int) -> float:
        """What a year of fresher training than this version's is worth at `as_of`, in the metric's unit."""
        age = _years(self._trained[version], as_of)
        curves = _curves(np.array([age, age + 1]))
        return float(self.weights @ (self._mean[:, 0] * (curves[:, 0] - curves[:, 1]))) * self._unit


class _Part:
    """A cohort's values in units of the tolerated loss, and what they say of the contrasts between its versions."""

    def __init__(self, cohort: CohortRecord, places: Places, unit: float) -> None:
        middle = cohort.start + (cohort.end - cohort.start) / 2
        self.places, self.values = places, np.array(cohort.values) / unit
        self.curves = _curves(np.array([_years(m.trained_through, middle) for m in cohort.members]))
        self.noise = cohort.matrix / unit**2 + INTERACTION**2 * np.eye(len(places))

    @cached_property
    def contrast(self) -> Array:
        """The precision of the values, without the direction in which all versions move together."""
        return _projected(np.linalg.inv(self.noise))

    def log_density(self, of: NDArray[np.bool_], mean: Array, covariance: Array) -> Array:
        """How likely each expert held the contrasts between some of the values, the logarithm up to a constant."""
        n = int(of.sum())
        identity = np.broadcast_to(np.eye(n), (len(EXPERTS), n, n))
        design = np.concatenate([self.curves[:, of, None], identity], axis=2)
        total = design @ covariance @ design.transpose(0, 2, 1) + self.noise[np.ix_(of, of)]
        inverse = np.linalg.inv(total)
        residual = self.values[of] - np.einsum("kij,kj->ki", design, mean)
        square = np.einsum("ki,kij,kj->k", residual, _projected(inverse), residual)
        return np.asarray(-(np.linalg.slogdet(total)[1] + np.log(inverse.sum(axis=(1, 2))) + square) / 2)


def _projected(inverse: NDArray[np.floating]) -> Array:
    """A precision matrix without the direction in which all move together; shape (..., n, n)."""
    sums = inverse.sum(axis=-1)
    return np.asarray(inverse - sums[..., :, None] * sums[..., None, :] / sums.sum(axis=-1)[..., None, None])


def _years(trained_through: date, day: date) -> float:
    return (day - trained_through) / YEAR

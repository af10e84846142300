"""The rows that metrics are computed from, what they refuse, and the interval an estimate comes with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from titleholder.spec.criteria import Judgement
from titleholder.spec.model import ModelSpec

Array = NDArray[np.float64]
Rows = NDArray[np.intp]
Labels = NDArray[Any]


@dataclass(frozen=True)
class Interval:
    """An estimate with a two-sided confidence interval; a bound is infinite where the data do not give one.

    >>> Interval(0.012, -0.001, 0.025).text("+.3f")
    '+0.012 [-0.001, +0.025]'
    """

    estimate: float
    lower: float
    upper: float

    @property
    def values(self) -> tuple[float, float, float]:
        """The estimate, the lower and the upper bound."""
        return self.estimate, self.lower, self.upper

    @property
    def finite(self) -> bool:
        """Whether the estimate and both bounds are finite numbers."""
        return all(map(math.isfinite, self.values))

    def exp(self) -> Interval:
        """The same on the scale whose logarithm this is."""
        with np.errstate(over="ignore"):
            return Interval(*np.exp(self.values).tolist())

    def text(self, form: str = ".4f") -> str:
        """`0.1 [0.0, 0.2]`, each number in this format."""
        return f"{self.estimate:{form}} [{self.lower:{form}}, {self.upper:{form}}]"

    def numbers(self, name: str) -> dict[str, float]:
        """The estimate and its bounds as three named numbers: `name`, `name_lower` and `name_upper`."""
        return {name: self.estimate, f"{name}_lower": self.lower, f"{name}_upper": self.upper}


def student(estimate: float, error: float, freedom: float, confidence: float) -> Interval:
    """The estimate with bounds by Student's t, from its standard error and degrees of freedom (inf for a normal).

    Without a finite estimate and error the bounds are infinite.
    """
    if not (math.isfinite(estimate) and math.isfinite(error)):
        return Interval(estimate, -math.inf, math.inf)
    reach = float(special.stdtrit(freedom, 0.5 + confidence / 2)) * error
    return Interval(estimate, estimate - reach, estimate + reach)


@dataclass(frozen=True, eq=False)
class Sample:
    """Outcomes of n rows, and where there are any their sample weights and clusters; each of shape (n,).

    Rows of one cluster are never taken for independent.

    >>> Sample(np.array([0.0, 1.0, 1.0]), clusters=np.array(["a", "a", "b"])).at([1, 2]).clusters
    array(['a', 'b'], dtype='<U1')
    """

    y: Array
    weights: Array | None = None
    clusters: Labels | None = None

    def at(self, rows: NDArray[Any] | slice) -> Sample:
        """The same of some rows, by their positions, a mask or a slice."""
        weights, clusters = (None if part is None else part[rows] for part in (self.weights, self.clusters))
        return Sample(self.y[rows], weights, clusters)


@dataclass(frozen=True)
class Estimation:
    """How an interval is estimated: its confidence, and of a bootstrap the number of resamples and the seed.

    `judgement` has what `profit` (with a `cut_off`), `emp` and `pinball` (`quantile`) need.

    >>> Estimation(confidence=0.95, resamples=500, seed=7).resamples
    500
    """

    confidence: float
    resamples: int
    seed: int
    judgement: Judgement | None = None

    @classmethod
    def of(cls, spec: ModelSpec, confidence: float | None = None) -> Estimation:
        """As the spec has it; at another confidence where one is given."""
        judgement = spec.judgement
        level = judgement.confidence if confidence is None else confidence
        return cls(level, judgement.resamples, spec.training.seed, judgement)


def check(y: Array, *scores: Array, weights: Array | None = None) -> None:
    """Refuse what no metric can be computed from.

    Raises:
        ValueError: when lengths differ, a score is not finite, or a weight is not a finite number above 0.
    """
    if any(len(p) != len(y) for p in scores):
        raise ValueError(f"unequal lengths: {len(y)} outcomes, {' and '.join(str(len(p)) for p in scores)} scores")
    for p in scores:
        if bad := int((~np.isfinite(p)).sum()):
            raise ValueError(f"{bad} of {len(p)} scores are not finite numbers; a model must score every row")
    if weights is None:
        return
    if len(weights) != len(y):
        raise ValueError(f"unequal lengths: {len(y)} outcomes, {len(weights)} weights")
    if bad := int((~(np.isfinite(weights) & (weights > 0))).sum()):
        raise ValueError(f"{bad} of {len(weights)} weights are not finite numbers above 0")


def check_probabilities(name: str, p: Array) -> None:
    """Refuse scores that are not probabilities.

    Raises:
        ValueError: when a score is outside [0, 1].
    """
    if bad := int(((p < 0) | (p > 1)).sum()):
        raise ValueError(f"{name} needs probabilities; {bad} of {len(p)} scores are outside [0, 1]")


def cluster_codes(clusters: Labels) -> Rows:
    """Clusters numbered from 0, shape (n,). A row without a label (None, NaN) is a cluster of its own."""
    codes, found = pd.factorize(pd.Series(clusters))
    alone = codes == -1
    codes[alone] = len(found) + np.arange(alone.sum())
    return np.asarray(codes, dtype=np.intp)


def effective_size(weights: Array) -> float:
    """How many equally weighted rows carry as much information: (sum w)^2 / sum w^2.

    Source: Kish (1965), Survey Sampling, section 11.7.
    """
    return float(weights.sum() ** 2 / (weights @ weights))


def units(sample: Sample, rows: NDArray[np.bool_]) -> float:
    """How many independent units these rows are: clusters that have any, or the effective number of rows."""
    if sample.clusters is not None:
        return len(np.unique(cluster_codes(sample.clusters)[rows]))
    if sample.weights is None or not rows.any():
        return int(rows.sum())
    return round(effective_size(sample.weights[rows]), 9)


def least_units(sample: Sample, *, classes: bool) -> float:
    """The independent units of the smaller class, or without classes of all rows."""
    parts = [sample.y == 1, sample.y != 1] if classes else [np.ones(len(sample.y), dtype=bool)]
    return min(units(sample, part) for part in parts)


def degrees_of_freedom(sample: Sample, *, classes: bool) -> float:
    """Those units less one; at least 1."""
    return max(least_units(sample, classes=classes) - 1.0, 1.0)

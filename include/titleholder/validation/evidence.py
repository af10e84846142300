"""The evidence on one challenger: the judged rows, both models' scores on them, and what else the checks read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Mapping
from datetime import date
from typing import Any, Self, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from titleholder.data.lazy_frame import LazyFrame
from titleholder.data.skew import Skew
from titleholder.spec.model import ModelSpec
from titleholder.validation.cohort_record import CohortRecord, Member
from titleholder.validation.metrics import Gain, Sample
from titleholder.validation.outlook import Outlook
from titleholder.validation.sealed import SealedEvidence
from titleholder.validation.sequential import Look

Array = NDArray[np.float64]
T = TypeVar("T")
FILLED_IN = {
    "champion", "champion_version", "champion_inputs", "metrics", "champion_metrics", "gain", "looks", "outlook",
    "rivals", "cohorts", "earlier", "sealed", "skew", "memo",
}  # fmt: skip
"""Parts of the evidence that nothing in its `memo` depends on."""


class TrainingSample(BaseModel):
    """Rows that the challenger was trained on (a sample where there are many), and its scores on them.

    `frame` has the features, the event time, and the weight where the spec names one.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    frame: pd.DataFrame
    y: NDArray[np.float64]
    scores: NDArray[np.float64]


class BenchmarkScores(BaseModel):
    """What the untuned benchmark answers for the judged rows; None where it could not be fitted, and why."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    scores: NDArray[np.float64] | None
    problem: str = ""

    def at(self, rows: NDArray[np.bool_]) -> BenchmarkScores:
        """The same of some rows."""
        return self.model_copy(update={"scores": None if self.scores is None else self.scores[rows]})


class UnobservedRows(BaseModel):
    """Scores and weights of the rows of the judged period that were not accepted: nobody saw their outcomes."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    challenger: NDArray[np.float64]
    champion: NDArray[np.float64] | None = None
    weights: NDArray[np.float64] | None = None


class UnfitCandidate(BaseModel):
    """Another candidate of the same run that was judged on the same rows, and the checks that it failed by itself.

    >>> UnfitCandidate.model_validate_json('{"name": "trees", "version": 4, "failed": ["TH701"]}').failed
    ('TH701',)
    """

    model_config = ConfigDict(frozen=True)

    name: str
    version: int
    failed: tuple[str, ...]


class Rival(BaseModel):
    """An earlier version that was trained on rows before the judged ones, and its scores on these, shape (n,).

    `inputs` are what a consumer of it must send. One that is not `eligible` is not brought back: it was unfit for use,
    or rolled back.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    member: Member
    as_of: date
    scores: NDArray[np.float64]
    inputs: dict[str, str]
    eligible: bool


class Evidence(BaseModel):
    """The judged rows and both models' scores on them. `champion` is None where there is no champion yet.

    `frame` has every column of the query, one row for each score; `weights` and `clusters` are those columns where the
    spec names them. `metrics` are the challenger's, `champion_metrics` the champion's, `gain` is over the champion,
    `looks` are those of the reign, the newest last, `champion_version` is the champion's: `judging.conclude` fills
    these in. `training` is a sample of the challenger's training rows. `predict` gives the challenger's scores of other
    rows with the same features, `predict_refit` those of its refit, where the spec has one; that was fitted on the
    judged rows too, so no metric may look at it. `inputs` and `champion_inputs` are what a consumer must send, column
    to type. `recorded` are the scores of the first training rows when the challenger was trained, `reloaded` those of
    the model read back; the refit's follow them. `unfit` are the candidates that were judged on the same rows before
    this one, `also_unfit` those after it, where no candidate is fit. `benchmark` is None where the spec does not ask
    for one, `unobserved` where it does not say which rows were accepted. Under the rule `record`, `rivals` are the
    earlier versions that are compared here, `cohorts` what all versions did on the cohorts of these rows, `earlier`
    those of earlier decisions, and `outlook` what follows, which `judging.conclude` fills in. `sealed` and `skew` read
    what scoring runs have of these rows, where there is a ledger to read it from. `memo` has what was computed from the
    rows and the challenger alone: see `once`.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    spec: ModelSpec
    candidate: str
    frame: pd.DataFrame | LazyFrame
    """In memory, or read whenever it is asked for."""
    y: NDArray[np.float64]
    challenger: NDArray[np.float64]
    champion: NDArray[np.float64] | None = None
    champion_version: int | None = None
    weights: NDArray[np.float64] | None = None
    clusters: NDArray[np.intp] | None = None
    metrics: dict[str, float] = {}
    champion_metrics: dict[str, float] = {}
    gain: Gain | None = None
    looks: tuple[Look, ...] = ()
    training: TrainingSample | None = None
    predict: Callable[[pd.DataFrame], Array] | None = None
    predict_refit: Callable[[pd.DataFrame], Array] | None = None
    inputs: dict[str, str] = {}
    champion_inputs: dict[str, str] | None = None
    recorded: NDArray[np.float64] | None = None
    reloaded: NDArray[np.float64] | None = None
    unfit: tuple[UnfitCandidate, ...] = ()
    also_unfit: tuple[UnfitCandidate, ...] = ()
    version: int = 0
    rivals: tuple[Rival, ...] = ()
    cohorts: tuple[CohortRecord, ...] = ()
    earlier: tuple[CohortRecord, ...] = ()
    outlook: Outlook | None = None
    benchmark: BenchmarkScores | None = None
    unobserved: UnobservedRows | None = None
    sealed: Callable[[], SealedEvidence | None] | None = None
    skew: Callable[[], Skew | None] | None = None
    memo: dict[Hashable, Any] = {}

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What `compute` returns, which is kept under this key for all evidence that shares the memo.

        Neither the champion nor a threshold of the spec may change it, unless the key names it.
        """
        if key not in self.memo:
            self.memo[key] = compute()
        found: T = self.memo[key]
        return found

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other parts; it shares the memo unless these may change what is in it."""
        own: dict[str, Any] = {} if FILLED_IN.issuperset(update or ()) else {"memo": {}}
        return super().model_copy(update=own | dict(update or {}), deep=deep)

    @property
    def confidence(self) -> float:
        """At which the challenger must show that it is better, or loses no more than is tolerated.

        The spec's, adjusted for the number of candidates that were judged on the same rows, this one included
        (Bonferroni). Checks that fail when harm is shown keep the spec's own: a later candidate must not pass them more
        easily.
        """
        return (self.spec.judgement.confidence + len(self.unfit)) / (1 + len(self.unfit))

    @property
    def sample(self) -> Sample:
        """The judged rows' outcomes, weights and clusters."""
        return Sample(self.y, self.weights, self.clusters)

    @property
    def classification(self) -> bool:
        """Whether the target is 0 or 1."""
        return self.spec.task == "classification"

    @property
    def quantile(self) -> float | None:
        """The quantile that the scores predict; None where they predict a mean or a probability."""
        return self.spec.judgement.predicted_quantile

    @property
    def events(self) -> int:
        """Rows with target 1, or every row of a regression."""
        return events(self.spec, self.y)

    @property
    def counted(self) -> str:
        """What `events` are called."""
        return "events" if self.classification else "rows"

    @property
    def informative(self) -> int:
        """Rows that carry information: those of the rarer class, or every row of a regression."""
        return informative(self.spec, self.y)

    @property
    def measurable(self) -> bool:
        """Whether a metric can be computed: two rows, and of a classification both classes."""
        return measurable(self.spec, self.y)

    def sampled(self, most: int) -> NDArray[np.intp]:
        """Positions of at most so many judged rows, ascending: all, or some drawn at random with the spec's seed."""
        n = len(self.y)
        rng = np.random.default_rng(self.spec.training.seed)
        return np.sort(rng.choice(n, most, replace=False)) if n > most else np.arange(n)


def metric_basis(spec: ModelSpec) -> str:
    """Eight hex digits that change with what the deciding metric means: its parameters, the target and the weights."""
    judgement, columns = spec.judgement, spec.columns
    parts = (judgement.metric, judgement.cut_off, judgement.profit, judgement.emp, judgement.quantile)
    return hashlib.sha256(repr((*parts, columns.target, columns.weight)).encode()).hexdigest()[:8]


def events(spec: ModelSpec, y: Array) -> int:
    """Rows with target 1, whichever class is the rarer one; every row of a regression."""
    return len(y) if spec.task == "regression" else int(y.sum())


def informative(spec: ModelSpec, y: Array) -> int:
    """Rows that carry information: those of the rarer class, or every row of a regression."""
    return len(y) if spec.task == "regression" else min(int(y.sum()), len(y) - int(y.sum()))


def informative_rows(spec: ModelSpec) -> str:
    """What `informative` counts, in words."""
    return "rows" if spec.task == "regression" else "rows of the rarer class"


def measurable(spec: ModelSpec, y: Array) -> bool:
    """Whether a metric can be computed on these outcomes: two rows, and of a classification both classes."""
    return len(y) > 1 and (spec.task == "regression" or informative(spec, y) > 0)

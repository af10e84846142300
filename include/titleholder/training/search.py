"""Search a candidate's parameters on time-ordered folds, then fit the best: a function of rows, spec and seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
import optuna
import pandas as pd
from sklearn.pipeline import Pipeline

from titleholder.errors import TitleholderError, TrainingError, one_line
from titleholder.spec.metrics import METRICS
from titleholder.spec.model import ModelSpec
from titleholder.spec.training import Candidate, Range
from titleholder.training.folds import (
    Positions,
    PreparedFolds,
    TrainingRows,
    filled_for_fit,
    fit_weights,
    time_folds,
)
from titleholder.training.pipeline import build, keep_mean
from titleholder.training.threads import one_thread
from titleholder.validation import metrics

T = TypeVar("T")


class OutOfFold(NamedTuple):
    """Scores of rows by models that were fitted on earlier rows only; `rows` are positions. Both of shape (n,).

    >>> OutOfFold(np.array([2, 3]), np.array([0.1, 0.4])).rows.tolist()
    [2, 3]
    """

    rows: Positions
    scores: metrics.Array


@dataclass(frozen=True)
class Fitted:
    """A fitted pipeline with the search behind it: the best parameters, the score of every trial and of every fold.

    Scores are those of `metric`, the spec's `search_metric`, on rows later than those fitted on. `out_of_fold` has the
    predictions behind the best trial's: of all rows but those before the first fold.

    >>> Fitted(Pipeline([("model", "passthrough")]), {}, "log_loss", 0.31, [0.3, 0.32], []).recorded_scores
    {'folds_log_loss': 0.31, 'fold_1_log_loss': 0.3, 'fold_2_log_loss': 0.32}
    """

    pipeline: Pipeline
    params: dict[str, Any]
    metric: str
    score: float
    fold_scores: list[float]
    trials: list[dict[str, Any]]
    out_of_fold: OutOfFold | None = None

    @property
    def recorded_scores(self) -> dict[str, float]:
        """The scores under the names by which MLflow knows them: `folds_log_loss` (mean), `fold_1_log_loss`, ..."""
        folds = {f"fold_{i}_{self.metric}": s for i, s in enumerate(self.fold_scores, start=1)}
        return {f"folds_{self.metric}": self.score, **folds}

    @property
    def recorded_trials(self) -> dict[str, list[float]]:
        """The score of every trial, in their order, under the name by which MLflow knows them: `trial_log_loss`."""
        return {f"trial_{self.metric}": [trial["score"] for trial in self.trials]}


class Start(NamedTuple):
    """Where a search begins: parameters of earlier models, which are tried first, in at most half of the trials.

    `offset` is added to the sampler's seed: with one seed every search would try the same other points.

    >>> Start() == COLD, Start([{"C": 0.1}]).offset
    (True, 0)
    """

    donated: Sequence[Mapping[str, Any]] = ()
    offset: int = 0


COLD = Start()


class Trainer(Protocol):
    """The rows of one candidate, wherever they are, and how it is fitted to them and to the rows of the folds."""

    @property
    def tests(self) -> Positions:
        """Which training rows the folds test, from 0, one fold after the other."""

    def predictions(self, params: dict[str, Any]) -> Iterator[metrics.Array]:
        """Of each fold's test rows, by the candidate with these parameters, fitted on the fold's training rows."""

    def scores(self, predictions: Sequence[metrics.Array]) -> list[float]:
        """The value of the spec's `search_metric` on each fold's test rows."""

    def pipeline(self, params: dict[str, Any]) -> Pipeline:
        """The candidate with these parameters, fitted on all rows."""


class RowsInMemory(PreparedFolds):
    """Rows in the memory of this process."""

    def __init__(self, frame: pd.DataFrame, spec: ModelSpec, candidate: Candidate) -> None:
        self._rows = TrainingRows.of(frame, spec)
        folds = list(time_folds(frame[spec.columns.event_time], spec.training.search.folds))
        self.tests: Positions = np.concatenate([test for _, test in folds])
        super().__init__(spec, candidate, self._rows, folds)

    def pipeline(self, params: dict[str, Any]) -> Pipeline:
        """The candidate with these parameters, fitted on all rows."""
        return fit_pipeline(self._spec, self._candidate, params, self._rows)


def fit(
    frame: pd.DataFrame,
    spec: ModelSpec,
    name: str,
    on_trial: Callable[[int, int], None] | None = None,
    *,
    start: Start = COLD,
) -> Fitted:
    """Search the candidate's parameters on time-ordered folds, then fit the best on all rows of `frame`.

    As `run`; `frame` holds training rows only. Every fit runs in one thread.
    """
    with one_thread():
        return run(lambda: RowsInMemory(frame, spec, spec.training.candidates[name]), spec, name, on_trial, start=start)


def run(
    prepared: Callable[[], Trainer],
    spec: ModelSpec,
    name: str,
    on_trial: Callable[[int, int], None] | None = None,
    *,
    start: Start = COLD,
) -> Fitted:
    """Search the candidate's parameters on time-ordered folds, then fit the best on all rows.

    The best has the best mean over the folds of `spec.search_metric`; the first trial wins a tie. Equal rows, spec,
    seed and start give an equal model.

    Raises:
        SpecError: when the estimator cannot be imported or does not take its parameters.
        TrainingError: when it does not fit, with its own message.
    """
    candidate = spec.training.candidates[name]
    with named_errors(spec, name):
        trainer = prepared()
        trials, out_of_fold = _search(spec, candidate, trainer, start, on_trial)
        best = ranked(trials, spec, lambda trial: trial["score"])[0]
        pipeline = trainer.pipeline(best["params"])
    params = {**candidate.params, **best["params"]}
    return Fitted(pipeline, params, spec.search_metric, best["score"], best["folds"], trials, out_of_fold)


def refit(frame: pd.DataFrame, spec: ModelSpec, name: str, params: Mapping[str, Any]) -> Pipeline:
    """The candidate with these parameters, as `Fitted` has them, fitted on all rows of `frame`; nothing is searched.

    Raises:
        SpecError, TrainingError: as `fit`.
    """
    candidate = spec.training.candidates[name]
    with one_thread(), named_errors(spec, name):
        return fit_pipeline(spec, candidate, dict(params), TrainingRows.of(frame, spec))


@contextmanager
def named_errors(spec: ModelSpec, name: str) -> Iterator[None]:
    """Whatever an estimator raises becomes a TrainingError: it may be any class, and so may its exceptions."""
    try:
        yield
    except TitleholderError:
        raise
    except Exception as error:
        estimator = spec.training.candidates[name].estimator
        raise TrainingError(f"{spec.name}: candidate {name} ({estimator}) does not fit: {one_line(error)}") from error


def ranked(scored: Iterable[T], spec: ModelSpec, score: Callable[[T], float]) -> list[T]:
    """Whatever has a score by the spec's `search_metric`, the best first; equal ones stay in their order."""
    return sorted(scored, key=score, reverse=METRICS[spec.search_metric].greater_is_better)


def _search(
    spec: ModelSpec,
    candidate: Candidate,
    trainer: Trainer,
    start: Start,
    on_trial: Callable[[int, int], None] | None,
) -> tuple[list[dict[str, Any]], OutOfFold]:
    """Every trial with its parameters, its score and those of its folds; one trial where nothing is to be searched.

    With the best trial's predictions.
    """
    trials: list[dict[str, Any]] = []
    predicted = np.empty(0)
    count = spec.training.search.trials if candidate.search else 1

    def evaluate(params: dict[str, Any]) -> float:
        nonlocal predicted
        each = list(trainer.predictions(params))
        scores = trainer.scores(each)
        trials.append({"params": params, "score": float(np.mean(scores)), "folds": scores})
        if ranked(trials, spec, lambda trial: trial["score"])[0] is trials[-1]:
            predicted = np.concatenate(each)
        if on_trial:
            on_trial(len(trials), count)
        return float(np.mean(scores))

    if candidate.search:
        _optimise(spec, candidate, evaluate, count, start)
    else:
        evaluate({})
    return trials, OutOfFold(trainer.tests, predicted)


def _optimise(
    spec: ModelSpec,
    candidate: Candidate,
    evaluate: Callable[[dict[str, Any]], float],
    trials: int,
    start: Start,
) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # of a trial that fails it logs a traceback; ours has the reason
    greater = METRICS[spec.search_metric].greater_is_better
    direction: Literal["maximize", "minimize"] = "maximize" if greater else "minimize"
    sampler = optuna.samplers.TPESampler(seed=spec.training.seed + start.offset)
    study = optuna.create_study(direction=direction, sampler=sampler)
    for params in start.donated[: trials // 2]:
        study.enqueue_trial(dict(params))
    study.optimize(lambda trial: evaluate(_suggest(trial, candidate)), n_trials=trials)


def parameters_from(recorded: Mapping[str, str], candidate: Candidate) -> dict[str, Any] | None:
    """The searched parameters of an earlier model, from what was logged of it as text.

    None where nothing is searched, or where one of them is missing or lies outside of the space as it is now.
    """
    found: dict[str, Any] = {}
    for key, space in candidate.search.items():
        values = [v for v in _values(space, recorded.get(key)) if str(v) == recorded[key]]
        if not values:
            return None
        found[key] = values[0]
    return found or None


def _values(space: Range | Sequence[Any], text: str | None) -> Sequence[Any]:
    """What `text` may stand for: the choices, or the number within the range."""
    if text is None:
        return []
    if not isinstance(space, Range):
        return space
    try:
        value = int(text) if isinstance(space.low, int) and isinstance(space.high, int) else float(text)
    except ValueError:
        return []
    return [value] if space.low <= value <= space.high else []


def _suggest(trial: optuna.Trial, candidate: Candidate) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for key, space in candidate.search.items():
        if not isinstance(space, Range):
            chosen[key] = trial.suggest_categorical(key, list(space))
        elif isinstance(space.low, int) and isinstance(space.high, int):
            chosen[key] = trial.suggest_int(key, space.low, space.high, log=space.log)
        else:
            chosen[key] = trial.suggest_float(key, space.low, space.high, log=space.log)
    return chosen


def fit_pipeline(spec: ModelSpec, candidate: Candidate, params: dict[str, Any], rows: TrainingRows) -> Pipeline:
    """The candidate's pipeline with these parameters, fitted on these rows.

    Raises:
        SpecError: when the estimator cannot be fitted with weights and the spec names a column of them.
    """
    pipeline = build(spec, candidate, params)
    weights = fit_weights(spec, candidate, pipeline.named_steps["model"], rows.weights)
    filled, labels = filled_for_fit(rows.X, spec), rows.labels(spec)
    pipeline.fit(filled, labels, **{f"model__{name}": value for name, value in weights.items()})
    keep_mean(pipeline, filled)
    return pipeline

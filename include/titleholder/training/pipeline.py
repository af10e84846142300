"""Build, search and fit one candidate: a pure function of the rows, the spec and the seed."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import optuna
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter
from threadpoolctl import threadpool_limits

from titleholder.data.features import design_matrix, target, weights
from titleholder.errors import SpecError, TitleholderError, TrainingError
from titleholder.spec.model import Candidate, ModelSpec, Range
from titleholder.validation import metrics

MISSING = "(missing)"
MAX_CATEGORIES = 200  # below the 255 bins that histogram-based trees have for one column
Encoding = Literal["linear", "tree"]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Fitted:
    """A trained pipeline with what led to it: the chosen parameters, the score of every trial and of every fold."""

    pipeline: Pipeline
    params: dict[str, Any]
    score: float
    fold_scores: list[float]
    trials: list[dict[str, Any]]


def score(pipeline: Pipeline, X: pd.DataFrame, spec: ModelSpec) -> metrics.Array:
    """The probability of class 1, or the predicted value; float64 of shape (rows,)."""
    with threadpool_limits(1):
        out = pipeline.predict_proba(X)[:, 1] if spec.task == "classification" else pipeline.predict(X)
    return np.asarray(out, dtype=np.float64)


def time_folds(event_time: pd.Series, folds: int) -> Iterator[tuple[Rows, Rows]]:
    """Expanding-window folds in the order of time: every test row is later than every training row of its fold.

    The rows are cut at moments into `folds` + 1 stretches of about equal size; rows of one moment are never parted.

    Raises:
        TrainingError: when there are too few distinct moments for that many folds.
    """
    times = event_time.to_numpy()
    ordered = np.sort(times)
    cuts = [ordered[len(ordered) * k // (folds + 1)] for k in range(1, folds + 1)]
    if ordered[0] == cuts[0] or len(set(cuts)) < folds:
        raise TrainingError(
            f"training.search.folds: {folds} folds need {folds + 1} stretches of about equal size, which the "
            f"{len(np.unique(times))} distinct event times of the training window do not give; use fewer folds or a "
            "longer window"
        )
    for start, end in zip(cuts, [*cuts[1:], None], strict=True):
        test = (times >= start) if end is None else (times >= start) & (times < end)
        yield np.flatnonzero(times < start), np.flatnonzero(test)


def fit(frame: pd.DataFrame, spec: ModelSpec, name: str, on_trial: Callable[[int, int], None] | None = None) -> Fitted:
    """Search the candidate's parameters on time-ordered folds, then fit the best on all rows of `frame`.

    `frame` holds training rows only. Equal rows, spec and seed give an equal model: every fit runs in one thread.

    Raises:
        SpecError: when the estimator cannot be imported or does not take its parameters.
        TrainingError: when it does not fit, with its own message.
    """
    candidate = spec.training.candidates[name]
    X, y, w = design_matrix(frame, spec), target(frame, spec), weights(frame, spec)
    folds = list(time_folds(frame[spec.columns.event_time], spec.training.search.folds))
    trials: list[dict[str, Any]] = []

    def evaluate(params: dict[str, Any]) -> float:
        scores = [_fold_score(spec, candidate, params, X, y, w, fold) for fold in folds]
        trials.append({"params": params, "score": float(np.mean(scores)), "folds": scores})
        if on_trial:
            on_trial(len(trials), n_trials)
        return float(np.mean(scores))

    n_trials = spec.training.search.trials if candidate.search else 1
    try:
        with threadpool_limits(1):
            _search(candidate, spec, n_trials, evaluate)
            best = (max if spec.judgement.greater_is_better else min)(trials, key=lambda t: t["score"])
            pipeline = _fitted(spec, candidate, best["params"], X, y, w)
    except TitleholderError:
        raise
    except Exception as error:  # an estimator may be anybody's, and so may its exceptions
        raise TrainingError(f"{spec.name}: candidate {name} ({candidate.estimator}) does not fit: {error}") from error
    return Fitted(pipeline, {**candidate.params, **best["params"]}, best["score"], best["folds"], trials)


def _fold_score(
    spec: ModelSpec,
    candidate: Candidate,
    params: dict[str, Any],
    X: pd.DataFrame,
    y: metrics.Array,
    w: metrics.Array | None,
    fold: tuple[Rows, Rows],
) -> float:
    train, test = fold
    if spec.task == "classification" and min(len(np.unique(y[train])), len(np.unique(y[test]))) < 2:
        raise TrainingError(
            f"{spec.name}: a fold of {len(train)} training and {len(test)} test rows has one class only; "
            "use fewer folds (training.search.folds) or a longer training window"
        )
    pipeline = _fitted(spec, candidate, params, X.iloc[train], y[train], None if w is None else w[train])
    scores, judgement = score(pipeline, X.iloc[test], spec), spec.judgement
    return metrics.compute(
        judgement.metric, y[test], scores, judgement=judgement, weights=None if w is None else w[test]
    )


def _fitted(
    spec: ModelSpec,
    candidate: Candidate,
    params: dict[str, Any],
    X: pd.DataFrame,
    y: metrics.Array,
    w: metrics.Array | None,
) -> Pipeline:
    """A number that no row has yet is fitted as a constant: it says nothing, and some trees fail on such a column."""
    empty = [c for c in spec.columns.numeric if X[c].isna().all()]
    pipeline = build(spec, candidate, params)
    weighing = {} if w is None else {"model__sample_weight": w}
    if weighing and not has_fit_parameter(pipeline.named_steps["model"], "sample_weight"):
        raise SpecError(f"{spec.name}: columns.weight: {candidate.estimator} cannot be fitted with weights")
    return pipeline.fit(X.assign(**dict.fromkeys(empty, 0.0)), _labels(spec, y), **weighing)


def _labels(spec: ModelSpec, y: metrics.Array) -> NDArray[Any]:
    return y.astype(np.int64) if spec.task == "classification" else y


def _search(candidate: Candidate, spec: ModelSpec, trials: int, evaluate: Callable[[dict[str, Any]], float]) -> None:
    if not candidate.search:
        evaluate({})
        return
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    direction: Literal["maximize", "minimize"] = "maximize" if spec.judgement.greater_is_better else "minimize"
    study = optuna.create_study(direction=direction, sampler=optuna.samplers.TPESampler(seed=spec.training.seed))
    study.optimize(lambda trial: evaluate(_suggest(trial, candidate)), n_trials=trials)


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


def build(spec: ModelSpec, candidate: Candidate, params: dict[str, Any]) -> Pipeline:
    """An unfitted pipeline: preprocessing that suits the estimator, then the estimator.

    Linear: gaps imputed by the median with an indicator, scaled; categories one-hot, rare and unseen ones together.
    Tree: gaps kept, categories as ordinal codes (told to estimators that treat codes as categories), unseen as missing.
    """
    estimator = _estimator(spec, candidate, params)
    encoding = _encoding(candidate, estimator)
    return Pipeline([("prepare", _preparation(spec, encoding)), ("model", estimator)])


def _encoding(candidate: Candidate, estimator: Any) -> Encoding:
    if candidate.encoding != "auto":
        return candidate.encoding
    try:
        return "tree" if get_tags(estimator).input_tags.allow_nan else "linear"
    except AttributeError:
        raise SpecError(
            f"{candidate.estimator} is no scikit-learn estimator: let it inherit from sklearn.base.BaseEstimator"
        ) from None


def _preparation(spec: ModelSpec, encoding: Encoding) -> ColumnTransformer:
    numeric, categorical = list(spec.columns.numeric), list(spec.columns.categorical)
    if encoding == "tree":
        codes = OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=np.nan,
            encoded_missing_value=np.nan,
            max_categories=MAX_CATEGORIES,
        )
        steps = [("numeric", "passthrough", numeric), ("categorical", codes, categorical)]
    else:
        scale = make_pipeline(
            SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), StandardScaler()
        )
        one_hot = make_pipeline(
            SimpleImputer(strategy="constant", fill_value=MISSING, keep_empty_features=True),
            OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20, sparse_output=False),
        )
        steps = [("numeric", scale, numeric), ("categorical", one_hot, categorical)]
    return ColumnTransformer([s for s in steps if s[2]], verbose_feature_names_out=False)


def _estimator(spec: ModelSpec, candidate: Candidate, params: dict[str, Any]) -> Any:
    cls = import_estimator(candidate.estimator)
    accepted = _accepted(cls)
    given = {**candidate.params, **params}
    fixed: dict[str, Any] = {"random_state": spec.training.seed}
    if not cls.__module__.startswith("sklearn."):
        fixed["n_jobs"] = 1  # scikit-learn's own default; elsewhere the default is often every core
    given = {**{k: v for k, v in fixed.items() if k in accepted}, **given}
    numeric, categorical = spec.columns.numeric, spec.columns.categorical
    one_column_each = candidate.encoding != "linear"
    if "categorical_features" in accepted and "categorical_features" not in given and categorical and one_column_each:
        given["categorical_features"] = list(range(len(numeric), len(numeric) + len(categorical)))
    if candidate.increasing or candidate.decreasing:
        if not one_column_each:
            raise SpecError(
                f"{candidate.estimator} cannot be held to increasing or decreasing columns under encoding: linear"
            )
        given[_monotone_parameter(candidate, accepted)] = _directions(spec, candidate)
    try:
        estimator = cls(**given)
    except TypeError as error:
        raise SpecError(
            f"{spec.name}: {candidate.estimator}: {error}; it takes {', '.join(sorted(accepted))}"
        ) from None
    if spec.task == "classification" and not hasattr(estimator, "predict_proba"):
        raise SpecError(f"{spec.name}: {candidate.estimator} has no predict_proba; choose a probabilistic classifier")
    return estimator


def _accepted(cls: type) -> set[str]:
    """Names of the constructor's parameters, with those of the base classes that its **kwargs go to."""
    own = inspect.signature(cls).parameters
    if all(p.kind != p.VAR_KEYWORD for p in own.values()):
        return set(own)
    found = (p for owner in inspect.getmro(cls) for p in inspect.signature(owner).parameters.values())
    names = {p.name for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    return names | {"monotone_constraints"}  # LightGBM and XGBoost, open to any name, call it so


def _directions(spec: ModelSpec, candidate: Candidate) -> tuple[int, ...]:
    """+1, -1 or 0 for each encoded column; trees keep one column per feature, numbers first."""
    signs = tuple((c in candidate.increasing) - (c in candidate.decreasing) for c in spec.columns.numeric)
    return signs + (0,) * len(spec.columns.categorical)


def _monotone_parameter(candidate: Candidate, accepted: set[str]) -> str:
    known = ("monotonic_cst", "monotone_constraints")
    for parameter in known:
        if parameter in accepted:
            return parameter
    raise SpecError(
        f"{candidate.estimator} cannot be held to increasing or decreasing columns: "
        f"it takes neither {' nor '.join(known)}"
    )


def import_estimator(path: str) -> type:
    """The class at a dotted path.

    Raises:
        SpecError: when the module or the class is not there, naming which, or when it is no class.
    """
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise SpecError(f"estimator {path}: cannot be imported: {error}") from None
    except AttributeError:
        raise SpecError(f"estimator {path}: module {module} has no class {name}") from None
    if not inspect.isclass(found):
        raise SpecError(f"estimator {path}: is a {type(found).__name__}, not a class")
    return found

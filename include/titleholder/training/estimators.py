"""The candidate's estimator: found by its dotted path, given the parameters that it takes and that the spec implies."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from sklearn.base import BaseEstimator, is_classifier, is_regressor

from titleholder.errors import SpecError, one_line
from titleholder.spec.class_source import (
    nearest,
    no_estimator,
    not_a_class,
    not_installed,
    unknown_parameters,
    wrong_task,
)
from titleholder.spec.metrics import Task
from titleholder.spec.model import ModelSpec
from titleholder.spec.training import LOSSES, MEDIAN_LOSSES, QUANTILE_LOSSES, Candidate, Range

DIRECTIONS = ("monotonic_cst", "monotone_constraints")
"""What estimators call the directions of their columns: scikit-learn; LightGBM and XGBoost."""


QUANTILE_PARAMETERS = {
    "QuantileRegressor": ("", "", "quantile"),
    "HistGradientBoostingRegressor": ("loss", "quantile", "quantile"),
    "GradientBoostingRegressor": ("loss", "quantile", "alpha"),
    "LGBMRegressor": ("objective", "quantile", "alpha"),
    "XGBRegressor": ("objective", "reg:quantileerror", "quantile_alpha"),
}
"""Of classes that learn a quantile: the parameter of the loss and its value, and the parameter of the quantile."""


def create(spec: ModelSpec, candidate: Candidate, params: dict[str, Any]) -> Any:
    """An unfitted estimator with the candidate's parameters, `params` before those of the spec.

    The seed, one thread, the categorical columns and the declared directions are set where the class takes them, and
    where a quantile is predicted, its loss and that quantile.

    Raises:
        SpecError: when the class cannot be imported, does not take a parameter, cannot keep to declared directions, or
            is for the other task, is to classify and gives no probabilities, or learns a quantile where the metric
            judges something else, or the other way round.
    """
    cls = import_estimator(candidate.estimator)
    accepted = accepted_parameters(cls)
    given = {**_repeatable(cls, accepted, spec.training.seed), **candidate.params, **params}
    if (quantile := spec.judgement.predicted_quantile) is not None:
        given = {**_quantile_parameters(spec, cls, accepted, quantile, given), **given}
    elif _learns_a_quantile(cls, given) and not (spec.judgement.metric == "mae" and _level(cls, given) == 0.5):
        raise SpecError(
            f"{spec.name}: {cls.__name__} learns a quantile, which judgement.metric: {spec.judgement.metric} does not "
            "judge; a quantile is judged by metric: pinball"
        )
    if "categorical_features" in accepted and "categorical_features" not in given:
        given |= _categorical_columns(spec, candidate)
    if candidate.increasing or candidate.decreasing:
        given[_directions_parameter(candidate, accepted)] = _directions(spec, candidate)
    if unknown := unknown_parameters(candidate.estimator, [*candidate.params, *params], _named_parameters(cls)):
        raise SpecError(f"{spec.name}: {unknown[0]}")
    try:
        estimator = cls(**given)
    except TypeError as error:
        takes = ", ".join(sorted(accepted))
        raise SpecError(f"{spec.name}: {candidate.estimator}: {error}; it takes {takes}") from None
    except Exception as error:  # the class's own code runs
        raise SpecError(f"{spec.name}: {candidate.estimator}: {type(error).__name__}: {one_line(error)}") from None
    own = _task_of(estimator)
    if own and own != spec.task:
        raise SpecError(f"{spec.name}: {wrong_task(candidate.estimator, own, spec.task)}")
    if spec.task == "classification" and not hasattr(estimator, "predict_proba"):
        raise SpecError(f"{spec.name}: {candidate.estimator} has no predict_proba; choose a probabilistic classifier")
    return estimator


def faults(spec: ModelSpec, only: Sequence[str] = ()) -> list[str]:
    """What is wrong with the candidates' classes and the names of their parameters, found by importing and making them.

    A sentence for each candidate, or each of `only` these, that cannot be trained as the spec says. Nothing is fitted.
    """
    found = []
    for name in only or spec.training.candidates:
        candidate = spec.training.candidates[name]
        searched = {key: space.low if isinstance(space, Range) else space[0] for key, space in candidate.search.items()}
        try:
            create(spec, candidate, searched)
        except SpecError as error:
            found.append(f"training.candidates.{name}: {str(error).removeprefix(f'{spec.name}: ')}")
    return found


def import_estimator(path: str) -> type[BaseEstimator]:
    """The class at a dotted path.

    >>> import_estimator("sklearn.linear_model.Ridge").__name__
    'Ridge'

    Raises:
        SpecError: when the module or the class does not exist, naming which, or when it is no class of a scikit-learn
            estimator that can be fitted. Importing a module runs it; nothing in it is called before this is known.
    """
    module, _, name = path.rpartition(".")
    found = _imported(path, module)
    try:
        cls = getattr(found, name)
    except AttributeError:
        close = nearest(name, dir(found))
        raise SpecError(f"estimator {path}: module {module} has no class {name}{close}") from None
    if not inspect.isclass(cls):
        raise SpecError(f"estimator {not_a_class(path, type(cls).__name__)}")
    if not issubclass(cls, BaseEstimator):
        raise SpecError(f"estimator {path}: {no_estimator(name)}")
    if not hasattr(cls, "fit") or not (hasattr(cls, "predict") or hasattr(cls, "predict_proba")):
        raise SpecError(f"estimator {path}: {name} is no model: it lacks fit, or both predict and predict_proba")
    return cls


def _imported(path: str, module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        library = path.partition(".")[0]
        why = not_installed(library) if error.name == library else f"cannot be imported: {error}"
        raise SpecError(f"estimator {path}: {why}") from None
    except (Exception, SystemExit) as error:  # the module's own code runs
        raise SpecError(f"estimator {path}: cannot be imported: {type(error).__name__}: {one_line(error)}") from None


def accepted_parameters(cls: type) -> set[str]:
    """Names of the constructor's parameters, with those of the base classes that its **kwargs go to."""
    own = inspect.signature(cls).parameters
    if all(p.kind != p.VAR_KEYWORD for p in own.values()):
        return set(own)
    inherited = (p for owner in inspect.getmro(cls) for p in inspect.signature(owner).parameters.values())
    names = {p.name for p in inherited if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    return names | {"monotone_constraints"}  # LightGBM and XGBoost, which take any name, call it so


def _task_of(estimator: Any) -> Task | None:
    """The task that an estimator says it is for; None where it says neither."""
    return "classification" if is_classifier(estimator) else "regression" if is_regressor(estimator) else None


def _named_parameters(cls: type) -> set[str]:
    """Names of the constructor's parameters; none where it takes others too."""
    own = inspect.signature(cls).parameters
    return set() if any(p.kind == p.VAR_KEYWORD for p in own.values()) else set(own)


def _repeatable(cls: type, accepted: set[str], seed: int) -> dict[str, Any]:
    """The seed, and one thread: scikit-learn's own default, where elsewhere it is often every core."""
    fixed: dict[str, Any] = {"random_state": seed}
    if not cls.__module__.startswith("sklearn."):
        fixed["n_jobs"] = 1
    return {name: value for name, value in fixed.items() if name in accepted}


def _learns_a_quantile(cls: type, given: Mapping[str, Any]) -> bool:
    return cls.__name__ == "QuantileRegressor" or any(given.get(key) in QUANTILE_LOSSES for key in LOSSES)


def _level(cls: type, given: Mapping[str, Any]) -> Any:
    """The quantile that a class learns with these parameters: the median is what the mean absolute error judges."""
    *_, level = QUANTILE_PARAMETERS.get(cls.__name__, ("quantile",))
    return given.get(level, 0.5 if cls.__name__ == "QuantileRegressor" else None)


def _quantile_parameters(
    spec: ModelSpec, cls: type, accepted: set[str], quantile: float, given: dict[str, Any]
) -> dict[str, Any]:
    """The loss and the quantile to learn, where it is known how the class takes them."""
    if cls.__name__ in QUANTILE_PARAMETERS:
        loss, value, level = QUANTILE_PARAMETERS[cls.__name__]
        implied = {**({loss: value} if loss else {}), level: quantile}
        median = quantile == 0.5 and given.get(loss) in MEDIAN_LOSSES
        if not median and given.get(level, quantile) != quantile:
            raise SpecError(
                f"{spec.name}: {cls.__name__}: {level}: {given[level]} contradicts judgement.quantile {quantile:g}"
            )
        return implied
    if "quantile" in accepted:
        return {"quantile": quantile}
    if cls.__module__.startswith("sklearn.") and quantile != 0.5:
        raise SpecError(
            f"{spec.name}: {cls.__name__} does not learn a quantile, which judgement.metric: "
            f"{spec.judgement.metric} judges; choose one of {', '.join(QUANTILE_PARAMETERS)}"
        )
    return {}


def _categorical_columns(spec: ModelSpec, candidate: Candidate) -> dict[str, Any]:
    """Which encoded columns hold the codes of categories; none of them do after one-hot encoding."""
    numeric, categorical = len(spec.columns.numeric), len(spec.columns.categorical)
    if not categorical or candidate.encoding == "linear":
        return {}
    return {"categorical_features": list(range(numeric, numeric + categorical))}


def _directions_parameter(candidate: Candidate, accepted: set[str]) -> str:
    refused = f"{candidate.estimator} does not support increasing or decreasing columns"
    if candidate.encoding == "linear":
        raise SpecError(f"{refused} under encoding: linear")
    for parameter in DIRECTIONS:
        if parameter in accepted:
            return parameter
    raise SpecError(f"{refused}: it takes neither {' nor '.join(DIRECTIONS)}")


def _directions(spec: ModelSpec, candidate: Candidate) -> tuple[int, ...]:
    """+1, -1 or 0 for each encoded column; trees keep one column per feature, numbers first."""
    signs = tuple((c in candidate.increasing) - (c in candidate.decreasing) for c in spec.columns.numeric)
    return signs + (0,) * len(spec.columns.categorical)

"""What trains a candidate instead of the task's own process: a Dask cluster, or XGBoost from the disk."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from titleholder.spec.types import StrictModel

EXTERNAL_MEMORY = "external_memory"
TWINS = {
    "xgboost.XGBClassifier": "xgboost.dask.DaskXGBClassifier",
    "xgboost.XGBRegressor": "xgboost.dask.DaskXGBRegressor",
    "lightgbm.LGBMClassifier": "lightgbm.dask.DaskLGBMClassifier",
    "lightgbm.LGBMRegressor": "lightgbm.dask.DaskLGBMRegressor",
}
"""Estimators that all workers of a Dask cluster train together, by a twin. Any other one is fitted on one worker."""
FROM_DISK = ("xgboost.XGBClassifier", "xgboost.XGBRegressor")
"""Estimators that read their rows from the disk, batch by batch, as often as they need them."""
_ADDRESS = re.compile(r"(?:tcp|tls)://(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):([0-9]{1,5})")
_CONNECTION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")


def is_address(text: str) -> bool:
    """Whether this is the address of a scheduler; the id of an Airflow connection otherwise.

    >>> is_address("tcp://scheduler:8786"), is_address("dask_cluster")
    (True, False)
    """
    return "://" in text


def _scheduler(text: str) -> str:
    if is_address(text):
        found = _ADDRESS.fullmatch(text)
        if "@" in text:
            raise ValueError(
                "an address has no login: the ledger stores it permanently. Protect a Dask cluster with certificates, "
                "in Dask's own settings; the address then begins with tls://"
            )
        if not found or not 0 < int(found[1]) < 65_536:
            raise ValueError("the address of a Dask scheduler is tcp://host:port, or tls://host:port, and nothing else")
    elif not _CONNECTION.fullmatch(text):
        raise ValueError("give the id of an Airflow connection, or the scheduler's address, tcp://host:port")
    return text


class DaskEngine(StrictModel):
    """A Dask cluster whose workers read the snapshot from the store themselves.

    All of them together train XGBoost and LightGBM; any other estimator is fitted on one, each fold on another.

    >>> DaskEngine(dask="tcp://scheduler:8786").dask
    'tcp://scheduler:8786'
    """

    dask: Annotated[str, AfterValidator(_scheduler)]
    """The id of an Airflow connection, or the address of the scheduler: `tcp://host:port`."""


def _one_of(value: Any) -> Any:
    if isinstance(value, DaskEngine | dict) or value in (None, EXTERNAL_MEMORY):
        return value
    raise ValueError(f"an engine is {EXTERNAL_MEMORY}, or {{dask: an Airflow connection or tcp://host:port}}")


Engine = Annotated[Literal["external_memory"] | DaskEngine | None, BeforeValidator(_one_of)]


def untrainable(engine: Literal["external_memory"] | DaskEngine | None, estimator: str, encoding: str) -> str:
    """Why the engine cannot train this estimator; empty where it can.

    >>> untrainable("external_memory", "lightgbm.LGBMClassifier", "auto")
    'external_memory trains no LGBMClassifier; it trains xgboost.XGBClassifier, xgboost.XGBRegressor'
    """
    if engine is None:
        return ""
    name = "dask" if isinstance(engine, DaskEngine) else engine
    if name == EXTERNAL_MEMORY and canonical(estimator) not in FROM_DISK:
        return f"{name} trains no {estimator.rpartition('.')[2]}; it trains {', '.join(FROM_DISK)}"
    if encoding == "linear" and canonical(estimator) in TWINS:
        return f"{name} trains {estimator.rpartition('.')[2]} on the codes of categories; leave out encoding: linear"
    return ""


def canonical(estimator: str) -> str:
    """An estimator's path by its library and class alone, however it was imported.

    >>> canonical("xgboost.sklearn.XGBClassifier")
    'xgboost.XGBClassifier'
    """
    return f"{estimator.partition('.')[0]}.{estimator.rpartition('.')[2]}"

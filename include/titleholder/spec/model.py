"""The specification of a model: frozen and strict, one YAML file each.

A typo is an error when the file is read; it names the file, the line, the key, the value and the valid choices.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any, Self

from pydantic import Field, model_validator

from titleholder.spec.cadence import Schedule
from titleholder.spec.criteria import Judgement
from titleholder.spec.engine import DaskEngine, untrainable
from titleholder.spec.limits import out_of_reach
from titleholder.spec.metrics import METRICS, Task
from titleholder.spec.monitor import Monitor
from titleholder.spec.promotion import Notifications, Promotion
from titleholder.spec.reasons import unexplained
from titleholder.spec.scoring import Scoring
from titleholder.spec.source import Columns, Source, Windows
from titleholder.spec.sql import BoundQuery
from titleholder.spec.timeouts import Timeouts
from titleholder.spec.training import Range, Training
from titleholder.spec.types import AssetName, Line, Name, StrictModel, Words


class ModelSpec(StrictModel):
    """Everything Titleholder knows about one model. Frozen; equal files give equal specs and fingerprints.

    >>> spec = ModelSpec.restore({
    ...     "name": "loans", "owner": "risk", "start_date": "2024-01-01", "task": "classification",
    ...     "source": {"connection": "warehouse", "query": "loans.sql"},
    ...     "columns": {"entity": "id", "event_time": "applied_at", "target": "bad", "numeric": ["amount"]},
    ...     "windows": {"label_maturity": "12 months", "train": "all", "holdout": "3 months"},
    ...     "training": {"candidates": {"logistic": {"estimator": "sklearn.linear_model.LogisticRegression"}}},
    ...     "judgement": {"metric": "roc_auc"},
    ...     "sql": "SELECT * FROM loans_between(:as_of, :window_start, :window_end)",
    ... })
    >>> spec.search_metric
    'log_loss'
    """

    name: Name
    owner: Words
    description: Line = Field(default="", max_length=2000)
    schedule: Schedule | None = None
    """A cron of five fields in UTC, or an alias such as @daily."""
    start_date: date = Field(ge=date(1900, 1, 1), le=date(2199, 12, 31))
    end_date: date | None = Field(default=None, le=date(2199, 12, 31))
    assets: tuple[AssetName, ...] = Field(default=(), max_length=100)
    """Airflow assets by name; once all of them were updated, a run starts, beside those of the schedule."""
    source: Source
    columns: Columns
    task: Task
    windows: Windows
    training: Training
    judgement: Judgement
    promotion: Promotion = Promotion()
    notifications: Notifications = Notifications()
    timeouts: Timeouts = Timeouts()
    scoring: Scoring | None = None
    """Batch scoring of rows without an outcome; without this section there is none."""
    monitor: Monitor | None = None
    """Monitoring of the champion that scores; without this section there is none."""
    sql: BoundQuery

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if faults := [
            *self._wrong_metrics(),
            *out_of_reach(self.judgement, self.task),
            *self._wrong_candidates(),
            *self._wrong_names(),
            *self._nothing_to_monitor(),
            *self._wrong_reasons(),
        ]:
            raise ValueError("\n".join(faults))
        return self

    def _wrong_metrics(self) -> Iterator[str]:
        judgement, valid = self.judgement, self.judgement.metrics(self.task)
        floors = [("judgement.floors", name) for name in judgement.floors]
        search = [("training.search.metric", self.training.search.metric)] if self.training.search.metric else []
        for key, name in [("judgement.metric", judgement.metric), *floors, *search]:
            if name not in valid:
                missing = METRICS[name].needs if name in METRICS and METRICS[name].task == self.task else None
                why = f"needs judgement.{missing}" if missing else f"is no {self.task} metric"
                yield f"{key}: {name!r} {why}; valid: {', '.join(valid)}"
        if judgement.quantile is not None and judgement.metric != "pinball":
            yield f"judgement.quantile: a quantile is judged by metric: pinball, not by {judgement.metric}"
        if judgement.predicted_quantile is not None and self.search_metric != judgement.metric:
            yield (
                f"training.search.metric: {self.search_metric!r} does not search for the quantile "
                f"{judgement.predicted_quantile:g} that {judgement.metric} judges; leave it out"
            )

    def _wrong_candidates(self) -> Iterator[str]:
        quantile = self.judgement.predicted_quantile
        for name, candidate in self.training.candidates.items():
            if unknown := sorted({*candidate.increasing, *candidate.decreasing} - set(self.columns.numeric)):
                yield (
                    f"training.candidates.{name}: increasing and decreasing name numeric columns, "
                    f"not {', '.join(unknown)}; valid: {', '.join(self.columns.numeric) or 'none'}"
                )
            if quantile is not None and (fault := candidate.contradiction(quantile)):
                yield f"training.candidates.{name}: {fault}"
            if fault := untrainable(self.training.engine, candidate.estimator, candidate.encoding):
                yield f"training.engine: of candidate {name}: {fault}"

    def _wrong_names(self) -> Iterator[str]:
        known = self.judgement.checks.plausible.acknowledged.features
        if unknown := sorted(set(known) - set(self.columns.features)):
            yield (
                f"judgement.checks.plausible.acknowledged.features: {', '.join(unknown)} is no feature; "
                f"valid: {', '.join(self.columns.features)}"
            )
        maturity = self.windows.label_maturity
        start = datetime.combine(self.start_date, time())
        for name, delay in self.columns.known_after.items():
            if start + delay > start + maturity:
                yield (
                    f"columns.known_after.{name}: {delay} is longer than windows.label_maturity, {maturity}: "
                    "the outcome would be known before the feature"
                )
        if self.end_date and self.end_date <= self.start_date:
            yield f"end_date: {self.end_date} is not after start_date {self.start_date}"

    def _nothing_to_monitor(self) -> Iterator[str]:
        if self.monitor and self.scoring is None:
            yield "monitor: it follows scoring runs, and the spec has no section scoring"

    def _wrong_reasons(self) -> Iterator[str]:
        if self.scoring is None:
            return
        if unknown := sorted(set(self.scoring.reason_texts) - set(self.columns.features)):
            yield (
                f"scoring.reason_texts: {', '.join(unknown)} is no feature; valid: {', '.join(self.columns.features)}"
            )
        for name, candidate in self.training.candidates.items() if self.scoring.reasons else ():
            searched = {key: () if isinstance(space, Range) else space for key, space in candidate.search.items()}
            fixed = {key: (value,) for key, value in candidate.params.items()}
            if why := unexplained(candidate.estimator, {**fixed, **searched}):
                yield f"scoring.reasons: of candidate {name}: {why}"

    @staticmethod
    def restore(data: dict[str, Any]) -> ModelSpec:
        """A spec from what `model_dump(mode="json")` gave, as the ledger keeps it."""
        return _restored(json.dumps(data))

    @property
    def search_metric(self) -> str:
        """The metric by which parameters are searched and the best candidate is nominated.

        By default log loss for a classification: metrics of the order alone, such as ROC AUC, cannot tell probabilities
        of the right size from ones that are far too timid.
        """
        default = "log_loss" if self.task == "classification" else self.judgement.metric
        return self.training.search.metric or default

    def fingerprint(self) -> str:
        """Twelve hex digits that change with any part of the spec or its SQL."""
        return _digest(self.model_dump(mode="json"))

    def training_fingerprint(self) -> str:
        """Twelve hex digits that change with anything that could change a trained model, and with nothing else."""
        parts: dict[str, Any] = dict.fromkeys(("name", "columns", "task", "windows", "training", "sql"), True)
        parts["source"] = {"connection", "query"}
        needs = METRICS[self.search_metric].needs
        by = {*([needs] if needs else []), *(["cut_off"] if needs == "profit" else [])}
        metric = {"metric": self.search_metric, **self.judgement.model_dump(mode="json", include=by)}
        # The metric is the same whether it is written or the default; where a model is trained does not change it.
        without: dict[str, Any] = {
            "training": {
                "search": {"metric"}, "engine": True, "resources": True, "candidates": {"__all__": {"resources"}}
            }
        }  # fmt: skip
        engine = "dask" if isinstance(self.training.engine, DaskEngine) else self.training.engine
        by_engine = {"engine": engine} if engine else {}  # its kind changes numbers a little, its address does not
        return _digest({**self.model_dump(mode="json", include=parts, exclude=without), "metric": metric, **by_engine})

    def judgement_fingerprint(self) -> str:
        """Twelve hex digits that change with the thresholds and rules for a challenger."""
        return _digest(self.model_dump(mode="json", include={"judgement", "promotion"}))


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]


@lru_cache(maxsize=64)
def _restored(text: str) -> ModelSpec:
    """Specs are frozen, and the decisions of a lane have few different ones."""
    return ModelSpec.model_validate_json(text)

"""What a team writes about a model: one frozen, strict specification per YAML file.

A typo is an error when the file is read; it names the file, the line, the key, the value and the valid choices.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from croniter import croniter
from dateutil.relativedelta import relativedelta
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from titleholder import query

Task = Literal["classification", "regression"]


class MetricInfo(NamedTuple):
    """What a metric's name promises; `titleholder.metrics` computes it."""

    task: Task
    greater_is_better: bool


METRICS: dict[str, MetricInfo] = {
    "roc_auc": MetricInfo("classification", greater_is_better=True),
    "gini": MetricInfo("classification", greater_is_better=True),
    "ks": MetricInfo("classification", greater_is_better=True),
    "pr_auc": MetricInfo("classification", greater_is_better=True),
    "brier": MetricInfo("classification", greater_is_better=False),
    "log_loss": MetricInfo("classification", greater_is_better=False),
    "rmse": MetricInfo("regression", greater_is_better=False),
    "mae": MetricInfo("regression", greater_is_better=False),
    "r2": MetricInfo("regression", greater_is_better=True),
}


def metrics_of(task: Task) -> list[str]:
    """Names of the metrics that a model of this task can be judged by."""
    return [name for name, info in METRICS.items() if info.task == task]


class Duration(relativedelta):
    """A length of calendar time in plain words: `90 days`, `18 months`, `1 year 6 months`."""

    _PART: ClassVar[re.Pattern[str]] = re.compile(r"(\d+) (day|week|month|year)s?")

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read `text`; a ValueError says what a duration looks like."""
        written = text if isinstance(text, str) else ""
        found = cls._PART.findall(written)
        if not found or " ".join(written.split()) != " ".join(m[0] for m in cls._PART.finditer(written)):
            raise ValueError(
                "a duration is plain words such as '90 days', '12 weeks', '18 months' or '1 year 6 months'"
            )
        units: dict[str, int] = {}
        for number, unit in found:
            units[f"{unit}s"] = units.get(f"{unit}s", 0) + int(number)
        duration = cls(**units)  # type: ignore[arg-type]
        if not duration:
            raise ValueError("a duration must be longer than nothing")
        return duration

    def __str__(self) -> str:
        parts = ((getattr(self, unit), unit[:-1]) for unit in ("years", "months", "days"))
        return " ".join(f"{n} {unit}{'s' if n != 1 else ''}" for n, unit in parts if n)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.parse, serialization=core_schema.to_string_ser_schema())


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
Column = Annotated[str, StringConstraints(min_length=1, max_length=63)]
QUERY_FILE = re.compile(r"[\w.-]+\.sql")
ClassPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Source(_Part):
    """Where the rows come from."""

    connection: Name
    query: str

    @field_validator("query")
    @classmethod
    def _a_file_beside_the_spec(cls, value: str) -> str:
        if not QUERY_FILE.fullmatch(value):
            raise ValueError("query names an .sql file in the same folder, such as 'my_model.sql'")
        return value


class Columns(_Part):
    """What each column of the query means. The query returns these columns and no others."""

    entity: Column
    event_time: Column
    known_at: Column | None = None
    target: Column
    numeric: tuple[Column, ...] = ()
    categorical: tuple[Column, ...] = ()
    segments: tuple[Column, ...] = ()
    protected: tuple[Column, ...] = ()

    @property
    def features(self) -> list[str]:
        """The columns a model is trained on, in the order of its signature."""
        return [*self.numeric, *self.categorical]

    @property
    def all(self) -> list[str]:
        """Every column that the query must return, each once."""
        keys = [self.entity, self.event_time, *([self.known_at] if self.known_at else []), self.target]
        return list(dict.fromkeys([*keys, *self.features, *self.segments, *self.protected]))

    @model_validator(mode="after")
    def _roles_do_not_clash(self) -> Self:
        if not self.features:
            raise ValueError("name at least one feature under numeric or categorical")
        keys = [c for c in (self.entity, self.event_time, self.known_at, self.target) if c]
        once = [*keys, *self.numeric, *self.categorical]
        if twice := sorted({c for c in once if once.count(c) > 1}):
            raise ValueError(f"columns with two roles: {', '.join(twice)}")
        if leaked := sorted(set(self.protected) & set(self.features)):
            raise ValueError(f"protected columns are never trained on, yet also features: {', '.join(leaked)}")
        return self


class Windows(_Part):
    """How much of the past a run looks at; see `titleholder.windows`."""

    label_maturity: Duration
    train: Duration | Literal["all"]
    holdout: Duration


class Range(_Part):
    """An interval to search in; whole numbers when both ends are."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be below high, not {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range starts above 0, not at {self.low}")
        return self


Choice = str | int | float | bool | None
Choices = Annotated[tuple[Choice, ...], Field(min_length=1)]


class Candidate(_Part):
    """One way to make a model: any importable class that follows scikit-learn's estimator interface."""

    estimator: ClassPath
    params: dict[str, Choice | tuple[Choice, ...]] = {}
    search: dict[str, Range | Choices] = {}
    encoding: Literal["auto", "linear", "tree"] = "auto"
    increasing: tuple[Column, ...] = ()
    decreasing: tuple[Column, ...] = ()

    @model_validator(mode="after")
    def _fixed_or_searched(self) -> Self:
        if both := sorted(set(self.params) & set(self.search)):
            raise ValueError(f"both fixed under params and searched: {', '.join(both)}")
        if both := sorted(set(self.increasing) & set(self.decreasing)):
            raise ValueError(f"both increasing and decreasing: {', '.join(both)}")
        return self


class Search(_Part):
    """How hard to look for good hyper-parameters."""

    trials: int = Field(default=20, ge=1, le=1000)
    folds: int = Field(default=4, ge=2, le=20)


class Training(_Part):
    """How candidates are made."""

    seed: int = Field(default=0, ge=0)
    minimum_rows: int = Field(default=200, ge=10)
    search: Search = Search()
    candidates: dict[Name, Candidate] = Field(min_length=1)


class Judgement(_Part):
    """What a challenger must show."""

    metric: str
    minimum_gain: float = 0.0
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    minimum_events: int = Field(default=50, ge=1)
    resamples: int = Field(default=1000, ge=100, le=100_000)
    floors: dict[str, float] = {}


class Approval(_Part):
    """Who must say yes, and how long they have. Silence means no."""

    by: Annotated[tuple[str, ...], Field(min_length=1)]
    within: Duration


class Promotion(_Part):
    """How a winner takes over."""

    approval: Literal["automatic"] | Approval = "automatic"


class ModelSpec(_Part):
    """Everything Titleholder knows about one model. Frozen; equal files give equal specs and fingerprints."""

    name: Name
    owner: str
    description: str = ""
    schedule: str | None = None
    start_date: date
    end_date: date | None = None
    source: Source
    columns: Columns
    task: Task
    windows: Windows
    training: Training
    judgement: Judgement
    promotion: Promotion = Promotion()
    sql: str

    @field_validator("schedule")
    @classmethod
    def _a_cron(cls, value: str | None) -> str | None:
        if value is not None and not croniter.is_valid(value):
            raise ValueError("schedule is a cron expression in UTC such as '@monthly' or '0 6 1 * *', or null")
        return value

    @field_validator("sql")
    @classmethod
    def _binds_the_cut_offs(cls, value: str) -> str:
        found = query.parameters(value)
        if missing := [p for p in query.PARAMETERS if p not in found]:
            raise ValueError(
                f"the query must bind {', '.join(':' + p for p in query.PARAMETERS)}; "
                f"it does not bind {', '.join(':' + p for p in missing)}"
            )
        if unknown := [p for p in found if p not in query.PARAMETERS]:
            raise ValueError(
                f"the query binds {', '.join(':' + p for p in unknown)}; "
                f"valid are {', '.join(':' + p for p in query.PARAMETERS)}"
            )
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        known = metrics_of(self.task)
        for where, name in [("metric", self.judgement.metric), *(("floors", f) for f in self.judgement.floors)]:
            if name not in known:
                raise ValueError(f"judgement.{where}: {name!r} is no {self.task} metric; valid: {', '.join(known)}")
        for name, candidate in self.training.candidates.items():
            if strangers := sorted({*candidate.increasing, *candidate.decreasing} - set(self.columns.numeric)):
                raise ValueError(
                    f"training.candidates.{name}: increasing and decreasing name numeric columns, "
                    f"not {', '.join(strangers)}; valid: {', '.join(self.columns.numeric) or 'none'}"
                )
        if self.end_date and self.end_date <= self.start_date:
            raise ValueError(f"end_date: {self.end_date} is not after start_date {self.start_date}")
        return self

    @classmethod
    def restore(cls, data: dict[str, Any]) -> Self:
        """A spec from what `model_dump(mode="json")` gave, as the ledger keeps it."""
        return cls.model_validate_json(json.dumps(data))

    @property
    def greater_is_better(self) -> bool:
        """Direction of the metric that decides."""
        return METRICS[self.judgement.metric].greater_is_better

    def fingerprint(self) -> str:
        """Twelve hex digits that change with any part of the spec or its SQL."""
        return _digest(self.model_dump(mode="json"))

    def training_fingerprint(self) -> str:
        """Twelve hex digits that change with anything that could change a trained model, and with nothing else."""
        parts = {"name", "source", "columns", "task", "windows", "training", "sql"}
        metric = self.judgement.metric  # the search and the nomination go by it
        return _digest({**self.model_dump(mode="json", include=parts), "metric": metric})

    def judgement_fingerprint(self) -> str:
        """Twelve hex digits that change with what a challenger is held to."""
        return _digest(self.model_dump(mode="json", include={"judgement", "promotion"}))


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]

"""The specification of a model: frozen and strict, one YAML file each.

A typo is an error when the file is read; it names the file, the line, the key, the value and the valid choices.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date
from typing import Annotated, Any, Literal, Self

from croniter import croniter
from pydantic import Field, field_validator, model_validator

from titleholder.spec.criteria import Judgement
from titleholder.spec.metrics import METRICS, Task
from titleholder.spec.sql import PARAMETERS, parameters
from titleholder.spec.types import Address, AssetName, ClassPath, Column, Duration, ElapsedTime, Name, StrictModel

LONGEST = 63
"""The length of a name in PostgreSQL."""
QUERY_FILE = re.compile(r"[\w.-]+\.sql")


class TableHistory(StrictModel):
    """How to tell when the rows of a table became known; the leak test needs it, see `titleholder.data.leakage`.

    >>> TableHistory(known_at="loaded_at", until="replaced_at", changes=("status",))
    Traceback (most recent call last):
        ...
    pydantic_core._pydantic_core.ValidationError: ... until is for rows that are versions...
    """

    known_at: Annotated[str, Field(min_length=1)]
    """The column of the time when a row became known; with `changes`, any SQL expression over the row."""
    until: Column | None = None
    """Where a row is a version: the column of the time when a newer version took its place."""
    changes: tuple[Column, ...] = ()
    """Where rows are overwritten in place: the columns that are overwritten once the fact is known."""

    @model_validator(mode="after")
    def _versions_or_changes(self) -> Self:
        if self.until and self.changes:
            raise ValueError("until is for rows that are versions, changes for rows overwritten in place: give one")
        if not self.changes and len(self.known_at) > LONGEST:
            raise ValueError(f"known_at is a column's name (at most {LONGEST} characters); an expression needs changes")
        return self


class Source(StrictModel):
    """Where the rows come from.

    >>> Source(connection="warehouse", query="sql/loans.sql")
    Traceback (most recent call last):
        ...
    pydantic_core._pydantic_core.ValidationError: ... query names an .sql file in the same folder...
    """

    connection: Name
    query: str
    tables: dict[str, TableHistory | Literal["static"]] = Field(default={})
    """When the rows of each table that the query reads became known; `static` for one that never changes."""

    @field_validator("query")
    @classmethod
    def _a_file_beside_the_spec(cls, value: str) -> str:
        if not QUERY_FILE.fullmatch(value):
            raise ValueError("query names an .sql file in the same folder, such as 'my_model.sql'")
        return value


class Columns(StrictModel):
    """What each column of the query means. The query returns these columns and no others.

    >>> columns = Columns(entity="id", event_time="applied_at", target="bad", numeric=("amount",), protected=("age",))
    >>> columns.features, columns.all
    (['amount'], ['id', 'applied_at', 'bad', 'amount', 'age'])
    """

    entity: Column
    event_time: Column
    known_at: Column | None = None
    target: Column
    weight: Column | None = None
    cluster: Column | None = None
    numeric: tuple[Column, ...] = ()
    categorical: tuple[Column, ...] = ()
    segments: tuple[Column, ...] = ()
    protected: tuple[Column, ...] = ()

    @property
    def features(self) -> list[str]:
        """The columns a model is trained on, in the order of its signature."""
        return [*self.numeric, *self.categorical]

    @property
    def inputs(self) -> dict[str, str]:
        """What a consumer of a model sends, column to type, in the order of its signature."""
        return {**dict.fromkeys(self.numeric, "double"), **dict.fromkeys(self.categorical, "string")}

    @property
    def all(self) -> list[str]:
        """Every column that the query must return, each once."""
        keys = [self.entity, self.event_time, self.known_at, self.target, self.weight, self.cluster]
        return list(dict.fromkeys([*filter(None, keys), *self.features, *self.segments, *self.protected]))

    @model_validator(mode="after")
    def _one_role_each(self) -> Self:
        if not self.features:
            raise ValueError("name at least one feature under numeric or categorical")
        keys = [c for c in (self.entity, self.event_time, self.known_at, self.target, self.weight) if c]
        roles = [*keys, *self.numeric, *self.categorical]
        if twice := sorted({c for c in roles if roles.count(c) > 1}):
            raise ValueError(f"columns with two roles: {', '.join(twice)}")
        if leaked := sorted(set(self.protected) & set(self.features)):
            raise ValueError(f"protected columns are never trained on, yet also features: {', '.join(leaked)}")
        return self


class Windows(StrictModel):
    """Lengths of the data windows of a run; see `titleholder.spec.windows`.

    >>> str(Windows(label_maturity="12 months", train="all", holdout="1 year 6 months").holdout)
    '1 year 6 months'
    """

    label_maturity: Duration
    train: Duration | Literal["all"]
    holdout: Duration


class Range(StrictModel):
    """An interval to search in; whole numbers when both ends are.

    >>> Range(low=0.01, high=0.3, log=True).high
    0.3
    """

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


class Candidate(StrictModel):
    """One way to train a model: any importable class that follows scikit-learn's estimator interface.

    >>> Candidate(estimator="sklearn.linear_model.Ridge", params={"alpha": 1.0}, search={"alpha": (0.1, 1.0)})
    Traceback (most recent call last):
        ...
    pydantic_core._pydantic_core.ValidationError: ... both fixed under params and searched: alpha...
    """

    estimator: ClassPath
    params: dict[str, Choice | tuple[Choice, ...]] = Field(default={})
    search: dict[str, Range | Choices] = Field(default={})
    encoding: Literal["auto", "linear", "tree"] = "auto"
    increasing: tuple[Column, ...] = ()
    decreasing: tuple[Column, ...] = ()

    @field_validator("search")
    @classmethod
    def _sorted_by_name(cls, value: dict[str, Any]) -> dict[str, Any]:
        """The search depends on the order of its parameters, which the ledger does not keep."""
        return dict(sorted(value.items()))

    @model_validator(mode="after")
    def _fixed_or_searched(self) -> Self:
        if both := sorted(set(self.params) & set(self.search)):
            raise ValueError(f"both fixed under params and searched: {', '.join(both)}")
        if both := sorted(set(self.increasing) & set(self.decreasing)):
            raise ValueError(f"both increasing and decreasing: {', '.join(both)}")
        return self


class Search(StrictModel):
    """The effort of the hyper-parameter search, and the metric that it searches by.

    >>> Search(metric="auc").metric  # checked by `ModelSpec`, which knows the task
    'auc'
    """

    trials: int = Field(default=20, ge=1, le=1000)
    folds: int = Field(default=4, ge=2, le=20)
    metric: str | None = None
    """By default log loss for a classification, the deciding metric for a regression: see `ModelSpec.search_metric`."""
    warm_start: Literal["champion"] | None = None
    """`champion`: parameters of the champion and the last challengers are tried first, in at most half the trials."""


class Training(StrictModel):
    """How candidates are trained."""

    seed: int = Field(default=0, ge=0)
    minimum_rows: int = Field(default=200, ge=10)
    search: Search = Search()
    candidates: dict[Name, Candidate] = Field(min_length=1)


class Person(StrictModel):
    """A user of Airflow whose id is not its name, as with the FAB auth manager, whose ids are numbers."""

    id: str = Field(min_length=1)
    name: str = Field(min_length=1)


class Approval(StrictModel):
    """Who must approve, and how long they have. Silence means no.

    >>> Approval(by=("ana", Person(id="7", name="ben")), within="2 days").people
    (Person(id='ana', name='ana'), Person(id='7', name='ben'))
    """

    by: Annotated[tuple[str | Person, ...], Field(min_length=1)]
    within: ElapsedTime
    own_runs: bool = False
    """Whether somebody may approve the challenger of a run that they requested themselves."""

    @property
    def people(self) -> tuple[Person, ...]:
        """Who may approve."""
        return tuple(p if isinstance(p, Person) else Person(id=p, name=p) for p in self.by)


class Promotion(StrictModel):
    """How a winning challenger takes over.

    >>> date(2024, 1, 31) + Promotion(cooldown="1 month").cooldown
    datetime.date(2024, 2, 29)
    """

    approval: Literal["automatic"] | Approval = "automatic"
    cooldown: Duration | None = None
    """How long after a change of champion no challenger may take over, by as-of dates."""


class Email(StrictModel):
    """Who gets e-mail, and the Airflow connection (SMTP) that sends it."""

    to: Annotated[tuple[Address, ...], Field(min_length=1)]
    connection: Name = "smtp_default"


class Slack(StrictModel):
    """The Airflow connection (Slack Incoming Webhook) that posts; the webhook belongs to one channel."""

    connection: Name = "slack_webhook_default"


class Notifications(StrictModel):
    """Who is notified of the decisions of live runs and of late runs; see `titleholder.workflow.notifications`.

    >>> Notifications(deadline="1 month")
    Traceback (most recent call last):
        ...
    pydantic_core._pydantic_core.ValidationError: ... a span of time is written as '30 minutes'...
    """

    deadline: ElapsedTime | None = None
    """How long after its start a run must have decided."""
    email: Email | None = None
    slack: Slack | None = None


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
    owner: str
    description: str = ""
    schedule: str | None = None
    start_date: date
    end_date: date | None = None
    assets: tuple[AssetName, ...] = ()
    """Airflow assets by name; once all of them were updated, a run starts, beside those of the schedule."""
    source: Source
    columns: Columns
    task: Task
    windows: Windows
    training: Training
    judgement: Judgement
    promotion: Promotion = Promotion()
    notifications: Notifications = Notifications()
    sql: str

    @field_validator("schedule")
    @classmethod
    def _a_cron(cls, value: str | None) -> str | None:
        if value is not None and not croniter.is_valid(value):
            raise ValueError("schedule is a cron expression in UTC such as '@monthly' or '0 6 1 * *', or null")
        return value

    @field_validator("sql")
    @classmethod
    def _binds_all_parameters(cls, value: str) -> str:
        found = parameters(value)
        if missing := [p for p in PARAMETERS if p not in found]:
            raise ValueError(
                f"the query must bind {', '.join(':' + p for p in PARAMETERS)}; "
                f"it does not bind {', '.join(':' + p for p in missing)}"
            )
        if unknown := [p for p in found if p not in PARAMETERS]:
            raise ValueError(
                f"the query binds {', '.join(':' + p for p in unknown)}; "
                f"valid are {', '.join(':' + p for p in PARAMETERS)}"
            )
        return value

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        judgement, valid = self.judgement, self.judgement.metrics(self.task)
        floors = [("judgement.floors", name) for name in judgement.floors]
        for key, name in [
            ("judgement.metric", judgement.metric), *floors, ("training.search.metric", self.search_metric)
        ]:  # fmt: skip
            if name not in valid:
                missing = METRICS[name].needs if name in METRICS and METRICS[name].task == self.task else None
                why = f"needs judgement.{missing}" if missing else f"is no {self.task} metric"
                raise ValueError(f"{key}: {name!r} {why}; valid: {', '.join(valid)}")
        for name, candidate in self.training.candidates.items():
            if unknown := sorted({*candidate.increasing, *candidate.decreasing} - set(self.columns.numeric)):
                raise ValueError(
                    f"training.candidates.{name}: increasing and decreasing name numeric columns, "
                    f"not {', '.join(unknown)}; valid: {', '.join(self.columns.numeric) or 'none'}"
                )
        if self.end_date and self.end_date <= self.start_date:
            raise ValueError(f"end_date: {self.end_date} is not after start_date {self.start_date}")
        return self

    @classmethod
    def restore(cls, data: dict[str, Any]) -> Self:
        """A spec from what `model_dump(mode="json")` gave, as the ledger keeps it."""
        return cls.model_validate_json(json.dumps(data))

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
        written: dict[str, Any] = {"training": {"search": {"metric"}}}  # the same whether it is written or the default
        return _digest({**self.model_dump(mode="json", include=parts, exclude=written), "metric": metric})

    def judgement_fingerprint(self) -> str:
        """Twelve hex digits that change with the thresholds and rules for a challenger."""
        return _digest(self.model_dump(mode="json", include={"judgement", "promotion"}))


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]

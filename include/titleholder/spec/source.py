"""Where a model's rows come from, what their columns mean, and the windows of a run."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from titleholder.spec.types import MOST_COLUMNS, Column, ColumnNames, Duration, ElapsedTime, Name, StrictModel

QUERY_FILE = re.compile(r"[\w.-]+\.sql")


class TableHistory(StrictModel):
    """How to tell when the rows of a table became known; the leak test needs it, see `titleholder.data.leakage`.

    >>> TableHistory(known_at="loaded_at", until="replaced_at", changes=("status",))
    Traceback (most recent call last):
        ...
    pydantic_core._pydantic_core.ValidationError: ... until is for rows that are versions...
    """

    known_at: Annotated[str, Field(min_length=1)]
    """The column of the time when a row became known, or an SQL expression over the row."""
    available_at: Annotated[str, Field(min_length=1)] | None = None
    """Where rows are recorded late: the time from which what they say could be used, also as an expression."""
    until: Column | None = None
    """Where a row is a version: the column of the time when a newer version took its place."""
    changes: ColumnNames = ()
    """Where rows are overwritten in place: the columns that are overwritten once the fact is known."""
    on_trust: ColumnNames = ()
    """Where rows are overwritten in place: columns that the query uses and that are known never to be overwritten."""
    longest_gap: Duration | None = None
    """For how long there may be no new fact although the data go on; by default as long as the table's own pauses."""

    @model_validator(mode="after")
    def _versions_or_changes(self) -> Self:
        if self.until and self.changes:
            raise ValueError("until is for rows that are versions, changes for rows overwritten in place: give one")
        if self.available_at and self.changes:
            raise ValueError("available_at is for whole rows that are recorded late; with changes, leave it out")
        if self.on_trust and not self.changes:
            raise ValueError("on_trust is for rows overwritten in place, which need changes; leave it out")
        if both := sorted(set(self.on_trust) & set(self.changes)):
            raise ValueError(f"columns in both on_trust and changes: {', '.join(both)}; a column is overwritten or not")
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
    outcome_at: Column | None = None
    """When the outcome happened, null where there was none: a later one than the label maturity is refused."""
    target_corrected: bool = False
    """Whether outcomes are corrected after the label maturity: then the leak test counts such labels, and goes on."""
    weight: Column | None = None
    cluster: Column | None = None
    accepted: Column | None = None
    """True for rows that were accepted: only these have an outcome, and only these are trained on and judged."""
    numeric: ColumnNames = ()
    categorical: ColumnNames = ()
    segments: ColumnNames = ()
    protected: ColumnNames = ()
    known_after: dict[Column, ElapsedTime] = Field(default={})
    """Features that are known later than the event on purpose, and how long after it."""

    @property
    def scoring_delay(self) -> timedelta:
        """How long after an event scoring must wait, until every feature is known."""
        return max(self.known_after.values(), default=timedelta(0))

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
        keys = [self.entity, self.event_time, self.known_at, self.target, self.outcome_at, self.weight, self.cluster]
        keys.append(self.accepted)
        return list(dict.fromkeys([*filter(None, keys), *self.features, *self.segments, *self.protected]))

    @model_validator(mode="after")
    def _one_role_each(self) -> Self:
        if not self.features:
            raise ValueError("name at least one feature under numeric or categorical")
        keys = [self.entity, self.event_time, self.known_at, self.target, self.outcome_at, self.weight, self.accepted]
        roles = Counter([*filter(None, keys), *self.numeric, *self.categorical])
        # rows of one group may share anything but what is known of them later, or what is about their worth
        groups = {*self.segments, *self.protected, *filter(None, [self.cluster])}
        apart = {self.target, self.outcome_at, self.weight}
        if twice := sorted({c for c, n in roles.items() if n > 1} | {c for c in groups if c in apart}):
            raise ValueError(f"columns with two roles: {', '.join(twice)}")
        if len(self.all) > MOST_COLUMNS:
            raise ValueError(f"at most {MOST_COLUMNS:,} columns, the most that a table of PostgreSQL has")
        if leaked := sorted(set(self.protected) & set(self.features)):
            raise ValueError(f"protected columns are never trained on, yet also features: {', '.join(leaked)}")
        if unknown := sorted(set(self.known_after) - set(self.features)):
            raise ValueError(f"known_after names features, not {', '.join(unknown)}; valid: {', '.join(self.features)}")
        return self


class Windows(StrictModel):
    """Lengths of the data windows of a run; see `titleholder.spec.windows`.

    >>> str(Windows(label_maturity="12 months", train="all", holdout="1 year 6 months").holdout)
    '1 year 6 months'
    """

    label_maturity: Duration
    train: Duration | Literal["all"]
    holdout: Duration
    late_rows: float = Field(default=0.01, ge=0.0, lt=1.0)
    """The share of a holdout's rows that may come (or go) after the label maturity; a larger one is a leak."""
    refit: Literal["all_matured"] | None = None
    """`all_matured`: the registered model is the judged one (its twin) fitted again on every row, the holdout's too."""

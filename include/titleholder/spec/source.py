"""Where a model's rows come from, what their columns mean, and the windows of a run."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from titleholder.spec.types import Column, Duration, Name, StrictModel

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
    accepted: Column | None = None
    """True for rows that were accepted: only these have an outcome, and only these are trained on and judged."""
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
        keys = [self.entity, self.event_time, self.known_at, self.target, self.weight, self.cluster, self.accepted]
        return list(dict.fromkeys([*filter(None, keys), *self.features, *self.segments, *self.protected]))

    @model_validator(mode="after")
    def _one_role_each(self) -> Self:
        if not self.features:
            raise ValueError("name at least one feature under numeric or categorical")
        keys = [c for c in (self.entity, self.event_time, self.known_at, self.target, self.weight, self.accepted) if c]
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

"""The contract of the rows of a scoring query, checked batch by batch (pure). All violations are in one report.

They need no outcome, and must not have one: a query that returns it knows what the model is to predict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandera.pandas import Column

from titleholder.data import column_schema, contract
from titleholder.data.contract import Fault
from titleholder.errors import SpecError, UsageError
from titleholder.spec.model import ModelSpec
from titleholder.spec.scoring import Scoring
from titleholder.spec.source import Columns
from titleholder.spec.windows import BEGINNING, Intervals

Read = Callable[[str, NDArray[np.int64]], pd.Series]
"""Gives one column of the rows at these positions."""


def spec_of_rows(spec: ModelSpec, trained: ModelSpec) -> ModelSpec:
    """The spec of the rows that a version is to score: `spec` with its scoring query, and the version's own features.

    `trained` is the spec under which the version was trained. Features that only one of the two has may be there.

    Raises:
        SpecError: the spec has no section `scoring`.
    """
    scoring, own, given = scoring_of(spec), trained.columns, spec.columns
    columns = given.model_copy(
        update={
            "numeric": (*own.numeric, *(c for c in given.numeric if c not in own.features)),
            "categorical": (*own.categorical, *(c for c in given.categorical if c not in own.features)),
        }
    )
    source = spec.source.model_copy(update={"query": scoring.query})
    return spec.model_copy(update={"sql": scoring.sql, "source": source, "columns": columns})


def spec_of_returned(spec: ModelSpec, returned: Iterable[str]) -> ModelSpec:
    """The spec without the segments, protected columns and weight that a query does not return; versions need none."""
    there, columns = set(returned), spec.columns
    update = {
        "segments": tuple(name for name in columns.segments if name in there),
        "protected": tuple(name for name in columns.protected if name in there),
        "weight": columns.weight if columns.weight in there else None,
    }
    return spec.model_copy(update={"columns": columns.model_copy(update=update)})


def scoring_of(spec: ModelSpec) -> Scoring:
    """The section `scoring` of a spec.

    Raises:
        SpecError: it has none.
    """
    if spec.scoring is None:
        raise SpecError(f"{spec.name}: the spec has no section scoring; docs/batch-scoring.md shows one")
    return spec.scoring


def scoring_window(spec: ModelSpec, as_of: date) -> Intervals:
    """The event times that a run at `as_of` scores: [as_of - window, as_of), as the window that the query is bound to.

    Raises:
        SpecError: the spec has no section `scoring`.
        UsageError: the window would begin before all records.
    """
    length = scoring_of(spec).window
    try:
        start = as_of - length
    except (ValueError, OverflowError):
        start = date.min
    if start < BEGINNING:
        why = f"the window of {length} would begin before {BEGINNING}"
        raise UsageError(f"{spec.name}: as_of {as_of} is too early: {why}")
    return Intervals(train_start=start, holdout_start=as_of, matured=as_of)


def outcomes(columns: Columns) -> dict[str, str]:
    """The columns that say how a row ended, and what each is."""
    named = {columns.target: "the target", columns.outcome_at: "the time of the outcome"}
    return {name: what for name, what in named.items() if name is not None}


class ScoringContract:
    """Checks rows one batch after the other; memory grows by eight bytes a row, for the uniqueness of entities.

    `spec` is that of `spec_of_rows`, `features` are those that the version needs, `returned` are the query's columns.
    """

    def __init__(
        self, spec: ModelSpec, features: Sequence[str], returned: Sequence[str], spans: Intervals, as_of: date
    ) -> None:
        self._spec, self._as_of, names = spec, as_of, spec.columns
        keys = [name for name in (names.entity, names.event_time, names.known_at) if name]
        self._required = list(dict.fromkeys([*keys, *features]))
        others = [*names.features, *names.segments, *names.protected, *filter(None, (names.weight, names.cluster))]
        self._returned, self._allowed = list(returned), set(others)
        times = Counter(returned)
        checked = [name for name in dict.fromkeys([*self._required, *names.features]) if times[name] == 1]
        whole = column_schema.schema(spec, spans, as_of)
        self._schema = {name: whole[name] for name in checked}
        if names.entity in self._schema:
            self._schema[names.entity] = Column(nullable=False)  # unique in all batches, not in each
        self._faults: dict[tuple[str, str], Fault] = {}
        self._hashes: list[NDArray[np.uint64]] = []
        self.differences = list(self._column_faults())
        """What is wrong with the columns as such, a sentence each."""

    @property
    def keys(self) -> tuple[str, str]:
        """The columns of the entity and of the event time."""
        return self._spec.columns.entity, self._spec.columns.event_time

    @property
    def columns(self) -> list[str]:
        """The columns to read, each of which the query returns once."""
        return list(self._schema)

    @property
    def is_broken(self) -> bool:
        """Whether anything is wrong so far."""
        return bool(self.differences or self._faults)

    def check(self, frame: pd.DataFrame) -> None:
        """Check the next rows, which have `columns`."""
        frame = frame.reset_index(drop=True)
        nested = contract.nested_columns(frame)
        faults = [Fault(name, contract.NESTED) for name in nested]
        flat = frame.drop(columns=nested)
        for fault in [*faults, *contract.cell_faults(flat, self._spec, self._schema)]:
            self._add(fault)
        if (entity := self._spec.columns.entity) in flat:
            self._hashes.append(_hashes(flat[entity]))

    def _add(self, fault: Fault) -> None:
        key = fault.column, fault.text
        known = self._faults.get(key)
        if known and known.rows is not None and fault.rows is not None:
            fault = known._replace(rows=known.rows + fault.rows)
        self._faults[key] = fault

    def enforce(self, read: Read) -> None:
        """Raise a ContractError that lists every violation in the rows that were checked, if there is any."""
        self._check_uniqueness(read)
        found = [*self.differences, *map(str, self._faults.values())]
        if found:
            what = f"the rows to score as of {self._as_of} break their contract"
            raise contract.broken(self._spec, what, found, "nothing was scored")

    def _column_faults(self) -> Iterator[str]:
        forbidden = outcomes(self._spec.columns)
        for name, what in forbidden.items():
            if name in self._returned:
                yield f"{name}: is {what}, which a query for scoring must not return"
        if text := contract.difference(self._returned, self._required, {*self._allowed, *forbidden}):
            yield text

    def _check_uniqueness(self, read: Read) -> None:
        """Rows of the same hash are read again: different entities may have the same one."""
        entity = self._spec.columns.entity
        hashes = np.concatenate(self._hashes) if self._hashes else np.empty(0, dtype=np.uint64)
        order = np.sort(hashes)
        again = np.unique(order[1:][order[1:] == order[:-1]])
        if not again.size:
            return
        values = read(entity, np.flatnonzero(np.isin(hashes, again)))
        twice = values[values.duplicated(keep=False) & values.notna()]
        if len(twice):
            example = f"{twice.iloc[0]}, {entity} {twice.iloc[0]}"
            self._add(Fault(entity, contract.NOT_UNIQUE, len(twice), example))


def _hashes(values: pd.Series) -> NDArray[np.uint64]:
    """A hash of each value, the same in every batch."""
    return np.asarray(pd.util.hash_array(values.astype(str).to_numpy(dtype=object)), dtype=np.uint64)

"""The leak test: whether anything that was not known yet changes what a query extracts.

Three tests run over copies of the tables. Facts that became known after `as_of` are removed, and synthetic ones are put
in their place: the extract must stay. Facts that became known after an event change: its features must stay. `:as_of`
moves to a later date: matured events must be there before and after, with the same features and labels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import NamedTuple, Self

import pandas as pd
import pyarrow as pa

from titleholder.data import as_of_range, contract, extraction
from titleholder.data.leakage.as_of_test import AsOfTest, as_of_test
from titleholder.data.leakage.comparison import BASELINE, CHANGED, ORIGINAL, Leak, extract_hashed, whole_rows
from titleholder.data.leakage.event_test import EventTest, EventTestSummary
from titleholder.data.leakage.report import LeakReport, TableResult, is_feature
from titleholder.data.leakage.synthetic_future import SyntheticFuture
from titleholder.data.leakage.table_copies import TableCopies, copy_tables, table_oid
from titleholder.data.leakage.table_facts import TableFacts
from titleholder.data.scoring_contract import ScoringContract, scoring_window, spec_of_returned, spec_of_rows
from titleholder.errors import UsageError
from titleholder.spec.model import ModelSpec
from titleholder.spec.source import TableHistory
from titleholder.spec.sql import without_comments
from titleholder.spec.windows import Intervals, midnight

CLOCK = re.compile(
    r"\b(?:now|(?:clock|statement|transaction)_timestamp)\s*\(\s*\)"
    r"|\b(?:current_date|current_time|current_timestamp|localtime|localtimestamp)\b",
    re.IGNORECASE,
)
"""What reads the clock in a query."""


def leaktest(spec: ModelSpec, as_of: date, *, url: str, on_step: Callable[[str], None] = lambda _: None) -> LeakReport:
    """Extract at `as_of` from tables that differ only in what was not known yet, and compare the extracts.

    The warehouse is not changed: the copies are temporary tables of one transaction, which is rolled back.

    Raises:
        UsageError: when the spec declares a table that the query does not read, or there is nothing to compare.
        ContractError: when the extract breaks its contract, and no leak is found that could be the cause.
        DataError: when a statement fails in the warehouse.
        ServiceError: when the warehouse cannot be reached.
    """
    return _test(TrainingQuery(spec, as_of_range.intervals(url, spec, as_of), as_of), url, on_step)


def scoring_leaktest(
    spec: ModelSpec, as_of: date, *, url: str, on_step: Callable[[str], None] = lambda _: None
) -> LeakReport:
    """The same of the scoring query, without the test by a later `:as_of`: there are no labels that mature.

    Raises:
        SpecError: when the spec has no section `scoring`; and what `leaktest` raises.
    """
    as_of_range.refuse_future(url, spec, as_of)
    return _test(ScoringQuery(spec_of_rows(spec, spec), scoring_window(spec, as_of), as_of), url, on_step)


class TrainingQuery(NamedTuple):
    """What is tested, and its contract."""

    spec: ModelSpec
    spans: Intervals
    as_of: date

    def reading(self, copies: TableCopies) -> Self:  # noqa: ARG002
        """The same; what the spec declares must be what the query reads."""
        return self

    def later_as_of(self, copies: TableCopies, tables: dict[str, TableFacts]) -> AsOfTest:
        """What a later `:as_of` changes."""
        return as_of_test(copies, self.spec, self.spans, midnight(self.as_of), tables)

    def lacks_columns(self, frame: pd.DataFrame) -> bool:
        """Whether columns are missing, without which nothing can be compared."""
        return bool(set(self.spec.columns.all) - set(frame.columns))

    def enforce(self, frame: pd.DataFrame) -> None:
        """Raise a ContractError for rows that break the contract."""
        contract.enforce(frame, self.spec, self.spans, self.as_of, to_train=False)


class ScoringQuery(TrainingQuery):
    """The scoring query: `spec` is that of its rows."""

    def reading(self, copies: TableCopies) -> Self:
        """The same, without the tables that the spec declares and only the training query reads."""
        read = {table.oid for table in copies.tables}
        tables = {name: of for name, of in self.spec.source.tables.items() if table_oid(copies.cursor, name) in read}
        source = self.spec.source.model_copy(update={"tables": tables})
        return self._replace(spec=self.spec.model_copy(update={"source": source}))

    def later_as_of(self, copies: TableCopies, tables: dict[str, TableFacts]) -> AsOfTest:  # noqa: ARG002
        """Nothing: no row of it has matured."""
        return AsOfTest(0, [], [])

    def lacks_columns(self, frame: pd.DataFrame) -> bool:
        """Whether the columns are others than those that a version needs."""
        return bool(self._held(frame).differences)

    def enforce(self, frame: pd.DataFrame) -> None:
        """Raise a ContractError for rows that break the contract."""
        held = self._held(frame)
        held.check(frame[held.columns])
        held.enforce(lambda name, at: frame[name].iloc[at])

    def _held(self, frame: pd.DataFrame) -> ScoringContract:
        return ScoringContract(self.spec, self.spec.columns.features, list(frame.columns), self.spans, self.as_of)


def _test(query: TrainingQuery, url: str, on_step: Callable[[str], None]) -> LeakReport:
    spans, as_of = query.spans, query.as_of
    on_step("copy")
    with copy_tables(url, query.spec, spans, as_of) as copies:
        spec = query.reading(copies).spec
        tables, undeclared = _tables(copies, spec)
        if undeclared:
            return LeakReport(model=spec.name, as_of=as_of, untested=(undeclared,))
        later_dates = tuple(filter(None, map(_later_dates, tables.values())))
        on_step("contract")
        frame = _rows(url, spec, spans, as_of)
        if query.lacks_columns(frame):
            query.enforce(frame)
        spec = spec_of_returned(spec, frame.columns)
        hashes = {"original": extract_hashed(copies, ORIGINAL)}
        _refuse_empty(copies, spec, as_of)
        on_step("events")
        events, by_event = EventTest(copies, spec, spans, tables).run()
        on_step("as_of")
        by_as_of = query.later_as_of(copies, tables)
        leaks, results = _future_test(copies, spec, tables, hashes, events, on_step)
        report = LeakReport(
            model=spec.name,
            as_of=as_of,
            target=spec.columns.target,
            rows=len(frame),
            hashes=hashes,
            tables=tuple(results),
            events=events,
            corrected=by_as_of.corrected,
            late_rows=tuple(by_as_of.few),
            leaks=(*by_event, *by_as_of.leaks, *leaks),
            untested=tuple(_untested(copies, spec, tables, results, events)),
            recorded_late=tuple(_recorded_late(spec, tables, by_event)),
            overwritten=tuple(_overwritten(spec, tables, (*by_event, *leaks))),
            later_dates=later_dates,
            trusted=tuple(_trusted(spec)),
        )
    if not report.leaks:
        query.enforce(frame)
    return report


def _rows(url: str, spec: ModelSpec, spans: Intervals, as_of: date) -> pd.DataFrame:
    """What a run at `as_of` would extract."""
    with extraction.stream(url, spec, spans, as_of) as (schema, batches):
        frame: pd.DataFrame = pa.Table.from_batches(batches, schema).to_pandas()
    return frame


def _refuse_empty(copies: TableCopies, spec: ModelSpec, as_of: date) -> None:
    ((rows,),) = copies.rows(f"SELECT count(*) FROM {ORIGINAL}")
    if not rows:
        raise UsageError(f"{spec.name}: the query extracts no rows as of {as_of}: there is nothing to compare")


def _future_test(
    copies: TableCopies, spec: ModelSpec, tables: dict[str, TableFacts], hashes: dict[str, str],
    events: EventTestSummary, on_step: Callable[[str], None],
) -> tuple[list[Leak], list[TableResult]]:  # fmt: skip
    """Compare extracts without later facts, with those in the tables, and with synthetic ones; adds to `hashes`."""
    futures, entity = {name: SyntheticFuture(facts) for name, facts in tables.items()}, spec.columns.entity
    later = {name: future.remove_later_facts() for name, future in futures.items()}
    hashes["later facts removed"] = baseline = extract_hashed(copies, BASELINE)
    differs = hashes["original"] != baseline
    leaks = list(whole_rows(copies, entity, ORIGINAL, "later facts in the tables")) if differs else []
    results = []
    for name, future in futures.items():
        on_step(name)
        with copies.rolled_back():
            inserted = future.insert()
            hashes[f"synthetic facts in {name}"] = changed = extract_hashed(copies, CHANGED)
            leaks += whole_rows(copies, entity, CHANGED, name) if changed != baseline else ()
        results.append(
            TableResult(
                table=name, later_facts=later[name], synthetic_facts=inserted, exchanged_facts=events.exchanged[name]
            )
        )
    return leaks, results


def _tables(copies: TableCopies, spec: ModelSpec) -> tuple[dict[str, TableFacts], str]:
    """Those whose facts become known at some time, by name; and why nothing can be tested with what is declared."""
    declared = {table_oid(copies.cursor, name): history for name, history in spec.source.tables.items()}
    unknown = [
        name for name in spec.source.tables if table_oid(copies.cursor, name) not in {t.oid for t in copies.tables}
    ]
    missing = [t.name for t in copies.tables if t.oid not in declared]
    undeclared = (
        f"source.tables does not declare {', '.join(missing)}, which the query reads: say when the rows became known, "
        f"as in `{missing[0]}: {{known_at: recorded_at}}`, or `{missing[0]}: static` where they never change"
        if missing
        else ""
    )
    if unknown:
        also = f"; {undeclared}" if missing else ""
        raise UsageError(
            f"{spec.name}: source.tables declares {', '.join(unknown)}, which the query does not read{also}. It reads "
            f"{', '.join(t.name for t in copies.tables) or 'no table'}"
        )
    if missing:
        return {}, undeclared
    found = {t.name: TableFacts(copies, t, h) for t in copies.tables if isinstance(h := declared[t.oid], TableHistory)}
    return found, "" if found else "every table is declared static: no later facts can be inserted"


def _trusted(spec: ModelSpec) -> Iterator[str]:
    """What the spec declares and no test can show, a clause for each table."""
    for name, history in spec.source.tables.items():
        if not isinstance(history, TableHistory):
            yield f"{name} never changes"
            continue
        if not history.changes:
            yield f"the {'versions' if history.until else 'rows'} of {name} are written once and never overwritten"
        if history.available_at:
            yield f"the rows of {name} are available from {history.available_at}"
        if history.on_trust:
            yield f"{', '.join(history.on_trust)} of {name} are never overwritten"


def _later_dates(facts: TableFacts) -> str:
    """A clause that rows declared as written once have dates after they became known; empty without any."""
    if not (found := facts.later_dates()):
        return ""
    dates = ", ".join(f"{name} ({rows:,} rows)" for name, rows in found.items())
    return (
        f"the rows of {facts.table.name} are declared as written once, and have dates later than their known_at "
        f"({facts.history.known_at}): {dates}. Unless these were planned by then, the rows were written or changed "
        "later: declare what was written then as `changes`, and when as known_at"
    )


def _recorded_late(spec: ModelSpec, tables: dict[str, TableFacts], leaks: list[Leak]) -> Iterator[str]:
    """Tables whose rows seem to be the events themselves, and become known after them."""
    for name, facts in tables.items():
        own = {spec.columns.entity, spec.columns.event_time} <= facts.names
        declared = facts.history.available_at or facts.changes
        if own and not declared and any(leak.source == name for leak in leaks):
            yield name


def _overwritten(spec: ModelSpec, tables: dict[str, TableFacts], leaks: Sequence[Leak]) -> Iterator[str]:
    """Tables overwritten in place that change features."""
    for name, facts in tables.items():
        if facts.changes and any(k.source == name and is_feature(k, spec.columns.target) for k in leaks):
            yield name


def _untested(
    copies: TableCopies, spec: ModelSpec, tables: dict[str, TableFacts], results: list[TableResult],
    events: EventTestSummary,
) -> Iterator[str]:  # fmt: skip
    """A sentence for each thing that the tests could not see."""
    for result in results:
        if not result.synthetic_facts and not result.later_facts:
            yield (
                f"nothing in {result.table} became known after the as-of date, and nothing could be planted: choose an "
                "earlier --as-of, after which its facts changed"
            )
    texts = [without_comments(spec.sql), *copies.definitions]
    used = {*re.findall(r"\w+", " ".join(texts)), *spec.columns.all}
    for name, facts in tables.items():
        if columns := facts.on_trust(used):
            yield (
                f"{name} is overwritten in place, and of {', '.join(columns)} the spec does not say whether it is "
                "overwritten: name each in `changes` if it is, in `on_trust` if it never is"
            )
    if clock := CLOCK.search(without_comments(spec.sql)):
        yield f"the query reads the clock ({clock[0]}), which no test moves: :as_of is the time of the run"
    for function in copies.functions:
        yield f"the query calls {function}: the tables that a function reads are not copied"
    if not events.rows or not any(events.exchanged.values()):
        yield (
            f"the test by event compared nothing: {events.rows} rows, {sum(events.exchanged.values())} facts that "
            f"became known later, {events.vanished} rows that the query no longer returned. Where it expects one row "
            "of a key, the table needs a primary key"
        )

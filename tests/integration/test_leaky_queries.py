"""Leaky and honest queries on the real PostgreSQL: what the test by event and the test by `:as_of` find."""

from __future__ import annotations

import re

import pytest
from leaktest import fill
from leaky_queries import AS_OF, HONEST, LEAKY, Shape, newest, spec_of

from support.time_world import execute
from titleholder.data.leakage.leaktest import leaktest
from titleholder.data.leakage.report import LeakReport
from titleholder.errors import ContractError, UsageError
from titleholder.settings import connection_url
from titleholder.spec.model import ModelSpec
from titleholder.spec.source import TableHistory

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("env")]


@pytest.fixture(scope="module", autouse=True)
def trap(state: object) -> None:
    from localstack.settings import environment

    fill(environment(state)["TITLEHOLDER_LOADER_URL"], 1200)  # type: ignore[arg-type]


def check(spec: ModelSpec) -> LeakReport:
    return leaktest(spec, AS_OF, url=connection_url("warehouse"))


def with_table(spec: ModelSpec, name: str, history: TableHistory) -> ModelSpec:
    source = spec.source.model_copy(update={"tables": {**spec.source.tables, name: history}})
    return spec.model_copy(update={"source": source})


@pytest.mark.parametrize("shape", LEAKY, ids=lambda s: s.name)
def test_each_leaky_query_is_found_or_said_to_be_untested(shape: Shape) -> None:
    """All of them passed as clean before there was a test by event, but those whose facts reach beyond `as_of`."""
    found = check(spec_of(shape))
    if not shape.why:
        assert found.outcome == ("not tested" if "nobody declared" in shape.name else "leak")
        changed_columns = {leak.column for leak in found.leaks}
        assert changed_columns <= {"feature", "bad", "rows"}, "nothing else is to blame"
    else:
        assert found.leaks == ()
        assert bool(found.untested) == (shape.name in ("the clock", "a function that reads a table"))


@pytest.mark.parametrize("shape", HONEST, ids=lambda s: s.name)
def test_no_honest_query_is_reported(shape: Shape) -> None:
    found = check(spec_of(shape))
    assert (found.outcome, found.leaks, found.untested) == ("clean", (), ())
    assert found.events.rows > 500


def test_few_events_that_come_late_are_a_warning_unless_the_spec_allows_none() -> None:
    spec = spec_of(next(shape for shape in HONEST if "recorded a year late" in shape.name))
    (late,) = check(spec).late_rows
    assert (late.test, late.column, late.before, late.after) == ("as_of", "rows", "absent", "present")
    assert int(late.entity) % 250 == 0
    assert 7 * 28 * 86_400 < late.lag < 365 * 86_400, "matured, and recorded after a year"
    few, none = (
        spec.model_copy(update={"windows": spec.windows.model_copy(update={"late_rows": share})})
        for share in (0.005, 0.0)
    )
    assert late.share > 0.005
    assert check(few).late_rows == (late,), "one row does not show that it is more"
    assert check(none).leaks == (late,)


def test_a_leak_by_event_names_column_table_example_and_lag() -> None:
    shape = next(s for s in LEAKY if "nobody" not in s.name and "overwritten" in s.name)
    (leak,) = check(spec_of(shape)).leaks
    assert (leak.test, leak.column, leak.source) == ("event", "feature", "trap.transfers")
    assert leak.entity_column == "loan_id"
    assert leak.entity.isdigit()
    assert float(leak.before) != float(leak.after)
    assert 0 < leak.lag < 5 * 86_400 + 5_400  # a transfer arrives at most so long after its loan


def test_a_feature_known_later_is_a_leak_beyond_its_declared_delay() -> None:
    feature = newest("w.recorded_at <= l.applied_at + interval '3 hours'")
    declared = [Shape("", feature, columns={"known_after": {"feature": delay}}) for delay in ("2 hours", "3 hours")]
    found = [check(spec_of(shape)) for shape in declared]
    assert [report.outcome for report in found] == ["leak", "clean"]


def test_an_event_recorded_late_is_a_leak_until_the_spec_says_when_it_could_be_used() -> None:
    spec = spec_of(Shape("plain"))
    late = with_table(spec, "trap.loans", TableHistory(known_at="recorded_at"))
    found = check(late)
    assert found.outcome == "leak"
    assert found.recorded_late == ("trap.loans",)
    assert "the rows of trap.loans are written once and never overwritten" in found.trusted
    assert found.later_dates == ()


def test_dates_after_known_at_deny_that_rows_are_written_once() -> None:
    """`check` said "No leak" of an outcome that stood in the row since the event, by the declaration that it offered."""
    found = check(with_table(spec_of(Shape("plain")), "trap.loans", TableHistory(known_at="applied_at")))
    (said,) = found.later_dates
    assert "known_at (applied_at): recorded_at (" in said


def test_a_computed_time_is_planted_and_exchanged_too() -> None:
    """An append-only table without a column of when its rows became known: a date and how long that takes."""
    spec = spec_of(next(s for s in HONEST if s.name == "closings known by the event"))
    spec = spec.model_copy(
        update={"sql": re.sub(r"\b([co])\.recorded_at", r"(\1.closed_on + interval '21 days')", spec.sql)}
    )
    computed = TableHistory(known_at="closed_on + interval '21 days'")
    honest = check(with_table(spec, "trap.closings", computed))
    assert (honest.outcome, honest.leaks) == ("clean", ())
    (closings,) = (t for t in honest.tables if t.table == "trap.closings")
    assert min(closings.later_facts, closings.synthetic_facts, closings.exchanged_facts) > 100
    leaky = spec_of(Shape("", "(select count(*) from trap.closings o where o.status = 'bad')"))
    found = check(with_table(leaky, "trap.closings", computed))
    assert {(leak.test, leak.source) for leak in found.leaks} >= {
        ("event", "trap.closings"), ("future", "trap.closings")
    }  # fmt: skip


def test_corrected_labels_are_counted_where_the_spec_declares_them() -> None:
    target = "coalesce(c.status = 'bad', false)"
    found = check(spec_of(Shape("", target=target, columns={"target_corrected": True})))
    assert found.outcome == "clean"
    assert found.corrected > 10


def test_an_extract_that_breaks_its_contract_is_not_called_clean() -> None:
    amounts = spec_of(Shape("", target="l.amount"))
    with pytest.raises(ContractError, match="bad: is neither 0 nor 1"):
        check(amounts)
    missing = spec_of(Shape("", columns={"numeric": ["amount", "feature", "nix"]}))
    with pytest.raises(ContractError, match="- nix"):
        check(missing)


def test_a_column_on_trust_that_does_not_exist_is_refused() -> None:
    spec = spec_of(next(s for s in HONEST if s.feature == "t.fee"))
    wrong = TableHistory(known_at="arrived_at", changes=("delay_hours",), on_trust=("fees",))
    with pytest.raises(UsageError, match="trap.transfers has no column fees; it has loan_id, arrived_at"):
        check(with_table(spec, "trap.transfers", wrong))


def test_a_query_that_expects_one_row_of_a_key_which_the_table_does_not_declare_is_not_tested(
    env: dict[str, str],
) -> None:
    """Facts that change may then have a key twice, for which the query would fail."""
    execute(
        env["TITLEHOLDER_LOADER_URL"],
        "create table trap.payments as select loan_id, number, applied_at + number * interval '30 days' as recorded_at, "
        "random() < 0.2 as late from trap.loans, generate_series(1, 2) number",
        "grant select on trap.payments to public",
    )
    try:
        payment = "select p.late from trap.payments p where p.loan_id = l.loan_id and p.number = 1"
        spec = spec_of(Shape("", target=f"coalesce(({payment} and p.recorded_at <= :as_of), false)"))
        found = check(with_table(spec, "trap.payments", TableHistory(known_at="recorded_at")))
    finally:
        execute(env["TITLEHOLDER_LOADER_URL"], "drop table trap.payments")
    assert (found.outcome, found.leaks) == ("not tested", ())
    (reason,) = found.untested
    assert reason.endswith("the table needs a primary key")

"""The three outcomes of a leak test."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from titleholder.data.leakage.comparison import Leak
from titleholder.data.leakage.event_test import EventTestSummary
from titleholder.data.leakage.report import LABEL_REMEDY, ROWS_REMEDY, LeakReport, TableResult


def a_report(**changes: Any) -> LeakReport:
    return LeakReport(
        **{
            "model": "small", "as_of": date(2024, 7, 1), "rows": 10, "hashes": {},
            "tables": (TableResult(table="public.t", later_facts=1, synthetic_facts=1, exchanged_facts=1),),
            "events": EventTestSummary(cut_offs=1, rows=1, vanished=0, exchanged={"public.t": 1}),
            "corrected": 0, "leaks": (), "untested": (), "recorded_late": (), "trusted": (), **changes,
        }
    )  # fmt: skip


def a_leak(column: str, test: str = "event") -> Leak:
    return Leak.model_validate(
        {
            "test": test, "column": column, "source": "public.t", "rows": 1, "entity_column": "loan_id", "entity": "1",
            "before": "a", "after": "b",
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("leaks", "untested", "outcome"),
    [
        ((), (), "clean"),
        ((), ("a reason",), "not tested"),
        ((a_leak("debt"),), (), "leak"),
        ((a_leak("debt"),), ("a reason",), "leak"),
    ],
)
def test_a_leak_outweighs_what_is_not_tested(leaks: tuple[Leak, ...], untested: tuple[str, ...], outcome: str) -> None:
    assert a_report(leaks=leaks, untested=untested).outcome == outcome


def test_everything_that_people_need_to_know_is_a_sentence() -> None:
    found = a_report(
        leaks=(a_leak("debt"), a_leak("bad", "future")), untested=("a reason",), recorded_late=("public.t",),
        trusted=("public.u never changes", "amount of public.t are never overwritten"), hashes={"original": "1"},
        corrected=3, target="bad",
    )  # fmt: skip
    said = [(kind, sentence.partition(";")[0]) for kind, sentence in found.findings]
    assert said == [
        ("leak", "debt, from public.t: 1 row, e.g. loan_id 1: a, but b when facts known after the event change."),
        (
            "leak",
            "bad, from public.t: 1 row, e.g. loan_id 1: a without the facts that became known after 2024-07-01, b with other "
            f"facts. {LABEL_REMEDY}",
        ),
        ("recorded late", next(s for kind, s in found.findings if kind == "recorded late")),
        ("not tested", "a reason."),
        ("compared", "10 rows as of 2024-07-01, with 1 states of the tables that differ in facts known after it"),
        ("assumed", "public.u never changes"),
    ]
    compared = next(s for kind, s in found.findings if kind == "compared")
    assert "1 events at 1 times" in compared
    assert "3 labels were corrected" in compared


@pytest.mark.parametrize(
    ("field", "kind", "end"),
    [("leaks", "leak", ROWS_REMEDY), ("late_rows", "rows come later", "more than windows.late_rows.")],
)
def test_rows_that_come_later_are_said_with_share_example_and_lag(field: str, kind: str, end: str) -> None:
    """A query of loans that ended, and of no others, was called clean."""
    late = a_leak("rows", "as_of").model_copy(
        update={"before": "absent", "after": "present", "lag": 400 * 86_400.0, "share": 0.0625}
    )
    report = a_report(**{field: (late,)})
    (said,) = report.findings
    assert said.kind == kind
    assert "1: absent as of 2024-07-01, 400 days after the event, present later; 6.2% of the holdout's" in said.sentence
    assert said.sentence.endswith(end)
    assert report.outcome == ("leak" if field == "leaks" else "clean")


def test_of_rows_that_are_overwritten_no_available_at_is_advised() -> None:
    """`available_at` is refused with `changes`: the advice led nowhere."""
    leaks = (a_leak("stock"), a_leak("bad", "future"), a_leak("stock"))
    (said,) = (
        s
        for kind, s in a_report(leaks=leaks, target="bad", overwritten=("public.t",)).findings
        if kind == "overwritten"
    )
    assert "Leave out stock, use it only where known_at is before the event, or keep the versions" in said
    assert "available_at" not in said


def test_where_nothing_was_compared_only_the_reason_is_said() -> None:
    report = LeakReport(model="small", as_of=date(2024, 7, 1), untested=("a reason",))
    assert report.outcome == "not tested"
    assert list(report.findings) == [("not tested", "a reason.")]


def test_of_a_label_that_counts_longer_than_its_maturity_both_remedies_are_named() -> None:
    """The SQL counted outcomes to 35 months, by dates up to :as_of, with a label maturity of 12: neither remedy fitted."""
    (found,) = a_report(leaks=(a_leak("bad"),), target="bad").findings
    assert "raise that, or count only outcomes within label_maturity of the event" in found.sentence

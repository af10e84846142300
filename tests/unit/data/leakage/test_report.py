"""The three outcomes of a leak test."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from titleholder.data.leakage.comparison import Leak
from titleholder.data.leakage.event_test import EventTestSummary
from titleholder.data.leakage.report import LeakReport, TableResult


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

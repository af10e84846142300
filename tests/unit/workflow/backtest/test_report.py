"""The report of a backtest: its answer, its sections and its safety."""

from __future__ import annotations

import base64
import re
from datetime import date

import pytest

from support.ageing_cases import cells, results, trained
from support.backtest_cases import a_backtest, a_trial
from support.factories import a_regression, a_spec
from support.report_cases import HOSTILE, Page
from titleholder.spec.model import ModelSpec
from titleholder.workflow.backtest.ageing import ageing
from titleholder.workflow.backtest.answer import age_advice, answer, cautions
from titleholder.workflow.backtest.policies import with_profit
from titleholder.workflow.backtest.report import page as backtest_page
from titleholder.workflow.backtest.summary import Setting

URL = "http://mlflow.example/#/experiments/1/runs/abc"

PAID = {
    "judgement__cut_off": {"accept": "below", "share": 0.5},
    "judgement__profit": {"accepted_0": 1.0, "accepted_1": -8.0},
}

SECTIONS = ["numbers", "pictures", "age", "periods", "whatif", "done"]


def svgs(text: str) -> list[str]:
    """The pictures of a page."""
    found = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]+)"', text)
    return [base64.b64decode(each).decode() for each in found]


def test_it_begins_with_the_answer_in_one_sentence_with_numbers_and_an_interval() -> None:
    result = a_backtest()
    page = Page(backtest_page(result, URL))
    assert page.why == answer(result)
    gate, never = (result.overall.policies[p].mean for p in ("gate", "never"))
    assert f"{gate:.4f}" in page.why
    assert f"{never:.4f}" in page.why
    assert re.search(r"95% interval \+\d\.\d{4} to \+\d\.\d{4}", page.why)
    assert page.why.count(". ") == 0
    assert all(caution in page.text for caution in cautions(result))


def test_of_a_quantile_each_policy_and_each_month_has_its_coverage() -> None:
    quantile = a_regression(judgement__metric="pinball", judgement__quantile=0.9, judgement__resamples=100)
    result = a_backtest(quantile)
    page = Page(backtest_page(result, URL))
    for policy, summary in result.overall.policies.items():
        assert f"coverage {summary.coverage:.1%}; " in page.said("numbers"), policy
    gate = next(m.figures["gate"] for m in result.periods if m.compared)
    assert f"v{gate.version}, {gate.coverage:.1%}, " in page.said("periods")
    assert "coverage" not in Page(backtest_page(a_backtest(), URL)).text


@pytest.mark.parametrize(
    "spec", [a_spec(), a_spec(**PAID), a_regression(judgement__resamples=100)], ids=["auc", "profit", "rmse"]
)
def test_every_month_is_in_the_table_and_every_section_is_there(spec: ModelSpec) -> None:
    page = Page(backtest_page(a_backtest(spec), URL))
    assert list(page.sections) == ["", *SECTIONS]
    assert page.open == []
    said = page.said("periods")
    assert all(f"2024-0{n}-01" in said for n in range(1, 6))
    assert "no champion yet" in said
    assert "no rows with a known outcome" in said
    assert ("Profit of each policy" in page.said("numbers")) == with_profit(spec)
    assert "finally known" in page.said("done")


def test_where_nothing_can_be_compared_there_is_no_picture() -> None:
    page = Page(backtest_page(a_backtest(gates=(None, None, None, None)), URL))
    assert "pictures" not in page.sections
    assert "No month can be compared" in page.said("numbers")


def test_nothing_is_loaded_nothing_runs_and_only_the_run_is_linked() -> None:
    text = backtest_page(a_backtest(), URL)
    assert "<script" not in text
    assert "default-src 'none'" in text
    assert not re.search(r'\b(action|on\w+)="', text)
    assert not re.search(r'src="(?!data:image/svg\+xml;base64,)', text)
    assert not re.search(r"@import|url\(", text)
    assert set(re.findall(r'https?://[^"<\s]+', text)) == {URL}
    assert "javascript" not in backtest_page(a_backtest(), "javascript:alert(1)")


def test_names_from_people_are_text_and_nothing_else() -> None:
    text = backtest_page(a_backtest(description=HOSTILE, owner=HOSTILE, actor=HOSTILE, lane=HOSTILE), URL)
    assert "<script" not in text
    assert text.count("<img") == len(svgs(text)) == 2


def test_values_with_the_same_champions_share_a_row_and_a_first_champion_is_no_change() -> None:
    own = Setting.of(a_spec().judgement)
    same, other = (own.model_copy(update={"confidence": level}) for level in (0.8, 0.99))
    alone = a_trial(other, first=date(2024, 3, 1), changed=(), champions=(2,))
    trials = (a_trial(same), a_trial(own, own=True), alone)
    said = Page(backtest_page(a_backtest(what_if=trials), URL)).said("whatif")
    assert "fresh (the spec) 0.01 0 0.8, 0.95 2024-01 1 0.7000 3 2024-02" in said
    assert "fresh 0.01 0 0.99 2024-03 0 0.7000 3 Values" in said


def test_a_replay_that_differs_from_the_ledger_is_reported() -> None:
    same, other = (Page(backtest_page(a_backtest(reproduced=r), URL)).said("whatif") for r in (True, False))
    assert "the replay equals the ledger" in same
    assert "the replay differs from the ledger" in other


def test_equal_input_gives_an_equal_page() -> None:
    assert backtest_page(a_backtest(), URL) == backtest_page(a_backtest(), URL)


@pytest.mark.parametrize(
    ("gates", "marked"), [((None, 1, 1, 2), True), ((None, 1, 1, 1), False), ((1, 1, 1, 1), False)]
)
def test_only_a_change_of_champion_is_marked_as_one(gates: tuple[int | None, ...], marked: bool) -> None:
    by_month, _ = svgs(backtest_page(a_backtest(gates=gates), URL))
    assert ("another champion" in by_month) == marked


GATES = (None, 1, 1, 2, 2, 2, 1, 1, 2, 2)


@pytest.mark.parametrize(
    ("schedule", "noun", "labels"),
    [
        ("@daily", "day", [f"2024-01-0{n}" for n in (1, 3, 5, 7, 9)]),
        ("0 6 * * 1", "week", ["2024-01-01", "2024-01-15", "2024-01-29", "2024-02-12", "2024-02-26"]),
        ("@monthly", "month", [f"2024-0{n}" for n in (1, 3, 5, 7, 9)]),
        ("@yearly", "year", [f"20{n}-01" for n in (24, 26, 28, 30, 32)]),
        (None, "run", [f"2024-0{n}" for n in (1, 3, 5, 7, 9)]),
    ],
)
def test_periods_are_called_what_the_schedule_makes_them(schedule: str | None, noun: str, labels: list[str]) -> None:
    """Ten periods of any schedule have distinct labels, and nothing but a monthly model speaks of months."""
    text = backtest_page(a_backtest(a_spec(schedule=schedule), gates=GATES), URL)
    page = Page(text)
    assert f"over the 9 {noun}s that can be compared" in page.why
    assert f"A {noun}\N{RIGHT SINGLE QUOTATION MARK}s rows are those" in page.said("periods")
    assert ("month" in text.partition("<body>")[2].lower()) == (noun == "month")
    by_period, cumulative = (re.findall(r">(20\d\d[-\d]*)</text>", picture) for picture in svgs(text))
    assert by_period == labels
    assert len(set(cumulative)) == 5


def test_what_age_costs_has_a_sentence_a_curve_and_a_table() -> None:
    found = cells(24, 0.003, versions=0.006, noise=0.005)
    aged = ageing(results(found, profit=0.02), trained(found), metric="roc_auc", confidence=0.95)
    result = a_backtest(ageing=aged)
    text = backtest_page(result, URL)
    page = Page(text)
    assert age_advice(result).startswith("Retrain quarterly: a month of age costs 0.00")
    assert age_advice(result) in page.text
    assert all(word in page.said("age") for word in ("monthly", "quarterly", "better than yearly by", "Profit a row"))
    assert "24 versions on 23 months" in page.said("age")
    *_, curve = svgs(text)
    assert "months older than the newest version" in curve
    assert "loss of ROC AUC against the newest" in curve
    assert page.open == []


def test_where_age_cannot_be_told_the_report_says_what_it_takes() -> None:
    page = Page(backtest_page(a_backtest(), URL))
    assert "6 months more" in page.said("age")
    assert page.text.count("The cost of age cannot be estimated yet") == 2

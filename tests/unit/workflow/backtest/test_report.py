"""The page of a backtest: what it says first, what it shows, and what it refuses to become."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import numpy as np
import pytest

from support.factories import a_regression, a_spec
from support.report_cases import HOSTILE, Page
from titleholder.spec.model import ModelSpec
from titleholder.workflow.backtest.answer import answer
from titleholder.workflow.backtest.policies import Month, Rows, measure, with_profit
from titleholder.workflow.backtest.report import page as backtest_page
from titleholder.workflow.backtest.summary import Backtest, Setting, WhatIf, overall

URL = "http://mlflow.example/#/experiments/1/runs/abc"
PAID = {
    "judgement__cut_off": {"accept": "below", "share": 0.5},
    "judgement__profit": {"accepted_0": 1.0, "accepted_1": -8.0},
}
SECTIONS = ["numbers", "pictures", "months", "whatif", "done"]


def walked(
    spec: ModelSpec | None = None, gates: tuple[int | None, ...] = (None, 1, 1, 2), tilt: float = 1.0, **parts: Any
) -> Backtest:
    """Four months of 400 rows and one without any; version 2 sees the signal better, by `tilt`."""
    spec = spec or a_spec()
    rng, found = np.random.default_rng(3), []
    for n, gate in enumerate((*gates, gates[-1]), start=1):
        size = 400 if n <= len(gates) else 0
        signal = rng.normal(size=size)
        y = (signal + rng.normal(size=size) > 0).astype(float) if spec.task == "classification" else signal
        rough = {1: signal + rng.normal(size=size), 2: tilt * signal + 0.3 * rng.normal(size=size)}
        scores = {v: 1 / (1 + np.exp(-p)) if spec.task == "classification" else p for v, p in rough.items()}
        first = next((g for g in gates[:n] if g is not None), None)
        month = Month(
            as_of=date(2024, n, 1),
            end=date(2024, n + 1, 1),
            kind="keep",
            versions=(1, 2),
            gate=gate,
            newest=2,
            never=first,
        )
        found.append(measure(month, Rows(y, scores), spec, month.end))
    own = Setting(minimum_gain=0.0, confidence=0.95)
    whole: dict[str, Any] = {
        "model": spec.name, "description": spec.description, "owner": spec.owner, "lane": "backtest", "task": spec.task,
        "metric": spec.judgement.metric, "greater_is_better": spec.judgement.greater_is_better, "rule": "sequential",
        "confidence": 0.95, "with_profit": with_profit(spec), "labels_as_of": date(2026, 1, 1),
        "matured": date(2025, 7, 1), "snapshot_uri": "/snapshots/x.parquet", "snapshot_sha256": "ab" * 32,
        "head_hash": "cd" * 32, "code_version": "1.2", "actor": "cli:tester", "run_id": "abc", "months": tuple(found),
        "overall": overall(found, confidence=0.95), "reproduced": True,
        "what_if": (WhatIf(setting=own, own=True, promotions=2, changed=(date(2024, 2, 1),), mean=0.7, months=3),),
    }  # fmt: skip
    return Backtest(**{**whole, **parts})


def test_it_begins_with_the_answer_in_one_sentence_with_numbers_and_an_interval() -> None:
    result = walked()
    page = Page(backtest_page(result, URL))
    assert page.why == answer(result)
    gate, never = (result.overall.policies[p].mean for p in ("gate", "never"))
    assert f"{gate:.4f}" in page.why
    assert f"{never:.4f}" in page.why
    assert re.search(r"95% interval \+\d\.\d{4} to \+\d\.\d{4}", page.why)
    assert page.why.count(". ") == 0


@pytest.mark.parametrize(
    ("gates", "tilt", "begins"),
    [
        ((None, 1, 2, 2), 1.0, "Yes, it was worth it: over the 3 months"),
        ((None, 1, 2, 2), 0.0, "No, it did harm: over the 3 months"),
        ((None, 1, 1, 1), 1.0, "It made no difference: over the 3 months"),
        ((None, 1, 1, 2), 0.24, "Not shown to have been worth it"),
        (
            (None, None, None, None),
            1.0,
            "Nothing can be said yet: no month can be compared (no champion yet in 4 of 5).",
        ),
    ],
)
def test_the_answer_follows_the_interval(gates: Any, tilt: float, begins: str) -> None:
    assert answer(walked(gates=gates, tilt=tilt)).startswith(begins)


def test_an_error_that_falls_is_a_gain() -> None:
    said = answer(walked(a_regression(judgement__resamples=100), gates=(None, 1, 2, 2)))
    assert said.startswith("Yes, it was worth it")
    assert "a mean RMSE of" in said


@pytest.mark.parametrize(
    "spec", [a_spec(), a_spec(**PAID), a_regression(judgement__resamples=100)], ids=["auc", "profit", "rmse"]
)
def test_every_month_is_in_the_table_and_every_section_is_there(spec: ModelSpec) -> None:
    page = Page(backtest_page(walked(spec), URL))
    assert list(page.sections) == ["", *SECTIONS]
    assert page.open == []
    said = page.said("months")
    assert all(f"2024-0{n}-01" in said for n in range(1, 6))
    assert "no champion yet" in said
    assert "no rows with a known outcome" in said
    assert ("Profit of each policy" in page.said("numbers")) == with_profit(spec)
    assert "finally known" in page.said("done")


def test_where_nothing_can_be_compared_there_is_no_picture() -> None:
    page = Page(backtest_page(walked(gates=(None, None, None, None)), URL))
    assert "pictures" not in page.sections
    assert "No month can be compared" in page.said("numbers")


def test_nothing_is_loaded_nothing_runs_and_only_the_run_is_linked() -> None:
    text = backtest_page(walked(), URL)
    assert "<script" not in text
    assert "default-src 'none'" in text
    assert not re.search(r'\b(src|action|on\w+)="', text)
    assert not re.search(r"@import|url\((?!#)", text)
    assert set(re.findall(r'https?://[^"<\s]+', text)) == {URL}
    assert "javascript" not in backtest_page(walked(), "javascript:alert(1)")


def test_what_people_named_is_text_and_nothing_else() -> None:
    text = backtest_page(walked(description=HOSTILE, owner=HOSTILE, actor=HOSTILE, lane=HOSTILE), URL)
    assert "<script" not in text
    assert "<img" not in text


def test_a_replay_that_differs_from_the_ledger_is_told() -> None:
    same, other = (Page(backtest_page(walked(reproduced=r), URL)).said("whatif") for r in (True, False))
    assert "the replay gives the ledger" in same
    assert "the replay does not give the ledger" in other


def test_equal_input_gives_an_equal_page() -> None:
    assert backtest_page(walked(), URL) == backtest_page(walked(), URL)


@pytest.mark.parametrize(
    ("gates", "marked"), [((None, 1, 1, 2), True), ((None, 1, 1, 1), False), ((1, 1, 1, 1), False)]
)
def test_only_a_change_of_champion_is_marked_as_one(gates: tuple[int | None, ...], marked: bool) -> None:
    assert ("another champion" in backtest_page(walked(gates=gates), URL)) == marked

"""The rule `record` on real PostgreSQL and a real MLflow server: a lane, in any order, reproduced and replayed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from support.retraining import TESTER, challenge, in_force, in_lane, settle
from support.succession_world import write_model
from titleholder.ledger.decision import Decision
from titleholder.settings import Settings, connection_url
from titleholder.validation.cohort_record import CohortRecord
from titleholder.workflow.backtest.run import backtest
from titleholder.workflow.backtest.walk import Request
from titleholder.workflow.reproduce import reproduce

pytestmark = pytest.mark.slow
MODEL, STRICT = "tiny_record", "tiny_record_strict"
MONTHS = [date(2024, m, 1) for m in range(1, 7)]
RULE = "judgement: {metric: roc_auc, rule: record, minimum_events: 30, checks: {plausible: {severity: warn}}}"


@pytest.fixture
def models(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    write_model(tmp_path, MODEL, judgement=RULE)
    write_model(tmp_path, STRICT, judgement=RULE.replace("rule: record", "rule: record, minimum_gain: 0.5"))
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    return tmp_path


def outcome(row: Decision) -> tuple[object, ...]:
    verdict = row.judged
    return row.as_of, row.kind, row.champion_after, verdict.outlook, verdict.cohorts, verdict.checks, verdict.recall


@pytest.mark.usefixtures("models")
def test_a_lane_by_the_record_is_the_same_in_any_order_and_again(settings: Settings) -> None:
    challengers = [challenge(MODEL, month, "ordered", settings) for month in MONTHS]
    for challenger in challengers:
        settle(challenger, settings)
    ordered = in_force(MODEL, "ordered", settings)
    orders = {"reversed": challengers[::-1], "shuffled": random.Random(5).sample(challengers, len(challengers))}
    for lane, order in orders.items():
        assert order != challengers
        for challenger in order:
            settle(in_lane(challenger, lane), settings)
        assert [outcome(row) for row in in_force(MODEL, lane, settings)] == [outcome(row) for row in ordered]
    check_cohorts(ordered)
    for row in ordered[1::2]:
        again = reproduce(row.id, settings=settings)
        assert again.differences == ()
        assert again.same
    replayed = backtest(Request(MODEL, "ordered"), url=connection_url, actor=TESTER.actor, settings=settings).result
    assert replayed.reproduced
    assert replayed.rule == "record"


@pytest.mark.usefixtures("models")
def test_months_that_keep_the_champion_are_judged_again_beside_one_another(settings: Settings) -> None:
    """What was planned for one month is read for the next, before it stands in the ledger."""
    challengers = [challenge(STRICT, month, "ordered", settings) for month in MONTHS[:4]]
    for lane, order in {"ordered": challengers, "reversed": challengers[::-1]}.items():
        for challenger in order:
            settle(in_lane(challenger, lane), settings)
    ordered = in_force(STRICT, "ordered", settings)
    assert [row.kind for row in ordered] == ["promote", "keep", "keep", "keep"]
    assert [outcome(row) for row in in_force(STRICT, "reversed", settings)] == [outcome(row) for row in ordered]


def check_cohorts(rows: list[Decision]) -> None:
    """Every version on cohorts that lie after its training and have matured; later decisions know more of them."""
    assert rows[0].judged.cohorts == ()
    assert rows[0].judged.outlook is None
    trained = {row.challenger_version: row.trained_through for row in rows}
    for before, row in pairwise(rows):
        verdict = row.judged
        assert verdict.outlook is not None
        assert verdict.outlook.cohorts == len({c.end for r in rows if r.as_of <= row.as_of for c in r.judged.cohorts})
        assert all(verdict.holdout_start <= c.start < c.end <= verdict.holdout_end for c in verdict.cohorts)
        for member in [member for cohort in verdict.cohorts for member in cohort.members]:
            assert member.trained_through == trained[member.version] <= min(c.start for c in verdict.cohorts)
        assert row.challenger_version in versions(verdict.cohorts)
        assert {before.champion_after, before.challenger_version} <= versions(verdict.cohorts)


def versions(cohorts: tuple[CohortRecord, ...]) -> set[int | None]:
    return {member.version for cohort in cohorts for member in cohort.members}

"""What the page says of a model's health."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from support.page_cases import MODEL, decided, reigned
from titleholder.ledger.queries import DecisionRecord, LiveStatus
from titleholder_airflow.page import health
from titleholder_airflow.page.airflow import Approval, Run
from titleholder_airflow.page.health import HealthSign
from titleholder_airflow.page.mlflow import Aliases

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AGREED = Aliases({"tiny": 1})
APPROVAL = Approval("tiny.retrain", "manual__1", "approve", "May it?", NOW)


def standing(**what: object) -> LiveStatus:
    """Version 1 reigns; a decision of March kept it, or was as said."""
    row = decided(3, **what)
    return LiveStatus(reigned(1), row, row)


def found(**what: object) -> list[HealthSign]:
    facts = {
        "model": MODEL, "standing": standing(), "approvals": [], "run": None, "aliases": AGREED, "now": NOW
    } | what  # fmt: skip
    return health.findings(**facts)  # type: ignore[arg-type]


def labels(**what: object) -> list[str]:
    return [f"{f.tone} {f.label}" for f in found(**what)]


def test_a_model_in_order_has_only_good_findings() -> None:
    assert labels() == ["good alias agrees", "good floors hold", "good scores stable"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"stale": True}, ["none retired"]),
        ({"paused": True}, ["none retired"]),
        ({}, ["warn still switched on", "none retired"]),
    ],
)
def test_a_retired_model_needs_nothing_but_that_its_dag_is_off(change: dict[str, bool], expected: list[str]) -> None:
    last = decided(4, kind="withdraw", challenger_version=None, champion_after=None, asked_because="no product")
    retired = LiveStatus(None, last, decided(3))
    facts = {"model": MODEL._replace(**change), "standing": retired, "aliases": Aliases({})}
    assert labels(**facts) == expected
    assert any("no product" in sign.sentence for sign in found(**facts))
    assert labels(**{**facts, "aliases": Aliases({"tiny": 1})})[0] == "bad alias differs"


def test_no_champion_yet_is_neither_good_nor_bad() -> None:
    assert labels(standing=LiveStatus(None, None, None), aliases=Aliases({})) == ["none no champion"]


@pytest.mark.parametrize(
    ("what", "first"),
    [
        ({"model": MODEL._replace(stale=True)}, "bad no spec"),
        ({"model": MODEL._replace(paused=True)}, "warn switched off"),
        ({"model": MODEL._replace(next_run=NOW - timedelta(hours=2))}, "warn overdue"),
        ({"run": Run("tiny.retrain", "r1", "failed", NOW)}, "bad run failed"),
        ({"approvals": [APPROVAL]}, "open approval requested"),
        ({"aliases": Aliases({"tiny": 2})}, "bad alias differs"),
        ({"aliases": Aliases({})}, "bad alias differs"),
        ({"aliases": Aliases({}, "MLflow does not answer")}, "warn alias not compared"),
        ({"standing": standing(kind="retire")}, "bad retirement advised"),
        ({"standing": standing(warned=["TH402"])}, "warn scores moved"),
        ({"standing": standing(failed=["TH401"])}, "warn scores moved"),
        ({"standing": standing(failed=["TH205"])}, "bad below floors"),
    ],
)
def test_the_most_urgent_comes_first(what: dict[str, object], first: str) -> None:
    assert labels(**what)[0] == first


def test_a_finding_links_to_where_one_acts() -> None:
    (approval, *_) = found(approvals=[APPROVAL])
    assert approval.href == "/dags/tiny.retrain/runs/manual__1/tasks/approve/required_actions"
    (failed, *_) = found(run=Run("tiny.retrain", "scheduled__2026-01-01T00:00:00+00:00", "failed", NOW))
    assert failed.href == "/dags/tiny.retrain/runs/scheduled__2026-01-01T00%3A00%3A00%2B00%3A00"


def test_an_estimate_beyond_a_threshold_is_never_called_good() -> None:
    doubtful = standing(passed=["TH401"], beyond=["TH205", "TH402"])
    assert labels(standing=doubtful) == [
        "warn below floors, not shown", "warn scores moved, not shown", "good alias agrees"
    ]  # fmt: skip


def test_what_was_not_judged_is_not_called_good() -> None:
    assert labels(standing=standing(kind="reject", failed=["TH101"], passed=[])) == ["good alias agrees"]


def test_a_rejected_challenger_says_nothing_about_the_champions_scores_or_its_floors() -> None:
    rejected = standing(kind="reject", failed=["TH201"], warned=["TH402"], passed=["TH205"])
    assert labels(standing=rejected) == ["good alias agrees", "good floors hold"]


def test_a_recall_says_nothing_about_the_floors_of_the_recalled_version_nor_about_the_champion_before() -> None:
    recalled = standing(kind="recall", champion_before=2, judged_against=2, failed=["TH205"], warned=["TH402"])
    assert labels(standing=recalled) == ["good alias agrees", "good scores stable"]
    drifted = standing(kind="recall", champion_before=2, judged_against=2, warned=["TH401"])
    assert labels(standing=drifted) == ["warn scores moved", "good alias agrees"]


def test_the_first_champion_held_its_own_floors() -> None:
    crowned = decided(1, kind="promote", passed=["TH201"])
    assert "good floors hold" in labels(standing=LiveStatus(reigned(1), crowned, crowned))


def test_what_was_found_of_a_champion_is_not_said_of_the_one_that_came_back() -> None:
    judged: DecisionRecord = decided(3, champion_after=2, failed=["TH205"])
    rolled = decided(4, kind="rollback", champion_after=1, failed=None, passed=None, warned=None)
    assert labels(standing=LiveStatus(reigned(1), rolled, judged)) == ["good alias agrees"]


def test_a_run_that_goes_on_or_is_due_this_hour_is_no_trouble() -> None:
    assert labels(run=Run("tiny.retrain", "r1", "running", NOW)) == labels()
    assert labels(model=MODEL._replace(next_run=NOW - timedelta(minutes=5))) == labels()


def test_an_approval_names_who_may_answer() -> None:
    """Airflow shows its buttons to everybody."""
    people = [{"id": "3", "name": "ana"}, {"id": "ben", "name": "ben"}]
    (asked, *_) = found(approvals=[APPROVAL._replace(assigned=people)])
    assert asked.sentence == "A change of champion waits for approval by ana, ben; no answer means no."
    (open_to_all, *_) = found(approvals=[APPROVAL])
    assert open_to_all.sentence == "A change of champion waits for approval; no answer means no."


def test_several_approvals_are_counted() -> None:
    assert found(approvals=[APPROVAL, APPROVAL])[0].sentence.startswith("2 changes of champion wait")


def test_a_champion_that_fails_by_itself_needs_attention_also_after_a_rollback_to_it() -> None:
    kept = standing(champion_failed=["TH203"])
    assert labels(standing=kept)[0] == "bad champion fails"
    (sign,) = [sign for sign in found(standing=kept) if sign.label == "champion fails"]
    assert sign.sentence == (
        "The champion itself fails TH203 as of 2025-03-01: a challenger like it would be rejected."
    )
    replaced = decided(3, kind="promote", champion_after=3, champion_failed=["TH203"])
    assert "bad champion fails" in labels(standing=LiveStatus(reigned(1), replaced, replaced)), "rolled back since"
    now = LiveStatus(reigned(3), replaced, replaced)
    assert "bad champion fails" not in labels(standing=now, aliases=Aliases({"tiny": 3}))


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ({}, ("good", "in order", "in order", [])),
        ({"standing": standing(failed=["TH205"], warned=["TH402"])}, ("bad", "needs action", "below floors", ["scores moved"])),
        ({"approvals": [APPROVAL]}, ("open", "needs an answer", "approval requested", [])),
        ({"model": MODEL._replace(paused=True)}, ("warn", "watch", "switched off", [])),
        ({"more": [HealthSign("none", "too little to say", "Wait.")]}, ("good", "in order", "in order", ["too little to say"])),
        ({"standing": LiveStatus(None, None, None), "aliases": Aliases({})}, ("none", "no champion", "no champion", [])),
    ],
)  # fmt: skip
def test_the_state_is_one_word_and_its_reason_the_most_urgent_sign(what: dict, expected: tuple) -> None:
    state = health.state(found(**what))
    assert (state.tone, state.word, state.reason.label, [sign.label for sign in state.others]) == expected


def test_trouble_of_scoring_is_a_sign_of_the_model_by_its_urgency() -> None:
    failed = HealthSign("bad", "scoring failed", "It failed.")
    assert labels(more=[failed], model=MODEL._replace(paused=True))[:2] == ["bad scoring failed", "warn switched off"]

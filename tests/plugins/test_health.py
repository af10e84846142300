"""What the page says of a model's health."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from page_cases import MODEL, decided, reigned

from lifecycle_ui import health
from lifecycle_ui.evidence import Aliases
from lifecycle_ui.facts import Question, Run
from titleholder.chronicle import Standing

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WELL = Standing(reigned(1), decided(3))
AGREED = Aliases({"tiny": 1})
ASKED = Question("tiny.retrain", "r1", "approve", "May it?", NOW)


def labels(standing: Standing = WELL, **what: object) -> list[str]:
    facts = {"model": MODEL, "standing": standing, "asked": [], "run": None, "aliases": AGREED} | what
    return [f"{f.tone} {f.label}" for f in health.findings(**facts)]  # type: ignore[arg-type]


def test_a_model_without_a_trouble_is_well() -> None:
    assert labels() == ["good alias agrees", "good floors hold", "good stable"]


def test_nobody_reigns_yet() -> None:
    assert labels(Standing(None, None), aliases=Aliases({})) == ["good alias agrees"]


@pytest.mark.parametrize(
    ("what", "first"),
    [
        ({"model": MODEL._replace(stale=True)}, "bad no spec"),
        ({"model": MODEL._replace(paused=True)}, "warn switched off"),
        ({"run": Run("tiny.retrain", "r1", "failed", NOW)}, "bad run failed"),
        ({"asked": [ASKED]}, "open approval asked"),
        ({"aliases": Aliases({"tiny": 2})}, "bad alias differs"),
        ({"aliases": Aliases({})}, "bad alias differs"),
        ({"aliases": Aliases({}, "MLflow does not answer")}, "warn alias not compared"),
        ({"standing": Standing(reigned(1), decided(3, kind="retire"))}, "bad retirement advised"),
        ({"standing": Standing(reigned(1), decided(3, warned=["TH402"]))}, "warn drift"),
        ({"standing": Standing(reigned(1), decided(3, failed=["TH205"]))}, "bad below floors"),
    ],
)
def test_trouble_comes_first(what: dict[str, object], first: str) -> None:
    assert labels(**what)[0] == first  # type: ignore[arg-type]


def test_a_rejected_challenger_below_its_floors_says_nothing_about_the_champion() -> None:
    assert "good floors hold" in labels(Standing(reigned(1), decided(3, kind="reject", failed=["TH201"])))


def test_a_run_that_goes_on_is_no_trouble() -> None:
    assert labels(run=Run("tiny.retrain", "r1", "running", NOW)) == labels()


def test_several_questions_are_counted() -> None:
    found = health.findings(MODEL, WELL, [ASKED, ASKED], None, AGREED)
    assert found[0].sentence.startswith("2 challengers wait")


def test_age_is_in_calendar_months() -> None:
    assert health.age(date(2025, 11, 1), date(2026, 2, 1)) == 3
    assert health.age(date(2026, 2, 1), date(2026, 1, 31)) == 0

"""What the page says of scoring runs, and their chart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.page_cases import SCORING, all_scored, scored
from titleholder_airflow.page import scores
from titleholder_airflow.page.airflow import Run
from titleholder_airflow.page.axes import LEFT, RIGHT, WIDTH

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FAILED = Run("tiny.score", "scheduled__1", "failed", NOW)


def shown(**what: object) -> scores.Scores:
    facts = {
        "dag": SCORING, "run": None, "runs": [scored(2), scored(1)], "versions": [all_scored()], "champion": 1,
        "lane": "live", "now": NOW,
    } | what  # fmt: skip
    return scores.scores(**facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "state"),
    [
        ({}, "good scored"),
        ({"dag": None, "runs": []}, "none no scores yet"),
        ({"runs": []}, "none no scores yet"),
        ({"run": FAILED}, "bad scoring failed"),
        ({"dag": SCORING._replace(paused=True)}, "warn scoring switched off"),
        ({"dag": SCORING._replace(next_run=NOW - timedelta(hours=2))}, "warn scoring overdue"),
        ({"champion": 3}, "warn older version"),
        ({"runs": [scored(2, rows=0)]}, "warn no rows"),
        ({"run": FAILED, "lane": "backtest"}, "good scored"),
        ({"champion": 3, "lane": "backtest"}, "good scored"),
    ],
)
def test_the_state_is_a_word_and_one_sentence(what: dict[str, object], state: str) -> None:
    found = shown(**what).state
    assert f"{found.tone} {found.label}" == state
    assert found.sentence.endswith(".")


def test_a_failed_run_is_not_said_to_have_left_nothing_as_its_shadow_may_have_failed() -> None:
    assert shown(run=FAILED).state.sentence.endswith("failed; its red task says what to do.")


def test_without_scores_it_says_what_to_do() -> None:
    assert "Switch `tiny.score` on" in shown(runs=[]).state.sentence
    assert shown(runs=[]).state.href == "/dags/tiny.score"
    assert "no section `scoring`" in shown(dag=None, runs=[]).state.sentence


def test_challengers_that_score_beside_the_champion_are_not_counted_as_its_runs() -> None:
    found = shown(versions=[all_scored(2), all_scored(1, runs=3, rows=30), all_scored(4, role="challenger")])
    assert (found.total_runs, found.total_rows) == (13, 10_580)


def test_the_oldest_run_is_left_and_another_version_is_marked() -> None:
    drawn = shown(runs=[scored(3, version=2), scored(2), scored(1)]).chart
    assert drawn is not None
    assert [(bar.run.as_of.day, bar.changed) for bar in drawn.bars] == [(1, False), (2, False), (3, True)]


def test_runs_without_a_row_have_no_chart() -> None:
    assert shown(runs=[scored(1, rows=0)]).chart is None


@given(st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=scores.SHOWN))
def test_every_bar_is_inside_the_chart(rows: list[int]) -> None:
    drawn = scores.rows([scored(1, rows=n) for n in rows])
    assert (drawn is None) == (max(rows) == 0)
    for bar in drawn.bars if drawn else ():
        assert LEFT <= bar.x <= bar.x + bar.width <= WIDTH - RIGHT + 0.1
        assert scores.TOP - 0.1 <= bar.y <= bar.y + bar.height <= scores.HEIGHT - scores.BOTTOM + 0.1

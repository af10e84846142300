"""Where to look further when there is nothing to show."""

from __future__ import annotations

from datetime import date

from support.factories import a_score_run
from titleholder.cli import hints

RUNS = [a_score_run(1, lane="live", as_of=date(2026, 3, 1)), a_score_run(2, lane="live", as_of=date(2026, 4, 1))]


def test_without_scores_the_command_that_makes_some_is_named() -> None:
    assert hints.unscored("loans", "", []) == (
        "loans: nothing was scored yet. `titleholder score loans --as-of DATE` does it, "
        "if the spec has a section scoring (docs/batch-scoring.md)."
    )


def test_a_lane_without_scores_is_named_with_those_that_have_some() -> None:
    said = "loans: nothing was scored in lane bakctest yet. Lanes with scores: live."
    assert hints.unscored("loans", "bakctest", RUNS).startswith(said)
    assert hints.unwatched("loans", "bakctest", "", RUNS).startswith(said)


def test_scores_without_a_look_have_the_command_that_takes_one() -> None:
    assert hints.unwatched("loans", "live", "", RUNS) == (
        "loans, lane live: no look was taken at its 2 scoring runs yet. "
        "`titleholder monitor loans --lane live --as-of 2026-04-01` takes one."
    )


def test_a_date_before_all_scores_is_held_against_the_first() -> None:
    said = hints.unwatched("loans", "live", "2026-02-01", RUNS)
    assert said == "loans, lane live: nothing was scored until 2026-02-01; the first scoring run is as of 2026-03-01."


def test_lane_live_scores_no_past_and_the_command_that_does_is_named() -> None:
    day = date(2026, 2, 1)
    said = (
        "Lane live goes by the clock: nobody was champion on that day. "
        "Other lanes go by as-of dates, and score the past: "
    )
    lanes = ["dev", "backtest", "live"]
    assert hints.by_the_clock("loans", day, lanes) == (
        f"{said}`titleholder score loans --as-of 2026-02-01 --lane backtest`."
    )
    assert hints.by_the_clock("loans", day, ["live"]) == (
        f"{said}`titleholder run loans --as-of 2026-02-01 --lane backtest` makes one."
    )

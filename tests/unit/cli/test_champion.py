"""`titleholder champion`: by the clock, by as-of date, what the champion fails by itself, and why there is none."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from support.factories import REIGN, a_decision, a_rollback, a_spec, a_verdict, result
from titleholder.cli.main import app
from titleholder.errors import UsageError


def asked(*options: str) -> Result:
    return CliRunner().invoke(app, ["champion", "small", *options], catch_exceptions=False)


def said(*options: str) -> str:
    return " ".join(asked(*options).stdout.split())


@pytest.mark.parametrize("as_json", [False, True])
def test_of_a_refitted_champion_both_windows_are_named(history: Any, as_json: bool) -> None:
    """After a rollback too, which has no windows of its own."""
    refit = {"spec": a_spec(windows__refit="all_matured").model_dump(mode="json")}
    rows = [a_decision(1, **refit), a_decision(2, champion_before=1, **refit), a_rollback(3, 2, 1, **refit)]
    history(*rows)
    if as_json:
        champion = json.loads(asked("--json").stdout)["champion"]
        assert (champion["version"], champion["refitted_through"]) == (1, str(rows[0].windows.matured))
    else:
        expected = f"refitted on rows before {rows[0].windows.matured}; judged before the refit, trained on rows before"
        assert f"{expected} {rows[0].trained_through}" in said()


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (
            "2024-02-01",
            "no champion in lane live on 2024-02-01; no decision up to then made one. "
            "The newest is decision 102 as of 2024-02-01 (reject): TH101 failed.",
        ),
        ("2023-12-31", "no champion in lane live on 2023-12-31; the first live decision is of 2024-01-01"),
    ],
)
def test_where_nothing_became_champion_the_newest_decision_says_why(history: Any, day: str, expected: str) -> None:
    """The first decision was named, as if it had made a champion."""
    none = {"kind": "reject", "champion_before": None, "champion_after": None}
    history(a_decision(1, **none), a_decision(2, **none, reason="TH101 failed. And so on."))
    assert said("--on", day) == f"small: {expected}"


def test_a_date_before_the_clock_of_the_first_decision_is_answered_with_the_other_way_to_ask(history: Any) -> None:
    """As of 2021 there were champions, all decided on one day of 2026: the answer was `no champion`."""
    today = datetime(2026, 11, 27, 4, 30, tzinfo=UTC)
    history(*(a_decision(n, champion_before=n - 1 or None, created_at=today) for n in (1, 2, 3)))
    assert said("--on", "2024-02-10") == (
        "small: no champion in lane live on 2024-02-10. --on uses the clock, by which the lane has had a champion "
        "since 2026-11-27 04:30 UTC (decision 101, as of 2024-01-01). By as-of date: "
        "`titleholder champion small --as-of 2024-02-10`"
    )
    assert said("--as-of", "2024-02-10").startswith("small: version 2 (as of 2024-02-01,")
    assert said("--as-of", "2023-02-10") == "small: no champion in lane live as of 2023-02-10"
    with pytest.raises(UsageError, match="not both"):
        asked("--on", "2024-02-10", "--as-of", "2024-02-10")


def test_what_the_champion_fails_by_itself_is_said_until_another_one_comes(history: Any) -> None:
    """Its card said it, and nothing else did."""
    off = result("TH203", "fail", explanation="Observed over expected 1.93.")
    reign = REIGN.model_copy(update={"version": 1})
    verdict = a_verdict(champion=reign, champion_failed=(off,))
    kept = a_decision(2, kind="keep", champion_before=1, champion_after=1, verdict=verdict)
    history(a_decision(1, verdict=a_verdict(champion=None)), kept)
    line = (
        "Decision 102, as of 2024-02-01: The champion of that time, version 1, itself fails TH203 (TH203): "
        "Observed over expected 1.93."
    )
    assert line in asked().stderr.splitlines()
    assert [check["code"] for check in json.loads(asked("--json").stdout)["fails"]] == ["TH203"]
    history(a_decision(1, verdict=a_verdict(champion=None)), kept, a_decision(3, champion_before=1, verdict=verdict))
    assert "itself fails" not in asked().stderr, "version 3 is champion"
    assert json.loads(asked("--json").stdout)["fails"] == []
    history(
        a_decision(1, verdict=a_verdict(champion=None)), kept, a_decision(3, champion_before=1, verdict=verdict),
        a_rollback(4, 3, 1),
    )  # fmt: skip
    assert "Decision 103, as of 2024-03-01: The champion of that time, version 1, itself fails" in asked().stderr


def test_a_day_without_a_decision_has_the_champion_of_the_day_before(history: Any) -> None:
    history(a_decision(1), a_decision(2, champion_before=1))
    days = [date(2024, 1, 15), date(2024, 2, 1), date(2025, 1, 1)]
    assert [json.loads(asked("--json", "--on", str(day)).stdout)["champion"]["version"] for day in days] == [1, 2, 2]

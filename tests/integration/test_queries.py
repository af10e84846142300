"""What the page asks the ledger, on real PostgreSQL: the same as the rows themselves have."""

from __future__ import annotations

import re
import time
from datetime import date

import pytest
from sqlalchemy import event, text

from support.rows import append, entry
from titleholder.errors import ServiceError
from titleholder.ledger import database, queries, reigns, store
from titleholder.ledger.decision import Answer, Entry
from titleholder.settings import Settings
from titleholder.validation.checks.base import Result
from titleholder.validation.metrics import Gain, Interval
from titleholder.validation.verdict import Reign, Verdict

pytestmark = pytest.mark.slow
JANUARY, FEBRUARY, MARCH = date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)


def result(code: str, status: str, severity: str = "block", **numbers: float) -> Result:
    return Result(code=code, title=code, severity=severity, status=status, numbers=numbers, explanation="so")


def judged(made: Entry, **what: object) -> Entry:
    """The same entry with more in its verdict."""
    assert made.verdict is not None
    return made.model_copy(update={"verdict": made.verdict.model_copy(update=what)})


def test_a_decision_comes_without_its_verdict(settings: Settings) -> None:
    reign = Reign(version=1, as_of=JANUARY, trained_through=JANUARY)
    made = judged(
        entry("narrowed", FEBRUARY, "keep", 2, before=1),
        champion=reign,
        metric="roc_auc",
        challenger_metrics={"roc_auc": 0.7},
        champion_metrics={"roc_auc": 0.6},
        challenger_interval=Interval(0.7, 0.65, 0.75),
        champion_interval=Interval(0.6, 0.55, 0.65),
        gain=Gain(0.1, 0.05, 0.15, "delong", 0.02, 40.0),
        checks=(
            result("TH101", "pass"), result("TH301", "fail", expected=0.2, risk=0.03), result("TH402", "fail", "warn"),
            result("TH403", "not_applicable"), result("TH205", "beyond"),
        ),
    )  # fmt: skip
    approval = Answer(asked=("ann",), answer="approve", by="ann")
    append(settings, entry("narrowed", JANUARY))
    row = append(settings, made.model_copy(update={"approval": approval}))
    (_, found) = queries.decisions(settings.ledger_url, "paper", "narrowed")
    for name in ("id", "model", "lane", "sequence", "as_of", "kind", "challenger_version", "champion_before",
                 "champion_after", "created_at", "actor", "reason", "asked_because", "caused_by"):  # fmt: skip
        assert getattr(found, name) == getattr(row, name)
    assert (found.metric, found.challenger_metric, found.champion_metric) == ("roc_auc", 0.7, 0.6)
    assert (found.challenger_lower, found.challenger_upper) == (0.65, 0.75)
    assert (found.champion_lower, found.champion_upper) == (0.55, 0.65)
    assert (found.gain, found.gain_lower, found.gain_upper) == (0.1, 0.05, 0.15)
    assert (found.rule, found.expected_gain, found.loss_risk, found.reign_gain) == ("fresh", 0.2, 0.03, None)
    assert found.schedule == row.spec.get("schedule")
    assert found.beyond == ["TH205"]
    assert (found.passed, found.failed, found.warned, found.judged_against) == (["TH101"], ["TH301"], ["TH402"], 1)
    assert (found.approved_by, found.in_force, found.changed) == ("ann", True, False)


def test_no_answer_about_a_lane_reads_its_verdicts(settings: Settings) -> None:
    """A verdict has some 23,000 characters: of 10,000 decisions the page was given up, and a run read for half a minute."""
    url, asked = settings.ledger_url, []
    append(settings, entry("unread", JANUARY, "promote", 1))
    used = [database.engine(url), database.engine(url, short=True)]

    def note(_: object, __: object, statement: str, *___: object) -> None:
        asked.append(statement)

    for engine in used:
        event.listen(engine, "before_cursor_execute", note)
    try:
        assert queries.decisions(url, "paper", "unread")
        assert queries.reigns(url, "paper", "unread")
        assert store.read_lane(url, "paper", "unread")
    finally:
        for engine in used:
            event.remove(engine, "before_cursor_execute", note)
    lanes = [re.sub(r"%\(\w+\)s", "'x'", s) for s in asked if "titleholder." in s]
    with used[0].connect() as connection:
        plans = ["\n".join(connection.scalars(text(f"EXPLAIN (VERBOSE) {lane}"))) for lane in lanes]
    assert len(plans) == 3
    assert not [plan for plan in plans if "verdict" in plan]


def test_what_is_in_force_is_what_reigns_says(settings: Settings) -> None:
    for as_of, version, before in ((JANUARY, 1, None), (MARCH, 3, 1), (FEBRUARY, 2, 1), (MARCH, 4, 2)):
        append(settings, entry("folded", as_of, version=version, before=before))
    rows = store.read(settings.ledger_url, "paper", "folded")
    found = queries.decisions(settings.ledger_url, "paper", "folded")
    assert [d.id for d in found] == [r.id for r in rows]
    assert {d.id for d in found if d.in_force} == {r.id for r in reigns.in_force(rows, "folded")}
    assert [r.version for r in queries.reigns(settings.ledger_url, "paper", "folded")] == [1, 2, 4]


def named(model: str, made: Entry) -> Entry:
    return made.model_copy(update={"model": model})


def test_where_each_model_stands_in_one_look(settings: Settings) -> None:
    append(settings, named("crowned", entry("live", JANUARY, version=1)))
    last = append(settings, named("crowned", entry("live", FEBRUARY, "keep", 2, before=1)))
    append(settings, named("crowned", entry("backtest", MARCH, version=3)))
    rejected = append(settings, named("waiting", entry("live", JANUARY, "reject", 1)))
    found = queries.live_status(settings.ledger_url, ["crowned", "waiting", "unheard_of"])
    crowned = found["crowned"]
    assert crowned.champion is not None
    assert crowned.last is not None
    assert (crowned.champion.version, crowned.last.id) == (1, last.id)
    assert found["waiting"].champion is None
    assert found["waiting"].last is not None
    assert found["waiting"].last.id == rejected.id
    assert found["waiting"].judged == found["waiting"].last
    assert found["unheard_of"] == queries.LiveStatus(None, None, None)


def test_an_older_month_that_came_late_and_a_rollback_judge_nothing_newer(settings: Settings) -> None:
    append(settings, named("late", entry("live", JANUARY, version=1)))
    newest = append(settings, named("late", entry("live", MARCH, version=2, before=1)))
    older = append(settings, named("late", entry("live", FEBRUARY, "keep", 3, before=2)))
    found = queries.live_status(settings.ledger_url, ["late"])["late"]
    assert found.last is not None
    assert found.judged is not None
    assert (found.last.id, found.judged.id) == (older.id, newest.id)
    back = entry("live", date(2024, 4, 1)).model_copy(
        update={
            **dict.fromkeys(("challenger_version", "verdict", "spans")),
            "kind": "rollback",
            "champion_before": 2,
            "champion_after": 1,
        }
    )
    rolled = append(settings, named("late", back))
    found = queries.live_status(settings.ledger_url, ["late"])["late"]
    assert found.champion is not None
    assert found.last is not None
    assert found.judged is not None
    assert (found.champion.version, found.last.id, found.judged.id) == (1, rolled.id, newest.id)
    assert (found.champion.kind, found.champion.as_of) == ("rollback", JANUARY), "the champion is as old as it was"


def test_lanes_are_counted_live_first(settings: Settings) -> None:
    for lane in ("backtest", "live", "what-if"):
        append(settings, named("laned", entry(lane, JANUARY)))
    for _ in range(2):
        append(settings, named("laned", entry("backtest", MARCH, version=2, before=1)))
    found = queries.lanes(settings.ledger_url, "laned")
    assert [lane[:5] for lane in found] == [
        ("live", 1, 1, JANUARY, JANUARY), ("backtest", 3, 2, JANUARY, MARCH), ("what-if", 1, 1, JANUARY, JANUARY),
    ]  # fmt: skip
    assert found[1].written > found[2].written > found[0].written


def test_beside_a_decision_stand_those_written_before_and_after_it(settings: Settings) -> None:
    first = append(settings, entry("beside", JANUARY, version=1))
    second = append(settings, entry("beside", FEBRUARY, version=2, before=1))
    append(settings, entry("elsewhere", JANUARY))
    third = append(settings, entry("beside", MARCH, version=3, before=2))
    found = [queries.neighbours(settings.ledger_url, "paper", "beside", row.sequence) for row in (first, second, third)]
    assert found == [(None, second.id), (first.id, third.id), (second.id, None)]


def test_a_whole_row_or_none(settings: Settings) -> None:
    row = append(settings, entry("whole"))
    found = queries.decision(settings.ledger_url, row.id, ["paper"])
    assert found is not None
    assert found["hash"] == row.hash
    assert Verdict.model_validate(found["verdict"]) == row.verdict
    assert queries.decision(settings.ledger_url, 10**12, ["paper"]) is None
    assert queries.decision(settings.ledger_url, row.id, ["another"]) is None


def test_a_ledger_that_is_away_is_given_up_soon(settings: Settings) -> None:
    nowhere = settings.ledger_url.rpartition("@")[0] + "@127.0.0.1:9/titleholder"
    began = time.monotonic()
    with pytest.raises(ServiceError, match="does not answer"):
        queries.live_status(nowhere, ["crowned"])
    assert time.monotonic() - began < 10

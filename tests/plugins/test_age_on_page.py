"""What the page says of the cost of age: the advice of a backtest, read once, verified and drawn."""

from __future__ import annotations

import copy
import json
from hashlib import sha256
from typing import Any

import pytest

from support.page_cases import an_advice
from titleholder.ledger.reports import Report
from titleholder.workflow.advise import Advice
from titleholder_airflow.page import ageing, facts, mlflow
from titleholder_airflow.page.ageing import AgeAdvice
from titleholder_airflow.page.axes import LEFT, RIGHT, WIDTH

ASKED: list[str] = []


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    ASKED.clear()
    ageing._kept.clear()
    ageing._failed.clear()


def written(content: bytes, monkeypatch: pytest.MonkeyPatch, *, answer: bytes | Exception | None = None) -> Report:
    """The ledger's record of a file, and MLflow's answer to whoever asks for it."""

    def artifact(run_id: str, path: str, timeout: float) -> bytes:
        ASKED.append(path)
        if isinstance(answer, Exception):
            raise answer
        return content if answer is None else answer

    monkeypatch.setattr(mlflow, "artifact", artifact)
    return Report("backtest", None, "r1", "age-advice.json", frozenset({sha256(content).hexdigest()}))


def as_read(**what: Any) -> AgeAdvice:
    return AgeAdvice.model_validate(an_advice(**what))


def aged(**what: Any) -> AgeAdvice:
    """An advice with another `ageing`."""
    whole = an_advice()
    return AgeAdvice.model_validate(whole | {"ageing": whole["ageing"] | what.pop("ageing", {})} | what)


def test_what_a_backtest_writes_is_what_the_page_reads() -> None:
    """The page has classes of its own, which import nothing scientific."""
    whole = Advice.model_validate(an_advice())
    read = AgeAdvice.model_validate_json(whole.model_dump_json())
    known = json.loads(whole.model_dump_json())
    for name, value in json.loads(read.model_dump_json()).items():
        if name != "ageing":
            assert value == known[name]
    assert [p.estimate for p in read.ageing.metric.curve] == [p.estimate for p in whole.ageing.metric.curve]  # type: ignore[union-attr]


def test_it_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    known = written(json.dumps(an_advice()).encode(), monkeypatch)
    first, second = (ageing.age("tiny", "backtest", known) for _ in range(2))
    assert first.advice is second.advice is not None
    assert ASKED == ["age-advice.json"]


def test_a_service_that_is_down_is_not_asked_by_every_page(monkeypatch: pytest.MonkeyPatch) -> None:
    known = written(b"{}", monkeypatch, answer=mlflow.UnavailableError("MLflow does not answer"))
    for _ in range(3):
        found = ageing.age("tiny", "backtest", known)
        assert (found.state.tone, found.advice, found.curve) == ("warn", None, None)
        assert "MLflow does not answer" in found.state.sentence
    assert len(ASKED) == 1


def poisons() -> dict[str, bytes]:
    """Files with a SHA-256 that the ledger has, which this version cannot have written."""
    found: dict[str, bytes] = {"nothing": b"", "no text": b"\xff\x00", "deep": b"[" * 100_000, "null": b"null"}
    changes: dict[str, tuple[tuple[str, ...], Any]] = {
        "text for a number": (("ageing", "tolerated"), "<script>alert(1)</script>"),
        "not a number": (("ageing", "metric", "month", "upper"), float("nan")),
        "infinite": (("ageing", "metric", "curve"), [{"estimate": float("inf"), "lower": 0, "upper": 1, "above": 0, "through": 1}]),
        "huge": (("ageing", "metric", "curve"), an_advice()["ageing"]["metric"]["curve"] * 1000),
        "long": (("sentence",), "x" * 10**6),
        "no date": (("labels_as_of",), "soon"),
        "certain": (("confidence",), 1.0),
        "a list": (("ageing",), []),
    }  # fmt: skip
    for name, (path, value) in changes.items():
        whole = copy.deepcopy(an_advice())
        part = whole
        for step in path[:-1]:
            part = part[step]
        part[path[-1]] = value
        found[name] = json.dumps(whole).encode()
    return found


@pytest.mark.parametrize("which", list(poisons()))
def test_a_poisoned_advice_is_not_shown_and_is_no_error(which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ageing.age("tiny", "backtest", written(poisons()[which], monkeypatch))
    assert (found.state.tone, found.advice, found.curve) == ("warn", None, None)
    assert "run it again" in found.state.sentence


def test_a_file_that_was_changed_in_mlflow_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    known = written(b"{}", monkeypatch, answer=json.dumps(an_advice()).encode())
    assert "its SHA-256 is not in the ledger" in ageing.age("tiny", "backtest", known).state.sentence


@pytest.mark.parametrize("schedule", ["@daily", "0 6 * * 1", "not a cron", "", None])
def test_any_schedule_has_a_unit(schedule: str | None) -> None:
    drawn = ageing.curve(aged(schedule=schedule))
    assert drawn is not None
    assert drawn.unit == {"@daily": "day", "0 6 * * 1": "week"}.get(schedule or "", "month")
    assert drawn.points[0].ages.endswith(f"{drawn.unit}s")


def test_without_a_backtest_it_says_how_to_get_one() -> None:
    found = ageing.age("tiny", "backtest", None)
    assert "`titleholder backtest tiny`" in found.state.sentence
    assert "`titleholder backtest tiny --lane what-if`" in ageing.age("tiny", "what-if", None).state.sentence


@pytest.mark.parametrize(
    ("found", "state", "sentence"),
    [
        (as_read(), "good retrain monthly", "A cost of age is shown, and less often could lose more than is tolerated."),
        (as_read(retrain="yearly"), "good retrain yearly", "A cost of age is shown, yet retraining as seldom as this loses no more than is tolerated."),
        (as_read(cost=0.0, retrain="yearly"), "good retrain yearly", "No cost of age is shown, and retraining as seldom as this loses no more than is tolerated."),
        (as_read(cost=0.0), "good retrain monthly", "No cost of age is shown, yet less often could lose more than is tolerated."),
        (as_read(cost=-0.01, retrain=None), "warn newer is worse", "Newer versions did worse: find out why before retraining more."),
        (aged(ageing={"worth": []}, retrain=None), "none no advice", "The ages compared tell of no other frequency of retraining."),
        (aged(ageing={"metric": None, "more": 3}, earliest="2026-05-01"), "none not known yet", "It takes 3 months more with final outcomes. Their outcomes are final on 2026-05-01."),
        (aged(ageing={"metric": None}), "none not known yet", "It takes versions of different ages on the same rows."),
    ],
)  # fmt: skip
def test_the_state_is_a_word_and_one_reason(found: AgeAdvice, state: str, sentence: str) -> None:
    sign = ageing.state(found)
    assert (f"{sign.tone} {sign.label}", sign.sentence) == (state, sentence)


@pytest.mark.parametrize("cost", [-0.5, -1e-7, 0.0, 1e-9, 0.003, 1e6])
def test_the_curve_is_inside_its_chart(cost: float) -> None:
    drawn = ageing.curve(as_read(cost=cost))
    assert drawn is not None
    heights = [y for point in drawn.points for y in (point.y, point.lower, point.upper)]
    for y in (*heights, drawn.zero, *([drawn.tolerated] if drawn.tolerated is not None else [])):
        assert ageing.TOP - 0.1 <= y <= ageing.HEIGHT - ageing.BOTTOM + 0.1
    assert all(LEFT <= point.x <= WIDTH - RIGHT for point in drawn.points)
    assert all(point.upper <= point.y <= point.lower for point in drawn.points)


def test_a_curve_without_points_is_not_drawn() -> None:
    assert ageing.curve(aged(ageing={"metric": None})) is None
    cost = an_advice()["ageing"]["metric"] | {"curve": []}
    assert ageing.curve(aged(ageing={"metric": cost})) is None


@pytest.mark.parametrize(
    ("lane", "with_report", "tested"),
    [
        ("live", {"backtest", "live"}, "backtest"),
        ("live", {"live"}, "live"),
        ("live", set(), "backtest"),
        ("what-if", {"backtest", "live"}, "what-if"),
    ],
)
def test_the_page_of_the_live_lane_shows_its_own_backtest_where_no_backfill_has_one(
    monkeypatch: pytest.MonkeyPatch, lane: str, with_report: set[str], tested: str
) -> None:
    known = Report("", None, "r1", "backtest.html", frozenset())
    monkeypatch.setattr(
        facts.reports, "newest_backtest", lambda _url, _model, of, _file: known if of in with_report else None
    )
    assert facts.tested_lane("", "loans", lane) == tested

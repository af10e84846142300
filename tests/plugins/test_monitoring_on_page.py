"""What the page says of a monitor's looks, and their charts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.page_cases import WATCHING, a_feature, a_former, a_look, a_report, drift_looks
from titleholder.validation.monitoring.report import MonitorReport
from titleholder_airflow.page import drift_charts, monitoring, promise_chart
from titleholder_airflow.page.airflow import Run

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


def shown(**what: Any) -> monitoring.Monitoring:
    report = a_report()
    facts = {
        "dag": WATCHING, "run": None, "look": a_look(report), "earlier": drift_looks(report), "champion": 1,
        "lane": "live", "now": NOW,
    } | what  # fmt: skip
    return monitoring.monitoring(**facts)


def multiples(*features: dict[str, Any], **spec: Any) -> list[drift_charts.Multiple]:
    whole = a_report()
    report = MonitorReport.model_validate(whole | {"drift": whole["drift"] | {"features": features}})
    assert report.drift is not None
    return drift_charts.multiples(report.drift, [], {"minimum_psi": 0.1} | spec)


@pytest.mark.parametrize(
    ("what", "state"),
    [
        ({}, "good no alarm"),
        ({"look": None}, "none not watched"),
        ({"look": None, "dag": None}, "none not watched"),
        ({"look": a_look(a_report("alarm"))}, "warn drift alarm"),
        ({"look": a_look(None, state="alarm", alarms=["performance"])}, "bad performance alarm"),
        ({"look": a_look(a_report("waiting"))}, "none too little to say"),
        ({"look": a_look(a_report("waiting"), without_outcomes=True)}, "warn no outcomes to judge"),
        ({"look": a_look(a_report("alarm"), without_outcomes=True)}, "warn drift alarm"),
        ({"champion": 7}, "none not watched yet"),
        ({"champion": 7, "lane": "backtest"}, "good no alarm"),
        ({"run": Run("tiny.monitor", "r", "failed", NOW)}, "bad monitoring failed"),
        ({"dag": WATCHING._replace(paused=True)}, "warn monitoring switched off"),
    ],
)
def test_the_state_is_a_word_and_one_sentence(what: dict[str, Any], state: str) -> None:
    found = shown(**what).state
    assert f"{found.tone} {found.label}" == state
    assert found.sentence.endswith(".")


def test_an_alarm_names_three_features_and_counts_the_others() -> None:
    names = ["a", "b", "c", "d", "e"]
    (drift,) = monitoring.standing(a_look(None, state="alarm", alarms=names), 1)
    assert "judged on: a, b, c and 2 more" in drift.sentence
    (both,) = monitoring.standing(a_look(None, state="alarm", alarms=["performance", "a"]), 1)
    assert both.sentence.startswith("More is missing of what the champion promised than is tolerated")
    assert both.sentence.endswith("not distributed as the rows that the champion was judged on: a.")


def test_the_budget_is_that_of_drift_and_performance_together() -> None:
    assert shown().budget == pytest.approx(0.05)
    assert shown(look=a_look(a_report(promise=None))).budget == pytest.approx(0.025)
    assert shown(look=a_look(a_report(promise=None, drift=None))).budget is None


@pytest.mark.parametrize(
    ("promise", "label"),
    [({"broken": True}, "promise broken"), ({"cohorts": 0}, "no outcomes yet"), ({}, "promise holds")],
)
def test_the_promise_is_broken_held_or_not_to_be_judged_yet(promise: dict[str, Any], label: str) -> None:
    whole = a_report()
    found = shown(look=a_look(whole | {"promise": whole["promise"] | promise})).promise
    assert found is not None
    assert found.label == label


def test_a_former_champion_has_its_promise_and_gain_in_words_and_raises_no_alarm() -> None:
    found = shown(look=a_look(a_report(former=[a_former(4), a_former(5, promise=None, review=None)])))
    assert found.state.label == "no alarm"
    newest, oldest = found.former
    assert (newest.reign.version, newest.promise.label, newest.review) == (5, "nothing promised", None)
    assert oldest.review is not None
    assert [(one.tone, one.label) for one in (oldest.promise, oldest.review)] == [
        ("warn", "promise broken"), ("warn", "gain did not come true")
    ]  # fmt: skip
    assert oldest.reign.realised == pytest.approx((900 * 0.69 + 300 * 0.61) / 1200)


def test_changed_features_come_first_then_the_largest() -> None:
    drawn = multiples(a_feature("small", 0.01), a_feature("large", 0.5), a_feature("changed", 0.2, drifted=True))
    assert [one.feature.name for one in drawn] == ["changed", "large", "small"]


def test_all_multiples_have_one_scale() -> None:
    large, small = multiples(a_feature("large", 1.0), a_feature("small", 0.0))
    assert large.limit == small.limit
    assert large.last is not None
    assert small.last is not None
    assert (large.last[1], small.last[1]) == (drift_charts.TOP, drift_charts.MIDDLE)


def test_a_look_without_the_feature_leaves_a_gap_in_its_line() -> None:
    report = a_report()
    earlier = drift_looks(report, 4)
    earlier[1].psi.pop("income")
    drawn = {one.feature.name: len(one.points.split()) for one in shown(earlier=earlier).features}
    assert drawn == {"income": 3, "home": 4, "score": 4}


@given(st.lists(NUMBERS, min_size=1, max_size=6), st.lists(st.integers(-5, 10**12), min_size=5, max_size=5), NUMBERS)
def test_every_multiple_is_inside_its_frame(psis: list[float], counts: list[int], limit: float) -> None:
    for one in multiples(*[a_feature(f"f{n}", psi, counts=counts) for n, psi in enumerate(psis)], minimum_psi=limit):
        for pair in one.points.split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= drift_charts.WIDTH
            assert drift_charts.TOP <= y <= drift_charts.MIDDLE
        for bar in one.bars:
            assert drift_charts.MIDDLE < bar.reference_y <= drift_charts.HEIGHT
            assert drift_charts.MIDDLE < bar.now_y <= drift_charts.HEIGHT


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=5), NUMBERS)
def test_everything_is_inside_the_promises_chart(spans: list[tuple[float, float, float]], promised: float) -> None:
    whole = a_report()
    cohorts = [
        whole["cohorts"][0] | {"realised": dict(zip(("estimate", "lower", "upper"), span, strict=True))}
        for span in spans
    ]
    promise = whole["promise"] | {"promised": {"estimate": promised, "lower": None, "upper": None}}
    report = MonitorReport.model_validate(whole | {"cohorts": cohorts, "promise": promise})
    assert report.promise is not None
    drawn = promise_chart.promise_chart(report.promise, report.cohorts)
    for point in [*drawn.realised, *drawn.estimated] if drawn else ():
        for y in (point.y, point.lower, point.upper):
            assert y is None or promise_chart.TOP - 0.1 <= y <= promise_chart.HEIGHT - promise_chart.BOTTOM + 0.1

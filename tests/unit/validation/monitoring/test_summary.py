"""The state, the reason, the remarks and the alarms of a look, in words; and the volume that was to be expected."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from titleholder.formatting import MINUS
from titleholder.validation.monitoring import summary
from titleholder.validation.monitoring.look import History, Limits, NewRows, ReferenceFeature, level, look
from titleholder.validation.monitoring.report import (
    Alarm,
    BinNames,
    Drift,
    MonitorReport,
    Promise,
    Span,
    Unavailable,
    Volume,
)
from titleholder.validation.monitoring.volume import expected

DAY = date(2024, 3, 1)
PROMISE = Promise(metric="roc_auc", decision=1, promised=Span(estimate=0.72), budget=0.025, tolerated=0.01)
BROKEN = PROMISE.model_copy(update={"cohorts": 3, "missing": 0.05, "least": 0.02, "broken": True})


def drift(moved: float = 0.0, unseen: dict[str, int] | None = None) -> Drift:
    rng = np.random.default_rng(1)
    features = [
        ReferenceFeature.of("home", "categorical", rng.choice(["rent", "own"], 2000).astype(object), rng),
        ReferenceFeature.of("score", "score", rng.uniform(size=2000), rng),
    ]
    home, score = rng.choice(["rent", "own"], 900).astype(object), rng.uniform(size=900) * (1 - moved)
    rows = [
        NewRows(tuple(features[0].places.counts(home).tolist()), unseen or {}),
        NewRows(tuple(features[1].places.counts(score).tolist()), {}),
    ]
    made = look(features, rows, History(), Limits(0.025, 1, 0.1), [1])
    return Drift(
        budget=0.025, level=level(made), looks=1, reference_rows=2000, reference_start=DAY, reference_end=DAY, features=made
    )  # fmt: skip


def stand(found: Drift | None, promise: Promise | None, before: tuple[Alarm, ...] = ()) -> tuple[Alarm, ...]:
    return summary.alarms(found, promise, before, as_of=DAY, in_a_row=1)


def test_performance_comes_first_and_an_alarm_keeps_its_date() -> None:
    found = stand(drift(0.5), BROKEN)
    assert [(a.name, a.kind, a.new, a.since) for a in found] == [
        ("performance", "performance", True, DAY), ("score", "score", True, DAY)
    ]  # fmt: skip
    assert found[0].sentence == (
        "ROC AUC falls short of what it was at promotion, 0.7200: at least 0.0200 is missing, and 0.0100 is tolerated."
    )
    assert found[1].sentence.startswith("The score has drifted: the share of ")
    old = found[1].model_copy(update={"since": date(2024, 1, 1), "new": True})
    (again,) = stand(drift(0.5), PROMISE, (old,))
    assert (again.since, again.new) == (date(2024, 1, 1), False)
    assert stand(drift(), PROMISE) == stand(None, None) == ()


def test_the_state_and_its_reason() -> None:
    def said(**parts: object) -> tuple[str, str]:
        report = MonitorReport(state="waiting", reason="", **parts)  # type: ignore[arg-type]
        found = summary.concluded(report, minimum_rows=200)
        return found.state, found.reason

    assert said(waiting_rows=120) == ("waiting", "120 rows were scored, and 200 are needed for a first look.")
    assert said(drift=drift(), promise=PROMISE) == (
        "quiet", "No drift of the score or of 1 feature in 1 look, and no cohort with enough outcomes has matured yet."
    )  # fmt: skip
    holds = PROMISE.model_copy(update={"cohorts": 2})
    assert said(drift=drift(), promise=holds)[1].endswith("and the promise holds over 2 matured cohorts.")
    state, reason = said(drift=drift(0.5), alarms=stand(drift(0.5), BROKEN))
    assert state == "alarm"
    assert reason.startswith("ROC AUC falls short")


def test_what_has_changed_is_named_though_it_is_no_alarm() -> None:
    """Evidence is there, but the change is small, or was seen in too few looks in a row."""
    found = drift(0.5)
    assert found.level <= found.budget
    report = MonitorReport(state="waiting", reason="", drift=found)
    index = found.score.psi.estimate
    assert summary.concluded(report, minimum_rows=200).reason.startswith(
        f"No alarm of drift in 1 look (the score has changed, PSI {index:.2f}: by too little, or in too few looks in a row)"
    )


def test_a_look_without_outcomes_is_never_quiet_and_says_why() -> None:
    lacking = Unavailable(since=DAY, months=2, new=True, reason="loans.sql failed in the warehouse")

    def said(**parts: object) -> tuple[str, str]:
        report = MonitorReport(state="waiting", reason="", unavailable=lacking, **parts)  # type: ignore[arg-type]
        found = summary.concluded(report, minimum_rows=200)
        return found.state, found.reason

    why = (
        "Outcomes are not available since the look of 2024-03-01 (2 months to be judged; a later look does it): "
        "loans.sql failed in the warehouse."
    )
    assert said(drift=drift()) == ("waiting", f"{why} No drift of the score or of 1 feature in 1 look.")
    state, reason = said(drift=drift(0.5), alarms=stand(drift(0.5), BROKEN))
    assert state == "alarm"
    assert reason.startswith("ROC AUC falls short")
    assert reason.endswith(why)


def test_negative_numbers_of_sentences_have_the_sign_of_the_tables() -> None:
    worse = BROKEN.model_copy(update={"metric": "r2", "promised": Span(estimate=-0.02)})
    (alarm,) = stand(None, worse)
    assert f"at promotion, {MINUS}0.0200: at least" in alarm.sentence
    edges = BinNames(edges=(-5.0, 2.0), numeric=True)
    assert edges.labels[0] == f"up to {MINUS}5"


def test_remarks_are_about_volume_and_new_categories_without_control_characters() -> None:
    volume = Volume(rows=10, runs=1, start=date(2024, 2, 1), end=DAY, lower=800, upper=1200)
    found = list(summary.remarks(volume, drift(unseen={"boat\x1b[31m": 3}), ()))
    assert found == [
        "10 rows were scored from 2024-02-01 to 2024-03-01; 800 to 1,200 were to be expected.",
        "home: 3 rows have categories that no training row had: boat\\x1b[31m.",
    ]
    assert list(summary.remarks(None, drift(unseen={"boat": 3}), ())) == [], "a look without rows repeats nothing"


def test_volumes_are_expected_from_earlier_ones() -> None:
    days = [date(2024, 1, d) for d in range(1, 30)]
    rng = np.random.default_rng(2)
    earlier = [Volume(rows=int(rng.poisson(200)), runs=1, start=a, end=b) for a, b in pairwise(days)]
    found = expected(205, 1, DAY, date(2024, 3, 2), earlier)
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower < 200 < found.upper
    assert found.lower > 100
    assert found.upper < 300
    assert found.expected
    assert not expected(90, 1, DAY, date(2024, 3, 2), earlier).expected
    assert not expected(0, 1, DAY, date(2024, 3, 2), earlier).expected
    two = expected(400, 2, DAY, date(2024, 3, 3), earlier)
    assert two.expected, "the range is for as many days as the look has"
    assert expected(5, 1, DAY, date(2024, 3, 2), earlier[:4]).lower is None, "too few to tell"


@pytest.mark.parametrize("spread", [0.1, 0.3])
def test_the_range_holds_as_often_as_it_says(spread: float) -> None:
    rng = np.random.default_rng(3)
    days = [date(2024, 1, d) for d in range(1, 14)]
    missed = 0
    for _ in range(300):
        rows = [int(rng.poisson(500 * np.exp(rng.normal(0, spread)))) for _ in days]
        earlier = [Volume(rows=n, runs=1, start=a, end=b) for n, a, b in zip(rows, days, days[1:], strict=False)]
        missed += not expected(rows[-1], 1, days[-1], date(2024, 1, 14), earlier).expected
    assert missed <= 10, "at 99 % three of 300"


@pytest.mark.parametrize(("again", "said"), [(90, False), (91, True)])
def test_rows_of_customers_who_were_scored_before_are_remarked_on(again: int, said: bool) -> None:
    size = Volume(rows=900, runs=1, start=DAY, end=date(2024, 4, 1))
    found = list(summary.remarks(size, None, (), again))
    assert [f"{again} of 900 rows are of entities or clusters that were scored" in one for one in found] == [
        True
    ] * said
    assert not list(summary.remarks(None, None, (), again)), "a look without new rows"

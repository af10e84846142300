"""TH301, gain sufficient: fires, stays quiet, does not apply; by the rule for one holdout and by that for a reign."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from scipy import stats

from support.factories import a_regression, a_spec, an_outlook, evidence
from titleholder.spec.metrics import METRICS
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.comparison import sufficient_gain
from titleholder.validation.metrics import Gain
from titleholder.validation.sequential import Look, accumulate


def looks(*gains: float, error: float = 0.01) -> tuple[Look, ...]:
    """One look a month."""
    return tuple(
        Look(
            as_of=date(2024, month + 1, 1),
            start=date(2023, month, 1),
            end=date(2023, month + 1, 1),
            rows=1000,
            events=100,
            metric="roc_auc",
            gain=gain,
            error=error,
        )
        for month, gain in enumerate(gains, start=1)
    )


def check(
    gain: Gain | None,
    *,
    minimum: float = 0.0,
    reigning: bool = True,
    rule: str = "fresh",
    looks: tuple[Look, ...] = (),
    horizon: int | None = None,
) -> Result:
    spec = a_spec(judgement__minimum_gain=minimum, judgement__rule=rule, judgement__horizon=horizon)
    champion = {"champion": np.full(50, 0.5), "champion_metrics": {"roc_auc": 0.7}} if reigning else {}
    return sufficient_gain(evidence(spec, gain=gain, looks=looks, **champion))


PROFIT = {"profit": {"accepted_0": 1, "accepted_1": -8}, "cut_off": {"accept": "below", "share": 0.8}}
AHEAD, BEHIND = Gain(0.01, -0.01, 0.03, "DeLong", 0.01, 40), Gain(-0.001, -0.02, 0.02, "DeLong", 0.01, 40)


def of(gain: float, error: float, freedom: float = np.inf) -> Gain:
    return Gain(gain, gain - 2 * error, gain + 2 * error, "DeLong", error, freedom)


@pytest.mark.parametrize(
    ("gain", "error", "minimum"),
    [
        (0.0, 0.001, 0.0),  # not better
        (-0.001, 0.001, 0.0),  # a known small loser: it would pass without being better
        (0.001, 0.01, 0.0),  # a loss of 0.0154 is possible
        (0.004, 0.001, 0.005),  # not better by enough
        (0.01, np.inf, 0.0),
        (np.nan, 0.01, 0.0),
    ],
)
def test_fires_unless_it_is_better_and_a_loss_beyond_the_tolerated_is_excluded(
    gain: float, error: float, minimum: float
) -> None:
    found = check(of(gain, error), minimum=minimum)
    assert (found.code, found.status, found.severity) == ("TH301", "fail", "block")


@pytest.mark.parametrize(
    ("gain", "error", "minimum"), [(0.001, 0.006, 0.0), (-0.001, 0.001, -0.005), (0.0065, 0.01, 0.0)]
)
def test_stays_quiet_when_both_hold(gain: float, error: float, minimum: float) -> None:
    assert check(of(gain, error), minimum=minimum).status == "pass"


@pytest.mark.parametrize("metric", METRICS)
def test_the_tolerated_loss_is_that_of_the_metric(metric: str) -> None:
    """Beyond the boundary by a hair it fires, within it stays quiet; in the metric's unit, of the champion if relative."""
    needs = {"profit": PROFIT, "emp": {"emp": {}}, "pinball": {"quantile": 0.5}}.get(metric, {})
    base = a_spec if METRICS[metric].task == "classification" else a_regression
    least = max(-9.0, 0.9 * (METRICS[metric].lowest - METRICS[metric].highest))
    spec = base(
        judgement__metric=metric, judgement__minimum_gain=least, **{f"judgement__{k}": v for k, v in needs.items()}
    )
    shares = {
        None: 1.0,
        "the champion's metric": 0.4,
        "the amounts at stake": 0.4 * 8 + 0.6 * 1,
    }  # of 50 rows, 20 events
    limit = METRICS[metric].tolerated_loss * shares[METRICS[metric].share_of]
    for error, status in ((0.999, "pass"), (1.001, "fail")):
        gain = of(0.0, error * limit / stats.norm.ppf(0.95))
        seen = evidence(spec, champion=np.full(50, 0.5), gain=gain, champion_metrics={metric: -0.4})
        assert sufficient_gain(seen).status == status


@pytest.mark.parametrize("added", [-100.0, 0.0, 3.0])
@pytest.mark.parametrize("champion", [-2.0, 0.0, 2.0])
def test_the_tolerated_loss_of_a_profit_does_not_depend_on_its_zero(added: float, champion: float) -> None:
    """An amount that is added to every row shifts both profits alike; the same gain passes or fails."""
    amounts = {"accepted_0": 1.0, "accepted_1": -8.0, "declined_0": 0.0, "declined_1": 0.0}
    shifted = {**PROFIT, "profit": {key: value + added for key, value in amounts.items()}}
    spec = a_spec(
        judgement__metric="profit", judgement__minimum_gain=-9.0, **{f"judgement__{k}": v for k, v in shifted.items()}
    )
    found = {"champion": np.full(50, 0.5), "champion_metrics": {"profit": champion + added}}
    seen = sufficient_gain(evidence(spec, gain=of(0.0, 0.015 / stats.norm.ppf(0.95)), **found))
    assert seen.numbers["tolerated_loss"] == pytest.approx(0.004 * (0.4 * 8 + 0.6 * 1))
    assert seen.status == "pass"


@pytest.mark.parametrize(("freedom", "status"), [(np.inf, "pass"), (20, "pass"), (10, "fail"), (4, "fail")])
def test_the_bound_is_students(freedom: float, status: str) -> None:
    """Of 0.0001 - t * 0.0058 > -0.01 with t = 1.645, 1.725, 1.812 and 2.132: a table of Student's t at 95 %, one-sided."""
    assert check(of(0.0001, 0.0058, freedom)).status == status


def test_says_the_numbers_it_rests_on() -> None:
    found = check(of(0.0123, 0.01))
    assert found.numbers == pytest.approx(
        {
            "gain": 0.0123,
            "lower": -0.0077,
            "upper": 0.0323,
            "minimum": 0.0,
            "bound": -0.0041485,
            "tolerated_loss": 0.01,
        },
        abs=1e-6,
    )
    assert found.explanation == (
        "roc_auc: gain +0.0123 on this holdout, which must exceed +0; "
        "shown to be above -0.0041 (95%, one-sided), which must exceed -0.01 (the tolerated loss)."
    )


@pytest.mark.parametrize("rule", ["fresh", "sequential"])
def test_does_not_apply_without_a_champion(rule: str) -> None:
    found = check(None, reigning=False, rule=rule)
    assert (found.status, found.explanation) == ("not_applicable", "No champion yet.")


@pytest.mark.parametrize("rule", ["fresh", "sequential"])
def test_fires_when_somebody_reigns_and_the_gain_is_unknown(rule: str) -> None:
    found = check(None, rule=rule, looks=looks(0.05, 0.05))
    assert (found.status, found.explanation) == ("fail", "The gain could not be computed on the holdout.")


def test_over_a_reign_fires_until_there_is_a_look() -> None:
    found = check(Gain(0.05, 0.04, 0.06, "DeLong", 0.005, 40.0), rule="sequential")
    assert found.status == "fail"
    assert found.explanation.endswith("; no new cohort of this reign has 20 rows of the rarer class yet.")


def test_over_a_reign_small_gains_add_up() -> None:
    one, many = looks(0.015), looks(*[0.015] * 8)
    assert check(AHEAD, rule="sequential", looks=one).status == "fail"
    assert check(AHEAD, rule="sequential", looks=many).status == "pass"
    assert check(AHEAD, rule="sequential", looks=many, minimum=0.009).status == "fail"


def test_over_a_reign_fires_when_this_challenger_is_not_ahead_itself() -> None:
    found = check(BEHIND, rule="sequential", looks=looks(*[0.05] * 8))
    assert found.status == "fail"
    assert "gain -0.0010 on this holdout, which must exceed +0 too;" in found.explanation


def test_over_a_reign_says_what_all_looks_show() -> None:
    given = looks(0.02, 0.03)
    reign = accumulate(given, minimum_gain=0.0, confidence=0.95)
    assert reign is not None
    found = check(AHEAD, rule="sequential", looks=given)
    assert found.numbers["reign_looks"] == 2
    assert found.numbers["reign_gain"] == pytest.approx(0.025)
    assert found.numbers["reign_lower"] == reign.lower
    assert found.numbers["reign_log_evidence"] == reign.log_evidence
    assert (
        f"over 2 looks of this reign at new cohorts +0.0250, shown to be above {reign.lower:+.4f}" in found.explanation
    )


def test_within_a_horizon_less_evidence_is_enough_and_the_result_says_so() -> None:
    almost = looks(*[0.014] * 4)
    without = check(AHEAD, rule="sequential", looks=almost)
    within, over = (check(AHEAD, rule="sequential", looks=almost, horizon=h) for h in (12, 3))
    assert (without.status, within.status, over.status) == ("fail", "pass", "fail")
    assert within.explanation.endswith("Within the horizon of 12 looks the evidence must reach 8.4.")
    assert over.explanation.endswith("The horizon of 3 looks is over: the evidence must reach 20.0, as without one.")
    assert over.numbers["reign_lower"] == without.numbers["reign_lower"] < within.numbers["reign_lower"]


def test_over_a_reign_says_which_looks_are_of_a_later_candidate() -> None:
    given = looks(0.02, 0.03)
    later = (given[0], given[1].model_copy(update={"judged_after": 1}))
    texts = [check(AHEAD, rule="sequential", looks=each).explanation for each in (given, later)]
    assert "over 2 looks of this reign at new cohorts, 1 of them of a later candidate +0.0250" in texts[1]
    assert "later" not in texts[0]


def test_one_holdout_is_judged_by_itself_whatever_the_reign_showed() -> None:
    assert check(BEHIND, looks=looks(*[0.05] * 8)).status == "fail"
    assert check(of(0.02, 0.01), looks=looks(*[-0.05] * 8)).status == "pass"


@pytest.mark.parametrize(
    ("events", "said"), [(18, " (thin record, 14 cohorts with a median of 18 events: surer"), (60, ".")]
)
def test_of_a_thin_record_the_probability_is_said_to_be_too_sure(events: int, said: str) -> None:
    spec = a_spec(judgement__rule="record")
    gain = Gain(0.01, -0.01, 0.03, "DeLong", 0.01, 40.0)
    case = evidence(spec, champion=np.full(50, 0.5), gain=gain, outlook=an_outlook(risk=0.0, events=events))
    found = sufficient_gain(case)
    assert (
        "the probability that it loses more than 0.01 is <0.1%, which must not exceed 5.0%" + said in found.explanation
    )
    assert found.numbers["events_a_cohort"] == events


def test_by_the_record_the_gain_that_must_be_expected_says_where_it_comes_from() -> None:
    spec = a_spec(judgement__rule="record")
    given = {"champion": np.full(50, 0.5), "champion_metrics": {"roc_auc": 0.7}, "gain": AHEAD}
    found = sufficient_gain(evidence(spec, outlook=an_outlook(gain=0.0009), **given))
    assert (found.status, found.remedy) == ("fail", ""), "there is nothing to do but to wait"
    assert "which must exceed +0.001 (a tenth of the default tolerated loss); the probability" in found.explanation
    unknown = sufficient_gain(evidence(spec, **given))
    assert (unknown.status, unknown.remedy) == ("fail", "Make windows.holdout longer.")

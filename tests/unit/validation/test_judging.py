"""Judging: what is measured, against whom, and what happens where there is nothing to measure."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from support.factories import REIGN, a_regression, a_spec, a_verdict, result
from support.factories import rows as rows_of
from titleholder.spec.model import ModelSpec
from titleholder.validation import metrics
from titleholder.validation.evidence import Evidence, UnfitCandidate
from titleholder.validation.judging import judge
from titleholder.validation.metrics import Array, Estimation, Sample
from titleholder.validation.sequential import Look
from titleholder.validation.verdict import Reign, Verdict
from titleholder.workflow import decision_policy

HOLDOUT = (date(2023, 10, 1), date(2024, 1, 1))


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    """A judge who computes what cannot be computed is warned by NumPy or scikit-learn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("error", UserWarning)
        yield


AS_OF = date(2024, 7, 1)


def verdict_on(
    y: Array, better: Array, worse: Array | None = None, spec: ModelSpec | None = None, reign: Reign = REIGN, **kw: Any
) -> Verdict:
    """Rows spread evenly over the holdout."""
    time = pd.date_range(*HOLDOUT, periods=len(y) + 1, tz="UTC", inclusive="left", unit="us")[: len(y)]
    frame = rows_of(spec or a_spec(), n=len(y)).assign(issued_at=time, bad=y) if len(y) else rows_of().head(0)
    case = Evidence(
        spec=spec or a_spec(),
        candidate="line",
        frame=frame,
        y=y,
        challenger=better,
        champion=worse,
        **kw.pop("parts", {}),
    )
    return judge(case, as_of=AS_OF, reign=reign if worse is not None else None, holdout=HOLDOUT, **kw)


def rows(n: int = 300, seed: int = 1) -> tuple[Array, Array, Array]:
    """Outcomes, the probabilities they were drawn from, and scores that know nothing of them."""
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(1 - 2 * rng.normal(size=n)))
    return (rng.random(n) < p).astype(float), p, rng.random(n)


ANY_GAIN = a_spec(judgement__checks={"plausible": {"gain_roc_auc": 0.5}})
CORE = ("TH101", "TH201", "TH301")


def statuses(verdict: Verdict) -> dict[str, str]:
    return {c.code: c.status for c in verdict.checks if c.code in CORE}


def test_events_are_the_rows_with_target_1_even_where_these_are_the_common_ones() -> None:
    """Of the flipped outcomes most are 1: what is needed is counted among the rarer ones, and said to be."""
    y, good, poor = rows()
    assert 2 * (1 - y).sum() > 300
    found = verdict_on(1 - y, 1 - good, 1 - poor, ANY_GAIN)
    enough = next(check for check in found.checks if check.code == "TH101")
    assert found.events == (1 - y).sum()
    assert found.look is not None
    assert found.look.events > found.look.rows / 2
    assert enough.numbers == {"informative": y.sum(), "minimum": 5, "events": (1 - y).sum(), "rows": 300}
    assert "rows of the rarer class" in enough.explanation


def test_a_better_challenger_passes_every_check() -> None:
    y, good, poor = rows()
    found = verdict_on(y, good, poor, ANY_GAIN, note="Only later rows are judged.")
    assert statuses(found) == dict.fromkeys(CORE, "pass")
    assert found.failed() == ()
    assert found.champion == REIGN
    assert (found.holdout_start, found.holdout_end, found.rows) == (*HOLDOUT, 300)
    assert found.events == y.sum()
    assert found.note == "Only later rows are judged."
    assert set(found.challenger_metrics) == {"roc_auc", "gini", "ks", "pr_auc", "brier", "log_loss"}
    assert found.gain is not None
    difference = found.challenger_metrics["roc_auc"] - found.champion_metrics["roc_auc"]
    assert found.gain.estimate == pytest.approx(difference, abs=1e-12)


def test_a_worse_challenger_fails_the_gain_and_a_useless_one_its_floor_too() -> None:
    y, good, poor = rows()
    assert {"TH201", "TH202", "TH301"} <= {c.code for c in verdict_on(y, poor, good).failed()}
    blurred = 0.9 * good + 0.1 * poor
    assert [c.code for c in verdict_on(y, blurred, good).failed()] == ["TH301"]


def test_without_a_champion_there_is_no_gain_and_none_is_needed() -> None:
    y, good, _ = rows()
    found = verdict_on(y, good)
    assert (found.champion, found.gain, found.champion_metrics) == (None, None, {})
    assert statuses(found) == {"TH101": "pass", "TH201": "pass", "TH301": "not_applicable"}
    assert found.failed() == ()


@pytest.mark.parametrize("reigning", [True, False])
@pytest.mark.parametrize("y", [np.empty(0), np.ones(1), np.zeros(30), np.ones(30)], ids=["empty", "one", "good", "bad"])
@pytest.mark.parametrize("floors", [{}, {"roc_auc": 0.5}], ids=["no floor", "floor"])
def test_nothing_to_measure_is_never_a_promotion(y: Array, reigning: bool, floors: dict[str, float]) -> None:
    spec = a_spec(judgement__minimum_events=1, judgement__floors=floors)
    p = np.linspace(0.1, 0.9, len(y))
    found = verdict_on(y, p, p[::-1] if reigning else None, spec)
    assert (found.challenger_metrics, found.champion_metrics, found.gain) == ({}, {}, None)
    assert statuses(found)["TH101"] == "fail"
    assert decision_policy.rule(spec, found, as_of=date(2024, 7, 1), lane="live", newest=None).kind == "reject"


@pytest.mark.parametrize("rare", [0.0, 1.0])
def test_one_event_is_too_few_to_compare_by(rare: float) -> None:
    """One row of a class has an area but no variance; even a spec that needs one event only promotes no model on it."""
    y = np.full(40, 1 - rare)
    y[7] = rare
    p = np.where(y == 1, 0.9, 0.1)
    spec = a_spec(judgement__minimum_events=1)
    found = verdict_on(y, p, 1 - p, spec)
    assert found.challenger_metrics["roc_auc"] == 1.0
    assert found.gain is None
    assert statuses(found) == {"TH101": "pass", "TH201": "pass", "TH301": "fail"}
    assert decision_policy.rule(spec, found, as_of=date(2024, 7, 1), lane="live", newest=None).kind == "reject"
    assert Verdict.model_validate_json(found.model_dump_json()) == found


def test_a_regression_is_judged_by_its_own_metrics() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=200)
    found = verdict_on(y, y + rng.normal(size=200) * 0.1, y + rng.normal(size=200), a_regression())
    assert set(found.challenger_metrics) == {"rmse", "mae", "r2"}
    assert found.events == 200
    assert statuses(found) == {"TH101": "pass", "TH201": "not_applicable", "TH301": "pass"}
    assert found.gain is not None
    assert found.gain.lower > 0
    assert found.gain.method == "paired bootstrap"


def test_a_regression_of_one_row_is_kept_from_promotion() -> None:
    spec = a_regression(judgement__minimum_events=1)
    one = np.ones(1)
    found = verdict_on(one, one, one * 2, spec)
    assert (found.gain, found.challenger_metrics) == (None, {})
    assert decision_policy.rule(spec, found, as_of=date(2024, 7, 1), lane="live", newest=None).kind == "keep"


def test_the_same_rows_give_the_same_verdict() -> None:
    y, good, poor = rows()
    spec = a_spec(judgement__metric="brier")
    assert verdict_on(y, good, poor, spec) == verdict_on(y, good, poor, spec)


def test_a_verdict_survives_xcom_and_the_ledger() -> None:
    y, good, poor = rows()
    for found in (
        verdict_on(y, good, poor),
        verdict_on(y, good, good),
        verdict_on(y, good),
        verdict_on(np.empty(0), np.empty(0), np.empty(0)),
    ):
        assert Verdict.model_validate(found.model_dump(mode="json")) == found
        assert Verdict.model_validate_json(found.model_dump_json()) == found


def test_stored_gains_and_intervals_have_named_fields() -> None:
    y, good, poor = rows()
    stored = verdict_on(y, good, poor).model_dump(mode="json")
    assert list(stored["gain"]) == ["estimate", "lower", "upper", "method", "error", "freedom"]
    assert list(stored["challenger_interval"]) == ["estimate", "lower", "upper"]


def test_scores_that_are_no_numbers_stop_the_judging() -> None:
    y, good, poor = rows()
    good[3] = np.nan
    with pytest.raises(ValueError, match="1 of 300 scores are not finite"):
        verdict_on(y, good, poor)


def test_warnings_do_not_block() -> None:
    found = a_verdict(result("A", "fail", "warn"), result("B", "fail"), result("C"), result("D", "not_applicable"))
    assert [c.code for c in found.failed()] == ["B"]


LOOK = Look(
    as_of=date(2024, 6, 1), start=date(2023, 11, 1), end=date(2023, 12, 1), rows=90, events=30, metric="roc_auc",
    gain=0.01, error=0.02,
)  # fmt: skip


def reign(*looks: Look, judged_through: date = date(2023, 10, 1)) -> Reign:
    return REIGN.model_copy(update={"looks": looks, "judged_through": judged_through})


def test_a_look_takes_only_cohorts_that_no_earlier_challenge_was_judged_on() -> None:
    y, good, poor = rows()
    whole = verdict_on(y, good, poor, reign=reign()).look
    assert whole is not None
    assert (whole.start, whole.end, whole.rows, whole.events) == (*HOLDOUT, 300, y.sum())
    after_crowning = verdict_on(y, good, poor, reign=reign(judged_through=date(2023, 11, 1))).look
    after_a_look = verdict_on(y, good, poor, reign=reign(LOOK)).look
    assert after_crowning is not None
    assert after_a_look is not None
    assert after_crowning.start == date(2023, 11, 1)
    assert after_a_look.start == LOOK.end
    assert after_a_look.rows < after_crowning.rows < 300


def test_a_look_is_the_gain_on_its_own_rows() -> None:
    y, good, poor = rows()
    found = verdict_on(y, good, poor, reign=reign())
    assert found.look is not None
    assert found.gain is not None
    assert (found.look.gain, found.look.error) == (found.gain.estimate, found.gain.error)
    assert found.looks == (found.look,)


@pytest.mark.parametrize(
    ("change", "judged_through"),
    [({"judgement__minimum_new_events": 500}, date(2023, 10, 1)), ({}, date(2024, 1, 1)), ({}, date(2024, 2, 1))],
    ids=["too few events", "nothing new", "everything judged already"],
)
def test_without_new_outcomes_the_evidence_stays_as_it_was(change: dict[str, Any], judged_through: date) -> None:
    y, good, poor = rows()
    spec = a_spec(judgement__rule="sequential", **change)
    found = verdict_on(y, good, poor, spec, reign=reign(LOOK, judged_through=judged_through))
    assert found.look is None
    assert found.looks == (LOOK,)
    assert statuses(found)["TH301"] == "fail"


def test_two_models_that_score_alike_say_nothing() -> None:
    y, good, _ = rows()
    found = verdict_on(y, good, good.copy(), reign=reign())
    assert found.look is None
    assert statuses(found)["TH301"] == "fail"


def test_looks_by_another_metric_are_not_counted() -> None:
    y, good, poor = rows()
    found = verdict_on(y, good, poor, reign=reign(LOOK.model_copy(update={"metric": "ks"})))
    assert found.looks == (found.look,)


def test_steady_gains_add_up_until_the_champion_falls() -> None:
    """The same small gain: too little in the first month, enough after many; and the challenger must be ahead itself."""
    y, good, poor = rows(400)
    blurred, spec = 0.75 * good + 0.25 * poor, a_spec(judgement__rule="sequential")
    alone = verdict_on(y, good, blurred, spec, reign=reign())
    history = [LOOK.model_copy(update={"gain": 0.02, "error": 0.02, "end": date(2023, 11, 1)})] * 12
    together = verdict_on(y, good, blurred, spec, reign=reign(*history))
    assert alone.gain is not None
    assert alone.gain.estimate > 0
    assert (statuses(alone)["TH301"], statuses(together)["TH301"]) == ("fail", "pass")
    behind = verdict_on(y, blurred, good, spec, reign=reign(*(history * 2)))
    assert behind.accumulated() is not None
    assert statuses(behind)["TH301"] == "fail"


@pytest.mark.parametrize(("others", "level", "shown"), [(0, 0.95, "95%"), (1, 0.975, "97.5%"), (4, 0.99, "99%")])
def test_a_later_candidate_must_show_its_gain_with_more_confidence_and_says_so(
    others: int, level: float, shown: str
) -> None:
    y, good, poor = rows()
    unfit = tuple(UnfitCandidate(name=f"c{n}", version=n, failed=("TH203", "TH701")) for n in range(others))
    found = verdict_on(y, good, poor, note="Only later rows are judged.", parts={"unfit": unfit})
    assert found.confidence == pytest.approx(level, abs=1e-12)
    assert found.unfit == unfit
    expected = metrics.gain("roc_auc", Sample(y), good, poor, Estimation(level, 100, 7))
    assert (found.gain.lower, found.gain.upper) == pytest.approx((expected.lower, expected.upper))  # type: ignore[union-attr]
    alone = verdict_on(y, good, poor)
    assert found.challenger_metrics == alone.challenger_metrics
    if others:
        assert found.note.startswith("Only later rows are judged. c0 (version 0) is unfit for use: TH203, TH701")
        assert f"{others + 1} candidates were judged on the same rows" in found.note
        assert f"a confidence of {shown} instead of 95%" in found.note
    else:
        assert found.note == "Only later rows are judged."


@pytest.mark.parametrize("metric", ["roc_auc", "brier"])
def test_what_must_be_shown_is_harder_for_a_later_candidate_and_harm_is_no_harder_to_show(metric: str) -> None:
    y, good, poor = rows()
    unfit = (UnfitCandidate(name="trees", version=1, failed=("TH203",)),)
    spec = a_spec(judgement__metric=metric)
    first, later = (
        {c.code: c for c in verdict_on(y, good, poor, spec, parts={"unfit": before}).checks} for before in ((), unfit)
    )
    for code in ("TH202", "TH301"):
        bound = "bound" if code == "TH301" else "lower"
        assert later[code].numbers[bound] < first[code].numbers[bound]
    harmless = {c for c in first if c not in ("TH202", "TH301")}
    assert {c: first[c] for c in harmless} == {c: later[c] for c in harmless}


def test_challengers_that_were_judged_on_the_same_outcomes_before_are_counted_with_their_share_of_the_rows() -> None:
    y, good, poor = rows()
    ends = (date(2023, 9, 1), date(2023, 10, 1), date(2023, 11, 1), date(2023, 12, 1))
    many, one = (REIGN.model_copy(update={"tried": tried}) for tried in (ends, ends[:3]))
    bound = "the error of 5% holds for each challenge, not for all of them together."
    assert verdict_on(y, good, poor, reign=many).note == (
        "2 earlier challengers were judged against this champion on outcomes that count here again (66.3% of these rows): "
        + bound
    )
    assert verdict_on(y, good, poor, reign=one, note="Said.").note == (
        "Said. 1 earlier challenger was judged against this champion on outcomes that count here again "
        f"(34.0% of these rows): {bound}"
    )
    none = REIGN.model_copy(update={"tried": ends[:2]})
    assert verdict_on(y, good, poor, reign=none).note == "", "their outcomes ended before these begin"
    by_reign = a_spec(judgement__rule="sequential")
    assert verdict_on(y, good, poor, by_reign, reign=many).note == "", "no outcome counts twice"


def test_the_look_of_a_later_candidate_says_so_and_is_counted() -> None:
    y, good, poor = rows()
    unfit = (UnfitCandidate(name="trees", version=1, failed=("TH203",)),)
    alone, later = (verdict_on(y, good, poor, parts={"unfit": u}) for u in ((), unfit))
    assert [v.look.judged_after for v in (alone, later) if v.look] == [0, 1]
    assert [found.later for v in (alone, later) if (found := v.accumulated())] == [0, 1]


def test_the_line_of_challengers_is_judged_with_the_adjusted_confidence() -> None:
    y, good, poor = rows()
    unfit = (UnfitCandidate(name="trees", version=1, failed=("TH203",)),)
    found = verdict_on(y, good, poor, parts={"unfit": unfit}).accumulated()
    alone = verdict_on(y, good, poor).accumulated()
    assert found is not None
    assert alone is not None
    assert found.needed == pytest.approx(-np.log(0.025))
    assert alone.needed == pytest.approx(-np.log(0.05))


def test_the_verdict_records_what_the_champion_fails_by_itself() -> None:
    y, good, _ = rows(2000)
    low = np.asarray(good / (good + 2.5 * (1 - good)))
    found = verdict_on(y, good, low, ANY_GAIN)
    (failed,) = found.champion_failed
    assert found.champion_unfitness() == (failed,)
    assert failed.code == "TH203"
    assert found.about_champion() == (
        f"The champion of that time, version 3, itself fails TH203 (Calibrated): {failed.explanation}"
    )
    assert Verdict.model_validate_json(found.model_dump_json()) == found
    assert verdict_on(y, low, good, ANY_GAIN).champion_failed == ()
    assert verdict_on(y, low, spec=ANY_GAIN).champion_failed == ()

"""TH801, sealed scores confirmed, and TH802, features as at scoring: fires, stays quiet, does not apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from support.factories import a_spec
from support.report_cases import simulated
from titleholder.data.skew import ColumnSkew, Example, Skew
from titleholder.validation.checks.scoring_runs import sealed_scores, skewed_features
from titleholder.validation.evidence import Evidence
from titleholder.validation.sealed import SealedEvidence, SealedScores

BASE = simulated(a_spec(), n=2000)
ROWS = np.arange(500, 1500)
AGAIN = np.asarray(BASE.champion)[ROWS]


def sealed(scores: Any = AGAIN, version: int = 4) -> SealedScores:
    return SealedScores(
        version=version, runs=(7,), rows=ROWS, sealed=np.asarray(scores, dtype=float), again=AGAIN, latest=2.25
    )


def judged(
    *versions: SealedScores, changed: tuple[int, ...] = (), soonest: float | None = None, **rule: Any
) -> Evidence:
    found = SealedEvidence(versions=versions, changed=changed, soonest=soonest)
    spec = a_spec(judgement__checks={"sealed_scores": rule} if rule else {})
    return BASE.model_copy(update={"spec": spec, "sealed": lambda: found})


def test_stays_quiet_when_every_score_is_what_its_version_answers_now() -> None:
    found = sealed_scores(judged(sealed(AGAIN * (1 + 1e-7)), sealed(version=3)))
    assert (found.code, found.status, found.severity) == ("TH801", "pass", "warn")
    assert found.explanation == (
        "Of 2,000 judged rows were scored before their outcomes could be known, at most 2.2 days after the event: 1,000 "
        "by version 4, 1,000 by version 3; each of these scores is what its version answers for the row now."
    )
    assert found.numbers["sealed_rows_of_version_4"] == found.numbers["sealed_rows_of_version_3"] == 1000
    assert (found.numbers["rows"], found.numbers["differing"]) == (2000, 0)


def test_fires_when_more_than_a_share_of_the_scores_is_another_now_and_says_what_the_metric_was() -> None:
    noise = np.random.default_rng(1).uniform(size=len(ROWS))
    found = sealed_scores(judged(sealed(noise)))
    assert found.status == "fail"
    was, now = roc_auc_score(BASE.y[ROWS], noise), roc_auc_score(BASE.y[ROWS], AGAIN)
    assert found.numbers["difference"] == pytest.approx(now - was)
    assert f"on them: {was:.4f} by the sealed scores, {now:.4f} computed again" in found.explanation
    assert found.numbers["largest"] == pytest.approx(np.abs(noise - AGAIN).max())
    assert found.numbers["difference_lower"] < now - was < found.numbers["difference_upper"]
    assert "TH802 says which did" in found.remedy
    assert sealed_scores(judged(sealed(noise), severity="block")).blocks


def test_other_versions_are_compared_with_the_champion_by_sealed_scores_alone_on_the_rows_of_both() -> None:
    better = SealedScores(version=3, runs=(8,), rows=ROWS[200:], sealed=BASE.y[ROWS[200:]] + 0.1, again=AGAIN[200:])
    given = judged(sealed(), better).model_copy(update={"champion_version": 4})
    found = sealed_scores(given)
    behind = roc_auc_score(BASE.y[ROWS[200:]], AGAIN[200:])
    assert found.numbers["sealed_gain_of_version_3"] == pytest.approx(1 - behind)
    assert (
        found.numbers["sealed_gain_of_version_3_lower"] < 1 - behind < found.numbers["sealed_gain_of_version_3_upper"]
    )
    assert f"by sealed scores alone version 3 gains +{1 - behind:.4f} [" in found.explanation
    assert "sealed_gain_of_version_4" not in found.numbers
    without = sealed_scores(judged(better).model_copy(update={"champion_version": 4}))
    assert "on the champion" not in without.explanation


def test_without_a_sealed_score_of_the_champion_those_of_the_time_are_compared_with_their_champion() -> None:
    then = sealed(version=1).model_copy(update={"reigned": True})
    beside = SealedScores(version=2, runs=(8,), rows=ROWS, sealed=BASE.y[ROWS] + 0.1, again=AGAIN)
    found = sealed_scores(judged(then, beside).model_copy(update={"champion_version": 4}))
    behind = roc_auc_score(BASE.y[ROWS], AGAIN)
    assert found.numbers["sealed_gain_of_version_2"] == pytest.approx(1 - behind)
    assert found.explanation.endswith(" on version 1, the champion of that time.")


def one_other(step: float = -0.3) -> SealedScores:
    scores = AGAIN.copy()
    scores[3] += step
    return sealed(scores)


def test_a_few_other_scores_are_beyond_and_not_a_failure_unless_the_spec_says_so() -> None:
    found = sealed_scores(judged(one_other()))
    assert (found.status, found.numbers["differing"], found.numbers["scores"]) == ("beyond", 1, 1000)
    assert "1 of these 1,000 scores are not what their version answers now, with a largest difference of 0.3;" in (
        found.explanation
    )
    assert sealed_scores(judged(one_other(), share=0.0)).status == "fail"


def test_fires_when_few_scores_differ_and_all_of_them_flatter() -> None:
    """Of 1,000 rows 8 were scored upside down: within the share, and shown to be better today."""
    scores, y = AGAIN.copy(), BASE.y[ROWS]
    bad = np.flatnonzero(y == 1)[:8]
    scores[bad] = AGAIN.min() - 1
    found = sealed_scores(judged(sealed(scores)))
    assert found.numbers["differing"] <= 10
    assert found.numbers["difference_lower"] > 0
    assert found.status == "fail"
    assert sealed_scores(judged(sealed(scores), gain=0.5)).status == "beyond"


def test_scores_that_are_not_those_of_their_run_fail_whatever_else_is_there() -> None:
    found = sealed_scores(judged(sealed(), changed=(12,)))
    assert (found.status, found.remedy) == ("fail", "See titleholder audit.")
    assert "scoring run 12 wrote" in found.explanation


def test_sealed_scores_do_not_apply_without_any() -> None:
    said = "No score of the judged rows was written before their outcomes could be known."
    for given in (BASE, judged(), BASE.model_copy(update={"sealed": lambda: None})):
        found = sealed_scores(given)
        assert (found.status, found.explanation) == ("not_applicable", said)
    assert sealed_scores(judged(soonest=0.0)).explanation.endswith("soonest outcome came 0 days after its event.")


def test_switched_off_nothing_is_read() -> None:
    spec = a_spec(judgement__checks={"sealed_scores": {"severity": "off"}, "skew": {"severity": "off"}})
    off = BASE.model_copy(update={"spec": spec, "sealed": lambda: 1 / 0, "skew": lambda: 1 / 0})
    assert {sealed_scores(off).status, skewed_features(off).status} == {"not_applicable"}


def test_rows_of_one_class_have_no_difference_and_the_rest_is_said() -> None:
    alone = one_other()
    rows = np.flatnonzero(BASE.y == 0)[: len(ROWS)]
    found = sealed_scores(judged(alone.model_copy(update={"rows": rows})))
    assert found.status == "beyond"
    assert "difference" not in found.numbers


EXAMPLE = Example(entity="77", event_time="2024-01-01", at_scoring="100", in_training="1")


def skewed(*columns: ColumnSkew, **parts: Any) -> Evidence:
    found = Skew(**{"runs": 3, "unread": 0, "scored": 500, "matched": 400, "columns": columns, **parts})
    return BASE.model_copy(update={"skew": lambda: found})


def column(name: str, differing: int, **parts: Any) -> ColumnSkew:
    return ColumnSkew(column=name, rows=400, differing=differing, **parts)


def test_skew_fires_beyond_the_share_and_names_the_worst_with_an_example() -> None:
    others = (column("age", 3), column("debt", 2), column("zip", 1))
    found = skewed_features(skewed(column("price", 200, largest=99.0, example=EXAMPLE), *others, unread=2))
    assert (found.code, found.status, found.severity) == ("TH802", "fail", "warn")
    assert found.explanation == (
        "400 rows of the snapshot were scored before, by 3 runs (2 more were not read); another value then had price in "
        "50.00% of the rows (entity 77: 100 at scoring, 1 in training); age in 0.75% of the rows; debt in 0.50% of the "
        "rows and 1 more."
    )
    assert found.numbers["share_price"] == 0.5


def test_skew_of_few_rows_is_beyond_and_none_passes() -> None:
    gap = EXAMPLE.model_copy(update={"at_scoring": ""})
    found = skewed_features(skewed(column("age", 3, example=gap)))
    assert found.status == "beyond"
    assert "a gap at scoring, 1 in training" in found.explanation
    found = skewed_features(skewed(column("age", 0)))
    assert (found.status, found.explanation) == (
        "pass",
        "400 rows of the snapshot were scored before, by 3 runs: every feature was the same.",
    )


def test_skew_does_not_apply_without_rows_that_both_have() -> None:
    for given in (BASE, skewed(matched=0), BASE.model_copy(update={"skew": lambda: None})):
        assert skewed_features(given).status == "not_applicable"

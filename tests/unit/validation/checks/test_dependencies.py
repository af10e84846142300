"""What a check says it depends on is all that can change its result: replays of a lane rely on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from support.factories import REIGN, a_spec, a_verdict, result
from support.report_cases import looks, simulated
from titleholder.validation import checks
from titleholder.validation.checks.base import DEPENDENCIES, Check
from titleholder.validation.checks.estimates import estimate_gain
from titleholder.validation.evidence import Evidence
from titleholder.validation.judging import conclude, judge, measure
from titleholder.validation.metrics import Gain, intervals, resample

SPEC = a_spec(
    judgement__cut_off={"accept": "below", "share": 0.8},
    judgement__profit={"accepted_0": 1, "accepted_1": -8},
    judgement__rule="sequential",
)
BASE = simulated(
    SPEC, looks=looks(), gain=Gain(0.1, 0.05, 0.15, "DeLong", 0.025, 40.0), champion_metrics={"roc_auc": 0.7}
)


def changed(**judgement: Any) -> Evidence:
    spec = SPEC.model_copy(update={"judgement": SPEC.judgement.model_copy(update=judgement)})
    return BASE.model_copy(update={"spec": spec})


OTHERS = {
    "confidence": changed(confidence=0.7),
    "champion": BASE.model_copy(update={"champion": np.random.default_rng(5).uniform(size=len(BASE.y))}),
    "reign": changed(minimum_gain=0.5).model_copy(update={"looks": ()}),
}


@pytest.mark.parametrize("check", checks.CHECKS.values(), ids=lambda c: c.code)
def test_nothing_that_a_check_does_not_depend_on_changes_its_result(check: Check) -> None:
    for other in DEPENDENCIES[DEPENDENCIES.index(check.depends_on) + 1 :]:
        assert check(OTHERS[other]) == check(BASE), other


def test_only_the_gain_and_the_scores_of_rivals_depend_on_the_reign() -> None:
    assert [c.code for c in checks.CHECKS.values() if c.depends_on == "reign"] == ["TH301", "TH801"]
    assert checks.CHECKS["TH301"](OTHERS["reign"]) != checks.CHECKS["TH301"](BASE)


WHOLE: dict[str, Any] = {"as_of": REIGN.as_of, "reign": REIGN, "holdout": (REIGN.judged_through, REIGN.as_of)}


def test_the_minimum_gain_and_the_looks_change_neither_measurements_nor_the_checks_that_ignore_them() -> None:
    known = judge(BASE, **WHOLE)
    other, reign = changed(minimum_gain=0.5), REIGN.model_copy(update={"looks": looks(2)})
    whole = {**WHOLE, "reign": reign}
    reused = conclude(other, measure(BASE), **whole, results=checks.unaffected_by("reign", known.checks))
    assert reused == judge(other, **whole)
    assert reused.checks != known.checks


def test_another_champion_leaves_the_checks_of_the_challenger_by_itself_as_they_are() -> None:
    known, other = judge(BASE, **WHOLE), OTHERS["champion"]
    results = checks.unaffected_by("champion", known.checks)
    assert conclude(other, measure(other), **WHOLE, results=results) == judge(other, **WHOLE)


def test_a_known_result_is_not_computed_again() -> None:
    known = result("TH203", explanation="Already known.")
    assert known in checks.run(BASE, (known,))
    assert checks.unaffected_by("reign", a_verdict(known, result("TH301")).checks) == (known,)
    assert checks.unaffected_by("confidence", (known,)) == ()


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_what_is_kept_of_the_rows_changes_no_result_under_other_thresholds(other: Evidence) -> None:
    known, fresh = BASE.model_copy(update={"memo": {}}), other.model_copy(update={"memo": {}})
    checks.run(known)
    assert known.memo
    assert checks.run(other.model_copy(update={"memo": known.memo})) == checks.run(fresh)


def test_the_model_scores_rows_without_a_feature_once_for_all_thresholds() -> None:
    asked: list[int] = []

    def predict(rows: pd.DataFrame) -> Any:
        asked.append(len(rows))
        return np.linspace(0.1, 0.9, len(rows))

    first = BASE.model_copy(update={"predict": predict})
    checks.CHECKS["TH704"](first)
    checks.CHECKS["TH704"](changed(confidence=0.7).model_copy(update={"predict": predict, "memo": first.memo}))
    assert asked == [len(SPEC.columns.features) * len(BASE.y)]


def test_evidence_about_other_rows_shares_nothing() -> None:
    known = BASE.model_copy(update={"memo": {"kept": 1}})
    assert known.model_copy(update={"looks": (), "champion": None}).once("kept", lambda: 2) == 1
    assert known.model_copy(update={"frame": known.frame}).once("kept", lambda: 2) == 2
    assert known.model_copy(update={"spec": SPEC}).once("kept", lambda: 2) == 2


def test_what_decides_is_every_check_that_blocks_and_that_of_the_champion() -> None:
    whole = checks.run(BASE)
    decisive = checks.run(BASE, decisive=True)
    assert decisive == tuple(r for r in whole if r.severity == "block" or r.subject == "champion")
    assert 0 < len(decisive) < len(whole)
    verdict = conclude(BASE, measure(BASE), **WHOLE, decisive=True)
    assert verdict.unfitness() == judge(BASE, **WHOLE).unfitness()
    assert verdict.champion_failed == ()


def test_rows_are_resampled_once_for_all_confidences(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(intervals, "resample", lambda name, *a, **b: drawn.append(name) or resample(name, *a, **b))
    first = BASE.model_copy(update={"memo": {}})
    champion = first.champion
    assert champion is not None
    wide = estimate_gain(first, "brier", champion)
    narrow = estimate_gain(changed(confidence=0.5).model_copy(update={"memo": first.memo}), "brier", champion)
    assert drawn == ["brier"]
    assert (wide.lower, wide.upper) == (estimate_gain(BASE.model_copy(update={"memo": {}}), "brier", champion)).values[
        1:
    ]
    assert wide.lower < narrow.lower < narrow.estimate == wide.estimate

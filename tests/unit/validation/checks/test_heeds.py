"""What a check says it heeds at most is all that can change its answer: a replay rests on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.factories import REIGN, a_spec, a_verdict, result
from support.report_cases import looks, simulated
from titleholder.validation import checks
from titleholder.validation.checks.base import HEEDED, Evidence
from titleholder.validation.metrics import Gain
from titleholder.validation.verdict import judge

SPEC = a_spec(
    judgement__cut_off={"accept": "below", "share": 0.8}, judgement__profit={"accepted_0": 1, "accepted_1": -8}
)
BASE = simulated(SPEC, looks=looks(), gain=Gain(0.1, 0.05, 0.15, "DeLong", 0.025))


def changed(**judgement: Any) -> Evidence:
    spec = SPEC.model_copy(update={"judgement": SPEC.judgement.model_copy(update=judgement)})
    return BASE.model_copy(update={"spec": spec})


OTHERS = {
    "confidence": changed(confidence=0.7),
    "champion": BASE.model_copy(update={"champion": np.random.default_rng(5).uniform(size=len(BASE.y))}),
    "reign": changed(minimum_gain=0.5).model_copy(update={"looks": ()}),
}


@pytest.mark.parametrize("check", checks.CHECKS.values(), ids=lambda c: c.code)
def test_nothing_beyond_what_it_heeds_changes_its_answer(check: Any) -> None:
    for beyond in HEEDED[HEEDED.index(check.heeds) + 1 :]:
        assert check(OTHERS[beyond]) == check(BASE), beyond


def test_the_gain_alone_heeds_the_reign() -> None:
    assert [c.code for c in checks.CHECKS.values() if c.heeds == "reign"] == ["TH301"]
    assert checks.CHECKS["TH301"](OTHERS["reign"]) != checks.CHECKS["TH301"](BASE)


def test_a_verdict_that_takes_over_what_is_known_is_the_same_verdict() -> None:
    whole: Any = {"as_of": REIGN.as_of, "reign": REIGN, "holdout": (REIGN.judged_through, REIGN.as_of)}
    known = judge(BASE, **whole)
    other = changed(minimum_gain=0.5)
    reign = {**whole, "reign": REIGN.model_copy(update={"looks": looks(2)})}
    assert judge(other, **reign, known=known) == judge(other, **reign)
    by_rows = checks.heeding(known.checks, "confidence")
    stranger = OTHERS["champion"]
    assert judge(stranger, **whole, results=by_rows) == judge(stranger, **whole)


def test_what_is_known_is_not_run_again() -> None:
    said = result("TH502", explanation="I was told.")
    assert said in checks.run(BASE, (said,))
    assert checks.heeding(a_verdict(said, result("TH301")).checks, "champion") == (said,)

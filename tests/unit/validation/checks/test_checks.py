"""The registry of checks: stable codes, one result each, in the order of reading."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from support.factories import a_regression, a_spec, evidence, rows
from titleholder.spec.check_rules import Checks
from titleholder.validation import checks
from titleholder.validation.checks.base import Check, Finding, found
from titleholder.validation.evidence import BenchmarkScores, Evidence, TrainingSample

CODES = [
    *("TH101", "TH201", "TH202", "TH203", "TH204", "TH205", "TH206", "TH207", "TH208", "TH301", "TH302", "TH303"),
    *("TH304", "TH401", "TH402", "TH403", "TH404", "TH405", "TH501", "TH502", "TH503", "TH601", "TH701", "TH702"),
    *("TH703", "TH704", "TH801", "TH802"),
]
CUT_OFF = {"judgement__cut_off": {"accept": "below", "share": 0.5}}
PROFIT = {"judgement__profit": {"accepted_1": -5.0, "accepted_0": 1.0}}


def complete(**changes: Any) -> Evidence:
    """Evidence with every optional part, on which every check that has a rule applies."""
    tree = {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "increasing": ["debt"]}
    spec = a_spec(**{**CUT_OFF, **PROFIT, "training__candidates": {"trees": tree}, **changes})
    rng = np.random.default_rng(0)
    seen = rows(spec, n=1200)
    good, poor = rng.uniform(0.3, 0.7, (2, 1200))
    return evidence(
        spec,
        y=seen["bad"].to_numpy(dtype=float),
        frame=seen,
        challenger=good,
        champion=poor,
        training=TrainingSample(frame=seen, y=seen["bad"].to_numpy(dtype=float), scores=good),
        predict=lambda frame: frame["debt"].to_numpy(),
        inputs={"debt": "double"},
        champion_inputs={"debt": "double"},
        recorded=good[:5],
        reloaded=good[:5],
        benchmark=BenchmarkScores(scores=poor),
    )


def test_codes_are_stable() -> None:
    """A code is written into every ledger row: it may be added to, never renamed."""
    assert list(checks.CHECKS) == CODES


def test_every_check_with_thresholds_has_its_own_part_of_the_spec() -> None:
    rules = [check.rule for check in checks.CHECKS.values() if check.rule]
    assert sorted(rules) == sorted(Checks.model_fields)


@pytest.mark.parametrize(
    "given",
    [
        evidence(),
        evidence(events=0, champion=np.full(50, 0.4)),
        evidence(y=np.empty(0), champion=np.empty(0)),
        evidence(a_spec(**CUT_OFF, **PROFIT), champion=np.full(50, 0.4)),
        evidence(a_regression(), y=np.linspace(-1, 1, 50)),
        evidence(a_regression(**CUT_OFF), y=np.ones(50), champion=np.ones(50)),
        evidence(a_regression(), y=np.empty(0), champion=np.empty(0)),
        complete(),
    ],
    ids=[
        "minimal",
        "one class",
        "empty",
        "constant",
        "regression",
        "constant regression",
        "empty regression",
        "complete",
    ],
)
def test_every_check_answers_under_its_own_code_in_one_sentence(given: Evidence) -> None:
    results = checks.run(given)
    assert [result.code for result in results] == CODES
    for result in results:
        assert result.title == checks.CHECKS[result.code].title
        assert result.explanation.endswith(".")
        assert ". " not in result.explanation
        assert all(math.isfinite(value) for value in result.numbers.values())


def test_every_failure_says_what_to_do() -> None:
    """That of most checks named no key and no next step. Where no more is to be done than to wait, none is said."""
    own = {"TH101", "TH203", "TH501", "TH502", "TH503"}  # depends on what was found: see their own tests
    assert {check.code for check in checks.CHECKS.values() if not check.remedy} == {*own, "TH301"}
    failing = Check("TH000", "Any", lambda _: found(True, "It is bad.", {}), remedy="Mend it.")(evidence())
    assert (failing.remedy, failing.explained) == ("Mend it.", "It is bad. Mend it.")
    passing = Check("TH000", "Any", lambda _: found(False, "It is good.", {}, beyond=True), remedy="Mend it.")(
        evidence()
    )
    assert (passing.remedy, passing.explained) == ("", "It is good.")
    for check in checks.CHECKS.values():
        assert check.remedy[-1:] in ("", ".")


def ruled() -> list[Check]:
    return [check for check in checks.CHECKS.values() if check.rule]


@pytest.mark.parametrize("check", ruled(), ids=lambda check: check.code)
def test_a_check_that_is_switched_off_does_not_apply(check: Check) -> None:
    assert check(complete()).explanation != "Switched off in the spec."
    off = check(complete(judgement__checks={check.rule: {"severity": "off"}}))
    assert (off.status, off.explanation, off.numbers) == ("not_applicable", "Switched off in the spec.", {})


@pytest.mark.parametrize("severity", ["warn", "block"])
@pytest.mark.parametrize("check", ruled(), ids=lambda check: check.code)
def test_the_severity_is_that_of_the_spec(check: Check, severity: str) -> None:
    assert check(complete(judgement__checks={check.rule: {"severity": severity}})).severity == severity


def test_numbers_that_are_not_finite_are_left_out() -> None:
    numbers = {"a": 1.0, "b": math.nan, "c": -math.inf, "d": math.inf}
    assert Check("TH000", "Any", lambda _: Finding("pass", "Said.", numbers))(evidence()).numbers == {"a": 1.0}


def test_each_check_says_what_it_judges_and_what_its_failure_means() -> None:
    subjects = {code: check.subject for code, check in checks.CHECKS.items() if check.subject != "challenger"}
    compared = ("TH301", "TH302", "TH303", "TH304", "TH402", "TH702", "TH801")
    assert subjects == {"TH205": "champion", **dict.fromkeys(compared, "comparison")}
    roles = {code: check.role for code, check in checks.CHECKS.items() if check.role != "guard"}
    assert roles == {"TH201": "floor", "TH205": "floor", "TH301": "gain", "TH503": "plausibility"}
    assert all(
        (r.subject, r.role) == (checks.CHECKS[r.code].subject, checks.CHECKS[r.code].role)
        for r in checks.run(complete())
    )


def test_failures_that_all_candidates_share_are_not_a_candidates_own() -> None:
    own = {code for code, check in checks.CHECKS.items() if check.of_candidate}
    assert own == {
        *("TH201", "TH202", "TH203", "TH204", "TH206", "TH207", "TH208", "TH401", "TH601", "TH701", "TH703", "TH704"),
    }


def test_each_code_leads_to_its_section_of_the_documentation() -> None:
    assert checks.docs_url("TH304") == "docs/checks.md#th304-swap-set-at-the-cut-off"
    assert checks.docs_url("TH703") == "docs/checks.md#th703-reloaded-model-predicts-the-same"
    assert checks.docs_url("TH999") == "docs/checks.md"
    assert len({checks.docs_url(code) for code in CODES}) == len(CODES)

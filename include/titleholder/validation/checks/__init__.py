"""The rules that a challenger must pass. One module for each area; each check has a stable code.

A check is a function of the `Evidence` that returns a `Result`; `CHECKS` is the registry, in the order of reading.
"""

from __future__ import annotations

from collections.abc import Sequence

from titleholder.validation.checks.base import DEPENDENCIES, PAGE, Check, Dependency, Result
from titleholder.validation.checks.baseline import beats_baseline
from titleholder.validation.checks.calibration import calibrated, calibrated_in_cohorts
from titleholder.validation.checks.comparison import gain_shown
from titleholder.validation.checks.drift import stable_over_succession, stable_over_time
from titleholder.validation.checks.fairness import accepted_alike
from titleholder.validation.checks.leakage import no_feature_alone, not_too_good
from titleholder.validation.checks.model_contract import asks_for_no_more, directions_hold, reloads_alike
from titleholder.validation.checks.outcomes import enough_outcomes
from titleholder.validation.checks.performance import above_floors, champion_above_floors
from titleholder.validation.checks.profit import profit_holds
from titleholder.validation.checks.segments import no_segment_loses
from titleholder.validation.checks.swap_set import swap_set
from titleholder.validation.evidence import Evidence

CHECKS: dict[str, Check] = {
    check.code: check
    for check in (
        enough_outcomes,
        above_floors,
        beats_baseline,
        calibrated,
        calibrated_in_cohorts,
        champion_above_floors,
        gain_shown,
        no_segment_loses,
        profit_holds,
        swap_set,
        stable_over_time,
        stable_over_succession,
        not_too_good,
        no_feature_alone,
        accepted_alike,
        directions_hold,
        asks_for_no_more,
        reloads_alike,
    )
}
__all__ = ["CHECKS", "docs_url", "run", "unaffected_by"]


def run(evidence: Evidence, known: Sequence[Result] = ()) -> tuple[Result, ...]:
    """Every check's result, in the registry's order; a check whose result is `known` is not run again."""
    already = {result.code: result for result in known}
    return tuple(already.get(code) or check(evidence) for code, check in CHECKS.items())


def unaffected_by(change: Dependency, results: Sequence[Result]) -> tuple[Result, ...]:
    """The results that stay as they are when `change`, or anything after it in `DEPENDENCIES`, becomes another."""
    before = DEPENDENCIES[: DEPENDENCIES.index(change)]
    return tuple(r for r in results if r.code in CHECKS and CHECKS[r.code].depends_on in before)


def docs_url(code: str) -> str:
    """The address of a check's section in the documentation; of an unknown code, that of the page.

    >>> docs_url("TH301")
    'docs/checks.md#th301-gain-shown'
    """
    return CHECKS[code].docs_url if code in CHECKS else PAGE

"""The rules a challenger is held to. One module per family; each check has a stable code.

A check is a function of the `Evidence` that returns a `Result`; `CHECKS` is the registry, in the order of reading.
"""

from __future__ import annotations

from collections.abc import Sequence

from titleholder.validation.checks.base import HEEDED, Check, Evidence, Heeded, Result
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
__all__ = ["CHECKS", "above_floors", "champion_above_floors", "gain_shown", "heeding", "run"]


def heeding(results: Sequence[Result], most: Heeded) -> tuple[Result, ...]:
    """The results of those checks that heed no more than this: they hold wherever that is the same."""
    allowed = HEEDED[: HEEDED.index(most) + 1]
    return tuple(r for r in results if r.code in CHECKS and CHECKS[r.code].heeds in allowed)


def run(evidence: Evidence, known: Sequence[Result] = ()) -> tuple[Result, ...]:
    """Every check's result, in the registry's order; a check whose result is `known` is not run again."""
    had = {result.code: result for result in known}
    return tuple(had.get(code) or check(evidence) for code, check in CHECKS.items())

"""The rules that a challenger must pass. One module for each area; each check has a stable code.

A check is a function of the `Evidence` that returns a `Result`; `CHECKS` is the registry, in the order of reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from titleholder.spec.rule import CHECKS_PAGE
from titleholder.validation.checks.base import DEPENDENCIES, Check, Dependency, Result
from titleholder.validation.checks.benchmark import not_worse_than_benchmark
from titleholder.validation.checks.calibration import overall_calibration
from titleholder.validation.checks.cohorts import cohort_calibration
from titleholder.validation.checks.comparison import segment_gains, sufficient_gain
from titleholder.validation.checks.constant_features import every_feature_varies
from titleholder.validation.checks.cut_off import profit_gain, swap_set
from titleholder.validation.checks.drift import drift_since_training, shift_from_champion
from titleholder.validation.checks.fairness import acceptance_rates
from titleholder.validation.checks.feature_drift import feature_missing_rates, feature_stability
from titleholder.validation.checks.grades import grade_calibration, grade_order
from titleholder.validation.checks.leakage import single_feature, too_good
from titleholder.validation.checks.missing_inputs import sensitivity_to_missing_inputs
from titleholder.validation.checks.model_contract import declared_directions, input_signature, reloaded_scores
from titleholder.validation.checks.performance import (
    challenger_floors,
    champion_floors,
    enough_outcomes,
    trivial_baseline,
)
from titleholder.validation.checks.plausible import plausible
from titleholder.validation.checks.scoring_runs import sealed_scores, skewed_features
from titleholder.validation.evidence import Evidence

CHECKS: dict[str, Check] = {
    check.code: check
    for check in (
        enough_outcomes,
        challenger_floors,
        trivial_baseline,
        overall_calibration,
        cohort_calibration,
        champion_floors,
        grade_calibration,
        grade_order,
        not_worse_than_benchmark,
        sufficient_gain,
        segment_gains,
        profit_gain,
        swap_set,
        drift_since_training,
        shift_from_champion,
        feature_stability,
        feature_missing_rates,
        every_feature_varies,
        too_good,
        single_feature,
        plausible,
        acceptance_rates,
        declared_directions,
        input_signature,
        reloaded_scores,
        sensitivity_to_missing_inputs,
        sealed_scores,
        skewed_features,
    )
}
__all__ = ["CHECKS", "docs_url", "failed_by_champion", "named", "run", "unaffected_by"]


def run(evidence: Evidence, known: Sequence[Result] = (), *, decisive: bool = False) -> tuple[Result, ...]:
    """Every check's result, in the registry's order; a check whose result is `known` is not run again.

    With `decisive`, of those checks only whose failure can change what is decided: warnings are left out.
    """
    already = {result.code: result for result in known}
    wanted = (check for check in CHECKS.values() if not decisive or check.decides(evidence.spec))
    return tuple(already.get(check.code) or check(evidence) for check in wanted)


def failed_by_champion(evidence: Evidence) -> tuple[Result, ...]:
    """The blocking checks of a model by itself that the champion fails on these rows, on its own.

    Left out are its floors, which TH205 judges, and drift since its training, whose rows are not these. What must ask
    the model itself does not apply.
    """
    if evidence.champion is None:
        return ()
    own = {"challenger": evidence.champion, "champion": None, "metrics": evidence.champion_metrics}
    unasked = dict.fromkeys(("predict", "predict_refit", "recorded", "reloaded", "unobserved"))
    alone = evidence.model_copy(update=own | unasked | {"champion_metrics": {}, "unfit": (), "also_unfit": ()})
    absolute = (c for c in CHECKS.values() if c.of_candidate and c.role != "floor" and c is not drift_since_training)
    results = (check(alone) for check in absolute if check.severity(evidence.spec) == "block")
    return tuple(result.model_copy(update={"remedy": ""}) for result in results if result.blocks)


def unaffected_by(change: Dependency, results: Sequence[Result]) -> tuple[Result, ...]:
    """The results that stay as they are when `change`, or anything after it in `DEPENDENCIES`, becomes another."""
    before = DEPENDENCIES[: DEPENDENCIES.index(change)]
    return tuple(r for r in results if r.code in CHECKS and CHECKS[r.code].depends_on in before)


def named(codes: Iterable[str]) -> str:
    """Checks by code and title; of an unknown code, the code alone.

    >>> named(["TH301", "TH999"])
    'TH301 (Gain sufficient), TH999'
    """
    return ", ".join(f"{code} ({CHECKS[code].title})" if code in CHECKS else code for code in codes)


def docs_url(code: str) -> str:
    """The address of a check's section in the documentation; of an unknown code, that of the page.

    >>> docs_url("TH301")
    'docs/checks.md#th301-gain-sufficient'
    """
    return CHECKS[code].docs_url if code in CHECKS else CHECKS_PAGE

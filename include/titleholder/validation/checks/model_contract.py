"""Does the model behave as its makers and its consumers were told?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from titleholder.validation.checks.base import NO_CHAMPION, NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.checks.groups import listed
from titleholder.validation.evidence import Array, Evidence


def _directions_hold(evidence: Evidence) -> Finding:
    """Fails when some score goes against a declared direction by more than `tolerance`.

    Each column is set to `points` quantiles of its observed values in `rows` rows spread evenly over the judged ones.
    """
    rule = evidence.spec.judgement.checks.monotone
    declared = _declared(evidence)
    if not declared:
        return not_applicable(f"Candidate {evidence.candidate} declares no column increasing or decreasing.")
    if evidence.predict is None:
        return not_applicable("The model is not at hand to be asked.")
    if not len(evidence.frame):
        return NOT_MEASURABLE
    n = len(evidence.frame)
    some = evidence.frame.iloc[np.unique(np.linspace(0, n - 1, min(n, rule.rows)).astype(int))]
    wrong = {column: _furthest_wrong(evidence, some, column, sign) for column, sign in declared.items()}
    rows = {column: int((fall > rule.tolerance).sum()) for column, fall in wrong.items()}
    numbers: dict[str, float] = {"rows": len(some), "points": rule.points, "tolerance": rule.tolerance}
    for column, fall in wrong.items():
        numbers |= {f"{column}:wrong": rows[column], f"{column}:furthest": float(fall.max())}
    against = [f"{column} in {rows[column]}, by up to {wrong[column].max():.3g}" for column in declared if rows[column]]
    what = f"by more than {rule.tolerance:g} along {rule.points} points of its column"
    told = listed(against) if against else f"none for {listed(list(declared))}"
    return found(bool(against), f"Of {len(some)} rows, scores go the wrong way {what}: {told}.", numbers)


def _declared(evidence: Evidence) -> dict[str, int]:
    """Columns to +1 (increasing) or -1 (decreasing)."""
    candidate = evidence.spec.training.candidates.get(evidence.candidate)
    if candidate is None:
        return {}
    return dict.fromkeys(candidate.increasing, 1) | dict.fromkeys(candidate.decreasing, -1)


def _furthest_wrong(evidence: Evidence, some: pd.DataFrame, column: str, sign: int) -> Array:
    """How far each row's scores fall back along the column, in its declared direction; shape (rows,)."""
    observed = evidence.frame[column].to_numpy(dtype=np.float64, na_value=np.nan)
    observed = observed[np.isfinite(observed)]
    points = evidence.spec.judgement.checks.monotone.points
    if evidence.predict is None or not len(observed):
        return np.zeros(len(some))
    values = np.unique(np.quantile(observed, np.linspace(0, 1, points), method="inverted_cdf"))
    grid = some.iloc[np.repeat(np.arange(len(some)), len(values))].reset_index(drop=True)
    grid[column] = np.tile(values, len(some))
    scores = sign * evidence.predict(grid).reshape(len(some), len(values))
    return np.asarray((np.maximum.accumulate(scores, axis=1) - scores).max(axis=1))


def _asks_for_no_more(evidence: Evidence) -> Finding:
    """Fails when a consumer that serves the champion could not serve the challenger: a new column, or another type."""
    asked, before = evidence.inputs, evidence.champion_inputs
    if evidence.champion is None:
        return NO_CHAMPION
    if before is None:
        return not_applicable("What the champion asks for is not known.")
    new = [f"{column} ({kind})" for column, kind in asked.items() if column not in before]
    other = [f"{c} ({kind}, was {before[c]})" for c, kind in asked.items() if c in before and before[c] != kind]
    numbers: dict[str, float] = {"asked": len(asked), "new": len(new), "of_another_type": len(other)}
    if not (new or other):
        return found(False, "The challenger asks its consumers for nothing that the champion did not.", numbers)
    return found(
        True,
        f"The challenger asks its consumers for what the champion did not: {', '.join([*new, *other])}; once they send "
        "it, set judgement.checks.signature.severity: warn.",
        numbers,
    )


def _reloads_alike(evidence: Evidence) -> Finding:
    """Fails when a score of the model read back differs from the one recorded by more than `tolerance`.

    As a share of the recorded score where that is beyond one; a score that is no number differs from any.
    """
    recorded, reloaded = evidence.recorded, evidence.reloaded
    if recorded is None or reloaded is None:
        return not_applicable("No scores were recorded when the model was trained.")
    return scores_alike(recorded, reloaded, evidence.spec.judgement.checks.reload.tolerance)


def scores_alike(recorded: Array, reloaded: Array, tolerance: float) -> Finding:
    """What TH703 finds about these scores; an audit asks the same of a model that reigns."""
    if len(recorded) != len(reloaded):
        told = f"{len(recorded)} scores were recorded, the model read back gives {len(reloaded)}."
        return found(True, told, {"recorded": len(recorded), "reloaded": len(reloaded)})
    apart = np.abs(recorded - reloaded) / np.maximum(1.0, np.abs(recorded))
    different, furthest = int((~(apart <= tolerance)).sum()), float(apart.max(initial=0.0))
    return found(
        different > 0,
        f"{different} of {len(recorded)} recorded scores differ from those of the model read back by more than "
        f"{tolerance:g}, the furthest by {furthest:.3g}.",
        {"recorded": len(recorded), "different": different, "furthest": furthest, "tolerance": tolerance},
    )


directions_hold = Check("TH701", "Declared directions hold", _directions_hold, "monotone", depends_on="rows")
asks_for_no_more = Check("TH702", "Signature compatible", _asks_for_no_more, "signature", subject="comparison")
reloads_alike = Check("TH703", "Reloaded model predicts the same", _reloads_alike, "reload", depends_on="rows")

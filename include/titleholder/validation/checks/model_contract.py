"""Does the model keep what it promises: its directions, its inputs, and its scores when it is read back?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from titleholder.validation.checks.base import NO_CHAMPION, NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.checks.groups import listed
from titleholder.validation.evidence import Array, Evidence


def _declared_directions(evidence: Evidence) -> Finding:
    """Fails when some score goes against a declared direction by more than `tolerance`.

    Each column is set to `points` quantiles of its observed values in `rows` rows spread evenly over the judged ones.
    A refit must keep to the directions too.
    """
    rule = evidence.spec.judgement.checks.monotone
    declared = _declared(evidence)
    if not declared:
        return not_applicable(f"Candidate {evidence.candidate} declares no column increasing or decreasing.")
    if evidence.predict is None:
        return not_applicable("The model cannot score other rows here.")
    if not len(evidence.frame):
        return NOT_MEASURABLE
    n = len(evidence.frame)
    some = evidence.frame.take(np.unique(np.linspace(0, n - 1, min(n, rule.rows)).astype(int)))
    wrong = {column: _largest_reversal(evidence, some, column, sign) for column, sign in declared.items()}
    rows = {column: int((fall > rule.tolerance).sum()) for column, fall in wrong.items()}
    numbers: dict[str, float] = {"rows": len(some), "points": rule.points, "tolerance": rule.tolerance}
    for column, fall in wrong.items():
        numbers |= {f"{column}:wrong": rows[column], f"{column}:furthest": float(fall.max())}
    against = [f"{column} in {rows[column]}, by up to {wrong[column].max():.3g}" for column in declared if rows[column]]
    limit = f"by more than {rule.tolerance:g} along {rule.points} points of its column"
    named = listed(against) if against else f"none for {listed(list(declared))}"
    sentence = f"Of {len(some)} rows, scores move against a declared direction {limit}: {named}."
    return found(bool(against), sentence, numbers)


def _declared(evidence: Evidence) -> dict[str, int]:
    """Columns to +1 (increasing) or -1 (decreasing)."""
    candidate = evidence.spec.training.candidates.get(evidence.candidate)
    if candidate is None:
        return {}
    return dict.fromkeys(candidate.increasing, 1) | dict.fromkeys(candidate.decreasing, -1)


def _largest_reversal(evidence: Evidence, some: pd.DataFrame, column: str, sign: int) -> Array:
    """How far each row's scores fall back along the column, in its declared direction; shape (rows,)."""
    observed = evidence.frame[column].to_numpy(dtype=np.float64, na_value=np.nan)
    observed = observed[np.isfinite(observed)]
    points = evidence.spec.judgement.checks.monotone.points
    if evidence.predict is None or not len(observed):
        return np.zeros(len(some))
    values = np.unique(np.quantile(observed, np.linspace(0, 1, points), method="inverted_cdf"))
    grid = some.iloc[np.repeat(np.arange(len(some)), len(values))].reset_index(drop=True)
    grid[column] = np.tile(values, len(some))
    models = [evidence.predict, *([evidence.predict_refit] if evidence.predict_refit else [])]
    scores = sign * np.stack([predict(grid).reshape(len(some), len(values)) for predict in models])
    return np.asarray((np.maximum.accumulate(scores, axis=2) - scores).max(axis=(0, 2)))


def _input_signature(evidence: Evidence) -> Finding:
    """Fails when a consumer of the champion could not use the challenger: it needs a new column, or another type."""
    after, before = evidence.inputs, evidence.champion_inputs
    if evidence.champion is None:
        return NO_CHAMPION
    if before is None:
        return not_applicable("The inputs of the champion are not known.")
    new = [f"{column} ({kind})" for column, kind in after.items() if column not in before]
    other = [f"{c} ({kind}, was {before[c]})" for c, kind in after.items() if c in before and before[c] != kind]
    numbers: dict[str, float] = {"inputs": len(after), "new": len(new), "of_another_type": len(other)}
    if not (new or other):
        return found(False, "The challenger needs no input that the champion did not.", numbers)
    return found(
        True,
        f"The challenger needs inputs that the champion did not: {', '.join([*new, *other])}.",
        numbers,
    )


def _reloaded_scores(evidence: Evidence) -> Finding:
    """Fails when a score of the model read back differs from the one recorded by more than `tolerance`.

    As a share of the recorded score where that is beyond one; a score that is no number differs from any.
    """
    recorded, reloaded = evidence.recorded, evidence.reloaded
    if recorded is None or reloaded is None:
        return not_applicable("No scores were recorded when the model was trained.")
    return compare_scores(recorded, reloaded, evidence.spec.judgement.checks.reload.tolerance)


def compare_scores(recorded: Array, reloaded: Array, tolerance: float) -> Finding:
    """What TH703 finds about these scores; an audit compares those of the champion in the same way."""
    if len(recorded) != len(reloaded):
        sentence = f"{len(recorded)} scores were recorded, the model read back gives {len(reloaded)}."
        return found(True, sentence, {"recorded": len(recorded), "reloaded": len(reloaded)})
    apart = np.abs(recorded - reloaded) / np.maximum(1.0, np.abs(recorded))
    different, furthest = int((~(apart <= tolerance)).sum()), float(apart.max(initial=0.0))
    return found(
        different > 0,
        f"{different} of {len(recorded)} recorded scores differ from those of the model read back by more than "
        f"{tolerance:g}, the furthest by {furthest:.3g}.",
        {"recorded": len(recorded), "different": different, "furthest": furthest, "tolerance": tolerance},
    )


declared_directions = Check(
    "TH701",
    "Declared directions hold",
    _declared_directions,
    "monotone",
    depends_on="rows",
    of_candidate=True,
    remedy="Use an estimator with monotonic constraints, or take the column out of increasing and decreasing.",
)
input_signature = Check(
    "TH702",
    "Signature compatible",
    _input_signature,
    "signature",
    subject="comparison",
    remedy="Once consumers send them, set judgement.checks.signature.severity: warn.",
)
reloaded_scores = Check(
    "TH703",
    "Reloaded model predicts the same",
    _reloaded_scores,
    "reload",
    depends_on="rows",
    of_candidate=True,
    remedy="Compare the installed libraries with those of the training run; do not use the stored model.",
)

"""What happens to the challenger when one of its features cannot be had?"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from titleholder.validation import metrics
from titleholder.validation.changed_columns import predict_each
from titleholder.validation.checks.base import NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.checks.estimates import estimate_gain
from titleholder.validation.checks.groups import adjusted_confidence, group_numbers, listed, shown_or_estimated
from titleholder.validation.evidence import Array, Evidence, measurable
from titleholder.validation.fresh import in_unit
from titleholder.validation.metrics import Interval
from titleholder.validation.metrics.inputs import Rows, check

ROWS = 10_000
"""At most so many of the judged rows, drawn at random with the spec's seed."""
FEWEST = 500
BUDGET = 500_000
"""At most so many predictions in all: with many features there are fewer rows, though never fewer than `FEWEST`."""


UNKNOWN = Interval(math.nan, math.nan, math.nan)


class MissingInput(NamedTuple):
    """The deciding metric where one feature is missing in every row, and the loss; `problem`: why there is no score."""

    feature: str
    metric: float
    loss: Interval
    problem: str = ""


class MissingInputs(NamedTuple):
    """Each feature's `MissingInput`, the worst first, on so many rows; `metric` is the challenger's on these rows."""

    features: tuple[MissingInput, ...]
    rows: int
    metric: float
    limit: float
    """The loss that is allowed, in the metric's unit."""

    @property
    def unscored(self) -> list[MissingInput]:
        """Features without which rows get no score."""
        return [each for each in self.features if each.problem]

    @property
    def costly(self) -> list[MissingInput]:
        """Features without which the metric is shown to lose more than is allowed."""
        return [each for each in self.features if each.loss.lower > self.limit]


def missing_inputs(evidence: Evidence) -> MissingInputs | None:
    """The challenger with each of its features missing in turn; None where nothing can be predicted or measured.

    The loss is in units of the deciding metric, positive where the metric becomes worse. Its intervals hold for all
    features together (Bonferroni).
    """
    spec, names, predict = evidence.spec, evidence.spec.columns.features, evidence.predict
    chosen = evidence.sampled(min(ROWS, max(FEWEST, BUDGET // len(names))))
    if predict is None or not measurable(spec, evidence.y[chosen]):
        return None
    rows, losses = evidence.frame.take(chosen)[names].reset_index(drop=True), _Losses(evidence, chosen)
    scored = evidence.once("without each feature", lambda: _scores_without_each(predict, rows, evidence.y[chosen]))
    found = [losses.of(name, scores) for name, scores in scored.items()]
    ordered = sorted(found, key=lambda each: (not each.problem, -each.loss.estimate, each.feature))
    full = losses.metric(evidence.challenger[chosen])
    allowed = in_unit(spec.judgement, spec.judgement.missing_loss, full, evidence.sample.at(chosen))
    return MissingInputs(tuple(ordered), len(chosen), full, allowed)


def _scores_without_each(
    predict: Callable[[pd.DataFrame], Array], rows: pd.DataFrame, y: Array
) -> dict[str, Array | str]:
    """The scores of the rows where each feature is missing in all of them, or why there are none."""
    gaps = {str(name): rows[name].mask(np.ones(len(rows), dtype=bool)) for name in rows}
    try:
        return {name: _finite(scores, y) for name, scores in predict_each(predict, rows, gaps)}
    except Exception:  # some feature is needed: which, shows when they are predicted one by one
        return {name: _scores_without(predict, rows.assign(**{name: gap}), y) for name, gap in gaps.items()}


def _scores_without(predict: Callable[[pd.DataFrame], Array], rows: pd.DataFrame, y: Array) -> Array | str:
    try:
        return _finite(predict(rows), y)
    except Exception as error:  # the estimator may be any class, and so may its exceptions
        return f"{type(error).__name__}: {error}".partition("\n")[0]


def _finite(scores: Array, y: Array) -> Array:
    check(y, scores)
    return scores


def _sensitivity(evidence: Evidence) -> Finding:
    """Fails when rows without some feature get no score, or the metric is shown to lose more than is allowed."""
    if evidence.predict is None:
        return not_applicable("The model cannot score other rows here.")
    inputs = missing_inputs(evidence)
    if inputs is None:
        return NOT_MEASURABLE
    name = evidence.spec.judgement.metric
    unscored = listed([f"{each.feature} ({each.problem})" for each in inputs.unscored])
    scored = [each for each in inputs.features if not each.problem]
    costly = shown_or_estimated(
        {each.feature: _loss(each) for each in scored},
        [each.feature for each in inputs.costly],
        [each.feature for each in scored if each.loss.estimate > inputs.limit],
    )
    answered = f"rows get no score without {unscored}" if unscored else "rows always get a score"
    losses = {each.feature: each.loss for each in scored}
    return found(
        bool(inputs.unscored or inputs.costly),
        f"Of {len(inputs.features)} features, each missing in turn in {inputs.rows} judged rows with {name} "
        f"{inputs.metric:.4f}: {answered}; shown to cost more than {inputs.limit:.4g}: {costly}.",
        {
            "judged": len(inputs.features),
            "rows": inputs.rows,
            name: inputs.metric,
            "maximum": inputs.limit,
            "unscored": len(inputs.unscored),
            "costly": len(inputs.costly),
            **group_numbers(losses, "loss"),
        },
        remedy="Choose an estimator or an encoding that accepts missing values." if inputs.unscored else "",
    )


def _loss(each: MissingInput) -> str:
    return f"{each.feature} {each.loss.text()}"


class _Losses:
    """What the challenger loses on some rows where a feature is missing."""

    def __init__(self, evidence: Evidence, chosen: Rows) -> None:
        self._evidence, self._chosen = evidence, chosen
        self._confidence = adjusted_confidence(evidence.spec.judgement.confidence, len(evidence.spec.columns.features))

    def of(self, feature: str, scores: Array | str) -> MissingInput:
        """That of one feature with these scores of the rows, or the reason why there are none."""
        if isinstance(scores, str):
            return MissingInput(feature, math.nan, UNKNOWN, scores)
        without = self._evidence.challenger.copy()
        without[self._chosen] = scores
        name = self._evidence.spec.judgement.metric
        loss = estimate_gain(self._evidence, name, without, self._chosen, self._confidence)
        return MissingInput(feature, self.metric(scores), Interval(*loss.values))

    def metric(self, scores: Array) -> float:
        """The deciding metric of these scores of the rows."""
        judgement, weights = self._evidence.spec.judgement, self._evidence.weights
        some = None if weights is None else weights[self._chosen]
        return metrics.compute(judgement.metric, self._evidence.y[self._chosen], scores, judgement, some)


sensitivity_to_missing_inputs = Check(
    "TH704",
    "No single missing feature costs too much",
    _sensitivity,
    "missing_inputs",
    depends_on="confidence",
    of_candidate=True,
    remedy="Make sure that its source is monitored, and agree on a fallback.",
)

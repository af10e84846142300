"""What came true of the rows that a champion scored: cohorts, the promise, and the review of its promotion (pure).

Outcomes that come early are no random sample: of loans, defaults come before repayments. So only cohorts count of which
every row is matured.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Literal, NamedTuple

import numpy as np
from dateutil.relativedelta import relativedelta
from scipy import special

from titleholder import formatting
from titleholder.spec.metrics import METRICS
from titleholder.validation.metrics import Array, Estimation, Gain, Interval, Sample, gain, interval, joint
from titleholder.validation.monitoring.estimated import METRICS as ESTIMATED
from titleholder.validation.monitoring.estimated import Recalibration, estimated
from titleholder.validation.monitoring.look import span
from titleholder.validation.monitoring.realised import shortfall
from titleholder.validation.monitoring.report import Promise, RealisedCohort, Review, Span
from titleholder.validation.sequential import Look, accumulate

FREEDOM = 1e6
"""Degrees of freedom of a promise, whose interval is taken as normal."""


def whole_cohorts(start: date, matured: date, *, ended: bool = False) -> list[tuple[date, date]]:
    """The calendar months [first, end) from `start` on whose events are all matured; the first one may begin late.

    Where all has `ended` at `matured`, such as a reign, the last one may end early.

    >>> [(str(a), str(b)) for a, b in whole_cohorts(date(2024, 1, 15), date(2024, 3, 20))]
    [('2024-01-15', '2024-02-01'), ('2024-02-01', '2024-03-01')]
    """
    found = []
    while (end := start.replace(day=1) + relativedelta(months=1)) <= matured:
        found.append((start, end))
        start = end
    if ended and start < matured:
        found.append((start, matured))
    return found


class ScoredOutcomes(NamedTuple):
    """Rows of matured events with their outcomes, the scores they got in use, and the predecessor's scores, if any.

    `days` has each row's day, shape (n,); `scored_days` that of every scored row, with an outcome or without.
    """

    days: Array
    sample: Sample
    scores: Array
    predecessor: Array | None
    scored_days: Array


def cohorts(
    rows: ScoredOutcomes,
    months: Sequence[tuple[date, date]],
    metric: str,
    how: Estimation,
    calibration: Recalibration | None,
    least_events: int,
) -> Iterator[RealisedCohort]:
    """What came true month by month; a month with too few events is joined with the next one.

    Months at the end with too few events come in no cohort yet.
    """
    first: date | None = None
    for start, end in months:
        first = first or start
        inside = (rows.days >= first.toordinal()) & (rows.days < end.toordinal())
        scored = int(((rows.scored_days >= first.toordinal()) & (rows.scored_days < end.toordinal())).sum())
        if (made := _cohort(rows, inside, (first, end), metric, how, calibration, least_events)) is not None:
            yield made.model_copy(update={"scored": scored})
            first = None


def _cohort(
    rows: ScoredOutcomes,
    inside: np.ndarray[tuple[int], np.dtype[np.bool_]],
    months: tuple[date, date],
    metric: str,
    how: Estimation,
    calibration: Recalibration | None,
    least_events: int,
) -> RealisedCohort | None:
    sample, p = rows.sample.at(inside), rows.scores[inside]
    binary = METRICS[metric].task == "classification"
    events = int(sample.y.sum()) if binary else len(sample.y)
    if min(events, len(sample.y) - events if binary else events) < max(least_events, 2):
        return None
    found = interval(metric, sample, p, how)
    if not found.finite or not 0 < _error(metric, sample, p, how) < math.inf:
        return None
    won = None
    if rows.predecessor is not None:
        won = gain(metric, sample, p, rows.predecessor[inside], how)
    return RealisedCohort(
        start=months[0],
        end=months[1],
        rows=len(p),
        events=events,
        scored=0,
        realised=span(*found.values),
        estimated=estimate(metric, p, how.confidence, calibration, weighted=sample.weights is not None),
        gain=span(*won.values) if won is not None and won.finite else None,
    )


def _error(metric: str, sample: Sample, p: Array, how: Estimation) -> float:
    _, covariance = joint(metric, sample, [p], how)
    return float(np.sqrt(covariance[0, 0]))


def estimate(
    metric: str, p: Array, confidence: float, calibration: Recalibration | None, *, weighted: bool
) -> Span | None:
    """The metric that these scores lead to expect; None where it cannot be estimated."""
    if metric not in ESTIMATED or weighted or len(p) < 2 or not ((p >= 0) & (p <= 1)).all():
        return None
    return span(*estimated(metric, p, confidence=confidence, calibration=calibration).values)


def promise(
    metric: str,
    decision: int,
    promised: Interval,
    realised: Sequence[RealisedCohort],
    *,
    confidence: float,
    tolerated: float,
    budget: float,
) -> Promise:
    """What is missing of the metric at promotion, by the cohorts so far.

    Args:
        metric: its name.
        decision: the one that measured it.
        promised: the metric on its holdout, at `confidence`; as is `realised` of each cohort.
        realised: in order of time.
        confidence: of those intervals.
        tolerated: what may be missing: in the metric's unit, or a share of what was promised (see `METRICS`).
        budget: the chance of saying so in the whole reign while no more is missing.
    """
    share = METRICS[metric].share_of is not None
    limit = tolerated * abs(promised.estimate) if share else tolerated
    made = Promise(metric=metric, decision=decision, promised=span(*promised.values), budget=budget, tolerated=limit)
    sign = 1.0 if METRICS[metric].greater_is_better else -1.0
    given = _as_gain(promised.values, confidence, sign)
    looks = [look for one in realised if (look := _look(metric, one, one.realised, confidence, sign))]
    if given is None or (found := shortfall(given, looks, tolerated=limit, budget=budget)) is None:
        return made
    update = {"cohorts": found.cohorts, "missing": found.missing, "least": found.least, "broken": found.shown}
    return made.model_copy(update=update)


def review(
    metric: str,
    decision: int,
    predecessor: int,
    promised: Interval,
    realised: Sequence[RealisedCohort],
    confidence: float,
    who: str = "the champion",
) -> Review:
    """Did the gain of the deciding run come true, by the cohorts so far? Whatever was seen, at any time.

    `no`: it is shown that something is missing of the promised gain, taken at its lower bound. Else `yes`: it is shown
    that the champion is better than its predecessor. Both are always-valid, with 1 - confidence for either error.
    """
    looks = [look for one in realised if one.gain and (look := _look(metric, one, one.gain, confidence, 1.0))]
    given = _as_gain(promised.values, confidence, 1.0)
    found = accumulate(looks, minimum_gain=0.0, confidence=confidence)
    missed = shortfall(given, looks, tolerated=0.0, budget=1 - confidence) if given else None
    mean = _pooled(looks, confidence)
    better = bool(found and found.shown)
    answer: Literal["yes", "no", "open"] = "no" if missed and missed.shown else "yes" if better else "open"
    made = Review(
        decision=decision,
        predecessor=predecessor,
        promised=span(*promised.values),
        realised=mean,
        cohorts=len(looks),
        answer=answer,
        sentence="",
    )
    return made.model_copy(update={"sentence": _sentence(made, who, better=better)})


def _sentence(made: Review, who: str, *, better: bool) -> str:
    if made.realised is None:
        return "No matured cohort has scores of both versions yet: whether the promised gain comes true is not known."
    promised, realised = (formatting.signed(one.estimate, 1.0) for one in (made.promised, made.realised))
    came = f"of the promised gain of {promised}, {realised} came true"
    if made.answer == "yes":
        return f"{who[:1].upper()}{who[1:]} is better than version {made.predecessor}: {came}."
    if made.answer == "no":
        still = f", though {who} is better" if better else ""
        return f"The promised gain over version {made.predecessor} did not come true{still}: {came}."
    return f"It is open whether the promised gain over version {made.predecessor} comes true: so far, {came}."


def _as_gain(values: tuple[float, float, float], confidence: float, sign: float) -> Gain | None:
    estimate, lower, upper = values
    error = (upper - lower) / (2 * float(special.ndtri(0.5 + confidence / 2)))
    if not 0 < error < math.inf:
        return None
    low, high = sorted((sign * lower, sign * upper))
    return Gain(sign * estimate, low, high, method="at promotion", error=error, freedom=FREEDOM)


def _look(metric: str, cohort: RealisedCohort, of: Span, confidence: float, sign: float) -> Look | None:
    if of.lower is None or of.upper is None or of.upper <= of.lower:
        return None
    error = (of.upper - of.lower) / (2 * float(special.ndtri(0.5 + confidence / 2)))
    return Look(
        as_of=cohort.end,
        start=cohort.start,
        end=cohort.end,
        rows=cohort.rows,
        events=cohort.events,
        metric=metric,
        gain=sign * of.estimate,
        error=error,
    )


def _pooled(looks: Sequence[Look], confidence: float) -> Span | None:
    """The mean of the looks by their information, with a normal interval, for people to read."""
    if not looks:
        return None
    weights = np.array([1 / look.error**2 for look in looks])
    mean, error = float(np.average([look.gain for look in looks], weights=weights)), float(weights.sum() ** -0.5)
    reach = float(special.ndtri(0.5 + confidence / 2)) * error
    return Span(estimate=mean, lower=mean - reach, upper=mean + reach)

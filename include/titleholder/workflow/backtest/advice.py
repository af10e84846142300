"""What age costs and how often to retrain, in one sentence (pure)."""

from __future__ import annotations

import math
from typing import NamedTuple

from titleholder.formatting import between, confidence, metric, number, scale, signed
from titleholder.spec.cadence import Cadence
from titleholder.validation.ageing import BLOCKS, COHORTS, MONTH, AgeCost, Loss
from titleholder.workflow.backtest.ageing import Ageing, FrequencyWorth


class AgeUnit(NamedTuple):
    """In which age is told: a daily model's in days, a weekly one's in weeks, others' in months.

    >>> AgeUnit.of(Cadence("week")).noun, AgeUnit.of(Cadence("quarter")).noun
    ('week', 'month')
    """

    noun: str
    months: float

    @classmethod
    def of(cls, cadence: Cadence) -> AgeUnit:
        """That of a model that is retrained so often."""
        days = {"day": 1, "week": 7}.get(cadence.noun)
        return cls("month", 1.0) if days is None else cls(cadence.noun, days / MONTH)


def often_enough(ageing: Ageing) -> FrequencyWorth:
    """The least frequent retraining that loses no more than is tolerated against the most frequent, at the worst."""
    within = [one for one in ageing.worth if one.loss.upper <= ageing.tolerated]
    return (within or [ageing.worth[0]])[-1]


def advice(ageing: Ageing, name: str, level: float, cadence: Cadence) -> str:
    """How often to retrain and why, in one sentence; what is missing where nothing can be said.

    Args:
        ageing: what is known of the cost of age.
        name: the metric's.
        level: the confidence of the intervals.
        cadence: of the lane.
    """
    cost = ageing.metric
    if cost is None:
        return _too_little(ageing, cadence)
    said = _cost(cost, name, level, cadence) + _by_record(ageing, cadence)
    if cost.month.upper < 0:
        return f"Newer versions did worse: {said}; find out why before you retrain more often."
    if not ageing.worth:
        return f"No advice on how often to retrain: {said}, and the ages compared say nothing about other frequencies."
    return _shown(ageing, said) if cost.month.lower > 0 else _not_shown(ageing, said, cadence)


def _too_little(ageing: Ageing, cadence: Cadence) -> str:
    if ageing.more:
        have = f"{cadence.many(ageing.cohorts)} with final outcomes {'has' if ageing.cohorts == 1 else 'have'}"
        return (
            f"The cost of age cannot be estimated yet: {have} two versions or more to compare, and it takes {COHORTS}, "
            f"so {cadence.many(ageing.more)} more."
        )
    return f"The cost of age cannot be estimated: it takes {BLOCKS} versions of different ages on the same rows."


def _cost(cost: AgeCost, name: str, level: float, cadence: Cadence) -> str:
    unit = AgeUnit.of(cadence)
    loss = cost.month.times(unit.months)
    like, bound = scale([loss.estimate, loss.lower, loss.upper]), f"{confidence(level)} interval"
    said = f"({bound} {between(loss.lower, loss.upper, like, '+')})"
    return f"a {unit.noun} of age costs {number(loss.estimate, like)} of {metric(name, inside=True)} {said}"


def _by_record(ageing: Ageing, cadence: Cadence) -> str:
    """Where the figures come from, where that is not final outcomes."""
    if ageing.source == "outcomes":
        return ""
    return f" by the ledger's record, since {cadence.many(ageing.more)} with final outcomes are still missing"


def _shown(ageing: Ageing, said: str) -> str:
    first, last, best = ageing.worth[0], ageing.worth[-1], often_enough(ageing)
    gain, like = first.gain, _scale(ageing)
    worth = f"{signed(gain.estimate, like)} ({between(gain.lower, gain.upper, like, '+')})"
    head = f"Retrain {best.name}: {said}, so {first.name} retraining is worth {worth} over {last.name}"
    if best == first:
        return f"{head}; {ageing.worth[1].name} could lose {_beyond(ageing, ageing.worth[1], first)}."
    return f"{head}, yet {best.name} loses {_within(ageing, best)}."


def _not_shown(ageing: Ageing, said: str, cadence: Cadence) -> str:
    first, last, best = ageing.worth[0], ageing.worth[-1], often_enough(ageing)
    head = f"No cost of age can be shown: {said}"
    if best == last:
        return f"{head}, and {last.name} retraining, which loses {_within(ageing, last)}, is frequent enough."
    more = further_periods(ageing)
    after = f", and some {cadence.many(more)} more would tell" if more else ""
    return (
        f"{head}, but {last.name} retraining could lose {_beyond(ageing, last, first)}: "
        f"{best.name} is the cautious choice{after}."
    )


def further_periods(ageing: Ageing) -> int:
    """About how many more periods would show that the least frequent retraining loses no more than is tolerated.

    The interval is taken to narrow with the root of the number of periods, and the estimate to stay. 0 where the
    estimate itself is beyond what is tolerated, so that no number of periods would do, or nothing is missing.
    """
    loss = ageing.worth[-1].loss
    reach, room = loss.upper - loss.estimate, ageing.tolerated - loss.estimate
    if room <= 0 or reach <= room:
        return 0
    cohorts = ageing.metric.cohorts if ageing.metric else ageing.cohorts
    return math.ceil(cohorts * ((reach / room) ** 2 - 1))


def _scale(ageing: Ageing) -> float:
    return scale(value for one in ageing.worth for value in (one.gain.lower, one.gain.upper))


def _upper(ageing: Ageing, loss: Loss) -> str:
    return number(max(loss.upper, 0.0), _scale(ageing))


def _within(ageing: Ageing, one: FrequencyWorth) -> str:
    loss = f"at most {_upper(ageing, one.loss)} against {ageing.worth[0].name}"
    return f"{loss}, within the tolerated {number(ageing.tolerated, _scale(ageing))}"


def _beyond(ageing: Ageing, one: FrequencyWorth, first: FrequencyWorth) -> str:
    loss = f"up to {_upper(ageing, one.loss)} against {first.name}"
    return f"{loss}, more than the tolerated {number(ageing.tolerated, _scale(ageing))}"

"""A backtest's answer in one sentence, and what to bear in mind with it."""

from __future__ import annotations

from titleholder.formatting import between, confidence, metric, number, scale, signed
from titleholder.spec.windows import next_tick
from titleholder.workflow.backtest.policies import PeriodResult, PolicyGain
from titleholder.workflow.backtest.summary import Backtest

FEW = 12
"""Fewer periods than these are few: each weighs more than a twelfth of the mean."""


def answer(result: Backtest) -> str:
    """Whether retraining was worth it, with the means, their difference and its interval."""
    whole = result.overall
    if not whole.periods:
        return f"There is no answer yet: {_why_none(result)}."
    gain = whole.contrasts["gate-never"].metric
    gate, never, newest = (whole.policies[p].mean for p in ("gate", "never", "newest"))
    like, named = scale([gate, never, newest]), metric(result.metric, inside=True)
    over = f"over the {result.cadence.many(whole.periods)} that can be compared"
    level = f"{confidence(result.confidence)} interval {between(gain.lower, gain.upper, like, '+')}"
    always_newest = f"always using the newest model would have given {number(newest, like)}{_newest_gain(result, like)}"
    if _never_changed(result):
        return (
            f"It made no difference: {over} the gate let no new model take over from the first champion, whose mean "
            f"{named} was {number(never, like)}; {always_newest}."
        )
    so_far = " so far" if whole.periods < FEW else ""
    return (
        f"{verdict(gain)}{so_far}: {over} the champions had a mean {named} of {number(gate, like)}, "
        f"the first champion alone would have had {number(never, like)}, a difference of {signed(gain.estimate, like)} "
        f"({level}; positive is better); {always_newest}."
    )


def cautions(result: Backtest) -> list[str]:
    """What the answer's interval does not say: that periods are few, and that one is much longer than the others."""
    of, number = result.cadence, result.overall.periods
    few = (
        f"Only {of.many(number)} can be compared, fewer than {FEW}, which is few: one unusual {of.noun} can turn the "
        f"answer around, and the interval, which is about these {of.plural} only, does not cover that."
    )
    long = [m for m in result.periods if m.compared and _long(m, result.schedule)]
    return [
        *([few] if 0 < number < FEW else []),
        *(
            f"The rows from {m.period.as_of} to before {m.end} count as one {of.noun} in the means: no decision was "
            "made in between."
            for m in long
        ),
    ]


def _long(period: PeriodResult, schedule: str | None) -> bool:
    """Whether its rows reach over more than two ticks of the schedule."""
    return period.end > next_tick(schedule, next_tick(schedule, period.period.as_of))


def verdict(gain: PolicyGain) -> str:
    """The answer that this interval supports."""
    if gain.lower > 0:
        return "Yes, it was worth it"
    return "No, it did harm" if gain.upper < 0 else "Not shown to have been worth it"


def _never_changed(result: Backtest) -> bool:
    """Whether the first champion was champion in every period compared."""
    return all(m.figures["gate"].version == m.figures["never"].version for m in result.periods if m.compared)


def _newest_gain(result: Backtest, like: float) -> str:
    newest = result.overall.contrasts["newest-never"].metric
    against = "the first champion" if _never_changed(result) else "no retraining"
    return f", {signed(newest.estimate, like)} against {against} ({between(newest.lower, newest.upper, like, '+')})"


def _why_none(result: Backtest) -> str:
    """Why no period can be compared: the most frequent reason, of ties the newest."""
    reasons = [m.why for m in reversed(result.periods)]
    most = max(dict.fromkeys(reasons), key=reasons.count)
    return f"no {result.cadence.noun} can be compared ({most} in {reasons.count(most)} of {len(reasons)})"

"""A backtest's answer in one sentence, and what to bear in mind with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from titleholder.formatting import between, confidence, metric, number, percent, scale, signed
from titleholder.spec.windows import last_tick, next_tick
from titleholder.workflow.backtest.advice import advice
from titleholder.workflow.backtest.periods import COMPARED
from titleholder.workflow.backtest.policies import IMMATURE, TOO_FEW, PeriodResult, PolicyGain
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


def age_advice(result: Backtest) -> str:
    """What a month of age costs and how often to retrain, in one sentence."""
    return advice(result.ageing, result.metric, result.confidence, result.cadence)


def cautions(result: Backtest) -> list[str]:
    """What the answer's interval does not say.

    How many outcomes lay at or below predicted quantiles, which periods cannot be compared and what to do, that periods
    are few, and that one is much longer than the others.
    """
    of, number = result.cadence, result.overall.periods
    few = (
        f"Only {of.many(number)} can be compared, fewer than {FEW}, which is few: one unusual {of.noun} can turn the "
        f"answer around, and the interval, which is about these {of.plural} only, does not cover that."
    )
    long = [m for m in result.periods if m.compared and _long(m, result.schedule)]
    return [
        *_coverage(result),
        *_last_compared(result),
        *_too_few_rows(result),
        *([few] if 0 < number < FEW else []),
        *(
            f"The rows from {m.period.as_of} to before {m.end} count as one {of.noun} in the means: no decision was "
            "made in between."
            for m in long
        ),
    ]


def _coverage(result: Backtest) -> Iterator[str]:
    if result.quantile is not None and result.overall.policies:
        policies = result.overall.policies
        shares = ", ".join(f"{percent(policies[policy].coverage)} ({policy})" for policy in COMPARED)
        yield (
            f"Of the outcomes {shares} lay at or below what was predicted, where {100 * result.quantile:g}% should "
            "(judgement.quantile)."
        )


def _last_compared(result: Backtest) -> Iterator[str]:
    """Until when decisions can be compared, where later ones have no rows with a known outcome."""
    of, measured = result.cadence, [m.period.as_of for m in result.periods if m.rows]
    late = [m for m in result.periods if not m.rows and m.period.as_of > max(measured, default=date.min)]
    if not late:
        return
    last, why = max(measured, default=None), "There are no later events"
    if any(m.why == IMMATURE for m in late):
        last = last or last_tick(result.schedule, result.matured - timedelta(days=1))
        why = f"Outcomes as of {result.labels_as_of} are final for events before {result.matured} only"
    until = f": the last as-of date that can be is {last}" if last else ""
    yield f"{of.many(len(late))} at the end cannot be compared. {why}{until}."


def _too_few_rows(result: Backtest) -> Iterator[str]:
    few = [m for m in result.periods if m.why.startswith(TOO_FEW)]
    if few:
        yield (
            f"{result.cadence.many(len(few))} {'has' if len(few) == 1 else 'have'} {TOO_FEW} outcomes to be compared: "
            "lower judgement.minimum_new_events (5 at the least), or choose a schedule with longer periods."
        )


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
    reasons = [_kind(m.why) for m in reversed(result.periods)]
    most = max(dict.fromkeys(reasons), key=reasons.count)
    return f"no {result.cadence.noun} can be compared ({most} in {reasons.count(most)} of {len(reasons)})"


def _kind(why: str) -> str:
    """Why a period is not compared, without the number of its rows."""
    return why.partition(": ")[0] if why.startswith(TOO_FEW) else why

"""A backtest's answer in one sentence."""

from __future__ import annotations

from titleholder.formatting import between, confidence, metric, number, scale, signed
from titleholder.workflow.backtest.policies import Difference
from titleholder.workflow.backtest.summary import Backtest


def answer(result: Backtest) -> str:
    """Whether retraining was worth it, with the means, their difference and its interval."""
    whole = result.overall
    if not whole.months:
        return f"Nothing can be said yet: {_nothing(result)}."
    gain = whole.contrasts["gate-never"].metric
    gate, never, newest = (whole.policies[p].mean for p in ("gate", "never", "newest"))
    like, named = scale([gate, never, newest]), metric(result.metric)
    over = f"over the {whole.months} month{'s' if whole.months > 1 else ''} that can be compared"
    level = f"{confidence(result.confidence)} interval {between(gain.lower, gain.upper, like, '+')}"
    unjudged = f"taking every new model unjudged would have given {number(newest, like)}{_by_newest(result, like)}"
    if _never_changed(result):
        return (
            f"It made no difference: {over} the gate let no new model take over from the first champion, whose mean "
            f"{named} was {number(never, like)}; {unjudged}."
        )
    return (
        f"{verdict(gain)}: {over} the models that came through the gate had a mean {named} of {number(gate, like)}, "
        f"the first champion alone would have had {number(never, like)}, a difference of {signed(gain.estimate, like)} "
        f"({level}; positive is better); {unjudged}."
    )


def verdict(gain: Difference) -> str:
    """What an interval shows, in a word or two."""
    if gain.lower > 0:
        return "Yes, it was worth it"
    return "No, it did harm" if gain.upper < 0 else "Not shown to have been worth it"


def _never_changed(result: Backtest) -> bool:
    """Whether the first champion reigned in every month compared."""
    return all(m.figures["gate"].version == m.figures["never"].version for m in result.months if m.compared)


def _by_newest(result: Backtest, like: float) -> str:
    found = result.overall.contrasts["newest-never"].metric
    against = "the first champion" if _never_changed(result) else "no retraining"
    return f", {signed(found.estimate, like)} against {against} ({between(found.lower, found.upper, like, '+')})"


def _nothing(result: Backtest) -> str:
    """Why no month can be compared: what most months say, the newest of them first."""
    reasons = [m.why for m in reversed(result.months)]
    most = max(dict.fromkeys(reasons), key=reasons.count)
    return f"no month can be compared ({most} in {reasons.count(most)} of {len(reasons)})"

"""What a promotion rule does over the months of a simulated portfolio, and what that costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from promotion.rules import Memory, Rule, Situation
from promotion.worlds import HOLDOUT, MONTHS, SHOCK, WINDOW, Array, History

HARM = 0.01


@dataclass(frozen=True)
class Outcome:
    """One rule in one portfolio.

    `regret` is the mean over months of the true ROC AUC of the best version there was, less that of the champion.
    `harmful` of the `changes` put a version in use that was truly worse there by more than HARM, `misjudged` one that
    was so on the holdout, `broken` one fitted on shuffled features. `months_to_act` are those from a shock until the
    champion was fitted on a window of which half lies after it; infinite where that never happened, NaN in worlds
    without a shock.
    """

    regret: float
    changes: int
    harmful: int
    misjudged: int
    broken: int
    months_to_act: float


def play(history: History, rule: Rule) -> Outcome:
    """The rule's outcome, from the first version on."""
    champions, since, memory = [0], 0, Memory()
    for month in range(1, MONTHS):
        champion = champions[-1]
        chosen = rule(Situation(history, month, champion, since, memory))
        if chosen != champion:
            since = month
        champions.append(chosen)
    path = np.array(champions)
    when = 1 + np.flatnonzero(path[1:] != path[:-1])
    crowned, deposed = path[when], path[when - 1]
    losses = [truth[deposed, when] - truth[crowned, when] for truth in (history.truth, history.on_holdout)]
    return Outcome(
        regret=float((_best(history) - history.truth[path, np.arange(MONTHS)]).mean()),
        changes=len(crowned),
        harmful=int((losses[0] > HARM).sum()),
        misjudged=int((losses[1] > HARM).sum()),
        broken=int(np.isin(crowned, history.world.broken).sum()),
        months_to_act=_months_to_act(history, path),
    )


def _best(history: History) -> Array:
    """The true metric of the best version there was in each month."""
    return np.array([history.truth[: month + 1, month].max() for month in range(MONTHS)])


def _months_to_act(history: History, path: Array) -> float:
    if history.world.kept_by_shock == 1.0:
        return np.nan
    half = SHOCK + HOLDOUT + history.world.maturity + WINDOW // 2
    acted = np.flatnonzero(path >= half)
    return float(acted[0] - SHOCK) if len(acted) else np.inf


@dataclass(frozen=True)
class Summary:
    """Outcomes of one rule over repetitions of one world; `regret` and its standard error in 1e-4 ROC AUC.

    `harm` is the share of changes that were harmful, `ever_harmed` the share of repetitions with any, `ever_misjudged`
    and `broken_crowned` those with any that were misjudged or broken. `months_to_act` is a median.
    """

    rows: int
    world: str
    rule: str
    repetitions: int
    regret: float
    regret_error: float
    changes: float
    harm: float
    ever_harmed: float
    ever_misjudged: float
    broken_crowned: float
    months_to_act: float | None


def summarise(rows: int, world: str, rule: str, outcomes: Iterable[Outcome]) -> Summary:
    """The mean outcome and its standard error."""
    found = list(outcomes)
    regrets = np.array([o.regret for o in found]) * 1e4
    changes, harmful = (np.array([getattr(o, name) for o in found]) for name in ("changes", "harmful"))
    waits = np.array([o.months_to_act for o in found])
    median = None if np.isnan(waits).all() else float(np.median(waits))
    return Summary(
        rows=rows,
        world=world,
        rule=rule,
        repetitions=len(found),
        regret=float(regrets.mean()),
        regret_error=float(regrets.std(ddof=1) / np.sqrt(len(found))) if len(found) > 1 else float("nan"),
        changes=float(changes.mean()),
        harm=float(harmful.sum() / max(changes.sum(), 1)),
        ever_harmed=float((harmful > 0).mean()),
        ever_misjudged=float(np.mean([o.misjudged > 0 for o in found])),
        broken_crowned=float(np.mean([o.broken > 0 for o in found])),
        months_to_act=median if median is None or np.isfinite(median) else None,
    )

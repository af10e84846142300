"""How often the rule `fresh` ever crowns a line of challengers that is always worse by 0.01, by simulation.

Holdouts of three months that move by one month share two thirds of their rows with the one before: a line that was
rejected is tried again on almost the same rows, and on some new ones. Models score the rows of `judgement.py`: ROC AUC
0.70, noises correlated 0.9 with the champion's, 6 % events. The champion stays until it is replaced once.

    python benchmarks/second_chances.py             500 lines of challengers of each size: some minutes
    python benchmarks/second_chances.py --quick     few
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from judgement import CONFIDENCE, HOLDOUT, Rows, gain, share, simulate, table

from titleholder.validation.fresh import challenge
from titleholder.validation.metrics import Gain

MONTHS, RATE, LOSS = 24, 0.06, 0.01
ROWS = (300, 1_000)
PLANS = {"every month, holdouts overlap": 1, "every third month, no row twice": HOLDOUT}


def gains(rng: np.random.Generator, monthly: int) -> list[Gain]:
    """That of each month's challenger over the champion, on the newest three cohorts."""
    worse = np.full(HOLDOUT, -LOSS)
    cohorts = [simulate(rng, monthly, RATE, worse) for _ in range(MONTHS + HOLDOUT - 1)]
    found = []
    for t in range(MONTHS):
        parts = [cohorts[c] for c in range(t, t + HOLDOUT)]
        challenger = [part.challengers[k] for k, part in enumerate(parts)]
        y, champion = (np.concatenate([getattr(part, name) for part in parts]) for name in ("y", "champion"))
        found.append(gain("roc_auc", Rows(y, champion, np.concatenate(challenger)[None])))
    return found


def wins(found: Gain, confidence: float = CONFIDENCE) -> bool:
    return challenge(found, tolerated_loss=LOSS, minimum_gain=0.0, confidence=confidence).passed


def crowned(repeats: int) -> Iterator[list[object]]:
    for monthly in ROWS:
        rng = np.random.default_rng(monthly)
        lines = [gains(rng, monthly) for _ in range(repeats)]
        for plan, step in PLANS.items():
            tried = [line[::step] for line in lines]
            first = [wins(line[0]) for line in tried]
            ever = [any(map(wins, line)) for line in tried]
            each = float(np.mean([wins(g) for line in tried for g in line]))
            adjusted = [any(wins(g, 1 - (1 - CONFIDENCE) / HOLDOUT) for g in line) for line in tried]
            yield [f"{monthly:,}", plan, len(tried[0]), share(first), f"{each:.1%}", share(ever), share(adjusted)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few repetitions")
    given = parser.parse_args()
    table(
        f"A line always worse by {LOSS}, {MONTHS} months of the rule fresh (± one standard error)",
        ["rows a month", "challenges", "number", "first one wins", "any one wins", "crowned ever", "with error / 3"],
        crowned(20 if given.quick else 500),
    )

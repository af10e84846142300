"""Whether a warm start finds better parameters than a cold search of the same budget, month after month.

    python benchmarks/warm_start.py                         # the simulated lender
    python benchmarks/warm_start.py lending_club.parquet    # real loans, see docs/add-a-model.md

Donors are the parameters that won in the last four months of the warm line itself. Log losses are means over the folds,
gains in ROC AUC are in the three months after the as-of date; months overlap, so the errors are too small.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from typing import Any

import numpy as np
from dateutil.relativedelta import relativedelta
from scipy import stats
from search_metric import Rows, lender, loans, measured, stretches

from titleholder.spec.loader import DEFAULT_FOLDER, load_specs
from titleholder.spec.model import ModelSpec
from titleholder.training import search

MONTHS, LAST = 13, 4


def line(rows: Rows, spec: ModelSpec, name: str, start: date) -> list[tuple[bool, float, float]]:
    """For each month with donors: whether one won, how much lower the log loss of the folds is, the gain in use."""
    won: list[dict[str, Any]] = []
    found = []
    for as_of in (start + relativedelta(months=n) for n in range(MONTHS)):
        training, judged = stretches(rows, spec, as_of)
        donated = list({json.dumps(p, sort_keys=True): p for p in reversed(won[-LAST:])}.values())
        begin = search.Start(donated, as_of.toordinal())
        cold, warm = (search.fit(training, spec, name, start=start) for start in (search.COLD, begin))
        params = {key: warm.params[key] for key in spec.training.candidates[name].search}
        areas = [measured(fitted.pipeline, judged["in use"], spec).area for fitted in (cold, warm)]
        if donated:
            found.append((params in donated, cold.score - warm.score, areas[1] - areas[0]))
        won.append(params)
    return found


def main() -> None:
    path = sys.argv[1] if len(sys.argv) > 1 else None
    name = "lending_club_default" if path else "demo_default"
    spec, rows = load_specs(DEFAULT_FOLDER, only=name)[name], loans(path) if path else lender()
    print("| candidate | months | a donor won (95 %) | log loss lower by | gain in AUC in use |\n|---|---|---|---|---|")
    for candidate in spec.training.candidates:
        won, lower, gains = np.array(line(rows, spec, candidate, date(2010 if path else 2023, 10, 1))).T
        share = stats.binomtest(int(won.sum()), len(won)).proportion_ci(method="wilson")
        means = [f"{v.mean():+.5f} ± {v.std(ddof=1) / np.sqrt(len(v)):.5f}" for v in (lower, gains)]
        shown = f"{int(won.sum())} ({share.low:.0%} to {share.high:.0%})"
        print(f"| {candidate} | {len(won)} | {shown} | {' | '.join(means)} |", flush=True)


if __name__ == "__main__":
    main()

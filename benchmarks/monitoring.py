"""What the monitors say over simulated reigns: quiet ones, and with a change in the tenth of 24 monthly runs.

    python benchmarks/monitoring.py                       # 200 quiet reigns, 50 of each change; some five minutes
    python benchmarks/monitoring.py --quiet 20 --changed 5

A lender scores 1,000 applicants a month; 8 features and the score are monitored against 2,000 training rows (bins are
cut on 2,000 others). Outcomes of a month are final six months later: 18 months come true within the reign. The model is
right when it is promoted, but for an error of 0.05 in each coefficient; its ROC AUC is promised on 3,000 rows. Budgets:
2.5 % for drift, 2.5 % for the promise, of which 0.02 may be missing.

- `quiet`: nothing changes.
- `mix`: a third of the applicants come from a new channel: younger, with lower incomes, renting more.
- `unit`: one feature in thousands instead of units, when scoring.
- `concept`, `strong concept`: what is risky changes by half, or wholly; features stay as they are.
"""

from __future__ import annotations

import argparse
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from titleholder.validation.metrics import Estimation, Gain, Sample, joint
from titleholder.validation.monitoring.alarms import drift_alarms
from titleholder.validation.monitoring.bins import Bins
from titleholder.validation.monitoring.drift import rank
from titleholder.validation.monitoring.estimated import estimated
from titleholder.validation.monitoring.realised import shortfall
from titleholder.validation.sequential import Look

Array = NDArray[np.float64]
RUNS, CHANGE, MATURITY, ROWS = 24, 9, 6, 1000
BUDGET, TOLERATED, BINS = 0.025, 0.02, 10
HOW = Estimation(confidence=0.95, resamples=100, seed=1)
NUMERIC = ("income", "debt", "age", "inquiries", "balance", "tenure")
WEIGHTS = np.array([-0.6, 0.5, -0.3, 0.4, 0.2, -0.2])
AFTER = {
    "concept": np.array([-0.3, 0.3, -0.1, 0.2, 0.5, 0.1]),
    "strong concept": np.array([0.0, 0.1, 0.2, 0.0, 0.5, 0.4]),
}
"""What is risky after a change of concept."""
KINDS = ("quiet", "mix", "unit", "concept", "strong concept")


def applicants(rng: np.random.Generator, rows: int, kind: str = "quiet") -> pd.DataFrame:
    """Features as they are; of `mix` a third come from another channel."""
    common = rng.normal(size=rows)
    values = 0.4 * common[:, None] + 0.9 * rng.normal(size=(rows, len(NUMERIC)))
    other = (rng.random(rows) < 1 / 3) & (kind == "mix")
    values[other, 0] -= 0.8
    values[other, 2] -= 1.0
    frame = pd.DataFrame(values, columns=list(NUMERIC))
    frame["inquiries"] = np.round(np.exp(frame["inquiries"]))
    frame.loc[rng.random(rows) < 0.05, "tenure"] = np.nan
    renting = np.where(other, 0.75, 0.4)
    frame["home"] = np.where(rng.random(rows) < renting, "rent", np.where(rng.random(rows) < 0.6, "mortgage", "own"))
    frame["purpose"] = rng.choice(["car", "debt", "house", "other", "rare"], rows, p=[0.3, 0.4, 0.2, 0.095, 0.005])
    return frame


def log_odds(frame: pd.DataFrame, weights: Array) -> Array:
    """Of the outcome."""
    x = frame[list(NUMERIC)].fillna(0.0).assign(inquiries=np.log1p(frame["inquiries"]) - 0.8)
    return np.asarray(-2.2 + x.to_numpy() @ weights + 0.4 * (frame["home"] == "rent").to_numpy())


class Reign(NamedTuple):
    """What was said: alarms of drift by feature and run, the run at which the promise was called broken, estimates."""

    drift: dict[str, int]
    broken: int | None
    estimated: list[float]
    realised: list[float]


def reign(kind: str, rng: np.random.Generator) -> Reign:
    """A reign with a change of this kind in its tenth run."""
    fitted = WEIGHTS + 0.05 * rng.normal(size=len(WEIGHTS))

    def scores(frame: pd.DataFrame) -> Array:
        return np.asarray(special.expit(log_odds(frame, fitted)))

    cut, reference, holdout = (applicants(rng, rows) for rows in (2000, 2000, 3000))
    bins = {name: Bins.of(values, BINS) for name, values in _columns(cut, scores(cut))}
    seen = {name: tuple(bins[name].counts(values).tolist()) for name, values in _columns(reference, scores(reference))}
    promise = _promise(*_outcome(holdout, scores(holdout), WEIGHTS, rng))
    cells: dict[str, list[tuple[int, ...]]] = {name: [] for name in bins}
    looks, expected = [], []
    for run in range(RUNS):
        now = kind if run >= CHANGE else "quiet"
        true = applicants(rng, ROWS, now)
        known = true.assign(income=true["income"] / 1000) if now == "unit" else true
        p = scores(known)
        for name, values in _columns(known, p):
            found = rank(seen[name], bins[name].places(values), rng)
            seen[name], _ = found.seen, cells[name].append(found.cells)
        expected.append(estimated("roc_auc", p, confidence=0.95).estimate)
        looks.append(_look(run, *_outcome(true, p, AFTER.get(now, WEIGHTS), rng)))
    alarms = {alarm.name: alarm.run for alarm in drift_alarms(cells, budget=BUDGET)}
    return Reign(alarms, _broken(promise, looks), expected, [look.gain for look in looks])


def _columns(frame: pd.DataFrame, p: Array) -> list[tuple[str, NDArray[Any]]]:
    return [*((str(name), frame[name].to_numpy()) for name in frame), ("score", p)]


def _outcome(frame: pd.DataFrame, p: Array, weights: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    return (rng.random(len(p)) < special.expit(log_odds(frame, weights))).astype(float), p


def _area(y: Array, p: Array) -> tuple[float, float]:
    values, covariance = joint("roc_auc", Sample(y), [p], HOW)
    return float(values[0]), float(covariance[0, 0]) ** 0.5


def _promise(y: Array, p: Array) -> Gain:
    area, error = _area(y, p)
    return Gain(area, area - 2 * error, area + 2 * error, method="DeLong", error=error, freedom=1e6)


def _look(run: int, y: Array, p: Array) -> Look:
    area, error = _area(y, p)
    start, end = (date(2024 + n // 12, n % 12 + 1, 1) for n in (run, run + 1))
    return Look(
        as_of=end, start=start, end=end, rows=len(y), events=int(y.sum()), metric="roc_auc", gain=area, error=error
    )


def _broken(promise: Gain, looks: list[Look]) -> int | None:
    """The run after which the outcomes known by then call the promise broken."""
    for run in range(MATURITY, RUNS):
        known = looks[: run - MATURITY + 1]
        found = shortfall(promise, known, tolerated=TOLERATED, budget=BUDGET)
        if found and found.shown:
            return run
    return None


def _share(hits: list[bool]) -> str:
    share = float(np.mean(hits))
    return f"{share:.1%} ± {np.sqrt(share * (1 - share) / len(hits)):.1%}"


def _delay(runs: list[int]) -> str:
    late = [run - CHANGE for run in runs if run >= CHANGE]
    return f"{np.median(late):.0f}" if late else "none"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quiet", type=int, default=200)
    parser.add_argument("--changed", type=int, default=50)
    parser.add_argument("--seed", type=int, default=19)
    asked = parser.parse_args()
    print(
        "| world | reigns | drift: any alarm | before the change | months until it | features | "
        "promise called broken | months until it | estimated, realised ROC AUC after it |\n"
        "|---|---:|---:|---:|---:|---|---:|---:|---:|"
    )
    for kind in KINDS:
        number = asked.quiet if kind == "quiet" else asked.changed
        found = [reign(kind, np.random.default_rng((asked.seed, KINDS.index(kind), n))) for n in range(number)]
        first = [min(one.drift.values()) if one.drift else None for one in found]
        early = _share([run is not None and run < CHANGE for run in first])
        alarmed = pd.Series([name for one in found for name in one.drift], dtype=object).value_counts()
        named = ", ".join(f"{name} {count / number:.0%}" for name, count in alarmed.items())
        broken = [one.broken for one in found]
        after = [(np.mean(one.estimated[CHANGE:]), np.mean(one.realised[CHANGE:])) for one in found]
        print(
            f"| {kind} | {number} | {_share([run is not None for run in first])} | {early} | "
            f"{_delay([run for run in first if run is not None])} | {named or 'none'} | "
            f"{_share([run is not None for run in broken])} | {_delay([run for run in broken if run is not None])} | "
            f"{np.mean([a for a, _ in after]):.3f}, {np.mean([b for _, b in after]):.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

"""What becomes of the monitor's budgets where an assumption does not hold: seed 19, some ten seconds.

    python benchmarks/monitoring_assumptions.py

- *the promise is of a version that won*: normal estimates on 3,000 judged rows, of a metric and of the gain over the
  predecessor; versions with a gain of more than 1.96 standard errors are promoted.
- *the same customers in every look*: twelve looks at the same customers, whose feature stays as it is.
- *the champion declines*: the promise is of rows that the predecessor accepted, or of all; outcomes come of those that
  the champion accepts.
- *months are joined until there are enough events*: 100 rows a month, of which 5 % have the event, joined up to 20.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
from numpy.typing import NDArray
from scipy import special

from titleholder.validation.metrics import Estimation, Gain, Sample, joint
from titleholder.validation.monitoring.look import History, Limits, NewRows, ReferenceFeature, look
from titleholder.validation.monitoring.realised import shortfall
from titleholder.validation.monitoring.report import Drift
from titleholder.validation.sequential import Look

Array = NDArray[np.float64]
HOW, DAY, BUDGET = Estimation(confidence=0.95, resamples=100, seed=1), date(2024, 1, 1), 0.025
BOUND = float(special.ndtri(1 - BUDGET / 2))
DECLINED = 0.2


def area(y: Array, p: Array) -> tuple[float, float]:
    """The ROC AUC and its standard error."""
    values, covariance = joint("roc_auc", Sample(y), [p], HOW)
    return float(values[0]), float(covariance[0, 0]) ** 0.5


def applicants(rows: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Outcomes, the champion's scores and the predecessor's, which know less."""
    x = rng.normal(size=(rows, 2))
    odds = -2.6 + x @ np.array([0.8, 0.5])
    return (rng.random(rows) < special.expit(odds)).astype(float), odds, -2.6 + x @ np.array([0.8, 0.15])


def selection(rng: np.random.Generator) -> None:
    """By how much what was promised is too high, of versions that won."""
    measured = []
    for _ in range(1000):
        y, own, before = applicants(3000, rng)
        value, _ = area(y, own)
        measured.append((value, value - area(y, before)[0]))
    correlation = float(np.corrcoef(np.array(measured).T)[0, 1])
    print(f"correlation of metric and gain {correlation:.2f} over 1,000 holdouts")
    gain = rng.normal(size=2_000_000)
    metric = correlation * gain + np.sqrt(1 - correlation**2) * rng.normal(size=len(gain))
    for true in (0, 1, 2, 3):
        won = gain + true > special.ndtri(0.975)
        print(
            f"true gain of {true} errors: {won.mean():.1%} win; too high by {gain[won].mean():.2f} errors (gain), "
            f"{metric[won].mean():.2f} (metric); lower bound above the truth in {(gain[won] > BOUND).mean():.1%} "
            f"and {(metric[won] > BOUND).mean():.1%}"
        )


def same_customers(customers: int, least: float, seed: int) -> bool:
    """Whether a feature of the same customers is an alarm within twelve looks."""
    rng = np.random.default_rng([19, seed])
    names = ("feature", "score")
    reference = [ReferenceFeature.of(n, "numeric", rng.normal(size=3000), rng) for n in names]
    values, drifts = rng.normal(size=customers), list[Drift]()
    for n in range(12):
        given = (values, rng.normal(size=customers))
        rows = [NewRows(tuple(f.places.counts(v).tolist()), {}) for f, v in zip(reference, given, strict=True)]
        made = look(reference, rows, History.of(drifts), Limits(BUDGET, 2, least), [seed, n])
        drifts.append(
            Drift(
                budget=BUDGET,
                level=1.0,
                looks=n + 1,
                reference_rows=3000,
                reference_start=DAY,
                reference_end=DAY,
                features=made,
            )
        )
    return any(drift.features[0].in_a_row >= 2 for drift in drifts)


def broken(promised_on_all: bool, by_champion: bool, seed: int) -> bool:
    """Whether the promise is called broken within 18 months, though nothing changes but who is accepted."""
    rng = np.random.default_rng([19, seed])
    cut = [float(np.quantile(each, 1 - DECLINED)) for each in applicants(20_000, np.random.default_rng(19))[1:]]
    y, own, before = applicants(3000, rng)
    kept = np.ones(len(y), dtype=bool) if promised_on_all else before <= cut[1]
    value, error = area(y[kept], own[kept])
    promise = Gain(value, value - 2 * error, value + 2 * error, method="DeLong", error=error, freedom=1e6)
    looks = []
    for _ in range(18):
        y, own, before = applicants(1000, rng)
        kept = own <= cut[0] if by_champion else before <= cut[1]
        value, error = area(y[kept], own[kept])
        of = {"rows": int(kept.sum()), "events": int(y[kept].sum()), "metric": "roc_auc"}
        looks.append(Look(as_of=DAY, start=DAY, end=DAY, gain=value, error=error, **of))
    found = (shortfall(promise, looks[:n], tolerated=0.01, budget=BUDGET) for n in (6, 12, 18))
    return any(one.shown for one in found if one)


def joined(rng: np.random.Generator) -> None:
    """The event rate of months that are joined until there are 20 events."""
    rates, events, rows = [], 0, 0
    for count in rng.binomial(100, 0.05, 100_000):
        events, rows = events + int(count), rows + 100
        if events >= 20:
            rates.append(events / rows)
            events = rows = 0
    high = (np.mean(rates) - 0.05) / np.std(rates)
    print(f"joined months: an event rate of {np.mean(rates):.4f} for 0.0500, {high:.2f} standard errors too high")


def share(of: Callable[[int], bool], times: int) -> str:
    """How often, with the standard error."""
    hits = float(np.mean([of(seed) for seed in range(times)]))
    return f"{hits:.1%} ± {np.sqrt(hits * (1 - hits) / times):.1%}"


def main() -> None:
    """Print all four."""
    rng = np.random.default_rng(19)
    selection(rng)
    for customers in (200, 1000):
        for least in (0.0, 0.1):
            found = share(lambda seed, c=customers, f=least: same_customers(c, f, seed), 40)  # type: ignore[misc]
            print(f"{customers} customers twelve times, minimum_psi {least}: an alarm in {found}")
    y, own, before = applicants(200_000, rng)
    kept = {
        "all": own < np.inf,
        "those that the predecessor accepts": before <= np.quantile(before, 1 - DECLINED),
        "those that the champion accepts": own <= np.quantile(own, 1 - DECLINED),
    }
    print("ROC AUC of", ", ".join(f"{name} {area(y[rows], own[rows])[0]:.3f}" for name, rows in kept.items()))
    for on_all, by_champion in ((False, False), (False, True), (True, True)):
        found = share(lambda seed, a=on_all, b=by_champion: broken(a, b, seed), 60)  # type: ignore[misc]
        print(f"promised on {'all' if on_all else 'accepted'}, the champion declines {by_champion}: broken in {found}")
    joined(rng)


if __name__ == "__main__":
    main()

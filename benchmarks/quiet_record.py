"""How often a challenger takes over after a quiet record, by its true gain: the rules `record` and `fresh`.

    python benchmarks/quiet_record.py             two minutes on one core
    python benchmarks/quiet_record.py --broken 4  one version of four months ago was worse by 0.1

A record of 24 monthly cohorts on which all versions are truly equal; then a challenger whose true gain is given, judged
on three cohorts. Estimates are normal, correlated 0.9 within a cohort; the error of a gain on one cohort is 0.017
(about 1,000 rows and 60 events a month) or 0.031 (about 300). Former versions do not come back here.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import date

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy import stats
from threadpoolctl import threadpool_limits

from titleholder.validation.cohort_record import CohortRecord, Member
from titleholder.validation.outlook import Rule
from titleholder.validation.record import outlook

MONTHS, HOLDOUT, CHALLENGER = 24, 3, 30
ERRORS, GAINS = (0.017, 0.031), (-0.03, -0.02, -0.01, 0.0, 0.01, 0.02)
RECORDS, DRAWS, CORRELATION = 20, 20, 0.9
RULE = Rule(unit=0.01, tolerated_loss=0.01, minimum_gain=0.0, confidence=0.95)
Worth = Callable[[int], float]


def cohort(number: int, versions: list[int], worth: Worth, error: float, rng: np.random.Generator) -> CohortRecord:
    """What these versions did on a cohort; version v is trained on rows before cohort v."""
    n = len(versions)
    variance = error**2 / (2 * (1 - CORRELATION))
    covariance = variance * (CORRELATION + (1 - CORRELATION) * np.eye(n))
    values = rng.multivariate_normal([0.7 + worth(version) for version in versions], covariance)
    return CohortRecord(
        start=month(number),
        end=month(number + 1),
        events=60,
        metric="roc_auc",
        members=tuple(Member(version=v, trained_through=month(v), judged_through=month(v + HOLDOUT)) for v in versions),
        values=tuple(values),
        covariance=tuple(covariance[np.tril_indices(n)]),
    )


def month(number: int) -> date:
    return date(2000 + number // 12, number % 12 + 1, 1)


def compared(number: int) -> list[int]:
    """The champion, five old versions and the newest ones that were trained before a cohort."""
    newest = range(max(6, number - 4), number + 1)
    return [*range(6), *(version for version in newest if version < CHALLENGER)]


def challenge(gain: float, error: float, broken: int | None, draw: tuple[int, int]) -> tuple[bool, bool]:
    """Whether the challenger takes over under `record` and under `fresh`."""
    record, last = np.random.default_rng([1, draw[0]]), np.random.default_rng([2, *draw])

    def worth(version: int) -> float:
        if version == CHALLENGER:
            return gain
        return -0.1 if broken is not None and version == CHALLENGER - broken else 0.0

    first = CHALLENGER - MONTHS + HOLDOUT
    found = [cohort(n, compared(n), worth, error, record) for n in range(first, CHALLENGER)]
    found += [
        cohort(n, [*compared(n), CHALLENGER], worth, error, last) for n in range(CHALLENGER, CHALLENGER + HOLDOUT)
    ]
    said = outlook(found, challenger=CHALLENGER, champion=0, former=(), as_of=month(CHALLENGER + 9), rule=RULE)
    here = np.mean([c.values[-1] - c.values[0] for c in found[-HOLDOUT:]])
    bound = here - stats.norm.ppf(RULE.confidence) * error / np.sqrt(HOLDOUT)
    return said is not None and said.passed and here > 0, here > 0 and bound > -RULE.tolerated_loss


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broken", type=int, help="a version of so many months ago was worse by 0.1")
    given = parser.parse_args()
    print("| error of a cohort | true gain | record | fresh |\n|---:|---:|---:|---:|")
    cells = [(error, gain) for error in ERRORS for gain in GAINS]
    with threadpool_limits(1):
        for error, gain in track(cells, console=Console(stderr=True)):
            draws = [(record, draw) for record in range(RECORDS) for draw in range(DRAWS)]
            won = np.array([challenge(gain, error, given.broken, draw) for draw in draws], dtype=float)
            of_records = won.reshape(RECORDS, DRAWS, 2).mean(axis=1)  # draws share a record
            means, spread = of_records.mean(axis=0), of_records.std(axis=0, ddof=1) / np.sqrt(RECORDS)
            row = [f"{mean:.1%} ± {100 * deviation:.1f}" for mean, deviation in zip(means, spread, strict=True)]
            print(f"| {error} | {gain:+.2f} | {row[0]} | {row[1]} |", flush=True)

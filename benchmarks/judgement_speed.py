"""How fast a challenger is judged: DeLong and the paired bootstrap, against scikit-learn's plain way in the same run.

The plain bootstrap draws row numbers and calls scikit-learn twice for each resample; it is measured on 20 resamples at
a time and scaled to 1,000, as it would take minutes. Ways take turns, medians of 5 turns; memory is the peak that
`tracemalloc` sees above the data. Needs nothing but the packages; run it on a machine that does nothing else.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from measurement import Row
from scipy import stats
from sklearn import metrics as sk

from titleholder.validation import metrics
from titleholder.validation.metrics import Array, Estimation, Sample

TURNS, RESAMPLES, MEASURED = 5, 1000, 20
Score = Callable[[Array, Array], float]


def ks(y: Array, p: Array) -> float:
    """As SciPy has it."""
    return float(stats.ks_2samp(p[y == 1], p[y == 0], method="asymp").statistic)


PLAIN: dict[str, Score] = {
    "roc_auc": sk.roc_auc_score,
    "pr_auc": sk.average_precision_score,
    "ks": ks,
    "brier": sk.brier_score_loss,
}


def models(rows: int) -> tuple[Array, Array, Array]:
    """Outcomes, 5 % of them events, and the probabilities of two models."""
    rng = np.random.default_rng(0)
    y = np.zeros(rows)
    y[rng.permutation(rows)[: rows // 20]] = 1.0
    common = y + rng.normal(size=rows)
    return y, *(1 / (1 + np.exp(3 - common - rng.normal(size=rows))) for _ in range(2))


def plain_bootstrap(score: Score, y: Array, a: Array, b: Array, resamples: int) -> Array:
    """The yardstick."""
    rng, found = np.random.default_rng(0), np.empty(resamples)
    for r in range(resamples):
        rows = rng.integers(0, len(y), len(y))
        found[r] = score(y[rows], a[rows]) - score(y[rows], b[rows])
    return found


def plain_areas(y: Array, a: Array, b: Array) -> tuple[float, float]:
    """The other one: areas without any covariance."""
    return sk.roc_auc_score(y, a), sk.roc_auc_score(y, b)


def seconds(call: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def compare(ours: Callable[[], object], plain: Callable[[], object], scale: float = 1.0) -> tuple[float, float]:
    """Median seconds of both, the second scaled."""
    turns = [(seconds(ours), seconds(plain) * scale) for _ in range(TURNS)]
    return statistics.median(t[0] for t in turns), statistics.median(t[1] for t in turns)


def peak(call: Callable[[], object]) -> float:
    """Most memory held at once, in MB."""
    tracemalloc.start()
    call()
    found = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return found


def bootstraps() -> tuple[Array, dict[str, Callable[[], object]], Callable[[str], Callable[[], object]]]:
    """The outcomes of 100,000 rows; by metric the package's bootstrap, and a shorter one of the plain way."""
    y, a, b = models(100_000)
    a, b = np.round(a, 2), np.round(b, 2)
    ours = {
        name: partial(metrics.resample, name, Sample(y), [a, b], Estimation(0.95, RESAMPLES, 0), stratify=True)
        for name in PLAIN
    }
    return y, ours, lambda name: partial(plain_bootstrap, PLAIN[name], y, a, b, MEASURED)


def rows(_case: object = None) -> Iterator[Row]:
    """Each in turn with its yardstick; for `make bench` too."""
    y, a, b = models(1_000_000)
    areas = f"two areas and their covariance by DeLong, {len(y):,} rows"
    for what, one, other in ((areas, a, b), ("the same, scores in whole percents", np.round(a, 2), np.round(b, 2))):
        ours, plainly = compare(
            partial(metrics.delong, y, np.vstack([one, other])), partial(plain_areas, y, one, other)
        )
        yield Row(what, ours, "s", "scikit-learn, no covariance", plainly, 1)
    y, own, plain = bootstraps()
    for name, bootstrap in own.items():
        ours, plainly = compare(bootstrap, plain(name), RESAMPLES / MEASURED)
        what = f"paired bootstrap of {name}, {RESAMPLES:,} x {len(y):,}"
        yield Row(what, ours, "s", "loop over scikit-learn", plainly, 1)


def main() -> None:
    """Print the table, then the memory."""
    print("| what | seconds | plain, seconds | times faster |\n|---|---:|---:|---:|")
    for row in rows():
        print(f"| {row.name} | {row.figure:.2f} | {row.against:.2f} | {1 / row.ratio:.1f} |", flush=True)
    y, ours, _ = bootstraps()
    memory = ", ".join(f"{name} {peak(call):.0f} MB" for name, call in ours.items())
    print(f"\nPeak memory of {RESAMPLES:,} resamples of {len(y):,} rows: {memory}")
    print(f"(all counts at once, as 64-bit integers: {RESAMPLES * len(y) * 8 / 1e6:.0f} MB)")


if __name__ == "__main__":
    main()

"""How often TH206 and TH207 fail, and whether the intervals of TH402 hold what they promise.

Simulated by logistic models with 6 % events; it takes some ten minutes. Its tables are in docs/validation.md.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from judgement import CONFIDENCE, EFFECTS, LEVEL, refitted, share, table
from scipy import special, stats

from titleholder.spec.check_rules import GradeCalibration
from titleholder.spec.criteria import Judgement
from titleholder.spec.model import ModelSpec
from titleholder.validation import metrics
from titleholder.validation.checks.grades import grade_calibration, grade_order
from titleholder.validation.evidence import Evidence

SIZES = ((900, 400), (3_000, 400), (15_000, 200), (60_000, 60))
KINDS = ("true", "refitted", "events x 3", "clusters of 4", "too extreme", "level + 35 %", "best grade gone bad")
TOLERANCES = (0.0, 0.1, 0.25)


def spec_with(tolerance: float) -> ModelSpec:
    """A spec of which these checks read the judgement only."""
    judgement = Judgement(metric="roc_auc")
    rule = GradeCalibration(observed_expected=tolerance)
    checks = judgement.checks.model_copy(update={"grade_calibration": rule})
    return ModelSpec.model_construct(task="classification", judgement=judgement.model_copy(update={"checks": checks}))


SPECS = {tolerance: spec_with(tolerance) for tolerance in TOLERANCES}


def simulate(
    rng: np.random.Generator, n: int, kind: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Outcomes, predicted probabilities, weights and clusters of about `n` rows, 6 % of them events."""
    clusters = np.arange(n) // 4 if kind == "clusters of 4" else None
    x = rng.standard_normal((n, len(EFFECTS)))
    odds = true_odds = LEVEL + x @ EFFECTS
    if kind == "refitted":
        odds = np.c_[np.ones(n), x] @ refitted(rng)
    if kind == "too extreme":
        odds = LEVEL - 0.35 + x @ EFFECTS / 0.7
    if kind == "level + 35 %":
        true_odds = odds + np.log(1.35)
    if kind == "best grade gone bad":
        true_odds = odds + 1.5 * (odds < np.quantile(odds, 0.1))
    if clusters is None:
        uniform = rng.random(n)
    else:  # outcomes of a customer's loans are alike: a normal copula, correlated 0.5
        common = rng.standard_normal(clusters.max() + 1)[clusters]
        uniform = stats.norm.cdf(np.sqrt(0.5) * common + np.sqrt(0.5) * rng.standard_normal(n))
    y = (uniform < special.expit(true_odds)).astype(float)
    if kind != "events x 3":
        return y, special.expit(odds), None, clusters
    kept = (y == 0) | (rng.random(n) < 1 / 3)
    return y[kept], special.expit(odds[kept]), np.where(y[kept] == 1, 3.0, 1.0), None


def failures(n: int, repeats: int, kind: str) -> list[list[bool]]:
    """Whether TH206 fails by its tolerance, and TH207."""
    rng, found = np.random.default_rng(n), []
    for _ in range(repeats):
        y, p, weights, clusters = simulate(rng, n, kind)
        frame = pd.DataFrame(index=range(len(y)))
        parts = {"frame": frame, "y": y, "challenger": p, "weights": weights, "clusters": clusters}
        each = [Evidence.model_construct(spec=spec, candidate="any", **parts) for spec in SPECS.values()]
        found.append([*(grade_calibration(one).failed for one in each), grade_order(each[0]).failed])
    return found


def failure_rates() -> Iterator[list[object]]:
    for kind in KINDS:
        for n, repeats in SIZES:
            hits = failures(n, repeats, kind)
            yield [kind, f"{n:,}", *(share([hit[k] for hit in hits]) for k in range(len(TOLERANCES) + 1))]


WORLDS = {"equal": (0.0, 1.0), "level": (0.1, 1.0), "wider": (0.0, 1.1), "beyond": (0.45, 1.0)}
"""How much higher the challenger's log odds are, and how many times as wide, in standard deviations."""


def two_scores(
    rng: np.random.Generator, n: int, alike: float, shift: float, width: float, groups: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """The champion's and the challenger's log odds; within a group rows are correlated 0.7."""
    shared, own = rng.standard_normal((2, n))
    if groups is not None:
        common = rng.standard_normal((2, groups.max() + 1))[:, groups]
        shared, own = np.sqrt(0.3) * np.array([shared, own]) + np.sqrt(0.7) * common
    return shared, width * (alike * shared + np.sqrt(1 - alike**2) * own) + shift


def true_index(shift: float, width: float, bins: int = 10) -> float:
    """The index of two normal distributions in the quantiles of the first."""
    edges = stats.norm.ppf(np.arange(bins + 1) / bins)
    after = np.diff(stats.norm.cdf((edges - shift) / width))
    return float(((after - 1 / bins) * np.log(after * bins)).sum())


def stability_coverage() -> Iterator[list[object]]:
    """The share of 95 % intervals that hold the true index: of pairs, and as if the samples were independent."""
    for clustered in (False, True):
        for n in (500, 3_000):
            for alike in (0.9, 0.99):
                for name, (shift, width) in WORLDS.items():
                    yield [
                        "of 4" if clustered else "none", f"{n:,}", alike, name,
                        *_covered(n, alike, shift, width, clustered),
                    ]  # fmt: skip


def _covered(n: int, alike: float, shift: float, width: float, clustered: bool, repeats: int = 500) -> list[str]:
    rng, truth = np.random.default_rng(n), true_index(shift, width)
    groups = np.arange(n) // 4 if clustered else None
    intervals: dict[str, list[metrics.Psi]] = {"paired": [], "independent": []}
    for _ in range(repeats):
        champion, challenger = two_scores(rng, n, alike, shift, width, groups)
        how = {"bins": 10, "confidence": CONFIDENCE}
        intervals["paired"].append(metrics.paired_psi(champion, challenger, clusters=groups, **how))
        intervals["independent"].append(metrics.psi(champion, challenger, **how))
    cells = [f"{truth:.4f}"]
    for found in intervals.values():
        cells.append(share([one.lower <= truth + 1e-12 and one.upper >= truth for one in found]))
        cells.append(f"{np.mean([one.upper - one.lower for one in found]):.4f}")
    return cells


if __name__ == "__main__":
    table(
        "How often the checks of grades fail (± one standard error)",
        ["model", "rows", *(f"TH206, tolerance {t:g}" for t in TOLERANCES), "TH207"],
        failure_rates(),
    )
    table(
        "Coverage and mean width of 95 % intervals of the stability index of two models on the same rows",
        ["clusters", "rows", "correlated", "challenger", "truth", "paired", "width", "independent", "width"],
        stability_coverage(),
    )

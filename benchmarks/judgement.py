"""How often the judgement is right, by simulation: interval coverage, calibration, promotions, and whole reigns.

Two models score the same rows (`simulated_scores.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy import special
from simulated_scores import (
    ALIKE,
    AUC,
    EFFECTS,
    LEVEL,
    Rows,
    probability,
    quantile_sample,
    refitted,
    scored,
    simulate,
    thinned,
)
from tables import table

from titleholder.spec.check_rules import CalibrationRule
from titleholder.spec.criteria import Judgement
from titleholder.validation import metrics
from titleholder.validation.metrics import Estimation, Sample, means
from titleholder.validation.metrics.coverage import Beyond
from titleholder.validation.metrics.linearised import further_from_one
from titleholder.validation.sequential import log_evidence, needed_evidence

CONFIDENCE = 0.95


def gain(name: str, rows: Rows, k: int = 0, resamples: int = 500, seed: int = 0) -> metrics.Gain:
    how = Estimation(CONFIDENCE, resamples, seed)
    return metrics.gain(name, Sample(rows.y), rows.challengers[k], rows.champion, how)


def coverage() -> Iterator[list[object]]:
    """The share of 95 % intervals that hold the true gain."""
    for rate in (0.01, 0.05, 0.20):
        for n, repeats, few in ((2_000, 1000, 250), (10_000, 500, 150), (100_000, 200, 30)):
            rng = np.random.default_rng(int(rate * 1000) + n)
            hits = {"DeLong": [], "bootstrap": [], "brier": []}
            truth = _true_gain("brier", rate)
            for r in range(repeats):
                rows = simulate(rng, n, rate, np.array([0.01]))
                hits["DeLong"].append(_holds(gain("roc_auc", rows), 0.01))
                if r < few:
                    scores, how = [rows.challengers[0], rows.champion], Estimation(CONFIDENCE, 500, r)
                    first, second = metrics.resample("roc_auc", Sample(rows.y), scores, how, stratify=True)
                    low, high = np.quantile(first - second, [0.025, 0.975])
                    hits["bootstrap"].append(low <= 0.01 <= high)
                    likely = Rows(rows.y, probability(rows.champion, rate), probability(rows.challengers, rate))
                    hits["brier"].append(_holds(gain("brier", likely, seed=r), truth))
            yield [f"{rate:.0%}", f"{n:,}", *map(share, hits.values())]


FEW, ROWS = (20, 30, 60), 1_000


def few_events() -> Iterator[list[object]]:
    """The share of 95 % intervals that hold the truth, with so many events among a thousand rows."""
    for events in FEW:
        rng, rate = np.random.default_rng(events), events / ROWS
        y = (np.arange(ROWS) < events).astype(float)
        truths = {name: _true_gain(name, rate) for name in ("brier", "log_loss")}
        hits: dict[str, list[bool]] = {name: [] for name in ("one area", "roc_auc", *truths)}
        for r in range(2_000):
            rows = scored(rng, y, np.array([0.01]))
            one = metrics.interval("roc_auc", Sample(y), rows.champion, Estimation(CONFIDENCE, 500, r))
            hits["one area"].append(one.lower <= AUC <= one.upper)
            hits["roc_auc"].append(_holds(gain("roc_auc", rows), 0.01))
            likely = Rows(y, probability(rows.champion, rate), probability(rows.challengers, rate))
            for name, truth in truths.items():
                hits[name].append(_holds(gain(name, likely, seed=r), truth))
        yield [events, *map(share, hits.values())]


def share(hits: list[bool]) -> str:
    """How many of them are true, with the standard error."""
    part = float(np.mean(hits))
    return f"{part:.1%} ± {100 * np.sqrt(part * (1 - part) / len(hits)):.1f}"


def _true_gain(name: str, rate: float) -> float:
    """The gain over so many rows that its error does not matter, with exactly this share of events."""
    rng, y = np.random.default_rng(99), (np.arange(500_000) < rate * 500_000).astype(float)
    parts = []
    for _ in range(8):
        rows = scored(rng, y, np.array([0.01]))
        scores = probability(rows.challengers[0], rate), probability(rows.champion, rate)
        challenger, champion = (metrics.compute(name, y, p) for p in scores)
        parts.append(champion - challenger)
    return float(np.mean(parts))


def _holds(found: metrics.Gain, truth: float) -> bool:
    return found.lower <= truth <= found.upper


def calibration_coverage() -> Iterator[list[object]]:
    """The share of 95 % intervals that hold 1, 0 and 1, where the scores are calibrated."""
    for name, kept in (("none", (1.0, 1.0)), ("events x 10", (0.1, 1.0)), ("others x 10", (1.0, 0.1))):
        for events in (30, 100):
            rng, hits = np.random.default_rng(events), []
            for _ in range(1_000):
                found = metrics.calibration(*thinned(rng, kept, events), confidence=CONFIDENCE)
                hits.append([part.lower <= truth <= part.upper for part, truth in zip(found, (1, 0, 1), strict=True)])
            yield [name, events, *(share([hit[k] for hit in hits]) for k in range(3))]


def quantile_coverage() -> Iterator[list[object]]:
    """The share of 95 % intervals that hold the true coverage, and of models that TH203 finds beyond its bounds."""
    tolerance = CalibrationRule().observed_expected
    for kind in ("independent", "weighted", "in clusters"):
        for level, n in ((0.5, 200), (0.9, 200), (0.9, 2_000), (0.99, 2_000)):
            rng = np.random.default_rng(n)
            held, beyond = [], {1.0: [], 1.25: [], 1.6: []}
            for _ in range(1_000):
                for ratio, found in beyond.items():
                    rows, p = quantile_sample(rng, n, kind, 1 - ratio * (1 - level))
                    tail = Beyond.of(rows, p, level).interval(CONFIDENCE)
                    found.append(tail.lower > 1 + tolerance or tail.upper < 1 / (1 + tolerance))
                    if ratio == 1.0:
                        held.append(tail.lower <= 1 <= tail.upper)
            yield [kind, level, f"{n:,}", share(held), *map(share, beyond.values())]


def equal_after_a_shift() -> Iterator[list[object]]:
    """How often calibration rejects a challenger that is as good as its champion, both from before the level moved.

    The champion is trained on as many rows as the challenger, none of them the same, or scores with independent noise
    of the same size. Where `champion knows` the challenger is really further off: the champion has learned the new
    level.
    """
    for shift in (0.0, 0.35, 0.5, 0.7):
        for kind in ("noise", "refitted", "champion knows"):
            rng, hits = np.random.default_rng(int(shift * 100)), []
            for _ in range(400):
                x = rng.standard_normal((3_000, len(EFFECTS)))
                odds = LEVEL + x @ EFFECTS
                sample = Sample((rng.random(3_000) < special.expit(odds + shift)).astype(float))
                if kind == "noise":
                    scores = odds + 0.2 * rng.standard_normal((2, 3_000))
                else:
                    scores = np.stack([np.c_[np.ones(3_000), x] @ refitted(rng) for _ in range(2)])
                scores[1] += shift * (kind == "champion knows")
                hits.append(_rejected(sample, *special.expit(scores)))
            yield [f"{np.exp(shift):.2f}", kind, *(share([hit[k] for hit in hits]) for k in range(4))]


def _rejected(sample: Sample, challenger: np.ndarray, champion: np.ndarray) -> tuple[bool, bool, bool, bool]:
    """By its own interval alone; by the point estimates too; by both intervals without and with TH203's tolerance."""
    rule = CalibrationRule()
    one, other = (means.ratio_of_means(sample, p) for p in (challenger, champion))
    found = metrics.observed_expected(sample, challenger, confidence=CONFIDENCE)
    most = 1 + rule.observed_expected
    beyond = found.lower > most or found.upper < 1 / most
    further = further_from_one(one, other, CONFIDENCE)
    return (
        beyond,
        beyond and further.estimate > 0,
        beyond and further.lower > 0,
        beyond and further.lower > rule.tolerance,
    )


def single_look() -> Iterator[list[object]]:
    """How often one comparison promotes, by the true gain."""
    for n in (2_000, 10_000, 50_000):
        for rate in (0.05,):
            rng = np.random.default_rng(n)
            bare, shown = [], []
            gains = np.array([-0.01, 0.0, 0.01, 0.02])
            for _ in range(600 if n < 50_000 else 200):
                rows = simulate(rng, n, rate, gains)
                found = [gain("roc_auc", rows, k) for k in range(len(gains))]
                bare.append([g.estimate > 0 for g in found])
                shown.append([g.lower > 0 for g in found])
            for rule, hits in (("bare >", bare), ("interval", shown)):
                yield [f"{n:,}", f"{n * rate:,.0f}", rule, *(f"{share:.1%}" for share in np.mean(hits, axis=0))]


class Reigns(NamedTuple):
    """One kind of reign: what the challengers of each month truly gain."""

    name: str
    gains: np.ndarray


MONTHS, HOLDOUT = 36, 3
KINDS = (
    Reigns("equal", np.zeros(MONTHS)),
    Reigns("worse by 0.005", np.full(MONTHS, -0.005)),
    Reigns("better by 0.01", np.full(MONTHS, 0.01)),
    Reigns("better by 0.02", np.full(MONTHS, 0.02)),
    Reigns("champion decays, 0 to 0.03", np.linspace(0, 0.03, MONTHS)),
)


def first_month(hit: Callable[[int], bool]) -> float:
    """The first month (from 1) at which a rule promotes; infinity where it never does."""
    return next((t + 1.0 for t in range(MONTHS) if hit(t)), np.inf)


def reign(rng: np.random.Generator, monthly: int, rate: float, gains: np.ndarray) -> list[float]:
    """When bare >, the single interval and the sequential rule, without and with a horizon, first promote in a reign.

    Month t's challenger is judged on the newest three monthly cohorts; the sequential rule's look is the newest one.
    """
    cohorts = [simulate(rng, monthly, rate, _for_cohort(gains, c)) for c in range(MONTHS + HOLDOUT - 1)]
    whole, looks = [], []
    for t in range(MONTHS):
        parts = [_challenge(cohorts[c], c - t) for c in range(t, t + HOLDOUT)]
        y, champion, challenger = (np.concatenate(p) for p in zip(*parts, strict=True))
        whole.append(gain("roc_auc", Rows(y, champion, challenger[None])))
        y, champion, challenger = parts[-1]
        new = gain("roc_auc", Rows(y, champion, challenger[None]))
        looks.append((new.estimate, new.error))
    gains, errors = np.array(looks).T
    together = [
        log_evidence(gains[: t + 1], errors[: t + 1], minimum_gain=0.0, confidence=CONFIDENCE) for t in range(MONTHS)
    ]
    return [
        first_month(lambda t: whole[t].estimate > 0),
        first_month(lambda t: whole[t].lower > 0),
        *(
            first_month(
                lambda t, horizon=horizon: (
                    together[t] >= needed_evidence(t + 1, confidence=CONFIDENCE, horizon=horizon)
                    and whole[t].estimate > 0
                )
            )
            for horizon in (None, MONTHS)
        ),
    ]


def _for_cohort(gains: np.ndarray, cohort: int) -> np.ndarray:
    """True gains of the challengers that are judged on a cohort: those of three successive months, the newest first."""
    months = [cohort - HOLDOUT + 1 + k for k in range(HOLDOUT)][::-1]
    return np.array([gains[min(max(m, 0), MONTHS - 1)] for m in months])


def _challenge(rows: Rows, age: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return rows.y, rows.champion, rows.challengers[age]


def reigns() -> Iterator[list[object]]:
    rate = 0.06
    for monthly, repeats in ((1_000, 300), (5_000, 100)):
        for kind in KINDS:
            rng = np.random.default_rng(monthly)
            found = np.array([reign(rng, monthly, rate, kind.gains) for _ in range(repeats)])
            for k, rule in enumerate(("bare >", "interval", "sequential", f"sequential, horizon {MONTHS}")):
                when = found[:, k]
                median = np.median(when)
                yield [
                    f"{monthly:,}", kind.name, rule, f"{np.isfinite(when).mean():.1%}",
                    f"{median:.0f}" if np.isfinite(median) else "never",
                ]  # fmt: skip


if __name__ == "__main__":
    print(f"Simulated at ROC AUC {AUC}, noises correlated {ALIKE}; 95 % nominal. {Judgement(metric='roc_auc').rule = }")
    table(
        "Coverage of a true gain of 0.01 (± one standard error)",
        ["event rate", "rows", "DeLong, ROC AUC", "percentiles of a bootstrap, ROC AUC", "bootstrap, Brier"],
        coverage(),
    )
    table(
        f"Coverage with few events among {ROWS:,} rows (± one standard error)",
        ["events", "one ROC AUC of 0.70", "gain in ROC AUC", "gain in Brier", "gain in log loss"],
        few_events(),
    )
    table(
        "Coverage of calibration, by what the weights depend on (± one standard error)",
        ["weights", "events", "observed over expected", "intercept", "slope"],
        calibration_coverage(),
    )
    table(
        "Coverage of a predicted quantile, and how often TH203 finds it beyond its bounds (± one standard error)",
        ["rows are", "quantile", "rows", "interval holds", "right", "1.25 times as many beyond", "1.6 times"],
        quantile_coverage(),
    )
    table(
        "3,000 rows, 6 % events, then the odds rise: how often observed over expected rejects the challenger",
        [
            "odds",
            "models",
            "beyond bounds",
            "and further off by points",
            "and shown, no tolerance",
            "and shown (TH203)",
        ],
        equal_after_a_shift(),
    )
    table(
        "One comparison: how often the challenger is promoted, by its true gain (5 % events)",
        ["rows", "events", "rule", "-0.01", "0", "+0.01", "+0.02"],
        single_look(),
    )
    table(
        f"A reign of {MONTHS} monthly looks, 6 % events, holdout of {HOLDOUT} months",
        ["rows a month", "challengers are", "rule", "dethroned within 36 months", "median month"],
        reigns(),
    )

"""How often TH208, TH403, TH404 and TH704 fail for honest challengers, by simulation.

`python benchmarks/feature_checks.py [loans.parquet]`, some fifteen minutes. First where the truth is known: nothing is
wrong, or it is exactly what the check still allows (the worst case of an honest model). Then on the moving windows of
`leaks.py`: challengers of every quarter of the simulated lender and, with the file of docs/add-a-model.md, of real
loans. With `--times`: what the checks cost instead.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import loan_models
import numpy as np
import pandas as pd
import tables
from dateutil.relativedelta import relativedelta
from scipy import optimize, stats

from titleholder.data import features
from titleholder.spec.loader import DEFAULT_FOLDER, load_specs
from titleholder.spec.model import ModelSpec
from titleholder.training import benchmark, search
from titleholder.validation.checks import CHECKS
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.benchmark import benchmark_comparison
from titleholder.validation.checks.feature_drift import missing_rates, stability
from titleholder.validation.checks.missing_inputs import missing_inputs
from titleholder.validation.evidence import BenchmarkScores, Evidence, TrainingSample
from titleholder.workflow import scorer

CODES = ("TH208", "TH403", "TH404", "TH704")
FEATURES = [f"x{n}" for n in range(12)]
TRAINED, RATE, REPEATS = 20_000, 0.06, 200
SPEC = ModelSpec.restore(
    {
        **load_specs(DEFAULT_FOLDER, only="demo_default")["demo_default"].model_dump(mode="json"),
        "columns": {"entity": "id", "event_time": "at", "target": "bad", "numeric": FEATURES},
        "judgement": {"metric": "roc_auc"},
        "training": {"candidates": {"line": {"estimator": "sklearn.linear_model.LogisticRegression"}}},
    }
)


def effect(auc: float) -> float:
    """The distance of two normal distributions with this ROC AUC."""
    return float(np.sqrt(2) * stats.norm.ppf(auc))


def outcomes(rng: np.random.Generator, n: int) -> np.ndarray:
    return (rng.random(n) < RATE).astype(float)


def given(y: np.ndarray, **parts: object) -> Evidence:
    none = pd.DataFrame(index=range(len(y)))
    return Evidence(
        **{"spec": SPEC, "candidate": "line", "frame": none, "y": y, "challenger": np.zeros(len(y)), **parts}
    )


def against_benchmark(rng: np.random.Generator, n: int, loss: float) -> Result:
    """A challenger that is truly worse by `loss` than the benchmark; their noises are correlated 0.97."""
    y, noise, own = outcomes(rng, n), rng.standard_normal(n), rng.standard_normal(n)
    scores = effect(0.70 + loss) * y + noise
    challenger = effect(0.70) * y + 0.97 * noise + np.sqrt(1 - 0.97**2) * own
    return CHECKS["TH208"](given(y, challenger=challenger, benchmark=BenchmarkScores(scores=scores)))


def moved(rng: np.random.Generator, n: int, psi: float) -> Result:
    """Twelve normal features, each shifted to this true index over the deciles of training."""
    cuts = stats.norm.ppf(np.linspace(0, 1, 11))

    def index(shift: float) -> float:
        after = np.diff(stats.norm.cdf(cuts - shift))
        return float(((after - 0.1) * np.log(after / 0.1)).sum())

    shift = optimize.brentq(lambda s: index(s) - psi, 0, 2) if psi else 0.0
    return CHECKS["TH403"](compared(rng.standard_normal((TRAINED, 12)), shift + rng.standard_normal((n, 12))))


def gaps(rng: np.random.Generator, n: int, change: float) -> Result:
    """Twelve features, each missing in 10 % of the training rows and in so much more of the judged ones."""
    before, after = (
        np.where(rng.random((size, 12)) < share, np.nan, 0.0) for size, share in ((TRAINED, 0.1), (n, 0.1 + change))
    )
    return CHECKS["TH404"](compared(before, after))


def compared(before: np.ndarray, after: np.ndarray) -> Evidence:
    seen = TrainingSample(frame=pd.DataFrame(before, columns=FEATURES), y=np.zeros(TRAINED), scores=np.zeros(TRAINED))
    return given(np.zeros(len(after)), frame=pd.DataFrame(after, columns=FEATURES), training=seen)


def unknown(rng: np.random.Generator, n: int, loss: float) -> Result:
    """A model of ROC AUC 0.75 that loses so much without its strongest feature, and little without another."""
    strongest = effect(0.75) ** 2 - effect(0.75 - loss) ** 2 if loss else effect(0.75) ** 2 / 12
    weights = np.sqrt(np.r_[strongest, np.full(11, (effect(0.75) ** 2 - strongest) / 11)])
    y = outcomes(rng, n)
    x = pd.DataFrame(np.outer(y, weights) + rng.standard_normal((n, 12)), columns=FEATURES)

    def predict(frame: pd.DataFrame) -> np.ndarray:
        return features.design_matrix(frame, SPEC).fillna(0.0).to_numpy() @ weights

    return CHECKS["TH704"](given(y, frame=x, challenger=predict(x), predict=predict))


Draw = Callable[[np.random.Generator, int, float], Result]
TRUTHS: tuple[tuple[str, str, Draw, float], ...] = (
    ("TH208", "as good as the benchmark", against_benchmark, 0.0),
    ("TH208", "truly worse by the tolerance, 0.001", against_benchmark, 0.001),
    ("TH208", "truly worse by 0.02", against_benchmark, 0.02),
    ("TH403", "nothing has moved", moved, 0.0),
    ("TH403", "a true index of 0.25 in each of 12 features", moved, 0.25),
    ("TH403", "a true index of 0.50 in each of 12 features", moved, 0.5),
    ("TH404", "missing rates as in training", gaps, 0.0),
    ("TH404", "each of 12 features missing in 5 % more of the rows", gaps, 0.05),
    ("TH404", "each of 12 features missing in 10 % more of the rows", gaps, 0.10),
    ("TH704", "12 features alike", unknown, 0.0),
    ("TH704", "one feature is worth the limit, 0.05", unknown, 0.05),
    ("TH704", "one feature is worth 0.10", unknown, 0.10),
)


def known_truth() -> Iterator[list[object]]:
    """How often each check fails, by the number of judged rows."""
    for code, what, draw, truth in TRUTHS:
        shares = []
        for n in (1_000, 3_000, 10_000):
            rng = np.random.default_rng([int(code[2:]), n, int(1000 * truth)])
            shares.append(tables.share([draw(rng, n, truth).failed for _ in range(REPEATS)]))
        yield [code, what, *shares]


def challenges(world: loan_models.World, name: str, first: date, last: date, train: int) -> Iterator[Evidence]:
    """The challenger of every quarter with its benchmark."""
    as_of = first
    while as_of <= last:
        rows = loan_models.split(world, as_of, train)
        model = loan_models.fitted(world.spec, name, rows.training)
        untuned = benchmark.fit(rows.training.reset_index(drop=True), world.spec)
        found = loan_models.evidence(world.spec, rows, model, name, None)
        scores = BenchmarkScores(scores=loan_models.scores(world.spec, untuned, found.frame))
        yield found.model_copy(
            update={
                "benchmark": scores,
                "predict": lambda frame, model=model: loan_models.scores(world.spec, model, frame),
            }
        )
        as_of += relativedelta(months=loan_models.STEP)


def honest(what: str, worlds: list[loan_models.World], first: date, last: date, train: int) -> Iterator[list[object]]:
    """The share of challengers that fail each check, and what came nearest; standard errors are between worlds."""
    for name in loan_models.PARAMS:
        failed, nearest, world_of = [], [], []
        for number, world in enumerate(worlds):
            for found in challenges(world, name, first, last, train):
                failed.append([CHECKS[code](found).failed for code in CODES])
                nearest.append(extremes(found))
                world_of.append(number)
        hits = [pd.Series(column, index=world_of) for column in np.array(failed).T]
        gain, psi, change, loss = (np.array(column) for column in zip(*nearest, strict=True))
        found_ = [
            f"{gain.mean():+.4f} ({gain.min():+.4f})",
            f"{psi.max():.3f}",
            f"{change.max():.3f}",
            f"{loss.max():.3f}",
        ]
        yield [what, name, len(failed), *map(tables.between_worlds, hits), *found_]


def extremes(found: Evidence) -> tuple[float, float, float, float]:
    """The gain over the benchmark; the largest index, change of a missing rate and loss, all as estimated."""
    compared_, inputs = benchmark_comparison(found), missing_inputs(found)
    return (
        compared_.gain.estimate if compared_ else np.nan,
        max(psi.value for psi in stability(found).values()),
        max(abs(rate.change.estimate) for rate in missing_rates(found).values()),
        max(each.loss.estimate for each in inputs.features) if inputs else np.nan,
    )


def shipped(world: loan_models.World, model: str) -> loan_models.World:
    """The same rows under the spec as it ships."""
    return world._replace(spec=load_specs(DEFAULT_FOLDER, only=model)[model])


def lenders() -> Iterator[list[object]]:
    for size, count in ((300, 6), (1_000, 4), (3_000, 2)):
        worlds = [shipped(loan_models.simulated(size, 100 + seed), "demo_default") for seed in range(count)]
        yield from honest(f"simulated, {size:,} rows a month", worlds, date(2022, 4, 1), loan_models.LAST, 12)
    if len(sys.argv) > 1:
        public = shipped(loan_models.loans(Path(sys.argv[1])), "lending_club_default")
        yield from honest("real loans", [public], date(2009, 10, 1), date(2011, 12, 1), 24)


def seconds(work: Callable[..., object], *given: object) -> float:
    """Of one processor."""
    began = time.process_time()
    work(*given)
    return time.process_time() - began


def times() -> Iterator[list[object]]:
    """Seconds of one processor: a search as the spec has it (one trial, scaled), the benchmark, and the checks."""
    world = shipped(loan_models.simulated(1_000, 1), "demo_default")
    spec, (training, holdout) = world.spec, loan_models.split(world, date(2023, 1, 1))
    one = ModelSpec.restore(spec.model_dump(mode="json") | {"training": once(spec)})
    for n in (3_000, 30_000, 300_000, 1_000_000):
        rng = np.random.default_rng(n)
        seen = training.iloc[np.sort(rng.integers(0, len(training), n))].reset_index(drop=True)
        judged = holdout.iloc[np.sort(rng.integers(0, len(holdout), n // 4))]
        trials = spec.training.search.trials
        search_ = trials * sum(seconds(search.fit, seen, one, name) for name in loan_models.PARAMS)
        some = seen.iloc[scorer.spread(np.arange(n), benchmark.ROWS)].reset_index(drop=True)
        fitted = seconds(benchmark.fit, some, spec)
        fitted += seconds(loan_models.scores, spec, benchmark.fit(some, spec), judged)
        kept = seen.iloc[scorer.spread(np.arange(n))]
        model = loan_models.fitted(spec, "boosting", kept)
        found = loan_models.evidence(spec, loan_models.Split(kept, judged), model, "boosting", None)
        found = found.model_copy(update={"predict": lambda rows, model=model: loan_models.scores(spec, model, rows)})
        checks = [seconds(CHECKS[code], found) for code in ("TH403", "TH404", "TH704")]
        share = (fitted + sum(checks)) / search_
        yield [f"{n:,}", f"{search_:.0f}", f"{fitted:.1f}", *(f"{s:.2f}" for s in checks), f"{share:.1%}"]


def once(spec: ModelSpec) -> dict[str, object]:
    """The training of a spec with a single trial."""
    training = spec.training.model_dump(mode="json")
    return {**training, "search": {**training["search"], "trials": 1}}


if __name__ == "__main__":
    if "--times" in sys.argv:
        head = ["training rows", "search, s", "benchmark, s", "TH403, s", "TH404, s", "TH704, s", "share of the search"]
        tables.table("What the checks cost beside the search of both candidates", head, times())
        sys.exit()
    sizes = ["1,000 rows", "3,000 rows", "10,000 rows"]
    tables.table(
        f"How often a check fails where the truth is known, {REPEATS} draws", ["check", "truth", *sizes], known_truth()
    )
    nearest = ["gain over the benchmark (lowest)", "largest index", "largest change of a missing rate", "largest loss"]
    tables.table("Honest challengers", ["loans", "candidate", "challenges", *CODES, *nearest], lenders())

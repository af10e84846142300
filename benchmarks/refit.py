"""What the holdout's months are worth to a model: refitted on them after it won, or its boosting continued on them.

    python benchmarks/refit.py                         # the simulated lender, and portfolios whose truth is known
    python benchmarks/refit.py lending_club.parquet    # real loans, see docs/add-a-model.md

Each month the shipped candidates are fitted on the training window (the twin), and again with the same parameters on
windows that end where the holdout ends. All score the months after the as-of date, with final outcomes. Parameters are
searched every third month. Gains are paired. Months overlap: the standard error is from a circular bootstrap of blocks
of `BLOCK` as-of dates. Boosting is continued every third month only, so that no month in use counts twice.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from dateutil.relativedelta import relativedelta
from promotion.rules import Memory, Situation, fresh
from promotion.worlds import HOLDOUT, MONTHS, WINDOW, WORLDS, World, coefficients, fit, simulate, true_auc, unit
from search_metric import FINAL, Rows, lender, loans
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from titleholder.data import features
from titleholder.spec import windows
from titleholder.spec.loader import DEFAULT_FOLDER, load_specs
from titleholder.spec.model import ModelSpec
from titleholder.training import pipeline, search
from titleholder.validation import metrics
from titleholder.validation.fresh import challenge
from titleholder.validation.metrics import Estimation

Array = metrics.Array
BLOCK, RESAMPLES, PORTFOLIOS, SEARCHED = 6, 10_000, 20, 3
USED = {"months 1 to 3": (0, 3), "months 4 to 12": (3, 12)}
"""Months after the as-of date, half-open, in which the models are compared."""
AGES, TREES = (3, 12), (20, 80)
"""Months that a champion is older, and trees that its boosting is continued by."""


class Portfolio:
    """A model's rows, and what is searched on them in each month."""

    def __init__(self, rows: Rows, spec: ModelSpec, first: date, months: int) -> None:
        self.rows, self.spec = rows, spec
        self.dates = [first + relativedelta(months=n) for n in range(months)]
        self._found: dict[tuple[date, str], search.Fitted] = {}
        self._models: dict[tuple[date, str], list[Pipeline]] = {}

    def found(self, as_of: date, name: str) -> search.Fitted:
        """The newest search of a candidate."""
        searched = self.dates[self.dates.index(as_of) // SEARCHED * SEARCHED]
        if (searched, name) not in self._found:
            frame = self.window(searched).reset_index(drop=True)
            self._found[searched, name] = search.fit(frame, self.spec, name)
        return self._found[searched, name]

    def nominee(self, as_of: date) -> str:
        """The candidate with the best score on its folds."""
        names = list(self.spec.training.candidates)
        return search.ranked(names, self.spec, lambda name: self.found(as_of, name).score)[0]

    def models(self, as_of: date, name: str) -> list[Pipeline]:
        """The twin, the same parameters on a window of the same length that ends with the holdout, and on all rows."""
        if (as_of, name) not in self._models:
            spans, params = windows.intervals(self.spec, as_of), self.found(as_of, name).params
            starts = [spans.train_start + self.spec.windows.holdout, spans.train_start]
            frames = [self.window(as_of), *(self.rows(as_of, start, spans.matured) for start in starts)]
            self._models[as_of, name] = [self.fit(name, frame, params) for frame in frames]
        return self._models[as_of, name]

    def window(self, as_of: date) -> pd.DataFrame:
        """The training rows of a run."""
        spans = windows.intervals(self.spec, as_of)
        return self.rows(as_of, spans.train_start, spans.holdout_start)

    def fit(self, name: str, frame: pd.DataFrame, params: dict[str, Any]) -> Pipeline:
        """The candidate with these parameters on these rows."""
        model = pipeline.build(self.spec, self.spec.training.candidates[name], params)
        return model.fit(features.design_matrix(frame, self.spec), features.target(frame, self.spec).astype(int))

    def areas(self, models: list[Pipeline], as_of: date, start: int, end: int) -> list[float] | None:
        """ROC AUC of each in these months after the as-of date; None where the file ends before them."""
        begin, until = (as_of + relativedelta(months=n) for n in (start, end))
        frame, last = self.rows(FINAL, begin, until), pd.Timestamp(until - relativedelta(months=1), tz="UTC")
        if not (frame[self.spec.columns.event_time] >= last).any():
            return None
        y, X = features.target(frame, self.spec), features.design_matrix(frame, self.spec)
        return [metrics.compute("roc_auc", y, pipeline.score(m, X, self.spec)) for m in models]


def shown(gains: Array, block: int = BLOCK) -> str:
    """The mean and its standard error; in a circular block bootstrap, blocks may begin at any date and wrap around."""
    n, rng = len(gains), np.random.default_rng(7)
    starts = rng.integers(0, n, (RESAMPLES, -(-n // block), 1))
    drawn = ((starts + np.arange(block)) % n).reshape(RESAMPLES, -1)[:, :n]
    return f"{gains.mean():+.4f} ± {gains[drawn].mean(axis=1).std():.4f}"


def refits(book: Portfolio) -> Iterator[str]:
    """A line for each candidate, the nominee, and stretch of months in use."""
    found: dict[tuple[str, str], dict[date, list[float]]] = {}
    for as_of in book.dates:
        for name in book.spec.training.candidates:
            models = book.models(as_of, name)
            for stretch, (start, end) in USED.items():
                if areas := book.areas(models, as_of, start, end):
                    found.setdefault((name, stretch), {})[as_of] = areas
                    if name == book.nominee(as_of):
                        found.setdefault(("nominee", stretch), {})[as_of] = areas
    for (name, stretch), by_date in sorted(found.items()):
        values = np.array(list(by_date.values()))
        gains = values[:, 1:] - values[:, :1]
        half = len(gains) // 2
        parts = [shown(gains[:, 0]), shown(gains[:half, 0]), shown(gains[half:, 0]), shown(gains[:, 1])]
        better = f"{(gains[:, 0] > 0).sum()} of {len(gains)}"
        yield f"| {' | '.join([name, stretch, f'{values[:, 0].mean():.4f}', *parts, better])} |"
    for as_of, areas in found["nominee", "months 1 to 3"].items():
        print(f"# {as_of} {book.nominee(as_of)}: {areas[0]:.4f} {areas[1] - areas[0]:+.4f}", file=sys.stderr)


def champions(book: Portfolio) -> Iterator[str]:
    """A line: the nominees of all months under `fresh`, where twins are judged; each champion in the month after."""
    spec, path, found = book.spec, [book.dates[0]], []
    how = Estimation(resamples=2, seed=7, confidence=spec.judgement.confidence)
    for as_of in book.dates:
        spans = windows.intervals(spec, as_of)
        holdout = book.rows(as_of, spans.holdout_start, spans.matured)
        X = features.design_matrix(holdout, spec)
        new, old = (pipeline.score(book.models(d, book.nominee(d))[0], X, spec) for d in (as_of, path[-1]))
        gain = metrics.gain("roc_auc", metrics.Sample(features.target(holdout, spec)), new, old, how)
        terms = {"tolerated_loss": 0.01, "minimum_gain": 0.0, "confidence": spec.judgement.confidence}
        path.append(as_of if challenge(gain, **terms).passed else path[-1])
        if areas := book.areas(book.models(path[-1], book.nominee(path[-1])), as_of, 0, 1):
            found.append(areas)
    values = np.array(found)
    gains = [shown(values[:, n] - values[:, 0]) for n in (1, 2)]
    yield f"| {' | '.join([str(len(values)), str(len(set(path)) - 1), f'{values[:, 0].mean():.4f}', *gains])} |"


class Continued(HistGradientBoostingClassifier):
    """Keeps bins and codes of categories when it is fitted again: its trees are stated in them.

    With `warm_start` alone scikit-learn 1.9 makes both anew from the new rows, and applies the old trees to them.
    """

    def _preprocess_X(self, X: Any, *, reset: bool) -> Any:  # noqa: N802 - scikit-learn's name
        X = super()._preprocess_X(X, reset=False)
        return (X, self._check_categories()) if reset else X

    def _bin_data(self, X: Any, sample_weight: Any, is_training_data: bool) -> Any:  # noqa: ARG002
        self._bin_mapper = self.bins
        return np.asfortranarray(super()._bin_data(X, sample_weight, False))


def extended(champion: Pipeline, book: Portfolio, frame: pd.DataFrame, trees: int, keep: bool) -> Pipeline:
    """The champion with more trees, fitted on these rows."""
    prepare, model = champion.named_steps["prepare"], copy.deepcopy(champion.named_steps["model"])
    if keep:
        model.__class__, model.bins = Continued, model._bin_mapper
    model.set_params(warm_start=True, max_iter=model.max_iter + trees)
    X, y = features.design_matrix(frame, book.spec), features.target(frame, book.spec).astype(int)
    return Pipeline([("prepare", prepare), ("model", model.fit(prepare.transform(X), y))])


def continued(book: Portfolio, age: int, trees: int) -> str:
    """A line: the boosting of a champion of this age is continued, compared with fits from nothing.

    All have the champion's parameters, and none stops early, so that each has the number of trees that it is given.
    """
    name, spec, found = "boosting", book.spec, []
    for before, as_of in list(zip(book.dates, book.dates[age:], strict=False))[::SEARCHED]:
        old, now = (windows.intervals(spec, day) for day in (before, as_of))
        params = {**book.found(before, name).params, "early_stopping": False}
        more = {**params, "max_iter": params["max_iter"] + trees}
        window, new = book.window(as_of), book.rows(as_of, old.holdout_start, now.holdout_start)
        champion = book.fit(name, book.window(before), params)
        models = [
            book.fit(name, window, more),
            book.fit(name, window, params),
            champion,
            extended(champion, book, window, trees, keep=True),
            extended(champion, book, new, trees, keep=True),
            extended(champion, book, new, trees, keep=False),
        ]
        if areas := book.areas(models, as_of, 0, 3):
            found.append(areas)
    values = np.array(found)
    gains = [shown(values[:, n] - values[:, 0], 1) for n in range(1, values.shape[1])]
    return f"| {' | '.join([str(age), str(trees), str(len(values)), f'{values[:, 0].mean():.4f}', *gains])} |"


def worlds() -> Iterator[str]:
    """What a refit gains in portfolios whose truth is known: of the newest version, and of the champion under `fresh`.

    Under `fresh` twins are judged, and the refitted champion is in use. The error is over portfolios.
    """
    for world in WORLDS[:4]:
        values = np.array([_portfolio(world, repetition) for repetition in range(PORTFOLIOS)])
        cells = zip(values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(PORTFOLIOS), strict=True)
        yield f"| {world.name} | {' | '.join(f'{mean:+.4f} ± {error:.4f}' for mean, error in cells)} |"


def _portfolio(world: World, repetition: int) -> list[float]:
    """Mean gains of the newest version and of the champion: on a window of the same length, and on all rows.

    Version t + HOLDOUT has the window of the same length that version t would be refitted on.
    """
    history = simulate(world, 1_000, np.random.default_rng([1, 1_000, repetition]))
    b = coefficients(world, np.random.default_rng([1, 1_000, repetition]))
    path = [0]
    for month in range(1, MONTHS):
        path.append(fresh(Situation(history, month, path[-1], 0, Memory())))
    months = np.arange(MONTHS - HOLDOUT)
    longer = np.array([fit(history, v, v + WINDOW + HOLDOUT) for v in months])
    truth = true_auc(longer @ unit(b).T)[:, WINDOW + HOLDOUT + world.maturity :]
    pairs = [
        (refit, used)
        for used in (months, np.array(path)[months])
        for refit in (history.truth[used + HOLDOUT, months], truth[used, months])
    ]
    return [float((refit - history.truth[used, months]).mean()) for refit, used in pairs]


def main() -> None:
    path = sys.argv[1] if len(sys.argv) > 1 else None
    name = "lending_club_default" if path else "demo_default"
    spec = load_specs(DEFAULT_FOLDER, only=name)[name]
    dates = (date(2009, 8, 1), 27) if path else (date(2022, 1, 1), 42)
    book = Portfolio(loans(path) if path else lender(), spec, *dates)
    head = [
        "model",
        "in use",
        "AUC, twin",
        "refit gains",
        "first half",
        "second half",
        "longer refit gains",
        "better in",
    ]
    _print(head, refits(book))
    _print(["months", "changes", "AUC, twin", "refit gains", "longer refit gains"], champions(book))
    head = ["champion is older by", "trees added", "dates", "AUC, fresh with as many trees", "fresh with fewer trees"]
    head += ["champion", "continued on the window", "on new rows", "on new rows, scikit-learn's bins"]
    _print(head, (continued(book, age, trees) for age in AGES for trees in TREES))
    if not path:
        _print(
            [
                "portfolio",
                *(f"{who}, {how}" for who in ("newest", "champion under fresh") for how in ("same length", "all rows")),
            ],
            worlds(),
        )


def _print(head: list[str], lines: Iterator[str]) -> None:
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()

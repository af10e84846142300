"""What the monitors say of a champion at the simulated lender, over 36 months of scoring and after a change.

    python benchmarks/monitoring_scenarios.py                           # one reign in each world; two minutes
    python benchmarks/monitoring_scenarios.py --quiet 200 --first 0     # false alarms in quiet reigns; some minutes
    python benchmarks/monitoring_scenarios.py --references 1000         # how the estimate depends on the reference

The lender of `make demo` has 1,000 loans a month; the scorecard of `demo_default` is trained on 12 months of them and
judged on the next three, which are the reference. From then on it scores 1,000 applicants a month; their outcomes are
final six months later. The functions are those of `titleholder.workflow.monitoring`, on these rows in memory: neither
PostgreSQL nor MLflow takes part (tests/integration/test_monitoring.py has them). Every world but `as it is` draws its
applicants from the same two years, with their outcomes, so that nothing changes before the change in month 13:

- `quiet`: nothing changes.
- `mix`: applicants of one channel come three times as often.
- `unit`: the income in thousands, when scoring.
- `concept`: half of the rows have the outcome of another row: features stay as they are, what they say halves.
- `rollback`: another version becomes champion in month 13, with a gain that was measured on rows which it had seen; in
  truth it is worse. In month 25 it is rolled back. Each of the three reigns is watched by itself.
- `as it is`: the 36 months of the lender, with its own drift.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from datetime import date
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from dateutil.relativedelta import relativedelta
from drift import PARAMS
from scipy import special
from search_metric import lender

from titleholder.data import features
from titleholder.spec.loader import DEFAULT_FOLDER, load_specs
from titleholder.spec.model import ModelSpec
from titleholder.spec.monitor import AskForRetrain
from titleholder.training import pipeline
from titleholder.validation import metrics
from titleholder.validation.metrics import Array, Estimation, Interval, Sample
from titleholder.validation.monitoring import outcomes, summary
from titleholder.validation.monitoring.estimated import estimated, recalibration
from titleholder.validation.monitoring.look import History, Limits, NewRows, ReferenceFeature, level, look
from titleholder.validation.monitoring.report import Alarm, Drift, RealisedCohort, Span
from titleholder.validation.monitoring.retrain_request import Asked, ask

END, MONTHS, CHANGE, BACK, MATURITY, ROWS = date(2026, 7, 1), 36, 12, 24, 6, 1000
FALSE_ALARMS, PERSISTENCE, MINIMUM_PSI, TOLERATED = 0.05, 2, 0.1, 0.01
HOW = Estimation(confidence=0.95, resamples=100, seed=1)
LIMITS = Limits(FALSE_ALARMS / 2, PERSISTENCE, MINIMUM_PSI)
WORLDS = ("quiet", "mix", "unit", "concept", "rollback", "as it is")
Scores = Callable[[pd.DataFrame], Array]


class Lender(NamedTuple):
    """The rows from which months are drawn, those of the reference, the months as they are, and the champion."""

    spec: ModelSpec
    pool: pd.DataFrame
    holdout: pd.DataFrame
    months: list[pd.DataFrame]
    champion: Scores


def a_lender() -> Lender:
    """The simulated lender, with a scorecard that is promoted 36 months before its end."""
    spec, rows = load_specs(DEFAULT_FOLDER, only="demo_default")["demo_default"], lender(ROWS)
    promoted = END - relativedelta(months=MONTHS + MATURITY)
    judged = promoted - relativedelta(months=3)
    trained = rows(END, judged - relativedelta(months=12), judged).reset_index(drop=True)
    model = pipeline.build(spec, spec.training.candidates["scorecard"], PARAMS["scorecard"])
    model.fit(features.design_matrix(trained, spec), features.target(trained, spec))

    def scores(frame: pd.DataFrame) -> Array:
        return pipeline.score(model, features.design_matrix(frame, spec), spec)

    days = [promoted + relativedelta(months=n) for n in range(MONTHS + 1)]
    months = [rows(END, *pair).reset_index(drop=True) for pair in pairwise(days)]
    pool = rows(END, promoted - relativedelta(months=12), promoted + relativedelta(months=12)).reset_index(drop=True)
    return Lender(spec, pool, rows(END, judged, promoted).reset_index(drop=True), months, scores)


class Month(NamedTuple):
    """The applicants as they are and as they are known when they are scored, and their outcomes."""

    known: pd.DataFrame
    y: Array


def month(world: str, n: int, of: Lender, rng: np.random.Generator) -> Month:
    """The rows of month n, from 0 on."""
    if world == "as it is":
        return Month(of.months[n], features.target(of.months[n], of.spec))
    changed = n >= CHANGE
    weights = np.ones(len(of.pool))
    if world == "mix" and changed:
        weights[(of.pool["channel"] == "partner").to_numpy()] = 3.0
    frame = of.pool.iloc[rng.choice(len(of.pool), ROWS, p=weights / weights.sum())].reset_index(drop=True)
    y = features.target(frame, of.spec)
    if world == "concept" and changed:
        y = np.where(rng.random(len(y)) < 0.5, rng.permutation(y), y)
    known = frame.assign(income=frame["income"] / 1000) if world == "unit" and changed else frame
    return Month(known, y)


class Version(NamedTuple):
    """What is watched: a version's scores, what was promised, and the predecessor's scores with the promised gain."""

    scores: Scores
    promised: Interval
    predecessor: Scores | None = None
    gain: Interval | None = None


class Watched(NamedTuple):
    """What was said in each month of a reign."""

    drifts: list[Drift]
    alarms: list[tuple[Alarm, ...]]
    asked: list[str]
    cohorts: list[RealisedCohort]
    expected: list[float]
    review: list[str]
    broken: bool


def watch(version: Version, months: Sequence[Month], reference: pd.DataFrame, spec: ModelSpec, seed: int) -> Watched:
    """The looks at one reign, of which each month is one; outcomes of a month are final six months later."""
    rng = np.random.default_rng(seed)
    own = version.scores(reference)
    matrix = features.design_matrix(reference, spec)
    kinds = {name: "categorical" if name in spec.columns.categorical else "numeric" for name in spec.columns.features}
    known = [ReferenceFeature.of(n, k, matrix[n].to_numpy(), rng) for n, k in kinds.items()]  # type: ignore[arg-type]
    known.append(ReferenceFeature.of("score", "score", own, rng))
    calibration = recalibration(features.target(reference, spec), own)
    days = [date(2030 + n // 12, n % 12 + 1, 1) for n in range(len(months) + 1)]
    found = Watched([], [], [], [], [], [], broken=False)
    kept: list[tuple[Array, Array, Array | None]] = []
    asked: list[Asked] = []
    for n, (frame, y) in enumerate(months):
        p = version.scores(frame)
        kept.append((y, p, version.predecessor(frame) if version.predecessor else None))
        table = features.design_matrix(frame, spec)
        rows = [NewRows(tuple(f.places.counts(table[f.name].to_numpy()).tolist()), {}) for f in known[:-1]]
        rows.append(NewRows(tuple(known[-1].places.counts(p).tolist()), {}))
        made = look(known, rows, History.of(found.drifts), LIMITS, [seed, n])
        dates: dict[str, Any] = {"reference_start": days[0], "reference_end": days[0]}
        drift = Drift(
            budget=LIMITS.budget, level=level(made), looks=n + 1, reference_rows=len(reference), features=made, **dates
        )
        found.drifts.append(drift)
        estimate = outcomes.estimate("roc_auc", p, 0.95, calibration, weighted=False)
        found.expected.append(estimate.estimate if estimate else np.nan)
        if n >= MATURITY:
            m = n - MATURITY
            found.cohorts.extend(_cohort(kept[m], (days[m], days[m + 1]), calibration))
        promise = outcomes.promise(
            "roc_auc", 1, version.promised, found.cohorts, confidence=0.95, tolerated=TOLERATED, budget=FALSE_ALARMS / 2
        )
        standing = summary.alarms(
            drift, promise, found.alarms[-1] if found.alarms else (), as_of=days[n + 1], in_a_row=PERSISTENCE
        )
        found.alarms.append(standing)
        answer = ask(
            standing, AskForRetrain(), lane="live", as_of=days[n + 1], decision=1, earlier=asked, last_decision=None
        )
        if answer.asks:
            asked.append(Asked(days[n + 1], 1))
            found.asked.append(f"month {n + 1}")
        if version.gain:
            found.review.append(outcomes.review("roc_auc", 1, 1, version.gain, found.cohorts, 0.95).answer)
    return found


def _cohort(kept: tuple[Array, Array, Array | None], days: tuple[date, date], calibration: Any) -> list[RealisedCohort]:
    y, p, before = kept
    day = np.full(len(y), float(days[0].toordinal()))
    rows = outcomes.ScoredOutcomes(day, Sample(y), p, before, day)
    return list(outcomes.cohorts(rows, [days], "roc_auc", HOW, calibration, 20))


def promised(scores: Scores, rows: pd.DataFrame, spec: ModelSpec) -> Interval:
    """The metric on the holdout."""
    return metrics.interval("roc_auc", Sample(features.target(rows, spec)), scores(rows), HOW)


def worse(scores: Scores) -> Scores:
    """A version that adds to the champion's log odds what says nothing: the same for the same row."""

    def noisy(frame: pd.DataFrame) -> Array:
        noise = np.random.default_rng(5).normal(size=2**16)[frame["application_id"].to_numpy() % 2**16]
        return np.asarray(special.expit(special.logit(scores(frame)) + 0.9 * noise))

    return noisy


def reference_of(world: str, of: Lender, rng: np.random.Generator) -> pd.DataFrame:
    """3,000 rows: drawn as the months are; the holdout itself of the lender as it is."""
    if world == "as it is":
        return of.holdout
    return of.pool.iloc[rng.choice(len(of.pool), 3 * ROWS)].reset_index(drop=True)


def reigns(world: str, of: Lender, seed: int) -> list[tuple[str, Watched]]:
    """Every reign of a world, with its name."""
    rng = np.random.default_rng((seed, WORLDS.index(world)))
    reference = reference_of(world, of, rng)
    months = [month(world, n, of, rng) for n in range(MONTHS)]
    first = Version(of.champion, promised(of.champion, reference, of.spec))
    if world != "rollback":
        return [("", watch(first, months, reference, of.spec, seed))]
    scores = worse(of.champion)
    second = Version(scores, promised(of.champion, reference, of.spec), of.champion, Interval(0.015, 0.007, 0.023))
    spans = (
        ("version 1", first, 0, CHANGE),
        ("version 2", second, CHANGE, BACK),
        ("version 1 again", first, BACK, MONTHS),
    )
    return [(name, watch(v, months[a:b], reference, of.spec, seed + a)) for name, v, a, b in spans]


def first_months(found: Watched) -> dict[str, int]:
    """In which month, from 1 on, each alarm was raised first."""
    raised: dict[str, int] = {}
    for n, standing in enumerate(found.alarms, start=1):
        for alarm in standing:
            raised.setdefault(alarm.name, n)
    return raised


def _said(world: str, name: str, found: Watched) -> str:
    raised = ", ".join(f"{n} (month {m})" for n, m in first_months(found).items()) or "none"
    peak = max(max(f.psi.estimate for f in drift.features) for drift in found.drifts)
    came = [(one.estimated.estimate if one.estimated else np.nan, one.realised.estimate) for one in found.cohorts]
    late = came[-6:] or [(np.nan, np.nan)]
    figures = f"{np.mean([a for a, _ in late]):.3f}, {np.mean([b for _, b in late]):.3f}"
    answers = [f"{answer} (month {n})" for n, answer in enumerate(found.review, start=1) if answer != "open"][:1]
    review = answers[0] if answers else "open" if found.review else ""
    asked = ", ".join(found.asked) or "no"
    return f"| {world} | {name} | {raised} | {asked} | {peak:.2f} | {figures} | {review} |"


def _quiet(of: Lender, numbers: range) -> None:
    """Print in which quiet reigns anything was an alarm, and how often the estimates cover what came true."""
    alarmed, covered = [], []
    for n in numbers:
        ((_, found),) = reigns("quiet", of, 1000 + n)
        if raised := first_months(found):
            alarmed.append((n, raised))
        covered.append(
            float(np.mean([_within(one.realised.estimate, one.estimated) for one in found.cohorts if one.estimated]))
        )
    print(
        f"quiet reigns {numbers.start} to {numbers.stop - 1}: an alarm in {len(alarmed)} {alarmed}; what came true was "
        f"within the interval of the estimate in {np.mean(covered):.3f} of the cohorts"
    )


def _references(of: Lender, number: int, seed: int) -> None:
    """Print how the estimate without outcomes differs between references, each with one month of new rows."""
    y, p = features.target(of.pool, of.spec), of.champion(of.pool)
    found, covered, rng = [], [], np.random.default_rng(seed)
    for _ in range(number):
        rows, now = rng.choice(len(y), 3 * ROWS), rng.choice(len(y), ROWS)
        calibration = recalibration(y[rows], p[rows])
        found.append(estimated("roc_auc", p, confidence=0.95, calibration=calibration).estimate)
        month = estimated("roc_auc", p[now], confidence=0.95, calibration=calibration)
        covered.append(month.lower <= metrics.compute("roc_auc", y[now], p[now], of.spec.judgement) <= month.upper)
    whole = estimated("roc_auc", p, confidence=0.95, calibration=recalibration(y, p)).estimate
    print(
        f"ROC AUC of all {len(y)} rows {metrics.compute('roc_auc', y, p, of.spec.judgement):.4f}; estimated with a "
        f"recalibration on all of them {whole:.4f}, on {3 * ROWS} {np.mean(found):.4f}, with a standard deviation of "
        f"{np.std(found):.4f} over {number} references; a month's interval covers what came true in "
        f"{np.mean(covered):.3f}"
    )


def _within(value: float, of: Span) -> bool:
    return of.lower is not None and of.upper is not None and of.lower <= value <= of.upper


def main() -> None:
    """Print the table, or the false alarms of quiet reigns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quiet", type=int, default=0, help="so many quiet reigns instead")
    parser.add_argument("--first", type=int, default=0, help="the number of the first of them")
    parser.add_argument("--references", type=int, default=0, help="the estimate with so many references instead")
    parser.add_argument("--seed", type=int, default=19)
    given = parser.parse_args()
    of = a_lender()
    if given.references:
        _references(of, given.references, given.seed)
        return
    if given.quiet:
        _quiet(of, range(given.first, given.first + given.quiet))
        return
    print("| world | reign | alarms | asks for a retrain | largest PSI | expected, realised at the end | review |")
    print("|---|---|---|---|---:|---:|---|")
    for world in WORLDS:
        for name, found in reigns(world, of, given.seed):
            print(_said(world, name, found), flush=True)


if __name__ == "__main__":
    main()

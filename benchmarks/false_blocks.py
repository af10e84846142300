"""How often any check but the gain itself stops a challenger that is as good as the champion, or a little better.

    python benchmarks/false_blocks.py             400 challenges of each kind: some minutes
    python benchmarks/false_blocks.py --quick     few

The portfolio stands still: five normal features, a logistic outcome with 6 % events, ROC AUC about 0.76. Champion and
challenger are logistic regressions, each fitted on 12,000 rows of windows that are three months apart, as a retrain has
them; 3,000 later rows are judged. So they are equally good before either is fitted. A *slightly better* challenger has
a champion that does not use the weakest feature (true gain about 0.005 in ROC AUC). Every check of the package runs
with its default thresholds: segments, a cut-off and profits are set; no check is switched off.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from judgement import EFFECTS, LEVEL, share, table
from scipy import special
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from titleholder.spec.model import ModelSpec
from titleholder.validation.evidence import Evidence, TrainingSample
from titleholder.validation.judging import judge
from titleholder.validation.verdict import Reign

TRAINED, MOVED, JUDGED = 12_000, 3_000, 3_000
FEATURES = [f"f{k}" for k in range(len(EFFECTS))]
KINDS = {"equal": len(FEATURES), "slightly better": len(FEATURES) - 1}
"""How many of the features the champion uses."""
AS_OF, HOLDOUT = date(2025, 1, 1), (date(2024, 1, 1), date(2024, 4, 1))
TARGETS = {"equal": 0.03, "slightly better": 0.01}


def spec(resamples: int) -> ModelSpec:
    """A model with everything that a check can look at."""
    return ModelSpec.restore(
        {
            "name": "portfolio",
            "owner": "bench",
            "start_date": "2024-01-01",
            "task": "classification",
            "source": {"connection": "none", "query": "none.sql"},
            "columns": {
                "entity": "id", "event_time": "time", "target": "bad", "numeric": FEATURES, "segments": ["region"],
                "protected": ["group"],
            },
            "windows": {"label_maturity": "9 months", "train": "12 months", "holdout": "3 months"},
            "training": {
                "candidates": {"line": {"estimator": "sklearn.linear_model.LogisticRegression", "increasing": FEATURES}}
            },
            "judgement": {
                "metric": "roc_auc", "resamples": resamples, "cut_off": {"accept": "below", "share": 0.8},
                "profit": {"accepted_1": -40.0, "accepted_0": 10.0},
            },
            "sql": "SELECT * FROM rows WHERE :as_of > :window_start AND :window_end > :as_of",
        }
    )  # fmt: skip


def rows(rng: np.random.Generator, n: int, start: str, end: str) -> pd.DataFrame:
    x = rng.standard_normal((n, len(FEATURES)))
    bad = (rng.random(n) < special.expit(LEVEL + x @ EFFECTS)).astype(float)
    time = pd.date_range(start, end, periods=n + 1, inclusive="left", tz="UTC", unit="us")
    named = {
        "id": np.arange(n),
        "time": time,
        "bad": bad,
        "region": rng.choice(list("abcd"), n),
        "group": rng.choice(2, n),
    }
    return pd.DataFrame(x, columns=FEATURES).assign(**named)


def answer(model: LogisticRegression, frame: pd.DataFrame) -> np.ndarray:
    return model.predict_proba(frame[list(model.feature_names_in_)])[:, 1]


def evidence(rng: np.random.Generator, used: int, known: ModelSpec) -> Evidence:
    """One challenge; the champion uses the first so many features."""
    past, frame = rows(rng, TRAINED + MOVED, "2022-10-01", "2024-01-01"), rows(rng, JUDGED, "2024-01-01", "2024-04-01")
    older, newer = past.iloc[:TRAINED], past.iloc[MOVED:].reset_index(drop=True)
    champion = LogisticRegression(C=np.inf).fit(older[FEATURES[:used]], older["bad"])
    challenger = LogisticRegression(C=np.inf).fit(newer[FEATURES], newer["bad"])
    first = answer(challenger, newer.head(50))
    return Evidence(
        spec=known,
        candidate="line",
        frame=frame,
        y=frame["bad"].to_numpy(),
        challenger=answer(challenger, frame),
        champion=answer(champion, frame),
        training=TrainingSample(frame=newer, y=newer["bad"].to_numpy(), scores=answer(challenger, newer)),
        predict=partial(answer, challenger),
        inputs=known.columns.inputs,
        champion_inputs=known.columns.inputs,
        recorded=first,
        reloaded=first,
    )


def blocked(repeats: int, resamples: int) -> Iterator[list[object]]:
    """For each kind: how often any check blocks, then each check that ever failed, with whether it blocks."""
    known = spec(resamples)
    reign = Reign(version=1, as_of=date(2024, 10, 1), trained_through=date(2023, 10, 1))
    for kind, used in KINDS.items():
        rng, stopped, failed, gains = np.random.default_rng(14), [], Counter[tuple[str, str]](), []
        for _ in range(repeats):
            verdict = judge(evidence(rng, used, known), as_of=AS_OF, reign=reign, holdout=HOLDOUT)
            results = [r for r in verdict.checks if r.failed and r.role != "gain"]
            stopped.append(any(r.blocks for r in results))
            failed.update((f"{r.code} {r.title}", r.severity) for r in results)
            gains.append(verdict.gain.estimate if verdict.gain else np.nan)
        mean, error = np.mean(gains), np.std(gains) / np.sqrt(repeats)
        yield [
            f"**{kind}** (gain {mean:+.4f} ± {error:.4f})",
            "any that blocks",
            share(stopped),
            f"{TARGETS[kind]:.0%}",
        ]
        for (check, severity), count in sorted(failed.items()):
            hits: list[Any] = [n < count for n in range(repeats)]
            yield [kind, f"{check} ({severity})", share(hits), ""]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few repetitions")
    given = parser.parse_args()
    with threadpool_limits(1):
        table(
            f"Challengers stopped by a check other than TH301, {JUDGED:,} rows (± one standard error)",
            ["challenger", "check", "fails", "at most"],
            blocked(*((40, 100) if given.quick else (400, 200))),
        )

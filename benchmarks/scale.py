"""Training and judging by rows: what is spent outside the estimators' own fit and predict, and peak memory.

    python benchmarks/scale.py --rows 1000000

Rows with 26 numbers, of which three have gaps, and 4 categories are made with a seed and written as a snapshot. Then
each task is a process of its own, as in Airflow: both candidates are searched (4 trials, 3 folds) and fitted, and the
boosting is judged against the scorecard by every check that needs no ledger. Processor time: all of the task's beyond
imports, without the estimators' `fit` and `predict_proba`, as a ratio to these. Memory: the peak above imports, as a
ratio to the float64 matrix that the task's estimator is fitted on, or scores, and to what `fit` by itself takes.
"""

from __future__ import annotations

import argparse
import functools
import json
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from measurement import Row, forget_peak, memory, show

NUMERIC = [f"n{i:02}" for i in range(26)]
CATEGORIES = {"region": 12, "purpose": 20, "channel": 4, "grade": 35}
AS_OF, START, DAYS = date(2024, 7, 1), "2022-10-01", 457
"""The windows of `AS_OF` begin at `START` and are so long: 12 months of training and 3 of holdout, then 6 to mature."""
SQL = "select * from scale where happened_at >= :window_start and happened_at < :window_end and known_at <= :as_of"
TASKS = ("scorecard", "boosting", "validate")


def spec() -> Any:
    """The model that is trained."""
    from titleholder.spec.model import ModelSpec

    search = {"C": {"low": 0.01, "high": 10, "log": True}}
    boosting = "sklearn.ensemble.HistGradientBoostingClassifier"
    return ModelSpec.restore(
        {
            "name": "scale", "owner": "bench", "start_date": "2020-01-01", "task": "classification", "sql": SQL,
            "source": {"connection": "warehouse", "query": "scale.sql"},
            "columns": {
                "entity": "id", "event_time": "happened_at", "target": "bad", "numeric": NUMERIC,
                "categorical": list(CATEGORIES), "segments": ["region"],
            },
            "windows": {"label_maturity": "6 months", "train": "12 months", "holdout": "3 months"},
            "training": {
                "seed": 7,
                "search": {"trials": 4, "folds": 3},
                "candidates": {
                    "scorecard": {"estimator": "sklearn.linear_model.LogisticRegression", "search": search},
                    "boosting": {
                        "estimator": boosting, "params": {"max_iter": 80, "min_samples_leaf": 60},
                        "search": {"max_leaf_nodes": [6, 10, 15]},
                    },
                },
            },
            "judgement": {"metric": "roc_auc", "rule": "fresh", "floors": {"roc_auc": 0.55}},
        }
    )  # fmt: skip


def batches(rows: int, seed: int = 5) -> Iterator[Any]:
    """The rows in the order of time, 100,000 at a time."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    size = 100_000
    for first in range(0, rows, size):
        n = min(size, rows - first)
        rng = np.random.default_rng([seed, first])
        numbers = rng.standard_normal((n, len(NUMERIC)))
        known = {c: rng.integers(0, count, n) for c, count in CATEGORIES.items()}
        lean = numbers[:, :8] @ np.linspace(0.6, 0.1, 8) + 0.3 * np.abs(numbers[:, 8]) + 0.05 * known["region"]
        bad = rng.random(n) < 1 / (1 + np.exp(3.2 - lean))
        numbers[:, :3][rng.random((n, 3)) < 0.05] = np.nan
        seconds = (np.arange(first, first + n) / rows * DAYS * 86_400).astype("timedelta64[s]")
        frame = pd.DataFrame({"id": np.arange(first, first + n), "bad": bad.astype(np.int64)})
        frame["happened_at"] = pd.DatetimeIndex(np.datetime64(START) + seconds, tz="UTC").as_unit("us")
        frame[NUMERIC] = numbers
        for name, codes in known.items():
            frame[name] = np.array([f"{name} {code}" for code in range(CATEGORIES[name])], dtype=object)[codes]
        yield pa.RecordBatch.from_pandas(frame, preserve_index=False)


def write(folder: Path, rows: int) -> None:
    """The snapshot, and where it is."""
    from titleholder.data import snapshots

    made = batches(rows)
    first = next(made)
    extract = snapshots.write(str(folder), "scale", first.schema, (b for b in ([first], made) for b in b))
    (folder / "snapshot.json").write_text(json.dumps({"uri": extract.uri, "sha256": extract.sha256}))


class Estimators:
    """What the estimators' own methods use: processor seconds, columns, and the memory that the largest fit needs."""

    def __init__(self) -> None:
        self.seconds, self.columns, self.fit, self.peak = 0.0, 0, 0.0, 0.0

    def watch(self, cls: Any) -> None:
        """Measure `fit` and `predict_proba` of a class."""
        for method in ("fit", "predict_proba"):
            setattr(cls, method, self._watched(getattr(cls, method), method))

    def _watched(self, method: Any, name: str) -> Any:
        @functools.wraps(method)
        def watched(model: Any, X: Any, *args: Any, **options: Any) -> Any:
            self.columns = max(self.columns, X.shape[1])
            self.note_peak()
            before, began = memory("VmRSS"), time.process_time()
            try:
                return method(model, X, *args, **options)
            finally:
                self.seconds += time.process_time() - began
                if name == "fit":
                    self.fit = max(self.fit, X.size * 8 / 2**20 + memory("VmHWM") - before)

        return watched

    def note_peak(self) -> None:
        """The peak so far; then it begins anew."""
        self.peak = max(self.peak, memory("VmHWM"))
        forget_peak()


def train(folder: Path, name: str) -> int:
    """One candidate, as the task `train` does without MLflow; how many rows it is fitted on."""
    from titleholder.data import features, snapshots
    from titleholder.data.scores import ScoreKey, ScoreStore
    from titleholder.training import search
    from titleholder.workflow.scorer import store_training_scores

    taken, where = spec(), json.loads((folder / "snapshot.json").read_text())
    time_column, end = taken.columns.event_time, spans().holdout_start
    with snapshots.opened(**where) as extract:
        rows = extract.read(
            [*features.trained_columns(taken), time_column], event_time=time_column, end=end, positions=True
        )
        positions = rows.index.to_numpy()
        fitted = search.fit(rows.reset_index(drop=True), taken, name)
        key = ScoreKey(taken.name, name, where["sha256"])
        store_training_scores(ScoreStore(str(folder)), key, fitted.pipeline, taken, extract, positions)
    (folder / f"{name}.pickle").write_bytes(pickle.dumps(fitted.pipeline))
    return len(rows)


def spans() -> Any:
    """The windows of the run."""
    from titleholder.spec import windows

    return windows.intervals(spec(), AS_OF)


def validate(folder: Path) -> int:
    """The boosting against the scorecard, as the task `validate` does without ledger and MLflow; the judged rows."""
    from titleholder.data.scores import ScoreStore
    from titleholder.ledger.nominee import LoggedModel, Nominee
    from titleholder.validation.verdict import Reign
    from titleholder.workflow.scorer import Scorer
    from titleholder.workflow.scoring import Comparison, compare
    from titleholder.workflow.trained_versions import TrainedVersion

    taken, where = spec(), json.loads((folder / "snapshot.json").read_text())
    champion, challenger = (
        Nominee(name=name, run_id=name, model=LoggedModel(uri=name, sha256={})) for name in TASKS[:2]
    )
    stored = SimpleNamespace(read=lambda uri, *_: pickle.loads((folder / f"{uri}.pickle").read_bytes()))
    comparison = Comparison(spec=taken, as_of=AS_OF, version=2, nominee=challenger, spans=spans(), **where)
    reign = Reign(version=1, as_of=AS_OF, trained_through=spans().holdout_start)
    scorer = Scorer(SimpleNamespace(models=stored), ScoreStore(str(folder)))  # type: ignore[arg-type]
    known = TrainedVersion(1, champion, taken)
    verdict = compare(comparison, reign, known, scorer).judge()
    (folder / "verdict.json").write_text(verdict.model_dump_json(indent=1))
    return verdict.rows


def run_task(folder: Path, task: str) -> None:
    """Do one task in this process, and print what it took; memory in MB."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    import titleholder.training.search
    import titleholder.workflow.steps  # noqa: F401

    own = Estimators()
    for cls in (HistGradientBoostingClassifier, LogisticRegression):
        own.watch(cls)
    forget_peak()
    before, began = memory("VmRSS"), time.process_time()
    rows = validate(folder) if task == "validate" else train(folder, task)
    used = time.process_time() - began
    own.note_peak()
    matrix = rows * own.columns * 8 / 2**20
    found = {
        "own": own.seconds,
        "rest": used - own.seconds,
        "peak": own.peak - before,
        "matrix": matrix,
        "fit": own.fit,
    }
    print(json.dumps(found))


def measured(rows: int) -> dict[str, dict[str, float]]:
    """By task: seconds of the estimators, of the rest, peak and matrix in MB."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="titleholder-bench-") as folder:
        write(Path(folder), rows)
        for task in TASKS:
            command = [sys.executable, __file__, "--task", task, folder]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found[task] = json.loads(done.stdout.splitlines()[-1])
    return found


def compared(size: int) -> Iterator[Row]:
    """All tasks together, then each."""
    found = measured(size)
    own, rest = (sum(task[key] for task in found.values()) for key in ("own", "rest"))
    shape = f"{size:,} x {len(NUMERIC) + len(CATEGORIES)}"
    yield Row(f"{shape}: outside of the estimators", rest, "cpu s", "fit and predict", own, 0.5)
    for name, task in found.items():
        yield Row(f"{name}: the same", task["rest"], "cpu s", "fit and predict", task["own"])
        yield Row(f"{name}: peak memory", task["peak"], "MB", "its float64 matrix", task["matrix"], 2.5)
        if name != "validate":
            yield Row(f"{name}: the same", task["peak"], "MB", "fit by itself, matrix included", task["fit"])


def rows(_case: object) -> Iterator[Row]:
    """For `make bench`."""
    return compared(1_000_000)


def main() -> None:
    """Print a table for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    for size in parser.parse_args().rows:
        show(f"{size:,} rows", compared(size))


if __name__ == "__main__":
    run_task(Path(sys.argv[3]), sys.argv[2]) if sys.argv[1:2] == ["--task"] else main()

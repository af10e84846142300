"""`titleholder skew`: rows a second and peak memory, against one merge of everything in pandas.

    python benchmarks/skew.py

It needs no service: an extract and the inputs of daily scoring runs are written below a temporary folder. Each
measurement is a process of its own; memory is its peak resident set above that of a process that only imports.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from measurement import Row, memory, show

SIZES, DAYS, TIMES = (200_000, 2_000_000), 60, 3
FEATURES = [f"f{i}" for i in range(12)]
START = datetime(2024, 1, 1, tzinfo=UTC)


def spec() -> Any:
    """A model with 12 numbers and a category."""
    from titleholder.spec.model import ModelSpec

    return ModelSpec.restore(
        {
            "name": "bench_skew", "owner": "bench", "start_date": "2020-01-01", "task": "classification",
            "source": {"connection": "warehouse", "query": "x.sql"},
            "columns": {
                "entity": "id", "event_time": "at", "target": "bad", "numeric": FEATURES, "categorical": ["kind"],
            },
            "windows": {"label_maturity": "1 month", "train": "6 months", "holdout": "2 months"},
            "training": {"candidates": {"line": {"estimator": "sklearn.linear_model.LogisticRegression"}}},
            "judgement": {"metric": "roc_auc"}, "sql": "select :as_of, :window_start, :window_end",
        }
    )  # fmt: skip


def frame(first: int, rows: int, whole: int) -> pd.DataFrame:
    """Some rows of the extract, in its order: as many a day as another."""
    rng = np.random.default_rng(first)
    numbers = rng.normal(size=(rows, len(FEATURES)))
    time_of = pd.Timestamp(START) + pd.to_timedelta(np.arange(first, first + rows) * (DAYS * 86_400 / whole), unit="s")
    keys = {
        "id": np.arange(first, first + rows),
        "at": time_of.as_unit("us"),
        "kind": rng.choice(["a", "b", "c"], rows),
    }
    return pd.DataFrame(keys | dict(zip(FEATURES, numbers.T, strict=True)))


def made(root: Path, rows: int) -> None:
    """The extract, and one run a day; on the last ten days one number was another at scoring."""
    from titleholder.data import snapshots
    from titleholder.ledger.score_runs import ScoreRun

    def written(parts: list[pd.DataFrame]) -> tuple[str, str]:
        tables = [pa.Table.from_pandas(part, preserve_index=False) for part in parts]
        batches = (batch for table in tables for batch in table.to_batches())
        given = snapshots.write(str(root), "bench", tables[0].schema, batches)
        return given.uri, given.sha256

    each, runs = rows // DAYS, []
    whole = [frame(day * each, each, each * DAYS) for day in range(DAYS)]
    for day, part in enumerate(whole, start=1):
        uri, sha256 = written([part.assign(f3=part["f3"] * 100) if day > DAYS - 10 else part])
        known = {"id": day, "created_at": START + timedelta(days=day), "rows": each, "input_uri": uri}
        dates = {"as_of": START.date() + timedelta(days=day), "window_start": START.date()}
        others = dict.fromkeys(ScoreRun.model_fields, "x") | {"role": "champion", "version": 1, "decision": 1}
        others |= {"reasons_for": "", "reason_texts": {}}
        runs.append(ScoreRun.model_validate(others | known | dates | {"input_sha256": sha256}).model_dump(mode="json"))
    (root / "made.json").write_text(json.dumps({"extract": written(whole), "runs": runs}))


def plain(uri: str, inputs: list[str]) -> int:
    """Everything in memory: one merge by entity and event time."""
    then = pd.concat([pd.read_parquet(path) for path in inputs])
    both = pd.read_parquet(uri).merge(then, on=["id", "at"], suffixes=("", "_then"))
    return sum(int((~np.isclose(both[n], both[f"{n}_then"], equal_nan=True)).sum()) for n in FEATURES)


def measure(how: str, root: Path) -> None:
    """Print seconds and peak megabytes of one way."""
    from titleholder.ledger.score_runs import ScoreRun
    from titleholder.workflow import skew

    known = json.loads((root / "made.json").read_text())
    (uri, sha256), runs = known["extract"], [ScoreRun.model_validate(run) for run in known["runs"]]
    model, began, before = spec(), time.perf_counter(), memory("VmHWM")
    if how == "plain":
        differing = plain(uri, [run.input_uri for run in runs])
    else:
        differing = sum(column.differing for column in skew.measured(uri, sha256, model, runs).columns)
    seconds, peak = time.perf_counter() - began, memory("VmHWM") - before
    if differing != 10 * runs[0].rows:
        raise SystemExit(f"{how}: {differing} values differ")
    sys.stdout.write(f"{seconds} {peak}\n")


def rows() -> Iterator[Row]:
    """Medians of several processes each."""
    memories = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            made(Path(folder), size)
            figures = {how: _median(how, folder) for how in ("titleholder", "plain")}
        (own, peak), (seconds, megabytes) = figures["titleholder"], figures["plain"]
        memories[size] = peak
        yield Row(f"skew of {size:,} rows, {DAYS} runs", own, "s", "merge in pandas", seconds)
        yield Row("the same, peak memory", peak, "MB", "merge in pandas", megabytes)
    small, large = (memories[size] for size in SIZES)
    yield Row(f"peak memory of {SIZES[1]:,} rows", large, "MB", f"{SIZES[0]:,} rows", small)


def _median(how: str, folder: str) -> list[float]:
    command = [sys.executable, __file__, how, folder]
    done = [subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() for _ in range(TIMES)]
    return [statistics.median(map(float, figures)) for figures in zip(*done, strict=True)]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1], Path(sys.argv[2]))
    else:
        show("Skew", rows())

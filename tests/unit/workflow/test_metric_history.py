"""The deciding metric at development, from stored scores of the folds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from support.factories import a_decision, a_spec, a_verdict, rows
from titleholder.data import snapshots
from titleholder.data.scores import ScoreStore
from titleholder.ledger.decision import Decision
from titleholder.spec.model import ModelSpec
from titleholder.validation import metrics
from titleholder.validation.metrics import Estimation, Sample
from titleholder.workflow.metric_history import metric_history
from titleholder.workflow.scoring import Comparison

SPEC = a_spec()
FRAME = rows(SPEC, n=200)
POSITIONS = np.arange(40, 160)
SCORES = 1 / (1 + np.exp(-FRAME["debt"].to_numpy()[POSITIONS]))


def decided(root: Path, spec: ModelSpec = SPEC, frame: pd.DataFrame = FRAME, **parts: Any) -> Decision:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    extract = snapshots.write(str(root), "small", table.schema, iter(table.to_batches()))
    whole = {"snapshot_uri": extract.uri, "snapshot_sha256": extract.sha256, "training_run_id": "one", **parts}
    return a_decision(spec=spec.model_dump(mode="json"), **whole)


def store_of(root: Path, row: Decision) -> ScoreStore:
    store, comparison = ScoreStore(str(root)), Comparison.behind(row)
    store.store_folds(comparison.challenger.key(comparison.sha256), POSITIONS, SCORES)
    return store


def test_it_is_the_metric_of_the_rows_in_the_folds_with_its_interval(tmp_path: Path) -> None:
    row = decided(tmp_path)
    y = FRAME["bad"].to_numpy(dtype=float)[POSITIONS]
    expected = metrics.interval("roc_auc", Sample(y), SCORES, Estimation.of(SPEC))
    history = metric_history(Comparison.behind(row), None, store_of(tmp_path, row))
    assert (history.challenger, history.champion, history.crowned) == (expected, None, None)


def test_the_champion_is_measured_on_its_own_folds_by_the_metric_of_today(tmp_path: Path) -> None:
    crowned = decided(tmp_path, spec=a_spec(judgement__metric="brier", judgement__floors={}))
    today = decided(tmp_path, training_run_id="another", verdict=a_verdict())
    history = metric_history(Comparison.behind(today), crowned, store_of(tmp_path, crowned))
    assert history.challenger is None
    assert history.champion is not None
    assert history.champion.estimate == pytest.approx(
        metrics.compute("roc_auc", FRAME["bad"].to_numpy(dtype=float)[POSITIONS], SCORES)
    )
    assert history.crowned == crowned.verdict


def test_weights_and_clusters_count(tmp_path: Path) -> None:
    frame = FRAME.assign(w=1.0 + np.arange(200) % 3, who=np.arange(200) // 5)
    row = decided(tmp_path, a_spec(columns__weight="w", columns__cluster="who"), frame)
    y = frame["bad"].to_numpy(dtype=float)[POSITIONS]
    sample = Sample(y, frame["w"].to_numpy()[POSITIONS], frame["who"].to_numpy()[POSITIONS])
    expected = metrics.interval("roc_auc", sample, SCORES, Estimation.of(SPEC))
    found = metric_history(Comparison.behind(row), None, store_of(tmp_path, row)).challenger
    assert found is not None
    assert found.values == pytest.approx(expected.values)


def test_what_is_lost_is_not_known(tmp_path: Path) -> None:
    row = decided(tmp_path)
    assert metric_history(Comparison.behind(row), None, ScoreStore(str(tmp_path / "empty"))).challenger is None
    store = store_of(tmp_path, row)
    Path(row.snapshot_uri).unlink()
    assert metric_history(Comparison.behind(row), None, store).challenger is None


def test_of_one_class_nothing_is_known(tmp_path: Path) -> None:
    row = decided(tmp_path, frame=FRAME.assign(bad=0))
    assert metric_history(Comparison.behind(row), None, store_of(tmp_path, row)).challenger is None

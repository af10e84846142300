"""Judging never has the features of all judged rows in memory, and finds what it would find with them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.pipeline import Pipeline

from support.factories import AS_OF, REIGN, a_nominee, a_spec, rows, spans_of
from titleholder.data import features, snapshots
from titleholder.data.scores import ScoreStore
from titleholder.data.snapshots import Extract
from titleholder.reports import features as moved
from titleholder.reports.plots import importance
from titleholder.training import pipeline, search
from titleholder.validation.changed_columns import PreparesByColumn, predict_each
from titleholder.validation.checks import missing_inputs
from titleholder.workflow.differences import Tally
from titleholder.workflow.scorer import Scorer
from titleholder.workflow.scoring import Comparison, ScoredComparison, compare
from titleholder.workflow.trained_versions import TrainedVersion

SPEC = a_spec(
    columns__cluster="region",
    training__candidates__trees__decreasing=["income"],
    judgement__cut_off={"accept": "below", "share": 0.6},
)
SPANS = spans_of(SPEC)
CHAMPION = TrainedVersion(REIGN.version, a_nominee(run_id="champion", model="line"), SPEC)
MODELS = {"line": {"C": 1.0}, "trees": {"max_leaf_nodes": 4}}
N, BATCH = 4000, 100


class World:
    """A snapshot with gaps, and two fitted models."""

    def __init__(self, folder: Path) -> None:
        frame = rows(SPEC, n=N)
        frame.loc[::9, "income"] = np.nan
        frame.loc[::11, "purpose"] = None
        table = pa.Table.from_pandas(frame, preserve_index=False)
        extract = snapshots.write(str(folder), "small", table.schema, iter(table.to_batches()))
        self.training = features.training_rows(extract, SPEC, SPANS.holdout_start)
        self.fitted: dict[str, Pipeline] = {n: search.refit(self.training, SPEC, n, p) for n, p in MODELS.items()}
        self.comparison = Comparison(
            spec=SPEC,
            as_of=AS_OF,
            version=7,
            nominee=a_nominee(name="trees", run_id="challenger", model="trees"),
            uri=extract.uri,
            sha256=extract.sha256,
            spans=SPANS,
        )

    def compared(self, folder: Path) -> ScoredComparison:
        """Scored anew, as the scores are stored in a folder of their own."""
        read = lambda uri, *_: self.fitted[uri.rpartition("/")[2]]  # noqa: E731
        registry: Any = SimpleNamespace(models=SimpleNamespace(read=read))
        return compare(self.comparison, REIGN, CHAMPION, Scorer(registry, ScoreStore(str(folder))))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def test_the_verdict_is_that_of_all_rows_in_memory_whatever_the_size_of_a_batch(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = world.compared(tmp_path / "one")
    with snapshots.opened(world.comparison.uri, world.comparison.sha256) as extract:
        whole = extract.read(event_time="issued_at", start=SPANS.holdout_start)
    in_memory = scored.evidence.model_copy(update={"frame": whole})
    assert len(scored.evidence.y) == len(whole) > 5 * BATCH
    expected = scored.model_copy(update={"evidence": in_memory}).judge()
    assert {check.status for check in expected.checks} >= {"pass", "not_applicable"}
    assert scored.judge() == expected
    monkeypatch.setattr(pipeline, "ROWS_AT_ONCE", BATCH)
    again = world.compared(tmp_path / "again")
    np.testing.assert_array_equal(again.evidence.challenger, scored.evidence.challenger)
    tally = Tally("verdict")  # a linear model adds up in another order, which the last digit shows
    tally.compare(expected.model_dump(mode="json"), again.judge().model_dump(mode="json"))
    assert (tally.differences, tally.not_recorded) == ([], [])


def test_no_more_is_read_at_once_than_a_column_or_a_batch_of_the_judged_rows(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (missing_inputs, importance):
        monkeypatch.setattr(module, "ROWS", BATCH)
        monkeypatch.setattr(module, "FEWEST", BATCH)
    monkeypatch.setattr(pipeline, "ROWS_AT_ONCE", BATCH)
    read, seen = Extract.read, set()

    def watched(extract: Extract, columns: Any = None, **which: Any) -> pd.DataFrame:
        found = read(extract, columns, **which)
        judged = which["at"] if which.get("at") is not None else np.arange(extract.rows)
        seen.add((found.shape[1], int((judged >= first).sum())))
        return found

    scored = world.compared(tmp_path)
    first = scored.rows.positions[0]
    monkeypatch.setattr(Extract, "read", watched)
    world.compared(tmp_path / "again").judge()
    importance.importances(scored.evidence)
    moved.feature_stability(scored.evidence)
    assert (1, len(scored.rows)) in seen
    assert max(n for columns, n in seen if columns > 1) == 2 * BATCH, "of the declared directions, 200 rows"


def test_rows_with_one_changed_column_have_the_scores_of_such_rows(world: World, tmp_path: Path) -> None:
    evidence = world.compared(tmp_path).evidence
    rows = evidence.frame.take(np.arange(200))[SPEC.columns.features].reset_index(drop=True)
    order = np.random.default_rng(0).permutation(len(rows))
    shuffled = {name: rows[name].take(order) for name in ("debt", "income")}
    assert isinstance(evidence.predict, PreparesByColumn)
    found = dict(predict_each(evidence.predict, rows, shuffled))
    whole = dict(predict_each(lambda frame: evidence.predict(frame), rows, shuffled))
    assert [*found] == [*whole] == ["debt", "income"]
    for name, scores in found.items():
        np.testing.assert_array_equal(scores, whole[name])
    assert (found["debt"] != evidence.predict(rows)).any()


JUDGE = """
import sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np
import pandas as pd
import pyarrow as pa
from support.factories import AS_OF, REIGN, a_nominee, a_spec, rows, spans_of
from titleholder.data import snapshots
from titleholder.data.scores import ScoreStore
from titleholder.training import pipeline
from titleholder.validation import changed_columns
from titleholder.validation.checks import missing_inputs
from titleholder.workflow.scorer import Scorer
from titleholder.workflow.scoring import Comparison, compare
from titleholder.workflow.trained_versions import TrainedVersion

class Model:
    def predict_proba(self, X):
        p = 1 / (1 + np.exp(-X["debt"].to_numpy()))
        return np.column_stack([1 - p, p])

def memory(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))

missing_inputs.BUDGET, changed_columns.VALUES = 10_000, 100_000
pipeline.ROWS_AT_ONCE = snapshots.ROW_GROUP = 10_000
folder, n, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
names = [f"n{i}" for i in range(count)]
spec = a_spec(columns__numeric=["income", "debt", *names], judgement__checks={"benchmark": {"severity": "off"}})
frame, spans = rows(spec, n=n), spans_of(spec)
judged = pd.date_range(spans.holdout_start, spans.matured, periods=n, tz="UTC", unit="us", inclusive="left")
frame.loc[n // 10 :, "issued_at"] = judged[n // 10 - 1 :]
frame["known_at"] = frame["issued_at"] + pd.Timedelta(days=30)
frame[names] = np.random.default_rng(0).normal(size=(n, count))
table = pa.Table.from_pandas(frame, preserve_index=False)
taken = snapshots.write(folder, str(count), table.schema, iter(table.to_batches()))
del frame, table
about = {"spec": spec, "as_of": AS_OF, "spans": spans, "uri": taken.uri, "sha256": taken.sha256}
comparison = Comparison(version=7, nominee=a_nominee(run_id=f"challenger{count}"), **about)
champion = TrainedVersion(REIGN.version, a_nominee(run_id=f"champion{count}"), spec)
scorer = Scorer(SimpleNamespace(models=SimpleNamespace(read=lambda *_: Model())), ScoreStore(folder))
pa.default_memory_pool().release_unused()
Path("/proc/self/clear_refs").write_text("5")
before = memory("VmRSS")
verdict = compare(comparison, REIGN, champion, scorer).judge()
print(verdict.rows, memory("VmHWM") - before)
"""


FREED_AT_ONCE = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
}
"""What is freed leaves the process, so that later memory does not hide in it: otherwise peaks differ by 15 MB."""


def peak(folder: Path, n: int, columns: int) -> tuple[int, float]:
    """The judged rows, and the megabytes that judging takes at its peak, with so many more columns."""
    command = [sys.executable, "-c", JUDGE, str(folder), str(n), str(columns)]
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | path | FREED_AT_ONCE)
    rows, found = done.stdout.split()
    return int(rows), float(found)


@pytest.mark.slow
def test_more_columns_take_more_time_but_no_more_memory(tmp_path: Path) -> None:
    (judged, few), (_, many) = (peak(tmp_path, 150_000, columns) for columns in (1, 61))
    assert many - few < 60 * judged * 8 / 2**20 / 2, "half of what the columns would take"

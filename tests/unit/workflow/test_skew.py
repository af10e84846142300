"""The inputs of scoring runs against an extract: files on the disk, runs of no ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from support.factories import a_score_run, a_spec
from titleholder.data import snapshots
from titleholder.data.skew import ColumnSkew, Skew
from titleholder.data.snapshots import Extract
from titleholder.ledger.score_runs import ScoreRun
from titleholder.workflow import skew
from titleholder.workflow.skew import before, measured

SPEC = a_spec()
KEYS = ["loan_id", "issued_at"]
FEATURES = SPEC.columns.features


def table(n: int = 200, first: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(first)
    numbers = {name: rng.normal(size=n) for name in SPEC.columns.numeric}
    texts = {name: rng.choice(["a", "b"], n) for name in SPEC.columns.categorical}
    time = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.arange(first, first + n), unit="h")
    return pd.DataFrame({"loan_id": np.arange(first, first + n), "issued_at": time.as_unit("us"), **numbers, **texts})


class Files:
    """Extracts below a folder, and runs that name them as their inputs."""

    def __init__(self, root: Path) -> None:
        self.root, self.runs = str(root), list[ScoreRun]()

    def extract(self, frame: pd.DataFrame) -> Extract:
        made = pa.Table.from_pandas(frame, preserve_index=False)
        return snapshots.write(self.root, "small", made.schema, iter(made.to_batches()))

    def scored(self, frame: pd.DataFrame, day: int, *, lane: str = "live") -> ScoreRun:
        made, number = self.extract(frame), len(self.runs) + 1
        moments = {"as_of": date(2024, 1, day), "created_at": datetime(2024, 1, day, 6, tzinfo=UTC)}
        files = {"input_uri": made.uri, "input_sha256": made.sha256, "rows": len(frame)}
        self.runs.append(a_score_run(number, lane=lane, **moments, **files))
        return self.runs[-1]

    def compared(self, frame: pd.DataFrame, runs: Sequence[ScoreRun] | None = None) -> Skew:
        made = self.extract(frame.assign(bad=1))
        return measured(made.uri, made.sha256, SPEC, self.runs if runs is None else runs)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def by_name(found: Skew) -> dict[str, ColumnSkew]:
    return {column.column: column for column in found.columns}


def test_a_unit_that_was_another_at_scoring_is_named_and_the_other_features_are_not(files: Files) -> None:
    rows = table()
    files.scored(rows.iloc[:120], 10)
    files.scored(rows.iloc[120:].assign(debt=rows["debt"].iloc[120:] * 100), 11)
    found = files.compared(rows)
    assert (found.runs, found.unread, found.scored, found.matched, found.lacking) == (2, 0, 200, 200, ())
    assert [column.column for column in found.beyond(0.0)] == ["debt"]
    debt = by_name(found)["debt"]
    assert (debt.rows, debt.differing) == (200, 80)
    worst = rows.iloc[120:].loc[rows["debt"].iloc[120:].abs().idxmax()]
    assert debt.largest == pytest.approx(99 * abs(worst["debt"]))
    assert debt.example is not None
    assert debt.example.entity == str(worst["loan_id"])


def test_a_row_that_was_scored_again_counts_as_it_was_first(files: Files) -> None:
    rows = table(10)
    files.scored(rows.assign(debt=0.0), 12)
    files.scored(rows, 11)
    assert by_name(files.compared(rows))["debt"].differing == 0
    assert files.compared(rows).scored == 20


def test_the_input_that_champion_and_challengers_share_is_read_once(files: Files) -> None:
    rows = table(10)
    run = files.scored(rows, 10)
    beside = run.model_copy(update={"id": 9, "role": "challenger", "version": 2})
    found = files.compared(rows, [run, beside])
    assert (found.runs, found.scored) == (1, 10)


def test_rows_are_matched_in_any_order_by_entity_and_event_time(files: Files) -> None:
    rows = table(300)
    moved = rows.sample(frac=1, random_state=1).reset_index(drop=True)
    moved.loc[:4, "issued_at"] += pd.Timedelta(seconds=1)
    files.scored(pd.concat([moved, table(50, first=9000)]), 10)
    found = files.compared(rows)
    assert (found.scored, found.matched) == (350, 295)
    assert found.beyond(0.0) == ()


def test_entities_of_another_type_are_the_same_entities(files: Files) -> None:
    rows = table(10)
    files.scored(rows.astype({"loan_id": str}), 10)
    assert files.compared(rows).matched == 10


def test_rows_that_are_found_nowhere_are_said_with_one_of_each(files: Files) -> None:
    rows = table(10)
    files.scored(rows.assign(loan_id=rows["loan_id"].map("{:03}".format)), 10)
    found = files.compared(rows)
    assert found.matched == 0
    assert found.strangers.startswith("None of 10 scored rows is found by entity and event time: entity '000' at 2024")
    assert "entity '0' at 2024-01-01" in found.strangers
    files.scored(rows.iloc[:1], 11)
    assert files.compared(rows).strangers == "", "where any is found, others may be new"


def test_rows_of_another_time_are_no_strangers(files: Files) -> None:
    files.scored(table(10, first=9000), 10)
    assert files.compared(table(10)).strangers == ""


def test_many_row_groups_give_what_one_gives(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table(200)
    then = rows.assign(debt=np.where(rows.index % 7 == 0, 5.0, rows["debt"]))
    files.scored(then, 10)
    whole = files.compared(rows)
    monkeypatch.setattr(snapshots, "ROW_GROUP", 13)
    files.runs.clear()
    files.scored(then.iloc[::-1], 10)
    assert files.compared(rows).columns == whole.columns
    assert by_name(whole)["debt"].differing == 29


def test_an_input_that_is_gone_is_said_and_the_others_are_read(files: Files) -> None:
    rows = table(20)
    gone = files.scored(rows.iloc[:10], 10)
    files.scored(rows.iloc[10:], 11)
    Path(gone.input_uri).unlink()
    found = files.compared(rows)
    assert (found.runs, found.unread, found.matched) == (1, 1, 10)


def test_only_the_newest_inputs_are_read_where_there_are_too_many_rows(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = table(30)
    for n in range(3):
        files.scored(rows.iloc[10 * n : 10 * n + 10], 10 + n)
    monkeypatch.setattr(skew, "READ", 20)
    found = files.compared(rows)
    assert (found.runs, found.unread, found.matched) == (2, 1, 20)
    monkeypatch.setattr(skew, "READ", 1)
    assert files.compared(rows).runs == 1, "the newest is always read"


def test_a_feature_that_no_input_has_is_lacking(files: Files) -> None:
    rows = table(10)
    files.scored(rows.drop(columns=["debt"]), 10)
    found = files.compared(rows)
    assert found.lacking == ("debt",)
    assert "debt" not in by_name(found)


def test_without_runs_nothing_is_read(files: Files) -> None:
    found = measured("nowhere", "0" * 64, SPEC, [])
    assert (found.runs, found.matched, found.columns) == (0, 0, ())


def test_a_retrain_knows_the_runs_of_its_lane_that_were_written_before_its_as_of_date(files: Files) -> None:
    rows = table(10)
    known = [files.scored(rows, 10), files.scored(rows, 10, lane="backtest"), files.scored(rows, 11)]
    assert before(known, "live", date(2024, 1, 11)) == known[:1]
    assert before(known, "live", date(2024, 1, 10)) == []

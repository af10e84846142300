"""Which part of each scoring run is new: every event counts once."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import date
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from titleholder.ledger.event_scores import EventScores
from titleholder.ledger.score_runs import ScoreRun
from titleholder.spec.source import Columns
from titleholder.validation.monitoring.look import History, Limits, NewRows, ReferenceFeature, look
from titleholder.workflow.monitoring import new_rows
from titleholder.workflow.monitoring.new_rows import parts_of, seen_again


def run(number: int, start: int, as_of: int) -> ScoreRun:
    return ScoreRun.model_construct(id=number, window_start=date(2024, 3, start), as_of=date(2024, 3, as_of))


@pytest.mark.parametrize(
    ("runs", "covered", "starts"),
    [
        ([run(1, 1, 5), run(2, 5, 9)], None, [1, 5]),
        ([run(2, 5, 9), run(1, 1, 5)], None, [1, 5]),
        ([run(1, 1, 5), run(2, 3, 9)], None, [1, 5]),
        ([run(1, 1, 5), run(2, 8, 9)], None, [1, 8]),
        ([run(1, 1, 9)], 4, [4]),
        ([run(1, 1, 5), run(2, 5, 9)], 9, [5, 9]),
        ([run(1, 1, 9), run(2, 1, 9)], None, [1, 9]),
    ],
    ids=["one after the other", "in any order", "overlapping", "with a gap", "begun", "late", "again"],
)
def test_a_part_begins_where_the_runs_before_it_ended(
    runs: list[ScoreRun], covered: int | None, starts: list[int]
) -> None:
    found = parts_of(runs, covered and date(2024, 3, covered))
    assert [part.start.day for part in found] == starts
    assert sorted(part.run.id for part in found) == sorted(one.id for one in runs)


def test_customers_of_this_look_and_of_the_one_before_are_seen_again() -> None:
    january, february = np.array(["a", "b", "c"], dtype=object), np.array(["c", "d"], dtype=object)
    assert seen_again([january], []) == 0
    assert seen_again([february], [january, january]) == 1
    assert seen_again([january, february], [february]) == 3
    assert seen_again([], [january]) == 0


def test_rows_are_counted_with_those_of_customers_whom_the_look_before_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """The input of a run and the scores of both are replaced by rows in memory."""
    times = pd.to_datetime(["2024-03-06", "2024-03-07"], utc=True)
    rows = pd.DataFrame({"at": times, "income": [1.0, 9.0]})
    given = {1: np.array(["a", "b"], dtype=object), 2: np.array(["b", "c"], dtype=object)}

    def read(url: str, number: int, *, start: date) -> EventScores:
        assert (url, start.day) in (("ledger", 1), ("ledger", 5))
        return EventScores(given[number], times.to_numpy(), np.array([0.1, 0.2]))

    extract = SimpleNamespace(batches=lambda columns, size: iter([rows[list(columns)]]))
    monkeypatch.setattr(new_rows.event_scores, "read", read)
    monkeypatch.setattr(new_rows.snapshots, "opened", lambda uri, sha256: nullcontext(extract))
    spec = SimpleNamespace(columns=Columns(entity="id", event_time="at", target="bad", numeric=("income",)))
    monkeypatch.setattr(new_rows.features, "design_matrix", lambda frame, of: frame[["income"]])
    rng, values = np.random.default_rng(1), np.arange(20.0)
    reference = [ReferenceFeature.of(n, k, values, rng) for n, k in (("income", "numeric"), ("score", "score"))]  # type: ignore[arg-type]
    newest = ScoreRun.model_construct(
        id=2, window_start=date(2024, 3, 5), as_of=date(2024, 3, 9), input_uri="", input_sha256=""
    )
    found = new_rows.count(parts_of([newest], None), reference, spec, "ledger", [run(1, 1, 5)])  # type: ignore[arg-type]
    assert (found.rows, found.again, found.start, found.end) == (2, 1, date(2024, 3, 5), date(2024, 3, 9))
    assert [sum(one.counts) for one in found.by_feature] == [2, 2]
    columns = Columns(entity="id", event_time="at", target="bad", numeric=("income",), cluster="machine")
    clustered = SimpleNamespace(columns=columns)
    extract.columns, extract.read = ["machine"], lambda *_, **__: pd.DataFrame({"machine": ["m", "m"]})
    earlier = newest.model_copy(update={"id": 1, "window_start": date(2024, 3, 1), "as_of": date(2024, 3, 5)})
    again = new_rows.count(parts_of([newest], None), reference, clustered, "ledger", [earlier])  # type: ignore[arg-type]
    assert again.again == 2, "by its machine each row is of one that was scored before"


def test_rows_of_one_cluster_belong_together_where_the_input_says_so() -> None:
    rows = pd.DataFrame({"machine": [7, 8, 7]})
    asked: list[tuple[object, ...]] = []

    def read(columns: list[str], *, event_time: str, start: date, end: date) -> pd.DataFrame:
        asked.append((*columns, event_time, start, end))
        return rows

    spec = SimpleNamespace(
        columns=Columns(entity="id", event_time="at", target="bad", numeric=("x",), cluster="machine")
    )
    extract = SimpleNamespace(columns=["id", "at", "machine"], read=read)
    start, end = date(2024, 3, 1), date(2024, 3, 5)
    found = new_rows._clusters(extract, spec, start, end)  # type: ignore[arg-type]
    assert found is not None
    assert found.tolist() == ["7", "8", "7"]
    assert asked == [("machine", "at", start, end)]
    assert seen_again([found], []) == 1
    extract.columns.remove("machine")
    assert new_rows._clusters(extract, spec, start, end) is None  # type: ignore[arg-type]


def test_of_new_categories_so_many_are_told_apart_and_the_rows_of_all_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(new_rows, "NAMES", 2)
    values = np.array(["own", "rent"] * 4, dtype=object)
    home = ReferenceFeature.of("home", "categorical", values, np.random.default_rng(1), frozenset({"own", "rent"}))
    tally = new_rows._Tally(home)
    for part in (["a", "a", "own"], ["b", "c", "c", "a"]):
        tally.add(pd.Series(part, dtype=object))
    assert tally.found.unseen == {"a": 3, "b": 1} or tally.found.unseen == {"a": 3, "c": 2}
    assert sum(tally.found.unseen.values()) + tally.found.others == 6


def test_a_new_category_of_any_length_makes_no_long_report() -> None:
    values = np.array(["own"] * 8, dtype=object)
    home = ReferenceFeature.of("home", "categorical", values, np.random.default_rng(1), frozenset({"own"}))
    (made,) = look([home], [NewRows((2, 1, 0), {"x" * 1_000_000: 1}, 3)], History(), Limits(0.025, 1, 0.1), [1])
    assert len(made.unseen[0].name) == 100
    assert made.unseen_rows == 4

"""Which part of each scoring run is new: every event counts once."""

from __future__ import annotations

from datetime import date

import pytest

from titleholder.ledger.score_runs import ScoreRun
from titleholder.workflow.monitoring.new_rows import parts_of


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

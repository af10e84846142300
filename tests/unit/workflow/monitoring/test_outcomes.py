"""What came true: of windows that overlap each entity's first score, in memory that does not grow with the runs."""

from __future__ import annotations

import tracemalloc
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from titleholder.ledger import event_scores
from titleholder.ledger.event_scores import EventScores
from titleholder.workflow.monitoring import outcomes

DAY = date(2024, 1, 1)


def run(number: int) -> Any:
    return SimpleNamespace(id=number, as_of=DAY + timedelta(days=number + 1), window_start=DAY)


def first_scores(monkeypatch: pytest.MonkeyPatch, runs: int, rows: int) -> Any:
    """Every run has the rows of the run before, with scores of its own, and one more."""

    def read(url: str, number: int, *, start: date, end: date) -> EventScores:
        n = rows + number
        names = np.array([f"entity {k}" for k in range(n)], dtype=object)
        return EventScores(names, np.full(n, np.datetime64(DAY, "us")), np.full(n, float(number)))

    scorer: Any = None
    monkeypatch.setattr(event_scores, "read", read)
    return outcomes._first_scores(
        [run(n) for n in reversed(range(runs))], DAY, DAY + timedelta(days=99), "", None, scorer
    )


def test_an_entity_has_its_first_score(monkeypatch: pytest.MonkeyPatch) -> None:
    found = first_scores(monkeypatch, 3, 2)
    assert found.set_index("entity")["score"].to_dict() == {
        "entity 0": 0.0,
        "entity 1": 0.0,
        "entity 2": 1.0,
        "entity 3": 2.0,
    }
    assert found["event_time"].dtype.kind == "M"
    assert first_scores(monkeypatch, 0, 2).empty


def test_memory_does_not_grow_with_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def peak(runs: int) -> int:
        tracemalloc.start()
        first_scores(monkeypatch, runs, 2000)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(2)
    assert peak(24) < 2 * peak(2)

"""Progress where there is no terminal: lines, and not too many."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.progress import TextColumn

from titleholder.cli import console
from titleholder.cli.console import ProgressBars, Terminal


def shown(*, terminal: bool, updates: int = 100) -> list[str]:
    printed = StringIO()
    with ProgressBars(TextColumn("bar"), console=Terminal(file=printed, force_terminal=terminal)) as bars:
        task = bars.add_task("loans [2024]", total=updates, step="extract")
        for n in range(1, updates + 1):
            bars.update(task, completed=n, step="train")
        bars.update(task, completed=updates)
    return printed.getvalue().splitlines()


def test_without_a_terminal_a_task_has_a_line_at_its_start_and_one_at_its_end() -> None:
    assert shown(terminal=False) == ["loans [2024]: 0 of 100 extract", "loans [2024]: 100 of 100 train"]


def test_a_long_task_has_lines_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "LINE_EVERY", 0.0)
    assert shown(terminal=False, updates=3)[1:] == [f"loans [2024]: {n} of 3 train" for n in (1, 2, 3)]


def test_a_task_that_waits_repeats_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make demo` into a file had `Backfill: 18 months of history: 0 of 18` every twenty seconds."""
    monkeypatch.setattr(console, "LINE_EVERY", 0.0)
    printed = StringIO()
    with ProgressBars(TextColumn("bar"), console=Terminal(file=printed, force_terminal=False)) as bars:
        task = bars.add_task("Backfill", total=2)
        for done in (0, 0, 1, 1, 2, 2):
            bars.update(task, completed=done)
    assert printed.getvalue().splitlines() == [f"Backfill: {n} of 2" for n in (0, 1, 2)]


def test_a_terminal_has_a_bar_and_no_lines() -> None:
    assert not [line for line in shown(terminal=True) if "of 100" in line]

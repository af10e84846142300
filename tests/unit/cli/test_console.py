"""Output for people: brackets in names are text, not markup."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from titleholder.cli import console


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Console:
    recorded = Console(width=80, record=True, file=StringIO())
    monkeypatch.setattr(console, "out", recorded)
    monkeypatch.setattr(console, "err", recorded)
    return recorded


def test_a_table_has_the_keys_of_its_first_row_and_lists_in_one_cell(shown: Console) -> None:
    console.print_table("Models [all]", [{"model": "a[b]", "candidates": ["x", "y"]}])
    title, head, row = (line.split() for line in shown.export_text().splitlines())
    assert title == ["Models", "[all]"]
    assert head == ["model", "candidates"]
    assert row == ["a[b]", "x,", "y"]


def test_a_table_without_rows_says_so(shown: Console) -> None:
    console.print_table("Models", [])
    assert "(none)" in shown.export_text()


def test_an_errors_brackets_are_text(shown: Console) -> None:
    console.print_error(ValueError("[red]no[/red] list[int]"))
    assert shown.export_text().strip() == "Error: [red]no[/red] list[int]"

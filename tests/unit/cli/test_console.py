"""Output for people: brackets in names are text, not markup."""

from __future__ import annotations

import json
import logging
import re
from io import StringIO

import pytest
from hypothesis import given
from rich.text import Text

from support.hostile import controls, hostile
from titleholder.cli import console
from titleholder.cli.console import LogFormat, Terminal


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    recorded = Terminal(width=80, record=True, file=StringIO())
    monkeypatch.setattr(console, "out", recorded)
    monkeypatch.setattr(console, "err", recorded)
    return recorded


def test_a_table_has_the_keys_of_its_first_row_and_lists_in_one_cell(shown: Terminal) -> None:
    console.print_table("Models [all]", [{"model": "a[b]", "candidates": ["x", "y"]}])
    title, head, row = (line.split() for line in shown.export_text().splitlines())
    assert title == ["Models", "[all]"]
    assert head == ["model", "candidates"]
    assert row == ["a[b]", "x,", "y"]


def test_a_table_without_rows_says_so(shown: Terminal) -> None:
    console.print_table("Models", [])
    assert "(none)" in shown.export_text()


def test_an_errors_brackets_are_text(shown: Terminal) -> None:
    console.print_error(ValueError("[red]no[/red] list[int]"))
    assert shown.export_text().strip() == "Error: [red]no[/red] list[int]"


@given(hostile)
def test_nothing_but_text_reaches_the_terminal(text: str) -> None:
    """A real terminal with colours: only the codes of our own styles are left, and none of a link."""
    file = StringIO()
    terminal = Terminal(file=file, force_terminal=True, color_system="standard", width=70)
    terminal.print(text)
    terminal.print(Text(text, style="red"), soft_wrap=True)
    terminal.print(console.fitted(text, ["a", text], [console.Line([text, text], "red")], 70))
    terminal.print(console.fitted(text, ["a", text], [console.Line([text, text])], 5))
    ours = re.sub(r"\x1b\[(\d+(;\d+)*)?m", "", file.getvalue())
    assert controls(ours) == []
    file.getvalue().encode()


def test_markup_and_emoji_are_printed_as_they_are(shown: Terminal) -> None:
    shown.print("[link=https://evil.example]a[/link] [/red] :warning:")
    assert shown.export_text().strip() == "[link=https://evil.example]a[/link] [/red] :warning:"


@given(hostile)
def test_what_libraries_log_is_text(text: str) -> None:
    record = logging.LogRecord("x", logging.WARNING, "", 0, "%s", (text,), None)
    assert controls(LogFormat("%(message)s").format(record)) == []


def test_a_crash_shows_its_traceback_without_secrets(shown: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "tr0ub4dor")
    error = KeyError("tr0ub4dor")
    error.__cause__ = ValueError("https://ann:tr0ub4dor@a.example")
    console.print_crash(error)
    assert shown.export_text().rstrip().splitlines() == [
        "ValueError: https://***@a.example",
        "",
        "The above exception was the direct cause of the following exception:",
        "",
        "KeyError: '***'",
    ]


def test_a_title_is_not_broken_where_its_table_ends(shown: Terminal) -> None:
    console.print_table("length_of_stay, version 1", [{"id": "7", "score": "0.5"}])
    assert shown.export_text().splitlines()[0] == "length_of_stay, version 1"


def test_a_table_without_rows_has_its_title_in_one_line(shown: Terminal) -> None:
    console.print_table("machine_failure: scoring runs", [])
    assert shown.export_text().splitlines() == ["machine_failure: scoring runs", "(none)"]


def test_what_json_does_not_have_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json({"scores": [{"entity": float("nan"), "score": 0.5}], "bounds": (float("-inf"), 1.0)})
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found == {"scores": [{"entity": None, "score": 0.5}], "bounds": [None, 1.0]}
